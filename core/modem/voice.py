"""Calls of one life of the modem: URCs into the table, polls while a call exists, and what we do to calls.

All AT words about calls are here; the table decides what they mean. Rules from the reference of the modem, §§1.8, 2.
"""

import asyncio
import re
import time

from core.errors import InvalidParams, LineBusy, ModemBusy, ModemRefused, NotDialable, NotNow
from core.line import CallState, EndReason
from core.log import Log
from core.modem import lines
from core.modem.at import Command, Kind, Reply, Urc
from core.modem.call_state import Entry, Intent
from core.modem.call_table import EMPTY_GAP_S, CallTable
from core.modem.lines_error import error_of
from core.modem.lines_quectel import ccinfo, qtonedet
from core.modem.port import AtPort, AtTimeout

POLL_S = 1.0
"""Between two AT+CLCC while a call exists. None when idle: URCs start a call."""

CAUSE_S = 1.0
"""How long an end waits for AT+CEER before it is told without the network's words."""

HANGUP_TRIES = 3
VERIFY_S = 2.0
VERIFY_GAP_S = 0.3
"""After each hang-up command the list is read until the call is gone, then the command goes out again."""

LIST = Command("AT+CLCC")
CAUSE = Command("AT+CEER")
HANG_UP = Command("AT+CHUP", 15.0)
ANSWER = Command("ATA", 15.0, Kind.CALL)
OTHER_CALL = Command("AT+CHLD=2", 15.0)
JOIN = Command("AT+CHLD=3", 15.0)
"""TS 22.030 §6.5.5: adds the held call to the conversation; multiparty is a service that the network may not offer."""
REFUSE_WAITING = Command("AT+CHLD=0", 15.0)
DIAL_TIMEOUT_S = 15.0
BOTH_TIED_UP_S, TIED_UP_GAP_S = 3.0, 0.02
"""What asks the network is mostly answered within a second; behind a dial a hang-up could wait for all of its 15 s."""
KEY_TIMEOUT_S = 5.5
"""OK may come only after the tone: 5 s and 0.5 s a digit."""

_NUMBER = re.compile(r"\+?[0-9]{1,20}|[0-9*#]{1,6}")
_SERVICE_CODE = re.compile(r"[*#].*#")
"""*21*…# and its like set up forwarding and barring (TS 22.030); they are never dialled."""


