"""What of our own voice is in what the far end sends: an adaptive filter over the last 0.6 s of it.

A partitioned-block frequency-domain NLMS (J.-S. Soo, K. K. Pang, "Multidelay block frequency domain adaptive filter",
1990), blocks of one frame, the step of each bin and partition by a Kalman filter (G. Enzner, P. Vary, "Frequency-domain
adaptive Kalman filter for acoustic echo control in hands-free telephones", 2006): it learns fast from what it can't
explain while it knows little, and hardly while a caller speaks over us, without a detector for that.

Which delays an echo can have at all is known at once from levels: where the line was quiet some time after we were
loud, no echo has that delay. The filter learns nothing there.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from core.audio import PcmFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Spectra = NDArray[np.complex64]
else:
    from core.lazy import np

_Rows = TypeVar("_Rows", "Floats", "Spectra")

TAIL_MS = 600
"""Echo of a phone network: 100 to 500 ms of delay, and the far end's room."""
STRONGEST = 0.25
"""Power: no echo is taken for louder than 6 dB below what we sent. Hybrids and handsets have 10 dB at least."""
LOUD_POWER = 1e-5
"""-50 dBFS: what is quieter tells nothing of delays."""
QUIETEST_POWER = 1e-6
"""-60 dBFS: on a line without noise an echo's first frames, which begin within a frame, would exclude themselves."""
FORGET_BOUND = 1.0005
"""A frame; 0.1 dB a second: paths change."""
KNOWLEDGE = 0.01
"""Variance of a weight before anything was heard. Measured: ten times as much makes -30 dB of echo louder for
seconds, a tenth of it takes 10 s to learn -10 dB."""
BOUND_MARGIN = 10.0
"""The variance of a weight may be this much above the lowest power ratio that was seen for its delay."""
FORGET = 0.9998**2
"""A frame: how still the echo path is taken to be."""
NOISE_SMOOTHING = 0.5
CONSTRAINED = 4
"""One partition of so many is cut back to its causal half each frame (the gradient constraint, in turns)."""
LESSONS, LATER_LESSONS = 250, 3
"""Frames: five seconds of ours; from then on it learns of every third, which takes half the time."""
STORE = 4
SLIPS = (-1, 1, -2, 2)
"""Frames by which delays jump: late bytes, a frame left out."""


@dataclass(frozen=True, slots=True)
class Filtered:
    """One frame: samples in -1..1, and powers (mean square).

    rest: the frame without the echo. heard, echo, left: power of the frame, of what was found in it, of the rest.
    most: the most that an echo can have, by the levels at each delay so far. likeness: of the frame and the echo
    found in it, -1 to 1.
    """

    rest: "Floats"
    heard: float
    echo: float
    left: float
    most: float
    likeness: float


