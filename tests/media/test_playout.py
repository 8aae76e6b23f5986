"""What was really heard of what we said."""

from collections import deque
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.audio import LINE_FORMAT
from core.media.playout import Finished, Playout, PlayoutEvent, PlayoutFull, Started, Stopped

FRAME = LINE_FORMAT.frame_bytes


class Line:
    """The port's side: takes up to three frames ahead, sends one a tick, can flush the rest."""

    def __init__(self, playout: Playout) -> None:
        self.playout = playout
        self.queue: deque[bytes] = deque()
        self.out: list[bytes] = []
        self.events: list[PlayoutEvent] = []

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.fill()
            if self.queue:
                self.out.append(self.queue.popleft())
            self.events += self.playout.sent(len(self.out))

    def fill(self) -> None:
        while len(self.queue) < 3 and (frame := self.playout.next_frame()) is not None:
            assert len(frame) == FRAME
            self.queue.append(frame)

    def flush(self) -> int:
        dropped = len(self.queue)
        self.queue.clear()
        return dropped


def sound(ms: int, value: int = 1) -> bytes:
    return bytes([value, 0]) * (ms * 8)


@pytest.fixture
def playout() -> Playout:
    return Playout(LINE_FORMAT)


@pytest.fixture
def line(playout: Playout) -> Line:
    return Line(playout)


def test_an_utterance_starts_with_its_first_frame_and_finishes_with_its_last(playout: Playout, line: Line) -> None:
    utterance = playout.add(7, "hello")
    line.tick(5)
    assert line.events == []
    utterance.feed(sound(50))
    utterance.close()
    line.tick()
    assert line.events == [Started(7)]
    line.tick()
    assert line.events == [Started(7)]
    line.tick()
    assert line.events == [Started(7), Finished(7, 50, "hello", True)]
    assert playout.current is None


def test_the_last_frame_is_filled_with_silence_and_not_counted_as_played(playout: Playout, line: Line) -> None:
    utterance = playout.add(1, None)
    utterance.feed(sound(30))
    utterance.close()
    line.tick(2)
    assert b"".join(line.out) == sound(30) + bytes(160)
    assert line.events[-1] == Finished(1, 30, None, True)


def test_played_means_gone_out_of_the_port_not_handed_to_it(playout: Playout, line: Line) -> None:
    utterance = playout.add(1, "a")
    utterance.feed(sound(100))
    line.fill()
    assert utterance.played_ms == 0
    line.tick(2)
    assert utterance.played_ms == 40


def test_utterances_follow_each_other_without_a_gap(playout: Playout, line: Line) -> None:
    for number in (1, 2):
        utterance = playout.add(number, None)
        utterance.feed(sound(40, number))
        utterance.close()
    line.tick(4)
    assert b"".join(line.out) == sound(40, 1) + sound(40, 2)
    assert line.events == [Started(1), Finished(1, 40, None), Started(2), Finished(2, 40, None)]


def test_a_later_utterance_waits_for_one_that_is_still_being_made(playout: Playout, line: Line) -> None:
    first, second = playout.add(1, None), playout.add(2, None)
    second.feed(sound(40, 2))
    second.close()
    line.tick(3)
    assert line.out == []
    first.feed(sound(20, 1))
    first.close()
    line.tick(3)
    assert b"".join(line.out) == sound(20, 1) + sound(40, 2)


def test_an_utterance_without_audio_finishes_in_its_turn(playout: Playout, line: Line) -> None:
    first, empty = playout.add(1, None), playout.add(2, "")
    empty.close()
    first.feed(sound(20))
    first.close()
    line.tick()
    assert line.events == [Started(1), Finished(1, 20, None), Finished(2, 0, "")]


def test_a_late_close_finishes_at_the_next_tick(playout: Playout, line: Line) -> None:
    utterance = playout.add(1, "x")
    utterance.feed(sound(20))
    line.tick(3)
    utterance.close()
    line.tick()
    assert line.events[-1] == Finished(1, 20, "x")


def test_barge_in_tells_the_words_that_had_begun(playout: Playout, line: Line) -> None:
    utterance = playout.add(1, "good morning dear caller")
    for start, end, at_ms in ((0, 4, 0), (5, 12, 100), (13, 17, 300), (18, 24, 500)):
        utterance.mark(start, end, at_ms)
    utterance.feed(sound(800))
    utterance.close()
    line.tick(10)
    assert playout.stop(line.flush()) == [Stopped(1, 200, "good morning")]
    assert playout.next_frame() is None
    assert utterance.wants_more is False


