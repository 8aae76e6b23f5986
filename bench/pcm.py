"""The PCM port's clock and cost: when each uplink frame reaches a modem that is another process.

Measured at the modem's end of the pty, against a grid of exactly 20 ms, so that the lateness of the modem process
itself is in the figures too (detail peer_late_p99_ms shows it). `realtime` says whether the ports got their priority:
without LimitRTPRIO or root they don't, and the figures beside CPU hogs are several times higher.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.figures import Figure, percentile
from core.line import AudioClosed
from core.modem.pcm import PcmPort, PcmStats

UPLINK_MS = 5.0
CPU_PERCENT = 1.0
"""Of a core for the thread of one port: a fifth of what a whole call may cost."""
PORTS = 8
START_S = 10.0


@dataclass(frozen=True, slots=True)
class Measured:
    deviations_ms: list[float]
    peer_late_ms: list[float]
    realtime: bool
    thread_cpu_s: float
    process_cpu_s: float
    seconds: float
    stats: list[PcmStats]


async def run(quick: bool) -> list[Figure]:
    """Some 65 s, quick 15 s. Two CPU hogs run during two of the five measurements."""
    seconds = 3.0 if quick else 13.0
    figures = []
    for name, ports, burst, hogs, busy in (
        ("one port", 1, 1, 0, False),
        ("one port, downlink in bursts of 3", 1, 3, 0, False),
        ("one port, event loop busy for 15 ms in 20", 1, 1, 0, True),
        ("one port, 2 CPU hogs", 1, 1, 2, False),
        (f"{PORTS} ports, 2 CPU hogs", PORTS, 1, 2, False),
    ):
        async with _hogs(hogs):
            measured = await measure(ports, burst, seconds, busy=busy)
        figures.append(clock_figure(name, measured))
        if name == "one port":
            figures.append(_cpu_figure(name, measured))
    figures.append(_cpu_figure(f"{PORTS} ports, each", await measure(PORTS, 1, seconds, busy=False)))
    return figures


async def measure(ports: int, burst: int, seconds: float, *, busy: bool) -> Measured:
    peer = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.pcm_peer", str(ports), str(seconds), str(burst)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    assert peer.stdin is not None
    assert peer.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            opened = [PcmPort(path) for path in json.loads(await peer.stdout.readline())]
        for port in opened:
            port.open()
            port.start()
        peer.stdin.write(b"go\n")
        began_s, cpu_s = time.monotonic(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for port in opened:
                group.create_task(_use(port))
            keeping_busy = group.create_task(_keep_busy()) if busy else None
            await asyncio.sleep(seconds - 0.5)
            took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
            threads_s, realtime = _threads_cpu_s(), _realtime()
            async with asyncio.timeout(START_S):
                found = json.loads(await peer.stdout.readline())
            if keeping_busy is not None:
                keeping_busy.cancel()
            stats = [await port.stop(0) for port in opened]
    except BaseException:
        peer.kill()
        raise
    finally:
        await peer.wait()
    every = [value for port_ms in found["deviations_ms"] for value in port_ms]
    return Measured(every, found["late_ms"], realtime, threads_s, cpu_s, took_s * ports, stats)


async def _use(port: PcmPort) -> None:
    """What a call does at the least: reads each tick, keeps something to say. Its frames are numbered from 1."""
    number, rest = 1, bytes(port.format.frame_bytes - 2)
    try:
        while True:
            await port.read()
            while port.write(number.to_bytes(2, "little") + rest):
                number += 1
    except AudioClosed:
        return


async def _keep_busy() -> None:
    while True:
        until_s = time.monotonic() + 0.015
        while time.monotonic() < until_s:
            pass
        await asyncio.sleep(0.005)


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "modem.pcm"]


def _threads_cpu_s() -> float:
    """CPU time of all PCM threads so far. They have begun with the measurement."""
    idents = [thread.ident for thread in _threads()]
    return sum(time.clock_gettime(time.pthread_getcpuclockid(ident)) for ident in idents if ident is not None)


def _realtime() -> bool:
    """Whether the kernel granted the priority that the threads ask for."""
    ids = [thread.native_id for thread in _threads()]
    return all(os.sched_getscheduler(tid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR for tid in ids if tid is not None)


def clock_figure(name: str, measured: Measured) -> Figure:
    off_ms = [abs(value) for value in measured.deviations_ms]
    p99_ms = percentile(off_ms, 99)
    return Figure(
        name=f"pcm: uplink clock, {name}, p99 off schedule",
        value=round(p99_ms, 2),
        unit="ms",
        target=f"<= {UPLINK_MS:g}",
        ok=p99_ms <= UPLINK_MS,
        detail={
            "p50_ms": round(percentile(off_ms, 50), 2),
            "p95_ms": round(percentile(off_ms, 95), 2),
            "max_ms": round(max(off_ms), 2),
            "frames": len(off_ms),
            "realtime": measured.realtime,
            "peer_late_p99_ms": round(percentile(measured.peer_late_ms, 99), 2),
            "stalls": sum(stats.uplink_stalls for stats in measured.stats),
            "silence_frames": sum(stats.uplink_silence_frames for stats in measured.stats),
            "dropped_frames": sum(stats.downlink_dropped_frames for stats in measured.stats),
        },
    )


def _cpu_figure(name: str, measured: Measured) -> Figure:
    percent = measured.thread_cpu_s / measured.seconds * 100
    return Figure(
        name=f"pcm: CPU, {name}",
        value=round(percent, 2),
        unit="% of a core",
        target=f"<= {CPU_PERCENT:g}",
        ok=percent <= CPU_PERCENT,
        detail={"with_reader_percent": round(measured.process_cpu_s / measured.seconds * 100, 2)},
    )


@asynccontextmanager
async def _hogs(count: int) -> AsyncIterator[None]:
    hogs = [await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass") for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            await hog.wait()
