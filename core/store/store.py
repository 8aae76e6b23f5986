"""The store: one writer with group commit, one reader beside it, and the journal of facts between disk and bus."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from core.bus import CAUSE, Bus
from core.clock import rfc3339, unix_s
from core.errors import AckBeyondHead, TimedOut
from core.log import Log
from core.store import journal
from core.store.group import GroupCommit, Tx
from core.store.journal import Expired, PruneReport, StoredFact
from core.store.migrate import StoreTooNew, open_reader, open_writer
from core.store.worker import Job, Worker

__all__ = ["Expired", "PruneReport", "Store", "StoreTooNew", "StoredFact", "Tx"]

GROUP_WINDOW_S = 0.002
"""Design §4 allows 5 ms. Only waited for when more than one caller has just been writing."""

READ_LIMIT_S = 10.0
"""A search that takes longer is stopped: it would keep other readers waiting, and the WAL from being reset."""

READ_CHECK_STEPS = 10_000
"""Virtual machine steps of SQLite between two looks at the clock: well under a millisecond."""

PRUNE_CHUNK = 2000
"""Facts dropped per write, so that other writes wait some 10 ms at most."""

SCRUB_BYTES = 128 * 1024 * 1024
"""A hundred thousand messages with their facts, and some 13 s on an SD card that writes 20 MB/s: all of it goes through
the WAL into the file. Longer, and other writes would be given up (ANSWER_LIMIT_S)."""

SCRUB_LIMIT_S = 120.0

T = TypeVar("T")
log = Log("store")


class Store:
    """Make it with `await Store.open(path)`; all methods belong to the loop that did."""

    bus: Bus
    """Facts arrive here after their commit, in the order of seq, which continues where the last process ended."""

    def __init__(self, path: Path, journal_days: int, journal_events: int) -> None:
        self._journal_days = journal_days
        self._journal_events = journal_events
        self._group = GroupCommit()
        self._writer = Worker(
            "write", lambda: open_writer(path), self._group.serve, self._publish, group_window_s=GROUP_WINDOW_S
        )
        self._reader = Worker("read", lambda: open_reader(path), _serve_reads, lambda job: None)
        self._oldest_seq = 1
        self._pruning = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path, *, journal_days: int = 30, journal_events: int = 1_000_000) -> "Store":
        """Makes or migrates the file and takes it for this process. StoreTooNew, StoreFailed."""
        store = cls(path, journal_days, journal_events)
        await store._writer.start()
        try:
            await store._reader.start()
            head, store._oldest_seq = await store.read(lambda db: (journal.head_seq(db), journal.oldest_seq(db)))
        except BaseException:
            await store.close()
            raise
        store.bus = Bus(head)
        return store

    async def close(self) -> None:
        """Finishes what was asked before; what is asked after gets StoreFailed."""
        # The writer goes last: the last connection to close empties the WAL, and a read-only one can't.
        if not (await self._reader.stop() and await self._writer.stop()):
            log.error("the disk does not answer; the store is left open")

    @property
    def head_seq(self) -> int:
        """The newest published fact, 0 when there was never one."""
        return self.bus.head_seq

    @property
    def oldest_seq(self) -> int:
        """The oldest fact that is kept; head_seq + 1 when none is."""
        return self._oldest_seq

    @property
    def commits(self) -> int:
        """Transactions (each one fsync) since open."""
        return self._group.commits

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` on the writer thread and answers when it is on disk and its facts are published.

        What `work` raises undoes this work alone and comes out here; a failed disk is StoreFailed. Works run in the
        order of the calls. Cancelling the caller does not undo a write that was queued. `work` must be short (all
        writes wait for it) and touch nothing but `tx` and what it was given: it runs on another thread.
        """
        result: T = await self._writer.do(work, CAUSE.get())
        return result

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` on the reader thread in one read transaction, so that all it sees is of one moment: after
        every write that was answered before. Errors as in write; TimedOut after READ_LIMIT_S."""
        result: T = await self._reader.do(work)
        return result

    async def facts(self, since: int, limit: int = 500) -> list[StoredFact]:
        """The facts after `since` that were published before this call, in order. Fewer than `limit`: that was
        the last of them. Topics of a newer version are left out, so seq may jump."""
        until = self.head_seq
        return await self.read(lambda db: journal.facts(db, since, until, limit))

    async def consumer(self, name: str) -> int | None:
        """How far this consumer has acknowledged; None when it never did."""
        return await self.read(lambda db: journal.place_of(db, name))

    async def ack(self, name: str, seq: int) -> None:
        """All facts up to seq are done with; a lower seq than before changes nothing. AckBeyondHead, LimitExceeded."""
        if seq > self.head_seq:
            raise AckBeyondHead(head_seq=self.head_seq)
        await self.write(lambda tx: journal.acknowledge(tx.connection, name, seq))

    async def prune(self) -> PruneReport:
        """Drops what the limits don't keep, oldest first; logs and reports whose unacknowledged facts went."""
        async with self._pruning:
            dropped, expired = 0, dict[str, Expired]()
            try:
                keep_since = rfc3339(unix_s() - self._journal_days * 86_400)
                last = await self.read(lambda db: journal.last_to_expire(db, keep_since, self._journal_events))
                while self._oldest_seq <= last:
                    count, missed = await self._drop(min(last, self._oldest_seq + PRUNE_CHUNK - 1))
                    dropped += count
                    for gap in missed:
                        earlier = expired.get(gap.consumer, gap)
                        expired[gap.consumer] = Expired(gap.consumer, earlier.from_seq, gap.to_seq)
            finally:
                for gap in expired.values():
                    log.warning("facts expired unread", consumer=gap.consumer, from_seq=gap.from_seq, to_seq=gap.to_seq)
        return PruneReport(dropped, self._oldest_seq, tuple(expired.values()))

    async def scrub(self) -> bool:
        """What was deleted before is gone from the disk's files, too. Writes wait meanwhile: on an SD card some 100 ms
        for each MB of the file. So larger ones than SCRUB_BYTES are not rewritten, and it gives False: parts of deleted
        rows may then be left between others. TimedOut when somebody reads the file all the time."""
        complete: bool = await self._writer.do(_scrub, alone=True, limit_s=SCRUB_LIMIT_S)
        return complete

    async def _drop(self, to_seq: int) -> tuple[int, list[Expired]]:
        outcome = await self.write(lambda tx: journal.expire(tx.connection, to_seq))
        self._oldest_seq = to_seq + 1
        return outcome

    def _publish(self, job: Job) -> None:
        for fact in job.facts:
            self.bus.fact(fact.spec, fact.params, fact.at, fact.seq, job.cause)
            if job.cause is not None:
                job.cause.seqs.append(fact.seq)


def _scrub(connection: sqlite3.Connection) -> bool:
    """SQLite moves rows about in its pages and leaves copies in the gaps, which secure_delete does not reach; VACUUM
    makes all pages anew. The WAL holds older pages until it is cut."""
    (size,) = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()
    complete = bool(size <= SCRUB_BYTES)
    if complete:
        connection.execute("VACUUM")
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise TimedOut("The store's file is being read all the time. Ask again.")
    return complete


def _serve_reads(connection: sqlite3.Connection, jobs: list[Job]) -> None:
    for job in jobs:
        if not job.future.cancelled():
            _read(connection, job)


def _read(connection: sqlite3.Connection, job: Job) -> None:
    until_s = time.monotonic() + READ_LIMIT_S

    def stop() -> bool:
        return job.future.cancelled() or time.monotonic() > until_s

    connection.set_progress_handler(stop, READ_CHECK_STEPS)
    try:
        connection.execute("BEGIN")
        job.result = job.work(connection)
    except BaseException as problem:  # whatever a work raises belongs to its caller; this thread lives on
        interrupted = getattr(problem, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
        job.fail(TimedOut("The search took too long. Ask for less at once.") if interrupted else problem)
    finally:
        connection.set_progress_handler(None, 0)
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
