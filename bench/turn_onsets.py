"""How soon a caller is heard, what is taken for one and is none, and what hearing costs."""

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bench import turn_networks
from bench.callers import RATE_HZ, Samples
from bench.figures import Figure, percentile
from bench.turn_audio import CONDITIONS, Turn, frames, noise, spoken
from bench.turn_ears import Ear
from core.audio import LINE_FORMAT, PTIME_MS
from core.media.echo import EchoCanceller
from core.media.endpoint import Endpoint, Onset, TurnConfig
from core.media.vad import GatedVad, Vad
from core.media.vad_onnx import detector_for, load

ECHO_DELAY_MS, ECHO_DB = 140, -20.0
"""A mobile network's round trip, and the loss of a phone that leaks from ear to mouth; G.168 lines are better."""
OUR_TEXT = (
    "We are open from nine in the morning until five in the afternoon from Monday to Friday, and on Saturday from ten "
    "until two. If you would like to leave a message, please speak after the tone."
)
CALL_S = 15
"""Each call's canceller knows nothing of the line at first."""
COST_MAX_US = 1000.0
NEVER_MS = 4000


def onsets(ear: Ear, material: dict[str, list[Turn]]) -> Figure:
    late_ms: list[float] = []
    missed = 0
    for made in material.values():
        for turn in made:
            onset = _first_onset(turn.frames, ear.open(), turn.begin_ms)
            missed += onset is None
            late_ms += [] if onset is None else [onset]
    return Figure(
        name=f"turns: {ear.name}: speech to the onset that may interrupt us",
        value=round(percentile(late_ms, 50)),
        unit="ms, p50",
        detail={"p95_ms": round(percentile(late_ms, 95)), "missed": missed, "callers": len(late_ms) + missed},
    )


def _first_onset(made: list[bytes], vad: Vad, begin_ms: int) -> float | None:
    """When the first onset after the speech began was told; one before it, by noise, is none of the caller's."""
    endpoint = Endpoint(TurnConfig(), LINE_FORMAT)
    for place, frame in enumerate(made):
        for action in endpoint.step(frame, vad.is_speech(frame)):
            now_ms = (place + 1) * PTIME_MS
            if isinstance(action, Onset) and begin_ms <= now_ms <= begin_ms + 2000:
                return now_ms - begin_ms
    return None


