"""The voice of one call."""

from dataclasses import dataclass
from typing import Protocol

from core.audio import PcmFormat
from core.line.words import AudioVerdict


@dataclass(frozen=True, slots=True)
class AudioReport:
    """What one call's audio really did: goes into call.ended as `audio`. Rates are bytes per second."""

    attempts: int
    open_ms: int | None
    rate_hz: int
    measured_rate_hz: int | None
    bytes_in: int
    bytes_out: int
    in_bytes_per_s: int
    out_bytes_per_s: int
    downlink_dropped_frames: int
    uplink_silence_frames: int
    uplink_stalls: int
    alignment_shifts: int
    verdict: AudioVerdict


@dataclass(frozen=True, slots=True)
class Tick:
    """One ptime of a call, both directions, as they passed the port. The recording is made of these.

    index counts from 0 and has a hole where ticks were dropped because nobody read them (200 ms bound).
    downlink is what the far end said (None: nothing came in time), uplink what was written for it. uplink_frames is
    the number of frames of `write()` that have gone out up to and including this tick, so that playout knows how
    far it was heard; a tick of silence does not raise it. at_s is time.monotonic() at the write.
    """

    index: int
    downlink: bytes | None
    uplink: bytes
    uplink_frames: int
    at_s: float


class AudioClosed(Exception):
    """The audio of this call is over; raised by AudioPort.read()."""


class AudioPort(Protocol):
    """The voice of one call. One reader; `write` never blocks."""

    @property
    def format(self) -> PcmFormat: ...

    async def read(self) -> Tick:
        """The next tick; raises AudioClosed after close or when the modem goes."""

    def room(self) -> int:
        """How many frames `write` takes now. The bound is 60 ms: what lies here can still be flushed."""

    def write(self, frame: bytes) -> bool:
        """Queues one whole frame (format.frame_bytes); False when full, ValueError when not a whole frame."""

    def flush(self) -> int:
        """Barge-in: drops queued frames that have not gone out; gives how many."""

    @property
    def ailment(self) -> str | None:
        """What is wrong with it while it is open, for people: one side hears nothing. None while both carry."""
