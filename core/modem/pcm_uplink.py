"""Writes uplink frames without ever waiting, and keeps the frame boundary whatever the port takes.

A frame that was taken in part must be completed before anything else is sent: a partial frame wedges the endpoint of a
SIM7600 (spec 3.2). So a frame that the port does not take at all within two frames is dropped, one that it took in part
stays, and both count as a stall.

No TCOFLUSH after a stall, other than spec 3.5 says, but only once the port is given up: usb_wwan, the driver of these
sticks, has no flush_buffer and holds no more than 4 URBs, and where TCOFLUSH works (a pty: 4095 bytes stay, TIOCOUTQ
reads 0) it cuts a frame, and a sample, at a place that nobody can ask for.
"""

from collections.abc import Callable
from dataclasses import dataclass

from core.audio import PcmFormat

STALL_FRAMES = 2
"""Deadline of one frame (spec 3.5)."""
STUCK_STALLS = 25
"""That many in a row, one second, and the endpoint is wedged (spec 3.5: 25 to 50, 0.5 to 1 s)."""
RETRY_S = 0.005
"""Not POLLOUT: a tty reports room that is less than a frame, and a wedged one would spin the thread."""


@dataclass(slots=True)
class _Pending:
    frame: bytes
    taken: int
    ours: bool
    deadline_s: float


class UplinkWriter:
    """One frame at a time. write: takes bytes, gives how many were taken (0: none now); raises OSError when lost."""

    def __init__(self, write: Callable[[memoryview], int], pcm_format: PcmFormat) -> None:
        self._write = write
        self._limit_s = STALL_FRAMES * pcm_format.ptime_ms / 1000
        self._pending: _Pending | None = None
        self._late = False
        self._in_a_row = 0
        self.bytes_out = 0
        self.stalls = 0
        self.stuck = False
        self.gone_frames = 0
        """Frames of the caller that left for good: taken by the port, or given up after a stall."""

    @property
    def pending(self) -> bool:
        return self._pending is not None

    @property
    def torn(self) -> bool:
        """Part of a frame is out."""
        return self._pending is not None and self._pending.taken > 0

    def send(self, frame: bytes, now_s: float, *, ours: bool) -> bool:
        """Starts a frame; True when the port took it whole. Only when none is pending. ours: it came from write()."""
        self._pending = _Pending(frame, 0, ours, now_s + self._limit_s)
        return self._go_on()

    def retry(self, now_s: float) -> None:
        """Goes on with the pending frame, if any; gives it up or counts a stall when its time is over."""
        pending = self._pending
        if pending is None:
            return
        if self._go_on():
            self._late = True
        elif now_s >= pending.deadline_s:
            self._stall(pending, now_s)

    def take_late(self) -> bool:
        """Whether retry() completed a frame since the last call: it has used the slot of the next tick."""
        late, self._late = self._late, False
        return late

    def discard(self) -> None:
        """A frame of the caller whose time came while the port is stuck."""
        self.gone_frames += 1

    def _go_on(self) -> bool:
        pending = self._pending
        assert pending is not None
        taken = self._write(memoryview(pending.frame)[pending.taken :])
        pending.taken += taken
        self.bytes_out += taken
        if pending.taken < len(pending.frame):
            return False
        self._in_a_row = 0
        self._done(pending)
        return True

    def _stall(self, pending: _Pending, now_s: float) -> None:
        self.stalls += 1
        self._in_a_row += 1
        self.stuck = self._in_a_row >= STUCK_STALLS
        if pending.taken and not self.stuck:
            pending.deadline_s = now_s + self._limit_s
        else:
            self._done(pending)

    def _done(self, pending: _Pending) -> None:
        self.gone_frames += pending.ours
        self._pending = None
