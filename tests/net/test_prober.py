"""Looks at links of a small internet of namespaces: each verdict, and that it is the named link that is looked at."""

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.config import NetConfig
from core.events import NetVerdict
from core.net.prober import Prober
from core.net.types import Link, LinkKind
from tests.net.namespaces import (
    CARRIER_ADDRESS,
    CARRIER_GATEWAY,
    MAIN_ADDRESS,
    MAIN_GATEWAY,
    WEB,
    WLAN_GATEWAY,
    Network,
    needs_namespaces,
    network,
    until,
)
from tests.net.servers import NameServer, WebServer

pytestmark = needs_namespaces

OK, DOWN, CAPTIVE = NetVerdict.OK, NetVerdict.DOWN, NetVerdict.CAPTIVE
DNS_FAILED, NO_LINK = NetVerdict.DNS_FAILED, NetVerdict.NO_LINK
ROOT = Path(__file__).parents[2]


@pytest.fixture
def net() -> Iterator[Network]:
    with network(wwan_up=True) as built, built.host.inside():
        before = open_files()
        yield built
        until(lambda: open_files() == before, "a look left a socket or a pipe open")  # the servers' are in this process
        until(lambda: children() == [], "a ping runs on")


@pytest.fixture
def prober() -> Prober:
    return Prober(NetConfig())


def open_files() -> list[str]:
    """Sockets and pipes, but not the event loop's own, which come and go with it."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
        if target.startswith(("socket:", "pipe:")):
            found.append(target)
    return sorted(found)


def children() -> list[str]:
    """Programs called ping that this process has started and not waited for."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that ends, a program that was just waited for
            names += [Path(f"/proc/{pid}/comm").read_text().strip() for pid in (task / "children").read_text().split()]
    return [name for name in names if name == "ping"]


def eth0(**changes: object) -> Link:
    link = Link(
        interface="eth0",
        index=socket.if_nametoindex("eth0"),
        kind=LinkKind.ETHERNET,
        up=True,
        carrier=True,
        addresses=(f"{MAIN_ADDRESS}/24",),
        gateway=MAIN_GATEWAY,
        metric=100,
        dns=(MAIN_GATEWAY,),
    )
    return replace(link, **changes)  # type: ignore[arg-type]


def wwan0(**changes: object) -> Link:
    """As the watch tells it while it has a default route of ours alone."""
    link = Link(
        interface="wwan0",
        index=socket.if_nametoindex("wwan0"),
        kind=LinkKind.WWAN,
        up=True,
        carrier=True,
        addresses=(f"{CARRIER_ADDRESS}/30",),
        dns=(CARRIER_GATEWAY,),
    )
    return replace(link, **changes)  # type: ignore[arg-type]


async def test_a_good_link_is_ok_and_says_how_fast(net: Network, prober: Prober) -> None:
    probe = await prober.probe(eth0(), timeout_s=20)
    assert (probe.interface, probe.verdict) == ("eth0", OK)
    assert probe.rtt_ms is not None and probe.rtt_ms > 0
    assert "answered in" in probe.detail and "has 204" in probe.detail
    assert ("/generate_204", "www.gstatic.com") in net.web.seen and "www.gstatic.com" in net.dns.seen


async def test_a_good_link_does_not_take_the_whole_time_out(net: Network, prober: Prober) -> None:
    began = time.monotonic()
    assert (await prober.probe(eth0(), timeout_s=40)).verdict is OK
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("thorough", [True, False])
async def test_a_link_behind_which_nothing_answers_is_down_in_time(
    net: Network, prober: Prober, thorough: bool
) -> None:
    assert (await prober.probe(eth0(), timeout_s=20)).verdict is OK
    net.cut_main()
    took_s = []
    for _ in range(3):
        began = time.monotonic()
        probe = await prober.probe(eth0(), timeout_s=0.5, thorough=thorough)
        took_s.append(time.monotonic() - began)
    assert 0.4 < min(took_s) < 0.7, took_s
    assert (probe.verdict, probe.rtt_ms) == (DOWN, None)
    assert "no answer from 8.8.8.8, 1.1.1.1" in probe.detail
    net.mend_main()
    assert (await prober.probe(eth0(), timeout_s=20, thorough=thorough)).verdict is OK