def test_a_word_that_was_about_to_begin_was_not_heard(playout: Playout, line: Line) -> None:
    utterance = playout.add(1, "one two")
    utterance.mark(0, 3, 0)
    utterance.mark(4, 7, 200)
    utterance.feed(sound(400))
    line.tick(10)
    assert playout.stop(line.flush()) == [Stopped(1, 200, "one")]


def test_without_marks_the_share_of_time_counts_in_whole_words(playout: Playout, line: Line) -> None:
    utterance = playout.add(1, "one two three four")
    utterance.feed(sound(1000))
    utterance.close()
    line.tick(30)
    (stopped,) = playout.stop(line.flush())
    assert stopped == Stopped(1, 600, "one two")


def test_without_marks_an_utterance_still_being_made_claims_no_more_than_its_length_allows(
    playout: Playout, line: Line
) -> None:
    """Half of the audio made so far is not half of the text."""
    utterance = playout.add(1, "word " * 100)
    utterance.feed(sound(1000))
    line.tick(50)
    (stopped,) = playout.stop(line.flush())
    assert stopped.heard_text is not None
    assert 0 < len(stopped.heard_text) < 20


def test_a_stop_before_the_first_frame_was_heard_by_nobody(playout: Playout, line: Line) -> None:
    utterance = playout.add(1, "hello you")
    utterance.feed(sound(500))
    line.fill()
    assert playout.stop(line.flush()) == [Stopped(1, 0, "")]


def test_frames_that_the_port_took_for_good_count_as_played(playout: Playout) -> None:
    """They left its queue, but the tick that tells so has not been read yet."""
    utterance = playout.add(1, None)
    utterance.feed(sound(200))
    for _ in range(3):
        playout.next_frame()
    assert playout.sent(0) == []
    assert playout.stop(flushed_frames=1) == [Stopped(1, 40, None)]
    assert playout.sent(2) == []


def test_the_count_stays_right_after_a_stop(playout: Playout, line: Line) -> None:
    first = playout.add(1, None)
    first.feed(sound(1000))
    line.tick(5)
    playout.stop(line.flush())
    second = playout.add(2, None)
    second.feed(sound(40, 2))
    second.close()
    line.tick(2)
    assert line.events == [Started(1), Started(2), Finished(2, 40, None)]


def test_stop_drops_all_that_waits(playout: Playout, line: Line) -> None:
    for number in (1, 2, 3):
        playout.add(number, "t").feed(sound(100))
    line.tick()
    assert [stopped.utterance_id for stopped in playout.stop(line.flush())] == [1, 2, 3]
    assert playout.current is None


def test_what_may_not_be_interrupted_stays_and_loses_no_frame(playout: Playout, line: Line) -> None:
    first = playout.add(1, None)
    first.feed(sound(40, 1))
    first.close()
    second = playout.add(2, None, interruptible=False)
    second.feed(sound(60, 2))
    second.close()
    line.tick()
    assert len(line.queue) == 2  # the last of 1 and the first of 2
    line.fill()
    assert playout.stop(line.flush(), only_interruptible=True) == [Stopped(1, 20, None)]
    assert playout.interruptible is False
    line.tick(3)
    assert b"".join(line.out[1:]) == sound(60, 2)
    assert line.events[-1] == Finished(2, 60, None)


def test_replace_stops_the_rest_and_speaks(playout: Playout, line: Line) -> None:
    playout.add(1, "old").feed(sound(200))
    line.tick(2)
    stopped, utterance = playout.replace(line.flush(), 2, "new")
    utterance.feed(sound(20, 2))
    utterance.close()
    line.tick()
    assert [event.utterance_id for event in stopped] == [1]
    assert line.events[-1] == Finished(2, 20, "new")


def test_pause_is_silent_at_once_and_resume_loses_nothing(playout: Playout, line: Line) -> None:
    utterance = playout.add(1, None)
    audio = b"".join(bytes([n, 0]) * 160 for n in range(1, 11))
    utterance.feed(audio)
    utterance.close()
    line.tick(4)
    playout.pause(line.flush())
    line.tick(10)
    assert len(line.out) == 4
    playout.resume()
    line.tick(10)
    assert b"".join(line.out) == audio
    assert line.events[-1] == Finished(1, 200, None)
    assert playout.underrun_frames == 0


