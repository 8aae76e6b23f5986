"""The outbox as the bridge uses it: on a thread of its own, since a disk may take longer than a caller may wait."""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import dialtone
from clients.bridge.outbox.room import Full, make_room
from clients.bridge.outbox.rows import Draft
from clients.bridge.outbox.store import Store
from clients.lock_file import lock

AGAIN_S = 2.0
"""After a disk that refused, or an outbox that is full."""

P = ParamSpec("P")
T = TypeVar("T")

Maker = Callable[[dialtone.Event, Store], list[Draft]]
"""Makes the rows of an event, in the transaction in which it is taken."""

_log = logging.getLogger("dialtone.bridge")


class InUse(OSError):
    """Another bridge has this outbox."""


@dataclass(frozen=True, slots=True)
class Bounds:
    max_rows: int
    max_bytes: int


class Outbox:
    """`async with`. One bridge at a time; `dialtone bridge outbox` may work on the file beside it."""

    def __init__(self, path: Path, station_id: str, bounds: Bounds) -> None:
        self.path = path
        self.station_id = station_id
        self.bounds = bounds
        self._troubles: dict[str, str] = {}  # what is tried again and again, to why: full or disk
        self._wake: dict[str, asyncio.Event] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._store: Store | None = None
        self._lock = -1

    async def __aenter__(self) -> Self:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock(self.path.with_name(self.path.name + ".lock"))
        try:
            self._store = await asyncio.get_running_loop().run_in_executor(self._thread, partial(Store, self.path))
        except BaseException as problem:
            os.close(self._lock)
            if isinstance(problem, sqlite3.Error):
                raise OSError(f"{self.path}: {problem}") from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is not None:
            self._thread.submit(self._store.close)
        self._thread.shutdown(wait=True)
        os.close(self._lock)

    async def do(self, work: Callable[Concatenate[Store, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Once, on the thread. sqlite3.Error."""
        assert self._store is not None, "async with Outbox(...)"
        call = partial(work, self._store, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def insist(self, work: Callable[Concatenate[Store, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Until the disk takes it and there is room."""
        name = work.__name__
        while True:
            try:
                found = await self.do(work, *args, **kwargs)
            except sqlite3.Error as problem:
                self._say(name, "disk", f"the outbox can't be used: {problem}")
            except Full:
                self._say(name, "full", "the outbox is full; nothing is read until something is delivered")
            else:
                if self._troubles.pop(name, None) is not None:
                    _log.info("the outbox takes it again")
                return found
            await asyncio.sleep(AGAIN_S)

    async def take(self, event: dialtone.Event, makers: list[Maker]) -> int:
        """An event becomes rows, once; on the disk when this ends. Gives how many."""
        queues = await self.insist(self._take, event, makers)
        for queue in queues:
            self.wake(queue)
        return len(queues)

    def _take(self, store: Store, event: dialtone.Event, makers: list[Maker]) -> list[str]:
        with store.taking(event) as is_new:
            if not is_new:
                return []
            drafts = [draft for maker in makers for draft in maker(event, store)]
            for draft in drafts:
                store.add(self.station_id, draft, event)
            if drafts:
                make_room(store, self.bounds.max_rows, self.bounds.max_bytes)
        return [draft.queue for draft in drafts]

    def waker(self, queue: str) -> asyncio.Event:
        """Set when there may be something new in a queue."""
        return self._wake.setdefault(queue, asyncio.Event())

    def wake(self, queue: str) -> None:
        self.waker(queue).set()

    def wake_all(self) -> None:
        for event in self._wake.values():
            event.set()

    def has_trouble(self, trouble: str) -> bool:
        """full: nothing can be taken in; disk: something can't be read or written."""
        return trouble in self._troubles.values()

    def _say(self, name: str, trouble: str, text: str) -> None:
        if self._troubles.get(name) != trouble:
            _log.error("%s", text)
        self._troubles[name] = trouble


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """The file for the command, beside a bridge that may run. FileNotFoundError, sqlite3.Error."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no outbox")
    store = Store(path, create=False)
    try:
        yield store
    finally:
        store.close()


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not lock(descriptor):
        os.close(descriptor)
        raise InUse(f"{path}: another bridge uses this outbox")
    return descriptor
