"""Speech that was made once: in memory, and on disk what is said again and again.

Memory takes every text; the disk takes what somebody asked to keep (tts.prefetch, greetings) and what is said a second
time, so that an SD card is neither worn nor filled with what is said but once.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from core.media.engines import WordMark
from core.media.tts_ask import SpeechKey
from core.media.tts_stream import TtsPiece

PIECE_MS = 200


@dataclass(frozen=True, slots=True)
class Made:
    """All of a text: s16le mono at the key's rate, and its marks in order of time."""

    pcm: bytes
    marks: tuple[WordMark, ...] = ()

    def pieces(self, rate_hz: int) -> Iterator[TtsPiece]:
        step = PIECE_MS * rate_hz // 1000 * 2
        given = 0
        for start in range(0, len(self.pcm), step):
            end_ms = (start + step) * 500 // rate_hz
            last = start + step >= len(self.pcm)
            first = given
            while given < len(self.marks) and (last or self.marks[given].at_ms < end_ms):
                given += 1
            yield TtsPiece(self.pcm[start : start + step], self.marks[first:given])


class MemoryCache:
    """Whole texts as they were made, the least recently used thrown out over the bound. From any thread."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[SpeechKey, Made] = OrderedDict()
        self._uses: dict[SpeechKey, int] = {}
        self.bytes_kept = 0

    def get(self, key: SpeechKey) -> Made | None:
        with self._lock:
            if (made := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                self._uses[key] += 1
            return made

    def uses(self, key: SpeechKey) -> int:
        """How often it was asked for again since it was made."""
        return self._uses.get(key, 0)

    def put(self, key: SpeechKey, made: Made) -> None:
        size = _size(key, made)
        with self._lock:
            if size > self._max_bytes or key in self._kept:
                return
            self._kept[key] = made
            self._uses[key] = 0
            self.bytes_kept += size
            while self.bytes_kept > self._max_bytes:
                oldest, gone = self._kept.popitem(last=False)
                del self._uses[oldest]
                self.bytes_kept -= _size(oldest, gone)


def _size(key: SpeechKey, made: Made) -> int:
    return len(key.text) + len(made.pcm) + 100 * len(made.marks)
