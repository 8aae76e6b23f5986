"""From bytes as they were read to one frame per tick. Pure.

Reads end anywhere, even within a sample: nothing is ever thrown away but whole frames, or the one byte that puts a
shifted stream right.
"""

from typing import TYPE_CHECKING

from core.audio import PcmFormat
from core.modem.pcm_align import AlignmentMonitor
from core.modem.pcm_rate import Resampler
from core.modem.pcm_rings import DOWNLINK_MS

if TYPE_CHECKING:
    import numpy as np
else:
    from core.lazy import np

FLOOR_S = 2.0
"""What stays in the stage that long without being needed is delay, not a cushion against bursts."""
CUSHION_FRAMES = 1
QUIET_PEAK = 300
"""Of 32767. A frame below it can be left out unnoticed, to get rid of that delay."""


class Downlink:
    """The far end's voice between the port and the ticks."""

    def __init__(self, pcm_format: PcmFormat) -> None:
        self._format = pcm_format
        # Bound: 200 ms, like the ring of ticks. Full: the oldest frame is dropped and counted.
        self._staged = bytearray()
        self._bound_frames = DOWNLINK_MS // pcm_format.ptime_ms
        self._floor_ticks = round(FLOOR_S * 1000 / pcm_format.ptime_ms)
        self._ticks = 0
        self._floor = self._bound_frames
        self._surplus = 0
        self._skip_bytes = 0
        self._resampler: Resampler | None = None
        self.dropped_frames = 0
        self.alignment_shifts = 0
        self.set_wire(pcm_format)

    @property
    def staged_frames(self) -> int:
        return len(self._staged) // self._frame_bytes

    def set_wire(self, wire: PcmFormat) -> None:
        """The port carries this, whatever the call was promised: the same rate, twice or half of it."""
        self._frame_bytes = wire.frame_bytes
        self._monitor = AlignmentMonitor(wire.rate_hz, wire.frame_samples)
        if wire.rate_hz != self._format.rate_hz:
            self._resampler = Resampler(up=wire.rate_hz < self._format.rate_hz)

    def feed(self, data: bytes) -> None:
        self._staged += data
        self._skip()
        if (over := self.staged_frames - self._bound_frames) > 0:
            del self._staged[: over * self._frame_bytes]
            self.dropped_frames += over

    def take(self) -> bytes | None:
        """The next frame in the call's format; None when nothing whole is there."""
        frame = self._cut()
        if frame is not None and self._surplus and self.staged_frames and _quiet(frame):
            self._surplus -= 1
            self.dropped_frames += 1
            frame = self._cut()
        self._watch_floor()
        if frame is None or self._resampler is None:
            return frame
        return self._resampler.convert(frame)

    def _cut(self) -> bytes | None:
        if len(self._staged) < self._frame_bytes:
            return None
        frame = bytes(self._staged[: self._frame_bytes])
        del self._staged[: self._frame_bytes]
        if self._monitor.feed(frame):
            self.alignment_shifts += 1
            self._skip_bytes = 1
            self._skip()
        return frame

    def _skip(self) -> None:
        """Drops the byte that a shifted stream has too many; it may not have been read yet."""
        if self._skip_bytes and self._staged:
            del self._staged[:1]
            self._skip_bytes = 0

    def _watch_floor(self) -> None:
        self._floor = min(self._floor, self.staged_frames)
        self._ticks += 1
        if self._ticks >= self._floor_ticks:
            self._surplus = max(0, self._floor - CUSHION_FRAMES)
            self._ticks, self._floor = 0, self._bound_frames


def _quiet(frame: bytes) -> bool:
    return int(np.abs(np.frombuffer(frame, "<i2").astype(np.int32)).max()) <= QUIET_PEAK
