"""The call log: rows go in and come out the same, newest first, page by page."""

import sqlite3
from functools import partial

import pytest

from core.errors import NotFound
from core.line import CallState, Direction, EndReason
from core.store import calls
from core.store.calls import (
    CallRow,
    TurnRow,
    add_turn,
    get_call,
    insert_call,
    list_calls,
    open_calls,
    turns,
    update_call,
)
from core.store.store import Store

FULL = CallRow(
    call_id="call_1700000000_full",
    line="one",
    direction=Direction.OUT,
    number="+15550100",
    withheld=True,
    state=CallState.ENDED,
    rings=3,
    started_at="2026-11-21T07:16:00.123Z",
    connected_at="2026-11-21T07:16:05.000Z",
    ended_at="2026-11-21T07:17:05.500Z",
    duration_s=60.5,
    reason=EndReason.REMOTE_HANGUP,
    network_text="Normal call clearing",
    recording="/var/lib/dialtone/x.wav",
    audio={"attempts": 1, "verdict": "healthy", "open_ms": None},
)


def ringing(call_id: str, line: str = "one", direction: Direction = Direction.IN) -> CallRow:
    return CallRow(
        call_id=call_id, line=line, direction=direction, state=CallState.INCOMING, started_at="2026-11-21T07:16:00.123Z"
    )


async def insert(store: Store, *rows: CallRow) -> None:
    for row in rows:
        await store.write(partial(insert_call, row=row))


async def test_a_call_comes_out_as_it_went_in(store: Store) -> None:
    await insert(store, FULL, ringing("call_2"))
    assert await store.read(lambda db: get_call(db, FULL.call_id)) == FULL
    assert await store.read(lambda db: get_call(db, "call_2")) == ringing("call_2")
    assert await store.read(lambda db: get_call(db, "call_3")) is None


async def test_a_call_id_stands_once(store: Store) -> None:
    await insert(store, ringing("call_1"))
    with pytest.raises(sqlite3.IntegrityError):
        await insert(store, ringing("call_1"))


async def test_an_update_sets_what_it_names(store: Store) -> None:
    await insert(store, ringing("call_1"), ringing("call_2"))
    await store.write(
        lambda tx: update_call(
            tx, "call_1", state=CallState.ENDED, reason=EndReason.MISSED, rings=4, audio={"attempts": 2}, withheld=True
        )
    )
    found = await store.read(lambda db: get_call(db, "call_1"))
    assert found is not None
    assert (found.state, found.reason, found.rings) == (CallState.ENDED, EndReason.MISSED, 4)
    assert (found.audio, found.withheld, found.line) == ({"attempts": 2}, True, "one")
    assert await store.read(lambda db: get_call(db, "call_2")) == ringing("call_2")


async def test_an_update_of_nothing_changes_nothing(store: Store) -> None:
    await insert(store, ringing("call_1"))
    await store.write(lambda tx: update_call(tx, "call_1"))
    assert await store.read(lambda db: get_call(db, "call_1")) == ringing("call_1")


@pytest.mark.parametrize("columns", [{"colour": "red"}, {"rings": "many"}, {"state": "gone"}, {"line": None}])
async def test_an_update_of_what_a_call_has_not_is_refused(store: Store, columns: dict[str, object]) -> None:
    await insert(store, ringing("call_1"))
    with pytest.raises(ValueError, match=r"calls"):
        await store.write(lambda tx: update_call(tx, "call_1", **columns))
    assert await store.read(lambda db: get_call(db, "call_1")) == ringing("call_1")


async def test_an_update_of_an_unknown_call_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.write(lambda tx: update_call(tx, "call_1", rings=2))


async def test_turns_come_in_their_order_and_go_with_a_known_call_only(store: Store) -> None:
    caller = TurnRow(
        call_id="call_1", ordinal=1, turn=1, role="caller", text="hallo", understood=True, confidence=0.75,
        engine="phrases", language="de", at_ms=1200, duration_ms=640, latency_ms=55,
    )  # fmt: skip
    bot = TurnRow(call_id="call_1", ordinal=2, turn=1, role="bot", text="Guten Tag", heard_text="Guten", at_ms=2000)
    await insert(store, ringing("call_1"))
    await store.write(lambda tx: add_turn(tx, bot))
    await store.write(lambda tx: add_turn(tx, caller))
    assert await store.read(lambda db: turns(db, "call_1")) == [caller, bot]
    assert await store.read(lambda db: turns(db, "call_2")) == []
    with pytest.raises(sqlite3.IntegrityError):
        await store.write(lambda tx: add_turn(tx, TurnRow(call_id="call_9", ordinal=1, turn=1, role="bot")))
    with pytest.raises(sqlite3.IntegrityError):
        await store.write(lambda tx: add_turn(tx, bot))


async def test_calls_are_listed_newest_first_and_in_pages(store: Store) -> None:
    await insert(store, *(ringing(f"call_1_{letter}") for letter in "dbace"))  # ids of one second don't sort by time
    first = await store.read(lambda db: list_calls(db, limit=2))
    then = await store.read(lambda db: list_calls(db, limit=2, before=first[-1].call_id))
    last = await store.read(lambda db: list_calls(db, limit=2, before=then[-1].call_id))
    assert [row.call_id[-1] for row in first + then + last] == list("ecabd")
    assert await store.read(lambda db: list_calls(db, before="call_unknown")) == []
    assert await store.read(lambda db: list_calls(db, limit=0)) == []
    assert await store.read(lambda db: list_calls(db, limit=-1)) == []


async def test_a_list_has_a_bound_whatever_is_asked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_LISTED", 2)
    await insert(store, *(ringing(f"call_{n}") for n in range(3)))
    assert len(await store.read(lambda db: list_calls(db, limit=10**9))) == 2


async def test_a_list_can_be_of_one_line_or_direction(store: Store) -> None:
    await insert(
        store,
        ringing("call_1", "one", Direction.IN),
        ringing("call_2", "two", Direction.IN),
        ringing("call_3", "two", Direction.OUT),
    )
    by_line = await store.read(lambda db: list_calls(db, line="two"))
    by_both = await store.read(lambda db: list_calls(db, line="two", direction=Direction.IN))
    assert [row.call_id for row in by_line] == ["call_3", "call_2"]
    assert [row.call_id for row in by_both] == ["call_2"]


async def test_calls_that_a_crash_cut_off_are_found(store: Store) -> None:
    await insert(store, ringing("call_2"), FULL, ringing("call_1"))
    assert [row.call_id for row in await store.read(open_calls)] == ["call_2", "call_1"]
    await store.write(lambda tx: update_call(tx, "call_2", ended_at="2026-11-21T07:16:09.000Z"))
    assert [row.call_id for row in await store.read(open_calls)] == ["call_1"]