@pytest.mark.parametrize(("icmp", "status"), [(True, 302), (True, 200), (False, 302), (False, 511)])
async def test_a_portal_is_captive_whether_or_not_it_lets_pings_out(
    net: Network, prober: Prober, icmp: bool, status: int
) -> None:
    net.captive(True, icmp=icmp, status=status)
    probe = await prober.probe(eth0(), timeout_s=20)
    assert probe.verdict is CAPTIVE and f"({status})" in probe.detail
    net.captive(False)
    assert (await prober.probe(eth0(), timeout_s=20)).verdict is OK


async def test_names_that_fail_while_addresses_answer_are_told_apart(net: Network, prober: Prober) -> None:
    net.dns_down(True)
    probe = await prober.probe(eth0(), timeout_s=1.5)
    assert probe.verdict is DNS_FAILED and f"dns.google: no answer from {MAIN_GATEWAY}" in probe.detail


async def test_names_that_fail_are_told_apart_where_icmp_is_blocked_once_the_pages_address_was_known(
    net: Network, prober: Prober
) -> None:
    net.icmp_blocked(True)
    assert (await prober.probe(eth0(), timeout_s=20)).verdict is OK
    net.dns_down(True)
    assert (await prober.probe(eth0(), timeout_s=6)).verdict is DNS_FAILED
    assert (await Prober(NetConfig()).probe(eth0(), timeout_s=0.6)).verdict is DOWN  # it never knew one


async def test_the_address_of_a_portal_is_not_remembered_as_that_of_the_page(net: Network, prober: Prober) -> None:
    with net.router.inside():
        portal = WebServer(80, portal=True)
    try:
        net.names["www.gstatic.com"] = (MAIN_GATEWAY,)
        assert (await prober.probe(eth0(), timeout_s=20)).verdict is CAPTIVE
        net.dns_down(True)
        assert (await prober.probe(eth0(), timeout_s=1.5)).verdict is DNS_FAILED
    finally:
        portal.stop()


async def test_a_name_server_that_can_find_nothing_out_is_told_without_waiting(net: Network, prober: Prober) -> None:
    net.dns.rcode = 2
    began = time.monotonic()
    probe = await prober.probe(eth0(dns=("8.8.8.8",)), timeout_s=40)
    assert probe.verdict is DNS_FAILED and "8.8.8.8 says SERVFAIL" in probe.detail
    assert time.monotonic() - began < 20


async def test_a_second_name_server_that_answers_is_enough(net: Network, prober: Prober) -> None:
    probe = await prober.probe(eth0(dns=("192.168.77.99", "203.0.113.80", "1.1.1.1")), timeout_s=20)
    assert probe.verdict is OK and "has 204" in probe.detail


async def test_a_name_that_does_not_exist_is_no_failure_of_the_link(net: Network) -> None:
    prober = Prober(NetConfig(dns_name="no.such.example", http_url=""))
    probe = await prober.probe(eth0(), timeout_s=20)
    assert probe.verdict is OK and "does not exist" in probe.detail


async def test_a_name_that_the_router_knows_by_heart_is_no_internet(net: Network, prober: Prober) -> None:
    net.cut_main()  # the router itself still reaches its name server
    probe = await prober.probe(eth0(), timeout_s=5)
    assert probe.verdict is DOWN and "dns.google is" in probe.detail


async def test_pings_may_be_blocked_where_the_page_is_there(net: Network, prober: Prober) -> None:
    net.icmp_blocked(True)
    began = time.monotonic()
    probe = await prober.probe(eth0(), timeout_s=40)
    assert probe.verdict is OK and probe.rtt_ms is None
    assert time.monotonic() - began < 20


