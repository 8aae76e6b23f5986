"""The bridge: how soon a caller's words are on their way, how soon the reply is heard, how fast what waited goes out.

Emulator, core and bridge are programs of their own; the VPS's stand-in listens in this process, and a second client of
the core sees the same events as the bridge at the same time.
"""

import asyncio
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from shutil import which

import numpy as np

import dialtone
from bench.figures import Figure, percentile
from core.media.codecs import encode_ogg_opus
from tests.station import station
from tests.vps import Request, Turn, Vps, vps
from tests.vps.bridge_process import BridgeProcess, bridge_process, bridge_toml

CHUNK_MS, END_MS, REPLY_MS = 30, 20, 100
RSS_MIB = 50
QUEUED, DRAIN_S = 1000, 10.0
RATE_HZ = 8000
SAID = "i would like an appointment"
"""Makes a chunk of some 2 s, silence included: what the old station took half a second to compress."""
TOPICS = ("call.*", "call.chunk", "call.turn_end", "call.speaking", "call.spoken")
STEP_S = 30.0


class Clock:
    """Events with the time at which they reached us, on the clock of the stand-in."""

    def __init__(self, phone: dialtone.Phone) -> None:
        self._phone = phone
        self._seen: list[tuple[float, dialtone.Event]] = []
        self._news = asyncio.Event()

    async def follow(self) -> None:
        async for event in self._phone.events():
            self._seen.append((time.monotonic(), event))
            self._news.set()

    async def nth(self, name: str, count: int) -> tuple[float, dialtone.Event]:
        async with asyncio.timeout(STEP_S):
            while len(found := [one for one in self._seen if one[1].name == name]) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]


