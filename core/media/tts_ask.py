"""What is asked of the speech service, and what makes the same audio again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Priority(IntEnum):
    """Of texts that wait: a sentence of a higher one is made first, and in a call it is said first."""

    LOW = -1
    NORMAL = 0
    HIGH = 1


@dataclass(frozen=True, slots=True)
class Ask:
    """One text. engine, language, voice: None is what the config says. keys: secrets of one call.

    fallback: whether other engines may say it. keep: its audio is worth a place on the disk.
    strict: a voice or language that nobody has is an error; where it isn't, espeak says it somehow.
    """

    text: str
    rate_hz: int
    language: str | None = None
    voice: str | None = None
    engine: str | None = None
    style: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    priority: int = Priority.NORMAL
    fallback: bool = True
    keep: bool = False
    strict: bool = True


@dataclass(frozen=True, slots=True)
class SpeechKey:
    """What makes the same audio again. settings: the configuration of the engine, without its keys."""

    engine: str
    voice: str
    language: str
    speed_wpm: int
    rate_hz: int
    text: str
    style: tuple[tuple[str, str], ...] = ()
    settings: str = ""


@dataclass(frozen=True, slots=True)
class FailedOver:
    """Within one text an engine gave up and the next went on. reason: a word of Failure."""

    from_engine: str
    to_engine: str
    reason: str
