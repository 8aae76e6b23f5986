"""The voice port: a thread with its own 20 ms clock, so that neither our loop nor a loaded machine moves a frame.

Downlink (far end to host): one frame each 20 ms, now and then two in one burst as USB does. Uplink (host to far end):
a small OUT buffer that the clock drains at real time. Both only after AT+CPCMREG=1 within a call; in between the far
end speaks into a line that nobody listens to. spec/sim7600 §3.
"""

import contextlib
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from core.audio import PcmFormat
from core.log import Log
from core.modem.emulator.far_end import FarEnd
from core.modem.emulator.faults import FaultKind, Faults
from core.modem.emulator.ptys import Port

OUT_BUFFER_BYTES = 4096
"""Of the USB OUT endpoint with its URBs (spec §3.8). A pty adds about 20 kB of its own, which we can't take away."""
_STOP_BYTES, _GO_BYTES = 3072, 1024
"""Of the OUT buffer, where a family with flow control says stop and go on; a guess."""
_FRAME_S = 0.02
_BURST_CHANCE = 0.1
"""Of a frame to wait for the next and come with it."""
_GIVE_UP_LATE_S = 1.0
"""Later than this the machine slept: the clock starts anew instead of sending a second of frames at once."""

_log = Log("emulator.pcm")


@dataclass(slots=True)
class PcmStats:
    """bytes_in: from the host; bytes_out: to the host. Counted since the emulator started."""

    bytes_in: int = 0
    bytes_out: int = 0
    underruns: int = 0
    """Times the OUT buffer ran dry in mid-stream."""
    early_bytes: int = 0
    """Written before AT+CPCMREG=1, which can wedge the real endpoint; thrown away."""
    lost_frames: int = 0
    """Downlink frames that the host did not fetch in time."""
    late_ms_max: float = 0.0
    """How late this thread itself ever was."""


@dataclass(slots=True)
class _Stream:
    """What begins anew with each AT+CPCMREG=1."""

    out: bytearray = field(default_factory=bytearray)
    """The OUT buffer: written by the host, not yet heard."""
    unsent: bytes = b""
    """The rest of a downlink write that the pty took only in part."""
    owed_frames: int = 0
    """Downlink frames whose time has come and that wait for their burst."""
    bytes_in: int = 0
    played: int = 0
    arrivals: deque[tuple[int, float]] = field(default_factory=deque)
    """bytes_in after each read, and when that was; those played are dropped, so it is as short as the OUT buffer."""
    taken_s: float | None = None
    """When the last byte of the frame now played was read."""
    started_s: float = field(default_factory=time.monotonic)
    playing: bool = False
    shifted: bool = False
    stopped: bool = False
    blocked: bool = False


