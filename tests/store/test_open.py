"""Opening: private files, one process at a time, and migrations from every earlier version."""

import asyncio
import fcntl
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from core.errors import StoreFailed
from core.store import calls
from core.store import migrate as migrate_module
from core.store.migrate import known_migrations, migrate
from core.store.store import Store, StoreTooNew
from tests.store.conftest import fact, raw_rows

VERSIONS = [number for number, _ in known_migrations()]
SCHEMA = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"


async def test_the_directory_and_files_are_private(path: Path) -> None:
    before = os.umask(0)
    try:
        store = await Store.open(path)
        await store.write(fact())
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (path.parent, *path.parent.iterdir())}
        await store.close()
    finally:
        os.umask(before)
    assert modes.pop("state") == 0o700
    assert set(modes) >= {"dialtone.db", "dialtone.db-wal"}
    assert set(modes.values()) == {0o600}


async def test_a_lock_that_a_killed_daemon_left_to_a_starting_program_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_module, "LOCK_PATIENCE_S", 30.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    held = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    asyncio.get_running_loop().call_later(0.2, os.close, held)
    store = await Store.open(path)
    await store.close()


async def test_two_daemons_can_not_share_a_store(store: Store, path: Path) -> None:
    with pytest.raises(StoreFailed, match="Another process"):
        await Store.open(path)
    await store.write(fact())
    await store.close()
    again = await Store.open(path)
    assert again.head_seq == 1
    await again.close()


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "what?.db", "é#.db"])
async def test_any_file_name_works(tmp_path: Path, name: str) -> None:
    store = await Store.open(tmp_path / name)
    await store.write(fact())
    assert len(await store.facts(0)) == 1
    await store.close()
    assert (tmp_path / name).exists()


def test_migrations_are_numbered_without_a_gap() -> None:
    assert list(range(1, len(VERSIONS) + 1)) == VERSIONS


@pytest.mark.parametrize("version", [0, *VERSIONS])
async def test_a_store_of_each_earlier_version_is_brought_up_with_its_facts(
    path: Path, tmp_path: Path, version: int
) -> None:
    make_version(path, version)
    store = await Store.open(path)
    assert store.head_seq == (7 if version >= 1 else 0)
    assert [found.params["alarm"] for found in await store.facts(0)] == (["old"] if version >= 1 else [])
    assert await store.consumer("brain") == (5 if version >= 1 else None)
    assert await store.read(lambda db: calls.list_calls(db)) == []
    await store.write(fact())
    await store.close()

    fresh = await Store.open(tmp_path / "fresh.db")
    await fresh.close()
    assert raw_rows(path, SCHEMA) == raw_rows(tmp_path / "fresh.db", SCHEMA)
    assert raw_rows(path, "PRAGMA user_version") == [(VERSIONS[-1],)]


async def test_a_store_of_a_newer_program_is_refused_in_one_line_and_left_alone(path: Path) -> None:
    make_version(path, VERSIONS[-1])
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreTooNew, match="version 99") as refused:
        await Store.open(path)
    assert "\n" not in str(refused.value)
    assert raw_rows(path, "PRAGMA user_version") == [(99,)]


def test_a_migration_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    (tmp_path / "0001_one.sql").write_text("CREATE TABLE one (a INTEGER) STRICT;")
    (tmp_path / "0002_two.sql").write_text("CREATE TABLE two (a INTEGER) STRICT;\nINSERT INTO missing VALUES (1);")
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="missing"):
        migrate(connection, tmp_path)
    assert not connection.in_transaction
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("one",)]
    (tmp_path / "0002_two.sql").write_text("CREATE TABLE two (a INTEGER) STRICT; -- mended")
    assert migrate(connection, tmp_path) == 2
    connection.close()


async def test_all_tables_are_strict(store: Store) -> None:
    tables = await store.read(lambda db: db.execute("PRAGMA table_list").fetchall())
    loose = [name for _, name, kind, _, _, strict in tables if kind == "table" and not strict]
    assert [name for name in loose if not name.startswith("sqlite_")] == []


async def test_an_open_that_is_cancelled_lets_go_of_the_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = threading.Event()

    def migrating(connection: sqlite3.Connection) -> int:
        taken.set()
        return migrate(connection)

    monkeypatch.setattr(migrate_module, "migrate", migrating)
    monkeypatch.setattr(migrate_module, "BUSY_TIMEOUT_S", 60.0)
    make_version(path, 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("BEGIN IMMEDIATE")  # the migration waits for this
    async with asyncio.TaskGroup() as group:
        opening = group.create_task(Store.open(path))
        assert await asyncio.to_thread(taken.wait, 20), "it has the lock, and waits"
        opening.cancel()
    other.execute("ROLLBACK")
    other.close()
    await (await opened(path)).close()


async def opened(path: Path) -> Store:
    """The store, as soon as nobody else has it."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await Store.open(path)
            except StoreFailed:
                await asyncio.sleep(0.01)


def make_version(path: Path, version: int) -> None:
    """A store as the program of that version left it: fact 7 is the newest, 1 to 6 have expired."""
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path)
    for number, sql in known_migrations():
        if number <= version:
            connection.executescript(f"{sql};PRAGMA user_version = {number};")
    if version >= 1:
        connection.execute(
            "INSERT INTO journal (seq, topic, at, params) "
            "VALUES (7, 'alarm.raised', '2026-01-01T00:00:00.000Z', '{\"alarm\":\"old\"}')"
        )
        connection.execute("INSERT INTO consumers VALUES ('brain', 5, '2026-01-01T00:00:00.000Z')")
    connection.commit()
    connection.close()
