"""Satellite positioning of a line: the wish for it, and in each life of the modem the receiver that carries it out.

SIM7600 manual V3.00 and field reports: AT+CGPS=1 answers ERROR while the receiver runs; AT+CGPS=0 answers OK, +CGPS: 0
follows up to 30 s later, and until then, or for some seconds more, a new start is refused. Fixes come from the NMEA
port; where there is none, or nothing comes from it, the modem is asked for its position. While positioning is off no
port is open, no command is sent and pynmea2 is not loaded.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from core.errors import ModemBusy, ModemOffline, ModemRefused, PublicError, Unsupported
from core.line import LineEvent, LineFix
from core.log import Log
from core.modem.at import Command, Reply, Urc
from core.modem.gnss_fix import NO_FIX, FixMerger
from core.modem.nmea_port import NmeaPort
from core.modem.port import AtPort, AtTimeout
from core.modem.profile import GnssProfile

ANSWER_S = 10.0
"""How long `switch` waits for the modem's word; a start after a stop takes longer and goes on without it."""

STOP_S = 60.0
"""How long +CGPS: 0 is waited for, and a start that is refused tried again (30 s by the manual; TinyGSM waits 60)."""

START_GAP_S = 2.0
REFUSED_S = 60.0
"""After a modem has refused what nobody waits for: gnss = true, or a wish from an earlier life."""

POLL_S = 5.0
SILENT_S = 5.0
"""Nothing from the NMEA port for this long: the modem is asked, and the port tried anew."""

STALE_S = 15.0
"""A position that nothing has confirmed for this long is none any more."""

