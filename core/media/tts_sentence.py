"""One sentence's audio on its way: resampled, in pieces, with the places of its words in the text as it was given."""

from collections.abc import Iterator

from core.audio import SAMPLE_BYTES
from core.media.engines import EnginePiece, Failure, SpeechFailed, WordMark
from core.media.spoken import Spoken
from core.media.tts_resample import Resampler
from core.media.tts_stream import TtsPiece

FIRST_PIECE_MS = 20
PIECE_MS = 200
LONGEST_S = 60
"""A sentence has 300 characters at most, which is 20 s: an engine that goes on for longer than this is broken."""
RATES_HZ = (4000, 192_000)


class SentenceAudio:
    """text: the sentence as it was given, which begins at `place` of the whole text and at base_ms of its audio.

    given_up: it gave way to another text, and will be made again.
    """

    def __init__(self, text: str, place: int, base_ms: int, spoken: Spoken, rate_hz: int) -> None:
        self._text, self._place, self._base_ms, self._spoken, self._rate_hz = text, place, base_ms, spoken, rate_hz
        self._resampler: Resampler | None = None
        self._odd = b""
        self._pending = bytearray()
        self._waiting: list[WordMark] = []
        self._marks: list[WordMark] = []
        self._pieces: list[int] = []
        self.made_bytes = 0
        self.given_up = False

    @property
    def pieces(self) -> int:
        return len(self._pieces)

    def feed(self, piece: EnginePiece) -> Iterator[TtsPiece]:
        """SpeechFailed for what no engine may give."""
        if not RATES_HZ[0] <= piece.rate_hz <= RATES_HZ[1]:
            raise SpeechFailed(Failure.CRASHED, f"the engine gave audio at {piece.rate_hz} Hz")
        if self._resampler is None or self._resampler.from_hz != piece.rate_hz:
            self._drain()
            self._resampler = Resampler(piece.rate_hz, self._rate_hz)
        for mark in piece.marks:
            self._mark(mark)
        pcm = self._odd + piece.pcm
        whole = len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES
        self._odd = pcm[whole:]
        self._pending += self._resampler.feed(pcm[:whole])
        if self.made_bytes + len(self._pending) > LONGEST_S * self._rate_hz * SAMPLE_BYTES:
            raise SpeechFailed(Failure.CRASHED, f"the engine made more than {LONGEST_S} s of one sentence")
        while len(self._pending) >= self._wanted_bytes:
            yield self._cut(self._wanted_bytes)

    def end(self) -> Iterator[TtsPiece]:
        """What is left."""
        self._drain()
        while self._pending or self._waiting:
            yield self._cut(min(len(self._pending), self._wanted_bytes))

    def bytes_of(self, pieces: int) -> int:
        """Of the newest so many pieces."""
        return sum(self._pieces[len(self._pieces) - pieces :])

    def heard_chars(self, heard_bytes: int, char_ms: float) -> int:
        """So much of the text was heard when it broke off there; the word that broke is said again.

        By the engine's marks; without them by the pace of speech, and rather a word too few.
        """
        heard_ms = heard_bytes * 500 // self._rate_hz
        if heard_ms <= 0:
            return 0
        if self._marks:
            begun = [mark.char_start for mark in self._marks if mark.at_ms - self._base_ms < heard_ms]
            return max(begun, default=self._place) - self._place
        chars = min(int(heard_ms / char_ms), len(self._text))
        return max((place + 1 for place, char in enumerate(self._text[:chars]) if char.isspace()), default=0)

    @property
    def _wanted_bytes(self) -> int:
        return (PIECE_MS if self._pieces else FIRST_PIECE_MS) * self._rate_hz // 1000 * SAMPLE_BYTES

    def _mark(self, mark: WordMark) -> None:
        start, end = self._spoken.original(mark.char_start, mark.char_end)
        limit = len(self._text)
        start, end = min(max(start, 0), limit), min(max(end, 0), limit)
        found = WordMark(self._place + start, self._place + end, self._base_ms + max(mark.at_ms, 0))
        self._marks.append(found)
        self._waiting.append(found)

    def _drain(self) -> None:
        if self._resampler is not None:
            self._pending += self._resampler.feed(b"", last=True)
            self._resampler = None

    def _cut(self, size: int) -> TtsPiece:
        pcm = bytes(self._pending[:size])
        del self._pending[:size]
        self.made_bytes += size
        self._pieces.append(size)
        end_ms = self._base_ms + self.made_bytes * 500 // self._rate_hz
        begun = len(self._waiting) if not self._pending and self._resampler is None else 0
        while begun < len(self._waiting) and self._waiting[begun].at_ms < end_ms:
            begun += 1
        marks = tuple(self._waiting[:begun])
        del self._waiting[:begun]
        return TtsPiece(pcm, marks)
