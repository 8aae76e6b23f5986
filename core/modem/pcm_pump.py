"""The thread of one PCM port: reads when something is there, writes one whole frame per tick, never waits in a call.

It has a thread of its own, because the event loop is late by whatever else it does. Each tick costs one wake-up, or two
while the clock listens, a read, a write and at most one call into the loop. It must not log: stderr may block.
"""

import asyncio
import contextlib
import os
import select
import time
from dataclasses import dataclass

from core.audio import PcmFormat
from core.line import Tick
from core.modem.pcm_clock import LineClock
from core.modem.pcm_downlink import Downlink
from core.modem.pcm_rate import RateMeter, Resampler
from core.modem.pcm_rings import TickRing, UplinkRing
from core.modem.pcm_tty import close_pcm, flush_output
from core.modem.pcm_uplink import RETRY_S, UplinkWriter

FIRST_DOWNLINK_S = 0.1
"""The first write waits for the first frame of downlink (lockstep starts were robust, spec 3.2), but no longer."""
READ_BYTES = 4096
SMALL_READ_GAP_S = 0.005
"""After a read of less than half a frame: a port that gives byte by byte must not cost a wake-up for each."""
PRIORITY = 5
"""SCHED_RR, above all that isn't real-time and below the kernel's own threads."""
DEAF_S = 4.0
"""Without a byte of downlink for this long the far end isn't heard: silence comes as bytes, too, and an end of the call
is known within two polls of the modem's list."""
HELD_S = 1.0
"""The longest that the modem's flow control is obeyed: its word to go on may have been lost."""
TEAR_GRACE_S = 0.04
"""Beyond the drain, for the rest of a frame that is half out."""


@dataclass(frozen=True, slots=True)
class PcmStats:
    """What one port did from start to stop, or so far. Bytes and rate are those on the wire.

    downlink_dropped_frames: not read in time, or left out to get rid of delay. uplink_silence_frames: sent because
    nothing was there to say. uplink_stalls: frames that the port did not take within two frames' time. stuck: it took
    nothing for a second and was written to no more. deaf: nothing came for DEAF_S. lost: the port went away.
    """

    bytes_in: int = 0
    bytes_out: int = 0
    duration_s: float = 0.0
    downlink_dropped_frames: int = 0
    uplink_silence_frames: int = 0
    uplink_stalls: int = 0
    alignment_shifts: int = 0
    measured_rate_hz: int | None = None
    stuck: bool = False
    deaf: bool = False
    lost: bool = False


