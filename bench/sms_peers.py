"""smsd and gammu-smsd where they are installed, measured like our own core: one after the other on the same emulator.

Each gets a modem that was just plugged in, whose memory holds all that comes, and has the machine for itself; like our
core they ask for no reports. Their rates end with the last file in `sent` or `inbox`; they don't fsync any.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.figures import Figure
from bench.peers import GammuSmsd, Peer, Smsd, missing
from tests.station import Station

TO = "+447700900123"
FROM = "+447700900456"
PLUGGED_S = 2.0
"""A stick boots for one second; what it was set to by the daemon before is forgotten."""

ROOM = 255
"""More than a round brings: gammu-smsd stops fetching for good when messages come while it empties a full memory."""

QUIET_S = 15.0
"""When nothing happens for that long, what is missing doesn't come any more. gammu-smsd retries after ten."""

_LOOK_S = 0.01
"""How often its folders are counted: listing a thousand names takes half a millisecond."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Messages per second: from the first order to the last outcome (median of the rounds), and between the first and
    the last that the network took, when all were there before. CPU of the daemon alone."""

    out: float
    drained: float
    into: float
    cpu_out_ms: float
    cpu_in_ms: float
    pss_mib: float
    rss_mib: float
    failed: int = 0
    """Of the outgoing ones: in the folder for those that were refused, though the network refused none."""

    lost: int = 0
    """Of the incoming ones: in no file."""


@dataclass(frozen=True, slots=True)
class Contest:
    """How often and how much; gammu-smsd sleeps 0.7 s a message."""

    name: str
    make: type[Smsd] | type[GammuSmsd]
    needs: tuple[str, ...]
    rounds: int
    out: int
    into: int


def contests(quick: bool) -> list[Contest]:
    return [
        Contest("smsd fast", Smsd, Smsd.needs, 1 if quick else 5, 200, 200),
        Contest("gammu-smsd", GammuSmsd, GammuSmsd.needs, 1, 5 if quick else 20, 20 if quick else 100),
    ]


async def compared(made: Station, ours: Rates, quick: bool) -> list[Figure]:
    """Our core has ended by now. Ratios to each that is here, and a line that says so for each that is not."""
    figures = []
    for contest in contests(quick):
        reason = missing(*contest.needs)
        if reason is None:
            figures += _figures(contest, ours, await _measured(made, contest))
        else:
            figures.append(Figure(f"{contest.name}, to compare with", 0, "(not measured)", detail={"why": reason}))
    return figures


def _figures(contest: Contest, ours: Rates, theirs: Rates) -> list[Figure]:
    name = contest.name
    detail: dict[str, float | int | str | bool | None] = {"messages": contest.out, "rounds": contest.rounds}
    return [
        Figure(f"{name}: SMS out", theirs.out, "/s", detail=detail | {
            "cpu_ms_per_message": theirs.cpu_out_ms, "failed": theirs.failed,
        }),
        Figure(f"{name}: drained from a full queue", theirs.drained, "/s", detail={"messages": contest.out}),
        Figure(f"{name}: SMS in", theirs.into, "/s", detail={
            "messages": contest.into, "rounds": contest.rounds, "cpu_ms_per_message": theirs.cpu_in_ms,
            "lost": theirs.lost,
        }),
        Figure(f"{name}: memory", theirs.pss_mib, "MiB PSS", detail={"rss_mib": theirs.rss_mib}),
        Figure(f"SMS out, ratio to {name}", ours.out / theirs.out, "x", detail={
            "cpu": _ratio(ours.cpu_out_ms, theirs.cpu_out_ms),
        }),
        Figure(f"drained, ratio to {name}", ours.drained / theirs.drained, "x"),
        Figure(f"SMS in, ratio to {name}", ours.into / theirs.into, "x", detail={
            "cpu": _ratio(ours.cpu_in_ms, theirs.cpu_in_ms), "memory": ours.pss_mib / theirs.pss_mib,
        }),
    ]  # fmt: skip


def _ratio(ours: float, theirs: float) -> float | None:
    """None where the clock ticks of the kernel (10 ms) saw nothing."""
    return ours / theirs if theirs else None


async def _measured(made: Station, contest: Contest) -> Rates:
    await made.control("usb.unplug")
    await made.control("usb.replug")
    await asyncio.sleep(PLUGGED_S)
    peer = contest.make(made.dir / contest.name.replace(" ", "-"), made.dir / "sim" / "if02", reports=False)
    for number in range(contest.out):
        peer.put(TO, f"drained {number}")
    first = (await made.control("sms.sent", limit=1))["total"]
    async with peer:
        await _reached(peer, lambda: _outcomes(peer), contest.out)
        drained = await air_rate(made, first, contest.out)
        out, cpu_out_ms = await _out(peer, contest)
        into, cpu_in_ms = await _in(made, peer, contest)
        pss, rss = peer.memory_bytes() / 2**20, peer.rss_bytes() / 2**20
        failed, lost = peer.failed(), contest.rounds * contest.into - peer.received_count()
    return Rates(out, drained, into, cpu_out_ms, cpu_in_ms, pss, rss, failed, lost)


async def _out(peer: Peer, contest: Contest) -> tuple[float, float]:
    """Rate and CPU."""
    rates, before = [], peer.cpu_s()
    for _ in range(contest.rounds):
        goal, started = _outcomes(peer) + contest.out, time.perf_counter()
        for number in range(contest.out):
            peer.put(TO, f"message {number}")
        assert await _reached(peer, lambda: _outcomes(peer), goal) == goal
        rates.append(contest.out / (time.perf_counter() - started))
    return median(rates), (peer.cpu_s() - before) / (contest.rounds * contest.out) * 1000


async def _in(made: Station, peer: Peer, contest: Contest) -> tuple[float, float]:
    """Rate and CPU. A round that loses messages has no rate, unless all do."""
    rates, before = [], peer.cpu_s()
    for run in range(contest.rounds):
        had, started = peer.received_count(), time.perf_counter()
        await flood(made, contest.into, run)
        if await _reached(peer, peer.received_count, had + contest.into) == had + contest.into:
            rates.append(contest.into / (time.perf_counter() - started))
    return median(rates or [0.0]), (peer.cpu_s() - before) / (contest.rounds * contest.into) * 1000


def _outcomes(peer: Peer) -> int:
    return peer.sent() + peer.failed()


async def flood(made: Station, count: int, run: int) -> None:
    """Texts differ from run to run: the same one from the same sender in the same second counts as a second copy."""
    message: dict[str, Any] = {"from": FROM, "text": f"message {{n}} of run {run} that comes in", "count": count}
    await made.control("sms.flood", **message)


async def air_rate(made: Station, first: int, count: int) -> float:
    """Messages per second by the network's clock, from the first to the last of these; count at most 500."""
    found = await made.control("sms.sent", first=first, limit=count)
    times = [each["at_s"] for each in found["decoded"]]
    assert len(times) > count // 2, f"the network took {len(times)} of {count}"
    return (len(times) - 1) / float(times[-1] - times[0])


async def _reached(peer: Peer, count: Callable[[], int], goal: int) -> int:
    """The count once it is there, or when it has stood still."""
    found, moved_s = count(), time.perf_counter()
    while found < goal and time.perf_counter() - moved_s < QUIET_S:
        assert peer.alive, f"{peer.directory.name} gave up"
        await asyncio.sleep(_LOOK_S)
        if (now := count()) != found:
            found, moved_s = now, time.perf_counter()
    return found
