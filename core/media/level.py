"""Levels of PCM: dB below full scale, per frame and per second, and how long a direction has been quiet.

0 dBFS is a square wave at full scale, so a sine at full scale has -3.01 dBFS (RMS, as ITU-T P.56 and G.100.1 count
speech levels, less their 3.14 dB of A-law headroom).
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.audio import PcmFormat

if TYPE_CHECKING:
    import numpy as np
else:
    from core.lazy import np

FLOOR_DBFS = -96.0
"""What digital silence is given as: the step below one LSB of 16 bits, and a number that JSON can hold."""
QUIET_DBFS = -50.0
"""Under this a phone line carries nothing that a listener would call speech: speech lies at -35 to -15 dBFS."""

_FULL_SCALE_POWER = 32768.0 * 32768.0


def power(frame: bytes) -> float:
    """Sum of the squares of the samples; 1.4 us for 160 of them, where the `array` module takes 9."""
    samples = np.frombuffer(frame, dtype="<i2").astype(np.float32)
    return float(np.dot(samples, samples))


def dbfs_of_power(total: float, samples: int) -> float:
    """Level of `samples` samples whose squares sum up to `total`; FLOOR_DBFS for silence or no samples."""
    if total <= 0 or samples <= 0:
        return FLOOR_DBFS
    return max(FLOOR_DBFS, 10 * math.log10(total / samples / _FULL_SCALE_POWER))


def dbfs(frame: bytes) -> float:
    """RMS level of s16le samples, FLOOR_DBFS to 0. ValueError for an odd number of bytes."""
    return dbfs_of_power(power(frame), len(frame) // 2)


@dataclass(frozen=True, slots=True)
class Levels:
    """RMS of one period in both directions, dBFS; for call.level."""

    downlink_dbfs: float
    uplink_dbfs: float


class LevelMeter:
    """Feeds on ticks, gives both directions' levels once per period of the line's own time. None counts as silence."""

    def __init__(self, pcm_format: PcmFormat, period_ms: int = 1000) -> None:
        self._format = pcm_format
        self._period_frames = max(1, period_ms // pcm_format.ptime_ms)
        self._frames = 0
        self._downlink = self._uplink = 0.0

    def feed(self, downlink: bytes | None, uplink: bytes | None) -> Levels | None:
        self._downlink += power(downlink) if downlink else 0.0
        self._uplink += power(uplink) if uplink else 0.0
        self._frames += 1
        if self._frames < self._period_frames:
            return None
        samples = self._frames * self._format.frame_samples
        levels = Levels(
            round(dbfs_of_power(self._downlink, samples), 1), round(dbfs_of_power(self._uplink, samples), 1)
        )
        self._frames, self._downlink, self._uplink = 0, 0.0, 0.0
        return levels


class SilenceMeter:
    """How long one direction has been below a level, in ms of the line's own time. None counts as silence."""

    def __init__(self, pcm_format: PcmFormat, quiet_dbfs: float = QUIET_DBFS) -> None:
        self._ptime_ms = pcm_format.ptime_ms
        self._quiet_dbfs = quiet_dbfs
        self.silence_ms = 0

    def feed(self, frame: bytes | None) -> int:
        """Silence up to and including this frame; 0 for a frame with sound in it."""
        quiet = not frame or dbfs(frame) < self._quiet_dbfs
        self.silence_ms = self.silence_ms + self._ptime_ms if quiet else 0
        return self.silence_ms
