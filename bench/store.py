"""The journal: durable writes per second, and what one write costs, beside bare SQLite on the same disk."""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import Figure, percentile
from core.events import AlarmRaised
from core.store.store import Store, Tx

FACT = AlarmRaised(line="one", alarm="bench", text="A text as long as those of a usual short message, or nearly so.")
DISK = Path(__file__).parent.parent / "out"
"""Beside the program and not in /tmp, which is often memory, where a commit costs nothing."""

ROUNDS = 5
"""Bare SQLite and the store take turns, so that a disk that changes its pace changes it for both."""

WRITERS = 50


async def run(quick: bool) -> list[Figure]:
    writes = 100 if quick else 600
    DISK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-store-", dir=DISK) as directory:
        return await _figures(Path(directory), writes)


async def _figures(directory: Path, writes: int) -> list[Figure]:
    store = await Store.open(directory / "dialtone.db")
    raw = _open_raw(directory / "raw.db")
    raw_s: list[float] = []
    one_by_one_s: list[float] = []
    together_per_s: list[float] = []
    grouped = 0
    for _ in range(ROUNDS):
        raw_s += _time_raw(raw, writes // ROUNDS)
        one_by_one_s += await _one_by_one(store, writes // ROUNDS)
        before = store.commits
        together_per_s.append(await _together(store, writes // WRITERS * 5))
        grouped += store.commits - before
    raw.close()
    await store.close()

    raw_rate, single_rate = len(raw_s) / sum(raw_s), len(one_by_one_s) / sum(one_by_one_s)
    best = percentile(together_per_s, 50)
    per_commit = ROUNDS * WRITERS * (writes // WRITERS * 5) / grouped
    return [
        _latency("one write, fsynced", one_by_one_s, percentile(raw_s, 50)),
        Figure("writes one after another", single_rate, "/s", ">= 200 /s", single_rate >= 200, {
            "bare_sqlite_per_s": raw_rate, "ratio": single_rate / raw_rate,
        }),
        Figure(f"writes of {WRITERS} at once", best, "/s", "more than bare SQLite", best > raw_rate, {
            "bare_sqlite_per_s": raw_rate, "ratio": best / raw_rate, "writes_per_commit": per_commit,
        }),
    ]  # fmt: skip


def _latency(name: str, samples_s: list[float], raw_p50_s: float) -> Figure:
    p50, p95, p99 = (percentile(samples_s, percent) * 1000 for percent in (50, 95, 99))
    detail = {"p95_ms": p95, "p99_ms": p99, "bare_sqlite_p50_ms": raw_p50_s * 1000, "added_ms": p50 - raw_p50_s * 1000}
    return Figure(name, p50, "ms p50", "", None, {**detail})


def _open_raw(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, params TEXT NOT NULL) STRICT")
    return connection


def _time_raw(connection: sqlite3.Connection, writes: int) -> list[float]:
    text = "x" * 140
    return [
        _timed(lambda: connection.execute("INSERT INTO journal (params) VALUES (?)", (text,))) for _ in range(writes)
    ]


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


async def _one_by_one(store: Store, writes: int) -> list[float]:
    taken = []
    for _ in range(writes):
        started = time.perf_counter()
        await store.write(_journal)
        taken.append(time.perf_counter() - started)
    return taken


async def _together(store: Store, each: int) -> float:
    """Writes per second of WRITERS callers that each write `each` times."""

    async def one() -> None:
        for _ in range(each):
            await store.write(_journal)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(one())
    return WRITERS * each / (time.perf_counter() - started)


def _journal(tx: Tx) -> int:
    return tx.fact(FACT)
