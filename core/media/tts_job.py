"""One text in the making, sentence by sentence, at the rate that was asked for. Runs in the speech thread.

Resampling is one continuous stream per text (soxr HQ): no clicks between chunks and no aliases; its lag of 80 ms is
audio that the engine gives within microseconds, not time.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from core import espeak
from core.errors import PublicError
from core.media.engines import WordMark
from core.media.engines.espeak import ENGINE as ESPEAK
from core.media.sentences import sentences
from core.media.tts_stream import TtsPiece, TtsStream

AHEAD_MS = 4000
"""A text that has this much unread waits until it is read. One sentence may overshoot it."""
FIRST_PIECE_MS = 20
PIECE_MS = 200


@dataclass(frozen=True, slots=True)
class SpeechKey:
    """What makes the same audio again."""

    engine: str
    voice: str
    speed_wpm: int
    rate_hz: int
    text: str


class SpeechJob:
    """One text in the making; everything but __init__ and `ready` happens in the thread."""

    def __init__(self, stream: TtsStream, engine: "Blocking", key: SpeechKey) -> None:
        self.stream, self.key = stream, key
        self.made: list[TtsPiece] = []
        self.complete = False
        self._engine = engine
        self._sentences = deque(sentences(key.text))
        self._resampler: Resampler | None = None
        self._marks: list[WordMark] = []
        self._pending = bytearray()
        self._source_bytes = 0
        self._ahead_bytes = AHEAD_MS * key.rate_hz * 2 // 1000

    @property
    def ready(self) -> bool:
        return self.stream.closed or self.stream.unread_bytes < self._ahead_bytes

    def step(self) -> bool:
        """The next sentence; True when there is nothing more to make, and only `finish` is left."""
        if self.stream.closed:
            return True
        if self._resampler is None:
            self._resampler = Resampler(self._engine.rate_hz, self.key.rate_hz)
        if self._sentences:
            self._speak(*self._sentences.popleft())
        if self.stream.closed:
            return True
        if not self._sentences:
            self._pending += self._resampler.feed(b"", last=True)
            self._flush()
            self.complete = True
        return self.complete

    def finish(self, problem: PublicError | None) -> None:
        self.stream.post_end(problem)

    def _speak(self, place: int, sentence: str) -> None:
        before_ms = self._source_bytes * 500 // self._engine.rate_hz

        def on_word(word: WordMark) -> None:
            self._marks.append(WordMark(word.char_start + place, word.char_end + place, word.at_ms + before_ms))

        self._engine.speak(
            sentence,
            voice=self.key.voice,
            speed_wpm=self.key.speed_wpm,
            last=not self._sentences,
            on_chunk=self._on_chunk,
            on_word=on_word,
        )
        self._flush()

    def _on_chunk(self, pcm: bytes) -> bool:
        if self._resampler is None:
            raise RuntimeError("a chunk before its text")
        self._source_bytes += len(pcm)
        self._pending += self._resampler.feed(pcm)
        if len(self._pending) >= (PIECE_MS if self.made else FIRST_PIECE_MS) * self.key.rate_hz * 2 // 1000:
            self._flush()
        return not self.stream.closed

    def _flush(self) -> None:
        if not self._pending:
            return
        piece = TtsPiece(bytes(self._pending), tuple(self._marks))
        self._pending.clear()
        self._marks.clear()
        self.made.append(piece)
        self.stream.post(piece)


class Resampler:
    """s16le from one rate to another, without a seam between feeds."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        import numpy as np
        import soxr

        self._np = np
        self._stream = None if from_hz == to_hz else soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="HQ")

    def feed(self, pcm: bytes, last: bool = False) -> bytes:
        if self._stream is None:
            return pcm
        samples = self._np.frombuffer(pcm, dtype="<i2")
        made: bytes = self._stream.resample_chunk(samples, last=last).tobytes()
        return made


class Blocking:
    """espeak-ng as this thread calls it."""

    name = "espeak"
    rate_hz = espeak.RATE_HZ
    available = staticmethod(ESPEAK.available)
    voice_for = staticmethod(ESPEAK.voice_for)
    has_voice = staticmethod(espeak.has_voice)

    def speak(self, text: str, *, voice: str, speed_wpm: int, last: bool, on_chunk: Callable[[bytes], bool], on_word: Callable[[WordMark], None]) -> None:  # fmt: skip
        espeak.stream(text, voice=voice, speed_wpm=speed_wpm, end_pause=not last, on_chunk=on_chunk, on_word=on_word)
