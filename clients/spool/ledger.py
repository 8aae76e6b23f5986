"""What the spool must remember over a kill: jobs of outgoing files, files being placed, handlers to be run.

One SQLite file, synchronous=FULL. It is used on the event loop: this process has nothing to do while it writes.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BUSY_S = 5.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- the Message_id in files
    name BLOB NOT NULL UNIQUE,                 -- of the file in checked
    ref TEXT NOT NULL UNIQUE,
    content_hash TEXT NOT NULL,
    request TEXT NOT NULL,                     -- parameters of sms.send as they were first said; {} for calls
    message_id TEXT,
    dialled INTEGER NOT NULL DEFAULT 0,
    taken_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS done (
    ref TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    message_id TEXT,
    at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS done_by_message ON done (message_id);
CREATE TABLE IF NOT EXISTS placing (
    key TEXT PRIMARY KEY,
    temp BLOB NOT NULL,
    target BLOB NOT NULL,
    source BLOB,
    ref TEXT,
    argv TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS placed (key TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS handlers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,                        -- event or alarm
    argv TEXT NOT NULL,
    started INTEGER NOT NULL DEFAULT 0
) STRICT;
"""
NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"


@dataclass(frozen=True, slots=True)
class Job:
    """One file in checked. request: parameters of sms.send without client_ref."""

    number: int
    name: bytes
    ref: str
    content_hash: str
    request: dict[str, Any]
    message_id: str | None
    dialled: bool
    taken_at: str


@dataclass(frozen=True, slots=True)
class Placing:
    """A file that is complete at `temp` and belongs at `target`; then `source` is not needed any more.

    key: makes sure that it is done once. ref: the job that ends with it. argv: the event handler's arguments.
    """

    key: str
    temp: bytes
    target: bytes
    source: bytes | None = None
    ref: str | None = None
    argv: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class HandlerRun:
    id: int
    kind: str
    argv: list[str]


