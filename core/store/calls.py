"""Calls and what was said in them: rows and their functions. Those with `tx` run in Store.write, others in read."""

import sqlite3
from typing import Any, Literal, get_type_hints

import msgspec
from msgspec import Struct

from core.errors import NotFound
from core.line import CallState, Direction, EndReason
from core.store.group import Tx

MAX_LISTED = 1000
"""A longer list is read in pages, with `before`."""


class CallRow(Struct, frozen=True, kw_only=True):
    """One call. Times are RFC 3339 UTC; number is null while unknown or when withheld."""

    call_id: str
    line: str
    direction: Direction
    number: str | None = None
    withheld: bool = False
    state: CallState
    rings: int = 0
    started_at: str
    connected_at: str | None = None
    ended_at: str | None = None
    duration_s: float | None = None
    reason: EndReason | None = None
    network_text: str | None = None
    recording: str | None = None
    audio: dict[str, Any] | None = None


class TurnRow(Struct, frozen=True, kw_only=True):
    """One thing said. ordinal counts what was said in a call by anyone; turn is the caller's turn or our utterance.

    at_ms: start, ms since the call was connected. heard_text: what the caller was given of our text.
    """

    call_id: str
    ordinal: int
    turn: int
    role: Literal["caller", "bot"]
    text: str | None = None
    heard_text: str | None = None
    understood: bool | None = None
    confidence: float | None = None
    engine: str | None = None
    language: str | None = None
    at_ms: int = 0
    duration_ms: int | None = None
    latency_ms: int | None = None


_CALL_COLUMNS = CallRow.__struct_fields__
_CALL_TYPES = get_type_hints(CallRow)
_TURN_COLUMNS = TurnRow.__struct_fields__
_SELECT_CALL = f"SELECT {', '.join(_CALL_COLUMNS)} FROM calls"


def insert_call(tx: Tx, row: CallRow) -> None:
    """A new call; sqlite3.IntegrityError when the call_id is there already."""
    tx.execute(_insert("calls", _CALL_COLUMNS), _values(row))


def update_call(tx: Tx, call_id: str, **columns: object) -> None:
    """Sets columns of a call. NotFound; ValueError for a name or a type that CallRow doesn't have."""
    if not columns:
        return
    for name, value in columns.items():
        if name not in _CALL_TYPES:
            raise ValueError(f"calls has no column {name!r}")
        try:
            msgspec.convert(value, _CALL_TYPES[name])
        except msgspec.ValidationError as problem:
            raise ValueError(f"calls.{name}: {problem}") from None
    assignments = ", ".join(f"{name} = ?" for name in columns)
    values = [_plain(value) for value in columns.values()]
    if tx.execute(f"UPDATE calls SET {assignments} WHERE call_id = ?", [*values, call_id]).rowcount == 0:
        raise NotFound("There is no such call.")


def add_turn(tx: Tx, row: TurnRow) -> None:
    """sqlite3.IntegrityError when the call is unknown or the ordinal taken."""
    tx.execute(_insert("turns", _TURN_COLUMNS), _values(row))


def get_call(connection: sqlite3.Connection, call_id: str) -> CallRow | None:
    row = connection.execute(f"{_SELECT_CALL} WHERE call_id = ?", (call_id,)).fetchone()
    return None if row is None else _call(row)


def turns(connection: sqlite3.Connection, call_id: str) -> list[TurnRow]:
    """What was said in a call, in order; [] also for an unknown call."""
    rows = connection.execute(
        f"SELECT {', '.join(_TURN_COLUMNS)} FROM turns WHERE call_id = ? ORDER BY ordinal", (call_id,)
    )
    return [_turn(row) for row in rows]


def list_calls(
    connection: sqlite3.Connection,
    *,
    limit: int = 50,
    before: str | None = None,
    line: str | None = None,
    direction: Direction | None = None,
) -> list[CallRow]:
    """Newest first, at most MAX_LISTED. before: a call_id, for the page after it; an unknown one gives []."""
    conditions: dict[str, str | None] = {
        "id < (SELECT id FROM calls WHERE call_id = ?)": before,
        "line = ?": line,
        "direction = ?": direction,
    }
    wanted = {sql: value for sql, value in conditions.items() if value is not None}
    where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
    rows = connection.execute(
        f"{_SELECT_CALL}{where} ORDER BY id DESC LIMIT ?", [*wanted.values(), max(0, min(limit, MAX_LISTED))]
    )
    return [_call(row) for row in rows]


def open_calls(connection: sqlite3.Connection) -> list[CallRow]:
    """Calls without an end, oldest first: at start, those that a crash cut off."""
    return [_call(row) for row in connection.execute(f"{_SELECT_CALL} WHERE ended_at IS NULL ORDER BY id")]


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _values(row: Struct) -> list[object]:
    return [_plain(getattr(row, name)) for name in row.__struct_fields__]


def _plain(value: object) -> object:
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value


def _call(values: tuple[Any, ...]) -> CallRow:
    row = dict(zip(_CALL_COLUMNS, values, strict=True))
    row["withheld"] = bool(row["withheld"])
    if row["audio"] is not None:
        row["audio"] = msgspec.json.decode(row["audio"])
    return msgspec.convert(row, CallRow)


def _turn(values: tuple[Any, ...]) -> TurnRow:
    row = dict(zip(_TURN_COLUMNS, values, strict=True))
    if row["understood"] is not None:
        row["understood"] = bool(row["understood"])
    return msgspec.convert(row, TurnRow)