class VoiceControl:
    """`drive` and the pumps run in the life's tasks; the rest is called by the line. Raises PortLost and AtTimeout."""

    def __init__(self, voice: AtPort, other: AtPort, table: CallTable) -> None:
        self._voice = voice
        self._other = other
        self._table = table
        self._log = Log("modem.voice")
        self._control = asyncio.Lock()  # dialling, answering, holding: one after the other; hang-up doesn't wait
        self._keys = asyncio.Lock()
        self._wake = asyncio.Event()
        self._listed_at_s = float("-inf")

    # --- from the modem --------------------------------------------------------------------------------------------

    def on_urc(self, port: str, urc: Urc) -> None:
        """One URC of either port."""
        line, now_s, table = urc.text, time.monotonic(), self._table
        if (listed := lines.clcc(line) or ccinfo(line)) is not None:
            table.on_listed(listed, now_s)
        elif line == "RING" or line.startswith("+CRING:"):
            table.on_ring(port, now_s)
        elif (caller := lines.clip(line)) is not None:
            table.on_caller(caller, now_s)
        elif (caller := lines.ccwa(line)) is not None:
            table.on_caller(caller, now_s, waiting=True)
        elif (key := lines.rxdtmf(line) or qtonedet(line)) is not None:
            table.on_key(port, key)
        else:
            self._on_hint(port, line, now_s)
        self._wake.set()

    def _on_hint(self, port: str, line: str, now_s: float) -> None:
        table = self._table
        if lines.voice_call_began(line):
            table.wants_list = True
        elif (end := lines.voice_call_end(line)) is not None:
            table.on_end(port, end, now_s)
        elif (missed := lines.missed_call(line)) is not None:
            table.on_missed(port, missed, now_s)
        elif line in ("NO CARRIER", "NO DIALTONE", "NO DIAL TONE", "REMOTE CALL END"):
            table.on_no_carrier(port, now_s)
        elif line in ("BUSY", "NO ANSWER"):
            table.on_failure(port, EndReason.BUSY if line == "BUSY" else EndReason.NO_ANSWER, now_s)

    async def drive(self) -> None:
        """Keeps the table true. Ends by PortLost."""
        while True:
            self._table.tick(time.monotonic())
            await self._finish_ended()
            if self._list_due_s() <= time.monotonic():
                await self._read_list()
            if self._table.strangers(time.monotonic()):
                self._log.warning("hanging up a call that nobody steers")
                await self._ask(HANG_UP)
                await self._read_list()
            await self._sleep()

    async def begin(self) -> None:
        """First look, before the line is ready. Calls up already belong to an earlier life: nobody steers them."""
        if await self._read_list() is False:
            self._log.warning("hanging up calls of an earlier life")
            await self._ask(HANG_UP)
            await self._read_list()

    def _list_due_s(self) -> float:
        if self._table.wants_list:
            return float("-inf")
        if not self._table.needs_poll():
            return float("inf")
        doubtful = any(entry.missing_since_s is not None for entry in self._table.live())
        return self._listed_at_s + (EMPTY_GAP_S + 0.05 if doubtful else POLL_S)

    async def _sleep(self) -> None:
        if self._table.ending():
            return
        deadline_s = self._table.deadline_s()
        until_s = min(self._list_due_s(), float("inf") if deadline_s is None else deadline_s)
        wait_s = None if until_s == float("inf") else max(0.0, until_s - time.monotonic())
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _finish_ended(self) -> None:
        for entry in self._table.ending():
            text = await self._cause()
            self._table.finish(entry.handle, text, time.monotonic())

    async def _cause(self) -> str | None:
        """The network's words about the last end, if they come in time."""
        try:
            async with asyncio.timeout(CAUSE_S):
                reply = await self._free_port().send(CAUSE)
        except (TimeoutError, AtTimeout, ModemBusy):
            return None
        return next((text for line in reply.lines if (text := lines.ceer(line)) is not None), None)

    async def _read_list(self, *, urgent: bool = False) -> bool | None:
        """AT+CLCC into the table: False when it has a call that isn't ours, None when it couldn't be read."""
        self._table.wants_list = False
        try:
            port = await self._first_free_port() if urgent else self._free_port()
            reply = await port.send(LIST, urgent=urgent)
        except (AtTimeout, ModemBusy):
            return None
        finally:
            self._listed_at_s = time.monotonic()
        if not reply.ok:
            return None
        calls = [call for line in reply.lines if (call := lines.clcc(line)) is not None]
        known = self._table.on_list(calls, time.monotonic())
        self._wake.set()
        return known

    # --- to the modem ----------------------------------------------------------------------------------------------

    async def dial(self, number: str, *, hide_number: bool) -> int:
        """The handle, once ATD was taken. NotDialable, LineBusy, ModemRefused.

        No fact of the call is given out before this returns.
        """
        if not _NUMBER.fullmatch(number) or _SERVICE_CODE.fullmatch(number):
            raise NotDialable
        async with self._control:
            await self._guard_against_stacking()
            handle = self._table.dialling(number, time.monotonic())
            command = Command(f"ATD{number}{'I' if hide_number else ''};", DIAL_TIMEOUT_S, Kind.CALL)
            try:
                reply = await self._voice.send(command)
                if not reply.ok:
                    raise await self._refusal(reply)
            except BaseException:
                self._table.forget(handle)  # should it come up after all, it is a stranger and hung up
                raise
            self._table.dialled(handle)
            self._wake.set()
            return handle

    async def answer(self, handle: int) -> None:
        async with self._control:
            entry = self._entry(handle)
            if not entry.ringing:
                raise NotNow
            reply = await self._voice.send(OTHER_CALL if self._others(entry) else ANSWER)
            if not reply.ok:
                await self._read_list()
                if self._table.find(handle) is None:
                    raise NotNow("The caller has hung up.")
                raise await self._refusal(reply)
            await self._read_list()

    async def hang_up(self, handle: int, intent: Intent) -> None:
        """Ends a call by the command that ends it alone, and sees that it is gone. No error when it is gone already."""
        for attempt in range(HANGUP_TRIES):
            entry = self._table.find(handle)
            if entry is not None and entry.index is None:
                await self._read_list(urgent=True)
                entry = self._table.find(handle)
            if entry is None:
                return
            if intent is Intent.REJECT and not entry.ringing:
                raise NotNow
            self._table.intend(handle, intent)
            reply = await self._urgently(self._ending_command(entry))
            if await self._gone(handle):
                return
            self._log.warning("the call is still there", attempt=attempt + 1, ok=reply.ok)
        self._table.intend(handle, Intent.NONE)
        raise ModemRefused("The modem doesn't end this call. Unplug it if it must end.")

    async def hold(self, handle: int) -> None:
        async with self._control:
            entry = self._entry(handle)
            if entry.state is not CallState.ACTIVE or self._others(entry):
                raise NotNow  # with another call there AT+CHLD=2 would take that one: swap or answer say so
            await self._other_call()

    async def resume_held(self, handle: int) -> None:
        async with self._control:
            entry = self._entry(handle)
            if entry.state is not CallState.HELD or self._others(entry):
                raise NotNow
            await self._other_call()

    async def swap(self) -> None:
        async with self._control:
            self._need_active_and_held()
            await self._other_call()

    async def join(self) -> None:
        async with self._control:
            self._need_active_and_held()
            reply = await self._voice.send(JOIN)
            if not reply.ok:
                raise await self._refusal(reply)
            await self._read_list()

    async def send_keys(self, handle: int, digits: str) -> None:
        """One by one, so that a hang-up comes in between."""
        if not re.fullmatch(r"[0-9*#A-Da-d]{1,64}", digits):
            raise InvalidParams("digits: 1 to 64 of 0-9, *, # and A-D.", path="digits")
        async with self._keys:
            for digit in digits.upper():
                if self._entry(handle).state is not CallState.ACTIVE:
                    raise NotNow
                reply = await self._voice.send(Command(f"AT+VTS={digit}", KEY_TIMEOUT_S))
                if not reply.ok:
                    raise await self._refusal(reply)

    async def ask(self, command: Command) -> Reply:
        """One exchange for the audio of a call."""
        return await self._free_port().send(command)

    # --- inside ----------------------------------------------------------------------------------------------------

    async def _guard_against_stacking(self) -> None:
        """The modem's own list must be free of calls but a held one; what isn't ours is hung up first."""
        if await self._read_list() is False:
            await self._ask(HANG_UP)
            if await self._read_list() is False:
                raise LineBusy("The modem has a call that it doesn't end. Unplug it if this stays.")
        if any(entry.state is not CallState.HELD for entry in self._table.live()) or len(self._table.live()) > 1:
            raise LineBusy

    async def _gone(self, handle: int) -> bool:
        until_s = time.monotonic() + VERIFY_S
        while True:
            await self._read_list(urgent=True)
            if self._table.find(handle) is None:
                return True
            if time.monotonic() >= until_s:
                return False
            await asyncio.sleep(VERIFY_GAP_S)

    def _ending_command(self, entry: Entry) -> Command:
        """AT+CHUP ends every call, so with a second one there it takes AT+CHLD."""
        if not self._others(entry) or entry.index is None:
            return HANG_UP
        if entry.ringing:
            return REFUSE_WAITING
        return Command(f"AT+CHLD=1{entry.index}", 15.0)

    def _need_active_and_held(self) -> None:
        if sorted(entry.state for entry in self._table.live()) != [CallState.ACTIVE, CallState.HELD]:
            raise NotNow

    async def _other_call(self) -> None:
        reply = await self._voice.send(OTHER_CALL)
        if not reply.ok:
            raise await self._refusal(reply)
        await self._read_list()

    async def _urgently(self, command: Command) -> Reply:
        """Before all others; on the other port when this one is busy or silent."""
        port = await self._first_free_port()
        try:
            return await port.send(command, urgent=True)
        except AtTimeout:
            return await (self._other if port is self._voice else self._voice).send(command, urgent=True)

    async def _ask(self, command: Command) -> Reply | None:
        try:
            return await self._urgently(command)
        except (AtTimeout, ModemBusy):
            return None

    async def _refusal(self, reply: Reply) -> ModemRefused:
        """With the network's words when it has some, else the modem's."""
        error = error_of(reply.final)
        text = await self._cause() if error is not None and error.kind in ("call", "plain") else None
        return ModemRefused(network_text=text or (error.text if error is not None else None))

    def _free_port(self) -> AtPort:
        """The voice port, or the other one while the voice port is in an exchange (ATD must be left alone)."""
        voice, other = self._voice, self._other
        if voice.tied_up != other.tied_up:
            return other if voice.tied_up else voice
        return other if voice.busy and not other.busy else voice

    async def _first_free_port(self) -> AtPort:
        """The free port; while both are in an exchange that may take long, the one that is through first."""
        until_s = time.monotonic() + BOTH_TIED_UP_S
        while self._voice.tied_up and self._other.tied_up and time.monotonic() < until_s:
            if self._voice is self._other:
                break
            await asyncio.sleep(TIED_UP_GAP_S)
        return self._free_port()

    def _entry(self, handle: int) -> Entry:
        entry = self._table.find(handle)
        if entry is None:
            raise NotNow("The call is over.")
        return entry

    def _others(self, entry: Entry) -> list[Entry]:
        return [other for other in self._table.live() if other is not entry]
