"""What may be asked of the engines: who there is, what is missing, which voices they have."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from core.log import Log
from core.media.engines import Failure, SpeechFailed, Synthesiser, Voice, tts_engines

log = Log("tts")

LIST_S = 10.0
"""A service's list of voices is some hundred kilobytes."""


@dataclass(frozen=True, slots=True)
class EngineVoices:
    """One engine. missing: what it lacks and how to get it; problem: why its voices could not be listed."""

    engine: str
    missing: str | None
    problem: str | None
    voices: tuple[Voice, ...]

    @property
    def verified(self) -> bool:
        """False for an engine that says of itself that nobody has tried it against the real service."""
        return bool(getattr(tts_engines().get(self.engine), "verified", True))


async def list_voices(name: str, synthesiser: Synthesiser, keys: Mapping[str, str]) -> EngineVoices:
    if (reason := synthesiser.missing(keys)) is not None:
        return EngineVoices(name, reason, None, ())
    try:
        async with asyncio.timeout(LIST_S):
            return EngineVoices(name, None, None, await synthesiser.voices(keys))
    except SpeechFailed as failed:
        return EngineVoices(name, None, failed.text, ())
    except TimeoutError:
        return EngineVoices(name, None, str(Failure.TIMEOUT), ())
    except Exception:
        log.exception("an engine's voices can't be listed", engine=name)
        return EngineVoices(name, None, str(Failure.CRASHED), ())
