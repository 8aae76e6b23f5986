"""From the WAV of a call to OGG Opus, block by block, in a thread that may be told to give up. All of it blocks."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from core.recordings_files import UNFINISHED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK_S = 5
"""Of audio: some 80 ms of work between two looks at whether to stop."""
LENGTH_DIFFERS_S = 0.1
"""An encoder may fill up its last frame."""
HEARD_DB, LEVEL_DIFFERS_DB = -50.0, 6.0
"""A side that has sound must have it afterwards; Opus keeps the level of speech within some 1 dB."""


class GivenUp(Exception):
    """The daemon stops; the WAV stays and is encoded after the next start."""


class NotVerified(Exception):
    """What was written does not read back as what it was made of. The text says how."""


def stereo_to_ogg(wav: Path, ogg: Path, stopped: Callable[[], bool]) -> None:
    """Writes `ogg` (0600) with all that `wav` has; it gets its name when it was read back whole and is on disk.

    GivenUp, NotVerified, OSError; nothing is left of the try then. The WAV is not touched.
    """
    _make(wav, ogg, None, stopped)


def side_to_ogg(wav: Path, ogg: Path, channel: int, stopped: Callable[[], bool]) -> None:
    """The same with one channel alone: 0 is the far end, 1 is us."""
    _make(wav, ogg, channel, stopped)


def duration_s(path: Path) -> float:
    """What a WAV or OGG file holds; OSError for one that can't be read."""
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            return float(file.frames / file.samplerate)
    except (soundfile.SoundFileError, RuntimeError) as problem:
        raise OSError(f"not readable as audio: {type(problem).__name__}") from None


def _make(wav: Path, ogg: Path, channel: int | None, stopped: Callable[[], bool]) -> None:
    part = ogg.with_name(ogg.name + UNFINISHED)
    try:
        part.unlink(missing_ok=True)
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w+b", buffering=0) as raw:
            heard = _encode(wav, raw, channel, stopped)
            os.fsync(raw.fileno())
        _verify(part, heard, stopped)
        _name(part, ogg, wav)
    finally:
        part.unlink(missing_ok=True)


def _name(part: Path, ogg: Path, wav: Path) -> None:
    """Unless the WAV was removed meanwhile: somebody asked to be forgotten."""
    gone = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if not wav.exists():
        raise gone
    os.rename(part, ogg)
    if not wav.exists():
        ogg.unlink(missing_ok=True)
        raise gone
    folder = os.open(ogg.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@dataclass(slots=True)
class _Heard:
    """Length and sound of one file: samples, and for each channel the sum of their squares (full scale 1)."""

    rate_hz: int
    samples: int = 0
    power: "NDArray[np.float64] | None" = None

    def add(self, block: "NDArray[np.float32]") -> None:
        self.samples += len(block)
        here = (block.astype("float64") ** 2).sum(axis=0)
        self.power = here if self.power is None else self.power + here

    def level_db(self) -> "NDArray[np.float64]":
        import numpy as np

        power = self.power if self.power is not None else np.zeros(1)
        decibels: NDArray[np.float64] = 10 * np.log10(power / max(1, self.samples) + 1e-12)
        return decibels


def _encode(wav: Path, raw: IO[bytes], channel: int | None, stopped: Callable[[], bool]) -> _Heard:
    """Compresses; what the disk says against it is told as it is."""
    import numpy as np
    import soundfile

    file = _DiskFile(raw)
    try:
        with soundfile.SoundFile(str(wav)) as source:
            heard = _Heard(source.samplerate)
            channels = source.channels if channel is None else 1
            with soundfile.SoundFile(file, "w", source.samplerate, channels, format="OGG", subtype="OPUS") as target:
                for block in _blocks(source, stopped):
                    chosen = block if channel is None else block[:, channel : channel + 1]
                    heard.add(chosen)
                    target.write(chosen)
                if not heard.samples:  # headers alone are refused by decoders
                    target.write(np.zeros((source.samplerate // 50, channels), np.float32))
    except (soundfile.SoundFileError, RuntimeError) as problem:
        if file.problem is not None:
            raise file.problem from None
        raise NotVerified(type(problem).__name__) from None
    if file.problem is not None:
        raise file.problem
    return heard


def _verify(ogg: Path, wanted: _Heard, stopped: Callable[[], bool]) -> None:
    """Decodes all of it: its length, and the level of each side."""
    import numpy as np
    import soundfile

    try:
        with soundfile.SoundFile(str(ogg)) as file:
            heard = _Heard(file.samplerate)
            for block in _blocks(file, stopped):
                heard.add(block)
    except (soundfile.SoundFileError, RuntimeError) as problem:
        raise NotVerified(f"it can't be read back: {type(problem).__name__}") from None
    differs_s = heard.samples / heard.rate_hz - wanted.samples / wanted.rate_hz
    if abs(differs_s) > LENGTH_DIFFERS_S:
        raise NotVerified(f"its length differs by {differs_s:.2f} s")
    before_db, after_db = wanted.level_db(), heard.level_db()
    if bool(np.any((before_db > HEARD_DB) & (np.abs(after_db - before_db) > LEVEL_DIFFERS_DB))):
        raise NotVerified("its level differs")


def _blocks(file: Any, stopped: Callable[[], bool]) -> "Iterator[NDArray[np.float32]]":
    while not stopped():
        block = file.read(BLOCK_S * file.samplerate, dtype="float32", always_2d=True)
        if not len(block):
            return
        yield block
    raise GivenUp


class _DiskFile:
    """A file for libsndfile, whose callbacks can't raise: the first error is kept, and nothing more is written."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self.problem: OSError | None = None

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view and self.problem is None:
            try:
                view = view[self._raw.write(view) :]
            except OSError as problem:
                self.problem = problem
        return len(data) - len(view)

    def read(self, size: int = -1) -> bytes:
        return self._raw.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()
