"""Reading messages: pages, conversations and words; what nobody was told of yet is not there."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import NotFound
from core.events import SmsState
from core.line import Direction
from core.store import inbox, message_reads, messages
from core.store.message_reads import (
    Conversation,
    Filter,
    MessageRow,
    conversation,
    conversations,
    get_message,
    list_messages,
    open_messages,
    search,
)
from core.store.migrate import migrate
from core.store.store import Store, Tx
from tests.store.inbox_rows import ANNE, AT, BEN, begin_group, fill, put, received, sent


async def listed(store: Store, **wanted: Any) -> list[str]:
    return [row.message_id for row in await store.read(lambda db: list_messages(db, **wanted))]


async def found(store: Store, query: str, **wanted: Any) -> list[str]:
    return [row.message_id for row in await store.read(lambda db: search(db, query, **wanted))]


async def row_of(store: Store, message_id: str) -> MessageRow:
    row = await store.read(lambda db: get_message(db, message_id))
    assert row is not None
    return row


# --- one message


async def test_a_message_comes_out_as_it_went_in(store: Store) -> None:
    row = sent(
        "sms_1", data=b"\x00\xff", encoding="binary", message_class=0, reason="no_answer", parts=2,
        details={"source_port": 9200}, client_ref="ref", digest="abc", priority=0, report=True, on_unknown="resend",
        dry_run=True, send_at=AT, expires_at=AT, next_try_at=AT, smsc="+4477", network_at=AT, incomplete=True,
        silent=True, replaces="sms_0",
    )  # fmt: skip
    await fill(store, row)
    kept = await row_of(store, "sms_1")
    assert {name: getattr(kept, name) for name in row.__struct_fields__} == {
        name: getattr(row, name) for name in row.__struct_fields__
    }
    assert (kept.direction, kept.state) == (Direction.OUT, SmsState.SENT)
    assert await store.read(lambda db: get_message(db, "sms_2")) is None


async def test_parts_say_how_far_an_outgoing_message_has_come(store: Store) -> None:
    row = sent("sms_1", parts=5)
    await store.write(lambda tx: put(tx, row, states=("delivered", "sent", "unknown", "handed", "waiting")))
    kept = await row_of(store, "sms_1")
    assert (kept.parts_sent, kept.parts_delivered, kept.missing) == (2, 1, ())


async def test_parts_say_what_of_an_incoming_message_is_missing(store: Store) -> None:
    await begin_group(store, received("sms_1", parts=4, text="…"), 2, 4)
    await store.write(lambda tx: inbox.set_told(tx, "sms_1"))
    kept = await row_of(store, "sms_1")
    assert (kept.missing, kept.parts_sent, kept.parts_delivered) == ((1, 3), 0, 0)


async def test_a_message_is_hidden_until_somebody_was_told_of_it(store: Store) -> None:
    await fill(store, received("sms_1", text="whole word"))
    await begin_group(store, received("sms_2", text="half word", parts=2), 1)

    async def seen() -> list[object]:
        talks = await store.read(conversations)
        return [
            await store.read(lambda db: get_message(db, "sms_2")) is not None,
            await listed(store),
            await found(store, "word"),
            [(each.peer, each.messages, each.last.message_id) for each in talks],
        ]

    assert await seen() == [False, ["sms_1"], ["sms_1"], [(ANNE, 1, "sms_1")]]
    await store.write(lambda tx: inbox.set_told(tx, "sms_2"))
    both = ["sms_2", "sms_1"]
    assert await seen() == [True, both, both, [(ANNE, 2, "sms_2")]]


# --- pages


async def test_messages_are_listed_in_the_order_in_which_they_came_whatever_the_clock_said(store: Store) -> None:
    for day, letter in zip((29, 28, 27, 26, 25), "dbace", strict=True):
        await fill(store, received(f"sms_{letter}", created_at=f"2026-11-{day}T00:00:00.000Z"))
    assert await listed(store) == [f"sms_{letter}" for letter in "ecabd"]
    assert await listed(store, oldest_first=True) == [f"sms_{letter}" for letter in "dbace"]


@pytest.mark.parametrize(("oldest_first", "cursor"), [(False, "before"), (True, "after")])
async def test_pages_have_no_hole_and_no_double_also_while_messages_come(
    store: Store, oldest_first: bool, cursor: str
) -> None:
    ids = [f"sms_{n}" for n in range(7)]
    await fill(store, *map(received, ids))
    seen: list[str] = []
    while page := await listed(store, limit=3, oldest_first=oldest_first, **({cursor: seen[-1]} if seen else {})):
        seen += page
        if len(seen) == 3:
            await fill(store, received("sms_late"))
    assert seen == [*ids, "sms_late"] if oldest_first else seen == ids[::-1]


async def test_a_page_after_an_unknown_message_is_an_error_and_not_the_end(store: Store) -> None:
    await fill(store, received("sms_1"))
    works: list[Callable[[sqlite3.Connection], object]] = [
        lambda db: list_messages(db, before="sms_9"),
        lambda db: list_messages(db, after="sms_9", oldest_first=True),
        lambda db: conversation(db, ANNE, before="sms_9"),
        lambda db: conversations(db, before="sms_9"),
        lambda db: search(db, "hello", before="sms_9"),
    ]
    for work in works:
        with pytest.raises(NotFound):
            await store.read(work)


async def test_a_page_has_a_bound_whatever_is_asked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_reads, "MAX_LISTED", 2)
    await fill(store, *(received(f"sms_{n}", number=f"+4477009000{n}") for n in range(3)))
    assert len(await listed(store, limit=10**9)) == len(await found(store, "hello", limit=10**9)) == 2
    assert len(await store.read(lambda db: conversations(db, limit=10**9))) == 2
    assert await listed(store, limit=-1) == await found(store, "hello", limit=-1) == []


FILTERS = [
    (Filter(), "54321"),
    (Filter(line="two"), "52"),
    (Filter(direction=Direction.IN), "521"),
    (Filter(direction=Direction.IN, peer=ANNE), "51"),
    (Filter(peer=BEN), "42"),
    (Filter(states=[SmsState.FAILED]), "4"),
    (Filter(states=[SmsState.FAILED, SmsState.SENT]), "43"),
    (Filter(states=[]), ""),
    (Filter(since="2026-11-23T00:00:00.000Z"), "543"),
    (Filter(until="2026-11-23T00:00:00.000Z"), "21"),
    (Filter(since="2026-11-22T00:00:00.000Z", until="2026-11-24T00:00:00.000Z", line="sim"), "3"),
]


@pytest.mark.parametrize(("only", "wanted"), FILTERS)
async def test_a_list_and_a_search_can_be_of_some_messages_only(store: Store, only: Filter, wanted: str) -> None:
    def at(day: int) -> str:
        return f"2026-11-{day}T00:00:00.000Z"

    await fill(
        store,
        received("sms_1", ANNE, created_at=at(21)),
        received("sms_2", BEN, created_at=at(22), line="two"),
        sent("sms_3", ANNE, created_at=at(23)),
        sent("sms_4", BEN, created_at=at(24), state=SmsState.FAILED),
        received("sms_5", ANNE, created_at=at(25), line="two"),
    )
    assert await listed(store, only=only) == await found(store, "hell", only=only) == [f"sms_{n}" for n in wanted]


# --- conversations


async def test_a_conversation_holds_both_directions_of_one_party(store: Store) -> None:
    await fill(store, received("sms_1"), received("sms_2", BEN), sent("sms_3"), sent("sms_4", BEN))
    rows = await store.read(lambda db: conversation(db, ANNE))
    assert [row.message_id for row in rows] == ["sms_3", "sms_1"]
    assert [row.message_id for row in await store.read(lambda db: conversation(db, ANNE, before="sms_3"))] == ["sms_1"]


async def test_conversations_come_by_their_newest_message_and_in_pages(store: Store) -> None:
    names = ["name:bank", "12345", ANNE, BEN]
    await fill(store, *(received(f"sms_{turn}{at}", peer=name) for turn in "ab" for at, name in enumerate(names)))

    def shown(page: list[Conversation]) -> list[tuple[str, int, str]]:
        return [(each.peer, each.messages, each.last.message_id) for each in page]

    first = await store.read(lambda db: conversations(db, limit=3))
    rest = await store.read(lambda db: conversations(db, before=first[-1].last.message_id))
    assert shown(first) == [(BEN, 2, "sms_b3"), (ANNE, 2, "sms_b2"), ("12345", 2, "sms_b1")]
    assert shown(rest) == [("name:bank", 2, "sms_b0")]


async def test_what_is_not_finished_is_known(store: Store) -> None:
    await fill(store, *(sent(f"sms_{state}", state=state) for state in SmsState if state is not SmsState.RECEIVED))
    rows = await store.read(open_messages)
    assert sorted(row.state for row in rows) == ["queued", "sending", "unknown"]
    assert {row.message_id for row in rows} == {"sms_queued", "sms_sending", "sms_unknown"}


# --- words

TEXTS = {
    "sms_1": "Your invoice of May is ready",
    "sms_2": "INVOICE paid, thank you",
    "sms_3": "Die Tür ist geöffnet – 100% sicher",
    "sms_4": "party 🎉 tonight?",
    "sms_5": "会議は明日です",
    "sms_6": "don't panic: call O'Neill @ 555-0100",
}
SEARCHES = [
    ("invoice", "21"),
    ("Invoice MAY", "1"),
    ("may invoice", "1"),
    ("inv", "21"),
    ("inv may", ""),
    ("invoice pa", "2"),
    ("invoice pa ", ""),
    ("tur geoffnet", "3"),
    ("TÜR", "3"),
    ("100%", "3"),
    ("🎉", "4"),
    ("🎉 party", "4"),
    ("🎊", ""),
    ("明日", "5"),
    ("don't", "6"),
    ("555-0100", "6"),
    ("0100-555", ""),
    ('"', ""),
    ("?", "4"),
    ("@ call", "6"),
    ("– 100", "3"),
    ("", ""),
    (" \t\n", ""),
    ("\x00", ""),
    ("invoice\x00paid", "2"),
    ("invoice OR panic", ""),
    ("NEAR(invoice may)", ""),
    ("text:invoice", ""),
    ("-invoice", "21"),
    ('"invoice "" may"', "1"),
    ("zebra", ""),
]


@pytest.mark.parametrize(("query", "wanted"), SEARCHES)
async def test_messages_are_found_by_all_the_words_of_a_query(store: Store, query: str, wanted: str) -> None:
    await fill(store, *(received(message_id, text=text) for message_id, text in TEXTS.items()))
    assert await found(store, query) == [f"sms_{n}" for n in wanted]


async def test_a_search_goes_on_page_by_page(store: Store) -> None:
    for text in ("hello", "🎉"):
        ids = [f"sms_{text}{n}" for n in range(5)]
        await fill(store, *(received(each, text=text) for each in ids))
        first = await found(store, text, limit=2)
        rest = await found(store, text, before=first[-1])
        assert first + rest == ids[::-1]


async def test_words_follow_their_text(store: Store) -> None:
    await fill(store, received("sms_1", text=None), received("sms_2", text="old words"))
    assert await found(store, "words") == ["sms_2"]
    await store.write(lambda tx: messages.update(tx, "sms_1", AT, text="new words"))
    await store.write(lambda tx: messages.update(tx, "sms_2", AT, text="nothing left"))
    assert await found(store, "words") == ["sms_1"]

    def drop(tx: Tx) -> None:
        tx.execute("DELETE FROM messages WHERE message_id = 'sms_1'")

    await store.write(drop)
    assert await found(store, "words") == []


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=60) | st.text("\"'*^:()-+{}ANDORTE \x00aé😀字", max_size=60))
def test_whatever_is_typed_is_a_query(words: sqlite3.Connection, query: str) -> None:
    search(words, query)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40))
def test_a_message_is_found_by_its_own_text(words: sqlite3.Connection, text: str) -> None:
    words.execute("UPDATE messages SET text = ? WHERE message_id = 'sms_1'", (text,))
    assert [row.message_id for row in search(words, text)] == (["sms_1"] if text.strip() else [])


@pytest.fixture
def words() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        put(Tx(connection, []), received("sms_1", text="some words to look for"))
        yield connection


# --- the cost of a page


@pytest.fixture
def large(words: sqlite3.Connection) -> sqlite3.Connection:
    """10 000 messages with 500 parties."""
    tx = Tx(words, [])
    words.execute("BEGIN")
    for n in range(10_000):
        number = f"+4477009{n % 500:05d}"
        row = (received if n % 3 else sent)(f"sms_n{n}", number, f"word{n % 97} every day", parts=2)
        messages.insert(tx, row)
        for part in (1, 2):
            inbox.add_piece(tx, row.message_id, inbox.Piece(part, "00" * 150, None, None))
    words.execute("COMMIT")
    return words


def test_a_page_out_of_ten_thousand_costs_little_wherever_it_lies(large: sqlite3.Connection) -> None:
    """In steps of SQLite's machine, since a time would tell of this computer: 50 000 of them are some 2 ms here."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    large.set_progress_handler(count, 100)
    reads: dict[str, Callable[[], object]] = {
        "newest": lambda: list_messages(large),
        "middle": lambda: list_messages(large, before="sms_n5000"),
        "oldest": lambda: list_messages(large, before="sms_n60"),
        "sent": lambda: list_messages(large, only=Filter(direction=Direction.OUT), before="sms_n5000"),
        "party": lambda: list_messages(large, only=Filter(peer="+447700900007", direction=Direction.IN)),
        "word": lambda: search(large, "word7", before="sms_n5000"),
        "frequent word": lambda: search(large, "every day", before="sms_n5000"),
    }
    for name, read in reads.items():
        steps = 0
        read()
        assert steps * 100 < 50_000, name
    steps = 0
    conversations(large)
    assert steps * 100 < 300_000  # one look at the index of parties


def test_pages_are_read_by_index(large: sqlite3.Connection) -> None:
    seen: list[str] = []
    large.set_trace_callback(seen.append)
    list_messages(large, only=Filter(peer=ANNE, direction=Direction.IN))
    list_messages(large, only=Filter(direction=Direction.OUT))
    conversations(large)
    get_message(large, "sms_n1")
    open_messages(large)
    large.set_trace_callback(None)
    plans = [
        " ".join(row[3] for row in large.execute(f"EXPLAIN QUERY PLAN {sql}"))
        for sql in seen
        if sql.startswith("SELECT")
    ]
    for index in ("messages_by_peer", "messages_by_direction", "COVERING INDEX messages_by_peer", "messages_open"):
        assert any(index in plan for plan in plans), index
    assert not any("TEMP B-TREE FOR ORDER BY" in plan for plan in plans if "messages_by_peer" not in plan)
