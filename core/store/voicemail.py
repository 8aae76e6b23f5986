"""Voicemail rows and greetings. Functions with `tx` run in Store.write, others in Store.read.

A row is 'recording' from before its first sample until it is told (with a duration from when its audio is complete);
only 'received' ones are seen outside. The audio is the file `<voicemail_id>.wav` in the service's folder.
"""

import sqlite3
from typing import Any

import msgspec
from msgspec import Struct

from core.errors import NotFound
from core.events import VoicemailReceived
from core.store.group import Tx


class VoicemailRow(Struct, frozen=True, kw_only=True):
    """One message. Times are RFC 3339 UTC; heard_at is null until somebody marked it as heard."""

    voicemail_id: str
    call_id: str
    line: str
    number: str | None = None
    withheld: bool = False
    state: str = "recording"
    language: str | None = None
    duration_s: float = 0.0
    text: str | None = None
    partial: bool = False
    created_at: str
    heard_at: str | None = None


class Greeting(Struct, frozen=True, kw_only=True):
    """What callers hear before the tone: a text to speak, or the bytes of a WAV file."""

    text: str | None = None
    audio: bytes | None = None


_COLUMNS = VoicemailRow.__struct_fields__
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM voicemails"


def insert(tx: Tx, row: VoicemailRow) -> None:
    marks = ", ".join("?" * len(_COLUMNS))
    values = [getattr(row, name) for name in _COLUMNS]
    tx.execute(f"INSERT INTO voicemails ({', '.join(_COLUMNS)}) VALUES ({marks})", values)


def complete(tx: Tx, voicemail_id: str, duration_s: float) -> None:
    """All of it is in its file; what is left to do is to make words of it and to tell it."""
    tx.execute("UPDATE voicemails SET duration_s = ? WHERE voicemail_id = ?", (duration_s, voicemail_id))


def receive(tx: Tx, voicemail_id: str, *, duration_s: float, text: str | None, partial: bool) -> bool:
    """The message is complete: row and voicemail.received together. False when it was told before, or deleted."""
    row = get(tx.connection, voicemail_id)
    if row is None or row.state != "recording":
        return False
    tx.execute(
        "UPDATE voicemails SET state = 'received', duration_s = ?, text = ?, partial = ? WHERE voicemail_id = ?",
        (duration_s, text, partial, voicemail_id),
    )
    tx.fact(
        VoicemailReceived(
            line=row.line,
            call_id=row.call_id,
            voicemail_id=voicemail_id,
            number=row.number,
            withheld=row.withheld,
            duration_s=duration_s,
            text=text,
            partial=partial,
        )
    )
    return True


def get(connection: sqlite3.Connection, voicemail_id: str) -> VoicemailRow | None:
    row = connection.execute(f"{_SELECT} WHERE voicemail_id = ?", (voicemail_id,)).fetchone()
    return None if row is None else _row(row)


def list_received(
    connection: sqlite3.Connection,
    *,
    limit: int,
    before: str | None = None,
    line: str | None = None,
    unheard: bool = False,
) -> list[VoicemailRow]:
    """Newest first. before: a voicemail_id, for the page after it."""
    rows = connection.execute(
        f"""{_SELECT} WHERE state = 'received' AND (? IS NULL OR line = ?) AND (NOT ? OR heard_at IS NULL)
            AND (? IS NULL OR id < (SELECT id FROM voicemails WHERE voicemail_id = ?)) ORDER BY id DESC LIMIT ?""",
        (line, line, unheard, before, before, limit),
    )
    return [_row(row) for row in rows]


def unheard_count(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute(
        "SELECT count(*) FROM voicemails WHERE state = 'received' AND heard_at IS NULL"
    ).fetchone()
    return int(count)


def unfinished(connection: sqlite3.Connection) -> list[VoicemailRow]:
    """At start: those that a crash cut off, oldest first."""
    return [_row(row) for row in connection.execute(f"{_SELECT} WHERE state = 'recording' ORDER BY id")]


def older_than(connection: sqlite3.Connection, before: str) -> list[str]:
    rows = connection.execute(
        "SELECT voicemail_id FROM voicemails WHERE state = 'received' AND created_at < ? ORDER BY id LIMIT 500",
        (before,),
    )
    return [voicemail_id for (voicemail_id,) in rows]


def parties(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """(voicemail_id, number, line) of all whose number is known, to them or, learnt later, to their calls."""
    return connection.execute(
        """SELECT voicemail_id, coalesce(voicemails.number, calls.number) AS party, voicemails.line FROM voicemails
            LEFT JOIN calls ON calls.call_id = voicemails.call_id WHERE party IS NOT NULL"""
    ).fetchall()


def mark_heard(tx: Tx, voicemail_id: str, heard_at: str | None) -> VoicemailRow:
    """heard_at None: as new again. NotFound."""
    changed = tx.execute(
        "UPDATE voicemails SET heard_at = ? WHERE voicemail_id = ? AND state = 'received'", (heard_at, voicemail_id)
    ).rowcount
    row = get(tx.connection, voicemail_id)
    if not changed or row is None:
        raise NotFound("There is no voicemail with this id.")
    return row


def delete(tx: Tx, voicemail_id: str) -> None:
    tx.execute("DELETE FROM voicemails WHERE voicemail_id = ?", (voicemail_id,))


def greeting(connection: sqlite3.Connection, line: str) -> Greeting | None:
    """That of the line, else that of all lines; None where neither was set."""
    row = connection.execute(
        "SELECT text, audio FROM voicemail_greetings WHERE line IN (?, '') ORDER BY line = '' LIMIT 1", (line,)
    ).fetchone()
    return None if row is None else Greeting(text=row[0], audio=row[1])


def set_greeting(tx: Tx, line: str, wanted: Greeting | None) -> None:
    """line '': of all lines. None: as configured again."""
    tx.execute("DELETE FROM voicemail_greetings WHERE line = ?", (line,))
    if wanted is not None:
        tx.execute("INSERT INTO voicemail_greetings VALUES (?, ?, ?)", (line, wanted.text, wanted.audio))


def _row(values: tuple[Any, ...]) -> VoicemailRow:
    found = dict(zip(_COLUMNS, values, strict=True))
    return msgspec.convert(found | {name: bool(found[name]) for name in ("withheld", "partial")}, VoicemailRow)
