"""Forgetting one party: its rows, its facts and every trace of them in the files; nobody else loses anything."""

import asyncio
import random
import sqlite3
from pathlib import Path

import pytest

from core.errors import NotNow, TimedOut
from core.events import CallTransfer, Outcome, SmsReport, SmsState, TransferState
from core.store import messages, voicemail
from core.store import store as store_module
from core.store.calls import get_call, turns
from core.store.erase import CHUNK, Erased, erase
from core.store.message_reads import list_messages, search
from core.store.store import Store, Tx
from tests.store.inbox_rows import ANNE, AT, BEN, begin_group, fill, put, put_call, received, sent

SECRET = "quixotic"


def is_anne(number: str, line: str) -> bool:
    return number in (ANNE, "07700 900123", "name:anne")


def traces(path: Path, *wanted: str) -> dict[str, int]:
    """How often each stands in any of the store's files, as text or in hexadecimal as PDUs are."""
    files = b"".join(file.read_bytes() for file in path.parent.iterdir())
    return {word: files.count(word.encode()) + files.lower().count(word.encode().hex().encode()) for word in wanted}


async def fill_both(store: Store) -> None:
    """Messages, reports and calls of two people, the same for both; what the first says is secret."""

    def work(tx: Tx) -> None:
        for name, number, words in (("anne", ANNE, f"{SECRET} from Anne"), ("ben", BEN, "harmless from Ben")):
            put(tx, received(f"sms_{name}_in", number, words), states=("received",))
            put(tx, sent(f"sms_{name}_out", number, words, client_ref=f"to {number}"), states=("sent", "delivered"))
            for message_id in (f"sms_{name}_out", None):
                messages.add_report(
                    tx,
                    {"message_id": message_id, "line": "sim", "peer": number, "reference": 1, "status": 0, "at": AT},
                )
                outcome = Outcome.DELIVERED
                tx.fact(
                    SmsReport(message_id=message_id, number=number, outcome=outcome, status=0, status_text="delivered")
                )
            put_call(tx, f"call_{name}", number, words, recording=f"/rec/call_{name}.wav")

    await store.write(work)
    await begin_group(store, received("sms_anne_part", parts=2, text=SECRET), 1)


async def test_rows_of_the_party_go_and_all_others_stay(store: Store) -> None:
    await fill_both(store)
    done = await erase(store, is_anne)
    assert done == Erased(3, 1, 7, ("call_anne",), ("/rec/call_anne.wav",), True)
    assert [row.message_id for row in await store.read(list_messages)] == ["sms_ben_out", "sms_ben_in"]
    assert await store.read(lambda db: get_call(db, "call_anne")) is None
    assert await store.read(lambda db: get_call(db, "call_ben")) is not None
    assert await store.read(lambda db: turns(db, "call_anne")) == []
    assert len(await store.read(lambda db: turns(db, "call_ben"))) == 1
    assert await store.read(lambda db: search(db, SECRET)) == []
    assert len(await store.read(lambda db: search(db, "harmless"))) == 2
    for table in ("message_parts", "message_groups", "message_reports"):
        rows = await store.read(lambda db, table=table: db.execute(f"SELECT * FROM {table}").fetchall())  # type: ignore[misc]
        assert not any("anne" in str(row) or ANNE in str(row) for row in rows)
    (reports,) = await store.read(lambda db: db.execute("SELECT count(*) FROM message_reports").fetchone())
    assert reports == 2


async def test_facts_keep_their_numbers_and_lose_who_and_what(store: Store) -> None:
    await fill_both(store)
    before = await store.facts(0)
    await erase(store, is_anne)
    after = await store.facts(0)
    assert [(fact.seq, fact.topic, fact.at) for fact in after] == [(fact.seq, fact.topic, fact.at) for fact in before]
    for old, new in zip(before, after, strict=True):
        if "anne" not in str(old.params) and ANNE not in str(old.params):
            assert new.params == old.params
            continue
        assert new.params["redacted"] == list(new.spec.personal)
        assert all(new.params[name] is None for name in new.spec.personal)
        assert new.params.keys() == old.params.keys() | {"redacted"}
        assert ANNE not in str(new.params) and SECRET not in str(new.params)


