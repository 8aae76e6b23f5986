"""Real SQLite files in a directory of their own; nothing here stands in for the store."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from core.events import AlarmRaised
from core.store.store import Store, Tx


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "dialtone.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(path)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def gate(store: Store) -> AsyncIterator["Gate"]:
    """Depends on the store so that it is opened again before the store waits for its last write."""
    held = Gate()
    yield held
    held.open()


class Gate:
    """Work that stands in a thread of the store until the test lets it go on."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def work(self, _: Tx | sqlite3.Connection) -> None:
        self._loop.call_soon_threadsafe(self._reached.set)
        assert self._open.wait(30)

    async def reached(self) -> None:
        async with asyncio.timeout(20):
            await self._reached.wait()

    def open(self) -> None:
        self._open.set()


def raised(alarm: str = "disk", text: str | None = None) -> AlarmRaised:
    return AlarmRaised(alarm=alarm, text=text)


def fact(alarm: str = "disk", text: str | None = None) -> Callable[[Tx], int]:
    return lambda tx: tx.fact(raised(alarm, text))


def published(store: Store) -> list[tuple[int, str]]:
    """(seq, alarm) of all facts on the bus, in its order."""
    events = (store.bus.get(index) for index in range(store.bus.next_index))
    return [(event.seq, event.params["alarm"]) for event in events if event is not None and event.seq is not None]


def raw_rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    """What another program sees in the file."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()
