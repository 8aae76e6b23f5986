"""What was interrupted goes on at a word, and what was heard stays true."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.audio import LINE_FORMAT
from core.media.playout import Finished, Playout, PlayoutEvent, Resumed, Started, Utterance

TEXT = "one two three four"
MARKS = ((0, 3, 0), (4, 7, 400), (8, 13, 800), (14, 18, 1200))


class Line:
    """The port: takes up to three frames ahead, sends one a tick, can flush the rest."""

    def __init__(self) -> None:
        self.playout = Playout(LINE_FORMAT)
        self.port: deque[bytes] = deque()
        self.out: list[bytes] = []
        self.events: list[PlayoutEvent] = []

    def tick(self, ms: int) -> None:
        for _ in range(ms // 20):
            while len(self.port) < 3 and (frame := self.playout.next_frame()) is not None:
                self.port.append(frame)
            if self.port:
                self.out.append(self.port.popleft())
            self.events += self.playout.sent(len(self.out))

    def flush(self) -> int:
        count = len(self.port)
        self.port.clear()
        return count

    def places_ms(self) -> list[int]:
        """Where in the utterance each frame that went out began; `speech` writes it into the samples."""
        return [int.from_bytes(frame[:2], "little") * 20 for frame in self.out]


def speech(ms: int) -> bytes:
    return b"".join(place.to_bytes(2, "little") * 160 for place in range(ms // 20))


def spoken(line: Line, *, marks: bool = True, spans: tuple[tuple[int, int], ...] = ()) -> Utterance:
    utterance = line.playout.add(1, TEXT)
    utterance.spans = spans
    for mark in MARKS if marks else ():
        utterance.mark(*mark)
    utterance.feed(speech(1600))
    utterance.close()
    return utterance


def test_held_nothing_goes_out_and_it_goes_on_with_the_word_that_the_caller_spoke_into() -> None:
    line = Line()
    utterance = spoken(line)
    line.tick(1000)
    line.playout.hold(line.flush())
    assert line.playout.held and line.playout.current == 1 and not line.playout.ready
    line.tick(500)
    assert utterance.played_ms == 1000 and utterance.heard_text() == "one two three"
    line.playout.go_on(before_ms=100)
    line.tick(1000)
    assert line.places_ms()[50:] == list(range(800, 1600, 20))
    assert line.events == [Started(1), Resumed(1), Finished(1, 1600, TEXT)]


def test_the_word_is_the_one_at_which_the_caller_began_not_the_one_at_which_we_fell_silent() -> None:
    line = Line()
    spoken(line)
    line.tick(900)
    line.playout.hold(line.flush())
    line.playout.go_on(before_ms=140)
    line.tick(20)
    assert line.places_ms()[-1] == 400


def test_what_was_heard_before_stays_heard_when_it_is_cut_in_the_word_said_again() -> None:
    line = Line()
    spoken(line)
    line.tick(820)
    line.playout.hold(line.flush())
    line.playout.go_on(before_ms=100)
    line.tick(60)
    (stopped,) = line.playout.stop(line.flush())
    assert (stopped.played_ms, stopped.heard_text) == (820, "one two three")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 200)), max_size=6))
def test_however_often_it_is_interrupted_all_of_it_is_said_and_counts_once(cuts: list[tuple[int, int]]) -> None:
    line = Line()
    spoken(line)
    for frames, before_ms in cuts:
        line.tick(frames * 20)
        line.playout.hold(line.flush())
        heard = line.playout.current
        line.playout.go_on(before_ms)
        if heard is None:
            break
    line.tick(8000)
    assert set(line.places_ms()) == set(range(0, 1600, 20))
    assert line.events[-1] == Finished(1, 1600, TEXT)
    assert sum(isinstance(event, Started) for event in line.events) == 1


def test_without_marks_it_goes_back_by_about_a_word() -> None:
    line = Line()
    spoken(line, marks=False)
    line.tick(1000)
    line.playout.hold(line.flush())
    line.playout.go_on(before_ms=100)
    line.tick(20)
    assert line.places_ms()[-1] == 600


def test_held_before_its_first_word_it_just_begins() -> None:
    line = Line()
    spoken(line)
    line.playout.hold(0)
    line.playout.go_on(before_ms=100)
    line.tick(2000)
    assert line.events == [Started(1), Finished(1, 1600, TEXT)]


def test_what_waits_behind_it_waits_and_stopping_it_lets_that_go() -> None:
    line = Line()
    spoken(line)
    line.tick(500)
    line.playout.hold(line.flush())
    other = line.playout.add(2, None)
    other.feed(speech(100))
    other.close()
    line.tick(200)
    assert len(line.out) == 25
    line.playout.stop(0, only=1)
    assert not line.playout.held
    line.tick(200)
    assert line.events[-1] == Finished(2, 100, None)


@pytest.mark.parametrize(("at_ms", "must"), [(0, False), (380, False), (400, True), (780, True), (820, False)])
def test_a_span_of_the_text_must_be_heard(at_ms: int, must: bool) -> None:
    line = Line()
    utterance = spoken(line, spans=((4, 7),))
    line.tick(at_ms)
    assert utterance.must_be_heard is must


def test_a_span_at_the_beginning_holds_before_the_first_word() -> None:
    line = Line()
    assert spoken(line, spans=((0, 3),)).must_be_heard
    assert not spoken(Line(), spans=()).must_be_heard


def test_without_marks_a_span_holds_a_little_longer_on_both_sides() -> None:
    line = Line()
    utterance = spoken(line, marks=False, spans=((0, 3),))
    line.tick(800)
    assert utterance.must_be_heard, "half of 18 characters is less than ten from the third"
    line.tick(600)
    assert not utterance.must_be_heard


def test_a_filler_fades_within_its_time_or_ends_at_the_next_word() -> None:
    for at_ms, last_ms in ((500, 580), (760, 800)):
        line = Line()
        utterance = spoken(line)
        line.tick(at_ms)
        line.playout.fade_out(line.flush(), 1, 80)
        utterance.feed(b"\0\0")  # its synthesiser does not know yet
        line.tick(400)
        assert len(line.out) * 20 == last_ms
        assert abs(int.from_bytes(line.out[-1][-2:], "little", signed=True)) <= 1, "ever quieter"
        finished = line.events[-1]
        assert isinstance(finished, Finished) and not finished.completed and finished.heard_text != TEXT


def test_a_filler_that_has_not_begun_is_never_heard() -> None:
    line = Line()
    spoken(line)
    line.playout.fade_out(line.flush(), 1, 80)
    line.tick(100)
    assert line.out == [] and line.events == [Finished(1, 0, "", False)]
