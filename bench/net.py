"""The internet connection: how soon the backup is decided and carries, what a TCP connection on the VPN feels of it,
and what watching costs.

Core, helper and emulator are programs of their own in a small internet of network namespaces (tests/net); needs root.
"""

import asyncio
import time
from datetime import datetime

import dialtone
from bench.figures import Figure, percentile
from bench.idle import rss_mib
from bench.net_eyes import Eyes
from tests.net.netns import why_not
from tests.net.rig import NetStation, net_station, reaches
from tests.net.talking import Talking, talking
from tests.net.wireguard_rig import why_no_wireguard
from tests.station import Watch

DECIDED_S, CARRIED_S, IDLE_PERCENT = 2.0, 1.0, 0.2
SETTLE_S = 3.0
AS_SHIPPED = """
every_s = 30.0
hold_backup_s = 0.0
hold_primary_s = 0.0
"""
"""Time-outs are those of docs/core.example.toml; only what would make the bench wait between two runs is shorter."""
SHARED_S = 1.1
"""One look serves all who ask within a second."""
VPN = "every_s = 30.0\n"
NUMBER = "+447700900123"


async def run(quick: bool) -> list[Figure]:
    reason = why_not()
    if reason is not None:
        return [_unmeasured("internet failover", reason)]
    async with asyncio.TaskGroup() as tasks:
        idle = tasks.create_task(_idle(33.0 if quick else 125.0))
        rings = tasks.create_task(_rings(10 if quick else 20))
        vpn = tasks.create_task(_vpn(1 if quick else 5))
    return [*rings.result(), *vpn.result(), *idle.result()]


def _unmeasured(name: str, reason: str) -> Figure:
    return Figure(name, 0, "(not measured)", detail={"why": reason})


# --- the phone rings while the main link is dead


async def _rings(times: int) -> list[Figure]:
    decided, carried = [], []
    async with net_station(base=AS_SHIPPED) as made, made.phone("*") as (phone, watch):
        await _on_primary(made, phone)
        with Eyes(made.net) as eyes:
            for count in range(1, times + 1):
                eyes.forget()
                rang = await _ring_on_a_dead_link(made, watch, count)
                begun = await watch.wait(
                    "net.failover", lambda params: params["state"] == "starting_backup", count=count, timeout_s=30
                )
                await reaches(watch, "backup", count=count)
                up_s, arrived_s = await eyes.carried()
                decided.append(_between(rang, begun["at"]))
                carried.append(arrived_s - up_s)
                await _home_again(made, phone, watch, count)
    return [
        _spread("backup decided after a ring on a dead main link", decided, DECIDED_S),
        _spread("backup carries after its interface has an address", carried, CARRIED_S),
    ]


async def _ring_on_a_dead_link(made: NetStation, watch: Watch, count: int) -> str:
    """The time of the ring, as the event has it."""
    made.net.cut_main()
    await made.control("call.incoming", number=NUMBER, ring_s=0.5)
    rang = await watch.wait("call.incoming", count=count)
    return str(rang["at"])


async def _home_again(made: NetStation, phone: dialtone.Phone, watch: Watch, count: int) -> None:
    made.net.mend_main()
    await made.control("far.hangup")
    await watch.wait("call.ended", count=count)
    async with asyncio.timeout(30):
        while (await phone.call("net.status"))["state"] != "primary":
            await phone.call("net.check", reason="bench")
            await asyncio.sleep(0.05)
    await asyncio.sleep(SHARED_S)


async def _on_primary(made: NetStation, phone: dialtone.Phone) -> None:
    await made.ready(phone)
    async with asyncio.timeout(20):
        while (await phone.call("net.status"))["verdict"] != "ok":  # noqa: ASYNC110 - asked by RPC
            await asyncio.sleep(0.05)


# --- a connection on the VPN


async def _vpn(times: int) -> list[Figure]:
    reason = why_no_wireguard()
    if reason is not None:
        return [_unmeasured("TCP on the VPN at failover", reason)]
    over: list[float] = []
    again: list[float] = []
    async with (
        net_station(base=AS_SHIPPED, vpn=VPN) as made,
        made.phone("*") as (phone, watch),
        talking(made.net) as connection,
    ):
        await _on_primary(made, phone)
        for count in range(1, times + 1):
            await connection.so_far()
            await _ring_on_a_dead_link(made, watch, count)
            await reaches(watch, "backup", count=count, timeout_s=30)
            over.append(await _pause(connection))
            await _home_again(made, phone, watch, count)
            again.append(await _pause(connection))
        found = await connection.end()
    lost = 0 if found["error"] is None else 1
    return [
        Figure("TCP on the VPN: longest pause when the main link dies and it rings", max(over), "s", detail={
            "p50": percentile(over, 50), "n": times,
        }),
        Figure("TCP on the VPN: longest pause when it comes back", max(again), "s", detail={
            "p50": percentile(again, 50), "n": times,
        }),
        Figure("TCP on the VPN: connections lost", lost, "", "0", lost == 0, {"failovers": times}),
    ]  # fmt: skip


async def _pause(connection: Talking) -> float:
    return float((await connection.heard_more(25, timeout_s=60))["longest_pause_s"])


# --- doing nothing


async def _idle(for_s: float) -> list[Figure]:
    """Two cores beside each other, with and without [net]: what differs is what it costs."""
    async with (
        net_station(base=AS_SHIPPED) as with_net,
        net_station(base=AS_SHIPPED, enabled=False, helper=False) as without,
    ):
        stations = (with_net, without)
        for made in stations:
            async with made.phone("modem.state") as (phone, _):
                await made.ready(phone)
        await asyncio.sleep(SETTLE_S)
        before, began = [made.cpu_s() for made in stations], time.perf_counter()
        await asyncio.sleep(for_s)
        lasted = time.perf_counter() - began
        used = [100 * (made.cpu_s() - at) / lasted for made, at in zip(stations, before, strict=True)]
        memory = [rss_mib(_pid(made)) for made in stations]
    cost = used[0] - used[1]
    return [
        Figure("idle processor for a look every 30 s", cost, "% of a core", "<= 0.2 %", cost <= IDLE_PERCENT, {
            "with": used[0], "without": used[1], "measured_s": lasted,
        }),
        Figure("idle memory for it", memory[0] - memory[1], "MiB RSS", detail={
            "with": memory[0], "without": memory[1],
        }),
    ]  # fmt: skip


def _pid(made: NetStation) -> int:
    assert made.core is not None
    return made.core.pid


def _between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _spread(name: str, values: list[float], limit_s: float) -> Figure:
    p50, p95 = percentile(values, 50), percentile(values, 95)
    return Figure(
        name, p50, "s p50", f"<= {limit_s:g} s", p95 <= limit_s, {"p95": p95, "worst": max(values), "n": len(values)}
    )
