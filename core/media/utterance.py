"""One utterance of ours: its audio, where its words are, how much of it the far end was given. Pure."""

from dataclasses import dataclass
from typing import Protocol

from core.audio import SAMPLE_BYTES, PcmFormat

CHAR_MS = 65
"""Guess at the speed of speech, 15 characters a second, while an utterance without marks is not made to its end."""


@dataclass(frozen=True, slots=True)
class Started:
    """The first frame of an utterance went out."""

    utterance_id: int


@dataclass(frozen=True, slots=True)
class Finished:
    """All that was made of an utterance went out. completed is False where its synthesis failed half way."""

    utterance_id: int
    played_ms: int
    heard_text: str | None
    completed: bool = True


@dataclass(frozen=True, slots=True)
class Stopped:
    """An utterance was cut, or never begun. heard_text: the words that had begun when it was cut."""

    utterance_id: int
    played_ms: int
    heard_text: str | None
    completed: bool = False


PlayoutEvent = Started | Finished | Stopped


class Room(Protocol):
    """The queue's bounds, as an utterance asks for them."""

    @property
    def format(self) -> PcmFormat: ...

    def has_room_for(self, utterance: "Utterance") -> bool:
        """Whether this utterance may lie further ahead of the line."""

    def check_room(self, pcm_bytes: int) -> None:
        """PlayoutFull where this many bytes more would break the bound."""


class Utterance:
    """Where one utterance's audio is put in. Made by Playout.add; feeding one that was stopped does nothing."""

    def __init__(self, room: Room, utterance_id: int, text: str | None, interruptible: bool, priority: int = 0) -> None:
        self._room = room
        self.id = utterance_id
        self.text = text
        self.interruptible = interruptible
        self.priority = priority
        self.stopped = False
        self._pcm = bytearray()
        self._marks: list[tuple[int, int, int]] = []
        self._fed_bytes = 0
        self._played_bytes = 0
        self._in_flight = 0
        self._closed = self._failed = self._started = False

    @property
    def wants_more(self) -> bool:
        """Whether the synthesiser should go on; when not, it waits for the next tick and asks again."""
        if self._closed or self.stopped:
            return False
        return self._room.has_room_for(self)

    @property
    def begun(self) -> bool:
        """Some of it lies in the port or went out."""
        return self._started or self._in_flight > 0

    @property
    def ahead_ms(self) -> int:
        """Audio that was fed and not yet handed to the port."""
        return self._room.format.ms(len(self._pcm))

    @property
    def played_ms(self) -> int:
        """How much went out of the port, without the silence that fills the last frame."""
        return self._room.format.ms(self._played_bytes)

    def feed(self, pcm: bytes) -> None:
        """s16le at the line's rate, of any length in whole samples. ValueError else; PlayoutFull over the bound."""
        if self.stopped:
            return
        if self._closed:
            raise ValueError("the utterance is closed")
        if len(pcm) % SAMPLE_BYTES:
            raise ValueError("PCM comes in whole samples")
        self._room.check_room(len(pcm))
        self._pcm += pcm
        self._fed_bytes += len(pcm)

    def mark(self, char_start: int, char_end: int, at_ms: int) -> None:
        """A word of the text begins at_ms after the first sample. Marks come in order of time."""
        if self.stopped:
            return
        self._marks.append((char_start, char_end, at_ms))

    def close(self) -> None:
        """All of it was fed."""
        self._closed = True

    def fail(self) -> None:
        """No more will come: what was fed is still said, but the utterance ends as not completed."""
        self._closed = self._failed = True

    def heard_text(self) -> str | None:
        """The text up to the last word that had begun; by the share of time, in whole words, without marks."""
        if self.text is None:
            return None
        played_ms = self.played_ms
        if self._marks:
            begun = [char_end for _, char_end, at_ms in self._marks if at_ms < played_ms]
            return self.text[: max(begun, default=0)]
        total_ms = self._room.format.ms(self._fed_bytes)
        if not self._closed or self._failed:
            total_ms = max(total_ms, len(self.text) * CHAR_MS)
        if total_ms == 0:
            return ""
        return _whole_words(self.text, len(self.text) * played_ms // total_ms)

    # --- what follows is Playout's

    def take(self, frame_bytes: int) -> bytes | None:
        """The next frame's audio; shorter than a frame only at the end; None while there is none."""
        if not self.can_give(frame_bytes):
            return None
        audio = bytes(self._pcm[:frame_bytes])
        del self._pcm[:frame_bytes]
        self._in_flight += 1
        return audio

    def can_give(self, frame_bytes: int) -> bool:
        """Whether take gives something."""
        return len(self._pcm) >= frame_bytes or (self._closed and bool(self._pcm))

    def put_back(self, audio: bytes) -> None:
        """A frame was flushed out of the port unsaid: it goes in front of what is left."""
        if not self.stopped:
            self._pcm[:0] = audio
            self._in_flight -= 1

    def went_out(self, audio_bytes: int) -> bool:
        """One frame passed the port; True for the first. Those of a stopped utterance were counted when it was."""
        if self.stopped:
            return False
        first = not self._started
        self._started = True
        self._in_flight -= 1
        self._played_bytes += audio_bytes
        return first

    def cut(self, gone_bytes: int) -> Stopped:
        """Ends it. gone_bytes: audio that the port took for good and has not reported yet."""
        self._played_bytes += gone_bytes
        stopped = Stopped(self.id, self.played_ms, self.heard_text())
        self.stopped = True
        self._pcm.clear()
        return stopped

    @property
    def is_over(self) -> bool:
        return self._closed and not self._pcm and self._in_flight == 0

    @property
    def is_drained(self) -> bool:
        """Closed, with nothing left to hand out."""
        return self._closed and not self._pcm

    @property
    def is_waiting_for_audio(self) -> bool:
        """Begun, not at its end, and nothing to send: the far end hears a gap."""
        return self._started and not self._closed and self._in_flight == 0

    def finished(self) -> Finished:
        heard = self.heard_text() if self._failed else self.text
        return Finished(self.id, self.played_ms, heard, not self._failed)


def _whole_words(text: str, chars: int) -> str:
    """The first `chars` characters, back to the end of the last whole word."""
    if chars >= len(text):
        return text
    cut = text[:chars]
    if not text[chars].isspace():
        cut = cut[: max((place for place, char in enumerate(cut) if char.isspace()), default=0)]
    return cut.rstrip()
