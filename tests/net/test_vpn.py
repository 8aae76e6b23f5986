"""The VPN is kept up: a real tunnel in a small internet, a real dialtone-helper, the keeper in its own process."""

import asyncio
import itertools
import re
import shutil
import time
from pathlib import Path

import pytest

from tests.net.kept_vpn import LONG_S, KeptVpn, connection, kept_vpn
from tests.net.namespaces import OTHER_VPS, VPS, needs_namespaces
from tests.net.netns import until
from tests.net.systemd_bus import needs_bus
from tests.net.wireguard_rig import FAR, PORT, needs_wireguard

pytestmark = [needs_namespaces, needs_wireguard, pytest.mark.timeout(180)]
SEEN_BY_MAIN, SEEN_BY_SIM = "198.51.100.2:", "198.51.100.6:"
"""Where the VPS sees the host: the router's and the carrier's NAT."""


def index(kept: KeptVpn) -> str:
    """Of the tunnel's interface: another one after a restart."""
    shown = kept.net.host.run("ip", "-o", "link", "show", kept.vpn.interface, check=False).stdout
    return shown.partition(":")[0]


async def seen_by(kept: KeptVpn, prefix: str, timeout_s: float = 40.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not kept.vpn.shown("endpoints", far=True).startswith(prefix):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.05)


async def silence(kept: KeptVpn, for_s: float = 2.0) -> None:
    """Until nothing has come to the VPS for that long. WireGuard itself says something once, 10 s after an answer."""
    async with asyncio.timeout(40):
        before, since_s = "", time.monotonic()
        while True:
            if (now := kept.vpn.shown("transfer", far=True)) != before:
                before, since_s = now, time.monotonic()
            elif time.monotonic() >= since_s + for_s:
                return
            await asyncio.sleep(0.2)


async def test_a_tunnel_that_works_is_told_once_with_what_was_seen() -> None:
    async with kept_vpn() as kept:
        up = await kept.wait("up")
        assert up["from_state"] == "off" and re.fullmatch(rf"{FAR} answered in \d+ ms", up["reason"])
        status = await kept.status_until(lambda status: status["handshake_age_s"] is not None)
        assert status["state"] == "up" and status["endpoint"] == f"{VPS}:{PORT}"
        assert status["ping_ms"] < 5000 and status["handshake_age_s"] < 60
        assert status["restarts"] == 0 and status["next_restart_s"] is None
        await kept.looks(3)
        assert kept.states == ["up"]


async def test_the_peer_learns_the_new_way_at_once_while_nothing_is_being_said() -> None:
    async with kept_vpn(keepalive_s=0, config={"every_s": 3600.0}) as kept:
        await kept.wait("up")
        for on, prefix, before in ((True, SEEN_BY_SIM, SEEN_BY_MAIN), (False, SEEN_BY_MAIN, SEEN_BY_SIM)):
            await silence(kept)
            kept.net.backup_route(on)
            await asyncio.sleep(0.5)
            assert kept.vpn.shown("endpoints", far=True).startswith(before)  # silent, so the VPS can't know
            kept.say("roamed test")
            await seen_by(kept, prefix)
        assert kept.states == ["up"]


@pytest.mark.parametrize("from_vps", [False, True], ids=["host talks", "VPS talks"])
async def test_a_connection_in_the_tunnel_outlives_a_dead_main_link_and_the_way_back(from_vps: bool) -> None:
    async with kept_vpn(config={"fail_count": 20}, come_through_s=LONG_S) as kept:
        await kept.wait("up")
        async with connection(kept.net, from_vps=from_vps) as talking:
            await talking.goes_on()
            kept.net.cut_main()
            await asyncio.sleep(1.0)
            kept.net.backup_route(True)
            kept.say("roamed the backup carries the traffic")
            assert await talking.goes_on() < 15
            await seen_by(kept, SEEN_BY_SIM)
            kept.net.mend_main()
            kept.net.backup_route(False)
            kept.say("roamed the main link is back")
            await seen_by(kept, SEEN_BY_MAIN)  # while both ways carry, what is on its way may come by either
            await talking.goes_on()
            assert (await talking.end())["error"] is None
        assert "restarting" not in kept.states


