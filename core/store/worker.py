"""A thread that owns one SQLite connection and does jobs for the event loop, which never waits for the disk."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from core.bus import Cause
from core.errors import StoreFailed
from core.store.journal import StoredFact

QUEUE_JOBS = 1000
"""Bound of jobs given and not yet answered. When full, the caller waits QUEUE_WAIT_S, then StoreFailed."""

QUEUE_WAIT_S = 5.0

ANSWER_LIMIT_S = 30.0
"""A disk that hangs for longer (a dying SD card) is reported; the job itself may still happen."""

STOP_LIMIT_S = 10.0

_DISK = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)
"""Result codes that tell of the disk or the file, not of a mistake in the SQL (https://sqlite.org/rescode.html)."""


@dataclass(slots=True, eq=False)
class Job:
    """One piece of work on its way to the thread and, with its outcome, back to the loop.

    alone: it wants the connection for itself, outside of any transaction.
    """

    work: Callable[[Any], Any]
    future: asyncio.Future[Any]
    cause: Cause | None = None
    alone: bool = False
    result: Any = None
    error: BaseException | None = None
    facts: list[StoredFact] = field(default_factory=list)

    def fail(self, error: BaseException) -> None:
        """The job did not happen, and the first reason counts. A disk's error becomes StoreFailed."""
        if self.error is None:
            self.error = store_failed(error) if _tells_of_the_disk(error) else error
        self.facts.clear()

    def answer(self) -> None:
        """Resolves the future; a caller that has left gets nothing."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        elif isinstance(self.error, StopIteration):  # a future refuses it
            self.future.set_exception(RuntimeError("the work raised StopIteration"))
        else:
            self.future.set_exception(self.error)


def store_failed(problem: BaseException | None) -> StoreFailed:
    """What clients are told of a failed disk: SQLite's name of the reason, and no paths."""
    failed = StoreFailed(sqlite=getattr(problem, "sqlite_errorname", None))
    failed.__cause__ = problem
    return failed


class Worker:
    """The thread, its queue and its life. `serve` runs on the thread and settles each job; `settle` on the loop."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], AbstractContextManager[sqlite3.Connection]],
        serve: Callable[[sqlite3.Connection, list[Job]], None],
        settle: Callable[[Job], None],
        *,
        group_window_s: float | None = None,
    ) -> None:
        """group_window_s None: jobs are served one by one; else in groups, see _gather."""
        self._connect = connect
        self._serve = serve
        self._settle = settle
        self._group_window_s = group_window_s
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Job | None] = SimpleQueue()  # bounded by _room
        self._room = asyncio.Semaphore(QUEUE_JOBS)
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._stopping = False
        self._last_group = 1
        # A daemon thread: a disk that hangs for ever must not keep the process from its end.
        self._thread = threading.Thread(target=self._run, name=f"store.{name}", daemon=True)

    async def start(self) -> None:
        """Opens the connection on the thread. StoreFailed for errors of the disk; others as they are."""
        self._thread.start()
        try:
            await self._ready
        except BaseException:
            self._queue.put(None)
            raise

    async def do(
        self,
        work: Callable[[Any], Any],
        cause: Cause | None = None,
        *,
        alone: bool = False,
        limit_s: float | None = None,
    ) -> Any:
        """Queues the work in the order of the calls and waits for its outcome, ANSWER_LIMIT_S unless said."""
        limit_s = ANSWER_LIMIT_S if limit_s is None else limit_s
        await self._wait_for_room()
        job = Job(work, self._loop.create_future(), cause, alone)
        self._queue.put(job)
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                return await job.future
        except TimeoutError:
            if not limit.expired():
                raise
            raise StoreFailed(
                f"The disk has not answered for {limit_s:.0f} s; what was asked may still happen."
            ) from None

    async def stop(self) -> bool:
        """Finishes what is queued, then closes. False when the disk did not let it end within STOP_LIMIT_S."""
        if not self._stopping:
            self._stopping = True
            self._queue.put(None)
        done, _ = await asyncio.wait({self._ended}, timeout=STOP_LIMIT_S)
        if done:
            self._thread.join()
        return bool(done)

    async def _wait_for_room(self) -> None:
        try:
            if self._room.locked():
                async with asyncio.timeout(QUEUE_WAIT_S):
                    await self._room.acquire()
            else:
                await self._room.acquire()
        except TimeoutError:
            raise StoreFailed(
                f"{QUEUE_JOBS} requests wait for the disk: it is too slow.", retry_after_s=QUEUE_WAIT_S
            ) from None
        if self._stopping:
            self._room.release()
            raise StoreFailed("The store is closed.")

    # --- on the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with self._connect() as connection:
                self._post(_resolve, self._ready, None)
                while jobs := self._gather():
                    self._serve(connection, jobs)
                    self._post(self._settle_all, jobs)
        except Exception as problem:  # from opening; `serve` keeps all errors in the jobs
            self._post(_resolve, self._ready, _not_opened(problem))
        self._post(_resolve, self._ended, None)

    def _gather(self) -> list[Job]:
        """The next jobs, [] at the end. As many as wait; and while there are fewer than last time, callers that were
        answered a moment ago are probably about to write again, so they get a window to join this commit."""
        first = self._queue.get()
        if first is None:
            return []
        if self._group_window_s is None:
            return [first]
        jobs = [first]
        deadline = time.monotonic() + self._group_window_s
        while len(jobs) < QUEUE_JOBS:
            try:
                left_s = deadline - time.monotonic() if len(jobs) < self._last_group else 0.0
                job = self._queue.get(timeout=left_s) if left_s > 0 else self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                self._queue.put(None)
                break
            jobs.append(job)
        self._last_group = len(jobs)
        return jobs

    def _post(self, callback: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the loop was closed without close(): nobody is left to tell
            self._loop.call_soon_threadsafe(callback, *arguments)

    # --- on the loop -------------------------------------------------------------------------------------------------

    def _settle_all(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._room.release()
            try:
                self._settle(job)
            finally:
                job.answer()


def _tells_of_the_disk(problem: BaseException) -> bool:
    # The code is missing where the sqlite3 module itself complains; its low byte is the primary code.
    code = getattr(problem, "sqlite_errorcode", None) if isinstance(problem, sqlite3.Error) else None
    return code is not None and code & 0xFF in _DISK


def _not_opened(problem: Exception) -> Exception:
    if not isinstance(problem, (sqlite3.Error, OSError)):
        return problem
    failed = StoreFailed(f"The store can't be opened: {problem}")
    failed.__cause__ = problem
    return failed


def _resolve(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
