"""Calls in time: rings, dial scripts, hang-ups, and the unsolicited lines in the order a SIM7600 sends them.

The order of lines is spec/sim7600 §2 and its golden transcripts (§8.2).
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.clock import unix_s
from core.modem.emulator.calls import Call, CallTable, Reason, Stat, hhmmss
from core.modem.emulator.reply import CmeError

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

_FAILED = {Reason.BUSY: "BUSY", Reason.NO_ANSWER: "NO ANSWER"}
"""What ends an outgoing call that was never answered; otherwise NO CARRIER."""
_CEER = {
    Reason.BUSY: "User busy",
    Reason.NO_ANSWER: "No answer from user (user alerted)",
    Reason.REJECTED: "Call rejected",
    Reason.NO_CARRIER: "No route to destination",
}
_OUTCOMES = {
    "busy": Reason.BUSY,
    "no_answer": Reason.NO_ANSWER,
    "no_carrier": Reason.NO_CARRIER,
    "reject": Reason.REJECTED,
}


class CallControl:
    """Owns the call table and one task a ringing or dialling call."""

    def __init__(self, modem: "Modem") -> None:
        self._modem = modem
        self.table = CallTable()
        self.ceer = "No cause information available"
        self._tasks: dict[Call, asyncio.Task[None]] = {}
        self._changed: set[asyncio.Event] = set()

    # --- the far side ---

    def incoming(
        self, number: str, *, withheld: bool, ring_s: float, max_rings: int | None, alpha: str = ""
    ) -> Call | None:
        """Starts ringing (or waiting, behind another call). None if the table is full."""
        call = self.table.add(outgoing=False, number=number, withheld=withheld, alpha=alpha)
        if call is not None:
            self._start(call, self._ring(call, ring_s, max_rings))
            self._tell_changed()
        return call

    def far_hangup(self, call: Call) -> None:
        """The other side ends it: missed while it rings, released when it is up."""
        if call.ringing:
            self._end(call, Reason.MISSED)
            self._tell_missed(call)
        elif call.connected_s is None:
            self._fail(call, Reason.NO_CARRIER)
        else:
            self._end(call, Reason.REMOTE_HANGUP)
            self._tell_end(call)
            self._modem.urc("NO CARRIER")

    def far_answer(self, call: Call) -> None:
        """The called party answers: BEGIN, then +CLCC 0 (spec §2.2)."""
        self._stop(call)
        self.table.connect(call, time.monotonic())
        self.tell_voice("VOICE CALL: BEGIN")
        self._line_changed()
        self.tell_clcc()

    def far_hold(self, call: Call, *, held: bool) -> None:
        call.remote_held = held
        self._modem.urc(f"+CSSU: {2 if held else 3}", lambda port: port.cssu)
        self._line_changed()

    # --- our side ---

    def dial(self, number: str) -> Call:
        """ATD: the call is placed; its lines come after the OK. Raises AtError."""
        if self.table.with_stat(Stat.DIALING, Stat.ALERTING, Stat.INCOMING, Stat.WAITING):
            raise CmeError(3)
        call = self.table.add(outgoing=True, number=number)
        if call is None:
            raise CmeError(3)
        self._line_changed()
        return call

    def dialled(self, call: Call) -> None:
        """After the OK to ATD."""
        self.tell_clcc()
        if call.reason is None:
            self._start(call, self._play_script(call))

    def answer(self) -> Call | None:
        """ATA: takes the ringing or waiting call, holding what is active. BEGIN goes out now, +CLCC is the caller's."""
        call = next(iter(self.table.with_stat(Stat.INCOMING, Stat.WAITING)), None)
        if call is not None:
            self._take(call)
        return call

    def hang_up(self) -> list[Call]:
        """AT+CHUP: ends what is up; with nothing up, rejects what rings. END lines are the caller's to order."""
        doomed = self.table.with_stat(Stat.ACTIVE, Stat.HELD, Stat.DIALING, Stat.ALERTING)
        reason = Reason.LOCAL_HANGUP
        if not doomed:
            doomed, reason = self.table.with_stat(Stat.INCOMING, Stat.WAITING), Reason.REJECTED
        for call in doomed:
            self._end_quietly(call, reason)
        return doomed

    def hang_up_one(self, call: Call, reason: Reason = Reason.LOCAL_HANGUP) -> None:
        self._end_quietly(call, reason)

    def take(self, call: Call) -> None:
        """Makes a waiting or held call the active one."""
        if call.connected_s is None:
            self._take(call)
        else:
            self.table.hold_active()
            self.table.connect(call, time.monotonic())
            self._line_changed()

    def hold(self) -> None:
        self.table.hold_active()
        self._line_changed()

    def join(self, joined: list[Call]) -> None:
        """Makes one conversation of them."""
        for call in joined:
            call.multiparty = True
            self.table.connect(call, time.monotonic())
        self._line_changed()

    def drop_all(self) -> None:
        """The stick lost its power: nobody is told but those who wait on the control socket."""
        for call in self.table.live():
            self._end_quietly(call, Reason.UNPLUGGED)

    # --- the lines ---

    def tell_clcc(self, *ended: Call) -> None:
        """+CLCC of every call, those just ended with stat 6, to the ports with AT+CLCC=1. An EC25 says +QIND."""
        kind = self._modem.personality
        for call in sorted([*self.table.live(), *ended], key=lambda call: call.index):
            self._modem.urc(kind.listed(call), lambda port: kind.wants_listed(self._modem.settings, port))

    def tell_released(self, ended: list[Call]) -> None:
        """What follows the OK to a local hang-up: +CLCC 6, and for a rejected ring NO CARRIER."""
        self.tell_clcc(*ended)
        for call in ended:
            if call.reason is Reason.REJECTED:
                self._modem.urc("NO CARRIER")
                if self._modem.options.missed_after_reject:
                    self.tell_voice(self._missed_line(call))

    def tell_voice(self, line: str) -> None:
        """VOICE CALL: and MISSED_CALL, which an EC25 doesn't have."""
        self._modem.urc(line if self._modem.personality.tells_voice else None)

    def end_line(self, call: Call) -> str:
        duration_s = call.duration_s
        return "VOICE CALL: END" if duration_s is None else f"VOICE CALL: END: {hhmmss(duration_s)}"

    # --- waiting for a state ---

    async def wait_for(self, found: Callable[[], Call | None]) -> Call:
        """The call that `found` gives, as soon as it gives one; looked at after every change."""
        event = asyncio.Event()
        self._changed.add(event)
        try:
            while (call := found()) is None:
                event.clear()
                await event.wait()
            return call
        finally:
            self._changed.discard(event)

    # --- within ---

    async def _ring(self, call: Call, ring_s: float, max_rings: int | None) -> None:
        while call.ringing and (max_rings is None or call.rings < max_rings):
            self._ring_once(call)
            await asyncio.sleep(ring_s)
        if call.ringing:
            self.far_hangup(call)

    def _ring_once(self, call: Call) -> None:
        number = "" if call.withheld else call.number
        if call.stat is Stat.INCOMING:
            self._modem.urc("RING", lambda port: not port.crc)
            self._modem.urc("+CRING: VOICE", lambda port: port.crc)
            alpha = f'"{call.alpha}"' if call.alpha else ""
            validity = int(call.withheld)
            self._modem.urc(f'+CLIP: "{number}",{call.type_of_address},,,{alpha},{validity}', lambda port: port.clip)
        elif call.rings == 0:
            self._modem.urc(f'+CCWA: "{number}",{call.type_of_address},1', lambda port: port.ccwa)
        if call.rings == 0:
            self.tell_clcc()
        call.rings += 1
        self._tell_changed()

    async def _play_script(self, call: Call) -> None:
        script = self._modem.script
        failure = _OUTCOMES.get(script.outcome)
        await asyncio.sleep(script.alert_after_s)
        if failure not in (Reason.BUSY, Reason.NO_CARRIER):
            call.stat = Stat.ALERTING
            self.tell_clcc()
            self._tell_changed()
            await asyncio.sleep(script.answer_after_s)
        if failure is not None:
            self._fail(call, failure)
            return
        self.far_answer(call)
        if script.end_after_s is not None:
            self._modem.later(script.end_after_s, lambda: self._end_if_up(call), "end")

    def _end_if_up(self, call: Call) -> None:
        if call.reason is None:
            self.far_hangup(call)

    def _take(self, call: Call) -> None:
        self._stop(call)
        self.table.hold_active()
        self.table.connect(call, time.monotonic())
        self.tell_voice("VOICE CALL: BEGIN")
        self._line_changed()

    def _fail(self, call: Call, reason: Reason) -> None:
        self.ceer = self._modem.script.ceer or _CEER[reason]
        self._end(call, reason)
        self._modem.urc(_FAILED.get(reason, "NO CARRIER"))

    def _end(self, call: Call, reason: Reason) -> None:
        self._end_quietly(call, reason)
        self.tell_clcc(call)

    def _end_quietly(self, call: Call, reason: Reason) -> None:
        self._stop(call)
        self.table.end(call, reason, time.monotonic())
        if reason in (Reason.LOCAL_HANGUP, Reason.REMOTE_HANGUP, Reason.REJECTED):
            self.ceer = "Normal call clearing" if reason is not Reason.REJECTED else "Call rejected"
        self._line_changed()

    def _tell_end(self, call: Call) -> None:
        self.tell_voice(self.end_line(call))

    def _tell_missed(self, call: Call) -> None:
        self.tell_voice(self._missed_line(call))

    def _missed_line(self, call: Call) -> str:
        at = datetime.fromtimestamp(unix_s(), UTC).strftime("%I:%M%p")
        return f"MISSED_CALL: {at}" if call.withheld else f"MISSED_CALL: {at} {call.number}"

    def _line_changed(self) -> None:
        """The speech path follows the calls: a voice goes through only while one is active and not held over there."""
        live = self.table.live()
        talking = any(call.stat is Stat.ACTIVE and not call.remote_held for call in live)
        path = any(not call.ringing for call in live)
        self._modem.pcm.set_path(open_=path, talking=talking)
        self._tell_changed()

    def _tell_changed(self) -> None:
        for event in self._changed:
            event.set()

    def _start(self, call: Call, steps: Coroutine[None, None, None]) -> None:
        self._tasks[call] = self._modem.tasks.create_task(steps, name=f"emulator.call{call.index}")

    def _stop(self, call: Call) -> None:
        task = self._tasks.pop(call, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
