"""The journal in SQL: facts by number, and how far each named consumer has come. Runs on the store's threads."""

import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from core.clock import rfc3339
from core.errors import LimitExceeded
from core.events import EVENTS, Event, EventSpec, parameters, spec_of
from core.log import Log

MAX_CONSUMERS = 1000
"""A client that makes up a new name at every start would fill the table; it is told instead."""

log = Log("store")


@dataclass(frozen=True, slots=True)
class StoredFact:
    """One committed fact. params are plain JSON values, at is RFC 3339."""

    seq: int
    topic: str
    at: str
    params: dict[str, Any]
    spec: EventSpec


@dataclass(frozen=True, slots=True)
class Expired:
    """Facts that were dropped though this consumer had not acknowledged them; both ends included."""

    consumer: str
    from_seq: int
    to_seq: int


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What prune() dropped: how many facts, the oldest that is left, and who has missed what."""

    dropped: int
    oldest_seq: int
    expired: tuple[Expired, ...] = ()


def append(connection: sqlite3.Connection, happened: Event) -> StoredFact:
    """Writes one fact within the caller's transaction. ValueError for a moment: those are live only."""
    spec = spec_of(happened)
    if not spec.fact:
        raise ValueError(f"{spec.topic} is a moment; publish it with bus.moment")
    at, params = rfc3339(), parameters(happened)
    cursor = connection.execute(
        "INSERT INTO journal (topic, at, params) VALUES (?, ?, ?)",
        (spec.topic, at, msgspec.json.encode(params).decode()),
    )
    seq = cursor.lastrowid
    if seq is None:
        raise sqlite3.InternalError("an INSERT gave no rowid")
    return StoredFact(seq, spec.topic, at, params, spec)


def head_seq(connection: sqlite3.Connection) -> int:
    """The highest seq ever given, 0 for none; rows may have expired since."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'journal'").fetchone()
    return int(row[0]) if row else 0


_OF_MODEMS = "topic IN ('modem.state', 'modem.lost', 'modem.recovery')"
"""As in the index journal_of_modems of migration 0003."""


def modem_history(connection: sqlite3.Connection, line: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest facts about modems, newest first: {seq, topic, at, **params}. line None: of all lines."""
    rows = connection.execute(
        f"""SELECT seq, topic, at, params FROM journal WHERE {_OF_MODEMS}
            AND (? IS NULL OR params ->> '$.line' = ?) ORDER BY seq DESC LIMIT ?""",
        (line, line, limit),
    )
    return [{"seq": seq, "topic": topic, "at": at} | msgspec.json.decode(params) for seq, topic, at, params in rows]


def oldest_seq(connection: sqlite3.Connection) -> int:
    """The oldest fact that is kept; where none is, the one that comes next."""
    (oldest,) = connection.execute("SELECT min(seq) FROM journal").fetchone()
    return head_seq(connection) + 1 if oldest is None else int(oldest)


def facts(connection: sqlite3.Connection, since: int, until: int, limit: int) -> list[StoredFact]:
    """Up to `limit` facts with since < seq <= until, in order. Topics that this version doesn't know are skipped
    and not counted, so that fewer than `limit` means the end was reached."""
    found: list[StoredFact] = []
    rows = connection.execute(
        "SELECT seq, topic, at, params FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq", (since, until)
    )
    for seq, topic, at, params in rows:
        if len(found) >= limit:
            break
        spec = EVENTS.get(topic)
        if spec is None:
            continue
        try:
            found.append(StoredFact(seq, topic, at, msgspec.json.decode(params, type=dict[str, Any]), spec))
        except msgspec.DecodeError:
            log.error("fact in the journal can't be read; skipped", seq=seq, topic=topic)
    return found


def place_of(connection: sqlite3.Connection, consumer: str) -> int | None:
    """How far a consumer has acknowledged; None when the name is unknown."""
    row = connection.execute("SELECT seq FROM consumers WHERE name = ?", (consumer,)).fetchone()
    return None if row is None else int(row[0])


def acknowledge(connection: sqlite3.Connection, consumer: str, seq: int) -> None:
    """Cumulative and never backward; makes the consumer known. LimitExceeded when there are too many names."""
    place = place_of(connection, consumer)
    if place is not None and place >= seq:
        return
    if place is None:
        (known,) = connection.execute("SELECT count(*) FROM consumers").fetchone()
        if known >= MAX_CONSUMERS:
            raise LimitExceeded(
                "There are too many consumer names. Use one fixed name per client.", limit=MAX_CONSUMERS
            )
    connection.execute(
        "INSERT INTO consumers (name, seq, acked_at) VALUES (?1, ?2, ?3) "
        "ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, acked_at = excluded.acked_at",
        (consumer, seq, rfc3339()),
    )


def last_to_expire(connection: sqlite3.Connection, keep_since: str, keep_events: int) -> int:
    """The seq up to which facts are to go: those before the first fact at or after `keep_since`, and those beyond
    the newest `keep_events`. 0 when none."""
    head = head_seq(connection)
    row = connection.execute("SELECT seq FROM journal WHERE at >= ? ORDER BY seq LIMIT 1", (keep_since,)).fetchone()
    too_old = int(row[0]) - 1 if row else head
    return max(too_old, head - keep_events, 0)


def expire(connection: sqlite3.Connection, to_seq: int) -> tuple[int, list[Expired]]:
    """Drops facts up to to_seq; gives how many, and which consumers had not acknowledged some of them."""
    first = oldest_seq(connection)
    behind = connection.execute("SELECT name, seq FROM consumers WHERE seq < ? ORDER BY name", (to_seq,)).fetchall()
    dropped = connection.execute("DELETE FROM journal WHERE seq <= ?", (to_seq,)).rowcount
    return dropped, [Expired(name, max(seq + 1, first), to_seq) for name, seq in behind]