def test_a_synthesis_that_failed_half_way_is_not_completed(playout: Playout, line: Line) -> None:
    utterance = playout.add(1, "one two")
    utterance.mark(0, 3, 0)
    utterance.feed(sound(40))
    utterance.fail()
    line.tick(2)
    assert line.events[-1] == Finished(1, 40, "one", False)


def test_gaps_inside_an_utterance_are_counted(playout: Playout, line: Line) -> None:
    utterance = playout.add(1, None)
    line.tick(5)
    utterance.feed(sound(40))
    line.tick(5)
    utterance.feed(sound(20))
    line.tick(1)
    utterance.close()
    line.tick(5)
    assert playout.underrun_frames == 3


def test_silence_while_paused_is_no_gap(playout: Playout, line: Line) -> None:
    playout.add(1, None).feed(sound(40))
    line.tick(2)
    playout.pause()
    line.tick(5)
    assert playout.underrun_frames == 0


def test_ticks_that_were_dropped_do_not_change_the_order_of_what_happened(playout: Playout) -> None:
    for number in (1, 2):
        utterance = playout.add(number, None)
        utterance.feed(sound(20))
        utterance.close()
        playout.next_frame()
    assert playout.sent(2) == [Started(1), Finished(1, 20, None), Started(2), Finished(2, 20, None)]


def test_a_frame_is_never_counted_twice(playout: Playout) -> None:
    utterance = playout.add(1, None)
    utterance.feed(sound(200))
    for _ in range(4):
        playout.next_frame()
    for uplink_frames in (2, 1, 2, 0, 2):
        playout.sent(uplink_frames)
    assert utterance.played_ms == 40


def test_a_synthesiser_waits_with_ten_seconds_ahead(playout: Playout, line: Line) -> None:
    utterance = playout.add(1, None)
    fed = 0
    while utterance.wants_more:
        utterance.feed(sound(500))
        fed += 500
    assert fed == 10_000
    line.tick()
    assert utterance.wants_more


def test_the_utterance_being_said_may_go_on_however_much_waits_behind_it(playout: Playout) -> None:
    first = playout.add(1, None)
    later = [playout.add(number, None) for number in range(2, 12)]
    for utterance in later:
        while utterance.wants_more:
            utterance.feed(sound(1000))
    assert playout.ahead_ms == 60_000
    assert first.wants_more
    assert not later[-1].wants_more


def test_who_never_asks_is_refused_in_the_end(playout: Playout) -> None:
    utterance = playout.add(1, None)
    with pytest.raises(PlayoutFull):
        for _ in count():
            utterance.feed(sound(5000))
    assert playout.ahead_ms == 180_000


def test_a_twenty_first_utterance_is_refused(playout: Playout) -> None:
    for number in range(20):
        playout.add(number, None)
    with pytest.raises(PlayoutFull):
        playout.add(20, None)


def test_feeding_what_was_stopped_does_nothing(playout: Playout) -> None:
    utterance = playout.add(1, "t")
    playout.stop(0)
    utterance.feed(sound(100))
    utterance.mark(0, 1, 0)
    utterance.close()
    assert (playout.next_frame(), playout.ahead_ms, playout.sent(0)) == (None, 0, [])


@pytest.mark.parametrize("wrong", [b"\0", bytes(321)])
def test_half_samples_are_refused(playout: Playout, wrong: bytes) -> None:
    with pytest.raises(ValueError, match="whole samples"):
        playout.add(1, None).feed(wrong)


def test_frames_of_an_attached_client_are_not_taken_for_ours(playout: Playout) -> None:
    for _ in range(2):
        playout.foreign_frame()
    playout.add(1, None).feed(sound(100))
    playout.next_frame()
    assert playout.sent(2) == []
    assert playout.sent(3) == [Started(1)]


