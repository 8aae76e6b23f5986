"""Counting wrong words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.words import word_errors

WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("book a table", "Book a table.", 0),
        ("book a table", "cook table", 2),
        ("book a table", "", 3),
        ("", "thank you", 2),
        ("turn it off", "turn on it off now", 2),
    ],
)
def test_words_put_in_left_out_and_changed_are_errors(said: str, heard: str, errors: int) -> None:
    assert word_errors(said, heard) == errors


@given(WORDS, WORDS)
def test_it_is_a_distance(one: str, other: str) -> None:
    assert word_errors(one, other) == word_errors(other, one)
    assert (word_errors(one, other) == 0) == (one.split() == other.split())
    assert word_errors(one, other) <= max(len(one.split()), len(other.split()))