def interruptions(ear: Ear, seconds: int) -> Figure:
    """What stops us while nobody speaks: noise of each kind, and our own echo, before the canceller and after it."""
    per_minute: dict[str, float | int | str | bool | None] = {}
    total = 0.0
    random = np.random.default_rng(5)
    for condition in CONDITIONS[1:]:
        count = _count_onsets(frames(noise(condition, seconds * RATE_HZ, random)), ear.open())
        per_minute[condition] = round(count * 60 / seconds, 1)
        total += count
    raw = count = 0
    for take in range(max(1, seconds // CALL_S)):
        uplink, downlink = _echo(take)
        raw += _count_onsets(downlink, ear.open())
        canceller = EchoCanceller(LINE_FORMAT)
        cleaned = [canceller.clean(heard, sent) for heard, sent in zip(downlink, uplink, strict=True)]
        count += _count_onsets(cleaned, ear.open())
    per_minute["raw echo"] = round(raw * 60 / seconds, 1)
    per_minute["echo"] = round(count * 60 / seconds, 1)
    return Figure(
        name=f"turns: {ear.name}: false barge-ins by noise and echo",
        value=round((total + count) * 60 / (seconds * len(CONDITIONS)), 2),
        unit="/min",
        detail={**per_minute, "seconds_each": seconds},
    )


def _count_onsets(made: list[bytes], vad: Vad) -> int:
    endpoint = Endpoint(TurnConfig(), LINE_FORMAT)
    return sum(isinstance(act, Onset) for frame in made for act in endpoint.step(frame, vad.is_speech(frame)))


def _echo(take: int) -> tuple[list[bytes], list[bytes]]:
    """Our speech, and what comes back of it: later, softer, coloured, coded, over a quiet line."""
    ours = _ours(CALL_S, take)
    return frames(ours), frames(_back(ours) + noise("clean", len(ours), np.random.default_rng(2)))


def _ours(seconds: int, take: int) -> Samples:
    """Our text over and over, begun elsewhere at each take."""
    speech = np.concatenate((spoken("espeak", "en-us", OUR_TEXT) * 10 ** (-18 / 20), np.zeros(RATE_HZ // 2)))
    return np.resize(np.roll(speech, -take * 7001), seconds * RATE_HZ)


def _back(ours: Samples) -> Samples:
    path = np.zeros(RATE_HZ * (ECHO_DELAY_MS + 30) // 1000)
    at = RATE_HZ * ECHO_DELAY_MS // 1000
    path[at : at + 200 : 10] = np.random.default_rng(4).normal(size=20) * np.exp(-np.arange(20) / 5)
    echo = np.convolve(ours, path)[: len(ours)]
    level = 10 ** (ECHO_DB / 20) * np.sqrt(np.mean(ours**2) / np.mean(echo**2))
    return np.asarray(echo * level)


def talking_over(ear: Ear, made: list[Turn]) -> Figure:
    """A caller who speaks while we do, with our echo in the line and the canceller before the detector."""
    late_ms: list[float] = []
    missed = early = 0
    for take, turn in enumerate(made):
        caller = np.concatenate([np.frombuffer(frame, "<i2") for frame in turn.frames]) / 32768
        lead = np.zeros(4 * RATE_HZ)  # our first words: the canceller learns the line
        ours = _ours((len(lead) + len(caller)) // RATE_HZ + 1, take)[: len(lead) + len(caller)]
        uplink, downlink = frames(ours), frames(np.concatenate((lead, caller)) + _back(ours))
        canceller, vad = EchoCanceller(LINE_FORMAT), ear.open()
        cleaned = [canceller.clean(heard, sent) for heard, sent in zip(downlink, uplink, strict=True)]
        begin_ms = turn.begin_ms + 4000
        early += _count_onsets(cleaned[: begin_ms // PTIME_MS], ear.open())
        onset = _first_onset(cleaned, vad, begin_ms)
        missed += onset is None
        late_ms += [] if onset is None else [onset]
    return Figure(
        name=f"turns: {ear.name}: a caller over our own voice, speech to onset",
        value=round(percentile(late_ms, 50)) if late_ms else float(NEVER_MS),
        unit="ms, p50",
        detail={
            "p95_ms": round(percentile(late_ms, 95)) if late_ms else None,
            "missed": missed,
            "callers": len(made),
            "false_before": early,
        },
    )


def cost(name: str, vad: Vad, made: list[Turn]) -> Figure:
    line = [frame for turn in made for frame in turn.frames][:5000]
    took_us = []
    for frame in line:
        started_ns = time.thread_time_ns()
        vad.is_speech(frame)
        took_us.append((time.thread_time_ns() - started_ns) / 1000)
    value = float(np.mean(took_us))
    return Figure(
        name=f"turns: {name}: work a frame",
        value=round(value, 1),
        unit="us, mean",
        target=f"<= {COST_MAX_US:g}",
        ok=value <= COST_MAX_US,
        detail={"p99_us": round(percentile(took_us, 99), 1), "frames": len(line)},
    )


def network_costs(made: list[Turn]) -> Iterable[Figure]:
    """What the neural detectors cost on the loop, by networks of their size; no model is needed for that."""
    with tempfile.TemporaryDirectory() as folder:
        for name, write in (("silero", turn_networks.silero), ("ten", turn_networks.ten)):
            path = Path(folder) / f"{name}.onnx"
            write(path)
            detector = detector_for(load(name, path), RATE_HZ, 0.5)
            yield cost(f"a network of the size of {name}, random weights", GatedVad(detector, RATE_HZ), made)
