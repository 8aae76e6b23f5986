"""Speech in: what recognition costs the voice's clock, how soon the words are there, and, with a real model, how right.

Without a model in DIALTONE_MODELS whisper.cpp runs on a model that has tiny's size and no knowledge: its time is real
(of the encoder; a model that knows words decodes longer), its words are not.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from bench.callers import OTHERS, PHRASES, RATE_HZ, Caller, callers
from bench.figures import Figure, percentile
from bench.pcm import clock_figure, measure
from bench.words import word_errors
from core.audio import SAMPLE_BYTES
from core.config import Config, SttConfig
from core.media.stt import SttService
from core.media.stt_models import Machine, WhisperModel, choose, models_in
from tests.media.tiny_whisper import write_model
from tests.station import station

STATE, LAYERS = 384, 4
"""Width and depth of whisper tiny."""
TURNS_S = (2, 10, 20, 28, 31, 45)
NUMBER = "+447700900123"
VOICE = "en-gb-x-rp+f5"
DIGITS_LEFT_OUT = ("nineteen hundred and eighty four", "the code is three seven nine two", "forty five minutes")
"""Whisper writes figures for them, which would count as errors."""


async def run(quick: bool) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="dialtone-bench-stt-") as folder:
        model = write_model(Path(folder) / "ggml-tiny.en.bin", "words", state=STATE, layers=LAYERS)
        figures = [
            *await _clock(model, 4.0 if quick else 20.0),
            *await _turns(model, 2 if quick else 6),
            await _phrases(1 if quick else 3),
            *await _station(model, 3 if quick else 10),
        ]
    real = choose(list(models_in(Path(os.environ.get("DIALTONE_MODELS", "/nowhere")))), Machine.here(), english=True)
    if real is None:
        return [*figures, Figure(name="whisper, real model: none in DIALTONE_MODELS", value=0, unit="not measured")]
    return [*figures, *await _real(real, 6 if quick else len(OTHERS) + len(PHRASES))]


# --- the clock beside it ----------------------------------------------------------------------------------------------


async def _clock(model: Path, seconds: float) -> list[Figure]:
    figures = [clock_figure("nobody recognises", await measure(1, 1, seconds, busy=False))]
    async with _service(model) as service, asyncio.TaskGroup() as tasks:
        await service.transcribe(_noise(1.0), RATE_HZ, timeout_s=60)
        hammering = tasks.create_task(_hammer(service))
        figures.append(clock_figure("whisper runs flat out", await measure(1, 1, seconds, busy=False)))
        hammering.cancel()
    return figures


async def _hammer(service: SttService) -> None:
    turn = _noise(5.0)
    while True:
        await service.transcribe(turn, RATE_HZ, timeout_s=60)


# --- how soon ---------------------------------------------------------------------------------------------------------


async def _turns(model: Path, times: int) -> list[Figure]:
    """What the decision rests on to hear a turn again as a whole up to 28 s, and in parts beyond."""
    figures = []
    async with _service(model) as service:
        asked_s = time.monotonic()
        await service.transcribe(_noise(1.0), RATE_HZ, timeout_s=60)
        figures.append(Figure("whisper, tiny's size: process and model", round(time.monotonic() - asked_s, 2), "s"))
        for seconds in TURNS_S:
            took = [(await service.transcribe(_noise(seconds), RATE_HZ, timeout_s=60)).took_ms for _ in range(times)]
            figures.append(_milliseconds(f"whisper, tiny's size: a turn of {seconds} s", took))
    return figures


async def _phrases(rounds: int) -> Figure:
    service = SttService(SttConfig(engine="phrases"))
    await service.prepare(PHRASES, "en")
    took: list[float] = []
    random = np.random.default_rng(12)
    for text in PHRASES * rounds:
        pcm = await asyncio.to_thread(Caller("espeak", "en-us+m3").say, text, random)
        took.append((await service.transcribe(pcm, RATE_HZ, phrases=PHRASES)).took_ms)
    await service.close()
    return _milliseconds("phrases, 20 of them: a turn", took)


async def _station(model: Path, times: int) -> list[Figure]:
    """In a call, from the end-of-turn threshold to call.speech; the recogniser began at the first threshold."""
    found = []
    for engine in ("phrases", "whisper"):
        toml = f'[stt]\nengine = "{engine}"\nmodel = "{model}"\ntimeout_s = 30.0'
        async with station(toml) as made, made.phone("*") as (phone, watch):
            await phone.expect_phrases(list(PHRASES))
            await made.ready(phone)
            await made.control("call.incoming", number=NUMBER, ring_s=0.3)
            await watch.wait("call.connected")
            await phone.call("call.speak", text="a", wait="spoken")
            for count in range(times):
                await made.control("far.say", text=PHRASES[count % len(PHRASES)], voice=VOICE)
                await watch.wait("call.speech", count=count + 1)
            told = [event.params for event in watch.named("call.speech")]
            name = engine if engine == "phrases" else "whisper of tiny's size"
            found.append(_milliseconds(f"{name}: turn over to call.speech", [event["latency_ms"] for event in told]))
    return found


# --- how right --------------------------------------------------------------------------------------------------------


async def _real(model: WhisperModel, most: int) -> list[Figure]:
    """Word error rate and real-time factor of a model on telephone speech of synthesisers."""
    figures: list[Figure] = []
    sentences = [text for text in (*PHRASES, *OTHERS) if text not in DIGITS_LEFT_OUT][:most]
    everyone = callers()
    async with _service(model.path) as service:
        await service.transcribe(_noise(1.0), RATE_HZ, timeout_s=120)
        for caller in everyone:
            random = np.random.default_rng(13)
            errors = words = 0
            took_s = audio_s = 0.0
            for text in sentences:
                pcm = await asyncio.to_thread(caller.say, text, random)
                found = await service.transcribe(pcm, RATE_HZ, timeout_s=120)
                errors += word_errors(text, found.text or "")
                words += len(text.split())
                took_s, audio_s = took_s + found.took_ms / 1000, audio_s + len(pcm) / SAMPLE_BYTES / RATE_HZ
            figures.append(
                Figure(
                    name=f"{model.path.stem}: {caller.name}, word error rate",
                    value=round(100 * errors / words, 1),
                    unit="%",
                    detail={"words": words, "real_time_factor": round(took_s / audio_s, 2)},
                )
            )
    mean = statistics.mean(figure.value for figure in figures)
    return [*figures, Figure(f"{model.path.stem}: all callers, word error rate", round(mean, 1), "%")]


@asynccontextmanager
async def _service(model: Path) -> AsyncIterator[SttService]:
    config = SttConfig(engine="whisper", fallback=(), model=str(model))
    service = SttService(config, Config(stt=config))
    try:
        yield service
    finally:
        await service.close()


def _noise(seconds: float) -> bytes:
    """Half a second loud, a quarter quiet, and so on: it counts as speech from one end to the other."""
    samples = np.random.default_rng(14).normal(size=int(seconds * RATE_HZ)) * 3000
    place = np.arange(len(samples)) % (3 * RATE_HZ // 4)
    samples[place < RATE_HZ // 4] *= 0.01
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


def _milliseconds(name: str, samples: list[float] | list[int]) -> Figure:
    values = [float(value) for value in samples]
    detail: dict[str, float | int | str | bool | None] = {"p95": round(percentile(values, 95)), "n": len(values)}
    return Figure(name=name, value=round(statistics.median(values)), unit="ms p50", detail=detail)
