"""Tones as PCM: keys, beeps, and the cadences of networks.

Keys: ITU-T Q.23. Everything begins and ends in a raised cosine, or it would click.
"""

import math
from typing import TYPE_CHECKING

from core.audio import SAMPLE_BYTES
from core.media.tones_dtmf import HIGH_HZ, KEYS, LOW_HZ
from core.media.tones_table import Cadence, Part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    from core.lazy import np

LOW_DBFS, HIGH_DBFS = -13.0, -11.0
"""Level of each tone we send: the high group 2 dB up against the line's loss at high frequencies; Q.23 leaves the
levels to administrations, and CEPT asks for -9 and -11 dBm, less on lines that go through a codec."""
TONE_DBFS = -15.0
"""Of each frequency of a network's tone; E.180 asks for -10 dBm0 +/-5 in all."""
EDGE_MS = 5
SHORTEST_MS = 40
"""Of a key and of the pause after it (Q.24)."""


def dtmf(keys: str, rate_hz: int, *, on_ms: int = 100, off_ms: int = 100) -> bytes:
    """s16le of these keys (0-9 * # A-D), a pause after each. ValueError for another key, or times under 40 ms."""
    if min(on_ms, off_ms) < SHORTEST_MS:
        raise ValueError("tones and pauses of DTMF last at least 40 ms (Q.24)")
    pause = bytes(_samples(off_ms, rate_hz) * SAMPLE_BYTES)
    return b"".join(_key(key, rate_hz, on_ms) + pause for key in keys)


def beep(rate_hz: int, *, frequency_hz: float = 1000.0, duration_ms: int = 200, level_dbfs: float = -15.0) -> bytes:
    """One sine tone as s16le, e.g. after a voicemail greeting. level_dbfs: RMS, at most -3 dBFS."""
    if not 0 < frequency_hz < rate_hz / 2 or level_dbfs > -3:
        raise ValueError("a beep lies below half the rate and -3 dBFS")
    return _pcm(_sine(frequency_hz, level_dbfs, duration_ms, rate_hz), rate_hz)


def tone(cadence: Cadence, rate_hz: int) -> bytes:
    """One round of a cadence as s16le. Rounds of a continuous tone join without a step."""
    continuous = len(cadence) == 1
    return b"".join(_part(part, rate_hz, joins=continuous) for part in cadence)


def _part(part: Part, rate_hz: int, *, joins: bool) -> bytes:
    samples = np.zeros(_samples(part.duration_ms, rate_hz))
    for frequency_hz in part.frequencies_hz:
        samples += _sine(frequency_hz, TONE_DBFS, part.duration_ms, rate_hz)
    whole_waves = all((hz * part.duration_ms / 1000).is_integer() for hz in part.frequencies_hz)
    return _pcm(samples, rate_hz, edge_ms=0 if joins and whole_waves else EDGE_MS)


def _key(key: str, rate_hz: int, duration_ms: int) -> bytes:
    for row, columns in enumerate(KEYS):
        if key in columns and key:
            low = _sine(LOW_HZ[row], LOW_DBFS, duration_ms, rate_hz)
            return _pcm(low + _sine(HIGH_HZ[columns.index(key)], HIGH_DBFS, duration_ms, rate_hz), rate_hz)
    raise ValueError("keys of DTMF are 0-9 * # A-D")


def _samples(duration_ms: int, rate_hz: int) -> int:
    return rate_hz * duration_ms // 1000


def _sine(frequency_hz: float, level_dbfs: float, duration_ms: int, rate_hz: int) -> "NDArray[np.float64]":
    peak = 32768 * math.sqrt(2) * 10 ** (level_dbfs / 20)
    times = np.arange(_samples(duration_ms, rate_hz)) / rate_hz
    return peak * np.sin(2 * np.pi * frequency_hz * times)


def _pcm(samples: "NDArray[np.float64]", rate_hz: int, *, edge_ms: int = EDGE_MS) -> bytes:
    edge = min(_samples(edge_ms, rate_hz), len(samples) // 2)
    ramp = (1 - np.cos(np.pi * (np.arange(edge) + 0.5) / max(1, edge))) / 2
    shaped = samples.copy()
    shaped[:edge] *= ramp
    shaped[len(shaped) - edge :] *= ramp[::-1]
    return np.clip(np.rint(shaped), -32768, 32767).astype("<i2").tobytes()
