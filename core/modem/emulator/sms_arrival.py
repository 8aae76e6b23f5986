"""Messages that arrive: which memory or which port takes them, and what the network holds back until one does.

TS 27.005 §3.4 (CNMI, CNMA), TS 23.038 §4 (classes), spec/sim7600 §4.1, §4.2, §4.6.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import LimitExceeded
from core.modem.emulator import sms_text, tpdu
from core.modem.emulator.at_port import AtPort, PortSettings
from core.modem.emulator.sms_store import Message

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

HELD_MAX = 20_000
"""What the network holds for us; beyond, a control request is refused."""
_DIRECT_GAP_S = 0.001
"""Between two lines handed over directly, so that a host can read them: a pty keeps no endless backlog."""
_TYPE_0 = 0x40


@dataclass(frozen=True, slots=True)
class Handed:
    """taken: the network is rid of it. index: the slot, None when it went to a port or to nobody."""

    taken: bool
    index: int | None = None
    direct: bool = False


class Arrivals:
    """One per emulator. Messages that find no room, no network or an unanswered acknowledgement wait in order."""

    def __init__(self, modem: "Modem") -> None:
        self._modem = modem
        self.waiting: deque[str] = deque()
        self.unacknowledged: str | None = None
        self.dropped = 0
        """Taken from the network and shown to nobody: reports with ds=0, type 0 by option, refused with CNMA=2."""
        self.redeliver_s = 0.0
        self.ack_s = 10.0
        self._ack_timer: asyncio.TimerHandle | None = None
        self._pausing = False
        """The next of those that wait follows in a moment: a new one must not come before it."""

    def offer(self, pdu: str) -> int | None:
        """A message comes in, or waits if it can't. The slot it got, if any."""
        if self._reachable() and not self._pausing:
            handed = self._hand_over(pdu)
            if handed.taken:
                return handed.index
        if len(self.waiting) >= HELD_MAX:
            raise LimitExceeded("The network holds too many messages already.")
        self.waiting.append(pdu)
        return None

    def pump(self) -> None:
        """Brings what waits, as far as it is taken."""
        self._pausing = False
        while self.waiting and self._reachable():
            handed = self._hand_over(self.waiting[0])
            if not handed.taken:
                return
            self.waiting.popleft()
            if handed.direct and self.waiting:
                self._pausing = True
                self._modem.loop.call_later(_DIRECT_GAP_S, self.pump)
                return

    def room_made(self) -> None:
        """Something was deleted: the network comes again, at once or after redeliver_s."""
        if not self.waiting:
            return
        if self.redeliver_s:
            self._modem.loop.call_later(self.redeliver_s, self.pump)
        else:
            self.pump()

    def acknowledge(self, *, good: bool) -> bool:
        """AT+CNMA. False when nothing waits for it."""
        if self.unacknowledged is None:
            return False
        self._settle()
        self.dropped += not good
        return True

    def power_off(self) -> None:
        if self.unacknowledged is not None:
            self.waiting.appendleft(self.unacknowledged)
            self._settle()

    def _settle(self) -> None:
        self.unacknowledged = None
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None

    def _reachable(self) -> bool:
        return self._modem.ports.plugged and self._modem.registration == 1 and self.unacknowledged is None

    def _hand_over(self, pdu: str) -> Handed:
        if tpdu.is_report(pdu):
            return self._report(pdu)
        try:
            message = tpdu.read_deliver(tpdu.tpdu_of(pdu))
        except ValueError:  # a test wants to see what the host does with it
            return self._ordinary(pdu, None)
        if message.pid == _TYPE_0 and self._modem.options.drop_type_0:
            self.dropped += 1
            return Handed(taken=True)
        return self._ordinary(pdu, tpdu.class_of(message.dcs))

    def _ordinary(self, pdu: str, message_class: int | None) -> Handed:
        """By <mt> and class (TS 27.005 table 3.4-2); class 0 isn't stored, as many stacks have it (spec §4.2)."""
        if message_class == 0 and self._anyone(lambda port: port.cnmi[1] != 0):
            return self._direct(pdu, sms_text.direct_message(self._modem, pdu), lambda port: port.cnmi[1] != 0)
        if message_class == 2:
            return self._store(pdu, "SM", "+CMTI", lambda port: port.cnmi[1] != 0)
        wanted = (2, 3) if message_class == 3 else (2,)
        if self._anyone(lambda port: port.cnmi[1] in wanted):
            return self._direct(pdu, sms_text.direct_message(self._modem, pdu), lambda port: port.cnmi[1] in wanted)
        return self._store(pdu, self._modem.sms.receive, "+CMTI", lambda port: port.cnmi[1] in (1, 3))

    def _report(self, pdu: str) -> Handed:
        """By <ds>: nobody wants it, +CDS, or stored and +CDSI."""
        if self._anyone(lambda port: port.cnmi[3] == 1):
            return self._direct(pdu, sms_text.direct_report(self._modem, pdu), lambda port: port.cnmi[3] == 1)
        if self._anyone(lambda port: port.cnmi[3] == 2):
            memory = "SR" if self._modem.options.reports_in_sr else self._modem.sms.receive
            return self._store(pdu, memory, "+CDSI", lambda port: port.cnmi[3] == 2)
        self.dropped += 1
        return Handed(taken=True)

    def _store(self, pdu: str, memory: str, urc: str, want: Callable[[PortSettings], bool]) -> Handed:
        store = self._modem.sms
        index = store.add(memory, Message(pdu))
        if index is None:
            if memory not in store.told_full:
                store.told_full.add(memory)
                self._modem.urc(self._modem.personality.sms_full(self._modem.settings, memory))
            return Handed(taken=False)
        self._modem.urc(f'{urc}: "{memory}",{index}', lambda port: port.cnmi[0] != 0 and want(port))
        return Handed(taken=True, index=index)

    def _direct(self, pdu: str, line: str, want: Callable[[PortSettings], bool]) -> Handed:
        """With CSMS=1 the network waits for AT+CNMA before it brings the next."""
        if self._modem.settings["+CSMS"] == "1":
            self.unacknowledged = pdu
            self._ack_timer = self._modem.loop.call_later(self.ack_s, self._no_ack)
        self._modem.urc(line, lambda port: port.cnmi[0] != 0 and want(port))
        return Handed(taken=True, direct=True)

    def _no_ack(self) -> None:
        """TS 27.005 §3.4.4: the modem stops handing over, mt and ds become 0. The network brings the message again."""
        for port in self._modem.at.values():
            mode, _mt, bm, _ds, bfr = port.settings.cnmi
            port.settings.cnmi = (mode, 0, bm, 0, bfr)
        self.power_off()
        self.pump()

    def _anyone(self, want: Callable[[PortSettings], bool]) -> bool:
        ports: list[AtPort] = self._modem.audible()
        return any(port.settings.cnmi[0] != 0 and want(port.settings) for port in ports)
