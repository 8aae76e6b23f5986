"""The words of a conversation's machine: moods and how they follow each other, what it knows, what it wants done."""

from dataclasses import dataclass
from enum import StrEnum

from clients.bridge.texts import Phrase
from clients.bridge.transcription import Answer


class Mood(StrEnum):
    LISTENING = "listening"
    HEARING = "hearing"
    ASKING = "asking"
    LEAVING = "leaving"  # the farewell is being said
    AWAY = "away"  # somebody else steers the call


class On(StrEnum):
    TURN_START = "turn_start"
    TURN_END = "turn_end"
    SETTLED = "settled"  # the newest turn has its answer, or will have none
    FAREWELL = "farewell"
    TAKEN = "taken"
    LOST = "lost"


SERVING = (Mood.LISTENING, Mood.HEARING, Mood.ASKING)
NEXT: dict[tuple[Mood, On], Mood] = {
    **{(mood, On.TURN_START): Mood.HEARING for mood in SERVING},
    **{(mood, On.TURN_END): Mood.ASKING for mood in SERVING},
    (Mood.LISTENING, On.SETTLED): Mood.LISTENING,
    (Mood.HEARING, On.SETTLED): Mood.HEARING,
    (Mood.ASKING, On.SETTLED): Mood.LISTENING,
    **{(mood, On.FAREWELL): Mood.LEAVING for mood in SERVING},
    **{(mood, On.LOST): Mood.AWAY for mood in Mood},
    (Mood.AWAY, On.TAKEN): Mood.LISTENING,
}
"""What is not here changes nothing."""


class Got(StrEnum):
    """How far a chunk is with the VPS."""

    SENT = "sent"
    ACKED = "acked"
    ANSWERED = "answered"  # with a reply, as the shipped VPS did
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PostChunk:
    chunk: int


@dataclass(frozen=True, slots=True)
class PostEnd:
    """attempt: 1 or 2. with_audio: the last chunk did not get through."""

    turn: int
    chunk: int
    silence_ms: int
    attempt: int
    with_audio: bool


@dataclass(frozen=True, slots=True)
class CancelEnd:
    """The end signal of that turn, on its way or about to be sent again, is of no use any more."""

    turn: int


@dataclass(frozen=True, slots=True)
class Words:
    """What the caller said, for stt.result and for the context."""

    turn: int
    chunk: int
    text: str
    final: bool
    whole: bool


@dataclass(frozen=True, slots=True)
class Say:
    """text, or one of our own phrases. farewell: it is not to be interrupted."""

    text: str | Phrase
    farewell: bool = False


@dataclass(frozen=True, slots=True)
class HangUp:
    """Once all was heard."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A turn has no answer. Whoever drives this hands the call over, or says `stayed`."""

    turn: int


Action = PostChunk | PostEnd | CancelEnd | Words | Say | HangUp | GiveUp


@dataclass(slots=True)
class Server:
    """What is known of the VPS, for all calls: whether it replies to chunks at once and knows no end signal."""

    immediate: bool = False


@dataclass(slots=True)
class Chunk:
    turn: int
    got: Got = Got.SENT


@dataclass(frozen=True, slots=True)
class Ask:
    """A turn that is over and has no answer yet. attempt 0: no end signal was sent, its last chunk's answer is awaited.
    refused: what an error said, while the last chunk may still be answered."""

    turn: int
    chunk: int
    silence_ms: int
    attempt: int = 0
    refused: Answer | None = None
