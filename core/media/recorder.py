"""The recording of a call: a stereo WAV, the far end left, us right, valid at every moment.

The file appears under its name with a complete header. From then on each batch of audio is written behind what is
there, and only when it is written whole does one pwrite of the 44 header bytes take it in. So whoever reads at any
moment, or after `kill -9`, finds a valid file that ends with the last whole batch: at most half a second is missing.
Bytes behind the `data` chunk, from a batch that was cut, are skipped by readers. (A power cut can lose what the kernel
had not yet written; the header may then promise more than there is, and readers stop at the end of the file.)

A thread of its own writes, so that a slow disk is never felt by the call.
"""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.audio import PcmFormat
from core.line import Tick
from core.media.wav import WAV_HEADER_BYTES, wav_header

if TYPE_CHECKING:
    import numpy as np
else:
    from core.lazy import np

QUEUE_TICKS = 1500
"""30 s that the disk may hang. Full: the newest tick is dropped and counted, and becomes silence in the recording."""
BATCH_MS = 500
CLOSE_WITHIN_S = 10.0
"""The disk gets this long at the end of a call; then the file stays as it is, which is valid."""
WAV_MAX_BYTES = 0xFFFF_FFFF - WAV_HEADER_BYTES
"""A WAV counts its bytes in 32 bits: 37 hours at 8 kHz."""

_CHANNELS = 2
_PROBLEMS = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EFBIG: "too_large",
    errno.EEXIST: "file_exists",
}


@dataclass(frozen=True, slots=True)
class RecordingReport:
    """What was recorded. duration_s: what the file holds, silence_ticks of it filled in for ticks that never came.

    problem: None, disk_full, too_large, file_exists, stalled, or the system's words; the file is valid up to there.
    """

    path: Path
    duration_s: float
    silence_ticks: int
    dropped_ticks: int
    problem: str | None


class Recorder:
    """One recording. Makes its file (0600, never over another) in its own thread; errors are told by `problem`."""

    def __init__(self, path: Path, pcm_format: PcmFormat, *, max_bytes: int = WAV_MAX_BYTES) -> None:
        self.path = path
        self._format = pcm_format
        self._max_bytes = max_bytes
        self._batch_ticks = max(1, BATCH_MS // pcm_format.ptime_ms)
        self._changed = threading.Condition()
        self._waiting: list[Tick] = []
        self._closing = False
        self._dropped_ticks = self._silence_ticks = 0
        self._data_bytes = 0
        self._next_index: int | None = None
        self.made = False
        self.problem: str | None = None
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def duration_s(self) -> float:
        """What the file holds by now."""
        return self._data_bytes / (self._format.bytes_per_s * _CHANNELS)

    def tick(self, tick: Tick) -> None:
        """Takes one tick; never waits. Ticks come in order; one that comes late or twice is left out."""
        with self._changed:
            if self._closing or self.problem is not None:
                return
            if len(self._waiting) >= QUEUE_TICKS:
                self._dropped_ticks += 1
                return
            self._waiting.append(tick)
            if len(self._waiting) >= self._batch_ticks:
                self._changed.notify()

    async def begun(self, timeout_s: float) -> bool:
        """Whether there is a file, once that is known or the time is over: a disk that hangs is no reason to wait."""
        await asyncio.to_thread(self._begun.wait, timeout_s)
        return self.made

    async def close(self) -> RecordingReport:
        """Writes what waits and closes the file. May be called again."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join, CLOSE_WITHIN_S)
        if self._thread.is_alive() and self.problem is None:
            self.problem = "stalled"
        return RecordingReport(
            self.path, round(self.duration_s, 3), self._silence_ticks, self._dropped_ticks, self.problem
        )

    def _run(self) -> None:
        try:
            fd = self._create()
            self.made = True
        except OSError as problem:
            self._fail(problem)
            return
        finally:
            self._begun.set()
        try:
            while (ticks := self._next_ticks()) is not None:
                for pcm in self._interleaved(ticks):
                    self._append(fd, pcm)
            os.fsync(fd)
        except OSError as problem:
            self._fail(problem)
        finally:
            os.close(fd)

    def _create(self) -> int:
        """The file appears under its name only with its header in it."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self.path.with_name(self.path.name + ".part")
        part.unlink(missing_ok=True)
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, wav_header(self._format.rate_hz, _CHANNELS, 0), 0)
            _name(part, self.path)
        except OSError:
            os.close(fd)
            raise
        finally:
            part.unlink(missing_ok=True)
        return fd

    def _next_ticks(self) -> list[Tick] | None:
        """Waits for a batch; None when closing and nothing is left."""
        with self._changed:
            while len(self._waiting) < self._batch_ticks and not self._closing:
                self._changed.wait()
            ticks, self._waiting = self._waiting, []
            return ticks or None

    def _interleaved(self, ticks: list[Tick]) -> Iterator[bytes]:
        """Stereo PCM of these ticks and of the holes between them, in pieces of at most a batch."""
        parts: list[bytes] = []
        for tick in ticks:
            missing = 0 if self._next_index is None else tick.index - self._next_index
            if missing < 0:
                continue
            self._silence_ticks += missing
            self._next_index = tick.index + 1
            if missing:
                yield b"".join(parts)
                parts.clear()
            for start in range(0, missing, self._batch_ticks):
                some = min(self._batch_ticks, missing - start)
                yield bytes(some * self._format.frame_bytes * _CHANNELS)
            parts.append(self._stereo(tick))
        yield b"".join(parts)

    def _stereo(self, tick: Tick) -> bytes:
        size = self._format.frame_bytes
        both = np.empty((self._format.frame_samples, _CHANNELS), dtype="<i2")
        for channel, frame in enumerate((tick.downlink or b"", tick.uplink)):
            both[:, channel] = np.frombuffer(frame[:size].ljust(size, b"\0"), dtype="<i2")
        return both.tobytes()

    def _append(self, fd: int, pcm: bytes) -> None:
        if self._data_bytes + len(pcm) > self._max_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        _write_all(fd, pcm, WAV_HEADER_BYTES + self._data_bytes)
        _write_all(fd, wav_header(self._format.rate_hz, _CHANNELS, self._data_bytes + len(pcm)), 0)
        self._data_bytes += len(pcm)

    def _fail(self, problem: OSError) -> None:
        """The call goes on without its recording."""
        code = problem.errno or 0
        with self._changed:
            self.problem = _PROBLEMS.get(code) or os.strerror(code)
            self._waiting.clear()


def _name(part: Path, path: Path) -> None:
    """Gives the file its name, over no other: link does that by itself, but FAT (a USB stick) has no links."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError as problem:
        if problem.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(part, path)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    """pwrite may stop early: near the end of a disk it writes what still fits, and fails when asked again."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
