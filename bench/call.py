"""One call and eight: CPU, time to the first byte, barge-in, late frames. Real processes; the far end measures."""

import asyncio
import os
import statistics
from pathlib import Path
from typing import Any

import dialtone
from bench.figures import Figure, percentile
from tests.station import Station, Watch, station

NUMBER = "+447700900123"
LONG = (
    "We are open from nine in the morning until five in the afternoon on Monday, Tuesday, Wednesday, Thursday and "
    "Friday, and on Saturday from ten until two, but never on Sundays or on public holidays."
)
CPU_S = 8.0
"""Shorter than LONG takes to say."""
EIGHT = 8


async def run(quick: bool) -> list[Figure]:
    figures = []
    async with station() as made, made.phone("*") as (phone, watch):
        await _call(made, phone, watch)
        figures.append(await _cpu(made))
        figures += await _first_byte(phone, watch, 8 if quick else 30)
        figures.append(await _barge_in(made, phone, watch, 4 if quick else 15))
    figures.append(await _eight(quick))
    return figures


async def _call(made: Station, phone: dialtone.Phone, watch: Watch, line: int = 0) -> str:
    name = made.lines[line]
    await made.ready(phone, name)
    await made.controls[line]("call.incoming", number=NUMBER, ring_s=0.3)
    connected = await watch.wait("call.connected", lambda params: params["line"] == name)
    call_id = str(connected["call_id"])
    await phone.call("call.speak", call_id=call_id, text="a", wait="spoken")
    return call_id


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _cpu(made: Station) -> Figure:
    assert made.core is not None
    await made.control("far.say", text="a first turn loads what is loaded only once", wait=True)
    await asyncio.sleep(2.0)
    before = _cpu_s(made.core.pid)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.control("far.say", text=LONG, wait=True))
        await asyncio.sleep(CPU_S)
    percent = 100 * (_cpu_s(made.core.pid) - before) / CPU_S
    return Figure(
        "one active call, caller talking, recording on", round(percent, 1), "% of a core", "<= 5", percent <= 5, {}
    )


async def _first_byte(phone: dialtone.Phone, watch: Watch, times: int) -> list[Figure]:
    async def say(text: str) -> float:
        done = len(watch.named("call.spoken"))
        await phone.call("call.speak", text=text, wait="spoken")
        await watch.wait("call.spoken", count=done + 1)
        return float(watch.named("call.speaking")[-1].params["latency_ms"])

    fresh = [await say(f"Number {count}.") for count in range(times)]
    cached = [await say("Number one.") for _ in range(times + 1)][1:]
    return [
        _spread("call.speak accepted to first PCM byte, espeak", fresh, 60),
        _spread("call.speak accepted to first PCM byte, cached", cached, 20),
    ]


async def _barge_in(made: Station, phone: dialtone.Phone, watch: Watch, times: int) -> Figure:
    seen: list[float] = []
    for _ in range(times):
        await made.control("far.silence")
        await phone.call("call.speak", text=LONG)
        await made.control("far.wait_speech")
        await asyncio.sleep(0.8)
        barged = len(watch.named("call.barge_in"))
        said = await made.control("far.say", text="excuse me please", wait=False)
        await watch.wait("call.barge_in", count=barged + 1)
        quiet = await made.control("far.wait_quiet", quiet_ms=400)
        seen.append(1000 * (quiet["last_byte_s"] - said["started_s"]))
        await watch.wait("call.spoken", lambda params: not params["completed"], count=barged + 1)
        await asyncio.sleep(1.8)
    p50, p95 = statistics.median(seen), percentile(seen, 95)
    return Figure(
        name="barge-in: caller's first sample to our last, at the far end",
        value=round(p50),
        unit="ms p50",
        target="p50 <= 150, p95 <= 250",
        ok=p50 <= 150 and p95 <= 250,
        detail={"p95": round(p95), "n": len(seen)},
    )


async def _eight(quick: bool) -> Figure:
    """Eight calls talk at once; the core has one core of the machine, the emulators the rest."""
    async with station(lines=EIGHT) as made, made.phone("*") as (phone, watch):
        assert made.core is not None
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(made.core.pid, {cores[0]})
        for emulator in made.emulators:
            os.sched_setaffinity(emulator.pid, set(cores[1:]) or {cores[0]})
        calls = [await _call(made, phone, watch, line) for line in range(EIGHT)]
        before = _cpu_s(made.core.pid)
        async with asyncio.TaskGroup() as tasks:
            for call_id in calls:
                tasks.create_task(phone.call("call.speak", call_id=call_id, text=LONG, wait="spoken"))
            for control in made.controls:
                tasks.create_task(control("far.noise", dbfs=-50))
        busy = _cpu_s(made.core.pid) - before
        reports: list[dict[str, Any]] = []
        for call_id in calls:
            await phone.call("call.hangup", call_id=call_id)
            ended = await watch.wait("call.ended", lambda params, wanted=call_id: params["call_id"] == wanted)  # type: ignore[misc]
            reports.append(ended["audio"])
        late = sum(report["downlink_dropped_frames"] + report["uplink_stalls"] for report in reports)
        return Figure(
            name="8 calls on one core: late or lost frames",
            value=late,
            unit="frames",
            target="0",
            ok=late == 0,
            detail={"cpu_s": round(busy, 2), "healthy": sum(report["verdict"] == "healthy" for report in reports)},
        )


def _spread(name: str, values: list[float], limit_ms: float) -> Figure:
    p50 = statistics.median(values)
    return Figure(
        name=name,
        value=round(p50),
        unit="ms p50",
        target=f"<= {limit_ms:g}",
        ok=p50 <= limit_ms,
        detail={"p95": round(percentile(values, 95)), "n": len(values)},
    )