async def test_a_page_that_is_blocked_is_no_failure_while_echoes_come(net: Network) -> None:
    config = NetConfig(http_url=f"http://{WEB}:81/generate_204")
    with net.internet.inside():
        server = socket.create_server((WEB, 81))  # takes connections and never says anything
    with server:
        probe = await Prober(config).probe(eth0(), timeout_s=5)
    assert probe.verdict is OK and "has no answer" in probe.detail


@pytest.mark.parametrize(("status", "verdict"), [(200, CAPTIVE), (301, CAPTIVE), (404, OK), (503, OK)])
async def test_what_the_page_has_instead_decides(net: Network, status: int, verdict: NetVerdict) -> None:
    net.web.status = status
    prober = Prober(NetConfig(http_url=f"http://{WEB}/other"))
    assert (await prober.probe(eth0(), timeout_s=20)).verdict is verdict


async def test_where_neither_pings_nor_pages_come_a_connection_is_tried(net: Network) -> None:
    prober = Prober(NetConfig(http_url="", dns_name=""))
    net.icmp_blocked(True)
    assert (await prober.probe(eth0(), timeout_s=0.5)).verdict is DOWN
    with net.internet.inside():
        server = socket.create_server(("1.1.1.1", 443))
    with server:
        probe = await prober.probe(eth0(), timeout_s=8)
    assert probe.verdict is OK and "1.1.1.1 accepts connections" in probe.detail


async def test_a_link_without_carrier_address_or_route_is_no_link_at_once(net: Network, prober: Prober) -> None:
    began = time.monotonic()
    assert (await prober.probe(eth0(up=False), timeout_s=30)).detail == "eth0 is down"
    assert (await prober.probe(eth0(carrier=False), timeout_s=30)).detail == "eth0 has no carrier"
    assert (await prober.probe(eth0(addresses=()), timeout_s=30)).detail == "eth0 has no address"
    net.host.ip("route del default dev eth0")
    probe = await prober.probe(eth0(metric=None, gateway=None), timeout_s=30)
    assert (probe.verdict, probe.detail) == (NO_LINK, "eth0 has no default route")
    assert time.monotonic() - began < 20


async def test_an_interface_that_vanishes_in_the_middle_is_no_link(net: Network, prober: Prober) -> None:
    link = eth0()
    net.cut_main()
    async with asyncio.TaskGroup() as group:
        look = group.create_task(prober.probe(link, timeout_s=5.0))
        await asyncio.sleep(0.3)
        net.host.ip("link del eth0")
    assert (look.result().verdict, look.result().detail) == (NO_LINK, "eth0 is gone")
    assert (await prober.probe(link, timeout_s=1.0)).verdict is NO_LINK


async def test_the_main_link_is_looked_at_through_itself_while_the_backup_carries_the_traffic(
    net: Network, prober: Prober
) -> None:
    net.backup_route(True)
    assert (await prober.probe(eth0(), timeout_s=20)).verdict is OK
    assert net.carrier_traffic().packets == 0 and net.main_traffic().packets > 0
    net.cut_main()
    assert (await prober.probe(eth0(), timeout_s=0.6)).verdict is DOWN
    assert net.carrier_traffic().packets == 0
    net.mend_main()
    net.captive(True)
    assert (await prober.probe(eth0(), timeout_s=20)).verdict is CAPTIVE
    assert net.carrier_traffic().packets == 0


@pytest.mark.parametrize("halves", [False, True])
async def test_the_backup_is_looked_at_by_its_route_of_ours(net: Network, prober: Prober, halves: bool) -> None:
    net.cut_main()
    assert (await prober.probe(wwan0(), timeout_s=1)).verdict is NO_LINK
    if halves:
        for half in ("0.0.0.0/1", "128.0.0.0/1"):
            net.host.ip(f"route add {half} via {CARRIER_GATEWAY} dev wwan0 proto 219 metric 40")
    else:
        net.backup_route(True)
    before = net.main_traffic()
    assert (await prober.probe(wwan0(), timeout_s=20)).verdict is OK
    assert net.main_traffic() == before and net.carrier_traffic().packets > 3


