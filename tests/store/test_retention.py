"""How long messages stay: finished ones go by age, open ones never, deliveries are known again for 60 days."""

import pytest

from core.clock import rfc3339, unix_s
from core.errors import NotFound, NotNow
from core.events import SmsState
from core.store import inbox, messages
from core.store.message_reads import list_messages
from core.store.retention import YOUNG_IN_A_ROW, delete_finished, prune_messages
from core.store.store import Store, Tx
from tests.store.inbox_rows import begin_group, fill, put, received, sent

DAY_S = 86_400.0


def days_ago(days: float) -> str:
    return rfc3339(unix_s() - days * DAY_S)


async def left(store: Store) -> list[str]:
    return [row.message_id for row in await store.read(lambda db: list_messages(db, oldest_first=True))]


async def prune(store: Store, keep_days: int, limit: int = 500) -> int:
    return await store.write(lambda tx: prune_messages(tx, keep_days, limit))


async def count(store: Store, table: str) -> int:
    (rows,) = await store.read(lambda db: db.execute(f"SELECT count(*) FROM {table}").fetchone())
    return int(rows)


async def test_finished_messages_go_when_nothing_has_happened_to_them_for_so_long(store: Store) -> None:
    old, young = days_ago(8), days_ago(6)
    await fill(
        store,
        received("sms_old", created_at=old, updated_at=old),
        sent("sms_old_failed", created_at=old, updated_at=old, state=SmsState.FAILED),
        sent("sms_just_delivered", created_at=old, updated_at=young),
        received("sms_young", created_at=young, updated_at=young),
    )
    assert await prune(store, 0) == 0
    assert await prune(store, 7) == 2
    assert await left(store) == ["sms_just_delivered", "sms_young"]
    assert await prune(store, 7) == 0


@pytest.mark.parametrize("state", [SmsState.QUEUED, SmsState.SENDING, SmsState.UNKNOWN])
async def test_what_is_not_finished_stays_however_old_it_is(store: Store, state: SmsState) -> None:
    await fill(store, sent("sms_1", created_at=days_ago(400), updated_at=days_ago(400), state=state))
    assert await prune(store, 1) == 0
    assert await left(store) == ["sms_1"]


async def test_parts_that_nobody_was_told_of_stay_however_old_they_are(store: Store) -> None:
    row = received("sms_1", parts=2, created_at=days_ago(400), updated_at=days_ago(400))
    await begin_group(store, row, 1)
    assert await prune(store, 1) == 0
    await store.write(lambda tx: inbox.set_told(tx, "sms_1"))
    assert await prune(store, 1) == 1


async def test_everything_of_a_message_goes_with_it(store: Store) -> None:
    def work(tx: Tx) -> None:
        put(tx, sent("sms_1", text="prune me", created_at=days_ago(9), updated_at=days_ago(9)), states=("sent", "sent"))
        for message_id in ("sms_1", None):
            messages.add_report(
                tx,
                {"message_id": message_id, "line": "sim", "peer": "+1", "reference": 1, "status": 0, "at": days_ago(9)},
            )

    await store.write(work)
    assert await prune(store, 7) == 2  # the message, and the report that fits none
    assert [await count(store, table) for table in ("messages", "message_parts", "message_reports")] == [0, 0, 0]
    assert await store.read(lambda db: db.execute("SELECT 1 FROM message_words('prune')").fetchall()) == []


async def test_a_prune_is_short_and_says_whether_there_may_be_more(store: Store) -> None:
    await fill(store, *(received(f"sms_{n}", created_at=days_ago(9), updated_at=days_ago(9)) for n in range(5)))
    assert [await prune(store, 7, limit=2) for _ in range(4)] == [2, 2, 1, 0]


async def test_old_messages_behind_a_few_with_a_wrong_clock_are_found(store: Store) -> None:
    ahead = days_ago(-400)
    await fill(store, *(received(f"sms_{n}", created_at=ahead, updated_at=ahead) for n in range(YOUNG_IN_A_ROW - 1)))
    await fill(store, received("sms_old", created_at=days_ago(9), updated_at=days_ago(9)))
    assert await prune(store, 7) == 1


async def test_deliveries_are_known_again_for_sixty_days(store: Store) -> None:
    await store.write(lambda tx: [messages.seen(tx, f"id{days}", "sim", days_ago(days)) for days in (61, 62, 59)])
    assert await prune(store, 0, limit=1) == 1
    assert await prune(store, 0) == 1
    assert await store.write(lambda tx: messages.seen(tx, "id59", "sim", days_ago(0)))
    assert not await store.write(lambda tx: messages.seen(tx, "id61", "sim", days_ago(0)))


# --- deleting one


async def test_a_finished_message_can_be_deleted_and_others_say_what_to_do_first(store: Store) -> None:
    open_states = [SmsState.QUEUED, SmsState.SENDING, SmsState.UNKNOWN]
    await fill(store, received("sms_in"), *(sent(f"sms_{state}", state=state) for state in open_states))
    await begin_group(store, received("sms_coming", parts=2), 1)
    await store.write(lambda tx: delete_finished(tx, "sms_in"))
    for state in open_states:
        with pytest.raises(NotNow):
            await store.write(lambda tx, state=state: delete_finished(tx, f"sms_{state}"))  # type: ignore[misc]
    for message_id in ("sms_in", "sms_coming", "sms_other"):
        with pytest.raises(NotFound):
            await store.write(lambda tx, message_id=message_id: delete_finished(tx, message_id))  # type: ignore[misc]
    assert await count(store, "messages") == 4


async def test_deleting_is_no_way_around_the_limits(store: Store) -> None:
    await fill(store, received("sms_in", created_at=days_ago(0)), sent("sms_new", created_at=days_ago(0.5)))
    await fill(store, sent("sms_old", created_at=days_ago(1.5)))
    since = days_ago(1)
    for message_id in ("sms_in", "sms_old"):
        await store.write(lambda tx, message_id=message_id: delete_finished(tx, message_id, counted_since=since))  # type: ignore[misc]
    with pytest.raises(NotNow):
        await store.write(lambda tx: delete_finished(tx, "sms_new", counted_since=since))
    assert await left(store) == ["sms_new"]
