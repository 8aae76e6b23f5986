"""A text's speech on its way from the service to whoever plays it. All of it on the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import PublicError
from core.media.engines import WordMark

AHEAD_MS = 4000
"""A text that has this much unread waits until it is read. One sentence may overshoot it."""


@dataclass(frozen=True, slots=True)
class TtsPiece:
    """PCM at the rate that was asked for; marks of words that begin in it or, rarely, in the next.

    A mark's at_ms counts from the beginning of the whole text's audio; its places are those of the text as given.
    """

    pcm: bytes
    marks: tuple[WordMark, ...] = ()


class TtsStream:
    """`async for piece in stream`, then `await stream.close()`. Errors come out of the iteration, PublicError all.

    ahead_ms: None for one that nobody reads while it is made.
    """

    def __init__(self, rate_hz: int, ahead_ms: int | None = AHEAD_MS) -> None:
        self.rate_hz = rate_hz
        self._ahead_bytes = None if ahead_ms is None else ahead_ms * rate_hz * 2 // 1000
        self._pieces: deque[TtsPiece] = deque()  # bounded by AHEAD_MS and one sentence: the maker waits in `room`
        self._news, self._space = asyncio.Event(), asyncio.Event()
        self._ended = False
        self._problem: PublicError | None = None
        self.unread_bytes = 0
        self.closed = self.cancelled = False
        self.on_close: Callable[[], object] | None = None

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
        self.unread_bytes -= len(piece.pcm)
        self._space.set()
        return piece

    async def close(self) -> None:
        """Ends it at once, also in mid-sentence; pieces not read are gone. May be called more than once."""
        self.closed = True
        self._pieces.clear()
        self.unread_bytes = 0
        self._news.set()
        if self.on_close is not None:
            self.on_close()

    async def cancel(self) -> None:
        """The same, for somebody else than its reader, who sees `cancelled`."""
        self.cancelled = True
        await self.close()

    @property
    def unread_pieces(self) -> int:
        return len(self._pieces)

    # --- for the service ----------------------------------------------------------------------------------------------

    async def room(self) -> None:
        """Waits until so much was read that the next sentence should be made."""
        while self._ahead_bytes is not None and self.unread_bytes >= self._ahead_bytes and not self.closed:
            self._space.clear()
            await self._space.wait()

    def give(self, *pieces: TtsPiece) -> None:
        if not self.closed:
            self._pieces.extend(pieces)
            self.unread_bytes += sum(len(piece.pcm) for piece in pieces)
            self._news.set()

    def take_back(self, pieces: int) -> int:
        """The newest pieces again, as far as nobody has read them; how many of them."""
        taken = min(pieces, len(self._pieces))
        for _ in range(taken):
            self.unread_bytes -= len(self._pieces.pop().pcm)
        return taken

    def end(self, problem: PublicError | None = None) -> None:
        self._ended, self._problem = True, problem
        self._news.set()
