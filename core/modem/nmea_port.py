"""The NMEA port: read while positioning is on, and only then. Losing it ends nothing."""

import asyncio
import os
from asyncio import Future
from collections.abc import Callable
from contextlib import suppress

from core.log import Log
from core.modem.gnss_fix import MAX_SENTENCE
from core.modem.pcm_tty import close_pcm as close_tty
from core.modem.pcm_tty import open_pcm as open_tty

READ_BYTES = 4096


class NmeaPort:
    """`on_sentence` gets each line. Nothing queues: what comes is parsed at once, at some 3 KB a second."""

    def __init__(self, path: str, on_sentence: Callable[[str], None]) -> None:
        self._path = path
        self._on_sentence = on_sentence
        self._fd: int | None = None
        self._rest = b""
        self._complained = False
        self._log = Log("modem.nmea")

    @property
    def is_open(self) -> bool:
        return self._fd is not None

    async def open(self) -> None:
        """Tries to; `is_open` says what became of it. On a thread: a wedged USB device holds an open for seconds."""
        if self._fd is not None:
            return
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(None, open_tty, self._path)
        try:
            fd = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        except OSError as problem:
            if not self._complained:
                self._log.info("the NMEA port can't be read; positions are asked for instead", reason=problem.strerror)
            self._complained = True
            return
        self._fd, self._rest, self._complained = fd, b"", False
        loop.add_reader(fd, self._readable)

    def close(self) -> None:
        """At once: the voice of a call may want this tty next. Nothing was written to it that could hold it up."""
        fd, self._fd = self._fd, None
        if fd is not None:
            asyncio.get_running_loop().remove_reader(fd)
            close_tty(fd)

    def _readable(self) -> None:
        if self._fd is None:
            return
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._log.info("the NMEA port went")
            self.close()
            return
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-MAX_SENTENCE:]
        for line in lines:
            self._on_sentence(line.strip(b"\r ").decode("ascii", "replace"))


def _close_late(opening: "Future[int]") -> None:
    """Who wanted it has gone by now."""
    with suppress(OSError, asyncio.CancelledError):
        close_tty(opening.result())
