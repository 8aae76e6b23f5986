"""The guard: lists, premium numbers, limits and pace, on a real store."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import new_call_id, new_message_id, rfc3339, unix_s
from core.config import CallConfig, GuardConfig
from core.errors import EmergencyDenied, GuardRefused, LimitExceeded, NotDialable, StoreFailed
from core.events import SmsState
from core.guard import Guard, Rule
from core.limits import DAY_S, HOUR_S, Kind, LimitRule, Usage
from core.line import CallState, Direction
from core.store import calls as call_rows
from core.store import messages as message_rows
from core.store import usage
from core.store.store import Store, Tx

MOBILE = "+447700900123"
PREMIUM = "+449061234567"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "dialtone.db")
    try:
        yield opened
    finally:
        await opened.close()


def guard_of(store: Store | None = None, *, emergency: str = "deny", sim: str | None = "GB", **keys: Any) -> Guard:
    """keys: those of [guard]."""
    config = msgspec.convert(keys, GuardConfig)
    # Rules of numbers never look into the store; only tests of limits give one.
    return Guard(config, msgspec.convert({"emergency": emergency}, CallConfig), store, lambda line: sim)  # type: ignore[arg-type]


def rule(guard: Guard, number: str, kind: Kind = "sms") -> str | None:
    verdict = guard.check(kind, number, "sim")
    assert verdict.allowed == (verdict.rule is None) == (verdict.text is None)
    assert verdict.text is None or not any(digit in verdict.text for digit in "0123456789"), "no number in a text"
    return verdict.rule


# --- rules of the number -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sms", "call"])
def test_without_lists_ordinary_numbers_pass_and_give_their_key(kind: Kind) -> None:
    verdict = guard_of().check(kind, "07700 900123", "sim")
    assert verdict.allowed and verdict.number == MOBILE and verdict.rule is None


@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        (MOBILE, MOBILE),
        (MOBILE, "07700 900-123"),
        ("447700900123", MOBILE),
        ("07700 900123", MOBILE),
        ("07700900123", "0044 7700 900123"),
        ("+4477*", "07700900123"),
        ("077*", MOBILE),
        ("0044 77*", "07700900123"),
        ("+44 (77)*", MOBILE),
        ("80123", "80123"),
        ("80*", "80123"),
        ("*", "80123"),
        ("2*1#", "2*1#"),
        ("0906*", "141 09061234567"),
    ],
)
def test_the_deny_list_holds_a_number_in_whatever_spelling(pattern: str, number: str) -> None:
    assert rule(guard_of(deny=[pattern], premium="allow"), number) == Rule.DENY
    assert rule(guard_of(deny=[pattern], allow=[pattern]), number) == Rule.DENY, "deny goes before allow"


@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        ("+447700900124", MOBILE),
        ("+4479*", MOBILE),
        ("77*", MOBILE),
        ("44*", MOBILE),
        ("801", "80123"),
        ("+80123", "80123"),
    ],
)
def test_a_pattern_holds_nothing_else(pattern: str, number: str) -> None:
    assert rule(guard_of(deny=[pattern]), number) is None
    assert rule(guard_of(allow=[pattern]), number) == Rule.ALLOW


def test_an_allow_list_that_is_not_empty_lets_only_its_numbers_through() -> None:
    guard = guard_of(allow=["+4477*", "80123"])
    assert rule(guard, "07700900123") is None and rule(guard, "80123") is None
    assert rule(guard, "+12025550123") == Rule.ALLOW and rule(guard, "80124") == Rule.ALLOW


def test_premium_numbers_are_refused_unless_allowed_as_a_whole_or_named_one_by_one() -> None:
    for number in (PREMIUM, "09061234567", "14109061234567", "+88161234567", "+9791234567891"):
        assert rule(guard_of(), number) == Rule.PREMIUM, number
        assert rule(guard_of(premium="allow"), number) is None
    assert rule(guard_of(allow=[PREMIUM]), "09061234567") is None
    assert rule(guard_of(allow=["+44*"]), PREMIUM) == Rule.PREMIUM, "a prefix does not mean the dear ones in it"


def test_numbers_without_a_country_code_follow_the_configured_region_then_the_sim() -> None:
    assert rule(guard_of(sim="GB"), "09061234567") == Rule.PREMIUM
    assert rule(guard_of(sim=None), "09061234567") is None, "nobody knows whose 0906 that is"
    assert rule(guard_of(sim=None, region="GB"), "09061234567") == Rule.PREMIUM
    assert rule(guard_of(sim="GB", region="FR"), "09061234567") is None
    assert guard_of(sim="GB", region="FR").region("sim") == "FR"


async def test_a_region_that_is_no_country_leaves_that_of_the_sim(store: Store) -> None:
    guard = guard_of(store, sim="GB", region="UK")
    await guard.ready()
    assert guard.region("sim") == "GB"


def test_emergency_numbers_follow_the_policy_of_calls_and_nothing_but_deny_stops_an_allowed_one() -> None:
    for kind in ("sms", "call"):
        assert rule(guard_of(), "112", kind) == Rule.EMERGENCY
        assert rule(guard_of(allow=["112"], sim=None), "112", kind) == Rule.EMERGENCY
        assert rule(guard_of(emergency="allow", allow=[MOBILE]), "112", kind) is None
    assert rule(guard_of(emergency="allow", deny=["112"]), "112") == Rule.DENY
    assert rule(guard_of(sim="NZ"), "111", "call") == Rule.EMERGENCY


def test_a_dry_run_refuses_calls_and_lets_messages_be_accepted() -> None:
    guard = guard_of(dry_run=True, deny=["+4479*"])
    assert guard.dry_run and not guard_of().dry_run
    assert rule(guard, MOBILE, "call") == Rule.DRY_RUN and rule(guard, MOBILE, "sms") is None
    assert rule(guard, "+447911123456", "call") == Rule.DENY, "the number's own rule is told first"
    assert rule(guard_of(dry_run=True, emergency="allow"), "112", "call") == Rule.DRY_RUN


@given(st.text(max_size=25) | st.from_regex(r"\+?[0-9*# ]{1,20}"), st.sampled_from(["GB", "US", "DE", None]))
def test_the_guard_has_an_answer_for_every_text(number: str, sim: str | None) -> None:
    guard = guard_of(sim=sim, deny=["+4490*", "0900*", "112"])
    assert guard.check("call", number, "sim") == guard.check("sms", number, "sim")


@given(st.text("0123456789", min_size=7, max_size=12), st.integers(1, 11))
def test_a_prefix_that_denies_a_number_denies_every_spelling_of_it(digits: str, cut: int) -> None:
    number = f"+44{digits}"
    key = guard_of().check("sms", number, "sim").number
    guard = guard_of(deny=[f"{key[: 1 + cut]}*"], premium="allow")
    for spelling in (number, f"00{number[1:]}", key):
        if guard.check("sms", spelling, "sim").number == key:
            assert rule(guard, spelling) in (Rule.DENY, Rule.EMERGENCY)


async def test_permit_gives_the_key_or_the_error_with_its_rule_and_never_the_number(store: Store) -> None:
    guard = guard_of(store, deny=["+4479*"])
    assert await guard.permit("sms", "07700 900123", "sim") == MOBILE
    with pytest.raises(GuardRefused) as refused:
        await guard.permit("call", "07911123456", "sim")
    assert refused.value.data()["rule"] == "deny" and "7911" not in str(refused.value)
    with pytest.raises(EmergencyDenied):
        await guard.permit("call", "999", "sim")


# --- limits ----------------------------------------------------------------------------------------------------------


async def add_sms(
    store: Store, ago_s: float = 0.0, *, line: str = "sim", parts: int = 1, **columns: Any
) -> message_rows.NewMessage:
    """One outgoing message with its parts, accepted so long ago."""
    at = rfc3339(unix_s() - ago_s)
    fields: dict[str, Any] = {"direction": "out", "state": SmsState.SENT} | columns
    row = message_rows.NewMessage(
        message_id=new_message_id(), line=line, number=MOBILE, peer=MOBILE, text="x", parts=parts,
        created_at=at, updated_at=at, **fields,
    )  # fmt: skip

    def work(tx: Tx) -> None:
        message_rows.insert(tx, row)
        message_rows.add_parts(tx, row.message_id, [b"x"] * parts)

    await store.write(work)
    return row


async def set_part(store: Store, message_id: str, part: int, **columns: object) -> None:
    await store.write(lambda tx: message_rows.update_part(tx, message_id, part, **columns))


async def add_call(store: Store, ago_s: float = 0.0, direction: Direction = Direction.OUT, line: str = "sim") -> None:
    row = call_rows.CallRow(
        call_id=f"{new_call_id()}{time.monotonic_ns()}",
        line=line,
        direction=direction,
        number=MOBILE,
        state=CallState.ENDED,
        started_at=rfc3339(unix_s() - ago_s),
    )
    await store.write(lambda tx: call_rows.insert_call(tx, row))


async def take(store: Store, guard: Guard, parts: int = 1, number: str | None = None) -> None:
    """Accepts one message as the service does: limit and row in one transaction."""
    at_s = unix_s()
    row = message_rows.NewMessage(
        message_id=new_message_id(), line="sim", direction="out", number=MOBILE, peer=MOBILE, text="x",
        state=SmsState.QUEUED, parts=parts, created_at=rfc3339(at_s), updated_at=rfc3339(at_s),
    )  # fmt: skip

    def work(tx: Tx) -> None:
        guard.limit_work(tx, "sms", "sim", at_s, parts, number=number)
        message_rows.insert(tx, row)

    await store.write(work)


async def test_a_limit_is_reached_with_its_number_and_says_when_it_is_free_again(store: Store) -> None:
    guard = guard_of(store, sms_per_hour=3)
    await add_sms(store, 3500)
    await add_sms(store, 100)
    await take(store, guard)
    with pytest.raises(LimitExceeded) as over:
        await take(store, guard)
    told = over.value.data()
    assert told["rule"] == "sms_per_hour" and told["retry"] is True
    assert over.value.retry_after_s == pytest.approx(100, abs=20)
    assert (await guard.usage("sim")).sms_last_hour == 3, "what was refused is not written"


async def test_the_day_is_the_last_24_hours_and_its_limit_stands_beside_that_of_the_hour(store: Store) -> None:
    guard = guard_of(store, sms_per_hour=10, sms_per_day=2)
    await add_sms(store, DAY_S + 60)
    await add_sms(store, DAY_S - 600)
    await take(store, guard)
    with pytest.raises(LimitExceeded) as over:
        await take(store, guard)
    assert over.value.details["rule"] == "sms_per_day" and over.value.retry_after_s == pytest.approx(600, abs=20)


async def test_limits_hold_across_a_restart(tmp_path: Path) -> None:
    for left in (2, 1, 0):
        store = await Store.open(tmp_path / "dialtone.db")
        guard = guard_of(store, sms_per_hour=2)
        if left:
            await take(store, guard)
        else:
            with pytest.raises(LimitExceeded):
                await take(store, guard)
        await store.close()


async def test_of_requests_at_the_same_time_only_as_many_as_there_are_slots_get_one(store: Store) -> None:
    guard = guard_of(store, sms_per_hour=5)
    async with asyncio.TaskGroup() as tasks:
        takers = [tasks.create_task(_outcome(take(store, guard))) for _ in range(20)]
    assert sorted(task.result() for task in takers) == ["limit"] * 15 + ["taken"] * 5


async def _outcome(taking: Any) -> str:
    try:
        await taking
    except LimitExceeded:
        return "limit"
    return "taken"


async def test_each_part_of_a_message_counts_and_one_that_never_fits_is_told_so(store: Store) -> None:
    guard = guard_of(store, sms_per_hour=5)
    await take(store, guard, parts=4)
    with pytest.raises(LimitExceeded) as over:
        await take(store, guard, parts=2)
    assert over.value.retry_after_s is not None
    await take(store, guard, parts=1)
    with pytest.raises(LimitExceeded) as never:
        await take(store, guard, parts=6)
    assert never.value.retry_after_s is None and never.value.data()["retry"] is False and "parts" in never.value.message


async def test_the_wait_for_a_long_message_is_until_enough_of_the_oldest_have_left(store: Store) -> None:
    guard = guard_of(store, sms_per_hour=4)
    for ago_s in (3000, 2000, 1000, 500):
        await add_sms(store, ago_s)
    for parts, wait_s in ((1, 600), (2, 1600), (4, 3100)):
        with pytest.raises(LimitExceeded) as over:
            await take(store, guard, parts=parts)
        assert over.value.retry_after_s == pytest.approx(wait_s, abs=20)


async def test_what_never_left_does_not_count_and_what_may_have_left_does(store: Store) -> None:
    guard = guard_of(store)
    await add_sms(store, state=SmsState.CANCELLED, dry_run=True)
    await add_sms(store, state=SmsState.CANCELLED, parts=2)
    await add_sms(store, state=SmsState.EXPIRED)
    await add_sms(store, direction="in", state=SmsState.RECEIVED)
    await add_sms(store, line="other")
    refused = await add_sms(store, state=SmsState.FAILED)
    await set_part(store, refused.message_id, 1, state="failed")
    assert (await guard.usage("sim")).sms_last_hour == 0
    half = await add_sms(store, state=SmsState.FAILED, parts=3)
    await set_part(store, half.message_id, 1, state="sent", sent_at=rfc3339())
    await set_part(store, half.message_id, 2, state="failed", sent_at=rfc3339())  # taken, and reported as failed later
    assert (await guard.usage("sim")).sms_last_hour == 2
    given_up = await add_sms(store, state=SmsState.FAILED)
    await set_part(store, given_up.message_id, 1, state="unknown")
    assert (await guard.usage("sim")).sms_last_hour == 3
    for state in (SmsState.QUEUED, SmsState.SENDING, SmsState.SENT, SmsState.DELIVERED, SmsState.UNKNOWN):
        await add_sms(store, state=state)
    assert (await guard.usage("sim")).sms_last_hour == 8


async def test_rows_of_a_clock_that_was_far_ahead_do_not_block_for_ever(store: Store) -> None:
    guard = guard_of(store, sms_per_hour=1)
    await add_sms(store, -10 * 365 * DAY_S)
    await take(store, guard)
    with pytest.raises(LimitExceeded):
        await take(store, guard)


async def test_rows_a_little_ahead_count_since_the_clock_was_set_back(store: Store) -> None:
    guard = guard_of(store, sms_per_hour=1)
    await add_sms(store, -600)
    with pytest.raises(LimitExceeded) as over:
        await take(store, guard)
    assert over.value.retry_after_s == HOUR_S


async def test_calls_count_however_they_ended_and_incoming_ones_do_not(store: Store) -> None:
    guard = guard_of(store, calls_per_hour=2, calls_per_day=3)
    await add_call(store, direction=Direction.IN)
    await add_call(store, line="other")
    await guard.within_limits("call", MOBILE, "sim")
    await add_call(store, 1000)
    await add_call(store)
    with pytest.raises(LimitExceeded) as over:
        await guard.within_limits("call", MOBILE, "sim")
    assert over.value.details["rule"] == "calls_per_hour" and over.value.retry_after_s == pytest.approx(2600, abs=20)
    await guard.within_limits("sms", MOBILE, "sim")
    assert await guard.usage("sim") == Usage("sim", 0, 0, 2, 2)


async def test_calls_whose_rows_could_not_be_written_count_all_the_same(store: Store) -> None:
    guard = guard_of(store, calls_per_day=2)
    for _ in range(2):
        await guard.within_limits("call", MOBILE, "sim")
        guard.dialled("sim")
    with pytest.raises(LimitExceeded) as over:
        await guard.within_limits("call", MOBILE, "sim")
    assert over.value.details["rule"] == "calls_per_day"
    await guard.within_limits("call", MOBILE, "other")
    guard = guard_of(store, calls_per_hour=1)
    guard.dialled("sim", time.monotonic() - 3601)
    await guard.within_limits("call", MOBILE, "sim")
    guard_of(store).dialled("sim")  # without limits nothing is kept


async def test_an_allowed_emergency_number_is_never_over_a_limit(store: Store) -> None:
    guard = guard_of(store, emergency="allow", calls_per_hour=1, sms_per_hour=1)
    await add_call(store)
    await take(store, guard)
    await guard.within_limits("call", "112", "sim")
    await take(store, guard, number="112")
    with pytest.raises(LimitExceeded):
        await take(store, guard, number=MOBILE)


async def test_limits_that_cannot_be_read_refuse_and_without_limits_the_store_is_not_asked(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreFailed):
        await guard_of(store, calls_per_hour=1).within_limits("call", MOBILE, "sim")
    await guard_of(store).within_limits("call", MOBILE, "sim")


async def test_foretelling_gives_the_rule_of_a_number_or_of_a_limit_and_takes_nothing(store: Store) -> None:
    guard = guard_of(store, sms_per_hour=1, deny=["+4479*"])
    assert (await guard.foretell("sms", "+447911123456", "sim")).rule == Rule.DENY
    for _ in range(3):
        assert (await guard.foretell("sms", MOBILE, "sim")).allowed
    await add_sms(store)
    verdict = await guard.foretell("sms", MOBILE, "sim")
    assert not verdict.allowed and verdict.rule == LimitRule.SMS_PER_HOUR and verdict.number == MOBILE
    assert verdict.retry_after_s is not None and verdict.text is not None


async def test_foretelling_knows_what_is_no_number_for_a_message_or_a_call(store: Store) -> None:
    guard = guard_of(store)
    assert (await guard.foretell("call", "2*1#", "sim")).allowed
    assert (await guard.foretell("call", "112", "sim")).rule == (await guard.foretell("sms", "112", "sim")).rule
    for kind, text in (("sms", "2*1#"), ("sms", "abc"), ("call", "abc"), ("call", "**21*1#"), ("sms", "")):
        with pytest.raises(NotDialable):
            await guard.foretell(kind, text, "sim")  # type: ignore[arg-type]


async def test_counting_uses_the_index_of_accepted_messages(store: Store) -> None:
    def plan(connection: sqlite3.Connection) -> str:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {usage._SMS}", ("sim", "2000", "2100"))
        return " ".join(str(row[3]) for row in rows)

    assert "messages_accepted (line=? AND created_at>? AND created_at<?)" in await store.read(plan)


# --- pace ------------------------------------------------------------------------------------------------------------


def test_the_pace_lets_so_many_go_in_any_minute_and_then_tells_how_long_to_wait() -> None:
    guard = guard_of(sms_per_minute=3)
    for at_s in (100.0, 110.0, 120.0):
        assert guard.pace("sim", at_s) == 0.0
        guard.handed("sim", at_s)
    assert guard.pace("sim", 130.0) == pytest.approx(30.0)
    assert guard.pace("other", 130.0) == 0.0
    assert guard.pace("sim", 160.0) == 0.0
    guard.handed("sim", 160.0)
    assert guard.pace("sim", 165.0) == pytest.approx(5.0)


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 6))
def test_in_no_minute_more_are_handed_over_than_the_pace_allows(pauses: list[float], most: int) -> None:
    guard, now_s, handed = guard_of(sms_per_minute=most), 1000.0, list[float]()
    for pause_s in pauses:
        now_s += pause_s
        now_s += guard.pace("sim", now_s)
        assert guard.pace("sim", now_s) < 1e-6
        guard.handed("sim", now_s)
        handed.append(now_s)
    assert all(later - earlier >= 60 - 1e-6 for earlier, later in zip(handed, handed[most:], strict=False))


def test_without_a_pace_nothing_waits_and_nothing_is_kept() -> None:
    guard = guard_of()
    for _ in range(1000):
        guard.handed("sim")
    assert guard.pace("sim") == 0.0


async def test_a_restart_is_no_way_around_the_pace(store: Store) -> None:
    for ago_s in (90, 40, 20):
        row = await add_sms(store, 3600)
        await set_part(store, row.message_id, 1, state="sent", sent_at=rfc3339(unix_s() - ago_s))
    recent = await store.read(lambda connection: usage.sms_sent(connection, rfc3339(unix_s() - 60)))
    assert [line for line, _ in recent] == ["sim", "sim"] and recent == sorted(recent)
    guard = guard_of(store, sms_per_minute=2)
    assert guard.pace("sim") == 0.0
    await guard.ready()
    assert guard.pace("sim") == pytest.approx(20, abs=10)
    guard = guard_of(store, sms_per_minute=3)
    await guard.ready()
    assert guard.pace("sim") == 0.0


async def test_a_store_that_cannot_be_read_does_not_keep_the_guard_from_its_work(store: Store) -> None:
    await store.close()
    guard = guard_of(store, sms_per_minute=2)
    await guard.ready()
    await guard.ready()
    assert guard.pace("sim") == 0.0 and await guard.permit("sms", MOBILE, "sim") == MOBILE
