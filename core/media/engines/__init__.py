"""Speech engines, one file each, found by listing this folder: a file with an ENGINE is all it takes.

A TTS engine is driven from the event loop, a sentence at a time (core.media.tts): a networked one runs there, espeak in
its own thread, a neural one in a worker process. STT engines are plain blocking code in a worker process
(core.media.workers). An engine file may be imported cheaply: what it needs (numpy, aiohttp, models) it loads when used.
The file has the engine's name. Files in the folder that the environment names as DIALTONE_ENGINES count, too.
"""

import importlib
import os
import pkgutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Literal, Protocol, runtime_checkable

from core.config import TtsConfig
from core.espeak import WordMark
from core.log import Log

__all__ = [
    "EnginePiece",
    "Failure",
    "Heard",
    "Recogniser",
    "Sentence",
    "SpeechFailed",
    "Stretch",
    "SttEngine",
    "Synthesiser",
    "Trait",
    "TtsEngine",
    "Voice",
    "WordMark",
    "engine_names",
    "stt_engines",
    "traits_of",
    "tts_engine",
    "tts_engines",
]


class Trait(StrEnum):
    """What the service may spare a TTS engine. One that declares no `traits` gets all the help there is."""

    QUICK = "quick"
    """A long sentence's first audio comes as soon as a short one's: no first clause is cut off for it."""
    SINGLE = "single"
    """It makes one sentence at a time; the service then chooses which is next, by priority."""
    READS_NUMBERS = "reads_numbers"
    """It says cardinals and decimals in its languages."""
    READS_ALL = "reads_all"
    """It says times, dates and amounts of money too. Phone numbers are spelt out for every engine."""


@dataclass(frozen=True, slots=True)
class Voice:
    """name: as `voice` takes it. language: BCP 47. gender: female, male, neutral, where it is known."""

    name: str
    language: str
    gender: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """One piece of a text to speak. style: pitch, speed, style, model … as call.configure or the config gave them.

    last: no other sentence of its text follows; after the others stands the pause between sentences.
    """

    text: str
    voice: str
    language: str
    speed_wpm: int
    last: bool
    style: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnginePiece:
    """s16le mono, whole samples; marks' at_ms count from the beginning of this sentence's audio."""

    pcm: bytes
    rate_hz: int
    marks: tuple[WordMark, ...] = ()


