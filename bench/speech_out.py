"""Speech out: how soon it begins, how soon it ends, what failing costs."""

import asyncio
import logging
import socket
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure, percentile
from core.config import OpenAiTtsConfig, TtsConfig
from core.media.tts import Ask, TtsService, TtsStream, collect

RATE_HZ = 8000
FIRST_BYTE_MS, CACHED_MS, CANCEL_MS = 60, 20, 20
LATE_S = 0.5
GREETING = "Good morning, how can I help you?"


async def speech_out(times: int) -> list[Figure]:
    service = TtsService(TtsConfig())
    asked_s = time.perf_counter()
    await service.start()
    cold_ms = await _first_byte_ms(service, GREETING, asked_s)
    plain = [await _first_byte_ms(service, f"This is sentence {_letters(n)}. And another one.") for n in range(times)]
    numbers = [await _first_byte_ms(service, f"Call 0170 12345{n:02d} at 9:15.") for n in range(times)]
    kept = [await _first_byte_ms(service, "This is sentence a. And another one.") for _ in range(times)]
    cancelled, following = zip(*[await _cancel_ms(service) for _ in range(times)], strict=True)
    await service.close()
    disk = [await _from_disk_ms() for _ in range(max(3, times // 4))]
    return [
        Figure(name="TTS first PCM, engine not loaded", value=round(cold_ms, 1), unit="ms"),
        _milliseconds("TTS first PCM, espeak", plain, FIRST_BYTE_MS),
        _milliseconds("TTS first PCM, espeak, a text with numbers", numbers, FIRST_BYTE_MS),
        _milliseconds("TTS first PCM, cached in memory", kept, CACHED_MS),
        _milliseconds("TTS first PCM, cached on disk", disk, CACHED_MS),
        _milliseconds("TTS cancel in mid-sentence", cancelled, CANCEL_MS),
        _milliseconds("TTS cancel, and the next text's first PCM", following, CANCEL_MS + FIRST_BYTE_MS),
        *await _failing(times),
    ]


async def _first_byte_ms(service: TtsService, text: str, asked_s: float | None = None) -> float:
    asked_s = time.perf_counter() if asked_s is None else asked_s
    stream = service.stream(text, rate_hz=RATE_HZ)
    first_ms = await _first_of(stream, asked_s)
    async for _ in stream:
        pass
    await stream.close()
    return first_ms


async def _first_of(stream: TtsStream, asked_s: float) -> float:
    await anext(stream)
    return (time.perf_counter() - asked_s) * 1000


async def _cancel_ms(service: TtsService) -> tuple[float, float]:
    """A long text in mid-sentence is taken back: until its task is over and its engine's turn free, and until the next
    text's first PCM, which shows that the engine itself has stopped."""
    stream = service.stream(f"{'A very long sentence that goes on and on ' * 7}. " * 10, rate_hz=RATE_HZ)
    await anext(stream)
    asked_s = time.perf_counter()
    await stream.close()
    while service.texts_under_way:  # noqa: ASYNC110 - it is the time that is measured
        await asyncio.sleep(0)
    over_ms = (time.perf_counter() - asked_s) * 1000
    following = service.stream(f"Next, {_letters(int(asked_s * 1000) % 5000)}.", rate_hz=RATE_HZ)
    first_ms = await _first_of(following, asked_s)
    await following.close()
    return over_ms, first_ms


async def _from_disk_ms() -> float:
    """In a service that has just begun, with the engine loaded and the folder not yet read."""
    with tempfile.TemporaryDirectory() as folder:
        first = TtsService(TtsConfig(), Path(folder))
        await first.start()
        while True:
            if await first.prefetch([Ask(GREETING, RATE_HZ)]):
                break
            await asyncio.sleep(0.05)
        await first.close()
        second = TtsService(TtsConfig(), Path(folder))
        await second.start()
        await second.check(Ask("", RATE_HZ))
        found_ms = await _first_byte_ms(second, GREETING)
        await second.close()
        return found_ms


# --- an engine that fails: a service that nobody runs, and one that never answers -------------------------------------


async def _failing(times: int) -> list[Figure]:
    """Each text with a service of its own, since an engine that failed is put aside."""
    logging.getLogger("dialtone").setLevel(logging.ERROR)
    silent = await asyncio.start_server(_never, "127.0.0.1", 0)
    silent_port = silent.sockets[0].getsockname()[1]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        refused_port = nobody.getsockname()[1]
        await _after_failure_ms(refused_port)  # imports aiohttp
        refused = [await _after_failure_ms(refused_port) for _ in range(times)]
    late = [await _after_failure_ms(silent_port) for _ in range(max(3, times // 4))]
    silent.close()
    return [
        _milliseconds("TTS failover: a service refuses, espeak's first PCM", refused, FIRST_BYTE_MS),
        _milliseconds(
            f"TTS failover: a service is silent for late_s = {LATE_S}, espeak's first PCM",
            late,
            round(LATE_S * 1000) + FIRST_BYTE_MS,
        ),
    ]


async def _never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(4096):
        pass
    writer.close()


async def _after_failure_ms(port: int) -> float:
    service_config = OpenAiTtsConfig(key="none", endpoint=f"http://127.0.0.1:{port}/v1")
    service = TtsService(TtsConfig(engine="openai", fallback=("espeak",), late_s=LATE_S, openai=service_config))
    await service.start()
    await collect(service.stream("a", rate_hz=RATE_HZ, engine="espeak"))
    found_ms = await _first_byte_ms(service, GREETING)
    await service.close()
    return found_ms


def _letters(number: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[number % 26] * (1 + number // 26)


def _milliseconds(name: str, samples: Sequence[float], target_ms: int) -> Figure:
    value = percentile(list(samples), 95)
    detail: dict[str, float | int | str | bool | None] = {
        "p50": round(statistics.median(samples), 2),
        "n": len(samples),
    }
    return Figure(
        name=name, value=round(value, 2), unit="ms p95", target=f"<= {target_ms}", ok=value <= target_ms, detail=detail
    )
