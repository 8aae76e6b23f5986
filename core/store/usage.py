"""What a line has sent and dialled within a stretch of time: for the limits of the guard. All functions only read.

Times are RFC 3339 UTC as in the rows, which sort as text. since is left out of the stretch, until belongs to it.
"""

import sqlite3

_SMS = """
    SELECT created_at AS at, CASE
        WHEN state IN ('failed', 'expired', 'cancelled') THEN (
            SELECT count(*) FROM message_parts AS part WHERE part.message_id = messages.message_id
                AND (part.sent_at IS NOT NULL OR part.state NOT IN ('waiting', 'failed')))
        ELSE parts END AS used
    FROM messages WHERE line = ? AND direction = 'out' AND created_at > ? AND created_at <= ?"""
"""A message counts from the moment it is accepted, with all its parts: each is one SMS on the bill. One that has
ended without success counts with the parts that may have left."""

_CALLS = """
    SELECT started_at AS at, 1 AS used
    FROM calls WHERE line = ? AND direction = 'out' AND started_at > ? AND started_at <= ?"""

_LAST_MESSAGES = 1000
"""Enough to know a minute of sending by: networks take far fewer."""


def sms_used(connection: sqlite3.Connection, line: str, since: str, until: str) -> int:
    """SMS of messages accepted in that time. A dry run is none: it is cancelled from the start."""
    return _total(connection, _SMS, (line, since, until))


def sms_uses(connection: sqlite3.Connection, line: str, since: str, until: str) -> list[tuple[str, int]]:
    """The same one by one, oldest first: when accepted, and how many SMS."""
    return _each(connection, _SMS, (line, since, until))


def calls_used(connection: sqlite3.Connection, line: str, since: str, until: str) -> int:
    """Calls placed in that time, whatever became of them."""
    return _total(connection, _CALLS, (line, since, until))


def calls_uses(connection: sqlite3.Connection, line: str, since: str, until: str) -> list[tuple[str, int]]:
    return _each(connection, _CALLS, (line, since, until))


def sms_sent(connection: sqlite3.Connection, since: str) -> list[tuple[str, str]]:
    """(line, sent_at) of every part that the network took after `since`, oldest first, among the newest messages."""
    rows = connection.execute(
        """SELECT recent.line, part.sent_at
        FROM (SELECT message_id, line FROM messages WHERE direction = 'out' ORDER BY id DESC LIMIT ?) AS recent
        JOIN message_parts AS part USING (message_id) WHERE part.sent_at > ? ORDER BY part.sent_at""",
        (_LAST_MESSAGES, since),
    )
    return [(str(line), str(at)) for line, at in rows]


def _total(connection: sqlite3.Connection, sql: str, values: tuple[str, str, str]) -> int:
    return int(connection.execute(f"SELECT coalesce(sum(used), 0) FROM ({sql})", values).fetchone()[0])


def _each(connection: sqlite3.Connection, sql: str, values: tuple[str, str, str]) -> list[tuple[str, int]]:
    return [(str(at), int(used)) for at, used in connection.execute(f"{sql} ORDER BY at", values)]
