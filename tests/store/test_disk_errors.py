"""A disk that is full, read-only, locked or damaged: StoreFailed for those concerned, and life goes on."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import StoreFailed
from core.store import migrate
from core.store.store import Store, Tx
from tests.store.conftest import Gate, fact, published, raised, raw_rows

REPOSITORY = Path(__file__).parents[2]


async def test_a_full_disk_fails_the_write_and_later_ones_succeed(store: Store, path: Path) -> None:
    await store.write(fact("before"))
    await store.write(lambda tx: tx.execute("PRAGMA max_page_count = 1").fetchall())
    with pytest.raises(StoreFailed) as failed:
        await store.write(fact("lost", "x" * 100_000))
    assert failed.value.data() == {"kind": "store_failed", "retry": True, "sqlite": "SQLITE_FULL"}
    assert [found.seq for found in await store.facts(0)] == [1], "reading goes on"
    await store.write(lambda tx: tx.execute("PRAGMA max_page_count = 1000000").fetchall())
    assert await store.write(fact("after", "x" * 100_000)) == 2
    assert published(store) == [(1, "before"), (2, "after")]
    assert raw_rows(path, "SELECT seq FROM journal") == [(1,), (2,)]


async def test_a_disk_that_fills_up_fails_the_group_that_it_undid_and_no_other(
    store: Store, gate: Gate, path: Path
) -> None:
    """SQLite undoes the whole transaction then, savepoints and all; what follows gets a transaction of its own."""
    await store.write(lambda tx: [tx.execute("PRAGMA max_page_count = 60").fetchall(), tx.fact(raised("first"))])
    async with asyncio.TaskGroup() as group:
        group.create_task(store.write(gate.work))
        await gate.reached()
        before = group.create_task(_failure_of(store, fact("undone")))
        big = group.create_task(_failure_of(store, fact("big", "x" * 1_000_000)))
        after = group.create_task(store.write(fact("after")))
        await asyncio.sleep(0)
        gate.open()
    assert isinstance(big.result(), StoreFailed)
    assert isinstance(before.result(), StoreFailed), "told, because it is not on disk"
    assert after.result() == 2
    assert published(store) == [(1, "first"), (2, "after")]
    assert raw_rows(path, "SELECT seq FROM journal") == [(1,), (2,)]


async def test_a_write_to_a_read_only_database_is_store_failed(store: Store) -> None:
    def refused(tx: Tx) -> None:
        tx.execute("PRAGMA query_only = 1")
        try:
            tx.fact(raised())
        finally:
            tx.execute("PRAGMA query_only = 0")

    with pytest.raises(StoreFailed) as failed:
        await store.write(refused)
    assert failed.value.details["sqlite"] == "SQLITE_READONLY"
    assert await store.write(fact()) == 1


async def test_a_database_that_someone_else_keeps_locked_fails_the_write_and_not_the_loop(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "BUSY_TIMEOUT_S", 0.2)
    store = await Store.open(path)
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.TaskGroup() as group:
            failing = [group.create_task(_failure_of(store, fact())) for _ in range(3)]
            await asyncio.sleep(0)
            assert await store.facts(0) == []
        assert {type(task.result()) for task in failing} == {StoreFailed}
        other.execute("ROLLBACK")
        assert await store.write(fact()) == 1
    finally:
        other.close()
        await store.close()


async def test_a_file_that_was_damaged_is_not_opened(path: Path) -> None:
    store = await Store.open(path)
    await store.write(lambda tx: [tx.fact(raised("x", "y" * 500)) for _ in range(500)])
    await store.close()
    overwrite(path, b"\xee" * 4096, 0)
    with pytest.raises(StoreFailed):
        await Store.open(path)


async def test_damage_while_running_is_store_failed(store: Store, path: Path) -> None:
    await store.write(lambda tx: [tx.fact(raised("x", "y" * 500)) for _ in range(500)])
    await store.write(lambda tx: tx.execute("PRAGMA user_version = 2"))
    assert raw_rows(path, "PRAGMA wal_checkpoint(FULL)")[0][0] == 0
    (root,) = raw_rows(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'journal'")[0]
    assert isinstance(root, int)
    overwrite(path, b"\xee" * 4096, (root - 1) * 4096)
    with pytest.raises(StoreFailed):
        await store.facts(0)
    assert await store.read(lambda db: db.execute("SELECT 7").fetchone()) == (7,)


async def test_a_file_that_is_no_database_is_refused_in_one_line(path: Path) -> None:
    await (await Store.open(path)).close()
    overwrite(path, b"not a database " * 1000, 0)
    with pytest.raises(StoreFailed, match="can't be opened") as failed:
        await Store.open(path)
    assert "\n" not in str(failed.value)


async def test_a_directory_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailed, match="can't be opened"):
        await Store.open(tmp_path / "file" / "dialtone.db")


async def test_a_limit_of_the_kernel_loses_nothing_that_was_acknowledged(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.writer_process", str(path), "--file-limit", "300000",
        stdout=subprocess.PIPE, cwd=REPOSITORY,
    )  # fmt: skip
    async with asyncio.timeout(50):
        output, _ = await process.communicate()
    assert process.returncode == 0
    said = [line.split() for line in output.decode().splitlines()[1:]]
    failures = [words for words in said if words[0] == "failed"]
    seqs = [int(words[0]) for words in said if words[0] != "failed"]
    assert len(failures) == 1
    assert failures[0][1] == "store_failed"
    assert int(failures[0][3]) == len(seqs) - 10, "while the disk was full, all that was acknowledged could be read"
    assert seqs == list(range(1, len(seqs) + 1))
    assert raw_rows(path, "SELECT seq FROM journal") == [(seq,) for seq in seqs]


def overwrite(path: Path, data: bytes, offset: int) -> None:
    """Through another process: closing a descriptor here would drop the locks that SQLite holds in this one."""
    script = "import os, sys; os.pwrite(os.open(sys.argv[1], os.O_WRONLY), sys.stdin.buffer.read(), int(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", script, str(path), str(offset)], input=data, check=True)


async def _failure_of(store: Store, work: Callable[[Tx], object]) -> Exception | None:
    try:
        await store.write(work)
    except Exception as problem:
        return problem
    return None
