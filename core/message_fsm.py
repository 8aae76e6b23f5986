"""The life of an outgoing short message as a table. Pure; docs/messages.md draws it, and a test keeps the two alike.

The states are those of TS 23.040's two confirmations (the network took it: +CMGS; the recipient has it: a status
report) with two of our own: `unknown`, because a modem can keep its answer to itself, and `cancelled`.
"""

from enum import StrEnum

from core.errors import NotNow
from core.events import SmsState


class On(StrEnum):
    """What happens to a message."""

    PICKED = "picked"  # its next part is about to be handed to the modem
    PART_TAKEN = "part_taken"  # the network took a part, another one follows
    TAKEN = "taken"  # the network took its last part
    REFUSED = "refused"  # for good
    RETRY = "retry"  # refused for now
    NO_ANSWER = "no_answer"  # handed over, and the answer is lost
    STILL_UNKNOWN = "still_unknown"  # taken out of the queue, in which it waited to be sent again
    REPORTED = "reported"  # the recipient has every part
    REPORT_FAILED = "report_failed"  # the service centre gave up on a part
    EXPIRED = "expired"  # its time ran out before the network took it
    CANCEL = "cancel"
    RESEND = "resend"  # somebody decided, beforehand or now
    KNOWN_SENT = "known_sent"  # somebody, or a late answer, says that the network took what was unknown
    MORE = "more"  # the same, and further parts have yet to be sent
    KNOWN_FAILED = "known_failed"


S = SmsState

TABLE: dict[tuple[SmsState, On], SmsState] = {
    (S.QUEUED, On.PICKED): S.SENDING,
    (S.QUEUED, On.EXPIRED): S.EXPIRED,
    (S.QUEUED, On.CANCEL): S.CANCELLED,
    # Of a message that waits to be sent again because nobody knows whether it was sent:
    (S.QUEUED, On.KNOWN_SENT): S.SENT,
    (S.QUEUED, On.MORE): S.QUEUED,
    (S.QUEUED, On.REPORT_FAILED): S.FAILED,
    (S.QUEUED, On.KNOWN_FAILED): S.FAILED,
    (S.QUEUED, On.STILL_UNKNOWN): S.UNKNOWN,
    (S.SENDING, On.PART_TAKEN): S.SENDING,
    (S.SENDING, On.TAKEN): S.SENT,
    (S.SENDING, On.REFUSED): S.FAILED,
    (S.SENDING, On.RETRY): S.QUEUED,
    (S.SENDING, On.NO_ANSWER): S.UNKNOWN,
    (S.UNKNOWN, On.RESEND): S.QUEUED,
    (S.UNKNOWN, On.KNOWN_SENT): S.SENT,
    (S.UNKNOWN, On.MORE): S.QUEUED,
    (S.UNKNOWN, On.KNOWN_FAILED): S.FAILED,
    (S.UNKNOWN, On.REPORTED): S.DELIVERED,
    (S.UNKNOWN, On.REPORT_FAILED): S.FAILED,
    (S.SENT, On.REPORTED): S.DELIVERED,
    (S.SENT, On.REPORT_FAILED): S.FAILED,
    (S.FAILED, On.RESEND): S.QUEUED,
    # A service centre that gave up and delivers after all has been seen; the truth wins.
    (S.FAILED, On.REPORTED): S.DELIVERED,
}

FINAL = frozenset({S.DELIVERED, S.FAILED, S.EXPIRED, S.CANCELLED})
"""Nothing more happens to these by itself. `sent` is final for messages without a report."""


def step(state: SmsState, happened: On) -> SmsState:
    """The state after it. NotNow where the table has no such step."""
    after = TABLE.get((state, happened))
    if after is None:
        raise NotNow(f"The message is {state}; that can't be done or undone now.", state=str(state))
    return after
