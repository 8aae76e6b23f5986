"""Reading messages: one, pages of many, conversations, words. Functions run in Store.read, or see a Tx's own writes.

A message whose parts are still coming in is there from its first part on, and hidden here until it was told.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from core.errors import NotFound
from core.events import SmsState
from core.line import Direction
from core.store.message_words import Wanted, wanted

MAX_LISTED = 1000
"""A longer list is read in pages."""


class MessageRow(Struct, frozen=True, kw_only=True):
    """One message: the columns of its row, and what its parts say. Times are RFC 3339.

    priority: 0 goes first. parts_sent, parts_delivered: of an outgoing message. missing: numbers of the parts of an
    incoming message that have not come.
    """

    id: int
    message_id: str
    line: str
    direction: Direction
    number: str
    peer: str
    text: str | None = None
    data: bytes | None = None
    encoding: Literal["gsm7", "ucs2", "binary"]
    message_class: int | None = None
    state: SmsState
    reason: str | None = None
    network_text: str | None = None
    cms: int | None = None
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
    attempts: int = 0
    send_at: str | None = None
    expires_at: str | None = None
    next_try_at: str | None = None
    sent_at: str | None = None
    delivered_at: str | None = None
    smsc: str | None = None
    network_at: str | None = None
    incomplete: bool = False
    silent: bool = False
    replaces: str | None = None
    parts_sent: int = 0
    parts_delivered: int = 0
    missing: tuple[int, ...] = ()


class Conversation(Struct, frozen=True, kw_only=True):
    """All messages with one party, in both directions."""

    peer: str
    messages: int
    last: MessageRow


class OpenMessage(Struct, frozen=True, kw_only=True):
    """An outgoing message that is not finished."""

    message_id: str
    line: str
    peer: str
    state: SmsState


class Filter(Struct, frozen=True, kw_only=True):
    """Which messages; what is None does not matter. since <= created_at < until, RFC 3339 UTC as core.clock has it."""

    line: str | None = None
    direction: Direction | None = None
    states: Sequence[SmsState] | None = None
    peer: str | None = None
    since: str | None = None
    until: str | None = None


EVERYTHING = Filter()

_OF_PARTS = ("parts_sent", "parts_delivered", "missing")
_COLUMNS = tuple(name for name in MessageRow.__struct_fields__ if name not in _OF_PARTS)
_FLAGS = ("report", "dry_run", "incomplete", "silent")
_SELECT = f"SELECT {', '.join(f'm.{name}' for name in _COLUMNS)} FROM"
_TOLD = "NOT EXISTS (SELECT 1 FROM message_groups g WHERE g.message_id = m.message_id AND g.told = 0)"


def get_message(connection: sqlite3.Connection, message_id: str) -> MessageRow | None:
    rows = connection.execute(f"{_SELECT} messages m WHERE m.message_id = ? AND {_TOLD}", (message_id,)).fetchall()
    return _rows(connection, rows)[0] if rows else None


def list_messages(
    connection: sqlite3.Connection,
    *,
    limit: int = 50,
    only: Filter = EVERYTHING,
    before: str | None = None,
    after: str | None = None,
    oldest_first: bool = False,
) -> list[MessageRow]:
    """In the order in which they came to us, newest first unless said, at most MAX_LISTED. before, after: message_ids
    that the list begins or ends with (not included); NotFound for an unknown one, so that a page is never an end."""
    query = _Query(only)
    query.place(connection, before, after)
    sql = f"{_SELECT} messages m WHERE {query.where} ORDER BY m.id {'ASC' if oldest_first else 'DESC'} LIMIT ?"
    return _rows(connection, connection.execute(sql, [*query.values, _bound(limit)]).fetchall())


def conversation(
    connection: sqlite3.Connection, peer: str, *, limit: int = 50, before: str | None = None
) -> list[MessageRow]:
    """All messages from and to one party, newest first."""
    return list_messages(connection, limit=limit, only=Filter(peer=peer), before=before)


def conversations(connection: sqlite3.Connection, *, limit: int = 50, before: str | None = None) -> list[Conversation]:
    """Parties by their newest message, newest first. before: the message_id of a conversation's last message."""
    bound = None if before is None else _id_of(connection, before)
    found = connection.execute(
        # The index (peer, id) answers this alone; the few hidden messages are named by their ids.
        """SELECT peer, max(id) AS last, count(*) FROM messages WHERE id NOT IN
            (SELECT m.id FROM message_groups g CROSS JOIN messages m USING (message_id) WHERE g.told = 0)
            GROUP BY peer HAVING ? IS NULL OR last < ? ORDER BY last DESC LIMIT ?""",
        (bound, bound, _bound(limit)),
    ).fetchall()
    marks = ", ".join("?" * len(found))
    rows = connection.execute(
        f"{_SELECT} messages m WHERE m.id IN ({marks})", [last for _, last, _ in found]
    ).fetchall()
    by_id = {row.id: row for row in _rows(connection, rows)}
    return [Conversation(peer=peer, messages=count, last=by_id[last]) for peer, last, count in found]


