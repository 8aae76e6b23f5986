"""Speech: how soon the first byte of a text comes, how well the phrase engine hears, what an utterance costs."""

import asyncio
import statistics
import time

import numpy as np

from bench.callers import OTHERS, PHRASES, RATE_HZ, Caller, callers
from bench.figures import Figure, percentile
from core.config import SttConfig, TtsConfig
from core.media.stt import SttService
from core.media.tts import TtsService

FIRST_BYTE_MS, CACHED_MS = 60, 20
RIGHT_OF_20, FALSE_ACCEPTS_PERCENT = 18, 15


async def run(quick: bool) -> list[Figure]:
    """quick: fewer repetitions and other sentences, every caller and phrase all the same."""
    return [*await _speech_out(3 if quick else 20), *await _speech_in(OTHERS[:10] if quick else OTHERS)]


async def _speech_out(times: int) -> list[Figure]:
    cold = TtsService(TtsConfig())
    asked_s = time.perf_counter()
    await cold.start()
    cold_ms = await _first_byte_ms(cold, "Good morning, how can I help you?", asked_s)
    warm = [
        await _first_byte_ms(cold, f"This is sentence number {number}. And another one.") for number in range(times)
    ]
    kept = [await _first_byte_ms(cold, "This is sentence number 0. And another one.") for _ in range(times)]
    await cold.close()
    return [
        Figure(name="TTS first byte, engine not loaded", value=round(cold_ms, 1), unit="ms"),
        _milliseconds("TTS first byte, espeak", warm, FIRST_BYTE_MS),
        _milliseconds("TTS first byte, cached", kept, CACHED_MS),
    ]


async def _first_byte_ms(service: TtsService, text: str, asked_s: float | None = None) -> float:
    asked_s = time.perf_counter() if asked_s is None else asked_s
    stream = service.stream(text, rate_hz=RATE_HZ)
    await anext(stream)
    first_s = time.perf_counter()
    async for _ in stream:
        pass
    await stream.close()
    return (first_s - asked_s) * 1000


def _milliseconds(name: str, samples: list[float], target_ms: int) -> Figure:
    value = percentile(samples, 95)
    detail: dict[str, float | int | str | bool | None] = {
        "p50": round(statistics.median(samples), 2),
        "n": len(samples),
    }
    return Figure(
        name=name, value=round(value, 2), unit="ms p95", target=f"<= {target_ms}", ok=value <= target_ms, detail=detail
    )


async def _speech_in(others: tuple[str, ...]) -> list[Figure]:
    service = SttService(SttConfig(engine="phrases"))
    asked_s = time.perf_counter()
    await service.prepare(PHRASES, "en")
    figures = [Figure(name="phrases: worker and 20 templates", value=round(time.perf_counter() - asked_s, 2), unit="s")]
    took_ms: list[float] = []
    rights: dict[Caller, int] = {}
    accepted: dict[Caller, int] = {}
    everyone = callers()
    for caller in everyone:
        right, wrong, false = await _listen(service, caller, others, took_ms)
        rights[caller], accepted[caller] = right, false
        figures.append(
            Figure(
                name=f"phrases: {caller.name}",
                value=right,
                unit="of 20 right",
                target=f">= {RIGHT_OF_20}",
                ok=right >= RIGHT_OF_20,
                detail={"wrong": wrong, "not_understood": len(PHRASES) - right - wrong, "false_accepts": false},
            )
        )
    await service.close()
    false_percent = 100 * statistics.mean(accepted.values()) / len(others)
    mean_right = statistics.mean(rights.values())
    return [
        *figures,
        Figure(
            name="phrases: mean of all callers",
            value=round(mean_right, 1),
            unit="of 20 right",
            target=f">= {RIGHT_OF_20}",
            ok=mean_right >= RIGHT_OF_20,
            detail=_by_synthesiser(rights, 1.0),
        ),
        Figure(
            name="phrases: other sentences accepted",
            value=round(false_percent, 1),
            unit="%",
            target=f"<= {FALSE_ACCEPTS_PERCENT}",
            ok=false_percent <= FALSE_ACCEPTS_PERCENT,
            detail=_by_synthesiser(accepted, 100 / len(others)),
        ),
        Figure(
            name="phrases: one utterance",
            value=round(statistics.mean(took_ms), 1),
            unit="ms",
            detail={"p95": round(percentile(took_ms, 95), 1)},
        ),
    ]


async def _listen(
    service: SttService, caller: Caller, others: tuple[str, ...], took_ms: list[float]
) -> tuple[int, int, int]:
    """Right, wrong and falsely accepted."""
    random = np.random.default_rng(11)
    right = wrong = false = 0
    for text in (*PHRASES, *others):
        pcm = await asyncio.to_thread(caller.say, text, random)
        found = await service.transcribe(pcm, RATE_HZ, phrases=PHRASES)
        took_ms.append(found.took_ms)
        if text in PHRASES:
            right += found.text == text
            wrong += found.text not in (text, None)
        else:
            false += found.understood
    return right, wrong, false


def _by_synthesiser(counts: dict[Caller, int], factor: float) -> dict[str, float | int | str | bool | None]:
    """Means apart: espeak-ng hears its own kin too well to stand for people; flite is the better guess."""
    found: dict[str, float | int | str | bool | None] = {}
    for synthesiser in sorted({caller.synthesiser for caller in counts}):
        mean = statistics.mean(count for caller, count in counts.items() if caller.synthesiser == synthesiser)
        found[synthesiser] = round(mean * factor, 1)
    return found
