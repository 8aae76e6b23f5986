"""Facts read again, consumers that keep their place, and what is dropped in the end."""

import asyncio
import logging
import sqlite3
from pathlib import Path

import pytest

from core.clock import rfc3339, unix_s
from core.errors import AckBeyondHead, LimitExceeded, StoreFailed, TimedOut
from core.store import journal
from core.store import store as store_module
from core.store.store import Expired, Store
from tests.store.conftest import Gate, fact, raw_rows


async def write_facts(store: Store, count: int) -> None:
    await store.write(lambda tx: [fact(str(n))(tx) for n in range(count)])


async def test_facts_come_back_in_order_and_in_pages(store: Store) -> None:
    await write_facts(store, 7)
    seen, since = [], 0
    while page := await store.facts(since, limit=3):
        assert len(page) <= 3
        seen += page
        since = page[-1].seq
    assert [found.seq for found in seen] == [1, 2, 3, 4, 5, 6, 7]
    assert [found.params["alarm"] for found in seen] == list("0123456")
    assert [found.seq for found in await store.facts(5)] == [6, 7]
    assert await store.facts(7) == []


async def test_numbers_go_on_after_a_restart(store: Store, path: Path) -> None:
    await write_facts(store, 3)
    await store.close()
    again = await Store.open(path)
    assert (again.head_seq, again.oldest_seq) == (3, 1)
    assert await again.write(fact()) == 4
    await again.close()


async def test_numbers_go_on_after_all_facts_have_expired_and_a_restart(path: Path) -> None:
    store = await Store.open(path, journal_events=1)
    await write_facts(store, 5)
    await store.prune()
    await store.write(lambda tx: tx.execute("DELETE FROM journal"))
    await store.close()
    again = await Store.open(path)
    assert (again.head_seq, again.oldest_seq) == (5, 6)
    assert await again.write(fact()) == 6
    assert again.oldest_seq == 6
    await again.close()


async def test_topics_of_a_newer_version_are_skipped_without_ending_the_replay(store: Store) -> None:
    await write_facts(store, 1)
    await store.write(
        lambda tx: [
            tx.execute("INSERT INTO journal (topic, at, params) VALUES ('fax.received', '2030', '{}')")
            for _ in range(20)
        ]
    )
    await write_facts(store, 2)
    assert [found.seq for found in await store.facts(0, limit=2)] == [1, 22]
    assert [found.seq for found in await store.facts(1, limit=5)] == [22, 23]


async def test_a_fact_that_was_damaged_is_skipped(store: Store) -> None:
    await write_facts(store, 3)
    await store.write(lambda tx: tx.execute("UPDATE journal SET params = '{broken' WHERE seq = 2"))
    assert [found.seq for found in await store.facts(0)] == [1, 3]


async def test_a_replay_ends_at_the_head_that_was_published(store: Store, gate: Gate) -> None:
    """Else a reader would get a fact from the journal, before the reply of its cause, and again from the bus."""
    await write_facts(store, 1)
    async with asyncio.TaskGroup() as group:
        group.create_task(store.read(gate.work))
        await gate.reached()
        reading = group.create_task(store.facts(0))
        await asyncio.sleep(0)
        await write_facts(store, 1)
        gate.open()
    assert [found.seq for found in reading.result()] == [1]


async def test_a_read_sees_one_moment(store: Store) -> None:
    loop = asyncio.get_running_loop()

    def twice(db: sqlite3.Connection) -> tuple[int, int]:
        before = journal.head_seq(db)
        asyncio.run_coroutine_threadsafe(write_facts(store, 1), loop).result(30)
        return before, journal.head_seq(db)

    assert await store.read(twice) == (0, 0)
    assert store.head_seq == 1


async def test_the_reader_can_not_write(store: Store) -> None:
    with pytest.raises(StoreFailed):
        await store.read(lambda db: db.execute("DELETE FROM journal"))
    assert await store.facts(0) == []


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


async def test_a_search_that_takes_too_long_is_stopped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "READ_LIMIT_S", 0.05)
    with pytest.raises(TimedOut):
        await store.read(lambda db: db.execute(ENDLESS).fetchone())
    assert await store.facts(0) == []


async def test_a_search_that_nobody_waits_for_is_stopped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "READ_LIMIT_S", 600.0)  # that of all reads would end it, too
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await store.read(lambda db: db.execute(ENDLESS).fetchone())
    async with asyncio.timeout(20):
        assert await store.facts(0) == []


async def test_a_read_whose_caller_has_left_is_not_begun(store: Store, gate: Gate) -> None:
    begun: list[str] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(store.read(gate.work))
        await gate.reached()
        left = group.create_task(store.read(lambda db: begun.append("left")))
        stays = group.create_task(store.read(lambda db: begun.append("stays")))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.sleep(0)
        gate.open()
    assert stays.done()
    assert begun == ["stays"]


