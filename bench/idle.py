"""A core that has nothing to do: memory and processor, with a modem that is ready; and how soon its socket is there."""

import asyncio
import os
import time
from pathlib import Path

from bench.figures import Figure, percentile
from tests.station import Station, station

SETTLE_S = 2.0
"""The modem is up by then, and what starting needed is done."""

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


async def run(quick: bool) -> list[Figure]:
    async with station(core=False) as made:
        starts = await _cold_starts(made, 3 if quick else 9)
        await made.start_core()
        async with made.phone("modem.state") as (phone, _):
            await made.ready(phone)
        await asyncio.sleep(SETTLE_S)
        return [_start(starts), _memory(made), await _processor(made, 5.0 if quick else 40.0)]


async def _cold_starts(made: Station, times: int) -> list[float]:
    """Seconds from the start of the process to a connection that it accepted, on a store that exists."""
    await made.start_core()
    await made.stop_core()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        await made.start_core()
        await _accepted(made)
        taken.append(time.perf_counter() - started)
        await made.stop_core()
    return taken


async def _accepted(made: Station) -> None:
    """The socket's file is there a moment before anyone listens."""
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_unix_connection(str(made.socket))
            except ConnectionRefusedError:
                await asyncio.sleep(0.001)
                continue
            writer.close()
            return


def _start(taken: list[float]) -> Figure:
    median, worst = percentile(taken, 50), max(taken)
    return Figure("cold start to socket ready", median, "s", "<= 1 s", median <= 1, {"worst_s": worst})


def _memory(made: Station) -> Figure:
    own, children = (sum(map(rss_mib, pids)) for pids in ([_pid(made)], _children(_pid(made))))
    total = own + children
    return Figure(
        "idle memory", total, "MiB RSS", "<= 60 MiB", total <= 60, {"core_mib": own, "children_mib": children}
    )


async def _processor(made: Station, for_s: float) -> Figure:
    pids = [_pid(made), *_children(_pid(made))]
    before, started = sum(map(cpu_s, pids)), time.perf_counter()
    await asyncio.sleep(for_s)
    percent = 100 * (sum(map(cpu_s, pids)) - before) / (time.perf_counter() - started)
    return Figure("idle processor", percent, "% of a core", "<= 1 %", percent <= 1, {"measured_s": for_s})


def _pid(made: Station) -> int:
    assert made.core is not None
    return made.core.pid


def _children(pid: int) -> list[int]:
    """Direct children, of any thread."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in found for child in file.read_text().split()]


def rss_mib(pid: int) -> float:
    """Resident pages of proc(5) statm."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_s(pid: int) -> float:
    """utime and stime of proc(5) stat, seconds; resolution 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
