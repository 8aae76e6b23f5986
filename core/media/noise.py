"""Comfort noise: a quiet hiss in place of digital silence, which callers take for a dead line. Pure."""

import math
from functools import cache
from typing import TYPE_CHECKING

from core.audio import PcmFormat

if TYPE_CHECKING:
    import numpy as np
else:
    from core.lazy import np

LOOP_FRAMES = 251
"""Five seconds, a prime number of frames: nobody hears it repeat."""
SLOPE_DB_PER_OCTAVE = -5.0
"""As rooms sound (Hoth noise, IEEE 269); white noise would hiss."""
BAND_HZ = (150.0, 3600.0)


class ComfortNoise:
    """Frames for one call. level_dbfs: RMS."""

    def __init__(self, pcm_format: PcmFormat, level_dbfs: float) -> None:
        self._frames = _loop(pcm_format, level_dbfs)
        self._place = 0

    def frame(self) -> bytes:
        """The next 20 ms; each goes on where the one before ended."""
        self._place = (self._place + 1) % len(self._frames)
        return self._frames[self._place]


@cache
def _loop(pcm_format: PcmFormat, level_dbfs: float) -> tuple[bytes, ...]:
    """Made in the frequency domain, so that its end joins its beginning."""
    count = LOOP_FRAMES * pcm_format.frame_samples
    hz = np.fft.rfftfreq(count, 1 / pcm_format.rate_hz)
    band = (hz >= BAND_HZ[0]) & (hz <= min(BAND_HZ[1], pcm_format.rate_hz / 2))
    size = np.zeros(len(hz))
    size[band] = 10 ** (SLOPE_DB_PER_OCTAVE / 20 * np.log2(hz[band] / BAND_HZ[0]))
    phases = np.random.default_rng(1).uniform(0, 2 * math.pi, len(hz))
    samples = np.fft.irfft(size * np.exp(1j * phases), count)
    samples *= 32768 * 10 ** (level_dbfs / 20) / math.sqrt(float(np.mean(samples**2)))
    pcm = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
    return tuple(pcm[at : at + pcm_format.frame_bytes] for at in range(0, len(pcm), pcm_format.frame_bytes))
