"""The links of a real kernel, followed in network namespaces."""

import asyncio
import logging
import os
import time
from pathlib import Path

import pytest

from core.config import NetConfig
from core.net.resolver_info import ResolverInfo
from core.net.types import OUR_PROTOCOL, LinkKind, Links
from tests.net.link_follower import Follower, following, netlink_fds
from tests.net.namespaces import MAIN_GATEWAY, needs_namespaces, network

pytestmark = needs_namespaces

SOON_S = 0.2
"""What is promised, from when ip(8) has done it. Seen: 25 ms; a busy machine may need more, so the median counts."""


def metric_of(links: Links, interface: str) -> int | None:
    found = links.named(interface)
    return found.metric if found is not None else None


def is_usable(links: Links, interface: str) -> bool:
    found = links.named(interface)
    return found is not None and found.usable


def _addresses(links: Links, interface: str) -> int:
    found = links.named(interface)
    return len(found.addresses) if found is not None else 0


def dns_of(links: Links, interface: str) -> tuple[str, ...]:
    found = links.named(interface)
    return found.dns if found is not None else ()


async def test_the_first_look_finds_links_addresses_routes_and_kinds(tmp_path: Path) -> None:
    with network(wlan=True) as net, net.host.inside():
        async with following(tmp_path) as seen:
            links = seen.links
            assert (links.primary, links.default, links.ours) == ("eth0", "eth0", ())
            eth0, wlan0, wwan0 = (links.named(name) for name in ("eth0", "wlan0", "wwan0"))
            assert eth0 is not None and wlan0 is not None and wwan0 is not None
            assert eth0.addresses == ("192.168.77.10/24",) and eth0.gateway == MAIN_GATEWAY and eth0.metric == 100
            assert (eth0.kind, wlan0.kind, wwan0.kind) == (LinkKind.ETHERNET, LinkKind.WIFI, LinkKind.WWAN)
            assert eth0.usable and wlan0.usable and not wwan0.usable


