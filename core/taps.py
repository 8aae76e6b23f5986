"""Who listens in on a call's frames beside the conversation itself: tone detectors, answering machine detection,
monitors. A tap gets every frame, at once, and must not wait; one that fails is taken off and the call goes on."""

from dataclasses import dataclass
from typing import Protocol

from core.log import Log

log = Log("taps")


@dataclass(frozen=True, slots=True)
class CallFrame:
    """20 ms of a call: s16le mono at the line's rate. speech: whether the caller's detector took the downlink for
    speech. at_ms: the line's time at the end of the frame."""

    downlink: bytes
    uplink: bytes
    speech: bool
    at_ms: int


class Tap(Protocol):
    def frame(self, frame: CallFrame) -> None:
        """One frame. Never waits."""


class Taps:
    """All taps of one call."""

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._taps: list[Tap] = []

    def add(self, tap: Tap) -> None:
        self._taps.append(tap)

    def remove(self, tap: Tap) -> None:
        if tap in self._taps:
            self._taps.remove(tap)

    def frame(self, frame: CallFrame) -> None:
        """Gives a frame to everyone."""
        for tap in tuple(self._taps):
            try:
                tap.frame(frame)
            except Exception:  # a listener's mistake must not end the call
                log.exception("a listener of a call failed and is taken off", call_id=self._call_id)
                self.remove(tap)
