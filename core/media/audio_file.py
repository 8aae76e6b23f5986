"""Audio files read in blocks: WAV, OGG, FLAC, MP3, of any length, in little memory. All of it blocks.

libsndfile and soxr are loaded when first needed, so that an idle core does not hold them.
"""

import os
import stat
import threading
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from core.audio import SAMPLE_BYTES
from core.errors import InvalidParams
from core.media.wav import WAV_HEADER_BYTES, wav_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RATES_HZ = (4000, 192_000)
CHANNELS_MAX = 8
BLOCK_FRAMES = 8192
"""Of the file, read at a time: 64 kB as float32 for two channels."""
KEPT_FRAMES = 480_000
"""A file of up to so many frames (10 s at 48 kHz, 2 MB) is kept decoded while it loops: a file of one sample that
loops for ever would else be opened eight thousand times a second."""

_MAGICS = {b"RIFF", b"OggS", b"fLaC"}
"""Only these and MP3 reach libsndfile, which would also try two dozen old formats on whatever a client sends."""
_ID3_BYTES, _ID3_TAGS_MAX = 10, 4
_UNKNOWN = "The audio is not WAV, OGG, FLAC or MP3."
_DAMAGED = "The audio can't be decoded: it is damaged or of an unknown kind."


class AudioFile:
    """One file on its way into a call: s16le mono at the line's rate, a block at a time.

    `read` and `close` may come from different threads: a call that ends closes a file that is being read.
    """

    def __init__(self, file: BinaryIO, rate_hz: int, rounds: int = 1) -> None:
        """Takes the file over. rounds: how often it is read from its beginning; 0 is for ever. InvalidParams where
        it is no audio."""
        try:
            self._source = _source(file, rate_hz)
        except BaseException:
            file.close()
            raise
        self._pcm = _resampled(_rounds(self._source, rounds), self._source.rate_hz, rate_hz)
        self._lock = threading.Lock()
        self._closing = False

    @classmethod
    def open(cls, source: bytes | Path, rate_hz: int, rounds: int = 1) -> "AudioFile":
        """A file's bytes, or a path that the caller has checked against the allowed roots."""
        return cls(BytesIO(source) if isinstance(source, bytes) else _regular(source), rate_hz, rounds)

    def read(self) -> bytes:
        """The next block, of any length; b"" at the end. InvalidParams where the file is damaged."""
        with self._lock:
            try:
                return b"" if self._closing else next(self._pcm, b"")
            finally:
                if self._closing:
                    self._source.close()

    def close(self) -> None:
        """Lets go of the file: at the end of the read, if one is under way in another thread."""
        self._closing = True
        if self._lock.acquire(blocking=False):
            try:
                self._source.close()
            finally:
                self._lock.release()


def file_bytes(path: Path) -> int:
    """The size of a regular file; InvalidParams where there is none that can be read."""
    with _regular(path) as file:
        return os.fstat(file.fileno()).st_size


def to_pcm(samples: "Floats") -> bytes:
    """-1 to 1 as s16le; what lies beyond is clipped."""
    import numpy as np

    # A damaged float file can hold NaN, which has no integer.
    finite = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(np.rint(finite * 32768), -32768, 32767).astype("<i2").tobytes()


class _Source(Protocol):
    """A decoder: mono samples from -1 to 1 at the file's own rate."""

    rate_hz: int

    def read(self) -> "Floats":
        """At most BLOCK_FRAMES; none at the end."""

    def rewind(self) -> None: ...

    def close(self) -> None: ...