async def run(quick: bool) -> list[Figure]:
    turns = 6 if quick else 25
    figures = await _conversation(turns)
    figures.append(await _drain(QUEUED // 5 if quick else QUEUED))
    return [*figures, *await asyncio.to_thread(_encoding, 5 if quick else 20)]


async def _conversation(turns: int) -> list[Figure]:
    replies = [Turn(transcription="words", response=f"Yes, {number} it is.") for number in range(turns)]
    async with (
        vps(replies) as server,
        station() as made,
        bridge_process(made.dir, made.socket, bridge_toml(server, made.dir)) as bridge,
        dialtone.connect(made.socket, name="bench", topics=TOPICS) as phone,
        asyncio.TaskGroup() as tasks,
    ):
        await made.ready(phone)
        clock = Clock(phone)
        following = tasks.create_task(clock.follow())
        await made.control("call.incoming", number="+447700900123", ring_s=0.5)
        await clock.nth("call.spoken", 1)  # the welcome
        for turn in range(1, turns + 1):
            await made.control("far.say", text=SAID, voice="en-gb-x-rp+f5")
            await clock.nth("call.spoken", 1 + turn)
        found = await _times(server, clock, turns)
        rss_mib = bridge.rss_mib
        following.cancel()
    return [*found, _rss("Bridge: RSS after a conversation", rss_mib)]


async def _times(server: Vps, clock: Clock, turns: int) -> list[Figure]:
    chunks, ends, replies, lasted_ms = [], [], [], []
    for number in range(1, len(server.chunks) + 1):
        at_s, event = await clock.nth("call.chunk", number)
        request = _with_chunk(server.chunks, int(event.params["chunk"]))
        chunks.append((request.begun_s - at_s) * 1000)
        lasted_ms.append(request.body["metadata"]["duration_ms"])
    for turn in range(1, turns + 1):
        at_s, _ = await clock.nth("call.turn_end", turn)
        request = server.ends[turn - 1]
        ends.append((request.begun_s - at_s) * 1000)
        assert request.answered_s is not None
        replies.append(((await clock.nth("call.speaking", 1 + turn))[0] - request.answered_s) * 1000)
    audio = {"audio_ms_mean": round(statistics.mean(lasted_ms))}
    return [
        _milliseconds("Bridge: call.chunk to its request on the wire, encoding included", chunks, CHUNK_MS, audio),
        _milliseconds("Bridge: end of turn to the end signal on the wire", ends, END_MS),
        _milliseconds("Bridge: reply of the VPS to the first PCM, espeak", replies, REPLY_MS),
    ]


def _with_chunk(requests: Sequence[Request], chunk: int) -> Request:
    return next(one for one in requests if one.body["chunk_number"] == chunk)


async def _drain(count: int) -> Figure:
    """Messages come while the VPS is away; each becomes a notification, and then it is back."""
    async with vps() as server, station() as made, made.phone("sms.*") as (phone, _):
        server.notify.behave("refuse")
        config = bridge_toml(server, made.dir, events='notify = ["sms.received"]\nnotify_window_s = 0')
        # Only notifications: the other two would share the time.
        kept = [line for line in config.splitlines() if not line.startswith((f'url = "{server.phone.url}', "sms_url"))]
        async with bridge_process(made.dir, made.socket, "\n".join(kept)) as bridge:
            await made.ready(phone)
            await made.control("sms.flood", count=count, **{"from": "+447700900123"}, text="number {n}", timeout_s=300)
            await _queued(bridge, count)
            rss_mib = bridge.rss_mib
            await bridge.stop()
            server.notify.behave("ok")
            await bridge.start(ready=False)
            await server.wait("notify", lambda one: one.accepted, count=count, timeout_s=120)
            arrivals = [one.arrived_s for one in server.of("notify") if one.accepted]
    took_s, target_s = arrivals[-1] - arrivals[0], DRAIN_S * count / QUEUED
    return Figure(
        f"Bridge: {count} queued notifications drained on loopback", round(took_s, 2), "s", f"<= {target_s:g}",
        took_s <= target_s, {"per_s": round((count - 1) / took_s), "rss_mib_while_queued": round(rss_mib, 1)},
    )  # fmt: skip


async def _queued(bridge: BridgeProcess, count: int) -> None:
    async with asyncio.timeout(120):
        while bridge.waiting < count:  # noqa: ASYNC110 - another process's file
            await asyncio.sleep(0.1)


def _encoding(times: int) -> list[Figure]:
    """2 s of speech to Ogg Opus, as the core does it and as the old station did."""
    samples = np.arange(2 * RATE_HZ)
    pcm = (np.sin(samples * 0.2) * 6000 * (1 + np.sin(samples * 0.004))).astype("<i2").tobytes()
    encode_ogg_opus(pcm, RATE_HZ)
    ours = _median_ms(times, lambda: encode_ogg_opus(pcm, RATE_HZ))
    found = [Figure("Bridge: 2 s of speech to Ogg Opus", round(ours, 2), "ms p50", "", None, {"old_station_ms": 500})]
    if (ffmpeg := which("ffmpeg")) is None:
        return found
    options = "-loglevel error -f s16le -ar 8000 -ac 1 -i pipe:0 -c:a libopus -b:a 24k -application voip -vbr on"
    command = [ffmpeg, *options.split(), "-compression_level", "0", "-f", "ogg", "pipe:1"]
    theirs = _median_ms(times, lambda: subprocess.run(command, input=pcm, capture_output=True, check=True))
    ratio = Figure(
        "Bridge: the same by an ffmpeg child, as the old station", round(theirs, 1), "ms p50", "", None,
        {"times_ours": round(theirs / ours, 1)},
    )  # fmt: skip
    return [*found, ratio]


def _median_ms(times: int, work: Callable[[], object]) -> float:
    samples = []
    for _ in range(times):
        began_s = time.perf_counter()
        work()
        samples.append((time.perf_counter() - began_s) * 1000)
    return statistics.median(samples)


def _rss(name: str, mib: float) -> Figure:
    return Figure(name, round(mib, 1), "MiB", f"<= {RSS_MIB}", mib <= RSS_MIB)


def _milliseconds(name: str, samples: Sequence[float], target_ms: int, more: Mapping[str, int] | None = None) -> Figure:
    value = percentile(list(samples), 95)
    return Figure(
        name, round(value, 1), "ms p95", f"<= {target_ms}", value <= target_ms,
        {"p50": round(statistics.median(samples), 1), "n": len(samples), **(more or {})},
    )  # fmt: skip