class Ledger:
    """sqlite3.Error where the disk refuses; then nothing of that step has happened."""

    def __init__(self, path: Path) -> None:
        # autocommit, so that transactions are where `_write` says and nowhere else
        self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        path.chmod(0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    # --- jobs

    def open_job(self, name: bytes, ref: str, content_hash: str, request: dict[str, Any]) -> Job:
        """The job of a file that was taken just now. A ref that was finished before gets a suffix: it is a new file."""
        with self._write() as db:
            db.execute("DELETE FROM jobs WHERE name = ?", (name,))
            free = ref
            for count in range(2, 1000):
                if not db.execute("SELECT 1 FROM done WHERE ref = ?", (free,)).fetchone():
                    break
                free = f"{ref}-{count}"
            db.execute(
                f"INSERT INTO jobs (name, ref, content_hash, request, taken_at) VALUES (?, ?, ?, ?, {NOW})",
                (name, free, content_hash, json.dumps(request)),
            )
        job = self.job(name)
        assert job is not None
        return job

    def job(self, name: bytes) -> Job | None:
        return next(self._jobs("WHERE name = ?", (name,)), None)

    def job_of_ref(self, ref: str) -> Job | None:
        return next(self._jobs("WHERE ref = ?", (ref,)), None)

    def jobs(self) -> list[Job]:
        return list(self._jobs("ORDER BY number", ()))

    def accepted(self, job: Job, message_id: str) -> None:
        with self._write() as db:
            db.execute("UPDATE jobs SET message_id = ? WHERE ref = ?", (message_id, job.ref))

    def dialled(self, job: Job) -> None:
        """Written before the call is asked for: after a kill nobody is called twice."""
        with self._write() as db:
            db.execute("UPDATE jobs SET dialled = 1 WHERE ref = ?", (job.ref,))

    def number_of(self, message_id: str) -> int | None:
        """The Message_id of a message that came out of a file here."""
        for table in ("done", "jobs"):
            found = self._db.execute(f"SELECT number FROM {table} WHERE message_id = ?", (message_id,)).fetchone()
            if found:
                return int(found[0])
        return None

    # --- placing files

    def is_placed(self, key: str) -> bool:
        return self._db.execute("SELECT 1 FROM placed WHERE key = ?", (key,)).fetchone() is not None

    def placing(self, key: str) -> Placing | None:
        return next((placing for placing in self._placings("WHERE key = ?", (key,))), None)

    def begin_placing(self, placing: Placing) -> None:
        with self._write() as db:
            db.execute(
                "INSERT OR REPLACE INTO placing (key, temp, target, source, ref, argv) VALUES (?, ?, ?, ?, ?, ?)",
                (placing.key, placing.temp, placing.target, placing.source, placing.ref, json.dumps(placing.argv)),
            )

    def end_placing(self, placing: Placing) -> None:
        """In one step: it is placed, its job is over, its handler is due."""
        with self._write() as db:
            db.execute("DELETE FROM placing WHERE key = ?", (placing.key,))
            db.execute(f"INSERT OR IGNORE INTO placed (key, at) VALUES (?, {NOW})", (placing.key,))
            if placing.ref is not None:
                db.execute(
                    "INSERT OR REPLACE INTO done (ref, number, message_id, at) "
                    f"SELECT ref, number, message_id, {NOW} FROM jobs WHERE ref = ?",
                    (placing.ref,),
                )
                db.execute("DELETE FROM jobs WHERE ref = ?", (placing.ref,))
            if placing.argv:
                db.execute("INSERT INTO handlers (kind, argv) VALUES ('event', ?)", (json.dumps(placing.argv),))

    def placings(self) -> list[Placing]:
        return self._placings("", ())

    def _placings(self, where: str, values: Sequence[object]) -> list[Placing]:
        columns = "key, temp, target, source, ref, argv"
        rows = self._db.execute(f"SELECT {columns} FROM placing {where}", values).fetchall()
        return [Placing(row[0], row[1], row[2], row[3], row[4], json.loads(row[5])) for row in rows]

    # --- handlers

    def queue_handler(self, kind: str, argv: Sequence[str], key: str) -> None:
        """Once per key."""
        with self._write() as db:
            if db.execute(f"INSERT OR IGNORE INTO placed (key, at) VALUES (?, {NOW})", (key,)).rowcount:
                db.execute("INSERT INTO handlers (kind, argv) VALUES (?, ?)", (kind, json.dumps(argv)))

    def next_handler(self) -> HandlerRun | None:
        """The oldest that was not started, marked as started: it runs once, also where we are killed meanwhile."""
        with self._write() as db:
            row = db.execute("SELECT id, kind, argv FROM handlers WHERE started = 0 ORDER BY id LIMIT 1").fetchone()
            if row is None:
                return None
            db.execute("UPDATE handlers SET started = 1 WHERE id = ?", (row[0],))
        return HandlerRun(row[0], row[1], json.loads(row[2]))

    def handler_ended(self, run: HandlerRun) -> None:
        with self._write() as db:
            db.execute("DELETE FROM handlers WHERE id = ?", (run.id,))

    def interrupted_handlers(self) -> list[HandlerRun]:
        """Those that were running when the process before us died; forgotten here."""
        with self._write() as db:
            rows = db.execute("SELECT id, kind, argv FROM handlers WHERE started = 1 ORDER BY id").fetchall()
            db.execute("DELETE FROM handlers WHERE started = 1")
        return [HandlerRun(row[0], row[1], json.loads(row[2])) for row in rows]

    # ---

    def prune(self, keep_days: int) -> None:
        """Forgets what no event can ask about any more: the daemon's journal keeps 30 days."""
        with self._write() as db:
            for table in ("done", "placed"):
                db.execute(f"DELETE FROM {table} WHERE at < datetime('now', ?)", (f"-{keep_days} days",))

    def _jobs(self, where: str, values: Sequence[object]) -> Iterator[Job]:
        columns = "number, name, ref, content_hash, request, message_id, dialled, taken_at"
        for row in self._db.execute(f"SELECT {columns} FROM jobs {where}", values).fetchall():
            yield Job(row[0], row[1], row[2], row[3], json.loads(row[4]), row[5], bool(row[6]), row[7])

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