MIN_GAP_S = 0.5
"""Between two fixes told, beside the second between their own times: these may jump."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """What a life of the modem gives. nmea: path of that port, None where there is none.

    calls: whether a call is up. shared: the AT port is also the one that steers calls.
    """

    port: AtPort
    nmea: str | None
    calls: Callable[[], bool]
    shared: bool = False


@dataclass(slots=True)
class _Wait:
    """One `switch` that waits for the modem's word."""

    on: bool
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def settle(self, error: PublicError | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
            self.done.exception()  # it may have stopped waiting a moment ago, and then nobody asks for it


class Positioning:
    """Lives as long as its line; `serve` runs in a task of each life. `fix` is None while the receiver is off."""

    def __init__(self, profile: GnssProfile | None, emit: Callable[[LineEvent], None], *, on: bool = False) -> None:
        """on: from the first life on, without being asked. profile None: this family has no receiver."""
        self.fix: LineFix | None = None
        self._profile = profile
        self._emit = emit
        self._wanted = on and profile is not None
        self._waiting: list[_Wait] = []
        self._wake = asyncio.Event()
        self._log = Log("modem.gnss")
        self._merger = FixMerger()
        self._receiver: Receiver | None = None
        self._nmea: NmeaPort | None = None
        self._stopping_until_s = 0.0
        self._heard_s = 0.0
        self._told: LineFix = NO_FIX
        self._told_s = 0.0
        if on and profile is None:
            self._log.warning("gnss = true, but this family of modems has no receiver")

    async def switch(self, on: bool) -> None:
        """Answers when the modem has taken it, or after ANSWER_S while it is still tried. The wish outlives the life.
        Unsupported, ModemOffline, ModemRefused: then it stays as it was."""
        if self._profile is None:
            raise Unsupported("This modem has no satellite receiver.")
        if self._receiver is None:
            if on:
                raise ModemOffline
            self._wanted = False
            return
        before, self._wanted = self._wanted, on
        wait = _Wait(on)
        self._waiting.append(wait)
        self._wake.set()
        try:
            async with asyncio.timeout(ANSWER_S):
                await wait.done
        except TimeoutError:
            return
        except ModemRefused:
            if self._wanted is on:
                self._wanted = before
            raise
        finally:
            if wait in self._waiting:
                self._waiting.remove(wait)

    def on_urc(self, urc: Urc) -> None:
        """The receiver says that it has stopped: because we asked, or by itself, and then it is started again."""
        if self._profile is None or self._profile.stopped is None:
            return
        if urc.text.replace(" ", "") != self._profile.stopped:
            return
        self._stopping_until_s = 0.0
        self._set_off()
        self._wake.set()

    def let_go(self) -> None:
        """The voice of a call needs the NMEA port, where the two share one; it is opened again after the call."""
        if self._nmea is not None and self._profile is not None and self._profile.yields_to_calls:
            self._nmea.close()

    async def serve(self, receiver: Receiver, after: asyncio.Event) -> None:
        """One life. Ends by PortLost of the AT port only; the NMEA port may come and go. after: the line's own first
        questions; it does nothing before."""
        if self._profile is None:
            return
        self._receiver, self._stopping_until_s = receiver, 0.0
        try:
            await after.wait()
            while True:
                self._wake.clear()
                try:
                    await self._carry_out(self._profile, receiver)
                except ModemRefused as refused:
                    self._log.warning("the modem refused positioning", on=self._wanted, reason=refused.message)
                    self._settle(self._wanted, refused)
                    await self._rest(REFUSED_S)
        finally:
            self._receiver = None
            self._set_off()
            self._settle(self._wanted, ModemOffline())

    async def _carry_out(self, profile: GnssProfile, receiver: Receiver) -> None:
        """The wish as it is now, until it changes."""
        if self._wanted:
            if self.fix is not None or await self._start(profile, receiver):
                await self._listen(profile, receiver)
        else:
            if self.fix is not None or self._waiting:
                await self._stop(profile, receiver)
            self._settle(False, None)
            if not self._wake.is_set():
                await self._wake.wait()

    # --- on and off ------------------------------------------------------------------------------------------------

    async def _start(self, profile: GnssProfile, receiver: Receiver) -> bool:
        """False when it isn't wanted any more. ModemRefused."""
        if not await self._stopped():
            return False
        until_s = time.monotonic() + STOP_S
        while self._wanted:
            if receiver.shared and receiver.calls():  # its seconds would hold up the hang-up
                await self._rest(START_GAP_S)
                self._wake.clear()
                continue
            reply = await self._ask(receiver, profile.start)
            running = reply is not None and (reply.ok or await self._runs(profile, receiver))
            if running:
                self._log.info("positioning is on")
                self.fix, self._heard_s = NO_FIX, time.monotonic()
                self._merger, self._told, self._told_s = FixMerger(), NO_FIX, 0.0
                return True
            if time.monotonic() >= until_s:
                raise ModemRefused(network_text=reply.final if reply is not None else None)
            await self._rest(START_GAP_S)
            self._wake.clear()
        return False

    async def _runs(self, profile: GnssProfile, receiver: Receiver) -> bool:
        """Whether it was on already. ModemRefused when the modem doesn't even know the question."""
        reply = await self._ask(receiver, profile.state)
        if reply is not None and not reply.ok:
            raise ModemRefused("This modem has no satellite receiver, or it is switched off for good.",
                               network_text=reply.final)  # fmt: skip
        return reply is not None and any(line.startswith(profile.running) for line in reply.lines)

    async def _stopped(self) -> bool:
        """Waits for the end of an earlier stop. False when positioning isn't wanted any more."""
        while self._wanted and (left_s := self._stopping_until_s - time.monotonic()) > 0:
            await self._rest(left_s)
            self._wake.clear()
        return self._wanted

    async def _stop(self, profile: GnssProfile, receiver: Receiver) -> None:
        self._close_port()
        reply = await self._ask(receiver, profile.stop)
        if reply is None or not reply.ok:
            state = await self._ask(receiver, profile.state)
            if state is None or any(line.startswith(profile.running) for line in state.lines):
                raise ModemRefused(network_text=reply.final if reply is not None else None)
        elif profile.stopped is not None and self.fix is not None:  # else it has been heard already
            self._stopping_until_s = time.monotonic() + STOP_S
        self._log.info("positioning is off")
        self._set_off()

    # --- fixes -----------------------------------------------------------------------------------------------------

    async def _listen(self, profile: GnssProfile, receiver: Receiver) -> None:
        """Until the wish changes or the receiver stops."""
        if receiver.nmea is not None:
            self._nmea = NmeaPort(receiver.nmea, self._on_sentence)
        try:
            while self._wanted and self.fix is not None:
                self._settle(True, None)
                if self._nmea is not None and not (profile.yields_to_calls and receiver.calls()):
                    if profile.listen is not None and not self._nmea.is_open:
                        await self._ask(receiver, profile.listen)
                    if self._nmea is not None and not (profile.yields_to_calls and receiver.calls()):
                        await self._nmea.open()
                    if receiver.calls():
                        self.let_go()  # the call came while it was being opened
                silent_s = time.monotonic() - self._heard_s
                if not receiver.port.busy and (self._nmea is None or not self._nmea.is_open or silent_s >= SILENT_S):
                    await self._poll(profile, receiver)
                if time.monotonic() - self._heard_s >= STALE_S:
                    self._take(NO_FIX)
                await self._rest(POLL_S)
                self._wake.clear()
        finally:
            self._close_port()

    async def _poll(self, profile: GnssProfile, receiver: Receiver) -> None:
        reply = await self._ask(receiver, profile.position)
        for line in reply.lines if reply is not None and self.fix is not None else ():
            if (fix := profile.read_position(line)) is not None:
                self._heard_s = time.monotonic()
                self._take(fix)

    def _on_sentence(self, sentence: str) -> None:
        fix = self._merger.feed(sentence)
        if fix is not None and self.fix is not None:
            self._heard_s = time.monotonic()
            self._take(fix)

    def _take(self, fix: LineFix) -> None:
        """Tells it if it is a second later than the last one; of being without a fix only that it was lost."""
        self.fix = fix
        now_s = time.monotonic()
        if now_s - self._told_s < MIN_GAP_S:
            return
        if fix.latitude is None and self._told.latitude is None:
            return
        if fix.fixed_unix_s is not None and self._told.fixed_unix_s is not None:
            if 0 <= fix.fixed_unix_s - self._told.fixed_unix_s < 1:
                return
        elif fix.latitude is not None and now_s - self._told_s < 1:
            return
        self._told, self._told_s = fix, now_s
        self._emit(fix)

    # --- small steps -----------------------------------------------------------------------------------------------

    def _set_off(self) -> None:
        self._close_port()
        self.fix = None

    def _close_port(self) -> None:
        nmea, self._nmea = self._nmea, None
        if nmea is not None:
            nmea.close()

    def _settle(self, on: bool, error: PublicError | None) -> None:
        """Tells those who wait for this; those whose wish was overruled by a later one wait for nothing."""
        for wait in self._waiting:
            if wait.on is on:
                wait.settle(error)
            elif wait.on is not self._wanted:
                wait.settle(None)
        self._waiting = [wait for wait in self._waiting if not wait.done.done()]

    async def _rest(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return

    @staticmethod
    async def _ask(receiver: Receiver, command: Command) -> Reply | None:
        """None without an answer: positioning is never a reason to give the modem up."""
        try:
            return await receiver.port.send(command)
        except (AtTimeout, ModemBusy):
            return None
