"""The rate that the modem really sends at, and the way back to the rate of the call. Pure.

AT+CPCMFRM and AT+CPCMBANDWIDTH read back what was set, not what is sent: SIM7600s have sent 16 kHz on calls set to
8 kHz and the other way round (spec 3.1), which an 8 kHz listener hears as noise. So bytes are counted.
"""

from typing import TYPE_CHECKING

from core.audio import PcmFormat

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    from core.lazy import np

DOUBLE = (1.8, 2.2)
HALF = (0.45, 0.55)
NOMINAL = (0.85, 1.15)
"""Received rate as a share of the expected one."""
EARLY_S = 1.0
"""Twice the bytes can't come from a burst after so long, half of them can come from a gap: that waits for the end."""
MEASURE_S = 2.0
STOOD_S = 0.25
"""Longer than any burst takes to come: this process or the line stood still, and what was lost can't be counted."""
MOST, BURST_S = 2.2, 0.1
"""No line sends faster than that share, but for a burst: what is more has waited in the kernel."""
TAPS = 47
"""Of the half-band filter: 1.4 ms late, -50 dB from 4.5 kHz on."""


class RateMeter:
    """Counts the bytes of the first two seconds of downlink that come without a standstill."""

    def __init__(self, pcm_format: PcmFormat) -> None:
        self._format = pcm_format
        self._first_s: float | None = None
        self._last_s = 0.0
        self._bytes = 0
        self.rate_hz: int | None = None
        """8000 or 16000 on a line once that is certain; None before, and for good when nothing fits."""
        self.done = False

    def feed(self, count: int, at_s: float) -> None:
        """That many bytes were read at that time (monotonic seconds)."""
        if self.done:
            return
        stood, self._last_s = at_s - self._last_s > STOOD_S, at_s
        if self._first_s is None or stood:
            self._first_s, self._bytes = at_s, 0  # what came with the first read may have waited in the kernel for long
            return
        self._bytes += count
        seconds = at_s - self._first_s
        if self._bytes > MOST * self._format.bytes_per_s * (seconds + BURST_S):
            self._first_s, self._bytes = at_s, 0  # still of the standstill
            return
        if seconds < EARLY_S:
            return
        share = self._bytes / seconds / self._format.bytes_per_s
        if _within(share, DOUBLE):
            self._decide(self._format.rate_hz * 2)
        elif seconds >= MEASURE_S:
            if _within(share, NOMINAL):
                self._decide(self._format.rate_hz)
            elif _within(share, HALF):
                self._decide(self._format.rate_hz // 2)
            self.done = True

    def _decide(self, rate_hz: int) -> None:
        self.rate_hz, self.done = rate_hz, True


class Resampler:
    """Twice or half the rate, frame by frame. 16-bit PCM in and out; the last samples of a frame wait for the next."""

    def __init__(self, *, up: bool) -> None:
        self._up = up
        self._past = np.zeros(TAPS - 1, np.float32)
        self._taps = _half_band() * (2 if up else 1)

    def convert(self, pcm: bytes) -> bytes:
        samples: npt.NDArray[np.float32] = np.frombuffer(pcm, "<i2").astype(np.float32)
        if self._up:
            spread = np.zeros(len(samples) * 2, np.float32)
            spread[::2] = samples
            samples = spread
        joined = np.concatenate((self._past, samples))
        self._past = joined[-(TAPS - 1) :]
        smooth = np.convolve(joined, self._taps, "valid")
        if not self._up:
            smooth = smooth[::2]
        return np.clip(np.rint(smooth), -32768, 32767).astype("<i2").tobytes()


def _half_band() -> "npt.NDArray[np.float32]":
    """Windowed sinc (Hamming) that passes up to 3.5 kHz of 16 kHz audio, with gain 1."""
    middle = (TAPS - 1) / 2
    taps = np.sinc((np.arange(TAPS) - middle) / 2) * np.hamming(TAPS)
    gain_one: npt.NDArray[np.float32] = (taps / taps.sum()).astype(np.float32)
    return gain_one


def _within(share: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= share <= bounds[1]
