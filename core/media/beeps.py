"""The beep of an answering machine: one steady tone after somebody spoke. Pure: frames in, the beep when it is over.

Machines beep with anything from 400 to 2500 Hz, 120 ms to some two seconds, some with harmonics of a square wave.
DTMF is two tones (ITU-T Q.23), busy tones repeat, a fax answers for three seconds, and voices waver: none of them is
one. A vowel can hold a tone for a tenth of a second, but neither its level nor its pitch stands still for so long, and
other harmonics share its energy.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from core.audio import SAMPLE_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    from core.lazy import np

LOW_HZ, HIGH_HZ = 390.0, 2560.0
MIN_MS, MAX_MS = 120, 2500
"""Shorter is a click or a key, longer a fax (CED: 2.6 to 4 s, ITU-T T.30) or a dial tone."""
WINDOW_MS, HOP_MS = 32, 10
LEAST_DBFS = -42.0
SHARE = 0.9
"""Of the window's power that tone and harmonics hold. Two tones of DTMF: half each; vowels: rarely more than 0.8."""
DRIFT = 0.01
"""How far a tone's frequency may move from window to window."""
LEVEL_DB = 1.2
"""How far its level may move from one window to the next: voices move by more in 10 ms, fades of machines by less."""
LOBE = 2
"""Bins on each side of the peak that a Hann window spreads a tone over."""
GAP_HOPS = 3
"""Windows without a tone that end it: the last ones are half tone, half silence."""


@dataclass(frozen=True, slots=True)
class Beep:
    """A beep that is over."""

    frequency_hz: float
    duration_ms: int


@dataclass(frozen=True, slots=True)
class _Tone:
    hz: float
    dbfs: float


class BeepDetector:
    """Feed it every frame; bytes may be cut anywhere. Some 40 us a frame."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._hop = rate_hz * HOP_MS // 1000
        self._window = rate_hz * WINDOW_MS // 1000
        self._rest = np.zeros(0, np.float32)
        self._last: _Tone | None = None
        self._hits = self._misses = 0
        self._hz_sum = 0.0

    @property
    def active(self) -> bool:
        """Whether a tone stands right now: that sound is no speech."""
        return self._hits >= 4

    def feed(self, frame: bytes) -> Beep | None:
        """The beep that ended in these samples."""
        samples = np.frombuffer(frame, dtype="<i2", count=len(frame) // SAMPLE_BYTES).astype(np.float32)
        data = np.concatenate((self._rest, samples))
        found: Beep | None = None
        start = 0
        while start + self._window <= len(data):
            found = self._step(self._tone(data[start : start + self._window])) or found
            start += self._hop
        self._rest = data[start:]
        return found

    def _step(self, tone: _Tone | None) -> Beep | None:
        last = self._last
        if tone is not None and (last is None or self._follows(last, tone)):
            self._last, self._misses = tone, 0
            self._hits += 1
            self._hz_sum += tone.hz
            return None
        self._misses += 1
        if self._hits and self._misses < GAP_HOPS:
            return None
        beep = self._over()
        self._last, self._hits, self._misses, self._hz_sum = None, 0, 0, 0.0
        if tone is not None:
            self._last, self._hits, self._hz_sum = tone, 1, tone.hz
        return beep

    @staticmethod
    def _follows(last: _Tone, tone: _Tone) -> bool:
        return abs(tone.hz - last.hz) <= DRIFT * last.hz and abs(tone.dbfs - last.dbfs) <= LEVEL_DB

    def _over(self) -> Beep | None:
        """A tone fills the windows that lie in it whole; its edges, which rise and fall, are in none."""
        if not self._hits:
            return None
        length_ms = (self._hits - 1) * HOP_MS + WINDOW_MS
        if not MIN_MS - 2 * HOP_MS <= length_ms <= MAX_MS:
            return None
        return Beep(round(self._hz_sum / self._hits, 1), length_ms)

    def _tone(self, samples: "NDArray[np.float32]") -> _Tone | None:
        """The one tone that fills a window."""
        energy = float(np.dot(samples, samples)) / len(samples)
        dbfs = 10 * math.log10(energy / 32768.0**2) if energy > 0 else -96.0
        if dbfs < LEAST_DBFS:
            return None
        spectrum = np.fft.rfft(samples * _hann(self._window))
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        peak = int(power[2:].argmax()) + 2
        bin_hz = self._rate_hz / self._window
        if not LOW_HZ - bin_hz <= peak * bin_hz <= HIGH_HZ + bin_hz:
            return None
        total = float(power[1:].sum())
        place = _between(power, peak)
        held = math.fsum(_around(power, round(place * harmonic)) for harmonic in (1, 2, 3))
        hz = place * bin_hz
        if _around(power, peak) < 0.7 * total or held < SHARE * total or not LOW_HZ <= hz <= HIGH_HZ:
            return None
        return _Tone(hz, dbfs)


def _around(power: "NDArray[np.float32]", place: int) -> float:
    return float(power[max(1, place - LOBE) : place + LOBE + 1].sum()) if place < len(power) else 0.0


def _between(power: "NDArray[np.float32]", peak: int) -> float:
    """Where between the bins the peak lies, by a parabola through the logarithms of three bins."""
    if not 0 < peak < len(power) - 1:
        return float(peak)
    left, top, right = (math.log(float(power[at]) + 1e-9) for at in (peak - 1, peak, peak + 1))
    bend = left - 2 * top + right
    return peak + (0.5 * (left - right) / bend if bend else 0.0)


@cache
def _hann(length: int) -> "NDArray[np.float32]":
    return np.hanning(length + 1)[:-1].astype(np.float32)
