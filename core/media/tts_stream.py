"""A text's speech on its way from the speech thread to whoever plays it."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import PublicError
from core.media.engines import WordMark


@dataclass(frozen=True, slots=True)
class TtsPiece:
    """PCM at the rate that was asked for; marks of words that begin in it or, rarely, in the next.

    A mark's at_ms counts from the beginning of the whole text's audio.
    """

    pcm: bytes
    marks: tuple[WordMark, ...] = ()


class TtsStream:
    """`async for piece in stream`, then `await stream.close()`. Errors come out of the iteration, PublicError all."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[TtsPiece] = deque()  # bounded by AHEAD_MS and one sentence: the thread waits
        self._news = asyncio.Event()
        self._ended = False
        self._problem: PublicError | None = None
        self._given_bytes = 0  # written by the speech thread alone, the other by the loop alone: no lock is needed
        self._read_bytes = 0
        self.closed = False
        self.on_read: Callable[[], None] | None = None

    def __aiter__(self) -> "TtsStream":
        return self

    async def __anext__(self) -> TtsPiece:
        while not self._pieces:
            if self.closed:
                raise StopAsyncIteration
            if self._problem is not None:
                raise self._problem
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        piece = self._pieces.popleft()
        self._read_bytes += len(piece.pcm)
        self._tell()
        return piece

    async def close(self) -> None:
        """Ends it at once, also in mid-sentence; pieces not read are gone. May be called more than once."""
        self.closed = True
        self._pieces.clear()
        self._news.set()
        self._tell()

    # --- for the service ----------------------------------------------------------------------------------------------

    @property
    def unread_bytes(self) -> int:
        """From the speech thread, of what it posted."""
        return self._given_bytes - self._read_bytes

    def post(self, piece: TtsPiece) -> None:
        """From the speech thread."""
        self._given_bytes += len(piece.pcm)
        self._call(lambda: self.give(piece))

    def post_end(self, problem: PublicError | None) -> None:
        """From the speech thread."""
        self._call(lambda: self.end(problem))

    def give(self, *pieces: TtsPiece) -> None:
        if not self.closed:
            self._pieces.extend(pieces)
            self._news.set()

    def end(self, problem: PublicError | None = None) -> None:
        self._ended, self._problem = True, problem
        self._news.set()

    def _call(self, action: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(action)
        except RuntimeError:  # the loop is closed; nobody listens any more
            self.closed = True

    def _tell(self) -> None:
        if self.on_read is not None:
            self.on_read()