async def test_a_way_that_dies_a_moment_after_the_traffic_was_moved_takes_no_connection_with_it() -> None:
    """wireguard-go sends by where the last packet came from, and goes on so for 26 s (measured) if nobody helps."""
    async with kept_vpn(config={"fail_count": 20}, come_through_s=LONG_S) as kept:
        await kept.wait("up")
        by_main = kept.vpn.shown("endpoints", far=True)
        async with connection(kept.net, from_vps=True) as talking:
            await talking.goes_on()
            kept.net.backup_route(True)
            kept.say("roamed the backup carries the traffic")
            await asyncio.sleep(0.3)
            kept.vpn.say_by(by_main)
            kept.net.cut_main()
            assert await talking.goes_on() < 15
            kept.net.mend_main()
            by_sim = kept.vpn.shown("endpoints", far=True)
            kept.net.backup_route(False)
            kept.say("roamed the main link is back")
            await asyncio.sleep(0.3)
            kept.vpn.say_by(by_sim)
            kept.net.host.ip("addr del 10.64.0.2/30 dev wwan0", "link set wwan0 down")
            assert await talking.goes_on() < 15
            assert (await talking.end())["error"] is None


async def test_what_failed_by_the_old_way_does_not_count_by_the_new_one() -> None:
    async with kept_vpn(keepalive_s=0, config={"every_s": 3600.0}) as kept:
        await kept.wait("up")
        kept.net.cut_carrier_side()
        kept.net.backup_route(True)
        for _ in range(2):  # each fails once, and twice is the count
            before_s = (await kept.status())["looked_s"]
            kept.say("roamed test")
            failed = await kept.status_until(lambda status, before_s=before_s: status["looked_s"] != before_s)  # type: ignore[misc]
            assert "does not answer" in failed["reason"]
        assert kept.states == ["up"] and kept.vpn.shown("endpoints", far=True).startswith(SEEN_BY_MAIN)


async def test_the_new_way_is_tried_for_some_seconds_until_it_carries() -> None:
    async with kept_vpn(keepalive_s=0, config={"every_s": 3600.0}, come_through_s=LONG_S) as kept:
        await kept.wait("up")
        kept.net.cut_main()
        kept.net.cut_carrier_side()
        kept.net.backup_route(True)
        kept.say("roamed test")
        await asyncio.sleep(1.5)  # the first try fails; however long this takes, there are more
        assert kept.vpn.shown("endpoints", far=True).startswith(SEEN_BY_MAIN)
        kept.net.mend_carrier_side()
        await seen_by(kept, SEEN_BY_SIM)


async def test_a_peer_whose_name_has_another_address_is_found_there_without_a_restart() -> None:
    async with kept_vpn(named=True, come_through_s=LONG_S) as kept:
        await kept.wait("up")
        before = index(kept)
        kept.net.internet.ip(f"addr del {VPS}/32 dev lo")
        kept.net.names["vps.example.org"] = (OTHER_VPS,)
        await kept.wait("stale")
        moved = await kept.wait_for(OTHER_VPS)
        assert moved["reason"] == f"vps.example.org is {OTHER_VPS}:{PORT} now, it was {VPS}:{PORT}"
        assert moved["state"] == moved["from_state"] == "stale"
        await kept.wait("up", count=2)
        assert kept.vpn.shown("endpoints") == f"{OTHER_VPS}:{PORT}"
        assert index(kept) == before
        assert "restarting" not in kept.states


async def test_after_the_way_moved_the_name_is_looked_up_at_once_when_nobody_answers_there() -> None:
    async with kept_vpn(named=True, config={"every_s": 3600.0}) as kept:
        await kept.wait("up")
        kept.net.internet.ip(f"addr del {VPS}/32 dev lo")
        kept.net.names["vps.example.org"] = (OTHER_VPS,)
        kept.say("roamed test")
        await kept.wait_for(OTHER_VPS)
        await kept.status_until(lambda status: status["endpoint"] == f"{OTHER_VPS}:{PORT}")


@needs_bus
async def test_a_dead_peer_makes_restarts_with_growing_pauses_until_it_is_back() -> None:
    async with kept_vpn(systemd=True, command=["true"]) as kept:
        await kept.wait("up")
        assert kept.bus is not None
        kept.vpn.silence(True)
        stale = await kept.wait("stale")
        assert stale["from_state"] == "up" and f"{FAR} does not answer; the last handshake was" in stale["reason"]
        assert stale["handshake_age_s"] < 60
        await kept.wait("restarting", count=2)
        assert (await kept.status())["restarts"] >= 2  # while it is silent: one that lasts is counted anew
        at = [moment for moment, _ in kept.bus.restarts()]
        assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(at))
        down = await kept.wait("down")
        assert down["reason"].startswith(f"restarted: {FAR} does not answer") and down["from_state"] == "restarting"
        kept.vpn.silence(False)
        await kept.wait("up", count=2)
        assert {name for _, name in kept.bus.restarts()} == {f"wg-quick@{kept.vpn.interface}.service"}