async def test_a_metered_link_is_looked_at_by_icmp_alone(net: Network, prober: Prober) -> None:
    net.backup_route(True)
    assert (await prober.probe(wwan0(), timeout_s=40, thorough=False)).verdict is OK  # another try is 13 s later
    assert net.carrier_traffic().packets <= 2 and net.carrier_traffic().bytes < 200
    assert net.web.seen == [] and net.dns.seen == []


async def test_two_main_links_have_each_their_own_verdict() -> None:
    with network(wlan=True) as net, net.host.inside():
        net.cut_main("wlan0")
        wlan0 = replace(
            eth0(),
            interface="wlan0",
            index=socket.if_nametoindex("wlan0"),
            addresses=("192.168.78.10/24",),
            gateway=WLAN_GATEWAY,
            dns=(WLAN_GATEWAY,),
        )
        prober = Prober(NetConfig())
        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(prober.probe(link, timeout_s=5)) for link in (eth0(), wlan0)]
        assert [look.result().verdict for look in looks] == [OK, DOWN]


async def test_other_addresses_may_be_asked(net: Network) -> None:
    prober = Prober(NetConfig(http_url="", dns_name=""))
    assert (await prober.probe(eth0(), timeout_s=20, addresses=("203.0.113.11",))).verdict is OK
    probe = await prober.probe(eth0(), timeout_s=0.5, addresses=("203.0.113.99",))
    assert probe.verdict is DOWN and "203.0.113.99" in probe.detail


async def test_a_lossy_link_is_no_dead_link(net: Network, prober: Prober) -> None:
    net.loss(20)
    async with asyncio.TaskGroup() as group:
        looks = [group.create_task(prober.probe(eth0(), timeout_s=3)) for _ in range(30)]
    found = [look.result().verdict for look in looks]
    assert found.count(OK) >= 25  # one packet a look would lose a third of them; three lose none in some hundred


async def test_a_look_in_which_this_process_stood_still_is_made_again(net: Network, prober: Prober) -> None:
    assert (await prober.probe(eth0(), timeout_s=20)).verdict is OK
    async with asyncio.TaskGroup() as group:
        look = group.create_task(prober.probe(eth0(), timeout_s=1.0))
        await asyncio.sleep(0)
        time.sleep(2.0)  # noqa: ASYNC251 - a busy machine
    assert look.result().verdict is OK


async def test_the_stub_of_a_local_resolver_is_not_asked(net: Network, prober: Prober) -> None:
    probe = await prober.probe(eth0(dns=("127.0.0.53", "fd00::1")), timeout_s=20)
    assert probe.verdict is OK and "no name server of eth0 is known" in probe.detail
    assert net.dns.seen == []


async def test_a_name_server_of_another_private_network_is_believed_only_once_it_has_answered_here(
    net: Network, prober: Prober
) -> None:
    """As a VPN's, which wg-quick wrote into resolv.conf: through the main link it never answers."""
    link = eth0(dns=("10.100.0.1",))
    probe = await prober.probe(link, timeout_s=1.5)
    assert probe.verdict is OK and "may be of another link" in probe.detail
    net.router.ip("addr add 10.100.0.1/32 dev lo")
    with net.router.inside():
        server = NameServer(("10.100.0.1",), net.names)
    try:
        assert (await prober.probe(link, timeout_s=20)).verdict is OK
        net.dns_down(True)
        assert (await prober.probe(link, timeout_s=1.5)).verdict is DNS_FAILED
    finally:
        server.stop()


