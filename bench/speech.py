"""Speech: how soon the first byte of a text comes, how well the phrase engine hears, what an utterance costs."""

import asyncio
import statistics
import time

import numpy as np

from bench.callers import OTHERS, PHRASES, RATE_HZ, Caller, callers
from bench.figures import Figure, percentile
from bench.speech_out import speech_out
from core.config import SttConfig
from core.media.stt import SttService

RIGHT_OF_20, FALSE_ACCEPTS_PERCENT = 18, 15


async def run(quick: bool) -> list[Figure]:
    """quick: fewer repetitions and other sentences, every caller and phrase all the same."""
    return [*await speech_out(3 if quick else 20), *await _speech_in(OTHERS[:10] if quick else OTHERS)]


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
