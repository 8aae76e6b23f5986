"""Steps of outgoing messages that several parts of the service take. Run inside Store.write, as the one place that
changes the state of a message."""

from core.events import SmsState
from core.message_fsm import TABLE, On, step
from core.store import messages as rows
from core.store.store import Tx


def move(tx: Tx, message_id: str, happened: On, at: str, **columns: object) -> SmsState:
    """Takes a message one step through the table, writes it and tells it. NotNow when the table has no such step."""
    after = step(rows.outgoing(tx, message_id).state, happened)
    rows.update(tx, message_id, at, state=after, **columns)
    rows.tell(tx, message_id)
    return after


def finish(tx: Tx, message_id: str, at: str) -> None:
    """The network has taken the last part."""
    message = rows.outgoing(tx, message_id)
    happened = On.TAKEN if message.state is SmsState.SENDING else On.KNOWN_SENT
    move(tx, message_id, happened, at, sent_at=at, reason=None, cms=None, network_text=None, next_try_at=None)
    message = rows.outgoing(tx, message_id)  # reports may have come while its other parts were on their way
    if rows.parts_in(tx, message_id, "failed"):
        move(tx, message_id, On.REPORT_FAILED, at, reason="report_failed")
    elif message.parts_delivered == message.parts:
        move(tx, message_id, On.REPORTED, at, delivered_at=at)


def resend(tx: Tx, message_id: str, at: str, **columns: object) -> None:
    """Back into the queue. What is unknown stays so until it is handed over again: a late answer or a report may come
    before that, and save the recipient a second copy."""
    for part in rows.parts_in(tx, message_id, "failed"):
        rows.update_part(tx, message_id, part, state="waiting", status=None)
    move(tx, message_id, On.RESEND, at, **columns)


def known_sent(tx: Tx, message_id: str, at: str, reference: int | None = None) -> None:
    """What was unknown was sent after all; further parts follow if there are any."""
    for part in rows.parts_in(tx, message_id, "unknown"):
        rows.update_part(tx, message_id, part, state="sent", reference=reference, sent_at=at)
    if rows.next_waiting(tx, message_id) is None:
        finish(tx, message_id, at)
    else:
        move(tx, message_id, On.MORE, at, reason=None)


def left_behind(tx: Tx, line: str, at: str) -> None:
    """Messages on their way on a line that the configuration no longer has: nobody will learn more about them."""
    for message in rows.open_with(tx, line, SmsState.SENDING):
        handed = rows.parts_in(tx, message.message_id, "handed")
        for part in handed:
            rows.update_part(tx, message.message_id, part, state="unknown")
        reason = "core_restarted" if handed else None
        move(tx, message.message_id, On.NO_ANSWER if handed else On.RETRY, at, reason=reason)


def take_out(tx: Tx, message_id: str, happened: On, at: str, **columns: object) -> None:
    """Out of the queue, by CANCEL or EXPIRED; a message that waits to be sent again may have been sent, and is unknown
    once more."""
    doubtful = rows.parts_in(tx, message_id, "unknown")
    move(tx, message_id, On.STILL_UNKNOWN if doubtful else happened, at, next_try_at=None, **columns)


def try_move(tx: Tx, message_id: str, happened: On, at: str, **columns: object) -> None:
    """For what may come twice, or too late to change anything."""
    if (rows.outgoing(tx, message_id).state, happened) in TABLE:
        move(tx, message_id, happened, at, **columns)
