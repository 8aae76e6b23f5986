"""Words that clients send for a turn, chunk by chunk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NotFound, NotNow
from core.remote_words import TURNS_KEPT, RemoteResult, RemoteTurns


def two_chunks() -> RemoteTurns:
    turns = RemoteTurns()
    turns.chunk(1, 1, 900)
    turns.chunk(1, 2, 700)
    return turns


def test_the_words_of_a_turn_are_those_of_its_chunks_in_order() -> None:
    turns = two_chunks()
    turn = turns.turn(1)
    turn.answer(RemoteResult(1, 2, "tomorrow", confidence=0.5, language="en"))
    assert turn.missing == [1]
    turn.answer(RemoteResult(1, 1, "an appointment", confidence=1.0))
    assert not turn.complete, "the caller may go on"
    turn.over = True
    assert turn.complete
    assert (turn.text(), turn.confidence(), turn.language(), turn.audio_ms) == (
        "an appointment tomorrow", 0.75, "en", 1600,
    )  # fmt: skip


def test_a_second_answer_for_a_chunk_stands_in_place_of_the_first() -> None:
    turn = two_chunks().turn(1)
    for text in ("and", "an"):
        turn.answer(RemoteResult(1, 1, text))
    assert turn.text() == "an"


def test_one_answer_of_the_whole_turn_is_enough() -> None:
    turn = two_chunks().turn(1)
    turn.answer(RemoteResult(1, 1, "an appoint"))
    turn.answer(RemoteResult(1, 2, "an appointment tomorrow", whole=True))
    turn.over = True
    assert turn.complete and turn.text() == "an appointment tomorrow"


def test_a_partial_is_shown_behind_what_is_final() -> None:
    turn = two_chunks().turn(1)
    turn.answer(RemoteResult(1, 1, "an appointment"))
    assert turn.text(RemoteResult(1, 2, "tom", final=False)) == "an appointment tom"
    assert turn.text(RemoteResult(1, 2, "an appointment to", final=False, whole=True)) == "an appointment to"
    assert turn.text() == "an appointment"


def test_a_turn_without_chunks_is_never_complete() -> None:
    turn = RemoteTurns().turn(3)
    turn.over = True
    assert not turn.complete and turn.text() == ""


@pytest.mark.parametrize(("turn", "chunk"), [(0, 1), (2, 1), (9, 1), (1, 3), (1, 0)])
def test_what_never_was_is_not_found(turn: int, chunk: int) -> None:
    with pytest.raises(NotFound):
        two_chunks().expecting(RemoteResult(turn, chunk, "x"), last_turn=1)


def test_what_was_told_already_comes_too_late_as_does_what_nobody_asked_for() -> None:
    turns = two_chunks()
    assert turns.expecting(RemoteResult(1, 1, "x"), last_turn=2) is turns.turn(1)
    turns.turn(1).told = True
    for turn in (1, 2):
        with pytest.raises(NotNow):
            turns.expecting(RemoteResult(turn, 1, "x"), last_turn=2)


def test_old_turns_are_let_go() -> None:
    turns = RemoteTurns()
    for number in range(1, TURNS_KEPT + 3):
        turns.chunk(number, number, 100)
    with pytest.raises(NotNow):
        turns.expecting(RemoteResult(1, 1, "x"), last_turn=TURNS_KEPT + 2)


@given(st.permutations(range(1, 6)), st.integers(0, 5))
def test_the_order_of_answers_does_not_matter(order: list[int], whole: int) -> None:
    turns = RemoteTurns()
    for number in range(1, 6):
        turns.chunk(1, number, 100)
    turn = turns.turn(1)
    turn.over = True
    for number in order:
        turn.answer(RemoteResult(1, number, str(number), whole=number == whole))
    assert turn.complete and turn.text().split() == [str(number) for number in range(max(1, whole), 6)]
