"""Speech for services and clients: the engines, the phrases that clients declare, files in and out."""

import base64
import binascii
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.config import Config
from core.errors import InvalidParams, LimitExceeded, PathRefused
from core.media.codecs import decode_audio, encode_ogg_opus, encode_wav
from core.media.stt import SttService, Transcript
from core.media.tts import Ask, FailedOver, Priority, TtsService, TtsStream
from core.media.vad_engines import VadEngines
from core.speech_jobs import SpeechJobs

MAX_PHRASES = 200
"""More templates than this make the phrase engine slower than a frame budget and less certain (docs/speech.md)."""
MAX_PHRASE_CHARS = 120
AUDIO_BYTES_MAX = 8 * 1024 * 1024
LANGUAGES_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Phrases:
    """What one connection expects callers to say."""

    texts: tuple[str, ...]
    language: str | None = None


@dataclass(slots=True)
class SpeechService:
    """One per core. Engines load when first needed, never at start."""

    config: Config
    tts: TtsService
    stt: SttService
    vads: VadEngines = field(init=False)
    jobs: SpeechJobs = field(default_factory=SpeechJobs)
    _phrases: dict[int, Phrases] = field(default_factory=dict)
    _languages: "OrderedDict[str, str]" = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.vads = VadEngines(self.config.media)

    async def declare(self, session: int, phrases: list[str], language: str | None) -> int:
        """Replaces what this connection expects, and warms the templates. LimitExceeded over the bounds."""
        texts = tuple(dict.fromkeys(text.strip() for text in phrases if text.strip()))
        if len(texts) > MAX_PHRASES or any(len(text) > MAX_PHRASE_CHARS for text in texts):
            raise LimitExceeded(f"At most {MAX_PHRASES} phrases of {MAX_PHRASE_CHARS} characters.")
        self._phrases[session] = Phrases(texts, language)
        if texts:
            await self.stt.prepare(texts, language or self.config.stt.language)
        return len(texts)

    def forget(self, session: int) -> None:
        self._phrases.pop(session, None)

    def phrases_for(self, session: int | None) -> tuple[str, ...]:
        """Those of the client that steers the call; where nobody does, everyone's."""
        if session is not None and session in self._phrases:
            return self._phrases[session].texts
        return tuple(dict.fromkeys(text for phrases in self._phrases.values() for text in phrases.texts))

    async def check_voice(
        self,
        language: str | None,
        voice: str | None,
        *,
        engine: str | None = None,
        keys: Mapping[str, str] | None = None,
        complete: bool = False,
    ) -> None:
        """InvalidParams for a language or voice that the engine, or any where none is named, does not have;
        EngineMissing for an engine that is unknown. complete: also for one that lacks its package, model or key."""
        ask = Ask("", 8000, language, voice, engine, keys=_keys(keys, engine))
        await self.tts.check(ask, complete=complete)

    def say(
        self,
        text: str,
        *,
        language: str | None,
        voice: str | None,
        rate_hz: int,
        engine: str | None = None,
        keys: Mapping[str, str] | None = None,
        style: Mapping[str, str] | None = None,
        priority: int = Priority.NORMAL,
        on_failover: Callable[[FailedOver], None] | None = None,
    ) -> TtsStream:
        """Speech for a call. Never waits and never raises; see TtsService.stream."""
        return self.tts.stream(
            text,
            language=language,
            voice=voice,
            rate_hz=rate_hz,
            engine=engine,
            style=style,
            keys=_keys(keys, engine),
            priority=priority,
            strict=False,
            on_failover=on_failover,
        )

    async def make_ahead(
        self,
        texts: Sequence[str],
        *,
        language: str | None,
        voice: str | None,
        rate_hz: int,
        engine: str | None = None,
        keys: Mapping[str, str] | None = None,
        style: Mapping[str, str] | None = None,
    ) -> None:
        """Texts that a call will say, so that `say` has their audio at once. Raises what TtsService.prefetch does."""
        known = _keys(keys, engine)
        await self.tts.prefetch(
            [
                Ask(text, rate_hz, language, voice, engine, style=dict(style or {}), keys=known, strict=False)
                for text in texts
            ]
        )

    async def transcribe(self, pcm: bytes, rate_hz: int, language: str | None, session: int | None) -> Transcript:
        return await self.stt.transcribe(pcm, rate_hz, language=language, phrases=self.phrases_for(session))

    def load_audio(self, path: str | None, audio: str | None, rate_hz: int) -> bytes:
        """PCM from a file below the configured roots, or from base64. Blocking: call it off the loop."""
        return decode_audio(self.audio_source(path, audio), rate_hz)

    def audio_source(self, path: str | None, audio: str | None) -> bytes | Path:
        """A file below the configured roots, or the bytes of base64."""
        if (path is None) == (audio is None):
            raise InvalidParams("Give either path or audio.", path="path")
        if path is not None:
            return allowed_path(path, self.config.media.roots)
        try:
            data = base64.b64decode(audio or "", validate=True)
        except binascii.Error:
            raise InvalidParams("audio is not base64.", path="audio") from None
        if len(data) > AUDIO_BYTES_MAX:
            raise LimitExceeded(f"Audio over {AUDIO_BYTES_MAX} bytes.")
        return data

    def language_of(self, user: str) -> str:
        return self._languages.get(user, self.config.call.language)

    def set_language(self, user: str, language: str) -> None:
        """Of a legacy user; the oldest goes when the table is full."""
        self._languages[user] = language
        self._languages.move_to_end(user)
        if len(self._languages) > LANGUAGES_KEPT:
            self._languages.popitem(last=False)


def _keys(keys: Mapping[str, str] | None, engine: str | None) -> Mapping[str, str]:
    """tts_engine says which engine the generic keys of old clients (tts_secret_key, tts_access_link) are for."""
    return {**(keys or {}), **({"tts_engine": engine} if engine else {})}


def encode(pcm: bytes, rate_hz: int, audio_format: str) -> bytes:
    """pcm, wav or ogg (Opus). Blocking: call it off the loop."""
    match audio_format:
        case "pcm":
            return pcm
        case "wav":
            return encode_wav(pcm, rate_hz)
        case "ogg":
            return encode_ogg_opus(pcm, rate_hz)
        case _:
            raise InvalidParams("format is ogg, wav or pcm.", path="format")


def allowed_path(path: str, roots: tuple[str, ...]) -> Path:
    """The file with all links resolved, if it lies below a root of [media] roots; PathRefused otherwise."""
    try:
        real = Path(path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise PathRefused() from None
    if not real.is_file() or not any(real.is_relative_to(Path(root).resolve()) for root in roots):
        raise PathRefused()
    return real
