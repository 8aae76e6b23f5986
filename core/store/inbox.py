"""Received messages and the groups of parts that are not whole yet. Functions run in Store.write."""

from dataclasses import dataclass
from typing import Any

from core.store.group import Tx
from core.store.messages import NewMessage, insert


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What the parts of one concatenated message have in common (TS 23.040 §9.2.3.24.1)."""

    line: str
    peer: str
    reference: int
    wide: bool
    total: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One part that came. text or data, as the message has."""

    part: int
    pdu: str
    text: str | None
    data: bytes | None


def add_single(tx: Tx, row: NewMessage, pdu: str) -> None:
    """A message of one part."""
    insert(tx, row)
    add_piece(tx, row.message_id, Piece(1, pdu, None, None))


def open_group(tx: Tx, key: GroupKey, row: NewMessage, at: str) -> None:
    """The first part of a message came; it stays hidden until it is whole or its time is over."""
    insert(tx, row)
    tx.execute(
        "INSERT INTO message_groups (message_id, line, peer, reference, wide, total, told, first_at) "
        "VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
        (row.message_id, key.line, key.peer, key.reference, int(key.wide), key.total, at),
    )


def find_group(tx: Tx, key: GroupKey, part: int, since: str) -> str | None:
    """The newest message of that key, begun since then, that still lacks this part. References come round."""
    row = tx.execute(
        """SELECT g.message_id FROM message_groups g
            WHERE g.line = ? AND g.peer = ? AND g.reference = ? AND g.total = ? AND g.wide = ? AND g.first_at >= ?
            AND NOT EXISTS (SELECT 1 FROM message_parts p WHERE p.message_id = g.message_id AND p.part = ?)
            ORDER BY g.first_at DESC LIMIT 1""",
        (key.line, key.peer, key.reference, key.total, int(key.wide), since, part),
    ).fetchone()
    return None if row is None else str(row[0])


def add_piece(tx: Tx, message_id: str, piece: Piece) -> None:
    tx.execute(
        "INSERT INTO message_parts (message_id, part, pdu, text, data, state) VALUES (?, ?, ?, ?, ?, 'received')",
        (message_id, piece.part, piece.pdu, piece.text, piece.data),
    )


def pieces(tx: Tx, message_id: str) -> list[Piece]:
    rows = tx.execute(
        "SELECT part, pdu, text, data FROM message_parts WHERE message_id = ? ORDER BY part",
        (message_id,),
    )
    return [Piece(*row) for row in rows]


def group_told(tx: Tx, message_id: str) -> bool:
    row = tx.execute("SELECT told FROM message_groups WHERE message_id = ?", (message_id,)).fetchone()
    return row is not None and bool(row[0])


def set_told(tx: Tx, message_id: str) -> None:
    tx.execute("UPDATE message_groups SET told = 1 WHERE message_id = ?", (message_id,))


def close_group(tx: Tx, message_id: str) -> None:
    tx.execute("DELETE FROM message_groups WHERE message_id = ?", (message_id,))


def groups_due(tx: Tx, before: str, limit: int = 50) -> list[str]:
    """Messages whose first part came before then and which nobody was told of."""
    rows = tx.execute(
        "SELECT message_id FROM message_groups WHERE told = 0 AND first_at <= ? ORDER BY first_at LIMIT ?",
        (before, limit),
    )
    return [row[0] for row in rows]


def oldest_untold(tx: Tx) -> str | None:
    """When the first part came of the oldest group that nobody was told of."""
    return tx.execute("SELECT min(first_at) FROM message_groups WHERE told = 0").fetchone()[0]  # type: ignore[no-any-return]


def received(tx: Tx, message_id: str) -> dict[str, Any]:
    """The columns of a received message by name."""
    cursor = tx.execute("SELECT * FROM messages WHERE message_id = ?", (message_id,))
    return dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))


def replaced_by(tx: Tx, line: str, peer: str, smsc: str | None, replace_type: int) -> str | None:
    """The message that a replace type takes the place of: the newest of that type from the same party and centre."""
    row = tx.execute(
        """SELECT message_id FROM messages WHERE peer = ? AND line = ? AND direction = 'in' AND smsc IS ?
            AND details ->> '$.replace_type' = ? ORDER BY id DESC LIMIT 1""",
        (peer, line, smsc, replace_type),
    ).fetchone()
    return None if row is None else str(row[0])
