"""What the receptionist says and does: a table. Pure: what happened goes in, actions come out."""

from dataclasses import dataclass, replace
from enum import StrEnum


class On(StrEnum):
    """What can happen in a call. The first ten are the intents of phrases.json."""

    HOURS = "hours"
    MESSAGE = "message"
    REPEAT = "repeat"
    GOODBYE = "goodbye"
    PLACE = "place"
    PRICE = "price"
    PERSON = "person"
    HELLO = "hello"
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"  # spoken, not understood
    CONNECTED = "connected"
    TAKEN_OVER = "taken_over"  # another brain had the call, and stepped aside
    KEY_ZERO = "key_zero"
    KEY_OTHER = "key_other"
    SAVED = "saved"
    NOT_SAVED = "not_saved"


INTENTS = (
    On.HOURS,
    On.MESSAGE,
    On.REPEAT,
    On.GOODBYE,
    On.PLACE,
    On.PRICE,
    On.PERSON,
    On.HELLO,
    On.YES,
    On.NO,
)
SPOKEN = (*INTENTS, On.UNKNOWN)


class Mood(StrEnum):
    TALKING = "talking"
    OFFERED = "offered"  # asked whether the caller wants to leave a message
    TAKING = "taking"  # the next turn is the message, whatever it says
    LEAVING = "leaving"  # the farewell was said


class Say(StrEnum):
    """A text of phrases.json to say; it replaces what is still being said."""

    GREETING = "greeting"
    TAKEOVER = "takeover"
    HOURS = "hours"
    PLACE = "place"
    PRICE = "price"
    HELLO = "hello"
    LEAVE_MESSAGE = "leave_message"
    SAVED = "saved"
    NOT_SAVED = "not_saved"
    CALLBACK = "callback"
    YES = "yes"
    NO = "no"
    AGAIN = "again"
    OFFER = "offer"
    KEYS = "keys"
    GOODBYE = "goodbye"


class Do(StrEnum):
    """Everything that is not talk."""

    REPEAT = "repeat"  # say the last answer once more
    TONE = "tone"
    SAVE = "save"  # fetch and store this turn; answers with On.SAVED or On.NOT_SAVED
    TELL_OWNER = "tell_owner"  # raise the alarm that somebody wants to be called back
    HANG_UP = "hang_up"  # once all was heard


Action = Say | Do

MISSES = 3
"""So often the caller is asked to say it again before a message is offered."""


@dataclass(frozen=True, slots=True)
class Talk:
    """One call. last: the answer that REPEAT says again; misses: turns in a row that were not understood."""

    mood: Mood = Mood.TALKING
    last: Say = Say.GREETING
    misses: int = 0


_ASK_MESSAGE = (Mood.TAKING, (Say.LEAVE_MESSAGE, Do.TONE))
_ANSWERS: dict[On, tuple[Mood, tuple[Action, ...]]] = {
    On.CONNECTED: (Mood.TALKING, (Say.GREETING,)),
    On.TAKEN_OVER: (Mood.TALKING, (Say.TAKEOVER,)),
    On.HOURS: (Mood.TALKING, (Say.HOURS,)),
    On.PLACE: (Mood.TALKING, (Say.PLACE,)),
    On.PRICE: (Mood.TALKING, (Say.PRICE,)),
    On.HELLO: (Mood.TALKING, (Say.HELLO,)),
    On.YES: (Mood.TALKING, (Say.YES,)),
    On.NO: (Mood.TALKING, (Say.NO,)),
    On.REPEAT: (Mood.TALKING, (Do.REPEAT,)),
    On.MESSAGE: _ASK_MESSAGE,
    On.PERSON: (Mood.TALKING, (Do.TELL_OWNER, Say.CALLBACK)),
    On.GOODBYE: (Mood.LEAVING, (Say.GOODBYE, Do.HANG_UP)),
    On.UNKNOWN: (Mood.TALKING, (Say.AGAIN,)),
    On.KEY_ZERO: (Mood.TALKING, (Do.TELL_OWNER, Say.CALLBACK)),
    On.KEY_OTHER: (Mood.TALKING, (Say.KEYS,)),
}
TABLE: dict[tuple[Mood, On], tuple[Mood, tuple[Action, ...]]] = {
    **{(Mood.TALKING, on): answer for on, answer in _ANSWERS.items()},
    **{(Mood.OFFERED, on): answer for on, answer in _ANSWERS.items()},
    (Mood.OFFERED, On.YES): _ASK_MESSAGE,
    (Mood.OFFERED, On.UNKNOWN): _ASK_MESSAGE,  # a message needs no understanding
    (Mood.OFFERED, On.REPEAT): (Mood.OFFERED, (Say.OFFER,)),
    **{(Mood.TAKING, on): (Mood.TAKING, (Do.SAVE,)) for on in SPOKEN},
    (Mood.TAKING, On.SAVED): (Mood.TALKING, (Say.SAVED,)),
    (Mood.TAKING, On.NOT_SAVED): (Mood.TALKING, (Say.NOT_SAVED,)),
    (Mood.TAKING, On.KEY_ZERO): (Mood.TALKING, (Do.TELL_OWNER, Say.CALLBACK)),
}
"""Mood and event to the next mood and the actions, in order. What is not here changes nothing."""

_NO_ANSWER = frozenset({Say.AGAIN, Say.OFFER, Say.KEYS, Say.GOODBYE})
"""Not what a caller means by "repeat that"."""


def step(talk: Talk, on: On) -> tuple[Talk, tuple[Action, ...]]:
    """The next state of the talk and what to do now."""
    if talk.mood is Mood.TALKING and on is On.UNKNOWN and talk.misses >= MISSES:
        return replace(talk, mood=Mood.OFFERED, misses=0), (Say.OFFER,)
    mood, actions = TABLE.get((talk.mood, on), (talk.mood, ()))
    misses = talk.misses + 1 if on is On.UNKNOWN and talk.mood is Mood.TALKING else 0
    actions = tuple(talk.last if action is Do.REPEAT else action for action in actions)
    said = [action for action in actions if isinstance(action, Say) and action not in _NO_ANSWER]
    return Talk(mood, said[-1] if said else talk.last, misses), actions