async def test_whom_others_were_transferred_to_and_audio_of_callers_known_late_are_found(store: Store) -> None:
    def work(tx: Tx) -> None:
        put_call(tx, "call_ben", BEN, "harmless")
        put_call(tx, "call_anne", ANNE, "harmless")
        for call_id, to in (("call_ben", ANNE), ("call_anne", BEN), ("call_ben", BEN)):
            tx.fact(CallTransfer(line="sim", call_id=call_id, state=TransferState.DIALING, to=to))
        for name, number in (("a", None), ("b", BEN)):
            row = voicemail.VoicemailRow(
                voicemail_id=f"vm_{name}", call_id="call_anne", line="sim", number=number, created_at=AT
            )
            voicemail.insert(tx, row)

    await store.write(work)
    known = await store.read(voicemail.parties)
    assert known == [("vm_a", ANNE, "sim"), ("vm_b", BEN, "sim")], "else a file would stay without its row"
    await erase(store, is_anne)
    told = [fact.params["to"] for fact in await store.facts(0) if fact.topic == "call.transfer"]
    assert told == [None, None, BEN]


async def test_nothing_is_left_in_the_files(store: Store, path: Path) -> None:
    await fill_both(store)
    assert min(traces(path, SECRET, ANNE, BEN).values()) > 0
    assert (await erase(store, is_anne)).scrubbed
    found = traces(path, SECRET, ANNE, "harmless", BEN)
    assert (found[SECRET], found[ANNE]) == (0, 0)
    assert found["harmless"] > 0 and found[BEN] > 0


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_left_of_rows_that_were_moved_changed_and_deleted_before(
    store: Store, path: Path, seed: int
) -> None:
    """SQLite leaves copies of rows in the gaps of its pages when it moves them; the index of words leaves its own."""
    chance = random.Random(seed)

    def grow(tx: Tx) -> None:
        for n in range(1200):
            number = ANNE if chance.random() < 0.3 else f"+1555{n:07d}"
            words = " ".join(f"{SECRET if number == ANNE else 'plain'}{chance.randrange(50)}" for _ in range(30))
            row = received(f"sms_{chance.random()}", number, words[: chance.randrange(10, 300)])
            put(tx, row, states=("received",))
            messages.update(tx, row.message_id, AT, text=words)
            if chance.random() < 0.2:
                tx.execute("DELETE FROM messages WHERE id = ?", (chance.randrange(n + 1),))

    for _ in range(2):
        await store.write(grow)
    assert traces(path, SECRET)[SECRET] > 1000
    done = await erase(store, is_anne)
    assert done.messages > CHUNK // 2
    assert traces(path, SECRET, ANNE) == {SECRET: 0, ANNE: 0}
    assert (await store.read(lambda db: db.execute("PRAGMA integrity_check").fetchone())) == ("ok",)


async def test_a_party_is_known_by_every_spelling_on_every_line(store: Store) -> None:
    asked: list[tuple[str, str]] = []

    def judge(number: str, line: str) -> bool:
        asked.append((number, line))
        return (number, line) in (("0301", "berlin"), (ANNE, "london"))

    await fill(
        store,
        received("sms_1", "0301", line="berlin"),
        received("sms_2", "0301", line="london"),
        received("sms_3", ANNE, line="london"),
    )
    assert (await erase(store, judge)).messages == 2
    assert [row.message_id for row in await store.read(list_messages)] == ["sms_2"]
    assert len(asked) == len(set(asked))  # each is asked about once


async def test_facts_whose_rows_went_before_are_redacted_by_their_number(store: Store) -> None:
    await fill_both(store)
    await store.write(lambda tx: [tx.execute(f"DELETE FROM {table}").rowcount for table in ("messages", "calls")])
    done = await erase(store, is_anne)
    assert (done.messages, done.calls, done.facts) == (0, 0, 6)
    # What was said in a call names no number; with the call's row it would have been found.
    numbers = [fact.params.get("number") for fact in await store.facts(0)]
    assert ANNE not in numbers and numbers.count(BEN) == 6


