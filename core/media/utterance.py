"""One utterance of ours: its audio, where its words are, how much of it the far end was given. Pure."""

from array import array
from dataclasses import dataclass
from typing import Protocol

from core.audio import SAMPLE_BYTES, PcmFormat

CHAR_MS = 65
"""Guess at the speed of speech, 15 characters a second, while an utterance without marks is not made to its end."""
ROUGH_CHARS = 10
"""How far off a place in a text without marks may be: about two words."""
PAST_MS = 4000
"""Of what was said, kept to go back to the beginning of a word; no word lasts longer."""
WORD_MS = 300
"""What a word lasts about, in speech without marks."""


@dataclass(frozen=True, slots=True)
class Started:
    """The first frame of an utterance went out."""

    utterance_id: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """An utterance that the caller interrupted goes on: the first frame since then went out."""

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


PlayoutEvent = Started | Resumed | Finished | Stopped


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
        self.spans: tuple[tuple[int, int], ...] = ()
        """Characters from, to: words that nobody may interrupt."""
        self.stopped = False
        self._pcm = bytearray()
        self._past = bytearray()  # what went out last, at most PAST_MS and a frame
        self._marks: list[tuple[int, int, int]] = []
        self._fed_bytes = 0
        self._at_bytes = self._furthest_bytes = 0
        self._in_flight = 0
        self._closed = self._failed = self._started = self._fading = self._resuming = False

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
        """How much went out of the port, without the silence that fills the last frame. What was said again after an
        interruption counts once."""
        return self._room.format.ms(self._furthest_bytes)

    @property
    def must_be_heard(self) -> bool:
        """Whether the word that is being said lies in a span that nobody may interrupt."""
        if self.text is None or not self.spans:
            return False
        start, end = self._place()
        return any(start < to and end > since for since, to in self.spans)

    def feed(self, pcm: bytes) -> None:
        """s16le at the line's rate, of any length in whole samples. ValueError else; PlayoutFull over the bound."""
        if self.stopped or self._fading:
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
        return self._heard_text(self.played_ms)

    def _heard_text(self, played_ms: int) -> str | None:
        if self.text is None:
            return None
        if self._marks:
            begun = [char_end for _, char_end, at_ms in self._marks if at_ms < played_ms]
            return self.text[: max(begun, default=0)]
        return _whole_words(self.text, self._rough_place(played_ms))

    def _place(self) -> tuple[int, int]:
        """Characters of the word that is being said; with ROUGH_CHARS around it without marks."""
        at_ms = self._room.format.ms(self._at_bytes)
        if self._marks:
            begun = [(start, end) for start, end, word_ms in self._marks if word_ms <= at_ms]
            return begun[-1] if begun else self._marks[0][:2]
        place = self._rough_place(at_ms)
        return place - ROUGH_CHARS, place + ROUGH_CHARS

    def _rough_place(self, at_ms: int) -> int:
        """By the share of time, how many characters of the text were said by then."""
        total_ms = self._room.format.ms(self._fed_bytes)
        if not self._closed or self._failed:
            total_ms = max(total_ms, len(self.text or "") * CHAR_MS)
        return len(self.text or "") * at_ms // total_ms if total_ms else 0

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

    def went_out(self, audio: bytes) -> Started | Resumed | None:
        """One frame passed the port. Those of a stopped utterance were counted when it was."""
        if self.stopped:
            return None
        event = Started(self.id) if not self._started else Resumed(self.id) if self._resuming else None
        self._started, self._resuming = True, False
        self._in_flight -= 1
        self._past += audio
        del self._past[: max(0, len(self._past) - self._room.format.bytes_for_ms(PAST_MS))]
        self._passed(len(audio))
        return event

    def _passed(self, audio_bytes: int) -> None:
        self._at_bytes += audio_bytes
        self._furthest_bytes = max(self._furthest_bytes, self._at_bytes)

    def go_back(self, before_ms: int) -> None:
        """To the beginning of the word that was being said so long before the last frame went out; in a text without
        marks by about a word; in sound without words to that moment."""
        form = self._room.format
        wanted_ms = max(0, form.ms(self._at_bytes) - before_ms)
        if self._marks:
            wanted_ms = max((at_ms for _, _, at_ms in self._marks if at_ms <= wanted_ms), default=0)
        elif self.text is not None:
            wanted_ms -= WORD_MS
        back = min(self._at_bytes - form.bytes_for_ms(max(0, wanted_ms)), len(self._past))
        if back > 0:
            self._pcm[:0] = self._past[-back:]
            del self._past[-back:]
            self._at_bytes -= back
        self._resuming = self._started

    def fade_out(self, within_ms: int) -> None:
        """Says no more than this, ever quieter, and no word that would begin meanwhile; then it is over."""
        form = self._room.format
        head_ms = form.ms(self._fed_bytes - len(self._pcm))
        words_ms = [at_ms - head_ms for _, _, at_ms in self._marks if head_ms < at_ms < head_ms + within_ms]
        del self._pcm[form.bytes_for_ms(min([within_ms, *words_ms])) :]
        self._pcm[:] = _faded(bytes(self._pcm))
        self._fading = self._closed = self._failed = True

    def heard(self, gone_bytes: int) -> tuple[int, str | None]:
        """played_ms and heard_text, with so much audio that the port took and has not reported yet."""
        played_ms = self._room.format.ms(max(self._furthest_bytes, self._at_bytes + gone_bytes))
        return played_ms, self._heard_text(played_ms)

    def cut(self, gone_bytes: int) -> Stopped:
        """Ends it. gone_bytes: audio that the port took for good and has not reported yet."""
        stopped = Stopped(self.id, *self.heard(gone_bytes))
        self.stopped = True
        self._pcm.clear()
        self._past.clear()
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


def _faded(pcm: bytes) -> bytes:
    """From full to nothing, in a straight line."""
    samples = array("h", pcm)
    count = len(samples)
    return array("h", (sample * (count - place) // count for place, sample in enumerate(samples))).tobytes()


def _whole_words(text: str, chars: int) -> str:
    """The first `chars` characters, back to the end of the last whole word."""
    if chars >= len(text):
        return text
    cut = text[:chars]
    if not text[chars].isspace():
        cut = cut[: max((place for place, char in enumerate(cut) if char.isspace()), default=0)]
    return cut.rstrip()
