"""Files and tones into a call: block by block from disk, so that an hour starts at once and fills no memory."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from itertools import repeat
from pathlib import Path
from typing import Protocol, Self, TypeVar

from core.errors import InvalidParams, TimedOut
from core.media.audio_file import AudioFile
from core.media.tones_made import dtmf, tone
from core.media.tones_table import Tone, cadence

READ_WAIT_S = 5.0
"""For opening a file, and for each block: a disk that takes longer is broken, and the caller has heard a gap anyway."""

_T = TypeVar("_T")


class Pieces(Protocol):
    """s16le at the line's rate, made or read as it is asked for."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def __anext__(self) -> Awaitable[bytes]: ...

    async def aclose(self) -> None: ...


class FilePieces:
    """An open file, read ahead by one block in a thread. Whoever has it closes it."""

    def __init__(self, file: AudioFile, first: bytes) -> None:
        self._file, self._next = file, first

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next piece at the line's rate. InvalidParams where the rest is damaged, TimedOut where the disk hangs."""
        piece = self._next or await _in_time(self._file.read)
        self._next = b""
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        self._file.close()


async def open_file(source: bytes | Path, rate_hz: int, *, rounds: int = 1) -> FilePieces:
    """Opens a file and reads its beginning: InvalidParams for what is no audio, TimedOut for a disk that hangs.

    A path must have been checked against the allowed roots. rounds: how often it is played, 0 for ever.
    """
    file = await _in_time(lambda: AudioFile.open(source, rate_hz, rounds), abandoned=AudioFile.close)
    try:
        first = await _in_time(file.read)
        if not first:
            raise InvalidParams("The audio is empty.")
    except BaseException:
        file.close()
        raise
    return FilePieces(file, first)


async def tone_pieces(what: Tone | str, country: str, rate_hz: int, *, rounds: int = 1) -> AsyncGenerator[bytes, None]:
    """A tone of that country's network, or keys (0-9 * # A-D), round after round; rounds 0: for ever."""
    once = tone(cadence(what, country), rate_hz) if isinstance(what, Tone) else dtmf(what, rate_hz)
    for round_ in repeat(once) if rounds == 0 else repeat(once, rounds):
        yield round_


async def _in_time(work: Callable[[], _T], *, abandoned: Callable[[_T], None] = lambda made: None) -> _T:
    """In a thread, at most READ_WAIT_S. A thread can't be stopped: what it makes too late goes to `abandoned`."""
    running = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        async with asyncio.timeout(READ_WAIT_S):
            return await asyncio.shield(running)
    except TimeoutError:
        _when_done(running, abandoned)
        raise TimedOut("The audio file was not read in time.") from None
    except asyncio.CancelledError:
        _when_done(running, abandoned)
        raise


def _when_done(running: "asyncio.Future[_T]", then: Callable[[_T], None]) -> None:
    def done(future: "asyncio.Future[_T]") -> None:
        if not future.cancelled() and future.exception() is None:
            then(future.result())

    running.add_done_callback(done)
