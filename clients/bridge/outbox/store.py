"""The outbox on disk: bridge.db, SQLite. Synchronous; one thread of the bridge uses it, and the command beside it.

What comes in is written with synchronous=FULL, since the daemon is told to forget it afterwards. That something was
delivered is written without waiting for the disk: what a loss of power takes of that is told twice, with the same key.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import dialtone
from clients.bridge.outbox.rows import Draft, Row, State, key

BUSY_S = 10.0
VERSION = 1
TAKEN_KEPT = 5000
"""Facts are acknowledged every 64 at the latest; none older than so many comes again."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    event TEXT NOT NULL,
    seq INTEGER,
    at TEXT,
    body BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'dead')),
    tries INTEGER NOT NULL DEFAULT 0,
    refusals INTEGER NOT NULL DEFAULT 0,
    waited_s REAL NOT NULL DEFAULT 0,
    disposable INTEGER NOT NULL DEFAULT 0,
    problem TEXT,
    tried_at TEXT,
    added_at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS rows_in_order ON rows (state, queue, id);
CREATE INDEX IF NOT EXISTS rows_dead ON rows (state, id);
CREATE INDEX IF NOT EXISTS rows_disposable ON rows (id) WHERE disposable;
CREATE TABLE IF NOT EXISTS totals (one INTEGER PRIMARY KEY CHECK (one = 1), rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO totals VALUES (1, 0, 0);
CREATE TRIGGER IF NOT EXISTS row_came AFTER INSERT ON rows BEGIN
    UPDATE totals SET rows = rows + 1, bytes = bytes + length(new.body); END;
CREATE TRIGGER IF NOT EXISTS row_went AFTER DELETE ON rows BEGIN
    UPDATE totals SET rows = rows - 1, bytes = bytes - length(old.body); END;
CREATE TABLE IF NOT EXISTS taken (seq INTEGER PRIMARY KEY, at TEXT) STRICT;   -- facts that are rows here already
CREATE TABLE IF NOT EXISTS counts (                                            -- delivered, dead, dropped …, for ever
    queue TEXT NOT NULL, what TEXT NOT NULL, count INTEGER NOT NULL, last_at TEXT NOT NULL,
    PRIMARY KEY (queue, what)) STRICT;
CREATE TABLE IF NOT EXISTS told (text_hash TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT;  -- notifications of late
CREATE TABLE IF NOT EXISTS paced (at TEXT NOT NULL) STRICT;                   -- when the owner was told something
CREATE TABLE IF NOT EXISTS held (                                             -- what the owner will be told in a digest
    id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER, at TEXT, notice TEXT NOT NULL, added_at TEXT NOT NULL) STRICT;
"""
COLUMNS = (
    "id, queue, key, event, seq, at, body, state, tries, refusals, waited_s, disposable, problem, tried_at, added_at"
)

NAMES = COLUMNS.split(", ")


class OtherVersion(OSError):
    """The file is of a newer bridge."""


class Store:
    """sqlite3.Error where the disk refuses; then nothing of that step has happened."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        if create:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # -wal and -shm get its mode. A file that is there must not be opened here: closing it again would take
            # SQLite's locks on it from this process (sqlite.org/howtocorrupt.html §2.2).
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self.path = path
        self._full = self._open("FULL")
        self._normal = self._open("NORMAL")

    def _open(self, synchronous: str) -> sqlite3.Connection:
        # autocommit, so that transactions are where `_write` says; made here, used by the bridge's one thread for it
        db = sqlite3.connect(
            f"file:{_quoted(self.path)}?mode=rw",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={synchronous}")
        db.execute("PRAGMA secure_delete=ON")  # numbers and texts
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            db.close()
            raise OtherVersion(f"{self.path}: written by a newer version")
        if version < VERSION:
            db.executescript(f"BEGIN IMMEDIATE;{SCHEMA}PRAGMA user_version={VERSION};COMMIT;")
        return db

    def close(self) -> None:
        self._normal.close()
        self._full.close()

    # --- what comes in

    @contextmanager
    def taking(self, event: dialtone.Event) -> Iterator[bool]:
        """One transaction for all that a fact makes here; False inside: it was taken before a crash."""
        with self.writing():
            seq = event.seq
            if seq is not None:
                row = self._full.execute("SELECT at FROM taken WHERE seq = ?", (seq,)).fetchone()
                if row is not None and row[0] == event.at:
                    yield False
                    return
                self._full.execute("INSERT OR REPLACE INTO taken (seq, at) VALUES (?, ?)", (seq, event.at))
                self._full.execute("DELETE FROM taken WHERE seq < ?", (seq - TAKEN_KEPT,))
            yield True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that is on the disk when this ends."""
        with _transaction(self._full):
            yield

    def add(self, station_id: str, draft: Draft, event: dialtone.Event) -> None:
        """Within taking() or writing(). A row with that key that still waits stays as it is."""
        self._full.execute(
            "INSERT OR IGNORE INTO rows (queue, key, event, seq, at, body, disposable, added_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                draft.queue,
                key(station_id, draft, event),
                draft.event,
                event.seq,
                event.at,
                draft.body,
                draft.disposable,
                now_text(),
            ),
        )

    # --- what goes out

    def head(self, queue: str) -> Row | None:
        """The next row of a queue."""
        return next(self._rows("WHERE state = 'waiting' AND queue = ? ORDER BY id LIMIT 1", (queue,)), None)

    def delivered(self, row: Row) -> None:
        with _transaction(self._normal) as db:
            if db.execute("DELETE FROM rows WHERE id = ?", (row.id,)).rowcount:
                self._count(db, row.queue, "delivered")

    def failed(self, row: Row, problem: str, *, refused: bool, waits_s: float) -> None:
        with _transaction(self._normal) as db:
            db.execute(
                "UPDATE rows SET tries = tries + 1, refusals = refusals + ?, waited_s = waited_s + ?, problem = ?, "
                "tried_at = ? WHERE id = ?",
                (int(refused), waits_s, problem, now_text(), row.id),
            )

    def buried(self, row: Row, problem: str) -> None:
        """A dead letter; what is disposable is forgotten in its place."""
        with _transaction(self._normal) as db:
            if row.disposable:
                db.execute("DELETE FROM rows WHERE id = ?", (row.id,))
                self._count(db, row.queue, "expired")
                return
            db.execute(
                "UPDATE rows SET state = 'dead', tries = tries + 1, problem = ?, tried_at = ? WHERE id = ?",
                (problem, now_text(), row.id),
            )
            self._count(db, row.queue, "dead")

    # --- what people and policies ask

    def totals(self) -> tuple[int, int]:
        """Rows and bytes of their bodies."""
        rows, size = self._full.execute("SELECT rows, bytes FROM totals").fetchone()
        return int(rows), int(size)

    def sizes(self) -> list[tuple[str, State, int, int, str]]:
        """By queue and state: how many rows, bytes of their bodies, when the oldest came."""
        found = self._full.execute(
            "SELECT queue, state, count(*), sum(length(body)), min(added_at) FROM rows GROUP BY queue, state"
        )
        return [(queue, State(state), rows, size, oldest) for queue, state, rows, size, oldest in found]

    def has_dead(self) -> bool:
        return self._full.execute("SELECT 1 FROM rows WHERE state = 'dead' LIMIT 1").fetchone() is not None

    def counts(self) -> list[tuple[str, str, int, str]]:
        """(queue, what, how many, when last): what = delivered, dead, expired (moments), dropped (no
        room), suppressed (told just before), missed (no longer in the journal)."""
        return self._full.execute("SELECT queue, what, count, last_at FROM counts ORDER BY queue, what").fetchall()

    def count(self, queue: str, what: str, by: int = 1) -> None:
        """Within a transaction of this store."""
        self._count(self._full, queue, what, by)

    def rows(self, queue: str | None, state: State | None, limit: int) -> list[Row]:
        """In their order."""
        where = [("queue = ?", queue), ("state = ?", state)]
        chosen = [(clause, value) for clause, value in where if value is not None]
        clause = f"WHERE {' AND '.join(one for one, _ in chosen)} " if chosen else ""
        return list(self._rows(f"{clause}ORDER BY id LIMIT ?", (*(value for _, value in chosen), limit)))

    def row(self, number: int) -> Row | None:
        return next(self._rows("WHERE id = ?", (number,)), None)

    def replay(self, numbers: Sequence[int] | None, queue: str | None = None) -> int:
        """Has rows tried again, as if new, at their old place in the order. None: all dead letters (of a queue)."""
        reset = "UPDATE rows SET state = 'waiting', tries = 0, refusals = 0, waited_s = 0 WHERE "
        return self._each(reset, numbers, queue)

    def drop(self, numbers: Sequence[int] | None, queue: str | None = None) -> int:
        """Forgets rows, undelivered. None: all dead letters (of a queue)."""
        return self._each("DELETE FROM rows WHERE ", numbers, queue)

    def data_version(self) -> int:
        """Changes when another process has written."""
        (found,) = self._full.execute("PRAGMA data_version").fetchone()
        return int(found)

    @property
    def db(self) -> sqlite3.Connection:
        """For what makes rows, within taking() or writing()."""
        return self._full

    def _each(self, statement: str, numbers: Sequence[int] | None, queue: str | None) -> int:
        with _transaction(self._full) as db:
            if numbers is not None:
                return sum(db.execute(f"{statement} id = ?", (number,)).rowcount for number in numbers)
            clause, values = ("AND queue = ?", (queue,)) if queue is not None else ("", ())
            return db.execute(f"{statement} state = 'dead' {clause}", values).rowcount

    def _rows(self, where: str, values: Sequence[object]) -> Iterator[Row]:
        for row in self._full.execute(f"SELECT {COLUMNS} FROM rows {where}", tuple(values)).fetchall():
            yield Row(**dict(zip(NAMES, row, strict=True)) | {"state": State(row[7]), "disposable": bool(row[11])})

    @staticmethod
    def _count(db: sqlite3.Connection, queue: str, what: str, by: int = 1) -> None:
        db.execute(
            "INSERT INTO counts VALUES (?, ?, ?, ?) ON CONFLICT (queue, what) "
            "DO UPDATE SET count = count + excluded.count, last_at = excluded.last_at",
            (queue, what, by, now_text()),
        )


def unix_s() -> float:
    return datetime.now(UTC).timestamp()


def now_text() -> str:
    """RFC 3339, UTC, milliseconds: as the daemon writes instants, so that they sort as texts."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _quoted(path: Path) -> str:
    """For a file: URI (sqlite.org/uri.html)."""
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
