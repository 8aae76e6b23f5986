"""What is done to the sound of one direction: gain, the narrow-band clarity filter, the limiter behind both. Pure."""

import math
from functools import cache
from typing import TYPE_CHECKING

from core.media.limiter import Limiter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
else:
    from core.lazy import np

HIGH_PASS_HZ = 180.0
PRE_EMPHASIS = 0.35
"""Of each sample, so much of the one before is taken away (at 8 kHz). Both from field reports on SIM7600 voices that
sounded dull at the far end: a high-pass at about 180 Hz and a pre-emphasis of 0.35."""
TAPS_MS = 12
"""The response of the high-pass has died away by 80 dB."""
REFERENCE_HZ = 8000


class Shaper:
    """One direction of one call, or one utterance. Its state carries over, so bytes may be cut anywhere.

    frames: whole frames in, as many out, 2.5 ms late. Without it nothing is late: the last 2.5 ms come with flush.
    """

    def __init__(self, rate_hz: int, gain_db: float, *, clarity: bool = False, frames: bool = False) -> None:
        self._gain = np.float32(10 ** (gain_db / 20) / 32768)
        self._limiter = Limiter(rate_hz, primed=frames)
        self._taps = clarity_taps(rate_hz) if clarity else None
        self._before = np.zeros(len(self._taps) - 1 if self._taps is not None else 0, np.float32)

    def feed(self, pcm: bytes) -> bytes:
        """s16le in whole samples. ValueError for a cut one."""
        if not pcm:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) * self._gain
        if self._taps is not None:
            run = np.concatenate((self._before, samples))
            self._before = run[len(run) - len(self._before) :]
            samples = np.convolve(run, self._taps, "valid").astype(np.float32)
        return _pcm(self._limiter.feed(samples))

    def flush(self) -> bytes:
        """The end of it."""
        return _pcm(self._limiter.flush())


def shaper(rate_hz: int, gain_db: float, *, clarity: bool = False, frames: bool = False) -> Shaper | None:
    """None where there is nothing to do, so that the samples stay as they are to the bit."""
    return Shaper(rate_hz, gain_db, clarity=clarity, frames=frames) if gain_db or clarity else None


def _pcm(samples: "Floats") -> bytes:
    return np.rint(samples * 32768).astype("<i2").tobytes()


@cache
def clarity_taps(rate_hz: int) -> "Floats":
    """The filter's impulse response: a high-pass of the second order (Butterworth) and the pre-emphasis, which lifts
    the consonants above 1 kHz by up to 6 dB over the vowels, at the loudness that speech had before."""
    response = _high_pass(rate_hz, rate_hz * TAPS_MS // 1000)
    taps = response.copy()
    # A sample later means 125 us at 8 kHz; at other rates the same slope is reached with the sample that is as old.
    taps[rate_hz // REFERENCE_HZ :] -= PRE_EMPHASIS * response[: len(taps) - rate_hz // REFERENCE_HZ]
    return (taps * _loudness_gain(taps, rate_hz)).astype(np.float32)


def _high_pass(rate_hz: int, count: int) -> "NDArray[np.float64]":
    """The beginning of the impulse response, by the bilinear transform."""
    k = math.tan(math.pi * HIGH_PASS_HZ / rate_hz)
    norm = 1 / (1 + math.sqrt(2) * k + k * k)
    a1, a2 = 2 * (k * k - 1) * norm, (1 - math.sqrt(2) * k + k * k) * norm
    out = np.zeros(count)
    x = [1.0, 0.0, 0.0]
    for n in range(count):
        older, oldest = (out[n - 1] if n > 0 else 0.0), (out[n - 2] if n > 1 else 0.0)
        out[n] = norm * (x[0] - 2 * x[1] + x[2]) - a1 * older - a2 * oldest
        x = [0.0, x[0], x[1]]
    return out


def _loudness_gain(taps: "NDArray[np.float64]", rate_hz: int) -> float:
    """What keeps speech as loud as it was: over the line's band, weighed as the ear does (IEC 61672 A) on the long-term
    spectrum of speech, taken as level to 500 Hz and falling by 9 dB an octave above (roughly ITU-T P.50)."""
    hz = np.arange(300.0, 3400.0, 10.0)
    speech = np.where(hz > 500, (hz / 500) ** (-9 / 3.01), 1.0)
    weight = speech * _a_weight(hz)
    times = np.arange(len(taps)) / rate_hz
    response = np.abs(np.exp(-2j * np.pi * hz[:, None] * times) @ taps) ** 2
    return math.sqrt(float(weight.sum() / (weight * response).sum()))


def _a_weight(hz: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Power weight of IEC 61672-1 annex E, without its constant."""
    f2 = hz**2
    top = 12194.0**2 * f2**2
    bottom = (f2 + 20.6**2) * np.sqrt((f2 + 107.7**2) * (f2 + 737.9**2)) * (f2 + 12194.0**2)
    return np.asarray((top / bottom) ** 2)