@pytest.mark.parametrize("pings", ["by_socket", "by_program"])
@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.05, 0.3])
async def test_a_look_can_be_cancelled_at_any_moment(net: Network, prober: Prober, after_s: float, pings: str) -> None:
    if pings == "by_program":
        net.host.sysctl("net.ipv4.ping_group_range", "1 0")
    net.cut_main()
    async with asyncio.TaskGroup() as group:
        look = group.create_task(prober.probe(eth0(), timeout_s=5))
        await asyncio.sleep(after_s)
        look.cancel()
    assert look.cancelled()
    assert {task for task in asyncio.all_tasks() if task.get_name().startswith("net.")} == set()


async def test_ten_looks_at_once_are_all_in_time(net: Network, prober: Prober) -> None:
    await prober.probe(eth0(), timeout_s=20)
    net.cut_main()
    before, began, most = len(open_files()), time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        looks = [group.create_task(prober.probe(eth0(), timeout_s=2.0)) for _ in range(10)]
        while not all(look.done() for look in looks):
            await asyncio.sleep(0.02)
            most = max(most, len(open_files()) - before)
    assert time.monotonic() - began < 15  # one after another: 20
    assert all(look.result().verdict is DOWN for look in looks)
    assert 10 <= most <= 140


async def test_a_loose_reverse_path_filter_lets_the_main_link_be_seen_beside_the_backup(
    net: Network, prober: Prober
) -> None:
    """Strict (1) drops the answers that come by eth0 while the default route is wwan0's; the larger of `all` and the
    interface's counts (ip-sysctl), so that `all` = 2 is enough against any other."""
    net.host.sysctl("net.ipv4.conf.eth0.rp_filter", "1")
    net.backup_route(True)
    assert (await prober.probe(eth0(), timeout_s=0.5)).verdict is DOWN
    net.host.sysctl("net.ipv4.conf.all.rp_filter", "2")
    assert (await prober.probe(eth0(), timeout_s=20)).verdict is OK


def unprivileged(net: Network, *options: str) -> tuple[dict[str, dict[str, object]], str]:
    done = net.host.run("env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.net.unprivileged", "eth0", *options)
    looks: dict[str, dict[str, object]] = json.loads(done.stdout)
    return looks, done.stderr


def test_a_user_without_a_capability_looks_through_the_interface(net: Network) -> None:
    net.backup_route(True)
    looks, log = unprivileged(net, "no-new-privileges")
    for look in looks.values():
        assert look["verdict"] == "ok" and look["rtt_ms"] is not None
    assert net.carrier_traffic().packets == 0 and "no ICMP echo" not in log


def test_ping_is_used_where_the_kernel_keeps_ping_sockets_from_the_user() -> None:
    with network(ping_sockets=False, wwan_up=True) as net:
        net.backup_route(True)
        looks, log = unprivileged(net)
        assert looks["icmp"]["verdict"] == "ok" and looks["icmp"]["rtt_ms"] is not None
        assert net.carrier_traffic().packets == 0 and "no ICMP echo" not in log


def test_without_any_icmp_pages_and_names_decide_and_it_is_said_once() -> None:
    with network(ping_sockets=False) as net:
        looks, log = unprivileged(net, "no-new-privileges")
        assert looks["thorough"]["verdict"] == "ok" and looks["thorough"]["rtt_ms"] is None
        assert looks["icmp"]["verdict"] == "down" and "no ICMP may be sent here" in str(looks["icmp"]["detail"])
        assert log.count("no ICMP echo") == 1


@pytest.mark.parametrize("thorough", [True, False])
async def test_without_anything_to_ping_the_page_decides_also_over_the_backup(
    net: Network, caplog: pytest.LogCaptureFixture, thorough: bool
) -> None:
    prober = Prober(NetConfig(ping=()))
    assert (await prober.probe(eth0(), timeout_s=20, thorough=thorough)).verdict is OK
    net.cut_main()
    assert (await prober.probe(eth0(), timeout_s=0.8, thorough=thorough)).verdict is DOWN
    assert not caplog.records
