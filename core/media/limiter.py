"""A soft limiter: what a gain would clip is turned down for a moment instead. Pure, without delay."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CEILING = 0.8
"""-1.9 dBFS: the gain keeps peaks here. A curve bends the few samples that come too fast for it."""
STEP_MS = 2.5
"""The gain runs in straight lines between steps of this length, so that it never jumps."""
RELEASE_DB_PER_S = 60.0
"""How fast it comes back: 6 dB in 100 ms, slower than the pitch of any voice, faster than a syllable."""


class Limiter:
    """One direction of one call, or one utterance. Samples from -1 to 1, any number at a time."""

    def __init__(self, rate_hz: int) -> None:
        self._step = max(1, round(rate_hz * STEP_MS / 1000))
        self._release = 10 ** (RELEASE_DB_PER_S / 20 * STEP_MS / 1000)
        self._gain = 1.0

    @property
    def gain(self) -> float:
        """What the newest sample was multiplied by."""
        return self._gain

    def feed(self, samples: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """The same samples, none of them beyond full scale, however loud they came."""
        if not len(samples):
            return samples
        loud = np.abs(samples)
        if self._gain == 1.0 and float(loud.max()) <= CEILING:
            return samples
        starts = np.arange(0, len(samples), self._step)
        nodes = self._nodes(np.maximum.reduceat(loud, starts))
        gains = np.interp(np.arange(len(samples)), [*starts.tolist(), len(samples)], nodes)
        self._gain = nodes[-1]
        return bend(samples * gains.astype(np.float32))

    def _nodes(self, peaks: "NDArray[np.float32]") -> list[float]:
        """The gain at the beginning of each step and at the end: low enough for the steps on both sides of it."""
        fitting = [CEILING / peak if peak > CEILING else 1.0 for peak in peaks.tolist()]
        nodes = [self._gain]
        for place, here in enumerate(fitting):
            wanted = min(here, fitting[place + 1]) if place + 1 < len(fitting) else here
            nodes.append(min(wanted, nodes[-1] * self._release))
        return nodes


def bend(samples: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Bends what is over the ceiling towards full scale, which it never reaches; the slope has no step."""
    loud = np.abs(samples)
    if float(loud.max(initial=0.0)) <= CEILING:
        return samples
    room = 1.0 - CEILING
    bent = CEILING + room * np.tanh((loud - CEILING) / room)
    return np.where(loud > CEILING, np.copysign(bent, samples), samples).astype(np.float32)