async def test_facts_of_a_newer_version_lose_everything(store: Store) -> None:
    def work(tx: Tx) -> None:
        for topic, params in (("fax.received", f'{{"number":"{ANNE}","pages":["x"]}}'), ("fax.broken", "no json")):
            tx.execute("INSERT INTO journal (topic, at, params) VALUES (?, ?, ?)", (topic, AT, params))

    await store.write(work)
    assert (await erase(store, is_anne)).facts == 1
    rows = await store.read(lambda db: db.execute("SELECT params FROM journal ORDER BY seq").fetchall())
    assert rows == [('{"number":null,"pages":null}',), ("no json",)]


async def test_erasing_again_finds_nothing_and_changes_nothing(store: Store) -> None:
    await fill_both(store)
    await erase(store, is_anne)
    facts = await store.facts(0)
    assert await erase(store, is_anne) == Erased(0, 0, 0, (), (), True)
    assert await store.facts(0) == facts


async def test_what_is_on_its_way_to_the_network_is_never_torn_out(store: Store) -> None:
    await fill_both(store)
    await fill(store, sent("sms_now", state=SmsState.SENDING))
    with pytest.raises(NotNow):
        await erase(store, is_anne)
    assert "sms_now" in [row.message_id for row in await store.read(list_messages)]
    assert await store.read(lambda db: get_call(db, "call_anne")) is not None
    await store.write(lambda tx: messages.update(tx, "sms_now", AT, state=SmsState.SENT))
    assert (await erase(store, is_anne)).calls == 1


async def test_what_comes_while_it_goes_on_is_erased_as_well(store: Store, path: Path) -> None:
    await fill_both(store)
    stranger = SmsReport(message_id=None, number="+19", outcome=Outcome.FAILED, status=70, status_text="failed")
    await store.write(lambda tx: tx.fact(stranger))
    loop = asyncio.get_running_loop()

    def judge(number: str, line: str) -> bool:
        if number == "+19":  # only a fact speaks of it: all rows have been looked for by now
            late = fill(store, received("sms_late", "07700 900123", SECRET), sent("sms_later", ANNE, SECRET))
            asyncio.run_coroutine_threadsafe(late, loop).result(30)
        return is_anne(number, line)

    assert (await erase(store, judge)).messages == 5
    assert [row.peer for row in await store.read(list_messages)] == [BEN, BEN]
    assert traces(path, SECRET, ANNE, "07700 900123") == {SECRET: 0, ANNE: 0, "07700 900123": 0}


async def test_a_large_file_is_not_rewritten_and_says_so(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "SCRUB_BYTES", 10)
    await fill_both(store)
    done = await erase(store, is_anne)
    assert (done.messages, done.scrubbed) == (3, False)
    assert path.with_name(path.name + "-wal").stat().st_size == 0
    assert await store.read(lambda db: search(db, SECRET)) == []


async def test_a_reader_that_stays_in_the_file_is_told_of(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill_both(store)
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM messages").fetchone()
        await store.write(lambda tx: tx.execute("PRAGMA busy_timeout = 50").fetchall())
        with pytest.raises(TimedOut):
            await erase(store, is_anne)
    finally:
        other.close()
    assert (await erase(store, is_anne)).scrubbed


async def test_writes_go_on_before_and_after_a_scrub_in_their_order(store: Store) -> None:
    rows = [received(f"sms_{n}") for n in range(6)]
    before, after = [fill(store, row) for row in rows[:3]], [fill(store, row) for row in rows[3:]]
    scrubbed, *_ = await asyncio.gather(store.scrub(), *before, store.scrub(), *after)
    assert scrubbed is True
    listed = await store.read(lambda db: list_messages(db, oldest_first=True))
    assert [row.message_id for row in listed] == [row.message_id for row in rows]