def search(
    connection: sqlite3.Connection,
    query: str,
    *,
    limit: int = 50,
    only: Filter = EVERYTHING,
    before: str | None = None,
) -> list[MessageRow]:
    """Messages with all words of the query, the last of which may be a beginning; newest first. Any text is a query."""
    asked = wanted(query)
    if asked.nothing:
        return []
    # The index of words gives its rows by rowid in either direction, and begins where it is told to.
    rowid = "w.rowid" if asked.match else "m.id"
    source = "message_words w CROSS JOIN messages m ON m.id = w.rowid" if asked.match else "messages m"
    found = _Query(only, rowid)
    found.place(connection, before, None)
    found.search(asked)
    sql = f"{_SELECT} {source} WHERE {found.where} ORDER BY {rowid} DESC LIMIT ?"
    return _rows(connection, connection.execute(sql, [*found.values, _bound(limit)]).fetchall())


def open_messages(connection: sqlite3.Connection) -> list[OpenMessage]:
    """All that are queued, sending or unknown."""
    rows = connection.execute(
        # As in the index messages_open, which SQLite takes only where its condition stands in the query.
        "SELECT message_id, line, peer, state FROM messages WHERE state IN ('queued', 'sending', 'unknown')"
    )
    return [
        OpenMessage(message_id=message_id, line=line, peer=peer, state=SmsState(state))
        for message_id, line, peer, state in rows
    ]


class _Query:
    """Conditions and their values. `where` is never empty: what nobody was told of is left out."""

    def __init__(self, only: Filter, rowid: str = "m.id") -> None:
        self._rowid = rowid
        self._conditions: list[str] = []
        self.values: list[object] = []
        self._add("m.line = ?", only.line)
        self._add("m.peer = ?", only.peer)
        # One party has fewer messages than one direction; the + keeps SQLite from the larger index.
        self._add("+m.direction = ?" if only.peer is not None else "m.direction = ?", only.direction)
        self._add("m.created_at >= ?", only.since)
        self._add("m.created_at < ?", only.until)
        if only.states is not None:
            self._conditions.append(f"m.state IN ({', '.join('?' * len(only.states))})")
            self.values += only.states

    @property
    def where(self) -> str:
        return " AND ".join([*self._conditions, _TOLD])

    def place(self, connection: sqlite3.Connection, before: str | None, after: str | None) -> None:
        """Where a page begins and ends."""
        if before is not None:
            self._add(f"{self._rowid} < ?", _id_of(connection, before))
        if after is not None:
            self._add(f"{self._rowid} > ?", _id_of(connection, after))

    def search(self, asked: Wanted) -> None:
        if asked.match:
            self._add("message_words MATCH ?", asked.match)
        for text in asked.texts:
            self._add("instr(m.text, ?) > 0", text)

    def _add(self, condition: str, value: object) -> None:
        if value is not None:
            self._conditions.append(condition)
            self.values.append(value)


def _id_of(connection: sqlite3.Connection, message_id: str) -> int:
    row = connection.execute("SELECT id FROM messages WHERE message_id = ?", (message_id,)).fetchone()
    if row is None:
        raise NotFound("There is no message with the id of this page; begin again.")
    return int(row[0])


def _bound(limit: int) -> int:
    return max(0, min(limit, MAX_LISTED))


def _rows(connection: sqlite3.Connection, found: Sequence[tuple[Any, ...]]) -> list[MessageRow]:
    """Rows with what their parts say; one further query for all."""
    rows = [dict(zip(_COLUMNS, values, strict=True)) for values in found]
    states = _states_of_parts(connection, [row["message_id"] for row in rows])
    for row in rows:
        for name in _FLAGS:
            row[name] = bool(row[name])
        if row["details"] is not None:
            row["details"] = msgspec.json.decode(row["details"])
        row |= _parts(row["direction"], row["parts"], states.get(row["message_id"], {}))
    return [msgspec.convert(row, MessageRow) for row in rows]


def _states_of_parts(connection: sqlite3.Connection, message_ids: Sequence[str]) -> dict[str, dict[int, str]]:
    marks = ", ".join("?" * len(message_ids))
    found: dict[str, dict[int, str]] = defaultdict(dict)
    rows: Iterable[tuple[str, int, str]] = connection.execute(
        f"SELECT message_id, part, state FROM message_parts WHERE message_id IN ({marks})", message_ids
    )
    for message_id, part, state in rows:
        found[message_id][part] = state
    return found


def _parts(direction: str, parts: int, states: dict[int, str]) -> dict[str, Any]:
    if direction == Direction.IN:
        return {"missing": tuple(part for part in range(1, parts + 1) if part not in states) if states else ()}
    delivered = sum(state == "delivered" for state in states.values())
    sent = sum(state == "sent" for state in states.values())
    return {"parts_sent": sent + delivered, "parts_delivered": delivered}
