"""A conversation's own time: milliseconds of the line, and when each of them was heard."""

from collections import deque

from core.audio import PcmFormat

KEPT_FRAMES = 512
"""Ten seconds: an onset is reported a few frames after it was, never this late."""


class CallTime:
    """Counts the frames of one call. Place 0 is the first frame after the audio opened."""

    def __init__(self, pcm_format: PcmFormat) -> None:
        self._ptime_ms = pcm_format.ptime_ms
        self._frames = 0
        self._heard_s: deque[float] = deque(maxlen=KEPT_FRAMES)

    def tick(self, at_s: float) -> None:
        """One frame passed the port at that time.monotonic()."""
        self._frames += 1
        self._heard_s.append(at_s)

    @property
    def now_ms(self) -> int:
        return self._frames * self._ptime_ms

    @property
    def last_s(self) -> float:
        """When the newest frame passed; 0.0 before the first."""
        return self._heard_s[-1] if self._heard_s else 0.0

    def heard_at_s(self, at_ms: int) -> float:
        """When that place of the line was heard; the oldest known time for anything older."""
        behind = self._frames - 1 - at_ms // self._ptime_ms
        if not self._heard_s:
            return 0.0
        return self._heard_s[max(0, len(self._heard_s) - 1 - max(0, behind))]
