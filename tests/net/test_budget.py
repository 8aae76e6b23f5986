"""The day's data: counters that begin anew, days that end, clocks that are wrong, files that are torn."""

import time
from datetime import datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from core.net.budget import MB, Budget, Ledger, Level, load, save

NOON = datetime(2026, 11, 21, 12).astimezone().timestamp()  # noqa: DTZ001 - the host's zone is meant
DAY_S = 86_400.0


def _budget(limit_mb: int = 100, **ledger: object) -> Budget:
    budget = Budget(limit_mb * MB, 0.8, Ledger(**ledger))  # type: ignore[arg-type]
    budget.today(NOON)
    return budget


def test_only_what_was_sent_since_the_start_counts() -> None:
    budget = _budget()
    budget.mark("wwan0/7", 5 * MB)
    assert budget.count("wwan0/7", 6 * MB) == MB
    assert budget.count("wwan0/7", 6 * MB) == 0
    assert budget.spent_bytes == MB


def test_an_interface_that_is_made_anew_begins_at_nothing_and_nothing_is_lost_or_doubled() -> None:
    budget = _budget()
    budget.mark("ppp0/7", 0)
    budget.count("ppp0/7", 30 * MB)
    budget.count("ppp0/8", 31 * MB)  # more than the last one had: still all of it is new
    assert budget.spent_bytes == 61 * MB
    budget.count("ppp0/8", MB)  # a counter that began anew by itself
    assert budget.spent_bytes == 62 * MB


def test_what_was_sent_while_the_daemon_was_dead_is_counted_on_the_same_interface() -> None:
    before = _budget()
    before.mark("wwan0/7", 0)
    before.count("wwan0/7", 10 * MB)
    after = Budget(100 * MB, 0.8, before.ledger)
    after.mark("wwan0/7", 15 * MB)
    after.count("wwan0/7", 16 * MB)
    assert after.spent_bytes == 16 * MB


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1000)), max_size=60))
def test_the_sum_is_what_passed_whatever_the_interface_did(steps: list[tuple[int, int]]) -> None:
    """0: bytes pass; 1: the interface is made anew and bytes pass; 2: the daemon is started anew and bytes pass."""
    budget, passed, counter, life = _budget(), 0, 0, 0
    budget.mark("wwan0/0", 0)
    for kind, size in steps:
        if kind == 1:
            life, counter = life + 1, 0
        elif kind == 2:
            budget = Budget(budget.limit_bytes, 0.8, budget.ledger)
            if budget.ledger.life == f"wwan0/{life}":
                budget.mark(f"wwan0/{life}", counter)
        counter, passed = counter + size, passed + size
        budget.count(f"wwan0/{life}", counter)
    assert budget.spent_bytes == passed


def test_it_warns_first_and_then_it_is_spent() -> None:
    budget = _budget(100)
    levels = []
    for counter_mb in (79, 80, 99, 100, 150):
        budget.count("wwan0/1", counter_mb * MB)
        levels.append(budget.level)
    assert levels == [Level.FREE, Level.WARN, Level.WARN, Level.SPENT, Level.SPENT]
    assert budget.left_bytes == 0


def test_without_a_limit_it_only_counts() -> None:
    budget = _budget(0)
    budget.count("wwan0/1", 10_000 * MB)
    assert budget.level is Level.FREE and budget.left_bytes is None


def test_another_day_of_the_host_s_own_time_begins_at_nothing() -> None:
    budget = _budget()
    budget.count("wwan0/1", 100 * MB)
    midnight = NOON + DAY_S / 2
    assert (budget.today(midnight - 1), budget.level) == (False, Level.SPENT)
    assert (budget.today(midnight + 1), budget.level) == (True, Level.FREE)
    assert budget.count("wwan0/1", 101 * MB) == MB


def test_a_clock_that_wakes_up_a_day_too_early_gives_nobody_a_second_day() -> None:
    budget = _budget()
    budget.count("wwan0/1", 100 * MB)
    assert not budget.today(NOON - DAY_S)
    assert not budget.today(NOON)
    assert budget.level is Level.SPENT


def test_a_clock_that_was_years_ahead_does_not_stop_the_days() -> None:
    budget = _budget()
    budget.count("wwan0/1", 100 * MB)
    budget.today(NOON + 900 * DAY_S)
    budget.count("wwan0/1", 200 * MB)
    assert not budget.today(NOON)
    assert budget.level is Level.SPENT
    assert budget.today(NOON + DAY_S)


def test_a_host_without_a_clock_that_begins_in_1970_gives_nobody_a_second_day() -> None:
    budget = _budget()
    budget.count("wwan0/1", 100 * MB)
    assert not budget.today(3600.0)
    budget.count("wwan0/1", 103 * MB)
    assert not budget.today(NOON + 60)
    assert budget.level is Level.SPENT and budget.spent_bytes == 103 * MB
    assert budget.today(NOON + DAY_S) and budget.spent_bytes == 0


def test_it_is_kept_over_a_restart_and_a_torn_file_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "net" / "budget.json"
    assert load(path) == Ledger()
    ledger = Ledger(day="2026-11-21", spent_bytes=12, life="wwan0/1", seen_bytes=99)
    save(path, ledger)
    assert load(path) == ledger
    assert [each.name for each in path.parent.iterdir()] == ["budget.json"]
    path.write_bytes(path.read_bytes()[:20])
    assert load(path) == Ledger()


def test_the_zone_is_that_of_the_host() -> None:
    budget = Budget(0, 0.8, Ledger())
    budget.today(time.mktime((2026, 11, 21, 0, 0, 1, 0, 0, -1)))
    assert budget.ledger.day == "2026-11-21"