class PcmEndpoint:
    def __init__(
        self,
        port: Port,
        far: FarEnd,
        faults: Faults,
        *,
        seed: int,
        burst_frames: int,
        on_flow: Callable[[bool], None] | None = None,
    ) -> None:
        """on_flow: told on the thread to stop (False) and to go on; None without flow control."""
        self._on_flow = on_flow
        self.stats = PcmStats()
        self.registered = False
        self.format = PcmFormat()
        self._port = port
        self._far = far
        self._faults = faults
        self._random = random.Random(seed)
        self._burst_frames = max(1, burst_frames)
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._running = False
        self._closing = False
        self._streaming = False
        self._talking = False
        self._calls_since_power_on = 0
        self._refusals_left = 0
        self._now = _Stream()

    # --- from the loop ---

    def register(self, rate_hz: int) -> None:
        """AT+CPCMREG=1 accepted: bytes flow from the next tick on."""
        with self._port.lock:
            while early := self._port.read(65536):
                self.stats.early_bytes += len(early)
            if not self._streaming:
                self.format = PcmFormat(rate_hz)
                self._now = _Stream()
            self.registered = self._streaming = True

    def unregister(self) -> None:
        with self._port.lock:
            self.registered = self._streaming = False
            self._now.out.clear()

    def set_path(self, *, open_: bool, talking: bool) -> None:
        """open_: a call exists that is more than a ring. talking: an active one that nobody holds."""
        self._talking = talking
        if open_ and not self._running:
            self._calls_since_power_on += 1
            fault = self._faults.get(FaultKind.DEGRADING)
            worn = fault is not None and self._calls_since_power_on > fault.healthy_calls
            self._refusals_left = fault.refusals if fault is not None and worn else 0
        if not open_:
            with self._port.lock:
                self._streaming = False
                self._now.out.clear()
        self._far.set_path(open_=open_)
        with self._wake:
            self._running = open_
            if open_ and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="emulator.pcm", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    @property
    def streaming(self) -> bool:
        """Registered within the call that is up: bytes flow."""
        return self._streaming

    def degraded_refusal(self) -> bool:
        """Whether the worn endpoint refuses this AT+CPCMREG=1 (fault degrading, spec §3.6)."""
        self._refusals_left -= 1
        return self._refusals_left >= 0

    def power_on(self) -> None:
        self._calls_since_power_on = 0
        self._refusals_left = 0

    def close(self) -> None:
        with self._wake:
            self._closing, self._running = True, False
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=2)

    # --- the thread ---

    def _run(self) -> None:
        _ask_for_priority()
        while True:
            with self._wake:
                while not self._running and not self._closing:
                    self._wake.wait()
                if self._closing:
                    return
            try:
                self._stream()
            except Exception:
                _log.exception("the voice port's thread failed; the next call starts it again")
                self._running = False

    def _stream(self) -> None:
        start_s, tick = time.monotonic(), 0
        while self._running:
            due_s = start_s + tick * _FRAME_S
            late_s = time.monotonic() - due_s
            if late_s < 0:
                time.sleep(-late_s)
                late_s = time.monotonic() - due_s
            if late_s > _GIVE_UP_LATE_S:
                start_s, tick = time.monotonic(), 0
                continue
            self.stats.late_ms_max = max(self.stats.late_ms_max, late_s * 1000)
            self._tick(due_s)
            tick += 1

    def _tick(self, due_s: float) -> None:
        with self._port.lock:
            voice = self._uplink_frame()
            self._far.hear(voice, due_s, self.format.rate_hz, self._now.taken_s)
            self._now.owed_frames += 1
            held = self._now.owed_frames < self._burst_frames and self._random.random() < _BURST_CHANCE
            if not held:
                self._send_owed()

    def _send_owed(self) -> None:
        count, self._now.owed_frames = self._now.owed_frames, 0
        length = self.format.frame_samples * count
        voice = self._far.next_frame(length, time.monotonic(), self.format.rate_hz)
        if self._streaming:
            self._send(voice if self._talking else bytes(len(voice)), count)

    # --- downlink ---

    def _send(self, pcm: bytes, frames: int) -> None:
        mute = self._faults.get(FaultKind.DOWNLINK_MUTE)
        if mute is not None:
            if mute.stop:
                return
            pcm = bytes(len(pcm))
        shift = self._faults.get(FaultKind.BYTE_SHIFT)
        if shift is not None and not self._now.shifted and time.monotonic() - self._now.started_s >= shift.after_s:
            self._now.shifted = True
            pcm = pcm[1:]
        if self._now.unsent:
            written = self._port.write(self._now.unsent)
            self.stats.bytes_out += written
            self._now.unsent = self._now.unsent[written:]
        if self._now.unsent or not self._port.opened:
            self.stats.lost_frames += frames
            return
        written = self._port.write(pcm)
        self.stats.bytes_out += written
        if 0 < written < len(pcm):  # the rest of a sample must follow, or all after it is noise
            self._now.unsent = pcm[written:]
        elif not written:
            self.stats.lost_frames += frames

    # --- uplink ---

    def _uplink_frame(self) -> bytes:
        """20 ms for the far end: the host's, or silence while it gives none."""
        size = self.format.frame_bytes
        if not self._streaming:
            return bytes(size)
        stuck = self._faults.get(FaultKind.UPLINK_STUCK)
        if self._now.blocked or (stuck is not None and self._now.bytes_in >= stuck.after_bytes):
            self._fill()
            return bytes(size)
        self._fill()
        if not self._now.playing:
            self._now.playing = len(self._now.out) >= size * self._burst_frames
        if not self._now.playing:
            return bytes(size)
        if len(self._now.out) < size:
            self._now.playing = False
            self.stats.underruns += 1
            return bytes(size)
        self._now.played += size
        while self._now.arrivals and self._now.arrivals[0][0] < self._now.played:
            self._now.arrivals.popleft()
        if self._now.arrivals:
            self._now.taken_s = self._now.arrivals[0][1]
        frame = bytes(self._now.out[:size])
        del self._now.out[:size]
        if self._now.stopped and len(self._now.out) <= _GO_BYTES:
            self._flow(go=True)
        return frame if self._talking else bytes(size)

    def _fill(self) -> None:
        data = self._port.read(OUT_BUFFER_BYTES - len(self._now.out))
        if not data:
            return
        self._now.out += data
        self._now.bytes_in += len(data)
        self._now.arrivals.append((self._now.bytes_in, time.monotonic()))
        self.stats.bytes_in += len(data)
        if not self._now.stopped and len(self._now.out) >= _STOP_BYTES:
            self._flow(go=False)
        partial = len(data) % self.format.frame_bytes and len(self._now.out) < OUT_BUFFER_BYTES
        if partial and self._faults.get(FaultKind.PARTIAL_FRAME_BLOCKS) is not None:
            self._now.blocked = True

    def _flow(self, *, go: bool) -> None:
        if self._on_flow is not None:
            self._now.stopped = not go
            self._on_flow(go)


def _ask_for_priority() -> None:
    """A modem's clock doesn't wait for the host. Without the right to it, ordinary priority must do."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
