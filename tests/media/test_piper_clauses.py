"""Where a sentence is cut for a neural voice, and the messages to its process: pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media.piper_clauses import FIRST_CHARS_MIN, clauses, spread_words
from core.media.piper_worker_protocol import (
    FRAME_BYTES_MAX,
    BrokenFrame,
    Chunk,
    Done,
    Frames,
    Loaded,
    frame,
    from_voice,
)


@given(st.text(st.sampled_from("ab ,.;–。\n"), max_size=200))
def test_clauses_are_the_text_cut(text: str) -> None:
    cut = list(clauses(text))
    assert "".join(part for _, part in cut) == text
    assert all(part and text[place : place + len(part)] == part for place, part in cut)
    assert all(len(part) >= FIRST_CHARS_MIN for _, part in cut[:-1])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Good morning, this is Dialtone.", ["Good morning, ", "this is Dialtone."]),
        ("Yes, of course.", ["Yes, of course."]),
        ("Just one clause without a break", ["Just one clause without a break"]),
        ("Version 3.5 costs 1,999 today, they say.", ["Version 3.5 costs 1,999 today, ", "they say."]),
        ("The first one here. And a second one.", ["The first one here. ", "And a second one."]),
        (
            "Good morning, dear caller, my friend, and all the others, who may be listening to this, too, today.",
            [
                "Good morning, ",
                "dear caller, my friend, and all the others, ",
                "who may be listening to this, too, today.",
            ],
        ),
    ],
)
def test_the_first_clause_is_short_and_later_ones_are_not(text: str, parts: list[str]) -> None:
    assert [part for _, part in clauses(text)] == parts


@given(st.text(max_size=80), st.integers(0, 1000), st.integers(0, 5000))
def test_words_lie_in_order_within_their_clause(text: str, begin_ms: int, duration_ms: int) -> None:
    marks = spread_words(text, 7, begin_ms, duration_ms)
    times = [mark.at_ms for mark in marks]
    assert times == sorted(times)
    assert all(begin_ms <= at_ms <= begin_ms + duration_ms for at_ms in times)
    assert all(7 <= mark.char_start < mark.char_end <= 7 + len(text) for mark in marks)


@given(st.lists(st.binary(max_size=50), max_size=5), st.data())
def test_messages_arrive_however_they_are_cut(bodies: list[bytes], data: st.DataObject) -> None:
    sent = [Chunk(id=number, part=0, pcm=body) for number, body in enumerate(bodies)]
    stream = frame(Loaded(rate_hz=8000)) + b"".join(frame(chunk) for chunk in sent) + frame(Done(id=1))
    frames, heard = Frames(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        heard += [from_voice.decode(body) for body in frames.feed(stream[:size])]
        stream = stream[size:]
    assert heard == [Loaded(rate_hz=8000), *sent, Done(id=1)]


def test_a_length_that_no_message_has_is_an_error() -> None:
    with pytest.raises(BrokenFrame):
        list(Frames().feed((FRAME_BYTES_MAX + 1).to_bytes(4, "little")))
