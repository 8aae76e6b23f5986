"""The network's side of sending: takes what the modem submits or refuses it, and reports on it later.

What it does can be changed while it runs (`sms.network`): every way in which a real network leaves a sender in doubt.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from core.clock import unix_s
from core.modem.emulator import tpdu
from core.modem.emulator.tpdu import Tpdu

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

SENT_KEPT = 20_000
"""The newest; about 1 kB each."""
_TEMPORARY = 0x20
"""TP-ST: congestion, the service centre still tries (TS 23.040 §9.2.3.15)."""


class ReportMode(StrEnum):
    DELIVERED = "delivered"
    TEMPORARY = "temporary"  # first a temporary failure, then delivered
    FAILED = "failed"
    NONE = "none"


_STATUS = {ReportMode.DELIVERED: 0x00, ReportMode.TEMPORARY: 0x00, ReportMode.FAILED: 0x41}
"""0x41: the recipient rejected it ("incompatible destination")."""


@dataclass(slots=True)
class Doubt:
    """Something that goes wrong with messages, `times` of them (None: all) or only those to one number."""

    times: int | None = 1
    to: str | None = None

    def strikes(self, party: str) -> bool:
        """Whether this message is meant; then it counts."""
        if self.times == 0 or (self.to is not None and self.to.removeprefix("+") != party.removeprefix("+")):
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(slots=True)
class Refusal(Doubt):
    cms: int = 38
    """A cause below 256 is the network's own (TS 24.011 §8.2.5.4); 38 is "network out of order"."""


@dataclass(slots=True)
class LostAnswer(Doubt):
    sent: bool = True
    """The message went out all the same."""


@dataclass(slots=True)
class LateAnswer(Doubt):
    late_s: float = 1.0


@dataclass(slots=True)
class Script:
    """What the network does with messages from now on. Seconds."""

    delay_s: float = 0.0
    prompt_s: float = 0.0
    refusals: list[Refusal] = field(default_factory=list)
    lost: LostAnswer | None = None
    late: LateAnswer | None = None
    no_prompt: Doubt | None = None
    report: ReportMode = ReportMode.DELIVERED
    report_delay_s: float = 0.2
    report_status: int | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that the network took. raw: as it was typed; pdu: with SMSC field; at_s: time.monotonic()."""

    raw: str
    pdu: str
    reference: int
    party: str
    at_s: float
    report: bool


class SmsNetwork:
    """One per emulator; survives resets, as networks do."""

    def __init__(self, modem: "Modem") -> None:
        self._modem = modem
        self.script = Script()
        self.sent: deque[Sent] = deque(maxlen=SENT_KEPT)
        self.total = 0
        self._next_reference = 0

    def refusal(self, party: str) -> Refusal | None:
        return next((refusal for refusal in self.script.refusals if refusal.strikes(party)), None)

    def take(self, raw: str, pdu: str, submit: Tpdu) -> int:
        """The message is sent: its message reference, 0 to 255, and a report later if it asked for one."""
        reference = self._next_reference
        self._next_reference = (reference + 1) % 256
        self.sent.append(Sent(raw, pdu, reference, submit.party, time.monotonic(), submit.report_wanted))
        self.total += 1
        if submit.report_wanted:
            self._report_on(reference, submit)
        return reference

    def report(self, reference: int, party: bytes, status: int, sent_unix_s: float | None = None) -> None:
        """A status report arrives, now. party: address octets."""
        now = datetime.fromtimestamp(unix_s(), UTC)
        sent = now if sent_unix_s is None else datetime.fromtimestamp(sent_unix_s, UTC)
        octets = tpdu.write_report(reference, party, sent, now, status)
        self._modem.arrivals.offer(tpdu.with_smsc(octets, self._modem.smsc))

    def _report_on(self, reference: int, submit: Tpdu) -> None:
        script = self.script
        if script.report is ReportMode.NONE:
            return
        party, sent_s = tpdu.write_address(submit.party), unix_s()
        status = _STATUS[script.report] if script.report_status is None else script.report_status

        def tell(status: int) -> Callable[[], None]:
            return lambda: self.report(reference, party, status, sent_s)

        delay_s = script.report_delay_s
        if script.report is ReportMode.TEMPORARY:
            self._modem.later(delay_s, tell(_TEMPORARY), "sms_report")
            delay_s *= 2
        self._modem.later(delay_s, tell(status), "sms_report")
