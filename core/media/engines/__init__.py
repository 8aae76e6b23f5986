"""Speech engines, one file each, found by listing this folder: a file with an ENGINE is all it takes.

TTS engines run in the speech thread of core.media.tts, STT engines in a worker process (core.media.workers). Either is
plain blocking code. An engine file may be imported cheaply: what it needs (numpy, models) it loads when opened.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol, runtime_checkable

from core.espeak import WordMark

__all__ = ["Heard", "Recogniser", "SttEngine", "TtsEngine", "WordMark", "stt_engines", "tts_engines"]


@runtime_checkable
class TtsEngine(Protocol):
    """Text to PCM. rate_hz is what `speak` gives; the caller resamples."""

    kind: Literal["tts"]
    name: str
    rate_hz: int

    def available(self) -> str | None:
        """None, or why not and how to get it. Cheap."""

    def voice_for(self, language: str) -> str | None:
        """The voice for a BCP 47 tag, its closest relative where there is none of its own; None for no relative."""

    def has_voice(self, voice: str) -> bool: ...

    def speak(
        self,
        text: str,
        *,
        voice: str,
        speed_wpm: int,
        last: bool,
        on_chunk: Callable[[bytes], bool],
        on_word: Callable[[WordMark], None],
    ) -> None:
        """One sentence, blocking. Not the last of its text: followed by the pause between sentences.

        Chunks and marks as in core.espeak.stream: marks before their audio, on_chunk returning False ends it.
        """


@dataclass(frozen=True, slots=True)
class Heard:
    """What an STT engine made of an utterance. text None: not understood. confidence 0..1, where the engine has one."""

    text: str | None
    confidence: float | None = None
    language: str | None = None


class Recogniser(Protocol):
    """An STT engine that is loaded. One call at a time, in the worker's main thread."""

    def prepare(self, phrases: tuple[str, ...], language: str, stopped: Callable[[], bool]) -> None:
        """Whatever makes the next `transcribe` with these phrases quick. Once stopped(), returns and keeps its work."""

    def transcribe(
        self, pcm: bytes, rate_hz: int, language: str, phrases: tuple[str, ...], stopped: Callable[[], bool]
    ) -> Heard:
        """pcm: one turn, s16le mono, with its pre-roll and trailing silence. Once stopped(), return anything."""


@runtime_checkable
class SttEngine(Protocol):
    kind: Literal["stt"]
    name: str
    needs_phrases: bool

    def available(self, model: str | None) -> str | None:
        """None, or why not and how to get it. Cheap: says nothing about whether the model's content is sound."""

    def knows(self, language: str) -> bool:
        """Whether it can be asked to hear that BCP 47 tag."""

    def open(self, model: str | None, threads: int, threshold: float | None) -> Recogniser:
        """Loads it; takes as long as it takes. Any exception means that it can't be had."""


def tts_engines() -> dict[str, TtsEngine]:
    """By name."""
    return {engine.name: engine for engine in _engines() if isinstance(engine, TtsEngine) and engine.kind == "tts"}


def stt_engines() -> dict[str, SttEngine]:
    """By name."""
    return {engine.name: engine for engine in _engines() if isinstance(engine, SttEngine) and engine.kind == "stt"}


@cache
def _engines() -> tuple[object, ...]:
    return tuple(_listed())


def _listed() -> Iterator[object]:
    for module in pkgutil.iter_modules(__path__):
        engine = getattr(importlib.import_module(f"{__name__}.{module.name}"), "ENGINE", None)
        if engine is not None:
            yield engine
