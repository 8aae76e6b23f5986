"""Every engine, set up to speak without a network: services on loopback, Piper with a voice of our own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from core.config import TtsConfig
from core.media.engines import tts_engines
from tests.media.engines.contract import Subject
from tests.media.engines.servers import KEY, Azure, Google, Liepa, OpenAi, Service, running
from tests.media.tiny_piper import write_voice

SERVICES: dict[str, type[Service]] = {"azure": Azure, "openai": OpenAi, "google": Google, "liepa": Liepa}
VOICES = {"azure": "en-GB-SoniaNeural", "openai": "coral", "google": "en-GB-Neural2-C", "liepa": "regina"}
NAMES = ("espeak", "piper", *SERVICES)
PATHS = {"openai": "/v1"}


@asynccontextmanager
async def subject_of(name: str, folder: Path, **settings: object) -> AsyncIterator[Subject]:
    """settings: of the engine's own table of [tts]. Its service must have nothing to complain of in the end."""
    async with AsyncExitStack() as stack:
        service: Service | None = None
        table: dict[str, object] = dict(settings)
        if name in SERVICES:
            service = await stack.enter_async_context(running(SERVICES[name]()))
            address = service.base + PATHS.get(name, "")
            table = {"key": KEY, "timeout_s": 20.0, "url" if name == "liepa" else "endpoint": address} | table
        top = {"models_dir": str(folder)} | ({name: table} if name != "espeak" else {})
        if name == "piper":
            write_voice(folder)
        synthesiser = tts_engines()[name].open(msgspec.convert(top, TtsConfig))
        voice = VOICES.get(name) or synthesiser.voice_for("en") or ""
        try:
            yield Subject(name, synthesiser, voice, service)
        finally:
            await synthesiser.close()
        if service is not None:
            assert service.complaints == []
