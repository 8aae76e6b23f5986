"""The outbox's file: order, once and once only, bounds."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import dialtone
from clients.bridge.outbox.box import Bounds, Outbox
from clients.bridge.outbox.room import Full, make_room
from clients.bridge.outbox.rows import Draft, State
from clients.bridge.outbox.store import OtherVersion, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "state" / "bridge.db")
    yield made
    made.close()


def fact(seq: int, at: str = "2026-11-21T07:16:00.123Z") -> dialtone.Event:
    return dialtone.Event("sms.received", {}, seq=seq, at=at)


def put(store: Store, seq: int, queue: str = "sms", body: bytes = b"{}", *, moment: bool = False) -> bool:
    with store.taking(fact(seq)) as is_new:
        if is_new:
            store.add("station", Draft(queue, "sms.received", body, disposable=moment), fact(seq))
    return is_new


def bury(store: Store, queue: str) -> None:
    row = store.head(queue)
    assert row is not None
    store.buried(row, "HTTP 400")


def seqs(store: Store) -> list[int | None]:
    return [row.seq for row in store.rows(None, None, 1000)]


def test_a_fact_is_taken_once(store: Store) -> None:
    assert put(store, 1) and not put(store, 1)
    row = store.head("sms")
    assert row is not None
    store.delivered(row)
    assert not put(store, 1), "also once it is delivered"
    assert store.totals() == (0, 0)


def test_the_same_number_of_another_journal_is_another_fact(store: Store) -> None:
    put(store, 1)
    with store.taking(fact(1, at="2027-01-01T00:00:00.000Z")) as is_new:
        assert is_new


def test_rows_and_the_place_come_together_or_not_at_all(store: Store) -> None:
    with pytest.raises(RuntimeError), store.taking(fact(1)):
        store.add("station", Draft("sms", "sms.received", b"{}"), fact(1))
        raise RuntimeError
    assert store.totals() == (0, 0) and put(store, 1)


def test_queues_are_in_the_order_of_facts_each_for_itself(store: Store) -> None:
    for seq in range(1, 7):
        put(store, seq, "sms" if seq % 2 else "email")
    order: list[int | None] = []
    while (row := store.head("sms")) is not None:
        order.append(row.seq)
        store.delivered(row)
    assert order == [1, 3, 5] and seqs(store) == [2, 4, 6]


def test_a_dead_letter_lets_the_next_one_go_and_comes_back_at_its_place(store: Store) -> None:
    for seq in (1, 2, 3):
        put(store, seq)
    bury(store, "sms")
    head = store.head("sms")
    assert head is not None and head.seq == 2 and store.has_dead()
    assert store.replay(None) == 1 and not store.has_dead()
    head = store.head("sms")
    assert head is not None and (head.seq, head.tries, head.refusals) == (1, 0, 0)


def test_replay_and_drop_keep_to_a_queue(store: Store) -> None:
    put(store, 1, "a")
    put(store, 2, "b")
    bury(store, "a")
    bury(store, "b")
    assert store.drop(None, "a") == 1 and store.replay(None, "a") == 0 and seqs(store) == [2]


def test_a_moment_that_is_given_up_leaves_no_dead_letter(store: Store) -> None:
    put(store, 1, moment=True)
    bury(store, "sms")
    assert store.totals() == (0, 0)
    assert [(what, count) for _, what, count, _ in store.counts()] == [("expired", 1)]


def test_what_goes_first_when_it_is_full(store: Store) -> None:
    """Dead letters, then moments, then rows of the webhook that has most; those of the owner and the VPS never."""
    put(store, 1, "sms")
    put(store, 2, "webhook.big")
    put(store, 3, "webhook.big", moment=True)
    put(store, 4, "webhook.small")
    put(store, 5, "webhook.big")
    put(store, 6, "sms")
    bury(store, "sms")  # seq 1
    gone: list[int | None] = []
    before = seqs(store)
    for bound in (5, 4, 3, 2, 1):
        with store.writing():
            make_room(store, bound, 10**6)
        gone += [seq for seq in before if seq not in seqs(store)]
        before = seqs(store)
    assert gone == [1, 3, 2, 4, 5] and before == [6]
    with pytest.raises(Full), store.writing():
        make_room(store, 0, 10**6)
    dropped = {queue: count for queue, what, count, _ in store.counts() if what == "dropped"}
    assert dropped == {"sms": 1, "webhook.big": 3, "webhook.small": 1}


def test_bytes_are_bounded_as_rows_are(store: Store) -> None:
    for seq in (1, 2, 3):
        put(store, seq, "webhook.a", b"x" * 1000)
    with store.writing():
        make_room(store, 100, 2500)
    assert store.totals() == (2, 2000) and seqs(store) == [2, 3]


def test_the_file_is_for_its_owner_alone_and_the_disk_is_waited_for(store: Store) -> None:
    put(store, 1)
    for path in (store.path, *store.path.parent.glob("bridge.db-*")):
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store.db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_what_was_delivered_is_overwritten_in_the_file(store: Store) -> None:
    put(store, 1, body=b"a very secret text")
    row = store.head("sms")
    assert row is not None and row.state is State.WAITING
    store.delivered(row)
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"very secret" not in store.path.read_bytes()


def test_a_second_look_at_the_file_sees_the_same_and_harms_nothing(store: Store) -> None:
    """POSIX locks go with the first close of a file that a process has open twice."""
    put(store, 1)
    other = Store(store.path)
    assert seqs(other) == [1]
    other.close()
    version = store.data_version()
    third = Store(store.path, create=False)
    third.drop([1])
    third.close()
    assert store.data_version() != version and seqs(store) == []


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "bridge.db")
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(OtherVersion, match="newer"):
        Store(tmp_path / "bridge.db")


async def test_a_full_disk_is_waited_for_and_nothing_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def allow(store: Store, pages: int) -> None:
        store.db.execute(f"PRAGMA max_page_count={pages}")

    def maker(event: dialtone.Event, store: Store) -> list[Draft]:
        return [Draft("sms", "sms.received", b"x" * 50_000)]

    async with Outbox(tmp_path / "bridge.db", "station", Bounds(100, 10**7)) as outbox, asyncio.TaskGroup() as tasks:
        await outbox.do(allow, 1)  # no more than it has
        taking = tasks.create_task(outbox.take(fact(1), [maker]))
        async with asyncio.timeout(10):
            while not outbox.has_trouble("disk"):  # noqa: ASYNC110 - set within insist
                await asyncio.sleep(0.01)
        assert await outbox.insist(Store.head, "sms") is None and outbox.has_trouble("disk")
        await outbox.do(allow, 10_000)
        assert await taking == 1 and not outbox.has_trouble("disk")
        assert await outbox.do(Store.totals) == (1, 50_000)
    assert caplog.text.count("can't be used") == 1
