"""Short messages on their way: rows of messages and their parts, in the transaction of their facts.

All functions run in Store.write, on the writer's thread. What reads for people stands in message_reads.py.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from core.errors import NotFound, RefTaken
from core.events import SmsState, SmsStatus
from core.store.group import Tx

PRIORITIES = ("high", "normal", "low")
OPEN = "state IN ('queued', 'sending', 'unknown')"
"""As in the index messages_open: SQLite uses a partial index only where its condition stands in the query."""


LATEST_REPORTS = 1000
"""Those that can have come while one part was on its way to the network."""


class NewMessage(Struct, frozen=True, kw_only=True):
    """One row of messages before it is written; columns as in migration 0003."""

    message_id: str
    line: str
    direction: str
    number: str
    peer: str
    text: str | None = None
    data: bytes | None = None
    encoding: str = "gsm7"
    message_class: int | None = None
    state: SmsState
    reason: str | None = None
    parts: int = 1
    details: dict[str, Any] | None = None
    created_at: str
    updated_at: str
    client_ref: str | None = None
    digest: str | None = None
    priority: int = 1
    report: bool = False
    on_unknown: str = "hold"
    dry_run: bool = False
    send_at: str | None = None
    expires_at: str | None = None
    next_try_at: str | None = None
    smsc: str | None = None
    network_at: str | None = None
    incomplete: bool = False
    silent: bool = False
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What the queue knows of one message. request: `details` as they were stored."""

    message_id: str
    line: str
    number: str
    peer: str
    state: SmsState
    parts: int
    parts_sent: int
    parts_delivered: int
    client_ref: str | None
    report: bool
    on_unknown: str
    attempts: int
    created_at: str
    send_at: str | None
    expires_at: str | None
    smsc: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an outgoing message. tpdu: SMS-SUBMIT without SMSC field."""

    message_id: str
    part: int
    tpdu: bytes
    state: str


_INSERT = (
    f"INSERT INTO messages ({', '.join(NewMessage.__struct_fields__)}) "
    f"VALUES ({', '.join('?' * len(NewMessage.__struct_fields__))})"
)
_SENT = """
    (SELECT count(*) FROM message_parts p WHERE p.message_id = m.message_id AND p.state IN ('sent', 'delivered')),
    (SELECT count(*) FROM message_parts p WHERE p.message_id = m.message_id AND p.state = 'delivered')"""
_OUTGOING = f"""
    SELECT message_id, line, number, peer, state, parts, {_SENT},
        client_ref, report, on_unknown, attempts, created_at, send_at, expires_at, smsc
    FROM messages m"""


def insert(tx: Tx, row: NewMessage) -> None:
    """A new message, without its parts."""
    values = [getattr(row, name) for name in row.__struct_fields__]
    tx.execute(_INSERT, [_plain(value) for value in values])


def add_parts(tx: Tx, message_id: str, tpdus: Sequence[bytes]) -> None:
    """The parts of an outgoing message, waiting to be sent."""
    for number, tpdu in enumerate(tpdus, 1):
        tx.execute(
            "INSERT INTO message_parts (message_id, part, pdu, state) VALUES (?, ?, ?, 'waiting')",
            (message_id, number, tpdu.hex().upper()),
        )


def known_ref(tx: Tx, client_ref: str, digest: str) -> str | None:
    """The message that was accepted under this client_ref; None for a new one. RefTaken when it was another one."""
    row = tx.execute("SELECT message_id, digest FROM messages WHERE client_ref = ?", (client_ref,)).fetchone()
    if row is None:
        return None
    if row[1] != digest:
        raise RefTaken()
    return str(row[0])


def outgoing(tx: Tx, message_id: str) -> Outgoing:
    """NotFound where there is no such outgoing message."""
    row = tx.execute(f"{_OUTGOING} WHERE message_id = ? AND direction = 'out'", (message_id,)).fetchone()
    if row is None:
        raise NotFound("There is no outgoing message with this id.")
    return _outgoing(row)


def update(tx: Tx, message_id: str, at: str, **columns: object) -> None:
    """Sets columns of a message, and updated_at. Column names are ours, never a client's."""
    assignments = "".join(f", {name} = ?" for name in columns)
    tx.execute(f"UPDATE messages SET updated_at = ?{assignments} WHERE message_id = ?", [
        at, *(_plain(value) for value in columns.values()), message_id,
    ])  # fmt: skip


def update_part(tx: Tx, message_id: str, part: int, **columns: object) -> None:
    assignments = ", ".join(f"{name} = ?" for name in columns)
    tx.execute(
        f"UPDATE message_parts SET {assignments} WHERE message_id = ? AND part = ?",
        [*columns.values(), message_id, part],
    )