async def test_a_consumer_keeps_its_place_across_a_restart(store: Store, path: Path) -> None:
    await write_facts(store, 5)
    assert await store.consumer("brain") is None
    await store.ack("brain", 3)
    await store.close()
    again = await Store.open(path)
    assert await again.consumer("brain") == 3
    assert await again.consumer("other") is None
    await again.close()


async def test_an_ack_is_cumulative_and_never_goes_backward(store: Store) -> None:
    await write_facts(store, 5)
    for seq in (0, 2, 4, 1):
        await store.ack("brain", seq)
    assert await store.consumer("brain") == 4
    await store.ack("brain", 5)
    assert await store.consumer("brain") == 5


async def test_an_ack_beyond_the_head_is_an_error(store: Store) -> None:
    await write_facts(store, 2)
    with pytest.raises(AckBeyondHead) as refused:
        await store.ack("brain", 3)
    assert refused.value.data()["head_seq"] == 2
    assert await store.consumer("brain") is None


async def test_made_up_consumer_names_have_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_CONSUMERS", 2)
    await store.ack("a", 0)
    await store.ack("b", 0)
    with pytest.raises(LimitExceeded):
        await store.ack("c", 0)
    await write_facts(store, 1)
    await store.ack("a", 1)


async def test_prune_keeps_the_newest_and_drops_the_rest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "PRUNE_CHUNK", 7)
    store = await Store.open(path, journal_events=10)
    await write_facts(store, 50)
    report = await store.prune()
    assert (report.dropped, report.oldest_seq, report.expired) == (40, 41, ())
    assert [found.seq for found in await store.facts(0)] == list(range(41, 51))
    assert store.oldest_seq == 41
    assert (await store.prune()).dropped == 0
    await store.close()


async def test_prune_drops_what_is_older_than_the_days_and_stops_at_the_first_younger(path: Path) -> None:
    store = await Store.open(path, journal_days=30)
    await write_facts(store, 6)
    for seq, days in {1: 40, 2: 31, 3: 29, 4: 50, 5: 1}.items():
        await set_at(store, seq, days)
    report = await store.prune()
    assert (report.dropped, report.oldest_seq) == (2, 3), "4 stays behind the younger 3: no holes"
    assert [found.seq for found in await store.facts(0)] == [3, 4, 5, 6]
    await store.close()


async def test_prune_of_an_old_journal_leaves_nothing_and_the_numbers_go_on(path: Path) -> None:
    store = await Store.open(path)
    await write_facts(store, 3)
    for seq in (1, 2, 3):
        await set_at(store, seq, 31)
    assert (await store.prune()).dropped == 3
    assert (store.oldest_seq, store.head_seq) == (4, 3)
    assert await store.write(fact()) == 4
    await store.close()


async def test_prune_tells_whose_unread_facts_it_dropped(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_module, "PRUNE_CHUNK", 7)
    store = await Store.open(path, journal_events=10)
    await write_facts(store, 30)
    for name, seq in {"slow": 4, "half": 13, "just": 20, "quick": 30}.items():
        await store.ack(name, seq)
    with caplog.at_level(logging.WARNING):
        report = await store.prune()
    assert set(report.expired) == {Expired("slow", 5, 20), Expired("half", 14, 20)}
    said = {
        (f["consumer"], f["from_seq"], f["to_seq"]) for f in (record.__dict__["fields"] for record in caplog.records)
    }
    assert said == {("slow", 5, 20), ("half", 14, 20)}
    assert await store.consumer("slow") == 4, "its place stays, so that it is told what it missed"

    await write_facts(store, 5)
    later = await store.prune()
    assert Expired("slow", 21, 25) in later.expired, "only what went this time"
    await store.close()


async def test_two_prunes_at_once_are_done_one_after_the_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "PRUNE_CHUNK", 7)
    store = await Store.open(path, journal_events=10)
    await write_facts(store, 50)
    await store.ack("slow", 4)
    async with asyncio.TaskGroup() as group:
        prunes = [group.create_task(store.prune()) for _ in range(2)]
    reports = [prune.result() for prune in prunes]
    assert [report.dropped for report in reports] == [40, 0]
    assert [report.expired for report in reports] == [(Expired("slow", 5, 40),), ()]
    await store.close()
    assert raw_rows(path, "SELECT count(*) FROM journal") == [(10,)]


async def set_at(store: Store, seq: int, days_ago: float) -> None:
    at = rfc3339(unix_s() - days_ago * 86_400)
    await store.write(lambda tx: tx.execute("UPDATE journal SET at = ? WHERE seq = ?", (at, seq)))
