"""Who is said first, and one utterance cut out of the queue."""

from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from core.audio import LINE_FORMAT
from core.media.playout import Finished, Playout, PlayoutFull, Started, Stopped
from tests.media.test_playout import Line, sound


def _said(playout: Playout, number: int, ms: int, priority: int = 0) -> None:
    utterance = playout.add(number, None, priority=priority)
    utterance.feed(sound(ms, number))
    utterance.close()


def test_a_higher_priority_goes_before_those_that_wait_and_after_the_one_being_said() -> None:
    playout = Playout(LINE_FORMAT)
    line = Line(playout)
    _said(playout, 1, 200, priority=-1)
    line.tick(2)
    for number, priority in ((2, 0), (3, -1), (4, 1), (5, 0), (6, 1)):
        _said(playout, number, 40, priority)
    line.tick(40)
    assert [event.utterance_id for event in line.events if isinstance(event, Started)] == [1, 4, 6, 2, 5, 3]


def test_one_waiting_utterance_is_cancelled_and_the_others_are_said_whole() -> None:
    playout = Playout(LINE_FORMAT)
    line = Line(playout)
    for number in (1, 2, 3):
        _said(playout, number, 100)
    line.tick(2)
    assert playout.stop(0, only=2) == [Stopped(2, 0, None)]
    line.tick(20)
    wire = b"".join(line.out)[::2]
    assert (wire.count(b"\1"), wire.count(b"\2"), wire.count(b"\3")) == (800, 0, 800)


def test_the_one_being_said_is_cancelled_with_what_it_was_heard_and_the_next_goes_on() -> None:
    playout = Playout(LINE_FORMAT)
    line = Line(playout)
    for number in (1, 2):
        _said(playout, number, 100)
    line.tick(2)
    assert playout.stop(line.flush(), only=1) == [Stopped(1, 40, None)]
    line.tick(20)
    wire = b"".join(line.out)[::2]
    assert (wire.count(b"\1"), wire.count(b"\2")) == (320, 800)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 200), st.integers(-1, 1)),
        st.tuples(st.just("tick"), st.integers(1, 8), st.just(0)),
        st.tuples(st.just("cancel"), st.integers(1, 12), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(steps=steps)
def test_whatever_is_put_before_or_cut_out_the_wire_agrees_with_the_reports(steps: list[tuple[str, int, int]]) -> None:
    playout = Playout(LINE_FORMAT)
    line = Line(playout)
    ids = count(1)
    added = []
    for do, size, priority in steps:
        if do == "add":
            number = next(ids)
            try:
                _said(playout, number, size, priority)
            except PlayoutFull:
                continue
            added.append(number)
        elif do == "tick":
            line.tick(size)
        else:
            line.events += playout.stop(line.flush(), only=size)
    line.tick(500)
    ended = [event for event in line.events if isinstance(event, Finished | Stopped)]
    assert sorted(event.utterance_id for event in ended) == added
    wire = b"".join(line.out)[::2]
    assert all(event.played_ms == wire.count(bytes([event.utterance_id])) // 8 for event in ended)
