"""Hearing the caller: what a frame costs, and how soon after its threshold a turn is told.

The frames are made here: speech-like bursts over line noise, the same at each run.
"""

import time
from collections.abc import Callable
from itertools import islice

import numpy as np

from bench.figures import Figure, percentile
from core.audio import LINE_FORMAT, PTIME_MS
from core.media.endpoint import Chunk, Endpoint, TurnConfig, TurnEnd
from core.media.level import LevelMeter
from core.media.tones import DtmfDetector
from core.media.vad import WebRtcVad

CORE_SHARE_PERCENT = 5.0
TURN_EVENT_MS = 20.0


async def run(quick: bool) -> list[Figure]:
    """All figures; some 3 s, quick under 1 s."""
    frames = _call(20 if quick else 120)
    return [_cost(frames), *_delays(frames)]


def _cost(frames: list[bytes]) -> Figure:
    """CPU time of this thread for one call's VAD, turn table, keys and levels, as a share of real time."""
    vad, endpoint = WebRtcVad(LINE_FORMAT.rate_hz), Endpoint(TurnConfig(), LINE_FORMAT)
    dtmf, levels = DtmfDetector(LINE_FORMAT.rate_hz), LevelMeter(LINE_FORMAT)
    parts = {
        "vad_us": _us_per_frame(frames, lambda frame: vad.is_speech(frame)),
        "endpoint_us": _us_per_frame(frames, lambda frame: endpoint.step(frame, frame[0] > 127)),
        "dtmf_us": _us_per_frame(frames, lambda frame: dtmf.feed(frame)),
        "levels_us": _us_per_frame(frames, lambda frame: levels.feed(frame, frame)),
    }
    vad, endpoint = WebRtcVad(LINE_FORMAT.rate_hz), Endpoint(TurnConfig(), LINE_FORMAT)
    both_us = _us_per_frame(frames, lambda frame: endpoint.step(frame, vad.is_speech(frame)))
    value = both_us / (PTIME_MS * 1000) * 100
    return Figure(
        name="turn: VAD and turn table of one call",
        value=round(value, 3),
        unit="% of a core",
        target=f"<= {CORE_SHARE_PERCENT:g}",
        ok=value <= CORE_SHARE_PERCENT,
        detail={"both_us": round(both_us, 2), **{name: round(us, 2) for name, us in parts.items()}},
    )


def _us_per_frame(frames: list[bytes], work: Callable[[bytes], object]) -> float:
    started_s = time.thread_time()
    for frame in frames:
        work(frame)
    return (time.thread_time() - started_s) / len(frames) * 1e6


def _delays(frames: list[bytes]) -> list[Figure]:
    """Line time from the moment a silence is as long as its threshold to the end of the frame that tells it."""
    config = TurnConfig()
    vad, endpoint = WebRtcVad(LINE_FORMAT.rate_hz), Endpoint(config, LINE_FORMAT)
    late_ms: dict[str, list[float]] = {"chunk": [], "end": []}
    work_ms: list[float] = []
    for frame in frames:
        started_s = time.perf_counter()
        actions = endpoint.step(frame, vad.is_speech(frame))
        took_ms = (time.perf_counter() - started_s) * 1000
        for action in actions:
            if isinstance(action, Chunk) and action.silence_ms >= config.chunk_silence_ms:
                late_ms["chunk"].append(action.silence_ms - config.chunk_silence_ms)
            elif isinstance(action, TurnEnd) and action.reason == "silence":
                late_ms["end"].append(action.silence_ms - config.end_silence_ms)
            else:
                continue
            work_ms.append(took_ms)
    found = []
    for what, samples in late_ms.items():
        worst = max(samples, default=float("inf")) + max(work_ms, default=0.0)
        found.append(
            Figure(
                name=f"turn: {what} event after its silence threshold",
                value=round(worst, 3),
                unit="ms, worst",
                target=f"<= {TURN_EVENT_MS:g}",
                ok=worst <= TURN_EVENT_MS,
                detail={"events": len(samples), "work_p99_ms": round(percentile(work_ms, 99), 4) if work_ms else None},
            )
        )
    return found


def _call(seconds: int) -> list[bytes]:
    """Sentences of 1.6 s with syllables at 4 Hz over a buzz of 120 Hz, pauses of 1.2 s, noise at -55 dBFS."""
    rate_hz = LINE_FORMAT.rate_hz
    rng = np.random.default_rng(1)
    times = np.arange(seconds * rate_hz) / rate_hz
    harmonics = range(1, 25)
    buzz = sum(np.sin(2 * np.pi * 120 * k * times) / (1 + abs(k * 120 - 500) / 300) for k in harmonics)
    syllables = np.clip(np.sin(2 * np.pi * 4 * times), 0.02, None)
    talking = (times % 2.8) < 1.6
    samples = 0.06 * buzz * syllables * talking + rng.normal(0, 10 ** (-55 / 20), len(times))
    pcm = np.clip(samples * 32768, -32768, 32767).astype("<i2").tobytes()
    starts = range(0, len(pcm), LINE_FORMAT.frame_bytes)
    return list(islice((pcm[at : at + LINE_FORMAT.frame_bytes] for at in starts), seconds * 1000 // PTIME_MS))