def _rounds(source: _Source, rounds: int) -> "Iterator[Floats]":
    """The samples of the file, round after round without a gap."""
    import numpy as np

    kept: list[Floats] | None = [] if rounds != 1 else None
    left = rounds
    while True:
        frames = 0
        while len(block := source.read()):
            frames += len(block)
            if kept is not None:
                kept = [*kept, block] if frames <= KEPT_FRAMES else None
            yield block
        left -= 1  # 0 becomes -1 and never comes back to 0
        if left == 0 or frames == 0:
            return
        if kept is not None:
            break
        source.rewind()
    whole = np.concatenate(kept)
    fitting = max(1, BLOCK_FRAMES // len(whole))
    while left != 0:
        now = fitting if left < 0 else min(fitting, left)
        left -= now
        yield np.tile(whole, now)


def _resampled(blocks: "Iterator[Floats]", from_hz: int, to_hz: int) -> Iterator[bytes]:
    """One resampler for all rounds, so that they join without a click."""
    import numpy as np

    if from_hz == to_hz:
        yield from map(to_pcm, blocks)
        return
    import soxr

    resampler = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32")
    for block in blocks:
        if pcm := to_pcm(resampler.resample_chunk(block)):
            yield pcm
    if pcm := to_pcm(resampler.resample_chunk(np.zeros(0, np.float32), last=True)):
        yield pcm


def _regular(path: Path) -> BinaryIO:
    """A regular file only: a FIFO would block for ever, a device never end."""
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except (OSError, ValueError):
        raise InvalidParams("The audio file can't be read.") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InvalidParams("The path is not a file.")
    return file


def _source(file: BinaryIO, rate_hz: int) -> _Source:
    head = file.read(WAV_HEADER_BYTES)
    body_bytes = file.seek(0, os.SEEK_END) - WAV_HEADER_BYTES
    # As encode_wav writes it: nothing to decode. libsndfile 1.2 takes it for OGG if the samples begin with "OggS".
    if body_bytes > 0 and body_bytes % SAMPLE_BYTES == 0 and head == wav_header(rate_hz, 1, body_bytes):
        return _PlainWav(file, rate_hz)
    if head[:4] not in _MAGICS and not _is_mp3(file):
        raise InvalidParams("The audio is empty." if not head else _UNKNOWN)
    file.seek(0)
    return _SoundFile(file)


def _is_mp3(file: BinaryIO) -> bool:
    """Whether a frame of MPEG-1/2 layer III (ISO 11172-3 §2.4.1.3) begins here or behind the ID3v2 tags (id3.org,
    ID3v2.4.0 §3.1: the length in four times seven bits)."""
    place = 0
    for _ in range(_ID3_TAGS_MAX + 1):
        file.seek(place)
        head = file.read(_ID3_BYTES)
        if len(head) < 4:
            return False
        if head[:3] != b"ID3" or len(head) < _ID3_BYTES:
            break
        length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        place += _ID3_BYTES + length + (_ID3_BYTES if head[5] & 0x10 else 0)
    sync = head[0] == 0xFF and head[1] & 0xE0 == 0xE0
    return sync and head[1] & 0x18 != 0x08 and head[1] & 0x06 == 0x02 and head[2] & 0xF0 != 0xF0 and head[2] & 12 != 12


class _PlainWav:
    """16-bit mono at the line's rate."""

    def __init__(self, file: BinaryIO, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._file = file
        self.rewind()

    def read(self) -> "Floats":
        import numpy as np

        try:
            data = self._file.read(BLOCK_FRAMES * SAMPLE_BYTES)
        except OSError:
            raise InvalidParams("The audio file can't be read any more.") from None
        whole = len(data) // SAMPLE_BYTES
        return np.frombuffer(data, dtype="<i2", count=whole).astype(np.float32) * np.float32(1 / 32768)

    def rewind(self) -> None:
        self._file.seek(WAV_HEADER_BYTES)

    def close(self) -> None:
        self._file.close()


@cache
def _forward_only() -> type:
    """soundfile's reader, told that files can't be sought in: else it seeks after each block to where it is already,
    and libsndfile 1.2.2 answers a seek in an MP3 with 60 ms of silence."""
    import soundfile

    class ForwardOnly(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return ForwardOnly


class _SoundFile:
    """Whatever libsndfile decodes, mixed to mono."""

    def __init__(self, file: BinaryIO) -> None:
        import soundfile

        self._file = file
        self._problems = (soundfile.SoundFileError, RuntimeError, TypeError, ValueError, OSError)
        try:
            self._decoder: Any = _forward_only()(file)
        except self._problems:
            raise InvalidParams(_DAMAGED) from None
        self.rate_hz, channels = int(self._decoder.samplerate), int(self._decoder.channels)
        if not RATES_HZ[0] <= self.rate_hz <= RATES_HZ[1] or not 1 <= channels <= CHANNELS_MAX:
            self._decoder.close()
            raise InvalidParams(f"The audio has {channels} channels at {self.rate_hz} Hz, which no phone line can use.")

    def read(self) -> "Floats":
        import numpy as np

        try:
            block = self._decoder.read(BLOCK_FRAMES, dtype="float32", always_2d=True)
        except self._problems:
            raise InvalidParams(_DAMAGED) from None
        if not len(block):
            return np.zeros(0, np.float32)
        return np.ascontiguousarray(block.mean(axis=1, dtype=np.float32))

    def rewind(self) -> None:
        try:
            self._decoder.seek(0)
        except self._problems:
            raise InvalidParams(_DAMAGED) from None

    def close(self) -> None:
        self._decoder.close()
        self._file.close()