class Failure(StrEnum):
    """Why an engine did not speak; stable words for events and decisions."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    AUTH = "auth"
    RATE_LIMITED = "rate_limited"
    NO_VOICE = "no_voice"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"
    CRASHED = "crashed"
    MISSING = "missing"


class SpeechFailed(Exception):
    """An engine's only way to fail. text is for people and never holds keys or speech; reason: a word of Failure."""

    def __init__(self, reason: str, text: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(text or reason)
        self.reason = Failure(reason)
        self.text = text or reason
        self.retry_after_s = retry_after_s


class Synthesiser(Protocol):
    """A TTS engine that is configured. Everything runs on the event loop and never blocks it.

    keys: those of call.configure (azure_key, openai_key …). Where one is absent: the config's, then the environment's.
    """

    def missing(self, keys: Mapping[str, str]) -> str | None:
        """None, or what is missing and how to get it (package, model, key). Cheap."""

    def voice_for(self, language: str) -> str | None:
        """The voice for a BCP 47 tag, its closest relative where there is none of its own; None for no relative."""

    def has_voice(self, voice: str) -> bool:
        """Whether `speak` may be asked for it. Cheap: a service may still refuse it, as no_voice."""

    async def voices(self, keys: Mapping[str, str]) -> tuple[Voice, ...]:
        """What it offers. SpeechFailed."""

    def speak(self, sentence: Sentence, keys: Mapping[str, str]) -> AsyncIterator[EnginePiece]:
        """One sentence, as it is made: an async generator. SpeechFailed; aclose() ends it at once."""

    async def warm(self) -> None:
        """A call is coming: whatever makes the first sentence quick. Never raises."""

    async def close(self) -> None: ...


@runtime_checkable
class TtsEngine(Protocol):
    """What a file's ENGINE is. It may have `traits: frozenset[Trait]`, too."""

    kind: Literal["tts"]
    name: str

    def open(self, config: TtsConfig) -> Synthesiser:
        """Cheap; nothing is loaded."""


def traits_of(engine: TtsEngine) -> frozenset[Trait]:
    declared: frozenset[Trait] = getattr(engine, "traits", frozenset())
    return declared


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words and where they lie, in ms from the beginning of the audio that the engine was given."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What an STT engine made of an utterance. text None: not understood. confidence 0..1, where the engine has one.

    language: what it was, where the engine can tell. stretches: where its words lie, where the engine knows.
    """

    text: str | None
    confidence: float | None = None
    language: str | None = None
    stretches: tuple[Stretch, ...] = ()


class Recogniser(Protocol):
    """An STT engine that is loaded. One call at a time, in the worker's main thread."""

    def prepare(self, phrases: tuple[str, ...], language: str, stopped: Callable[[], bool]) -> None:
        """Whatever makes the next `transcribe` with these phrases quick. Once stopped(), returns and keeps its work."""

    def transcribe(
        self, pcm: bytes, rate_hz: int, language: str, phrases: tuple[str, ...], stopped: Callable[[], bool]
    ) -> Heard:
        """pcm: one turn, s16le mono at 8 or 16 kHz, with its pre-roll and trailing silence.

        language: one that the engine knows, or "auto" where it said that it guesses. Once stopped(), return anything.
        Whatever it raises costs this utterance only; MemoryError ends the process.
        """


@runtime_checkable
class SttEngine(Protocol):
    """What a file's ENGINE is. needs_phrases: it hears nothing but declared phrases. window_s: a longer utterance costs
    it more than the sum of its parts, so that it is given in parts; None: always the whole utterance."""

    kind: Literal["stt"]
    name: str
    needs_phrases: bool
    window_s: float | None

    def available(self, model: str | None) -> str | None:
        """None, or why not and how to get it. Cheap: says nothing about whether the model's content is sound."""

    def knows(self, language: str, model: str | None) -> bool:
        """Whether it can be asked to hear that BCP 47 tag; "auto": whether it finds the language by itself. Cheap."""

    def open(self, model: str | None, threads: int, threshold: float | None) -> Recogniser:
        """Loads it; takes as long as it takes. Any exception means that it can't be had."""


def tts_engines() -> dict[str, TtsEngine]:
    """By name."""
    return {engine.name: engine for engine in _engines() if isinstance(engine, TtsEngine) and engine.kind == "tts"}


def tts_engine(name: str) -> TtsEngine | None:
    """One of them. No other file is imported for it."""
    engine = _imported(name) if name in engine_names() else None
    return engine if isinstance(engine, TtsEngine) and engine.kind == "tts" else None


def stt_engines() -> dict[str, SttEngine]:
    """By name."""
    return {engine.name: engine for engine in _engines() if isinstance(engine, SttEngine) and engine.kind == "stt"}


def engine_names() -> frozenset[str]:
    """Of all files that may be engines. None of them is imported for it."""
    return frozenset(module.name for module in pkgutil.iter_modules(__path__))


if _more := os.environ.get("DIALTONE_ENGINES"):
    __path__.append(_more)


@cache
def _engines() -> tuple[object, ...]:
    return tuple(_listed())


def _listed() -> Iterator[object]:
    for module in pkgutil.iter_modules(__path__):
        if (engine := _imported(module.name)) is not None:
            yield engine


def _imported(name: str) -> object | None:
    try:
        return getattr(importlib.import_module(f"{__name__}.{name}"), "ENGINE", None)
    except Exception:  # one file's mistake must not take the others' voices and ears
        Log("engines").exception("an engine's file can't be imported", file=name)
        return None
