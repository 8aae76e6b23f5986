"""The recovery ladder: its tables against the drawing, its laws, and its climbs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modem.recovery import (
    ADVICE,
    HOUR_S,
    LADDERS,
    LIMITED,
    NEXT,
    ORDER,
    RELAPSE_S,
    RUNGS,
    Action,
    Condition,
    Ladder,
    On,
    Outcome,
    Rung,
    Stage,
    Take,
    Tell,
    Trouble,
)

DOCS = (Path(__file__).parents[2] / "docs/recovery.md").read_text()


def _told(actions: tuple[Action, ...]) -> list[tuple[Rung, Outcome]]:
    return [(action.rung, action.outcome) for action in actions if isinstance(action, Tell)]


def _taken(actions: tuple[Action, ...]) -> list[Rung]:
    return [action.rung for action in actions if isinstance(action, Take)]


def _ill(trouble: Trouble, **more: object) -> Condition:
    return Condition(trouble, "it is ill", **more)  # type: ignore[arg-type]


def _cured(*troubles: Trouble) -> Condition:
    return Condition(cured=frozenset(troubles))


def _climb(ladder: Ladder, trouble: Trouble, *, until_s: float = HOUR_S) -> Iterator[Rung]:
    """Whatever is done, nothing helps."""
    now_s = 0.0
    while now_s < until_s:
        for action in ladder.look(now_s, _ill(trouble)):
            if isinstance(action, Take):
                ladder.done(now_s)
                yield action.rung
            elif action.rung is Rung.HUMAN:
                yield Rung.HUMAN
                return
        now_s += 1.0


def test_the_drawing_in_the_docs_is_the_table() -> None:
    arrows = re.findall(r"^ +(\w+) --> (\w+) : (\w+)$", DOCS, re.MULTILINE)
    assert {(Stage(a), On(on)): Stage(b) for a, b, on in arrows} == NEXT
    assert len(arrows) == len(NEXT)


def test_the_ladders_in_the_docs_are_the_ladders() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\w, ]+) \|$", DOCS, re.MULTILINE)
    drawn = {Trouble(name): tuple(map(Rung, rungs.split(", "))) for name, rungs in rows}
    assert drawn == LADDERS
    assert list(drawn) == list(Trouble)


def test_the_rungs_in_the_docs_have_the_times_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (\d+) s \| (\d+) s \| (`resets_per_hour`)? ?\|$", DOCS, re.MULTILINE)
    drawn = {Rung(name): (float(back_off), float(patience)) for name, back_off, patience, _ in rows}
    assert drawn == {rung: (times.back_off_s, times.patience_s) for rung, times in RUNGS.items()}
    assert {Rung(row[0]) for row in rows if row[3]} == LIMITED


def test_every_stage_is_reached_and_every_happening_is_used() -> None:
    assert set(NEXT.values()) == set(Stage)
    assert {on for _, on in NEXT} == set(On)


def test_ladders_go_up_and_whoever_calls_a_person_says_what_to_do() -> None:
    for trouble, rungs in LADDERS.items():
        assert list(rungs) == sorted(rungs, key=ORDER.index)
        assert (rungs[-1] is Rung.HUMAN) == (trouble in ADVICE)


@pytest.mark.parametrize("trouble", [trouble for trouble in Trouble if LADDERS[trouble][-1] is Rung.HUMAN])
def test_what_nothing_helps_is_climbed_rung_by_rung_up_to_a_person(trouble: Trouble) -> None:
    assert tuple(_climb(Ladder(resets_per_hour=3), trouble)) == LADDERS[trouble]


def test_a_rung_that_helps_ends_the_climb_and_is_told_with_its_length() -> None:
    ladder = Ladder(resets_per_hour=3)
    started = ladder.look(10.0, _ill(Trouble.SIM))
    assert _told(started) == [(Rung.RADIO, Outcome.STARTED)] and _taken(started) == [Rung.RADIO]
    assert ladder.look(15.0, _ill(Trouble.SIM)) == ()  # it is being carried out
    ladder.done(20.0)
    assert ladder.look(25.0, Condition()) == ()  # not yet known
    assert ladder.look(26.5, _cured(Trouble.SIM)) == (
        Tell(Rung.RADIO, Outcome.SUCCEEDED, "it is ill", attempt=1, duration_s=16.5),
    )
    assert ladder.stage is Stage.IDLE


def test_a_rung_that_cannot_be_carried_out_is_followed_by_the_next_after_its_back_off() -> None:
    ladder = Ladder(resets_per_hour=3)
    ladder.look(0.0, _ill(Trouble.NETWORK))
    told = ladder.undone(2.0, "the modem refused")
    assert (told.outcome, told.reason, told.duration_s) == (Outcome.FAILED, "the modem refused", 2.0)
    back_off_s = RUNGS[Rung.RESET].back_off_s
    assert ladder.look(2.0 + back_off_s - 0.1, _ill(Trouble.NETWORK)) == ()
    assert _taken(ladder.look(2.0 + back_off_s, _ill(Trouble.NETWORK))) == [Rung.RESET]


def test_an_illness_that_shows_itself_again_is_not_waited_out() -> None:
    ladder = Ladder(resets_per_hour=3)
    ladder.look(0.0, _ill(Trouble.SILENT))
    ladder.done(0.0)
    assert _told(ladder.look(0.5, _ill(Trouble.SILENT))) == []
    told = _told(ladder.look(1.0, _ill(Trouble.SILENT, again=True)))
    assert told == [(Rung.RESYNC, Outcome.FAILED), (Rung.OTHER_PORT, Outcome.STARTED)]


def test_what_passes_by_itself_costs_no_rung() -> None:
    ladder = Ladder(resets_per_hour=3)
    assert ladder.look(0.0, _ill(Trouble.AUDIO, quiet=False)) == ()
    assert ladder.look(1.0, _cured(Trouble.AUDIO)) == ()
    assert ladder.look(2.0, Condition()) == ()
    assert ladder.stage is Stage.IDLE


def test_a_reset_waits_for_calls_and_messages_and_is_known_to_be_near() -> None:
    ladder = Ladder(resets_per_hour=3)
    for now_s in range(100):
        condition = _ill(Trouble.AUDIO, quiet=False)
        assert ladder.look(float(now_s), condition) == ()
        assert ladder.imminent(float(now_s), condition)
    assert _taken(ladder.look(100.0, _ill(Trouble.AUDIO))) == [Rung.RESET]


def test_rungs_that_cannot_be_taken_here_are_skipped_with_the_reason() -> None:
    ladder = Ladder(resets_per_hour=3)
    barred = {Rung.USB_RESET: "no helper", Rung.POWER: "no command"}
    actions = ladder.look(0.0, _ill(Trouble.ABSENT, barred=barred))
    assert _told(actions) == [
        (Rung.USB_RESET, Outcome.SKIPPED), (Rung.POWER, Outcome.SKIPPED), (Rung.HUMAN, Outcome.STARTED),
    ]  # fmt: skip
    assert "no helper" in actions[0].reason  # type: ignore[union-attr]
    assert ADVICE[Trouble.ABSENT] in actions[2].reason  # type: ignore[union-attr]


def test_there_are_no_more_resets_an_hour_than_allowed_then_a_person_is_called_once() -> None:
    ladder = Ladder(resets_per_hour=3)
    resets, called = [], []
    for now_s in range(int(2 * HOUR_S)):
        healthy = now_s % 60 < 30
        condition = _cured(Trouble.AUDIO) if healthy else _ill(Trouble.AUDIO)
        for action in ladder.look(float(now_s), condition):
            if isinstance(action, Take):
                resets.append(now_s)
                ladder.done(float(now_s))
            elif (action.rung, action.outcome) == (Rung.HUMAN, Outcome.STARTED):
                called.append(now_s)
    for at_s in resets:
        assert sum(at_s <= other < at_s + HOUR_S for other in resets) <= 3
    assert len(resets) >= 6 and called


def test_without_any_resets_allowed_a_person_is_called_at_once() -> None:
    assert list(_climb(Ladder(resets_per_hour=0), Trouble.AUDIO)) == [Rung.HUMAN]


def test_a_reset_by_hand_counts() -> None:
    ladder = Ladder(resets_per_hour=1)
    assert ladder.count(Rung.RESET, 0.0) == 1
    assert ladder.taken_within_hour(Rung.RESET, HOUR_S - 1) == 1
    assert _told(ladder.look(1.0, _ill(Trouble.AUDIO)))[0] == (Rung.RESET, Outcome.SKIPPED)
    assert ladder.taken_within_hour(Rung.RESET, HOUR_S) == 0


def test_after_a_person_was_called_the_ladder_rests_ever_longer() -> None:
    ladder, called = Ladder(resets_per_hour=60), []
    for now_s in range(0, 40_000, 5):
        for action in ladder.look(float(now_s), _ill(Trouble.NETWORK)):
            if isinstance(action, Take):
                ladder.done(float(now_s))
            elif (action.rung, action.outcome) == (Rung.HUMAN, Outcome.STARTED):
                called.append(now_s)
    gaps = [after - before for before, after in zip(called, called[1:], strict=False)]
    assert gaps[0] >= 900 and len(gaps) >= 3
    assert all(after > before for before, after in zip(gaps, gaps[1:], strict=False))


def test_whoever_was_called_is_told_when_the_line_is_well_again() -> None:
    ladder = Ladder(resets_per_hour=0)
    ladder.look(0.0, _ill(Trouble.AUDIO))
    assert ladder.look(50.0, Condition()) == ()
    told = ladder.look(60.0, _cured(Trouble.AUDIO))
    assert _told(told) == [(Rung.HUMAN, Outcome.SUCCEEDED)] and told[0].duration_s == 60.0  # type: ignore[union-attr]
    assert ladder.look(61.0, _cured(Trouble.AUDIO)) == ()


def test_the_all_clear_waits_for_the_last_trouble() -> None:
    ladder = Ladder(resets_per_hour=0)
    ladder.look(0.0, _ill(Trouble.AUDIO))
    ladder.look(1.0, _ill(Trouble.UNSTABLE))
    assert ladder.look(2.0, _cured(Trouble.AUDIO)) == ()
    assert _told(ladder.look(3.0, _cured(Trouble.AUDIO, Trouble.UNSTABLE))) == [(Rung.HUMAN, Outcome.SUCCEEDED)]


def test_a_rest_for_one_trouble_does_not_hold_up_another() -> None:
    ladder = Ladder(resets_per_hour=3)
    ladder.look(0.0, _ill(Trouble.UNSTABLE))
    assert ladder.look(1.0, _ill(Trouble.UNSTABLE)) == ()
    assert _taken(ladder.look(2.0, _ill(Trouble.SILENT))) == [Rung.RESYNC]


def test_a_trouble_that_is_soon_back_begins_above_the_rung_that_ended_it() -> None:
    ladder = Ladder(resets_per_hour=3)
    ladder.look(0.0, _ill(Trouble.SIM))
    ladder.done(0.0)
    ladder.look(1.0, _cured(Trouble.SIM))
    assert _taken(ladder.look(RELAPSE_S, _ill(Trouble.SIM))) == [Rung.RESET]


def test_a_trouble_that_is_back_much_later_begins_at_the_bottom() -> None:
    ladder = Ladder(resets_per_hour=3)
    ladder.look(0.0, _ill(Trouble.SIM))
    ladder.done(0.0)
    ladder.look(1.0, _cured(Trouble.SIM))
    assert _taken(ladder.look(RELAPSE_S + 2.0, _ill(Trouble.SIM))) == [Rung.RADIO]


def test_a_modem_that_does_not_come_back_from_a_reset_is_gone_on_with_as_absent() -> None:
    ladder = Ladder(resets_per_hour=3)
    ladder.look(0.0, _ill(Trouble.AUDIO))
    ladder.done(0.0)
    ladder.look(59.0, Condition())
    told = _told(ladder.look(60.0, Condition()))
    assert told == [(Rung.RESET, Outcome.FAILED)]
    assert _taken(ladder.look(80.0, _ill(Trouble.ABSENT))) == [Rung.USB_RESET]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, *Trouble]),
            st.booleans(),
            st.booleans(),
            st.sampled_from(["done", "undone", "nothing"]),
            st.floats(0.0, 400.0),
        ),
        max_size=60,
    ),
    st.integers(0, 4),
)
def test_whatever_happens_a_ladder_keeps_its_laws(
    steps: list[tuple[Trouble | None, bool, bool, str, float]], limit: int
) -> None:
    """It never stops answering, never breaks a limit, takes one rung at a time and never resets into a call."""
    ladder, now_s, taken = Ladder(resets_per_hour=limit), 0.0, list[tuple[float, Rung]]()
    open_rung: Rung | None = None
    for trouble, quiet, well, end, passes_s in steps:
        now_s += passes_s
        cured = frozenset(Trouble) - {trouble} if well else frozenset()
        for action in ladder.look(now_s, Condition(trouble, "ill", cured, quiet=quiet)):
            if isinstance(action, Take):
                assert open_rung is None
                assert quiet or action.rung not in (Rung.RADIO, Rung.RESET)
                open_rung = action.rung
                taken.append((now_s, action.rung))
        if open_rung is not None and end != "nothing":
            open_rung = None
            ladder.done(now_s) if end == "done" else ladder.undone(now_s, "no")
    for at_s, rung in taken:
        if rung in LIMITED:
            assert sum(other is rung and at_s <= then_s < at_s + HOUR_S for then_s, other in taken) <= limit