def test_a_new_port_counts_from_zero_and_says_again_what_lay_in_the_old_one(playout: Playout, line: Line) -> None:
    utterance = playout.add(1, None)
    utterance.feed(sound(20, 1) + sound(20, 2) + sound(20, 3))
    utterance.close()
    line.tick()
    playout.reopened()
    again = Line(playout)
    again.tick(2)
    assert b"".join(again.out) == sound(20, 2) + sound(20, 3)
    assert again.events == [Finished(1, 60, None)]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 300)),
        st.tuples(st.just("tick"), st.integers(1, 8)),
        st.tuples(st.sampled_from(["stop", "polite", "pause", "resume"]), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(steps=steps)
def test_played_time_is_always_what_left_the_port(steps: list[tuple[str, int]]) -> None:
    """Each utterance's sound is its own value, so that the wire itself says what was played of it."""
    playout = Playout(LINE_FORMAT)
    line = Line(playout)
    ids = count(1)
    ended: list[PlayoutEvent] = []
    added = []
    for do, size in steps:
        if do == "add":
            number = next(ids)
            try:
                utterance = playout.add(number, None, interruptible=number % 3 != 0)
            except PlayoutFull:
                continue
            added.append(number)
            utterance.feed(sound(size, number))
            utterance.close()
        elif do == "tick":
            line.tick(size)
        elif do in ("stop", "polite"):
            line.events += playout.stop(line.flush(), only_interruptible=do == "polite")
        elif do == "pause":
            playout.pause(line.flush())
        elif do == "resume":
            playout.resume()
    playout.resume()
    line.tick(700)
    ended = [event for event in line.events if not isinstance(event, Started)]
    assert sorted(event.utterance_id for event in ended) == added
    wire = b"".join(line.out)[::2]
    for event in ended:
        assert isinstance(event, Finished | Stopped)
        assert event.played_ms == wire.count(bytes([event.utterance_id])) // 8


def test_the_next_utterance_goes_on_in_the_last_frame_of_the_one_before(playout: Playout, line: Line) -> None:
    one, two = playout.add(1, None), playout.add(2, None)
    one.feed(sound(50, 1))
    one.close()
    two.feed(sound(30, 2))
    two.close()
    line.tick(6)
    assert b"".join(line.out) == sound(50, 1) + sound(30, 2)
    assert line.events == [Started(1), Finished(1, 50, None), Started(2), Finished(2, 30, None)]


def test_many_short_utterances_fit_into_one_frame(playout: Playout, line: Line) -> None:
    for number in range(1, 6):
        utterance = playout.add(number, None)
        utterance.feed(sound(3, number))
        utterance.close()
    line.tick(2)
    assert b"".join(line.out) == b"".join(sound(3, number) for number in range(1, 6)) + bytes(FRAME - 15 * 16)
    assert [event.utterance_id for event in line.events if isinstance(event, Finished)] == [1, 2, 3, 4, 5]


def test_a_shared_frame_that_is_flushed_goes_back_to_both(playout: Playout, line: Line) -> None:
    one, two = playout.add(1, None), playout.add(2, None)
    one.feed(sound(30, 1))
    one.close()
    two.feed(sound(30, 2))
    two.close()
    line.fill()
    playout.pause(line.flush())
    playout.resume()
    line.tick(5)
    assert b"".join(line.out) == sound(30, 1) + sound(30, 2)


def test_a_shared_frame_loses_only_what_was_stopped(playout: Playout, line: Line) -> None:
    may, must = playout.add(1, None), playout.add(2, None, interruptible=False)
    may.feed(sound(30, 1))
    may.close()
    must.feed(sound(30, 2))
    must.close()
    line.fill()
    stopped = playout.stop(line.flush(), only_interruptible=True)
    assert stopped == [Stopped(1, 0, None)]
    line.tick(4)
    assert b"".join(line.out)[: len(sound(30))] == sound(30, 2)


@settings(max_examples=100, deadline=None)
@given(lengths=st.lists(st.integers(1, 700), min_size=1, max_size=15), flushes=st.lists(st.integers(0, 40), max_size=5))
def test_what_is_queued_comes_out_to_the_sample_whatever_is_flushed_on_the_way(
    lengths: list[int], flushes: list[int]
) -> None:
    playout = Playout(LINE_FORMAT)
    line = Line(playout)
    wanted = b""
    for number, samples in enumerate(lengths, 1):
        utterance = playout.add(number, None)
        pcm = number.to_bytes(2, "little") * samples
        utterance.feed(pcm)
        utterance.close()
        wanted += pcm
    for tick in range(len(wanted) // FRAME + 10):
        if tick in flushes:
            playout.take_back(line.flush())
        line.tick()
    assert b"".join(line.out)[: len(wanted)] == wanted
    assert not b"".join(line.out)[len(wanted) :].strip(b"\0")
    assert not playout.ready
