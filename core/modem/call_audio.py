"""The voice of a call on the PCM port: opening that is verified, closing in the order that keeps the modem healthy.

The commands are the family's (AudioProfile). OK to AT+CPCMREG=1 means nothing on a SIM7600; only AT+CPCMREG? reading 1
does. Writing before that wedges the endpoint until the module restarts. Reference of the modem, §§3.3, 3.5, 3.6.
"""

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from core.audio import PcmFormat
from core.errors import AudioFailed, NotNow
from core.line import AudioPort, AudioReport, AudioVerdict, CallState
from core.log import Log
from core.modem.at import Command, Reply
from core.modem.call_table import CallTable
from core.modem.port import AtTimeout, PortLost
from core.modem.profile import AudioProfile

RETRY_S = 0.6
BUSY_S = 2.0
"""How long the reader of NMEA has to let go of a port that both share; it closes within milliseconds."""

BUSY_GAP_S = 0.05
CLOSE_TRIES = 3
DRAIN_MS = 100
MEASURABLE_S = 1.0
"""A shorter call says nothing about which direction carried."""

CARRIES = 0.5
"""Share of the nominal bytes below which a direction counts as dead."""


class PcmStats(Protocol):
    """What the PCM port counted from start to stop."""

    @property
    def bytes_in(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def downlink_dropped_frames(self) -> int: ...
    @property
    def uplink_silence_frames(self) -> int: ...
    @property
    def uplink_stalls(self) -> int: ...
    @property
    def alignment_shifts(self) -> int: ...
    @property
    def measured_rate_hz(self) -> int | None: ...
    @property
    def stuck(self) -> bool: ...
    @property
    def deaf(self) -> bool: ...


class VoicePort(AudioPort, Protocol):
    """The PCM tty. open raises OSError; nothing is written before start."""

    def open(self) -> None: ...
    def flush_input(self) -> None: ...
    def start(self) -> None: ...
    def hold(self, on: bool) -> None: ...
    async def stop(self, drain_ms: int = DRAIN_MS) -> PcmStats: ...


PcmFactory = Callable[[str, PcmFormat], VoicePort]


@dataclass(slots=True)
class _Opening:
    """One call's audio from the wish to the report. open_ms: from active to carrying."""

    handle: int
    attempts: int = 0
    port: VoicePort | None = None
    open_ms: int | None = None


class CallAudio:
    """Audio of the calls of one life of the modem; one call at a time, as there is one PCM stream.

    reports outlives this: a call whose modem went still has its report.
    """

    def __init__(
        self,
        ask: Callable[[Command], Awaitable[Reply]],
        table: CallTable,
        new_port: Callable[[], VoicePort],
        pcm_format: PcmFormat,
        profile: AudioProfile,
        *,
        window_s: float,
        delay_s: float,
        reports: dict[int, AudioReport],
    ) -> None:
        self._ask = ask
        self._table = table
        self._new_port = new_port
        self._format = pcm_format
        self._profile = profile
        self._window_s = window_s
        self._delay_s = delay_s
        self._reports = reports
        self._current: _Opening | None = None
        self._known_closed = False
        self._lock = asyncio.Lock()
        self._log = Log("modem.audio")

    async def open(self, handle: int) -> AudioPort:
        """NotNow unless the call is active; AudioFailed, with `attempts`, when the window or the call is over."""
        async with self._lock:
            if self._current is not None:
                if self._current.handle == handle and self._current.port is not None:
                    return self._current.port
                raise NotNow("The audio still belongs to another call. Close that one's first.")
            entry = self._table.find(handle)
            if entry is None or entry.active_since_s is None or entry.state is not CallState.ACTIVE:
                raise NotNow
            opening = _Opening(handle)
            try:
                await self._open(opening, entry.active_since_s)
            except BaseException as problem:
                await self._abort(opening)
                if isinstance(problem, AudioFailed):
                    self._log.warning("no audio", attempts=opening.attempts, reason=problem.message)
                raise
            assert opening.port is not None
            self._current = opening
            self._log.info("audio open", attempts=opening.attempts, open_ms=opening.open_ms)
            return opening.port

    async def close(self, handle: int) -> AudioReport | None:
        """Closes and reports; None when the audio of this call was never asked for."""
        async with self._lock:
            opening = self._current
            if opening is not None and opening.handle == handle:
                self._current = None
                await self._stop(opening, DRAIN_MS)
                await self._close_endpoint()
        return self._reports.pop(handle, None)

    def on_urc(self, line: str) -> None:
        """Flow control, where the family has it."""
        wanted = self._profile.flow(line) if self._profile.flow is not None else None
        if wanted is not None and self._current is not None and self._current.port is not None:
            self._current.port.hold(not wanted)

    async def lose(self) -> None:
        """The modem went. What was open is closed without a word to it."""
        async with self._lock:  # an opening under way fails with its port
            opening, self._current = self._current, None
            if opening is not None:
                await self._stop(opening, 0)

    async def _open(self, opening: _Opening, active_since_s: float) -> None:
        deadline_s = time.monotonic() + self._window_s
        first_s = max(active_since_s + self._delay_s, await self._reset_endpoint())
        for command in self._profile.prepare:
            await self._try(command)
        try:
            opening.port = port = await self._take_port()
            await asyncio.sleep(max(0.0, first_s - time.monotonic()))
            await self._register(opening, port, deadline_s)
        except OSError as problem:
            text = f"The modem's audio port can't be used: {problem.strerror}."
            raise AudioFailed(text, attempts=opening.attempts) from None
        port.start()
        opening.open_ms = round((time.monotonic() - active_since_s) * 1000)

    async def _take_port(self) -> VoicePort:
        """OSError. Asking for the port makes the reader of NMEA let go, so each try asks anew."""
        until_s = time.monotonic() + BUSY_S
        while True:
            port = self._new_port()
            try:
                port.open()
            except OSError as problem:
                busy = problem.errno in (errno.EBUSY, errno.EWOULDBLOCK)
                if not busy or not self._profile.shares_port or time.monotonic() >= until_s:
                    raise
            else:
                return port
            await asyncio.sleep(BUSY_GAP_S)

    async def _register(self, opening: _Opening, port: VoicePort, deadline_s: float) -> None:
        """Tries until the modem says that the port carries the call. OSError when the tty goes."""
        while True:
            if self._table.find(opening.handle) is None:
                raise AudioFailed("The call ended before its audio came up.", attempts=opening.attempts)
            if opening.attempts and time.monotonic() >= deadline_s:
                raise AudioFailed(attempts=opening.attempts)
            opening.attempts += 1
            port.flush_input()  # before =1: afterwards it could cut a sample in half
            if await self._try_once():
                return
            await asyncio.sleep(RETRY_S)

    async def _reset_endpoint(self) -> float:
        """A clean start unless the endpoint is known to be closed. Gives the earliest time of the first try."""
        if self._known_closed and await self._reads() is False:
            return time.monotonic()
        await self._try(self._profile.close)
        return time.monotonic() + self._profile.settle_s

    async def _try_once(self) -> bool:
        self._known_closed = False
        reply = await self._try(self._profile.open)
        return reply is not None and reply.ok and await self._reads() is True

    async def _reads(self) -> bool | None:
        reply = await self._try(self._profile.read_state)
        if reply is None:
            return None
        return next((state for line in reply.lines if (state := self._profile.state(line)) is not None), None)

    async def _try(self, command: Command) -> Reply | None:
        """A modem that doesn't answer in time has failed this try only."""
        try:
            return await self._ask(command)
        except AtTimeout:
            return None

    async def _close_endpoint(self) -> None:
        """=0 until it reads 0. Even then the next call begins with =0: this firmware is good for one open at a time."""
        self._known_closed = False
        try:
            for _ in range(CLOSE_TRIES):
                await self._try(self._profile.close)
                if await self._reads() is False:
                    return
        except PortLost:
            return
        self._log.warning("the audio port doesn't close")

    async def _abort(self, opening: _Opening) -> None:
        """Nothing was started. What was asked for and never came up is reported as failed."""
        if opening.port is not None:
            await opening.port.stop(0)
        if opening.attempts:
            await self._close_endpoint()
        self._keep(
            opening.handle,
            AudioReport(
                attempts=opening.attempts,
                open_ms=None,
                rate_hz=self._format.rate_hz,
                measured_rate_hz=None,
                bytes_in=0,
                bytes_out=0,
                in_bytes_per_s=0,
                out_bytes_per_s=0,
                downlink_dropped_frames=0,
                uplink_silence_frames=0,
                uplink_stalls=0,
                alignment_shifts=0,
                verdict=AudioVerdict.FAILED,
            ),
        )

    async def _stop(self, opening: _Opening, drain_ms: int) -> None:
        assert opening.port is not None
        stats = await opening.port.stop(drain_ms)
        held = self._table.was_held(opening.handle)
        report = report_of(stats, self._format, attempts=opening.attempts, open_ms=opening.open_ms, held=held)
        self._log.info("audio closed", verdict=report.verdict, stalls=report.uplink_stalls, attempts=report.attempts)
        self._keep(opening.handle, report)

    def _keep(self, handle: int, report: AudioReport) -> None:
        """Bounded: reports that nobody fetched go after eight more calls."""
        self._reports[handle] = report
        while len(self._reports) > 8:
            self._reports.pop(next(iter(self._reports)))


def report_of(
    stats: PcmStats, pcm_format: PcmFormat, *, attempts: int, open_ms: int | None, held: bool = False
) -> AudioReport:
    """The report of audio that came up. The number of attempts is the best sign of how healthy the endpoint is.

    held: the call was on hold for a while, in which silence on the port is no sign.
    """
    length_s = max(stats.duration_s, 0.001)
    in_per_s, out_per_s = round(stats.bytes_in / length_s), round(stats.bytes_out / length_s)
    return AudioReport(
        attempts=attempts,
        open_ms=open_ms,
        rate_hz=pcm_format.rate_hz,
        measured_rate_hz=stats.measured_rate_hz,
        bytes_in=stats.bytes_in,
        bytes_out=stats.bytes_out,
        in_bytes_per_s=in_per_s,
        out_bytes_per_s=out_per_s,
        downlink_dropped_frames=stats.downlink_dropped_frames,
        uplink_silence_frames=stats.uplink_silence_frames,
        uplink_stalls=stats.uplink_stalls,
        alignment_shifts=stats.alignment_shifts,
        verdict=_verdict(stats, pcm_format, attempts, (in_per_s, out_per_s), held=held),
    )


def _verdict(
    stats: PcmStats, pcm_format: PcmFormat, attempts: int, per_s: tuple[int, int], *, held: bool
) -> AudioVerdict:
    dead = stats.duration_s >= MEASURABLE_S and min(per_s) < pcm_format.bytes_per_s * CARRIES
    if stats.stuck or ((dead or stats.deaf) and not held):
        return AudioVerdict.ONE_WAY
    rate = stats.measured_rate_hz
    off_rate = rate is not None and abs(rate - pcm_format.rate_hz) > pcm_format.rate_hz // 10
    if attempts > 1 or stats.uplink_stalls or stats.alignment_shifts or off_rate:
        return AudioVerdict.SUSPECT
    return AudioVerdict.HEALTHY
