"""Finds a PCM stream that is shifted by one byte. Pure: whole frames in, a verdict out.

A lost byte swaps the halves of every sample that follows: loud garbage that a VAD takes for speech. Field reports on
SIM7600 (spec 3.1) saw whole calls and parts of calls like that. Neighbouring samples of real speech resemble each
other (lag-1 correlation above 0.8), those of a shifted stream don't (about 0), so both readings are compared.
"""

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    from core.lazy import np


LOCK_CORRELATION = 0.6
LEAD = 0.15
"""One reading wins only with at least this correlation and this lead over the other (spec 3.1)."""
LOST_CORRELATION = 0.3
"""A reading that has been right before is given up only below this (spec 3.1)."""
VOICED_RMS = 150.0
"""Of the quieter reading; below it, noise and rounding decide. About -47 dBFS, far under telephone speech."""
BLOCK_MS = 500
FIRST_VOICED_MS = 400
"""Before the first lock: a call that starts shifted should be understood from its first word on."""
VOICED_MS = 1000
"""After it. A shift in mid-call spoils one window for both readings and is found in the next: 2 s of speech."""


class Reading(Enum):
    UNCLEAR = "unclear"
    ALIGNED = "aligned"
    SHIFTED = "shifted"


class AlignmentMonitor:
    """Watches one direction of one call. rate_hz: 8000 or 16000; frame_samples: samples of one frame."""

    def __init__(self, rate_hz: int, frame_samples: int) -> None:
        self._frame_samples = frame_samples
        frame_ms = frame_samples * 1000 / rate_hz
        self._block_bytes = round(BLOCK_MS / frame_ms) * frame_samples * 2
        self._first_frames = round(FIRST_VOICED_MS / frame_ms)
        self._frames = round(VOICED_MS / frame_ms)
        self._block = bytearray()
        self._as_read = _Correlation()
        self._shifted = _Correlation()
        self._locked = False

    def feed(self, frame: bytes) -> bool:
        """One frame as it was cut from the stream. True: drop one byte of the stream now (the monitor starts anew)."""
        self._block += frame
        if len(self._block) < self._block_bytes:
            return False
        block, self._block = bytes(self._block[: self._block_bytes]), bytearray()
        self._add(block)
        if self._as_read.frames < (self._frames if self._locked else self._first_frames):
            return False
        reading = compare(self._as_read.value(), self._shifted.value(), locked=self._locked)
        self._as_read, self._shifted = _Correlation(), _Correlation()
        self._locked = self._locked or reading is Reading.ALIGNED
        if reading is Reading.SHIFTED:
            self._locked = False
        return reading is Reading.SHIFTED

    def _add(self, block: bytes) -> None:
        as_read = _frames(block, self._frame_samples)
        # One byte later: the first frame loses its first byte and the last one gets a zero, which no sum notices.
        shifted = _frames(block[1:] + b"\0", self._frame_samples)
        voiced = np.minimum(_rms(as_read), _rms(shifted)) >= VOICED_RMS
        self._as_read.add(as_read[voiced])
        self._shifted.add(shifted[voiced])


def compare(as_read: float, shifted: float, *, locked: bool) -> Reading:
    """Which of two lag-1 correlations (-1 to 1) is speech. locked: the stream was right before."""
    if as_read >= LOCK_CORRELATION and as_read - shifted >= LEAD:
        return Reading.ALIGNED
    if shifted >= LOCK_CORRELATION and shifted - as_read >= LEAD and (not locked or as_read < LOST_CORRELATION):
        return Reading.SHIFTED
    return Reading.UNCLEAR


class _Correlation:
    """Lag-1 correlation over many frames, each against its own mean, weighted by energy."""

    def __init__(self) -> None:
        self.frames = 0
        self._products = 0.0
        self._squares = 0.0

    def add(self, frames: "npt.NDArray[np.float32]") -> None:
        if not len(frames):
            return
        centred = frames - frames.mean(axis=1, keepdims=True)
        self.frames += len(frames)
        self._products += float((centred[:, :-1] * centred[:, 1:]).sum(dtype=np.float64))
        self._squares += float((centred[:, :-1] ** 2).sum(dtype=np.float64))

    def value(self) -> float:
        return self._products / self._squares if self._squares else 0.0


def _frames(block: bytes, frame_samples: int) -> "npt.NDArray[np.float32]":
    return np.frombuffer(block, "<i2").astype(np.float32).reshape(-1, frame_samples)


def _rms(frames: "npt.NDArray[np.float32]") -> "npt.NDArray[np.float32]":
    centred = frames - frames.mean(axis=1, keepdims=True)
    power: npt.NDArray[np.float32] = (centred**2).mean(axis=1)
    return np.sqrt(power)
