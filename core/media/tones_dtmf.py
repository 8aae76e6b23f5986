"""Keys heard in PCM.

Frequencies: ITU-T Q.23. Limits of the receiver: ITU-T Q.24, with AT&T's values where it lists several
administrations. The modem tells keys by itself (+RXDTMF), late and not on every network; this detector hears them in
the call's audio, and one press told by both is one event (core/key_presses.py).
"""

import math
from functools import cache
from typing import TYPE_CHECKING

from core.audio import SAMPLE_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    from core.lazy import np

LOW_HZ = (697.0, 770.0, 852.0, 941.0)
HIGH_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
KEYS = ("123A", "456B", "789C", "*0#D")
"""By row (low frequency) and column (high frequency)."""

WINDOW_MS = 20
HOP_MS = 10
NEEDED_HITS = 2
"""Windows in a row. A tone of 40 ms always fills two of them well enough, one of 20 ms never (Q.24)."""
MISSES_END = 5
"""An interruption of 20 ms spoils up to 4 windows, a pause of 40 ms at least 5; only the latter ends a key."""
MIN_TONE_DBFS = -45.0
TONE_SHARE = 0.8
"""Share of the window's energy that must be in the two tones. Speech rarely has that, two tones in noise 8 dB below
do, and a window with 16 of 20 ms of tone in it."""
HIGH_OVER_LOW_DB, LOW_OVER_HIGH_DB = 4.5, 8.5
"""Twist: accepted up to 4 dB and 8 dB (AT&T), with half a dB for measuring."""
FREQUENCY_TOLERANCE = 0.025
"""Accepted up to 1.5 %, refused from 3.5 % (Q.24)."""


class DtmfDetector:
    """Hears keys in one direction of one call. Feed it every frame; bytes may be cut anywhere. 13 us a frame."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._hop = rate_hz * HOP_MS // 1000
        self._window = rate_hz * WINDOW_MS // 1000
        self._probe = _probe(rate_hz)
        self._rest = b""
        self._previous: NDArray[np.complex64] | None = None
        self._candidate: str | None = None
        self._hits = self._misses = 0
        self._told = False

    @property
    def active(self) -> bool:
        """Whether a key is heard right now: that sound is no speech."""
        return self._told

    def feed(self, frame: bytes) -> list[str]:
        """The keys whose tone became certain in these samples: each once, however long it is pressed."""
        data = self._rest + frame
        keys: list[str] = []
        whole = len(data) // SAMPLE_BYTES
        samples = np.frombuffer(data, dtype="<i2", count=whole).astype(np.float32)
        start = 0
        while start + self._window <= whole:
            key = self._window_key(samples[start : start + self._window])
            if self._step(key):
                keys.append(key or "")
            start += self._hop
        self._rest = data[start * SAMPLE_BYTES :]
        return keys

    def _step(self, key: str | None) -> bool:
        """True when this window makes a key certain."""
        if key is not None and key == self._candidate:
            self._hits += 1
            self._misses = 0
        elif key is not None and not self._told:
            self._candidate, self._hits, self._misses = key, 1, 0
        else:
            self._misses += 1
            self._hits = self._hits if self._told else 0
            if self._misses >= MISSES_END:
                self._candidate, self._hits, self._told = None, 0, False
        if self._told or self._hits < NEEDED_HITS:
            return False
        self._told = True
        return True

    def _window_key(self, samples: "NDArray[np.float32]") -> str | None:
        """The key in one window, by its Goertzel power at the eight frequencies; None for anything else."""
        energy = float(np.dot(samples, samples))
        floor = self._window * (32768.0 * 10 ** (MIN_TONE_DBFS / 20)) ** 2
        previous, self._previous = self._previous, None
        if energy < floor:
            return None
        found = self._probe @ samples
        self._previous = found
        power = (found.real**2 + found.imag**2).tolist()
        row, column = power.index(max(power[:4])), power.index(max(power[4:]), 4) - 4
        if previous is None:
            return None
        low = self._tone(row, LOW_HZ[row], power[row], found, previous)
        high = self._tone(4 + column, HIGH_HZ[column], power[4 + column], found, previous)
        if low is None or high is None or (low + high) * 2 / self._window < TONE_SHARE * energy:
            return None
        twist_db = 10 * math.log10(high / low)
        return KEYS[row][column] if -LOW_OVER_HIGH_DB <= twist_db <= HIGH_OVER_LOW_DB else None

    def _tone(
        self,
        place: int,
        nominal_hz: float,
        power: float,
        found: "NDArray[np.complex64]",
        previous: "NDArray[np.complex64]",
    ) -> float | None:
        """Power of one tone, freed from the loss by its being off its frequency; None where it is too far off.

        The phase turns from window to window by 2 pi f times the hop, which tells the frequency far more exactly than
        the 50 Hz that a window of 20 ms resolves.
        """
        turned = complex(found[place]) * complex(previous[place]).conjugate()
        expected = 2 * math.pi * nominal_hz * self._hop / self._rate_hz
        turn = math.remainder(math.atan2(turned.imag, turned.real) - expected, 2 * math.pi)
        off_hz = turn / (2 * math.pi) * self._rate_hz / self._hop
        if abs(off_hz) > FREQUENCY_TOLERANCE * nominal_hz:
            return None
        x = math.pi * off_hz * self._window / self._rate_hz
        return power if x == 0 else power / (math.sin(x) / x) ** 2


@cache
def _probe(rate_hz: int) -> "NDArray[np.complex64]":
    """One row of e^(-j 2 pi f n) for each of the eight frequencies: a product with it is eight Goertzel filters."""
    times = np.arange(rate_hz * WINDOW_MS // 1000) / rate_hz
    frequencies = np.array(LOW_HZ + HIGH_HZ)[:, None]
    return np.exp(-2j * np.pi * frequencies * times).astype(np.complex64)
