"""A soft limiter: what a gain would clip is turned down for a moment instead, before it comes. Pure."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
else:
    from core.lazy import np

CEILING = 0.9
"""-0.9 dBFS: no sample goes beyond."""
STEP_MS = 2.5
"""The gain runs in straight lines between steps of this length, so that it never jumps. It is known one step ahead:
that much the sound is late."""
RELEASE_DB_PER_S = 60.0
"""How fast it comes back: 6 dB in 100 ms, slower than the pitch of any voice, faster than a syllable."""


class Limiter:
    """One direction of one call, or one utterance. Samples of any size in, none over the ceiling out.

    primed: begins with a step of silence, so that as many samples come out as went in where these are whole steps
    (frames are). Without it nothing is added: the last step comes with flush.
    """

    def __init__(self, rate_hz: int, *, primed: bool = False) -> None:
        self._step = round(rate_hz * STEP_MS / 1000)
        self._release = 10 ** (RELEASE_DB_PER_S / 20 * STEP_MS / 1000)
        self._gain: float | None = 1.0 if primed else None
        self._kept: Floats = np.zeros(self._step if primed else 0, np.float32)

    @property
    def gain(self) -> float:
        """What the newest sample that came out was multiplied by."""
        return 1.0 if self._gain is None else self._gain

    def feed(self, samples: "Floats") -> "Floats":
        """All whole steps but the newest one."""
        run = np.concatenate((self._kept, samples))
        whole = len(run) // self._step
        out = max(0, whole - 1) * self._step
        self._kept = run[out:]
        if out == 0:
            return run[:0]
        loud = np.abs(run[: whole * self._step]).reshape(whole, self._step).max(axis=1)
        return self._limited(run[:out], loud.tolist())

    def flush(self) -> "Floats":
        """The rest."""
        run, self._kept = self._kept, self._kept[:0]
        if not len(run):
            return run
        starts = np.arange(0, len(run), self._step)
        loud = np.maximum.reduceat(np.abs(run), starts).tolist()
        return self._limited(run, [*loud, loud[-1]])

    def _limited(self, samples: "Floats", peaks: list[float]) -> "Floats":
        """peaks: of each step of these samples, and of the step after them."""
        if self.gain == 1.0 and max(peaks) <= CEILING:
            self._gain = 1.0
            return samples
        fitting = [CEILING / peak if peak > CEILING else 1.0 for peak in peaks]
        nodes = [fitting[0] if self._gain is None else self._gain]  # between two steps: low enough for both
        for here, after in zip(fitting, fitting[1:], strict=False):
            nodes.append(min(here, after, nodes[-1] * self._release))
        self._gain = nodes[-1]
        places = np.minimum(np.arange(len(nodes)) * self._step, len(samples))
        gains = np.interp(np.arange(len(samples)), places, nodes)
        return samples * gains.astype(np.float32)