class PcmPump:
    """Owns the descriptor: run() closes it, whatever happens. Everything public but run() is for the loop's thread."""

    def __init__(
        self, fd: int, pcm_format: PcmFormat, uplink: UplinkRing, loop: asyncio.AbstractEventLoop, ended: asyncio.Event
    ) -> None:
        self.ticks = TickRing(pcm_format, loop)
        self._fd = fd
        self._format = pcm_format
        self._wire = pcm_format
        self._silence = pcm_format.silence
        self._uplink = uplink
        self._loop = loop
        self._ended = ended
        self._clock = LineClock(pcm_format)
        self._meter = RateMeter(pcm_format)
        self._downlink = Downlink(pcm_format)
        self._writer = UplinkWriter(self._write, pcm_format)
        self._resampler: Resampler | None = None
        self._sending = self._silence
        self._index = 0
        self._bytes_in = 0
        self._silence_frames = 0
        self._lost = False
        self._gave_up = False
        self._read_after_s = 0.0
        self._stop_s: float | None = None
        self._held_until_s = 0.0
        self._started_s = self._heard_s = time.monotonic()
        self._longest_gap_s = 0.0
        self._ended_s: float | None = None
        self._input = select.poll()
        self._input.register(fd, select.POLLIN)
        self._hangup = select.poll()
        self._hangup.register(fd, 0)

    def stop(self, drain_s: float) -> None:
        """Ends the thread as soon as the uplink ring is empty, or after drain_s. Seen within one ptime."""
        stop_s = time.monotonic() + drain_s
        self._stop_s = stop_s if self._stop_s is None else min(stop_s, self._stop_s)

    def hold(self, on: bool) -> None:
        """Nothing is begun while it holds; the frame under way is finished. For HELD_S at most."""
        self._held_until_s = time.monotonic() + HELD_S if on else 0.0

    def stats(self) -> PcmStats:
        return PcmStats(
            bytes_in=self._bytes_in,
            bytes_out=self._writer.bytes_out,
            duration_s=(self._ended_s or time.monotonic()) - self._started_s,
            downlink_dropped_frames=self._downlink.dropped_frames + self.ticks.dropped_frames,
            uplink_silence_frames=self._silence_frames,
            uplink_stalls=self._writer.stalls,
            alignment_shifts=self._downlink.alignment_shifts,
            measured_rate_hz=self._meter.rate_hz,
            stuck=self._writer.stuck,
            deaf=max(self._longest_gap_s, self._gap_s) >= DEAF_S,
            lost=self._lost,
        )

    @property
    def ailment(self) -> str | None:
        """What is wrong at this moment, for people; None while both directions carry."""
        if self._writer.stuck:
            return "The modem takes no more audio: the far end doesn't hear us."
        if self._gap_s >= DEAF_S and not self._lost:
            return "The modem gives no more audio: we don't hear the far end."
        return None

    @property
    def _gap_s(self) -> float:
        """Since the last byte of downlink."""
        return (self._ended_s or time.monotonic()) - self._heard_s

    def run(self) -> None:
        """The thread. EIO, ENODEV, a hang-up or the end of the file mean that the modem is gone."""
        _ask_for_priority()
        try:
            self._work()
        except OSError:
            self._lost = True
        except BaseException:
            self._lost = True  # an error of ours ends the call like a lost modem; threading prints it
            raise
        finally:
            self._ended_s = time.monotonic()
            self._uplink.close()
            self.ticks.close()
            close_pcm(self._fd)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for the end
                self._loop.call_soon_threadsafe(self._ended.set)

    def _work(self) -> None:
        now_s = self._started_s
        while not self._finished(now_s):
            now_s = self._wait(now_s)
            if self._writer.pending:
                self._writer.retry(now_s)
            if not self._clock.started:
                if self._downlink.staged_frames or now_s - self._started_s >= FIRST_DOWNLINK_S:
                    self._clock.start(now_s)
            elif now_s >= self._clock.wake_s:
                self._tick(now_s)

    def _finished(self, now_s: float) -> bool:
        if self._stop_s is None:
            return False
        if self._writer.torn and not self._writer.stuck and now_s < self._stop_s + TEAR_GRACE_S:
            return False
        return now_s >= self._stop_s or not (self._uplink or self._writer.pending)

    def _wait(self, now_s: float) -> float:
        """Until something is to be read or done; at most one ptime. Gives the time after it."""
        until_s = self._clock.wake_s if self._clock.started else now_s + RETRY_S
        if self._writer.pending:
            until_s = min(until_s, now_s + RETRY_S)
        resting = now_s < self._read_after_s
        if resting:
            until_s = min(until_s, self._read_after_s)
        poll = self._input if self._clock.listening and not resting else self._hangup
        events = poll.poll(max(0.0, (until_s - now_s) * 1000))
        now_s = time.monotonic()
        if events:
            if events[0][1] & ~select.POLLIN:
                raise OSError("the PCM port hung up")
            self._read(now_s)
        return now_s

    def _read(self, now_s: float) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            raise OSError("the PCM port ended")
        if len(data) * 2 < self._wire.frame_bytes:
            self._read_after_s = now_s + SMALL_READ_GAP_S
        self._bytes_in += len(data)
        self._longest_gap_s = max(self._longest_gap_s, now_s - self._heard_s)
        self._heard_s = now_s
        self._clock.heard(len(data) / self._wire.bytes_per_s, now_s)
        self._downlink.feed(data)
        if not self._meter.done:
            self._measure(len(data), now_s)

    def _measure(self, count: int, now_s: float) -> None:
        self._meter.feed(count, now_s)
        rate_hz = self._meter.rate_hz
        if rate_hz is not None and rate_hz != self._format.rate_hz:
            self._wire = PcmFormat(rate_hz, self._format.ptime_ms)
            self._downlink.set_wire(self._wire)
            self._resampler = Resampler(up=rate_hz > self._format.rate_hz)

    def _tick(self, now_s: float) -> None:
        if not self._clock.listening:
            self._read(now_s)
        uplink = self._send(now_s)
        downlink = self._downlink.take()
        tick = Tick(self._index, downlink, uplink, self._writer.gone_frames, now_s)
        self.ticks.push(tick, self._downlink.staged_frames)
        # Ticks that were left out keep their numbers: index times ptime stays the time of the call.
        self._index += 1 + self._clock.ticked(now_s)

    def _send(self, now_s: float) -> bytes:
        """This tick's frame. Gives what really went out: silence where the port took nothing."""
        if self._writer.stuck:
            self._give_up()
            return self._silence
        if self._writer.take_late():
            return self._sending
        if self._writer.pending or now_s < self._held_until_s:
            return self._silence
        frame = self._uplink.take()
        self._silence_frames += frame is None
        self._sending = frame or self._silence
        wire = self._sending if self._resampler is None else self._resampler.convert(self._sending)
        return self._sending if self._writer.send(wire, now_s, ours=frame is not None) else self._silence

    def _give_up(self) -> None:
        """Stuck: nothing more is written. The caller's frames go by at their pace, so that nobody waits for them."""
        if not self._gave_up:
            self._gave_up = True
            flush_output(self._fd)
        if self._uplink.take() is not None:
            self._writer.discard()

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0


def _ask_for_priority() -> None:
    """For this thread only. With two busy processes on two cores, frames of eight ports were 10 ms late at the 99th
    percentile without and 2 to 4 ms with it. Needs root or `LimitRTPRIO=` of the unit, and works without."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
