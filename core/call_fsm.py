"""One call from ring to release, as a table. PROTOCOL.md draws it; nothing else decides a state.

A line reports what happened (`On`); the table gives the new state and what has to be done (`Do`). A missing key is
not an error of the line: modems repeat themselves (END and NO CARRIER for one release), so `step` answers None and
nothing happens. What clients may wish for in which state stands in WISHES.
"""

from enum import StrEnum

from core.errors import NotNow
from core.line import CallState


class On(StrEnum):
    """What a line can report of a call."""

    INCOMING = "incoming"
    DIALED = "dialed"
    ALERTING = "alerting"
    CONNECTED = "connected"
    HELD = "held"
    RELEASED = "released"


class Do(StrEnum):
    """What the service does on a transition."""

    ANNOUNCE = "announce"  # call.incoming or call.ringing
    TELL_ALERTING = "tell_alerting"
    TELL_CONNECTED = "tell_connected"
    OPEN_AUDIO = "open_audio"
    SUSPEND_AUDIO = "suspend_audio"
    RESUME_AUDIO = "resume_audio"
    TELL_MISSED = "tell_missed"  # where nobody rejected it
    FINISH = "finish"  # close audio, report, call.ended


class Wish(StrEnum):
    """What clients ask of a call."""

    ACCEPT = "accept"
    REJECT = "reject"
    HANGUP = "hangup"
    HOLD = "hold"
    RESUME_HELD = "resume_held"
    SPEAK = "speak"
    DTMF = "dtmf"


_S = CallState

TRANSITIONS: dict[tuple[CallState | None, On], tuple[CallState, tuple[Do, ...]]] = {
    (None, On.INCOMING): (_S.INCOMING, (Do.ANNOUNCE,)),
    (None, On.DIALED): (_S.DIALING, (Do.ANNOUNCE,)),
    (_S.INCOMING, On.CONNECTED): (_S.ACTIVE, (Do.TELL_CONNECTED, Do.OPEN_AUDIO)),
    (_S.INCOMING, On.RELEASED): (_S.ENDED, (Do.TELL_MISSED, Do.FINISH)),
    (_S.DIALING, On.ALERTING): (_S.ALERTING, (Do.TELL_ALERTING,)),
    (_S.DIALING, On.CONNECTED): (_S.ACTIVE, (Do.TELL_CONNECTED, Do.OPEN_AUDIO)),
    (_S.DIALING, On.RELEASED): (_S.ENDED, (Do.FINISH,)),
    (_S.ALERTING, On.CONNECTED): (_S.ACTIVE, (Do.TELL_CONNECTED, Do.OPEN_AUDIO)),
    (_S.ALERTING, On.RELEASED): (_S.ENDED, (Do.FINISH,)),
    (_S.ACTIVE, On.HELD): (_S.HELD, (Do.SUSPEND_AUDIO,)),
    (_S.ACTIVE, On.RELEASED): (_S.ENDED, (Do.FINISH,)),
    (_S.HELD, On.CONNECTED): (_S.ACTIVE, (Do.RESUME_AUDIO,)),
    (_S.HELD, On.RELEASED): (_S.ENDED, (Do.FINISH,)),
}

WISHES: dict[Wish, frozenset[CallState]] = {
    Wish.ACCEPT: frozenset({_S.INCOMING}),
    Wish.REJECT: frozenset({_S.INCOMING}),
    Wish.HANGUP: frozenset({_S.INCOMING, _S.DIALING, _S.ALERTING, _S.ACTIVE, _S.HELD}),
    Wish.HOLD: frozenset({_S.ACTIVE}),
    Wish.RESUME_HELD: frozenset({_S.HELD}),
    Wish.SPEAK: frozenset({_S.ACTIVE}),
    Wish.DTMF: frozenset({_S.ACTIVE}),
}


def step(state: CallState | None, event: On) -> tuple[CallState, tuple[Do, ...]] | None:
    """The transition, or None where the event says nothing new in this state."""
    return TRANSITIONS.get((state, event))


def check(wish: Wish, state: CallState) -> None:
    """NotNow, naming both, where a client wants what the state doesn't allow."""
    if state not in WISHES[wish]:
        fitting = " or ".join(sorted(WISHES[wish]))
        raise NotNow(f"The call is {state}; {wish} needs one that is {fitting}.", state=state.value)
