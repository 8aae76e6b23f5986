"""The calls of one SIM as the network sees them. Pure: no clock, no ports; every step says what changed.

3GPP TS 22.030 §6.5.5 (CHLD), TS 27.007 §7.13, §7.18; stat 6 is SIMCom's own (spec §1.8).
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

MAX_CALLS = 7
"""TS 22.030: call numbers 1 to 7."""


class Stat(IntEnum):
    ACTIVE = 0
    HELD = 1
    DIALING = 2
    ALERTING = 3
    INCOMING = 4
    WAITING = 5
    DISCONNECT = 6


class Reason(StrEnum):
    REMOTE_HANGUP = "remote_hangup"
    LOCAL_HANGUP = "local_hangup"
    REJECTED = "rejected"
    MISSED = "missed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    NO_CARRIER = "no_carrier"
    UNPLUGGED = "unplugged"


@dataclass(slots=True, eq=False)
class Call:
    """One call. Times are CLOCK_MONOTONIC seconds; outgoing is dir 0 of +CLCC, incoming dir 1."""

    index: int
    outgoing: bool
    stat: Stat
    number: str = ""
    withheld: bool = False
    alpha: str = ""
    connected_s: float | None = None
    ended_s: float | None = None
    reason: Reason | None = None
    multiparty: bool = False
    remote_held: bool = False
    rings: int = 0

    @property
    def type_of_address(self) -> int:
        if self.withheld or not self.number:
            return 128
        return 145 if self.number.startswith("+") else 129

    @property
    def ringing(self) -> bool:
        return self.stat in (Stat.INCOMING, Stat.WAITING)

    @property
    def duration_s(self) -> int | None:
        if self.connected_s is None or self.ended_s is None:
            return None
        return int(self.ended_s - self.connected_s)

    def clcc(self) -> str:
        """The +CLCC line of this call."""
        number = "" if self.withheld else self.number
        alpha = f',"{self.alpha}"' if self.alpha else ""
        head = f"+CLCC: {self.index},{int(not self.outgoing)},{int(self.stat)},0,{int(self.multiparty)}"
        return f'{head},"{number}",{self.type_of_address}{alpha}'


def hhmmss(seconds: int) -> str:
    """The field of VOICE CALL: END, which is hours, minutes and seconds: 000352 is 232 s (spec §2.1)."""
    return f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"


@dataclass(slots=True)
class CallTable:
    """All live calls by index. Steps that end calls return them; the caller tells the ports."""

    calls: dict[int, Call] = field(default_factory=dict)
    last_ended: Call | None = None

    def live(self) -> list[Call]:
        return [self.calls[index] for index in sorted(self.calls)]

    def with_stat(self, *stats: Stat) -> list[Call]:
        return [call for call in self.live() if call.stat in stats]

    def find(self, index: int | None) -> Call | None:
        """The call of that index; without one, the one that a far end is most likely meant by: the newest."""
        if index is not None:
            return self.calls.get(index)
        return next(reversed(self.calls.values()), None)

    def add(self, *, outgoing: bool, number: str, withheld: bool = False, alpha: str = "") -> Call | None:
        """A new call, dialing or ringing; waiting if another is up. None if the network has no room."""
        index = next((i for i in range(1, MAX_CALLS + 1) if i not in self.calls), None)
        if index is None:
            return None
        if outgoing:
            stat = Stat.DIALING
            self.hold_active()
        else:
            stat = Stat.WAITING if self.calls else Stat.INCOMING
        call = Call(index, outgoing, stat, number, withheld, alpha)
        self.calls[index] = call
        return call

    def connect(self, call: Call, now_s: float) -> None:
        """Answered, by either side, or taken back from hold."""
        call.stat = Stat.ACTIVE
        if call.connected_s is None:
            call.connected_s = now_s

    def end(self, call: Call, reason: Reason, now_s: float) -> None:
        call.stat = Stat.DISCONNECT
        call.reason = reason
        call.ended_s = now_s
        self.last_ended = call
        self.calls.pop(call.index, None)
        if not self.with_stat(Stat.ACTIVE, Stat.HELD, Stat.DIALING, Stat.ALERTING):
            for waiting in self.with_stat(Stat.WAITING)[:1]:
                waiting.stat = Stat.INCOMING

    def hold_active(self) -> None:
        for call in self.with_stat(Stat.ACTIVE):
            call.stat = Stat.HELD
