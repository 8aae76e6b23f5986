"""When a filler is due, and which."""

import random

from hypothesis import given
from hypothesis import strategies as st

from core.media.filler_turn import FillerTurn, NotTwice, phrases_of


def due(turn: FillerTurn, ms: int, *, silent: bool = True) -> list[int]:
    """After how many ms."""
    return [at for at in range(20, ms + 1, 20) if turn.frame(silent=silent)]


def test_one_is_due_so_long_after_the_turn_and_only_so_many() -> None:
    turn = FillerTurn(300, 2, 20)
    assert due(turn, 1000) == [], "nobody has asked anything"
    turn.turn_ended()
    assert due(turn, 2000) == [300, 600]
    turn.turn_ended()
    assert due(turn, 2000) == [300, 600]


def test_none_is_due_once_there_is_an_answer() -> None:
    turn = FillerTurn(300, 2, 20)
    turn.turn_ended()
    due(turn, 200)
    turn.answered()
    assert due(turn, 2000) == []


def test_the_time_counts_from_the_end_of_what_is_said() -> None:
    turn = FillerTurn(300, 2, 20)
    turn.turn_ended()
    assert due(turn, 280) == [] and due(turn, 1000, silent=False) == []
    assert due(turn, 300) == [300]


@given(st.integers(), st.integers(2, 6), st.integers(2, 30))
def test_never_the_same_twice_in_a_row(seed: int, count: int, times: int) -> None:
    choice = NotTwice(random.Random(seed))
    chosen = [choice.choose(list(range(count))) for _ in range(times)]
    assert all(one != next_one for one, next_one in zip(chosen, chosen[1:], strict=False))


def test_the_only_one_there_is_may_come_again() -> None:
    choice = NotTwice(random.Random(1))
    assert [choice.choose(["x"]) for _ in range(3)] == ["x"] * 3


def test_phrases_are_those_of_the_language_and_the_configuration_goes_first() -> None:
    assert "Einen Moment." in phrases_of("de-AT", {})
    assert phrases_of("en-GB", {"en": ("Hold on.",)}) == ("Hold on.",)
    assert phrases_of("en", {"en": ()}) == () and phrases_of("xx", {}) == ()
