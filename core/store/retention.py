"""How long messages are kept. Functions run in Store.write, and each call is a short one."""

from core.clock import rfc3339, unix_s
from core.errors import NotFound, NotNow
from core.events import SmsState
from core.line import Direction
from core.store.group import Tx

PRUNE_CHUNK = 500
"""Rows dropped per write, so that other writes wait some 10 ms at most."""

IDENTITY_DAYS = 60
"""How long a delivery is known again. Service centres keep trying for days; a SIM in a drawer keeps its messages."""

YOUNG_IN_A_ROW = 1000
"""Messages are looked at in the order in which they came. After so many that are too young, older ones can only be
there because the clock was wrong; they wait for a later day."""

_IS_COMING = "EXISTS (SELECT 1 FROM message_groups g WHERE g.message_id = m.message_id AND g.told = 0)"
_ADVICE = {
    SmsState.QUEUED: "The message waits to be sent. Cancel it first.",
    SmsState.SENDING: "The message is on its way to the network.",
    SmsState.UNKNOWN: "Nobody knows whether the message was sent. Decide about it first with sms.resolve.",
}


def prune_messages(tx: Tx, keep_days: int, limit: int = PRUNE_CHUNK) -> int:
    """Drops up to `limit` messages that have been finished for keep_days (0: they are kept for ever), with their parts
    and reports; and identities of deliveries after IDENTITY_DAYS. Gives how many rows went; less than `limit`: all."""
    dropped = _drop_messages(tx, _days_ago(keep_days), limit) if keep_days else 0
    identities = tx.execute(
        "DELETE FROM message_identities WHERE identity IN "
        "(SELECT identity FROM message_identities WHERE at < ? ORDER BY at LIMIT ?)",
        (_days_ago(IDENTITY_DAYS), max(0, limit - dropped)),
    ).rowcount
    return dropped + identities


def delete_message(tx: Tx, row_id: int) -> None:
    """One message with its parts, reports and words."""
    tx.execute("DELETE FROM messages WHERE id = ?", (row_id,))


def delete_finished(tx: Tx, message_id: str, *, counted_since: str | None = None) -> None:
    """NotFound, also while its parts are coming in; NotNow for one that is not finished, or that was sent after
    counted_since: limits of the guard count the rows, and deleting must not be a way around them."""
    row = tx.execute(
        f"SELECT id, state, direction, created_at, {_IS_COMING} FROM messages m WHERE message_id = ?", (message_id,)
    ).fetchone()
    if row is None or row[4]:
        raise NotFound("There is no message with this id.")
    row_id, state, direction, created_at, _ = row
    if state in _ADVICE:
        raise NotNow(_ADVICE[state], state=state)
    if counted_since is not None and direction == Direction.OUT and created_at > counted_since:
        raise NotNow("The message still counts for the limits of [guard]. Delete it after 24 hours.")
    delete_message(tx, row_id)


def _drop_messages(tx: Tx, before: str, limit: int) -> int:
    old = _finished(tx, before, limit)
    for row_id in old:
        delete_message(tx, row_id)
    unmatched = tx.execute(
        "DELETE FROM message_reports WHERE id IN "
        "(SELECT id FROM message_reports WHERE message_id IS NULL AND at < ? ORDER BY id LIMIT ?)",
        (before, limit - len(old)),
    ).rowcount
    return len(old) + unmatched


def _finished(tx: Tx, before: str, limit: int) -> list[int]:
    """The oldest messages that nothing has happened to since then, and nothing will."""
    rows = tx.execute(
        f"SELECT id, created_at, updated_at, state IN ('queued', 'sending', 'unknown') OR {_IS_COMING} "
        "FROM messages m ORDER BY id"
    )
    found: list[int] = []
    young = 0
    for row_id, created_at, updated_at, is_open in rows:
        if len(found) >= limit or young >= YOUNG_IN_A_ROW:
            break
        if created_at >= before:
            young += 1
        elif updated_at < before and not is_open:
            found.append(row_id)
    return found


def _days_ago(days: int) -> str:
    return rfc3339(max(0.0, unix_s() - days * 86_400))