async def test_changes_are_told_within_200_ms(tmp_path: Path) -> None:
    with network(wlan=True) as net, net.host.inside():
        async with following(tmp_path) as seen:
            took_s: list[float] = []

            async def change(line: str, done: object) -> None:
                await asyncio.to_thread(net.host.ip, line)
                done_s = time.monotonic()
                took_s.append(await seen.until(done, line) - done_s)  # type: ignore[arg-type]
                await asyncio.sleep(0.15)

            await change("link set eth0 down", lambda links: links.default == "wlan0")
            await change("link set eth0 up", lambda links: links.named("eth0").carrier)
            await change(
                f"route add default via {MAIN_GATEWAY} dev eth0 metric 100", lambda links: links.primary == "eth0"
            )
            await change("addr add 10.9.9.9/24 dev wlan0", lambda links: len(links.named("wlan0").addresses) == 2)
            await change("addr del 10.9.9.9/24 dev wlan0", lambda links: len(links.named("wlan0").addresses) == 1)
            await change("link set wlan0 name wlan7", lambda links: links.named("wlan7"))
            await change("link del wlan7", lambda links: links.named("wlan7") is None)
            assert sorted(took_s)[len(took_s) // 2] < SOON_S, took_s


async def test_a_pulled_cable_is_seen_by_its_carrier(tmp_path: Path) -> None:
    with network() as net, net.host.inside():
        async with following(tmp_path) as seen:
            await asyncio.to_thread(net.router.ip, "link set lan0 down")
            await seen.until(lambda links: not links.links[0].carrier, "carrier is still there")
            assert seen.links.primary == "eth0" and seen.links.default == "eth0"  # the kernel keeps the route
            assert not seen.links.links[0].usable
            await asyncio.to_thread(net.router.ip, "link set lan0 up")
            await seen.until(lambda links: links.links[0].usable, "no carrier again")


async def test_where_the_kernel_passes_over_links_without_carrier_so_does_the_main_link(tmp_path: Path) -> None:
    with network(wlan=True) as net, net.host.inside():
        net.host.sysctl("net.ipv4.conf.all.ignore_routes_with_linkdown", "1")
        async with following(tmp_path) as seen:
            await asyncio.to_thread(net.router.ip, "link set lan0 down")
            await seen.until(lambda links: links.default == "wlan0" and links.primary == "wlan0", "still eth0")
            await asyncio.to_thread(net.router.ip, "link set lan0 up")
            await seen.until(lambda links: links.default == "eth0" and links.primary == "eth0", "still wlan0")


async def test_our_route_moves_the_default_and_not_the_main_link(tmp_path: Path) -> None:
    with network(metric=0, wwan_up=True) as net, net.host.inside():
        async with following(tmp_path) as seen:
            ours = f"dev wwan0 via 10.64.0.1 metric 40 proto {OUR_PROTOCOL}"
            net.host.ip(f"route add default {ours}")
            await seen.until(lambda links: links.ours == ("wwan0",), "our route is not seen")
            assert (seen.links.default, seen.links.primary) == ("eth0", "eth0")  # metric 0 is below any
            net.host.ip(f"route add 0.0.0.0/1 {ours}", f"route add 128.0.0.0/1 {ours}")
            await seen.until(lambda links: links.default == "wwan0", "the halves are not seen")
            assert (seen.links.primary, metric_of(seen.links, "eth0"), metric_of(seen.links, "wwan0")) == (
                "eth0",
                0,
                None,
            )


async def test_several_routes_replaced_routes_and_multipath_are_as_the_kernel_has_them(tmp_path: Path) -> None:
    with network(wlan=True) as net, net.host.inside():
        async with following(tmp_path) as seen:
            net.host.ip("route add default via 192.168.77.3 dev eth0 metric 50")
            await seen.until(lambda links: metric_of(links, "eth0") == 50, "the better one is not seen")
            net.host.ip("route replace default via 192.168.78.5 dev wlan0 metric 50")
            await seen.until(lambda links: links.primary == "wlan0", "the replaced one is still there")
            assert (metric_of(seen.links, "eth0"), metric_of(seen.links, "wlan0")) == (100, 50)
            several = "nexthop via 192.168.77.1 dev eth0 nexthop via 192.168.78.1 dev wlan0"
            net.host.ip("route del default metric 50", f"route add default metric 10 {several}")
            await seen.until(lambda links: metric_of(links, "wlan0") == 10, "multipath is not seen")
            assert metric_of(seen.links, "eth0") == 10 and seen.links.default == "eth0"
            net.host.ip("link set eth0 down")
            await seen.until(lambda links: links.default == "wlan0", "a dead hop is the way")
            net.host.ip("route del default metric 10", "route add blackhole default metric 5")
            await seen.until(lambda links: links.default is None, "a black hole is a way")


async def test_other_tables_other_services_and_bridges_are_none_of_ours(tmp_path: Path) -> None:
    with network(wlan=True) as net, net.host.inside():
        async with following(tmp_path) as seen:
            net.host.ip(
                "route add default via 192.168.78.1 dev wlan0 metric 1 table 77",  # wg-quick makes such a one
                "route add default via 192.168.78.1 dev wlan0 metric 1 tos 0x10",
                "route add 203.0.113.0/24 via 192.168.78.1 metric 1",
                "route add default via 192.168.78.1 dev wlan0 metric 601",
            )
            net.host.ip("route del default metric 600")
            await seen.until(lambda links: metric_of(links, "wlan0") == 601, "the one that is ours to see")
            assert seen.links.primary == seen.links.default == "eth0"
            net.host.ip(
                "link add br0 type bridge",
                "link set wlan0 master br0",
                "link set wlan0 nomaster",  # the kernel tells it as RTM_DELLINK of the family AF_BRIDGE
                "link set br0 up",
            )
            await seen.until(lambda links: links.named("br0") and links.links[-1].up, "the bridge is not seen")
            wlan0 = seen.links.named("wlan0")
            assert wlan0 is not None and (wlan0.metric, wlan0.addresses) == (601, ("192.168.78.10/24",))


async def test_an_interface_made_anew_with_another_index_is_the_main_link_again(tmp_path: Path) -> None:
    with network() as net, net.host.inside():
        async with following(tmp_path) as seen:
            index = seen.links.links[0].index
            net.host.ip("link del eth0")
            await seen.until(lambda links: links.named("eth0") is None, "eth0 is still there")
            assert seen.links.primary == "eth0"  # it is the main link that was lost
            net.host.ip(
                "link add spare type veth peer name other",
                "link add eth0 type veth peer name far0",
                "link set far0 up",
                "link set eth0 up",
                "addr add 192.168.77.10/24 dev eth0",
                "route add default via 192.168.77.1",
            )
            await seen.until(lambda links: is_usable(links, "eth0"), "eth0 is not usable")
            eth0 = seen.links.named("eth0")
            assert eth0 is not None and eth0.index != index and seen.links.default == "eth0"


async def test_routes_that_flap_are_told_at_most_ten_times_a_second(tmp_path: Path) -> None:
    with network(wlan=True) as net, net.host.inside():
        async with following(tmp_path) as seen:

            def flap() -> None:
                for _ in range(15):
                    net.host.ip("route del default dev eth0")
                    time.sleep(0.02)
                    net.host.ip(f"route add default via {MAIN_GATEWAY} dev eth0 metric 100")
                    time.sleep(0.02)

            before = len(seen.told)
            started_s = time.monotonic()
            await asyncio.to_thread(flap)
            net.host.ip("addr add 10.9.9.9/24 dev wlan0")
            await seen.until(lambda links: _addresses(links, "wlan0") == 2, "what came after it is not seen")
            told = seen.told[before:]
            took_s = told[-1][0] - started_s
            assert len(told) <= took_s / 0.1 + 2
            gaps = [later[0] - earlier[0] for earlier, later in zip(told, told[1:], strict=False)]
            assert all(gap >= 0.095 for gap in gaps), gaps
            assert (seen.links.primary, seen.links.default) == ("eth0", "eth0")


async def test_more_news_than_the_kernel_keeps_lose_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dialtone.net.links")
    with network(wlan=True) as net, net.host.inside():
        async with following(tmp_path, buffer_bytes=4096) as seen:
            storm = [f"route add default via 192.168.78.1 dev wlan0 metric {metric}" for metric in range(1000, 1150)]
            net.host.ip(*storm, "route del default dev eth0", "link set wlan0 name air0")  # blocks our event loop
            await seen.until(lambda links: links.primary == "air0", "the storm's end was lost")
            assert metric_of(seen.links, "air0") == 600 and metric_of(seen.links, "eth0") is None
    assert "more news than its buffer takes" in caplog.text


async def test_a_broken_netlink_socket_is_opened_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with network(wlan=True) as net, net.host.inside():
        others = netlink_fds()
        async with following(tmp_path) as seen:
            (ours,) = netlink_fds() - others
            nothing = os.open("/dev/null", os.O_RDWR)
            os.dup2(nothing, ours)
            os.close(nothing)
            net.host.ip("link set eth0 down")
            seen.watch.look_again()
            await seen.until(lambda links: links.default == "wlan0", "nobody listens")
            assert netlink_fds() - others
        assert not netlink_fds() - others
    assert "netlink was lost" in caplog.text


async def test_counters_count_bytes_and_know_no_unknown_link(tmp_path: Path) -> None:
    with network() as net, net.host.inside():
        async with following(tmp_path) as seen:
            before = await seen.watch.counters("eth0")
            await asyncio.to_thread(net.host.run, "ping", "-c", "5", "-i", "0.05", "-s", "1000", MAIN_GATEWAY)
            after = await seen.watch.counters("eth0")
            assert before is not None and after is not None
            assert all(5 * 1000 <= late - early < 20000 for early, late in zip(before, after, strict=True))
            assert await seen.watch.counters("no-such-link") is None


async def agree(seen: Follower, fresh: Follower, text: str) -> None:
    """At last."""
    deadline_s = time.monotonic() + 20
    while (seen.links.links, seen.links.default) != (fresh.links.links, fresh.links.default):
        assert time.monotonic() < deadline_s, f"{text}: {seen.links}, {fresh.links}"
        await asyncio.sleep(0.01)


async def test_the_news_alone_give_what_a_new_look_gives(tmp_path: Path) -> None:
    """The table's silent knowledge of the kernel, compared with this machine's kernel."""
    with network(wlan=True, wwan_up=True) as net, net.host.inside():
        async with following(tmp_path) as seen:
            for line in (
                "link set eth0 down",
                "link set eth0 up",
                "route add default via 192.168.77.1 dev eth0 metric 7",
                "addr add 192.168.77.11/24 dev eth0",
                "addr del 192.168.77.10/24 dev eth0",
                "addr add 10.7.7.1/24 dev eth0",
                "route replace default via 10.7.7.9 dev eth0 metric 7",
                "route append default via 192.168.78.9 dev wlan0 metric 7",
                "addr flush dev wlan0",
                "link set wlan0 down",
                "link set wwan0 down",
                "link set wwan0 name cell7",
            ):
                net.host.ip(line)
                async with following(tmp_path) as fresh:
                    await agree(seen, fresh, line)


async def test_the_modems_interface_is_left_out_when_it_becomes_known(tmp_path: Path) -> None:
    modem: list[str] = []
    with network(metric=100) as net, net.host.inside():
        async with following(tmp_path, modem_interface=lambda: modem[0] if modem else None) as seen:
            assert seen.links.primary == "eth0"
            modem.append("eth0")
            seen.watch.look_again()
            await seen.until(lambda links: links.primary is None, "the modem is the main link")


async def test_an_interface_that_is_named_is_the_main_link(tmp_path: Path) -> None:
    with network(wlan=True) as net, net.host.inside():
        async with following(tmp_path, NetConfig(primary="wlan0")) as seen:
            assert (seen.links.primary, seen.links.default) == ("wlan0", "eth0")


# --- name servers --------------------------------------------------------------------------------------------------


async def test_name_servers_are_followed_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    resolv = tmp_path / "etc/resolv.conf"
    resolv.write_text("search example.org\nnameserver 192.168.77.1\nnameserver 2001:db8::1\nnameserver nonsense\n")
    with network(wlan=True) as net, net.host.inside():
        async with following(tmp_path) as seen:
            assert seen.links.dns == ("192.168.77.1", "2001:db8::1")
            assert [link.dns for link in seen.links.links] == [("192.168.77.1", "2001:db8::1"), (), ()]
            (tmp_path / "etc/resolv.conf.new").write_text("nameserver 9.9.9.9\n")
            (tmp_path / "etc/resolv.conf.new").rename(resolv)
            await seen.until(lambda links: links.dns == ("9.9.9.9",), "the new file is not seen")


async def test_the_main_link_keeps_its_servers_while_the_carriers_stand_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    resolv = tmp_path / "etc/resolv.conf"
    resolv.write_text("nameserver 192.168.77.1\n")
    with network(wwan_up=True) as net, net.host.inside():
        async with following(tmp_path) as seen:
            resolv.write_text("# by dialtone-helper\nnameserver 10.64.0.1\n")
            await seen.until(lambda links: links.dns == ("10.64.0.1",), "the carrier's are not seen")
            eth0 = seen.links.named("eth0")
            assert eth0 is not None and eth0.dns == ("192.168.77.1",)


async def test_servers_of_each_link_are_read_where_systemd_and_resolvconf_keep_them(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text("nameserver 127.0.0.53\n")
    resolved = tmp_path / "run/systemd/resolve"
    (resolved / "netif").mkdir(parents=True)
    (resolved / "resolv.conf").write_text("nameserver 192.168.77.1\nnameserver 192.168.78.1\n")
    (tmp_path / "run/systemd/netif/links").mkdir(parents=True)
    (tmp_path / "run/resolvconf/interface").mkdir(parents=True)
    (tmp_path / "run/resolvconf/interface/wwan0.ppp").write_text("nameserver 10.64.0.1\n")
    with network(wlan=True) as net, net.host.inside():
        async with following(tmp_path) as seen:
            index = {link.interface: link.index for link in seen.links.links}
            (tmp_path / f"run/systemd/netif/links/{index['eth0']}").write_text("OPER_STATE=up\nDNS=192.168.77.1\n")
            (resolved / f"netif/{index['wlan0']}").write_text(
                "LLMNR=yes\nSERVERS=192.168.78.1#dns.example 9.9.9.9:53\n"
            )
            await seen.until(lambda links: dns_of(links, "wlan0"), "wlan0 has no servers")
            await seen.until(lambda links: dns_of(links, "eth0") == ("192.168.77.1",), "eth0 has others")
            assert seen.links.dns == ("192.168.77.1", "192.168.78.1")
            assert [link.dns for link in seen.links.links if link.interface != "eth0"] == [
                ("10.64.0.1",),
                ("192.168.78.1", "9.9.9.9"),
            ]


@pytest.mark.parametrize("server", ["9.9.9.9%eth0", "::1%", "fe80::1%", "%", "256.1.1.1", "127.0.0.53%lo"])
def test_a_name_server_that_is_no_address_is_passed_over(tmp_path: Path, server: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text(f"nameserver {server}\nnameserver fe80::1%eth0\nnameserver 9.9.9.9\n")
    assert ResolverInfo(tmp_path).read().servers == ("fe80::1%eth0", "9.9.9.9")
