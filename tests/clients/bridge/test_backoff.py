"""When a delivery is tried again: pure."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dialtone
from clients.bridge.outbox.backoff import RETRY_AFTER_MAX_S, Schedule, Verdict, retry_after_s, verdict
from clients.bridge.outbox.rows import Draft, key, matches

NOW = datetime(2026, 11, 21, 7, 16, tzinfo=UTC)
FACT = dialtone.Event("sms.received", {"text": "a"}, seq=7, at="2026-11-21T07:16:00.123Z")


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((200, 201, 202, 204), Verdict.DELIVERED),
        ((301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 422), Verdict.REFUSED),
        ((408, 425, 429, 500, 502, 503, 504), Verdict.AGAIN),
    ],
)
def test_a_status_is_a_success_a_refusal_or_to_be_tried_again(statuses: tuple[int, ...], expected: Verdict) -> None:
    assert {verdict(status) for status in statuses} == {expected}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sat, 21 Nov 2026 07:16:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 07:15:00 GMT", 0.0),
        ("99999999999999999999", RETRY_AFTER_MAX_S),
        ("Sat, 21 Nov 2099 07:15:00 GMT", RETRY_AFTER_MAX_S),
        ("soon", None),
        ("-1", None),
        ("²", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, expected: float | None) -> None:
    assert retry_after_s(value, NOW) == expected


@given(st.text())
def test_no_retry_after_breaks_anything(value: str) -> None:
    found = retry_after_s(value, NOW)
    assert found is None or 0 <= found <= RETRY_AFTER_MAX_S


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_waits_grow_up_to_the_cap_and_are_spread(failures: int, chance: float) -> None:
    schedule = Schedule(1.0, 60.0, 3600.0, 6)
    wait_s = schedule.wait_s(failures, chance)
    assert min(60.0, 2.0 ** min(failures - 1, 30)) / 2 <= wait_s <= 60.0
    assert schedule.wait_s(failures + 1, chance) >= wait_s


def test_a_schedule_of_ones_own_is_kept_and_ends() -> None:
    schedule = Schedule(1.0, 60.0, 0.0, 6, (1.0, 5.0, 30.0))
    assert [schedule.wait_s(failures, 0.0) for failures in (1, 2, 3)] == [1.0, 5.0, 30.0]
    assert [schedule.is_over(failures, 0, 1e9) for failures in (1, 2, 3, 4)] == [False, False, False, True]
    assert schedule.is_over(1, 6, 0.0)


def test_refusals_end_sooner_than_outages() -> None:
    schedule = Schedule(1.0, 60.0, 3600.0, 3)
    assert not schedule.is_over(2, 2, 10.0) and schedule.is_over(3, 3, 10.0)
    assert not schedule.is_over(500, 0, 3599.0) and schedule.is_over(500, 0, 3600.0)


def test_a_key_is_the_same_for_the_same_fact_and_different_for_all_else() -> None:
    draft = Draft("sms", "sms.received", b"{}")
    same = key("station", draft, FACT)
    assert same == key("station", Draft("sms", "sms.received", b"another body"), FACT)
    later = dialtone.Event("sms.received", {}, seq=7, at="2026-11-22T00:00:00.000Z")
    next_one = dialtone.Event("sms.received", {}, seq=8, at=FACT.at)
    others = [
        key("other station", draft, FACT),
        key("station", Draft("email", "sms.received", b"{}"), FACT),
        key("station", Draft("sms", "sms.received", b"{}", part="1"), FACT),
        key("station", draft, later),
        key("station", draft, next_one),
    ]
    assert len({same, *others}) == 6


def test_moments_have_keys_of_their_content() -> None:
    draft = Draft("webhook.a", "call.partial", b"{}")
    one, two = (dialtone.Event("call.partial", {"after_seq": 1, "text": text}, at=FACT.at) for text in "ab")
    assert key("s", draft, one) != key("s", draft, two)
    assert key("s", draft, one) == key("s", draft, dialtone.Event("call.partial", dict(one.params), at=FACT.at))


def test_a_prefix_ends_at_a_dot() -> None:
    event = dialtone.Event("callout.x", {}, seq=1)
    assert not matches(["call.*"], event) and matches(["callout.*"], event) and matches(["*"], event)
