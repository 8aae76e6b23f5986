"""What the far end hears of us: when we speak and when we are quiet. Pure; fed one 20 ms frame at a time."""

import math
from array import array
from dataclasses import dataclass

SPEECH_DBFS = -45.0
"""Above this a frame counts as speech: far over line noise, well under any voice that is turned up."""
_BRIDGE_S = 0.3
"""A gap between words; a longer one ends a run of speech."""
_SURE_FRAMES = 2
"""Frames over the level before we call it speech: one alone is a click."""


def dbfs(pcm: bytes) -> float:
    """RMS level of s16le samples against full scale; -120 for silence or nothing."""
    samples = array("h", pcm[: len(pcm) // 2 * 2])
    if not samples or not any(samples):
        return -120.0
    return 10 * math.log10(math.fsum(s * s for s in samples) / len(samples) / 32768.0**2)


@dataclass(frozen=True, slots=True)
class Quiet:
    """quiet_since_s: the end of the last loud frame. heard_ms: loud frames since the mark.

    last_byte_s: when the last loud frame was taken from the port, some frames before it was played.
    """

    quiet_since_s: float
    heard_ms: int
    last_byte_s: float


@dataclass(slots=True)
class Hearing:
    """Times are CLOCK_MONOTONIC seconds of the frame's playout to the far end."""

    run_started_s: float | None = None
    last_loud_end_s: float | None = None
    now_s: float = 0.0
    _loud_frames: int = 0
    _heard_ms: int = 0
    _heard_end_s: float | None = None
    _heard_taken_s: float = 0.0

    def mark(self) -> None:
        """Forgets what was said before; the far end begins to wait for an answer."""
        self._heard_ms = 0
        self._heard_end_s = None

    def frame(self, at_s: float, length_s: float, level_dbfs: float, taken_s: float | None = None) -> None:
        self.now_s = at_s + length_s
        if level_dbfs <= SPEECH_DBFS:
            self._loud_frames = 0
            if self.last_loud_end_s is not None and at_s - self.last_loud_end_s >= _BRIDGE_S:
                self.run_started_s = None
            return
        self._loud_frames += 1
        if self.run_started_s is None and self._loud_frames >= _SURE_FRAMES:
            self.run_started_s = at_s - (self._loud_frames - 1) * length_s
        self.last_loud_end_s = self._heard_end_s = self.now_s
        self._heard_taken_s = at_s if taken_s is None else taken_s
        self._heard_ms += round(length_s * 1000)

    def speaking_since(self) -> float | None:
        """The start of the run of speech going on now; None while quiet."""
        return self.run_started_s

    def quiet(self, quiet_s: float) -> Quiet | None:
        """Once we have spoken since the mark and then been quiet that long."""
        if self._heard_end_s is None or self._heard_ms < _SURE_FRAMES * 20:
            return None
        if self.now_s - self._heard_end_s < quiet_s:
            return None
        return Quiet(self._heard_end_s, self._heard_ms, self._heard_taken_s)

    def cut_off(self) -> Quiet | None:
        """What `quiet` would say now that the call is gone and no more will come."""
        self.run_started_s = None
        self._loud_frames = 0
        if self._heard_end_s is None:
            return None
        return Quiet(self._heard_end_s, self._heard_ms, self._heard_taken_s)