@needs_bus
@pytest.mark.parametrize("answer", [None, "refused"])
async def test_a_broken_tunnel_is_made_anew_by_systemd_or_by_the_helper(answer: str | None) -> None:
    async with kept_vpn(systemd=True, come_through_s=LONG_S) as kept:
        await kept.wait("up")
        assert kept.bus is not None
        kept.bus.answer(answer)
        before = index(kept)
        kept.net.host.run("wg", "set", kept.vpn.interface, "peer", kept.vpn.far_key, "remove")
        await kept.wait("restarting")
        up = await kept.wait("up", count=2)
        assert up["reason"].startswith("restarted: ") and up["from_state"] == "restarting"
        assert index(kept) not in ("", before)
        assert len(kept.bus.restarts()) == 1


async def test_without_systemd_the_helper_restarts_it() -> None:
    async with kept_vpn(come_through_s=LONG_S) as kept:
        await kept.wait("up")
        kept.net.host.run("ip", "link", "del", kept.vpn.interface)
        off = await kept.wait("off")
        assert off["reason"] == f"{kept.vpn.interface} does not exist"
        assert (await kept.wait("up", count=2))["from_state"] == "restarting"


async def test_without_a_helper_a_ping_is_enough_to_know_and_a_restart_says_what_is_missing() -> None:
    async with kept_vpn(helper=False) as kept:
        await kept.wait("up")
        assert (await kept.status())["handshake_age_s"] is None
        kept.vpn.silence(True)
        await kept.wait("restarting")
        assert "dialtone-helper" in (await kept.wait("down"))["reason"]
        kept.vpn.silence(False)
        await kept.wait("up", count=2)


@needs_bus
async def test_without_internet_nothing_is_restarted_and_it_is_up_at_once_when_there_is_some() -> None:
    async with kept_vpn(systemd=True, command=["true"], come_through_s=LONG_S) as kept:
        await kept.wait("up")
        assert kept.bus is not None
        kept.say("internet 0")
        await kept.status()  # it has heard that
        kept.net.cut_main()
        down = await kept.wait("down")
        assert down["reason"].startswith(f"the internet is down, and {FAR} does not answer")
        await kept.looks(3)  # two that fail are the count
        assert kept.states == ["up", "down"] and kept.bus.restarts() == []
        kept.net.mend_main()
        asked_s = time.monotonic()
        kept.say("internet 1")
        assert (await kept.wait("up", count=2))["at_s"] - asked_s < 15.0  # the ping of the tunnel goes on for longer
        assert kept.bus.restarts() == []


@needs_bus
async def test_while_the_main_link_is_in_doubt_nothing_is_restarted_and_then_at_once() -> None:
    async with kept_vpn(systemd=True, command=["true"]) as kept:
        await kept.wait("up")
        assert kept.bus is not None
        kept.say("internet ?")
        await kept.status()  # it has heard that
        kept.vpn.silence(True)
        await kept.status_until(lambda status: "does not answer" in status["reason"])
        await kept.looks(2)  # two that fail are the count
        assert kept.states == ["up"] and kept.bus.restarts() == []
        kept.say("internet 1")
        await kept.wait("restarting")


@needs_bus
async def test_links_that_flap_do_not_hide_a_dead_vpn() -> None:
    async with kept_vpn(systemd=True, command=["true"]) as kept:
        await kept.wait("up")
        for _ in range(10):  # 2 s of moves, five looks
            kept.say("roamed flap")
            await asyncio.sleep(0.2)
        assert kept.states == ["up"]
        kept.vpn.silence(True)
        async with asyncio.timeout(60):
            while "stale" not in kept.states:
                kept.say("roamed flap")
                await asyncio.sleep(0.2)


@needs_bus
async def test_a_restart_by_hand_that_is_under_way_spares_the_keeper_its_own(tmp_path: Path) -> None:
    done = tmp_path / "done"
    slow = ["sh", "-c", f"until [ -e {done} ]; do sleep 0.1; done"]
    async with kept_vpn(systemd=True, command=slow, config={"retry_s": [60.0]}) as kept:
        await kept.wait("up")
        bus = kept.bus
        assert bus is not None
        kept.say("restart")
        await asyncio.to_thread(until, lambda: len(bus.restarts()) == 1, "a restart was asked for", 20)
        kept.vpn.silence(True)
        await kept.wait("restarting")
        done.touch()
        await kept.wait("down")
        assert len(bus.restarts()) == 1


async def test_internet_that_came_back_is_told_to_the_peer_at_once() -> None:
    async with kept_vpn(config={"every_s": 3600.0}) as kept:
        await kept.wait("up")
        kept.net.cut_main()
        kept.say("internet 0")
        await kept.wait("down")
        kept.net.mend_main()
        kept.say("internet 1")
        await kept.wait("up", count=2)