class EchoFilter:
    """One call's. Frames in order, both directions of the same tick."""

    def __init__(self, pcm_format: PcmFormat) -> None:
        self._size = size = pcm_format.frame_samples
        self._count = count = TAIL_MS // pcm_format.ptime_ms
        # Newest first. The rows wander to the front of a longer store, so that they need not all be moved each time.
        self._store: Spectra = np.zeros((STORE * count, size + 1), np.complex64)
        self._store_power: Floats = np.zeros((STORE * count, size + 1), np.float32)
        self._at = (STORE - 1) * count
        self._powers: Floats = np.zeros(count, np.float32)
        self._before: Floats = np.zeros(size, np.float32)
        self._block: Floats = np.zeros(2 * size, np.float32)
        self._turn = 0
        self._power_before = 0.0
        self.reset()

    def reset(self, *, delays: bool = True) -> None:
        """Knows nothing of the path any more. delays False: but which delays there can be."""
        shape = (self._count, self._size + 1)
        self._weights: Spectra = np.zeros(shape, np.complex64)
        self._doubt: Floats = np.full(shape, KNOWLEDGE, np.float32)
        self._noise: Floats | None = None
        self._lessons = 0
        if delays:
            self._bound: Floats = np.full(self._count, STRONGEST, np.float32)

    @property
    def delay_frames(self) -> int:
        """Where the filter is strongest."""
        return int(np.argmax(np.sum(np.abs(self._weights) ** 2, axis=1)))

    @property
    def quiet(self) -> bool:
        """We have said nothing for so long that no echo is left."""
        return not self._powers.any()

    def sent(self, ours: "Floats") -> None:
        """A frame of ours went to the network."""
        self._make_room()
        self._powers[1:] = self._powers[:-1]
        power = float(ours @ ours + self._before @ self._before) / (2 * self._size)
        if power:
            self._block[: self._size], self._block[self._size :] = self._before, ours
            self._store[self._at] = spectrum = np.fft.rfft(self._block)
            self._store_power[self._at] = spectrum.real**2 + spectrum.imag**2
        else:
            self._store[self._at] = self._store_power[self._at] = 0
        self._powers[0] = power
        self._before = ours

    def _make_room(self) -> None:
        if self._at == 0:
            self._at = len(self._store) - self._count + 1
            self._store[self._at :] = self._store[: self._count - 1]
            self._store_power[self._at :] = self._store_power[: self._count - 1]
        self._at -= 1

    @property
    def _ours(self) -> "Spectra":
        return self._store[self._at : self._at + self._count]

    @property
    def _ours_power(self) -> "Floats":
        return self._store_power[self._at : self._at + self._count]

    def filter(self, heard: "Floats") -> Filtered:
        """A frame of the far end, at the time of the one that was sent last; learns from it."""
        power = self.note(heard)
        echo = self._echo(self._weights)
        rest = heard - echo
        left, found = float(rest @ rest) / self._size, float(echo @ echo) / self._size
        likeness = float(heard @ echo) / self._size / max(1e-10, (power * found) ** 0.5)
        if self._powers.max() > LOUD_POWER:
            self._lessons += 1
            if self._lessons <= LESSONS or self._lessons % LATER_LESSONS == 0:
                self._learn(rest)
        return Filtered(rest, power, found, left, float(np.max(self._bound * self._powers)), likeness)

    def note(self, heard: "Floats") -> float:
        """Only what a frame says of delays; its power."""
        power = float(heard @ heard) / self._size
        loud = self._powers > LOUD_POWER
        self._bound *= FORGET_BOUND
        least = max(power, self._power_before, QUIETEST_POWER)
        self._power_before = power
        np.minimum(self._bound, least / np.maximum(self._powers, LOUD_POWER), out=self._bound, where=loud)
        np.minimum(self._bound, STRONGEST, out=self._bound)
        return power

    def slipped(self, heard: "Floats") -> int:
        """By how many frames the echo came earlier or later than it should, if that explains most of the frame; 0."""
        power = float(heard @ heard)
        for slip in SLIPS:
            rest = heard - self._echo(_moved(self._weights, slip))
            if float(rest @ rest) < power / 2:
                return slip
        return 0

    def move(self, slip: int) -> None:
        """The echo comes later by so many frames from now on (negative: earlier)."""
        self._lessons = 0
        self._weights, self._doubt = _moved(self._weights, slip), _moved(self._doubt, slip, KNOWLEDGE)
        self._bound = _moved(self._bound, slip, STRONGEST)

    def _echo(self, weights: "Spectra") -> "Floats":
        found: Floats = np.fft.irfft((self._ours * weights).sum(0))[self._size :].astype(np.float32)
        return found

    def _learn(self, rest: "Floats") -> None:
        self._block[: self._size] = 0
        self._block[self._size :] = rest
        error = np.fft.rfft(self._block).astype(np.complex64)
        error_power = error.real**2 + error.imag**2
        if self._noise is not None:
            error_power = np.maximum(error_power, NOISE_SMOOTHING * self._noise + (1 - NOISE_SMOOTHING) * error_power)
        noise = self._noise = error_power
        np.minimum(self._doubt, (BOUND_MARGIN * self._bound)[:, None], out=self._doubt)
        expected = self._doubt * self._ours_power
        step = 1 / (0.5 * expected.sum(0) + noise + 1e-6)
        self._weights += self._doubt * self._ours.conj() * (step * error)
        expected *= -0.5 * FORGET * step
        expected += FORGET
        self._doubt *= expected
        self._doubt += (1 - FORGET) * (self._weights.real**2 + self._weights.imag**2)
        self._constrain()

    def _constrain(self) -> None:
        some = slice(self._turn, None, CONSTRAINED)
        self._turn = (self._turn + 1) % CONSTRAINED
        taps = np.fft.irfft(self._weights[some], axis=1)
        taps[:, self._size :] = 0
        self._weights[some] = np.fft.rfft(taps, axis=1)


def _moved(rows: _Rows, by: int, fill: float = 0.0) -> _Rows:
    """Rows further back by so many places."""
    moved = np.roll(rows, by, axis=0)
    if by > 0:
        moved[:by] = fill
    elif by < 0:
        moved[by:] = fill
    return moved
