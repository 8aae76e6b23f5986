"""Finished recordings of calls: rows and their functions. Those with `tx` run in Store.write, others in read."""

import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from core.store.group import Tx


class RecordingRow(Struct, frozen=True, kw_only=True):
    """One recording. problem: why it is shorter than it should be. removed_because: age or size, set by retention."""

    call_id: str
    part: int
    path: str | None
    format: str
    duration_s: float
    bytes: int
    problem: str | None = None
    made_at: str
    removed_at: str | None = None
    removed_because: str | None = None


_COLUMNS = RecordingRow.__struct_fields__
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM recordings"


def keep_recording(tx: Tx, row: RecordingRow) -> None:
    """Writes a row; one of the same call and part is replaced. sqlite3.IntegrityError for an unknown call."""
    marks = ", ".join("?" * len(_COLUMNS))
    tx.execute(
        f"INSERT OR REPLACE INTO recordings ({', '.join(_COLUMNS)}) VALUES ({marks})",
        [getattr(row, name) for name in _COLUMNS],
    )


def recordings_of(connection: sqlite3.Connection, call_id: str) -> list[RecordingRow]:
    """In order; [] also for an unknown call."""
    rows = connection.execute(f"{_SELECT} WHERE call_id = ? ORDER BY part", (call_id,))
    return [RecordingRow(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def known_parts(connection: sqlite3.Connection) -> set[tuple[str, int]]:
    """(call_id, part) of all rows."""
    return set(connection.execute("SELECT call_id, part FROM recordings"))


def mark_removed(tx: Tx, call_ids: Sequence[str], at: str, because: str) -> None:
    """The files of these calls are gone; the calls no longer name one."""
    for call_id in call_ids:
        tx.execute(
            "UPDATE recordings SET removed_at = ?, removed_because = ?, path = NULL WHERE call_id = ?",
            (at, because, call_id),
        )
        tx.execute("UPDATE calls SET recording = NULL WHERE call_id = ?", (call_id,))
