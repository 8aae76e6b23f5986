"""Writes: grouped, isolated from each other, published in order, bounded."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from core.bus import CAUSE, Cause
from core.errors import StoreFailed
from core.events import AlarmRaised, ModemSignal
from core.store import store as store_module
from core.store import worker
from core.store.store import Store, Tx
from tests.store.conftest import Gate, fact, published, raised, raw_rows


async def test_a_fact_is_on_disk_and_on_the_bus_when_its_write_answers(store: Store, path: Path) -> None:
    seq = await store.write(fact("smoke"))
    assert seq == 1 == store.head_seq
    assert published(store) == [(1, "smoke")]
    assert raw_rows(path, "SELECT seq, topic FROM journal") == [(1, "alarm.raised")]


async def test_writes_that_come_together_share_commits(store: Store, gate: Gate) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(store.write(gate.work))
        await gate.reached()
        before = store.commits
        rest = [group.create_task(store.write(fact(str(n)))) for n in range(200)]
        await asyncio.sleep(0)
        gate.open()
    assert [task.result() for task in rest] == list(range(1, 201))
    assert store.commits - before == 2, "the one under way, and one for all that came meanwhile"


async def test_after_a_group_the_next_write_waits_a_moment_for_the_others(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "GROUP_WINDOW_S", 20.0)
    store = await Store.open(path)
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        group.create_task(store.write(gate.work))
        await gate.reached()
        pair = [group.create_task(store.write(fact("first"))) for _ in range(2)]
        await asyncio.sleep(0)
        gate.open()
        await asyncio.gather(*pair)
        before = store.commits
        early = group.create_task(store.write(fact("early")))
        await asyncio.wait({early}, timeout=0.05)
        assert not early.done()
        await store.write(fact("late"))
    assert store.commits - before == 1
    await store.close()


async def test_a_single_writer_pays_one_commit_a_write(store: Store) -> None:
    before = store.commits
    for n in range(5):
        await store.write(fact(str(n)))
    assert store.commits - before == 5


async def test_the_writer_syncs_fully_and_checks_foreign_keys(store: Store) -> None:
    def pragmas(tx: Tx) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [tx.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await store.write(pragmas) == ["wal", 2, 1, 5000]


async def test_an_exception_undoes_only_its_own_write(store: Store, gate: Gate, path: Path) -> None:
    def broken(tx: Tx) -> None:
        tx.fact(raised("never"))
        tx.execute("INSERT INTO consumers VALUES ('never', 0, '')")
        raise KeyError("broken")

    async with asyncio.TaskGroup() as group:
        group.create_task(store.write(gate.work))
        await gate.reached()
        first = group.create_task(store.write(fact("first")))
        bad = group.create_task(_outcome(store, broken))
        last = group.create_task(store.write(fact("last")))
        await asyncio.sleep(0)
        gate.open()
    assert isinstance(bad.result(), KeyError)
    assert (first.result(), last.result()) == (1, 2), "no hole where the undone fact was"
    assert published(store) == [(1, "first"), (2, "last")]
    assert raw_rows(path, "SELECT * FROM consumers") == []


@pytest.mark.parametrize("error", [ValueError("x"), StopIteration(), SystemExit(3), TimeoutError("mine")])
async def test_the_writer_lives_on_whatever_a_write_raises(store: Store, error: BaseException) -> None:
    def broken(tx: Tx) -> None:
        raise error

    kept = RuntimeError if isinstance(error, StopIteration) else type(error)
    with pytest.raises(kept):
        await store.write(broken)
    assert await store.write(fact()) == 1


async def test_a_moment_is_refused_in_the_journal(store: Store) -> None:
    with pytest.raises(ValueError, match=r"modem\.signal is a moment"):
        await store.write(lambda tx: tx.fact(ModemSignal(rssi_dbm=-60)))
    assert store.head_seq == 0


async def test_facts_are_published_before_their_write_answers_and_not_before_the_commit(
    store: Store, gate: Gate
) -> None:
    order: list[str] = []

    def both(tx: Tx) -> None:
        tx.fact(raised("one"))
        tx.fact(raised("two"))
        gate.work(tx)

    async def writer() -> None:
        await store.write(both)
        order.append(f"answered at {store.head_seq}")
        order.append(str([alarm for _, alarm in published(store)]))

    async with asyncio.TaskGroup() as group:
        group.create_task(writer())
        await gate.reached()
        assert store.head_seq == 0, "journalled, but not committed"
        assert await store.facts(0) == []
        gate.open()
    assert order == ["answered at 2", "['one', 'two']"]


async def test_facts_carry_the_cause_of_the_caller_and_the_cause_knows_their_numbers(store: Store) -> None:
    mine, other = Cause(), Cause()
    seen: list[list[int]] = []

    async def request(cause: Cause, *alarms: str) -> None:
        CAUSE.set(cause)
        await store.write(lambda tx: [tx.fact(raised(alarm)) for alarm in alarms])
        seen.append(list(cause.seqs))

    async with asyncio.TaskGroup() as group:
        group.create_task(request(mine, "a", "b"))
        group.create_task(request(other, "c"))
    await store.write(fact("nobody's"))
    assert seen == [[1, 2], [3]]
    causes = [event.cause for index in range(4) if (event := store.bus.get(index))]
    assert causes == [mine, mine, other, None]


async def test_a_cancelled_caller_does_not_undo_its_write(store: Store, gate: Gate) -> None:
    cause = Cause()

    async def leaves() -> None:
        CAUSE.set(cause)
        await store.write(fact("kept"))

    async with asyncio.TaskGroup() as group:
        group.create_task(store.write(gate.work))
        await gate.reached()
        leaver = group.create_task(leaves())
        await asyncio.sleep(0)
        leaver.cancel()
        await asyncio.sleep(0)
        gate.open()
    assert leaver.cancelled()
    await store.write(fact("next"))
    assert published(store) == [(1, "kept"), (2, "next")]
    assert cause.seqs == [1]


async def test_a_full_queue_makes_the_caller_wait_and_then_fail(
    store: Store, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "QUEUE_WAIT_S", 0.05)
    async with asyncio.TaskGroup() as group:
        group.create_task(store.write(gate.work))
        await gate.reached()
        for n in range(worker.QUEUE_JOBS - 1):
            group.create_task(store.write(fact(str(n))))
        await asyncio.sleep(0)
        with pytest.raises(StoreFailed, match="too slow") as failed:
            await store.write(fact("too much"))
        assert failed.value.data()["retry_after_s"] == 0.05
        monkeypatch.setattr(worker, "QUEUE_WAIT_S", 10.0)
        waits = group.create_task(store.write(fact("patient")))
        await asyncio.sleep(0)
        gate.open()
    assert waits.result() == worker.QUEUE_JOBS
    assert "too much" not in {alarm for _, alarm in published(store)}


async def test_a_disk_that_hangs_is_reported_and_its_write_may_still_happen(
    store: Store, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ANSWER_LIMIT_S", 0.05)

    def slow(tx: Tx) -> int:
        gate.work(tx)
        return tx.fact(raised("late"))

    with pytest.raises(StoreFailed, match="may still happen"):
        await store.write(slow)
    monkeypatch.undo()
    gate.open()
    await store.write(fact("next"))
    assert published(store) == [(1, "late"), (2, "next")]


async def test_close_finishes_what_was_asked_and_refuses_what_comes_after(path: Path) -> None:
    store = await Store.open(path)
    async with asyncio.TaskGroup() as group:
        writes = [group.create_task(store.write(fact(str(n)))) for n in range(50)]
        await asyncio.sleep(0)
        group.create_task(store.close())
    assert [write.result() for write in writes] == list(range(1, 51))
    with pytest.raises(StoreFailed, match="closed"):
        await store.write(fact())
    with pytest.raises(StoreFailed, match="closed"):
        await store.facts(0)
    await store.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["dialtone.db", "dialtone.db.lock"], (
        "the WAL is empty"
    )


async def test_close_waits_for_the_writes_before_it(path: Path) -> None:
    store = await Store.open(path)
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        group.create_task(store.write(gate.work))
        await gate.reached()
        writes = [group.create_task(store.write(fact(str(n)))) for n in range(50)]
        closing = group.create_task(store.close())
        async with asyncio.timeout(20):
            await _until_closing(store)
            gate.open()
            await closing
    assert [write.result() for write in writes] == list(range(1, 51))


async def test_the_loop_turns_while_the_disk_is_busy(store: Store, gate: Gate) -> None:
    turns = 0
    async with asyncio.TaskGroup() as group:
        group.create_task(store.write(gate.work))
        await gate.reached()
        for _ in range(100):
            await asyncio.sleep(0)
            turns += 1
        assert await store.read(lambda db: db.execute("SELECT 7").fetchone()[0]) == 7, "reads don't wait for writes"
        gate.open()
    assert turns == 100


async def test_a_fact_keeps_its_fields(store: Store) -> None:
    await store.write(lambda tx: tx.fact(AlarmRaised(line="one", alarm="hot", text='Grüße, "Ⅷ" \n', client="c")))
    (stored,) = await store.facts(0)
    event = store.bus.get(0)
    assert event is not None
    assert stored.params == event.params == {
        "line": "one", "alarm": "hot", "severity": "warning", "text": 'Grüße, "Ⅷ" \n', "client": "c",
    }  # fmt: skip
    assert (stored.topic, stored.at, stored.spec) == ("alarm.raised", event.at, event.spec)


async def _until_closing(store: Store) -> None:
    while True:
        try:
            async with asyncio.timeout(0.02):
                await store.write(lambda tx: None)
        except TimeoutError:
            continue
        except StoreFailed:
            return


async def _outcome(store: Store, work: Callable[[Tx], None]) -> BaseException | None:
    try:
        await store.write(work)
    except Exception as problem:
        return problem
    return None
