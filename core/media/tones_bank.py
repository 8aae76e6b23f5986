"""The spectrum of a call, 20 ms after 20 ms: is it one steady tone, two, or anything else? Pure.

One FFT serves all tones that [media] tones may name; their frequencies and cadences are matched behind it.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from core.audio import PTIME_MS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    from core.lazy import np

WINDOW_MS = 128
"""A Hann window of that length tells two tones 40 Hz apart (North American ringback, 440 and 480 Hz) from one."""
FLOOR_DBFS = -50.0
"""Tones on a phone line have -10 to -35 dBm0; what is below this is silence and costs no FFT."""
BAND_HZ = (250.0, 3450.0)
LOBE = 2
"""Bins on each side of a peak that a Hann window spreads a tone over."""
SECOND_DB = 10.0
"""A second tone is at most so much weaker than the first; two tones of a network differ by 3 dB."""
SHARE = 0.85
"""Of the window's energy that must lie in the tones: up to 7.5 dB above the noise; speech and music rarely have it."""


@dataclass(frozen=True, slots=True)
class Slice:
    """20 ms: their level (RMS) and the tones of the last 128 ms, ascending; none where that was no pure tone."""

    level_dbfs: float
    tones_hz: tuple[float, ...] = ()


class ToneBank:
    """One direction of one call. 25 us a frame with sound in it, 2 us without."""

    def __init__(self, rate_hz: int) -> None:
        self._count = rate_hz * WINDOW_MS // 1000
        self._bin_hz = rate_hz / self._count
        self._samples = np.zeros(self._count, np.float32)
        self._hann = _hann(self._count)
        self._band = slice(math.ceil(BAND_HZ[0] / self._bin_hz), math.floor(BAND_HZ[1] / self._bin_hz))
        self._quiet = (32768 * 10 ** (FLOOR_DBFS / 20)) ** 2

    def feed(self, frame: bytes) -> Slice:
        """One frame of PTIME_MS, s16le mono."""
        new = np.frombuffer(frame, dtype="<i2").astype(np.float32)
        self._samples = np.concatenate((self._samples[len(new) :], new))
        power = float(np.dot(new, new)) / max(1, len(new))
        level_dbfs = 10 * math.log10(power / 32768**2) if power > 0 else -120.0
        if power < self._quiet:
            return Slice(level_dbfs)
        return Slice(level_dbfs, self._tones())

    def _tones(self) -> tuple[float, ...]:
        spectrum = np.fft.rfft(self._samples * self._hann)
        power = spectrum.real**2 + spectrum.imag**2
        total = float(power[LOBE:].sum())
        first, first_power, hz = self._peak(power)
        if first_power < SHARE * total / 2:
            return ()
        power[first - LOBE : first + LOBE + 1] = 0
        _, second_power, second_hz = self._peak(power)
        if second_power < first_power * 10 ** (-SECOND_DB / 10):
            return (hz,) if first_power >= SHARE * total else ()
        if first_power + second_power < SHARE * total:
            return ()
        return (hz, second_hz) if hz < second_hz else (second_hz, hz)

    def _peak(self, power: "NDArray[np.floating]") -> tuple[int, float, float]:
        """Bin, energy and frequency of the strongest tone; between the bins by a parabola through the logarithms."""
        place = int(power[self._band].argmax()) + self._band.start
        near = power[place - LOBE : place + LOBE + 1].tolist()
        left, here, right = (math.log(each + 1e-9) for each in near[LOBE - 1 : LOBE + 2])
        curve = left - 2 * here + right
        offset = 0.5 * (left - right) / curve if curve < 0 else 0.0
        return place, sum(near), (place + max(-0.5, min(0.5, offset))) * self._bin_hz


@cache
def _hann(count: int) -> "NDArray[np.float32]":
    return np.hanning(count + 1)[:-1].astype(np.float32)


def frames(ms: float) -> int:
    """How many slices last that long, rounded up."""
    return math.ceil(ms / PTIME_MS)
