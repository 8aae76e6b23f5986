"""From one telephone rate to another, 20 ms at a time: a polyphase filter that gives as much as it takes, 2 ms late.

soxr's stream, which converts whole files here, gives nothing for 5 to 60 ms and then a lot (measured with LQ, 8 to
16 kHz): good for a file, a stutter for a listener.
"""

from math import gcd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Samples = NDArray[np.int16]

TAPS = 32
"""Per period of the lower rate: 2 ms of delay at 8 kHz."""
KAISER_BETA = 5.65
"""60 dB in the stop band (Kaiser 1974: 0.1102 (60 - 8.7)). The transition is 900 Hz wide at 8 kHz: speech to 3400 Hz
passes."""
CUTOFF = 0.925
"""Of half the lower rate: the middle of the transition."""


class StreamResampler:
    """One direction of one stream. Rates must divide 20 ms into whole samples, as 8, 16, 24 and 48 kHz do."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        import numpy as np

        common = gcd(from_hz, to_hz)
        self._up, self._down = to_hz // common, from_hz // common
        self._same = from_hz == to_hz
        slower = max(self._up, self._down)
        length = TAPS * slower
        places = np.arange(length) - (length - 1) / 2
        kernel = np.sinc(places * CUTOFF / slower) * np.kaiser(length, KAISER_BETA)
        kernel *= self._up / kernel.sum()
        taps = -(-length // self._up)
        padded = np.zeros(taps * self._up)
        padded[:length] = kernel
        # Column p: what the inputs, newest last, are weighted with for the p-th output after an input.
        self._weights = np.ascontiguousarray(padded.reshape(taps, self._up)[::-1], dtype=np.float32)
        self._known: Floats = np.zeros(taps, np.float32)
        self._lay_out(from_hz // 50)

    def feed(self, samples: "Samples") -> "Samples":
        """The next samples; ValueError unless they make whole ones at the other rate."""
        import numpy as np

        if self._same:
            return samples
        if len(samples) != self._size:
            if len(samples) * self._up % self._down:
                raise ValueError("a stream is resampled in whole frames")
            self._lay_out(len(samples))
        self._known[len(self._known) - self._size :] = samples
        made: Floats = (self._windows @ self._weights).reshape(-1)
        self._known[: len(self._known) - self._size] = self._known[self._size :].copy()
        if self._up > 1 and self._down > 1:
            made = made[:: self._down]
        np.rint(made, out=made)
        np.clip(made, -32768, 32767, out=made)
        return made.astype(np.int16)

    def _lay_out(self, size: int) -> None:
        """One buffer for what is past and what is new, and the windows on it: made once, since blocks are all alike."""
        import numpy as np

        past = len(self._weights) - 1
        known = np.zeros(past + size, np.float32)
        known[:past] = self._known[:past]
        self._known, self._size = known, size  # what was new is past by now, see feed
        windows = np.lib.stride_tricks.sliding_window_view(known, past + 1)
        self._windows: Floats = windows[:: self._down] if self._up == 1 else windows