@needs_bus
async def test_internet_that_goes_down_in_a_repair_stops_the_restart_that_would_follow() -> None:
    async with kept_vpn(systemd=True, named=True, command=["true"], come_through_s=10.0) as kept:
        await kept.wait("up")
        assert kept.bus is not None
        kept.vpn.silence(True)
        kept.net.names["vps.example.org"] = (OTHER_VPS,)
        await kept.wait_for(OTHER_VPS)
        kept.say("internet 0")
        down = await kept.wait("down")
        assert down["reason"].startswith("the internet is down, and ") and down["from_state"] == "stale"
        assert kept.bus.restarts() == []


@needs_bus
async def test_a_tunnel_that_somebody_stopped_stays_off_and_one_that_failed_is_started() -> None:
    async with kept_vpn(systemd=True, up=False, come_through_s=LONG_S) as kept:
        assert kept.bus is not None
        unit = f"wg-quick@{kept.vpn.interface}.service"
        kept.bus.set_active(unit, "inactive")
        status = await kept.status_until(lambda status: "was stopped" in status["reason"])
        assert status["state"] == "off" and kept.bus.restarts() == []
        kept.bus.set_active(unit, "failed")
        await kept.wait("up")
        assert len(kept.bus.restarts()) == 1


@needs_bus
async def test_a_restart_waits_for_a_name_that_cannot_be_looked_up_but_not_for_ever() -> None:
    async with kept_vpn(systemd=True, named=True, command=["true"]) as kept:
        await kept.wait("up")
        assert kept.bus is not None
        kept.net.dns.rcode = 2  # SERVFAIL
        kept.vpn.silence(True)
        down = await kept.wait("down")
        assert "vps.example.org could not be looked up" in down["reason"]
        assert down["from_state"] == "stale" and [at for at, _ in kept.bus.restarts() if at < down["at_s"]] == []
        await kept.wait("restarting")
        again = await kept.wait("down", count=2)
        assert len([at for at, _ in kept.bus.restarts() if at < again["at_s"]]) == 1


@needs_bus
async def test_a_keeper_that_was_cancelled_in_a_restart_goes_on_afterwards() -> None:
    async with kept_vpn(systemd=True, config={"retry_s": [60.0]}) as kept:
        await kept.wait("up")
        assert kept.bus is not None
        kept.bus.answer("never")
        kept.vpn.silence(True)
        await kept.wait("restarting")
        kept.say("again")
        await kept.wait("down")
        kept.vpn.silence(False)
        await kept.wait("up", count=2)


@needs_bus
async def test_somebody_may_restart_it_and_two_at_once_are_one() -> None:
    async with kept_vpn(systemd=True, config={"every_s": 3600.0}) as kept:
        await kept.wait("up")
        assert kept.bus is not None
        before = index(kept)
        kept.say("restart\nrestart\nrestart")  # in one breath: the first does not end before the last is asked for
        for _ in range(3):
            assert (await kept.restarted())["trouble"] is None
        assert index(kept) not in ("", before)
        assert len(kept.bus.restarts()) == 1
        kept.bus.answer("failed")
        kept.say("restart")
        failed = await kept.restarted()
        assert failed["trouble"] == "failed" and "could not restart" in failed["text"]


async def test_without_a_ping_a_handshake_tells_that_the_peer_is_there() -> None:
    async with kept_vpn(keepalive_s=1, silent=True, config={"ping": None, "restart": False}) as kept:
        down = await kept.wait("down")
        assert down["reason"] == "the peer is silent; there was no handshake yet"
        kept.vpn.silence(False)
        up = await kept.wait("up")
        assert up["reason"].startswith(f"{kept.vpn.interface} is up; the last handshake was")
        assert kept.states == ["stale", "down", "up"]


async def test_without_a_ping_the_peer_still_learns_the_new_way() -> None:
    async with kept_vpn(keepalive_s=0, config={"ping": None, "every_s": 3600.0}) as kept:
        await kept.wait("up")
        kept.vpn.ping()
        kept.net.backup_route(True)
        kept.say("roamed test")
        await seen_by(kept, SEEN_BY_SIM)


async def test_where_no_process_may_ping_the_tunnel_is_believed_and_not_restarted(tmp_path: Path) -> None:
    ip = shutil.which("ip")
    assert ip is not None
    (tmp_path / "ip").symlink_to(ip)  # to be started by, and nothing else: no ping(8)
    async with kept_vpn(ping_sockets=False, keeper_env={"PATH": str(tmp_path)}) as kept:
        up = await kept.wait("up")
        assert "answered" not in up["reason"]
        await kept.looks(4)
        assert kept.states == ["up"]


async def test_no_configured_interface_is_off_and_nothing_runs() -> None:
    async with kept_vpn(up=False, helper=False, config={"interface": None}) as kept:
        status = await kept.status()
        assert status["state"] == "off" and status["reason"] == "no VPN is configured"
        assert kept.events == []
