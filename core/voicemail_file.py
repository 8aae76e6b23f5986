"""The audio of one voicemail: a mono WAV file that is whole after each write, so that a crash leaves what there was."""

import asyncio
import os
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.audio import SAMPLE_BYTES, PcmFormat
from core.log import Log
from core.media.wav import WAV_HEADER_BYTES, wav_header

log = Log("voicemail")

WRITE_EVERY_S = 0.5
SYNC_BYTES = 64_000
"""Four seconds at 8 kHz: what a power cut may cost. A killed core loses at most WRITE_EVERY_S."""
CLOSE_WITHIN_S = 5.0


class MessageFile:
    """`append` is called per frame and never waits; `run` writes, in a task of its own. What waits is bounded by the
    length of a message, which its taker limits."""

    def __init__(self, path: Path, pcm_format: PcmFormat) -> None:
        self._path, self._format = path, pcm_format
        self._waiting = bytearray()
        self._written = self._unsynced = 0
        self._fd = -1
        self._working, self._over = threading.Lock(), False
        self._closing, self._closed = asyncio.Event(), asyncio.Event()
        self.problem: str | None = None

    @property
    def duration_s(self) -> float:
        return round((self._written + len(self._waiting)) / self._format.bytes_per_s, 3)

    def append(self, frame: bytes) -> None:
        if self.problem is None and not self._closing.is_set():
            self._waiting += frame

    async def run(self) -> None:
        """Until `close`. A full disk ends the recording, not the call."""
        try:
            await asyncio.to_thread(self._with_fd, self._create)
            while not self._closing.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(WRITE_EVERY_S):
                        await self._closing.wait()
                await self._flush()
            await self._flush()
            await asyncio.to_thread(self._with_fd, lambda: os.fsync(self._fd))
        except OSError as problem:
            self.problem = problem.strerror or type(problem).__name__
            log.error("a message is not recorded", problem=self.problem)
        finally:
            self._waiting.clear()
            self._over = True
            if self._working.acquire(blocking=False):  # else the thread that works with the descriptor closes it
                self._close_fd()
                self._working.release()
            self._closed.set()

    async def close(self) -> None:
        """Once all is on disk, or can't be."""
        self._closing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._closed.wait()

    async def _flush(self) -> None:
        pcm = bytes(self._waiting)
        if pcm:
            await asyncio.to_thread(self._with_fd, lambda: self._write(pcm))
            del self._waiting[: len(pcm)]

    def _with_fd(self, work: Callable[[], None]) -> None:
        """In a thread, which a stop of the daemon does not end: the descriptor stays ours until it is done with it."""
        with self._working:
            try:
                if not self._over:
                    work()
            finally:
                if self._over:
                    self._close_fd()

    def _close_fd(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _create(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        _pwrite(self._fd, wav_header(self._format.rate_hz, 1, 0), 0)

    def _write(self, pcm: bytes) -> None:
        _pwrite(self._fd, pcm, WAV_HEADER_BYTES + self._written)
        _pwrite(self._fd, wav_header(self._format.rate_hz, 1, self._written + len(pcm)), 0)
        self._written += len(pcm)
        self._unsynced += len(pcm)
        if self._unsynced >= SYNC_BYTES:
            os.fdatasync(self._fd)
            self._unsynced = 0


@dataclass(frozen=True, slots=True)
class Recorded:
    """s16le mono."""

    pcm: bytes
    rate_hz: int

    @property
    def duration_s(self) -> float:
        return round(len(self.pcm) / SAMPLE_BYTES / self.rate_hz, 3)


def read_message(path: Path) -> Recorded | None:
    """What a file of ours holds, however it ended; None where it has no audio or is none of ours. Blocks."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) <= WAV_HEADER_BYTES or data[:4] != b"RIFF" or data[8:16] != b"WAVEfmt ":
        return None
    (rate_hz,) = struct.unpack_from("<I", data, 24)
    if not 4000 <= rate_hz <= 48_000:
        return None
    body = data[WAV_HEADER_BYTES:]
    return Recorded(body[: len(body) // SAMPLE_BYTES * SAMPLE_BYTES], rate_hz)


def mend(path: Path, recorded: Recorded) -> None:
    """The header says again what the file holds. OSError. Blocks."""
    with path.open("r+b") as file:
        file.write(wav_header(recorded.rate_hz, 1, len(recorded.pcm)))
        file.truncate(WAV_HEADER_BYTES + len(recorded.pcm))
        os.fsync(file.fileno())


def remove(path: Path) -> bool:
    """Whether there was one. Blocks."""
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _pwrite(fd: int, data: bytes, offset: int) -> None:
    """pwrite may stop early, near the end of a disk; asked again it fails."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
