"""The speech service with real engines: a service that fails, Piper after it, espeak-ng at last."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from core.config import TtsConfig
from core.media.tts import FailedOver, TtsService
from core.media.tts_stream import TtsPiece
from tests.media.engines.contract import TEXT
from tests.media.engines.servers import KEY, Azure, OpenAi, running
from tests.media.tiny_piper import FOREVER, write_voice

PATIENT = {"late_s": 30.0, "gap_s": 30.0}
"""Where the time an engine takes is not what is tried."""


@asynccontextmanager
async def speech(**table: object) -> AsyncIterator[tuple[TtsService, list[FailedOver]]]:
    told: list[FailedOver] = []
    service = TtsService(msgspec.convert(table, TtsConfig), on_failover=told.append)
    await service.start()
    try:
        yield service, told
    finally:
        await service.close()


async def heard_ms(service: TtsService, **options: object) -> int:
    stream = service.stream(TEXT, rate_hz=8000, **options)  # type: ignore[arg-type]
    try:
        pieces: list[TtsPiece] = [piece async for piece in stream]
    finally:
        await stream.close()
    return sum(len(piece.pcm) for piece in pieces) // 16


async def test_auto_takes_piper_once_a_voice_is_there(tmp_path: Path) -> None:
    pytest.importorskip("piper")
    async with speech(models_dir=str(tmp_path)) as (service, told):
        assert await heard_ms(service) > 1000
        assert service.engine_name == "espeak" and told == []
    write_voice(tmp_path)
    async with speech(models_dir=str(tmp_path), **PATIENT) as (service, told):
        assert await heard_ms(service) > 1000
        assert service.engine_name == "piper" and told == []


async def test_a_damaged_voice_leaves_the_word_to_espeak(tmp_path: Path) -> None:
    pytest.importorskip("piper")
    write_voice(tmp_path).write_bytes(b"no voice")
    async with speech(models_dir=str(tmp_path), **PATIENT) as (service, told):
        assert await heard_ms(service) > 1000
        assert told == [FailedOver("piper", "espeak", "missing")]


async def test_a_voice_that_hangs_leaves_the_word_to_espeak(tmp_path: Path) -> None:
    pytest.importorskip("piper")
    write_voice(tmp_path, work=FOREVER)
    async with speech(models_dir=str(tmp_path), late_s=0.5) as (service, told):
        assert await heard_ms(service) > 1000
        assert told == [FailedOver("piper", "espeak", "timeout")]


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ({"status": 401}, "auth"),
        ({"status": 429, "headers": {"Retry-After": "7"}}, "rate_limited"),
        ({"status": 503}, "unreachable"),
        ({"silent": True}, "timeout"),
        ({"break_after": 9000}, "truncated"),
        ({"content_type": "text/html"}, "unreachable"),
    ],
)
async def test_whatever_a_service_does_the_caller_hears_the_sentence(mood: dict[str, object], reason: str) -> None:
    async with running(Azure()) as azure, running(OpenAi()) as openai:
        azure_table = {"key": KEY, "endpoint": azure.base, "timeout_s": 4.0}
        openai_table = {"key": KEY, "endpoint": openai.base + "/v1", "timeout_s": 20.0}
        async with speech(
            engine="azure", fallback=["openai", "espeak"], azure=azure_table, openai=openai_table, **PATIENT
        ) as (service, told):
            assert await heard_ms(service) > 1000
            assert told == []
            for name, value in mood.items():
                setattr(azure.mood, name, value)
            assert await heard_ms(service, voice="en-GB-RyanNeural") > 1000
            assert told == [FailedOver("azure", "openai", reason)]
        assert azure.complaints + openai.complaints == []


async def test_keys_of_a_call_reach_their_service_and_no_other() -> None:
    async with running(Azure()) as azure, running(OpenAi()) as openai:
        azure_table = {"endpoint": azure.base, "timeout_s": 20.0}
        openai_table = {"endpoint": openai.base + "/v1", "key": "the-stations"}
        async with speech(
            engine="espeak", fallback=["openai", "espeak"], azure=azure_table, openai=openai_table, **PATIENT
        ) as (service, told):
            keys = {"tts_secret_key": KEY, "tts_engine": "azure"}
            assert await heard_ms(service, engine="azure", keys=keys) > 1000
            assert azure.seen[-1].headers["Ocp-Apim-Subscription-Key"] == KEY and told == []
            azure.mood.status = 500
            assert await heard_ms(service, engine="azure", keys=keys, voice="en-GB-RyanNeural") > 1000
            assert openai.seen and KEY not in repr(openai.seen)
            assert [failover.to_engine for failover in told] == ["openai", "espeak"]
