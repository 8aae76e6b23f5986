"""The gap between AT commands: its width as a law, its turns on real ports."""

import asyncio
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modem import gap as gap_module
from core.modem.at import Command
from core.modem.gap import FORGET_S, MOST_S, TWICE_WITHIN_S, Gap, GapRule
from core.modem.port import AtPort
from tests.modem.scripted import running, scripted_modem, until

GAP_S = 0.15


class NotedGap(Gap):
    """Keeps what was sent, and when."""

    def __init__(self, least_s: float) -> None:
        super().__init__(least_s)
        self.texts: list[str] = []
        self.times_s: list[float] = []

    def sent(self, text: str) -> None:
        self.texts.append(text)
        self.times_s.append(time.monotonic())
        super().sent(text)


def _quick_commands_then_loss(rule: GapRule, at_s: float) -> bool:
    rule.sent("AT+CFUN?", at_s)
    rule.sent("AT+CSQ", at_s + 0.01)
    return rule.lost(at_s + 0.05)


@given(st.floats(0, 5), st.lists(st.tuples(st.floats(0, 200_000), st.sampled_from(["sent", "reset", "lost"]))))
def test_the_gap_is_never_less_than_configured_nor_wider_than_needed(
    least_s: float, story: list[tuple[float, str]]
) -> None:
    rule, now_s = GapRule(least_s), 0.0
    for wait_s, what in story:
        now_s += wait_s
        before_s = rule.width_s(now_s)
        if what == "lost":
            assert rule.lost(now_s) is (rule.width_s(now_s) > before_s)
        else:
            rule.sent("AT+CRESET" if what == "reset" else "AT", now_s)
            assert rule.width_s(now_s) == before_s
        assert least_s <= rule.width_s(now_s) <= max(least_s, MOST_S)
        assert rule.widened(now_s) is (rule.width_s(now_s) > least_s)
    assert rule.width_s(now_s + FORGET_S) == least_s


def test_each_loss_right_after_quick_commands_doubles_it_up_to_two_seconds() -> None:
    rule, widths, now_s = GapRule(0.0), [], 0.0
    for _ in range(7):
        now_s += 60
        _quick_commands_then_loss(rule, now_s)
        widths.append(rule.width_s(now_s))
    assert widths == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0]


def test_one_such_loss_an_hour_may_be_a_hand_and_costs_nothing() -> None:
    rule = GapRule(0.0)
    assert not _quick_commands_then_loss(rule, 0)
    assert not _quick_commands_then_loss(rule, 2 * TWICE_WITHIN_S)
    assert _quick_commands_then_loss(rule, 2 * TWICE_WITHIN_S + 60)


def test_both_ports_of_one_stick_going_is_one_loss() -> None:
    rule = GapRule(0.0)
    _quick_commands_then_loss(rule, 10)
    assert not rule.lost(10.06)
    assert rule.width_s(10.06) == 0.0
    assert _quick_commands_then_loss(rule, 20)
    assert not rule.lost(20.06)
    assert rule.width_s(20.06) == 0.1


def test_a_stick_pulled_while_idle_or_between_slow_commands_costs_nothing() -> None:
    rule = GapRule(0.0)
    rule.sent("AT", 0)
    rule.sent("AT", 0.01)
    assert not rule.lost(30)
    rule.sent("AT", 100)
    rule.sent("AT", 102)
    assert not rule.lost(102.1)


def test_a_reset_that_was_asked_for_costs_nothing() -> None:
    rule = GapRule(0.0)
    rule.sent("AT+CRESET", 0)
    rule.sent("AT+CSQ", 0.01)
    assert not rule.lost(0.1)


def test_a_quiet_day_brings_the_configured_gap_back() -> None:
    rule = GapRule(0.5)
    _quick_commands_then_loss(rule, -60)
    assert _quick_commands_then_loss(rule, 0)
    assert rule.width_s(FORGET_S - 60) == 1.0
    assert rule.width_s(FORGET_S + 60) == 0.5
    assert not rule.widened(FORGET_S + 60)


async def test_commands_keep_their_distance_over_all_ports_of_a_line() -> None:
    gap = NotedGap(GAP_S)
    with scripted_modem() as first, scripted_modem() as second:
        async with (
            running(AtPort("voice", first.path, gap=gap)) as voice,
            running(AtPort("at", second.path, gap=gap)) as at,
            asyncio.TaskGroup() as tasks,
        ):
            for index in range(3):
                tasks.create_task(voice.send(Command(f"AT+X{index}")))
                tasks.create_task(at.send(Command(f"AT+Y{index}")))
    apart_s = [later - earlier for earlier, later in pairwise(gap.times_s)]
    assert len(gap.texts) >= 6
    assert min(apart_s) > GAP_S * 0.8


async def test_a_hang_up_waits_for_one_gap_at_most() -> None:
    gap = NotedGap(0.4)
    with scripted_modem() as first, scripted_modem() as second:
        async with (
            running(AtPort("voice", first.path, gap=gap)) as voice,
            running(AtPort("at", second.path, gap=gap)) as at,
        ):
            async with asyncio.TaskGroup() as tasks:
                for index in range(3):
                    tasks.create_task(voice.send(Command(f"AT+X{index}")))
                    tasks.create_task(at.send(Command(f"AT+Y{index}")))
                await until(lambda: sum("+X" in line or "+Y" in line for line in first.heard + second.heard) == 1)
                before = len(gap.texts)
                await voice.send(Command("AT+CHUP", 30.0), urgent=True)
                assert gap.texts[before] == "AT+CHUP"  # the very next of all
            assert [line for line in first.heard if line != "AT"][-1] != "AT+CHUP"


async def test_a_tty_that_hangs_up_after_quick_commands_widens_it_and_closing_it_ourselves_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("FIRST_S", "MOST_S", "LOST_WITHIN_S"):
        monkeypatch.setattr(gap_module, name, 30.0)  # quick and soon, on any machine
    closed, torn = Gap(), Gap()
    with scripted_modem() as modem:
        async with running(AtPort("at", modem.path, gap=closed)) as port:
            await port.send(Command("AT+CSQ"))
            await port.send(Command("AT+CSQ"))
    assert closed.widened_s is None
    for _ in range(2):
        assert torn.widened_s is None
        with scripted_modem() as modem:
            async with running(AtPort("at", modem.path, gap=torn)) as port:
                await port.send(Command("AT+CSQ"))
                await port.send(Command("AT+CSQ"))
                modem.unplug()
                await until(lambda port=port: port._lost is not None)  # type: ignore[misc]
    assert torn.widened_s == 30.0
