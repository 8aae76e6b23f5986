"""Group commit: many writes, each in a savepoint of its own, share one COMMIT and so one fsync."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

from core.events import Event
from core.store.journal import StoredFact, append
from core.store.worker import Job, store_failed

Parameters = Sequence[Any] | dict[str, Any]


class Tx:
    """What a write works with, on the writer thread and only while it runs. It never says BEGIN or COMMIT."""

    def __init__(self, connection: sqlite3.Connection, facts: list[StoredFact]) -> None:
        self._connection = connection
        self._facts = facts

    @property
    def connection(self) -> sqlite3.Connection:
        """For functions that read; they see what this transaction has written."""
        return self._connection

    def execute(self, sql: str, params: Parameters = ()) -> sqlite3.Cursor:
        """One statement. Read the cursor to its end before the write returns."""
        return self._connection.execute(sql, params)

    def fact(self, event: Event) -> int:
        """Journals a fact with this write and gives its seq; it is published after the commit."""
        stored = append(self._connection, event)
        self._facts.append(stored)
        return stored.seq


class GroupCommit:
    """Serves the writer thread and counts what it did."""

    def __init__(self) -> None:
        self.commits = 0

    def serve(self, connection: sqlite3.Connection, jobs: list[Job]) -> None:
        """Does all jobs; none raises, each keeps its outcome. What fails by itself is undone by itself; when the
        disk fails under a transaction, all jobs in it are told so."""
        rest = jobs
        while rest:
            together = list(takewhile(lambda job: not job.alone, rest))
            if together:
                rest = self._transaction(connection, together) + rest[len(together) :]
            else:
                _alone(connection, rest[0])
                rest = rest[1:]

    def _transaction(self, connection: sqlite3.Connection, jobs: list[Job]) -> list[Job]:
        """One BEGIN … COMMIT; gives the jobs that were not tried."""
        tried = 0
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                tried += 1
                _attempt(connection, job)
                if not connection.in_transaction:
                    # Full disks and I/O errors may undo all of it: https://sqlite.org/lang_transaction.html §3
                    return _all_failed(connection, jobs, tried, job.error)
            connection.execute("COMMIT")
        except sqlite3.Error as problem:
            return _all_failed(connection, jobs, tried or len(jobs), problem)
        self.commits += 1
        return []


def _all_failed(
    connection: sqlite3.Connection, jobs: list[Job], tried: int, problem: BaseException | None
) -> list[Job]:
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    for job in jobs[:tried]:
        job.fail(store_failed(problem))
    return jobs[tried:]


def _alone(connection: sqlite3.Connection, job: Job) -> None:
    """A job that gets the connection itself and no transaction."""
    try:
        job.result = job.work(connection)
    except BaseException as problem:  # as in _attempt
        job.fail(problem)


def _attempt(connection: sqlite3.Connection, job: Job) -> None:
    """One job in its savepoint. Raises only when the transaction itself is broken."""
    connection.execute("SAVEPOINT job")
    try:
        job.result = job.work(Tx(connection, job.facts))
    except BaseException as problem:  # whatever a work raises belongs to its caller; this thread lives on
        job.fail(problem)
        if not connection.in_transaction:
            return
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")