def tell(tx: Tx, message_id: str) -> None:
    """Journals sms.status with the message as it stands now in this transaction."""
    row = tx.execute(
        f"""SELECT line, state, number, client_ref, reason, network_text, cms, parts, {_SENT}, attempts, next_try_at
        FROM messages m WHERE message_id = ?""",
        (message_id,),
    ).fetchone()
    line, state, number, ref, reason, text, cms, parts, sent, delivered, attempts, next_try_at = row
    tx.fact(
        SmsStatus(
            line=line, message_id=message_id, state=SmsState(state), number=number, client_ref=ref, reason=reason,
            network_text=text, cms=cms, parts=parts, parts_sent=sent, parts_delivered=delivered, attempts=attempts,
            next_try_at=next_try_at,
        )
    )  # fmt: skip


def asked_validity(tx: Tx, message_id: str) -> int | None:
    """The validity period that the sender asked for, seconds."""
    row = tx.execute("SELECT details ->> '$.validity_s' FROM messages WHERE message_id = ?", (message_id,)).fetchone()
    return None if row is None else row[0]


def next_waiting(tx: Tx, message_id: str) -> Part | None:
    """The first part that has yet to be handed over."""
    row = tx.execute(
        "SELECT part, pdu, state FROM message_parts WHERE message_id = ? AND state = 'waiting' ORDER BY part LIMIT 1",
        (message_id,),
    ).fetchone()
    return None if row is None else Part(message_id, row[0], bytes.fromhex(row[1]), row[2])


def parts_in(tx: Tx, message_id: str, *states: str) -> list[int]:
    marks = ", ".join("?" * len(states))
    rows = tx.execute(
        f"SELECT part FROM message_parts WHERE message_id = ? AND state IN ({marks}) ORDER BY part",
        [message_id, *states],
    )
    return [row[0] for row in rows]


def next_due(tx: Tx, line: str, at: str) -> Outgoing | None:
    """The queued message that goes next: the highest priority, then the oldest, of those whose time has come."""
    row = tx.execute(
        f"""{_OUTGOING} WHERE line = ? AND {OPEN} AND state = 'queued' AND (send_at IS NULL OR send_at <= ?)
            AND (next_try_at IS NULL OR next_try_at <= ?) AND (expires_at IS NULL OR expires_at > ?)
            ORDER BY priority, id LIMIT 1""",
        (line, at, at, at),
    ).fetchone()
    return None if row is None else _outgoing(row)


def next_time(tx: Tx, line: str, at: str) -> str | None:
    """When something of this line is to be done next: a try, or an expiry. RFC 3339, None when nothing is."""
    row = tx.execute(
        f"""SELECT min(due) FROM (
            SELECT max(coalesce(send_at, ?), coalesce(next_try_at, ?)) AS due FROM messages
                WHERE line = ? AND {OPEN} AND state = 'queued'
            UNION ALL
            SELECT expires_at FROM messages
                WHERE line = ? AND {OPEN} AND state = 'queued' AND expires_at IS NOT NULL)""",
        (at, at, line, line),
    ).fetchone()
    return None if row is None else row[0]


def due_to_expire(tx: Tx, line: str, at: str, limit: int = 100) -> list[str]:
    rows = tx.execute(
        """SELECT message_id FROM messages
            WHERE line = ? AND state = 'queued' AND expires_at IS NOT NULL AND expires_at <= ? LIMIT ?""",
        (line, at, limit),
    )
    return [row[0] for row in rows]


def back_off(tx: Tx, line: str, peer: str, until: str) -> None:
    """All queued messages to this recipient wait until then, so that each does not find out by itself."""
    tx.execute(
        f"""UPDATE messages SET next_try_at = ?, reason = coalesce(reason, 'recipient_backoff')
            WHERE line = ? AND {OPEN} AND state = 'queued' AND peer = ? AND coalesce(next_try_at, '') < ?""",
        (until, line, peer, until),
    )


def backed_off_until(tx: Tx, line: str, peer: str, at: str) -> str | None:
    """Until when messages to this recipient wait because an earlier one was refused for now."""
    row = tx.execute(
        """SELECT max(next_try_at) FROM messages
            WHERE line = ? AND state = 'queued' AND next_try_at IS NOT NULL AND peer = ? AND next_try_at > ?""",
        (line, peer, at),
    ).fetchone()
    return None if row is None else row[0]


def release(tx: Tx, line: str, peer: str) -> None:
    """The recipient takes messages again: those that waited only for it may go."""
    tx.execute(
        """UPDATE messages SET next_try_at = NULL, reason = NULL WHERE line = ? AND state = 'queued'
            AND next_try_at IS NOT NULL AND peer = ? AND reason = 'recipient_backoff'""",
        (line, peer),
    )


