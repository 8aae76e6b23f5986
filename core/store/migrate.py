"""The database file: made, locked for one process, and brought to the program's version by numbered SQL files."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import StoreFailed

MIGRATIONS = Path(__file__).parent / "migrations"

BUSY_TIMEOUT_S = 5.0
"""How long a commit waits for a person who has the file open for writing in the sqlite3 shell."""

WAL_KEPT_BYTES = 16 * 1024 * 1024
"""A WAL that grew in a large transaction is cut back to this at the next checkpoint."""

LOCK_PATIENCE_S = 2.0
"""A daemon that is killed while it starts a program leaves its lock to that program until it has begun."""


class StoreTooNew(Exception):
    """The file was written by a newer program. One line for the person who starts the daemon; it then exits with 2."""


@contextmanager
def open_writer(path: Path) -> Iterator[sqlite3.Connection]:
    """The only writing connection, migrated. StoreTooNew, StoreFailed (also when another process has the store)."""
    make_private(path)
    with _lock(path), _closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        # What was deleted is overwritten with zeros. Debian's SQLite does so by itself, others have to be told.
        connection.execute("PRAGMA secure_delete = ON")
        migrate(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


@contextmanager
def open_reader(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection, beside the writer's."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    with _closing(sqlite3.connect(address, isolation_level=None, timeout=BUSY_TIMEOUT_S, uri=True)) as connection:
        yield connection


def make_private(path: Path) -> None:
    """Makes the directory (0700) and the file (0600) where they are missing; what is there keeps its mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    # The file's name must survive a power cut as well: that is in the directory.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def known_migrations(directory: Path = MIGRATIONS) -> list[tuple[int, str]]:
    """(version, SQL) in order; the version is the number that the file's name begins with."""
    return sorted((int(file.name.split("_")[0]), file.read_text("utf-8")) for file in directory.glob("*.sql"))


def migrate(connection: sqlite3.Connection, directory: Path = MIGRATIONS) -> int:
    """Applies what is missing, each file in a transaction of its own; gives the version. StoreTooNew."""
    migrations = known_migrations(directory)
    newest = migrations[-1][0]
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > newest:
        raise StoreTooNew(
            f"the store has version {version}, this program knows versions up to {newest}: "
            "install the newer program again, or give it another [store] path"
        )
    for number, sql in migrations:
        if number > version:
            _apply(connection, number, sql)
    return newest


def _apply(connection: sqlite3.Connection, number: int, sql: str) -> None:
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\n;PRAGMA user_version = {number};\nCOMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _closing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield connection
    finally:
        connection.close()


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Two daemons on one journal would number facts behind each other's back. The kernel drops it at kill -9.

    A file of its own, because closing any descriptor of the database would drop SQLite's own locks
    (https://sqlite.org/howtocorrupt.html §2.2).
    """
    lock = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        until_s = time.monotonic() + LOCK_PATIENCE_S
        while not _taken(lock):
            if time.monotonic() >= until_s:
                raise StoreFailed("Another process has the store open: two daemons can't share one.")
            time.sleep(0.02)
        yield
    finally:
        os.close(lock)
