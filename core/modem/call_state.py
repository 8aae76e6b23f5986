"""One call as the modem's table keeps it, and what the table asks of its owner."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from core.line import CallState, EndReason, LineEvent
from core.modem.lines import CallerId, Stat


class Intent(StrEnum):
    """What we ourselves did to end it, which decides the reason."""

    NONE = "none"
    HANGUP = "hangup"
    REJECT = "reject"


STATES = {
    Stat.ACTIVE: CallState.ACTIVE,
    Stat.HELD: CallState.HELD,
    Stat.DIALING: CallState.DIALING,
    Stat.ALERTING: CallState.ALERTING,
    Stat.INCOMING: CallState.INCOMING,
    Stat.WAITING: CallState.INCOMING,
}


@dataclass(slots=True)
class Entry:
    """index: the modem's id, None until a list tells it. announced: LineIncoming is out (always for our own calls).

    pending holds the facts of a call whose ATD is still under way: its handle isn't known outside yet.
    """

    handle: int
    incoming: bool
    state: CallState
    since_s: float
    announced: bool
    index: int | None = None
    caller: CallerId | None = None
    waiting: bool = False
    rings: dict[str, int] = field(default_factory=dict)
    rings_said: int = 0
    answered: bool = False
    was_held: bool = False
    active_since_s: float | None = None
    keys: dict[str, int] = field(default_factory=dict)
    keys_said: int = 0
    intent: Intent = Intent.NONE
    failure: EndReason | None = None
    missing_since_s: float | None = None
    ending_since_s: float | None = None
    duration_s: int | None = None
    pending: deque[LineEvent] | None = None

    @property
    def number(self) -> str | None:
        return self.caller.number if self.caller is not None else None

    @property
    def ringing(self) -> bool:
        return self.incoming and not self.answered

    def reason(self, network_text: str | None) -> EndReason:
        """Why it is over, from what we did, what it was, and the network's words where nothing else tells."""
        if self.intent is not Intent.NONE:
            return EndReason.REJECTED if self.ringing else EndReason.LOCAL_HANGUP
        if self.answered:
            return EndReason.REMOTE_HANGUP
        if self.incoming:
            return EndReason.MISSED
        return self.failure or _failure_in(network_text)


def _failure_in(network_text: str | None) -> EndReason:
    """Over VoLTE a busy far end often shows as NO CARRIER alone; AT+CEER then says it (TS 24.008 annex H's words)."""
    words = (network_text or "").casefold()
    if "busy" in words:
        return EndReason.BUSY
    if "no answer" in words or "no user responding" in words or "alerting, no" in words:
        return EndReason.NO_ANSWER
    return EndReason.NO_CARRIER