def open_with(tx: Tx, line: str, *states: SmsState) -> list[Outgoing]:
    """Messages of a line in these states, oldest first."""
    marks = ", ".join("?" * len(states))
    rows = tx.execute(f"{_OUTGOING} WHERE line = ? AND {OPEN} AND state IN ({marks}) ORDER BY id", [line, *states])
    return [_outgoing(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Reported:
    """A part that a report may speak of. sent_at: RFC 3339, None when nobody knows."""

    message_id: str
    part: int
    state: str
    peer: str
    sent_at: str | None


_REPORTED = """
    SELECT p.message_id, p.part, p.state, m.peer, p.sent_at FROM message_parts p JOIN messages m USING (message_id)
        WHERE m.direction = 'out' AND m.report = 1 AND m.line = ?"""


def parts_reported(tx: Tx, line: str, peer: str | None, reference: int, since: str) -> list[Reported]:
    """Parts that the network took under this reference, newest first; peer None: to whomever. References are 8 bits and
    come round (TS 23.040 §9.2.3.6)."""
    found = tx.execute(
        f"{_REPORTED} AND p.reference = ? AND p.sent_at >= ? AND (? IS NULL OR m.peer = ?) "
        "ORDER BY p.sent_at DESC LIMIT 100",
        (line, reference, since, peer, peer),
    )
    return [Reported(*row) for row in found]


def parts_in_doubt(tx: Tx, line: str, peer: str) -> list[Reported]:
    """Parts to this recipient whose answer was lost (unknown) or has yet to come (handed)."""
    found = tx.execute(
        f"{_REPORTED} AND {OPEN.replace('state', 'm.state')} AND m.peer = ? AND p.state IN ('unknown', 'handed')",
        (line, peer),
    )
    return [Reported(*row) for row in found]


def changed_at(tx: Tx, message_id: str) -> str:
    """When the message was changed last; '' when there is none of that id."""
    row = tx.execute("SELECT updated_at FROM messages WHERE message_id = ?", (message_id,)).fetchone()
    return "" if row is None else str(row[0])


def state_of_part(tx: Tx, message_id: str, part: int) -> str | None:
    row = tx.execute("SELECT state FROM message_parts WHERE message_id = ? AND part = ?", (message_id, part)).fetchone()
    return None if row is None else str(row[0])


def unmatched_reports(tx: Tx, line: str, peer: str, since: str) -> list[tuple[int, int, int, str | None]]:
    """(id, reference, status, discharged_at) of reports from this recipient that fitted nothing, oldest first; of the
    last LATEST_REPORTS alone."""
    return tx.execute(
        """SELECT id, reference, status, discharged_at FROM message_reports WHERE message_id IS NULL
            AND id > (SELECT max(id) FROM message_reports) - ? AND line = ? AND peer = ? AND at >= ? ORDER BY id""",
        (LATEST_REPORTS, line, peer, since),
    ).fetchall()


def match_report(tx: Tx, report_id: int, message_id: str, part: int) -> None:
    tx.execute("UPDATE message_reports SET message_id = ?, part = ? WHERE id = ?", (message_id, part, report_id))


def queued(tx: Tx, line: str) -> int:
    """How many messages of a line wait or are on their way."""
    row = tx.execute("SELECT count(*) FROM messages WHERE line = ? AND state = 'queued'", (line,))
    return int(row.fetchone()[0])


def lines_waited_for(tx: Tx) -> dict[str, int]:
    """How many messages of each line are not finished."""
    return dict(tx.execute(f"SELECT line, count(*) FROM messages WHERE {OPEN} GROUP BY line").fetchall())


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one line. today: the last 24 hours."""

    queued: int
    sending: int
    unknown: int
    sent_today: int
    failed_today: int


def counts(connection: sqlite3.Connection, line: str, since: str) -> Counts:
    """For sms.queue; since: RFC 3339, where `today` begins."""
    now = dict(
        connection.execute(f"SELECT state, count(*) FROM messages WHERE line = ? AND {OPEN} GROUP BY state", (line,))
    )
    day = dict(
        connection.execute(
            """SELECT state, count(*) FROM messages WHERE line = ? AND direction = 'out' AND created_at >= ?
                GROUP BY state""",
            (line, since),
        )
    )
    sent = day.get("sent", 0) + day.get("delivered", 0)
    return Counts(now.get("queued", 0), now.get("sending", 0), now.get("unknown", 0), sent, day.get("failed", 0))


def seen(tx: Tx, identity: str, line: str, at: str) -> bool:
    """Whether this line has taken this delivery before; remembers it. The network's identity does not name the
    recipient: the same words to two SIMs in the same second are two messages."""
    row = (f"{line} {identity}", line, at)
    done = tx.execute("INSERT OR IGNORE INTO message_identities VALUES (?, ?, ?)", row).rowcount
    return done == 0


def add_report(tx: Tx, columns: dict[str, object]) -> None:
    names = ", ".join(columns)
    tx.execute(
        f"INSERT INTO message_reports ({names}) VALUES ({', '.join('?' * len(columns))})", list(columns.values())
    )


def _outgoing(row: Iterable[Any]) -> Outgoing:
    values = list(row)
    values[4] = SmsState(values[4])
    values[9] = bool(values[9])
    return Outgoing(*values)


def _plain(value: object) -> object:
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value
