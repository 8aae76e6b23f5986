"""Where turns begin, are cut and end, in frames of the line."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.audio import LINE_FORMAT, PcmFormat
from core.media.endpoint import (
    Chunk,
    Endpoint,
    Noise,
    Onset,
    Resumed,
    TurnAction,
    TurnConfig,
    TurnEnd,
    TurnStart,
)
from core.media.turn_table import NEXT, Do, On, Turn

SMALL = TurnConfig(
    preroll_ms=60,
    min_speech_ms=60,
    chunk_silence_ms=100,
    end_silence_ms=160,
    long_speech_ms=200,
    phrase_pause_ms=60,
    max_turn_ms=800,
    barge_in_ms=60,
    end_silence_complete_ms=120,
    end_silence_number_ms=260,
)
"""The same machine with thresholds that short sequences reach."""


def numbered(index: int) -> bytes:
    """A frame that says which it is."""
    return index.to_bytes(4, "little") * (LINE_FORMAT.frame_bytes // 4)


def feed(endpoint: Endpoint, pattern: list[bool], start: int = 0) -> list[TurnAction]:
    return [action for i, speech in enumerate(pattern) for action in endpoint.step(numbered(start + i), speech)]


def said(speech_ms: int, silence_ms: int) -> list[bool]:
    return [True] * (speech_ms // 20) + [False] * (silence_ms // 20)


def frames_of(pcm: bytes) -> list[int]:
    size = LINE_FORMAT.frame_bytes
    return [int.from_bytes(pcm[at : at + 4], "little") for at in range(0, len(pcm), size)]


def only(actions: list[TurnAction], kind: type) -> list:  # type: ignore[type-arg]
    return [action for action in actions if isinstance(action, kind)]


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint(TurnConfig(), LINE_FORMAT)


def test_a_sentence_is_one_turn_with_one_chunk(endpoint: Endpoint) -> None:
    actions = feed(endpoint, [False] * 50 + said(1000, 1000))
    assert [type(action) for action in actions] == [Onset, TurnStart, Chunk, TurnEnd]
    start, chunk, end = actions[1:]
    assert start == TurnStart(turn=1, at_ms=1000)
    assert isinstance(chunk, Chunk)
    assert (chunk.turn, chunk.chunk, chunk.start_ms, chunk.duration_ms) == (1, 1, 700, 300 + 1000 + 560)
    assert end == TurnEnd(
        turn=1, chunks=1, silence_ms=800, reason="silence", speech_ms=1000, start_ms=1000, end_ms=2000
    )


def test_thresholds_are_never_early_and_at_most_one_frame_late(endpoint: Endpoint) -> None:
    """The station before cut at 540 ms when told 550, and paused at 340 when told 350."""
    feed(endpoint, said(400, 0))
    silences = {}
    for count in range(1, 60):
        for action in endpoint.step(LINE_FORMAT.silence, False):
            silences[type(action)] = count * 20
    assert silences == {Chunk: 560, TurnEnd: 800}


def test_the_turn_starts_when_the_minimum_of_speech_is_reached(endpoint: Endpoint) -> None:
    """200 ms are 10 frames, not the 11 of the station before."""
    assert only(feed(endpoint, [True] * 9), TurnStart) == []
    assert feed(endpoint, [True]) == [TurnStart(1, 0)]


def test_fault_1_a_chunk_after_a_resumption_holds_only_new_audio(endpoint: Endpoint) -> None:
    actions = feed(endpoint, said(600, 640) + said(400, 1000))
    first, second = only(actions, Chunk)
    assert frames_of(first.pcm) == list(range(30 + 28))
    assert frames_of(second.pcm) == list(range(58, 62 + 20 + 28))
    assert [type(action) for action in actions] == [Onset, TurnStart, Chunk, Resumed, Onset, Chunk, TurnEnd]
    assert actions[-1].chunks == 2  # type: ignore[union-attr]


def test_fault_2_a_short_noise_is_closed_at_the_end_threshold(endpoint: Endpoint) -> None:
    actions = feed(endpoint, said(180, 800))
    assert actions[-1] == Noise(at_ms=0, duration_ms=180, speech_ms=180)
    assert endpoint.state is Turn.LISTENING
    assert endpoint.buffered_frames <= 15


def test_fault_2_speech_long_after_a_noise_is_a_turn_of_its_own(endpoint: Endpoint) -> None:
    actions = feed(endpoint, said(100, 10_000) + said(1000, 1000))
    assert only(actions, TurnStart) == [TurnStart(turn=1, at_ms=10_100)]
    (chunk,) = only(actions, Chunk)
    assert chunk.start_ms == 9_800
    assert only(actions, TurnEnd)[0].reason == "silence"


def test_fault_3_speech_is_counted_without_its_pauses(endpoint: Endpoint) -> None:
    (end,) = only(feed(endpoint, said(600, 300) + said(400, 300) + said(200, 1000)), TurnEnd)
    assert end.speech_ms == 1200
    assert (end.start_ms, end.end_ms) == (0, 1800)


def test_fault_4_a_progressive_chunk_does_not_put_off_the_end_of_the_turn(endpoint: Endpoint) -> None:
    feed(endpoint, [True] * 250)
    silences: dict[type, int] = {}
    for count in range(1, 60):
        for action in endpoint.step(LINE_FORMAT.silence, False):
            assert type(action) not in silences, "a pause is cut once"
            silences[type(action)] = count * 20
    assert silences == {Chunk: 360, TurnEnd: 800}


def test_a_short_pause_in_short_speech_cuts_nothing(endpoint: Endpoint) -> None:
    assert only(feed(endpoint, said(4400, 400) + said(100, 0)), Chunk) == []


def test_long_speech_is_cut_at_each_phrase_pause(endpoint: Endpoint) -> None:
    actions = feed(endpoint, said(5000, 400) + said(5000, 400) + said(1000, 1000))
    chunks = only(actions, Chunk)
    assert [chunk.silence_ms for chunk in chunks] == [360, 360, 560]
    assert len(only(actions, TurnEnd)) == 1
    assert sorted(frame for chunk in chunks for frame in frames_of(chunk.pcm)) == list(range(590 + 28))


def test_fault_5_a_caller_who_talks_long_without_a_pause_is_not_cut_off(endpoint: Endpoint) -> None:
    actions = feed(endpoint, [True] * 1000)
    assert [type(action) for action in actions] == [Onset, TurnStart]
    assert endpoint.in_turn


def test_fault_5_at_the_greatest_length_the_turn_ends_and_the_next_goes_on_without_a_gap(endpoint: Endpoint) -> None:
    actions = feed(endpoint, [True] * 3003 + [False] * 50)
    kinds = [type(action) for action in actions]
    assert kinds == [Onset, TurnStart, Chunk, TurnEnd, TurnStart, Chunk, TurnEnd]
    first, second = only(actions, TurnEnd)
    assert (first.reason, second.reason) == ("max_length", "silence")
    chunks = only(actions, Chunk)
    assert [chunk.chunk for chunk in chunks] == [1, 2]
    assert frames_of(chunks[0].pcm + chunks[1].pcm) == list(range(3003 + 28))


def test_fault_5_after_the_greatest_length_the_next_pause_is_still_cut(endpoint: Endpoint) -> None:
    """The old third tier left "chunk sent" set, so that the next turn could lose its chunk."""
    feed(endpoint, [True] * 3000)
    actions = feed(endpoint, said(400, 1000))
    assert [type(action) for action in actions] == [TurnStart, Chunk, TurnEnd]


def test_fault_6_a_frame_that_is_not_whole_is_refused_not_thrown_away(endpoint: Endpoint) -> None:
    with pytest.raises(ValueError, match="320 bytes"):
        endpoint.step(bytes(318), True)
    assert endpoint.now_ms == 0


def test_a_line_of_16_khz_has_the_same_times() -> None:
    """The station before was hard-wired to 8 kHz."""
    wide = PcmFormat(16000)
    endpoint = Endpoint(TurnConfig(), wide)
    actions = [a for speech in said(1000, 1000) for a in endpoint.step(wide.silence, speech)]
    (chunk,) = only(actions, Chunk)
    assert (chunk.duration_ms, len(chunk.pcm)) == (1560, 1560 * 32)


def test_the_preroll_never_repeats_audio_of_the_turn_before(endpoint: Endpoint) -> None:
    actions = feed(endpoint, said(400, 820) + said(400, 1000))
    first, second = only(actions, Chunk)
    assert frames_of(second.pcm)[0] > frames_of(first.pcm)[-1]
    assert second.start_ms == 1220 - 260  # all that was quiet since the last cut, less than 300 ms


def test_the_end_of_the_call_ends_the_turn_with_all_its_audio(endpoint: Endpoint) -> None:
    feed(endpoint, said(600, 100))
    chunk, end = endpoint.flush()
    assert isinstance(chunk, Chunk)
    assert isinstance(end, TurnEnd)
    assert frames_of(chunk.pcm) == list(range(35))
    assert (end.reason, end.silence_ms, end.chunks) == ("flushed", 100, 1)
    assert endpoint.flush() == []


def test_the_end_of_the_call_after_the_chunk_ends_the_turn_without_another(endpoint: Endpoint) -> None:
    feed(endpoint, said(600, 700))
    assert [type(action) for action in endpoint.flush()] == [TurnEnd]


def test_the_end_of_the_call_closes_a_noise(endpoint: Endpoint) -> None:
    feed(endpoint, [True] * 5)
    assert endpoint.flush() == [Noise(0, 100, 100)]


def test_an_onset_comes_before_the_turn_and_names_where_the_speech_began(endpoint: Endpoint) -> None:
    feed(endpoint, [False] * 20)
    told = [(i, a) for i, speech in enumerate([True] * 20) for a in endpoint.step(numbered(i), speech)]
    assert told == [(5, Onset(400)), (9, TurnStart(1, 400))]


def test_an_onset_forgives_two_frames_of_pause(endpoint: Endpoint) -> None:
    assert feed(endpoint, [True, True, False, True, True, False, True, True]) == [Onset(0)]


def test_clicks_are_no_onset(endpoint: Endpoint) -> None:
    assert only(feed(endpoint, [True, False, False] * 100), Onset) == []


def test_each_burst_of_speech_has_one_onset(endpoint: Endpoint) -> None:
    assert only(feed(endpoint, said(3000, 200) + said(300, 2000)), Onset) == [Onset(0), Onset(3200)]


def test_a_frame_of_pause_is_no_new_onset(endpoint: Endpoint) -> None:
    assert only(feed(endpoint, ([True] * 10 + [False]) * 20), Onset) == [Onset(0)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"chunk_silence_ms": 800},
        {"preroll_ms": -1},
        {"min_speech_ms": 0},
        {"barge_in_ms": 0},
        {"max_turn_ms": 500},
    ],
)
def test_thresholds_that_contradict_each_other_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be|at least"):
        TurnConfig(**wrong)


# --- laws ---------------------------------------------------------------------------------------------------------


runs = st.lists(st.tuples(st.booleans(), st.integers(1, 14)), max_size=40).map(
    lambda pairs: [speech for speech, length in pairs for _ in range(length)]
)


@settings(max_examples=400, deadline=None)
@given(pattern=runs, ended=st.booleans())
def test_laws_of_turns_hold_for_any_speech(pattern: list[bool], ended: bool) -> None:
    endpoint = Endpoint(SMALL, LINE_FORMAT)
    actions: list[TurnAction] = []
    for index, speech in enumerate(pattern):
        actions += endpoint.step(numbered(index), speech)
        assert endpoint.buffered_frames <= 40
    if ended:
        actions += endpoint.flush()
    _check_order(actions, endpoint.in_turn)
    _check_audio(actions, pattern, ended)


def _check_order(actions: list[TurnAction], in_turn: bool) -> None:
    """Turns and chunks count up; what belongs to a turn lies between its start and its only end."""
    turn, chunk, chunks, open_turn = 0, 0, 0, False
    for action in actions:
        match action:
            case TurnStart():
                assert not open_turn
                assert action.turn == turn + 1
                turn, chunks, open_turn = turn + 1, 0, True
            case Chunk():
                assert open_turn
                assert (action.turn, action.chunk) == (turn, chunk + 1)
                assert len(action.pcm) == action.duration_ms * 16
                chunk, chunks = chunk + 1, chunks + 1
            case Resumed():
                assert open_turn
                assert action.turn == turn
            case TurnEnd():
                assert open_turn
                assert (action.turn, action.chunks) == (turn, chunks)
                assert chunks >= 1
                open_turn = False
            case Noise():
                assert not open_turn
    assert open_turn == in_turn


def _check_audio(actions: list[TurnAction], pattern: list[bool], ended: bool) -> None:
    """The chunks of a turn are its audio from the pre-roll to the last cut, and no frame is in two chunks."""
    taken: list[int] = []
    starts = {action.turn: action.at_ms // 20 for action in only(actions, TurnStart)}
    for turn, speech_at in starts.items():
        chunks = [action for action in only(actions, Chunk) if action.turn == turn]
        frames = [frame for chunk in chunks for frame in frames_of(chunk.pcm)]
        if not frames:
            continue
        assert frames == list(range(frames[0], frames[0] + len(frames)))
        assert frames[0] <= speech_at <= frames[0] + 3
        assert frames[0] == chunks[0].start_ms // 20
        for end in only(actions, TurnEnd):
            if end.turn == turn:
                assert frames[-1] >= end.end_ms // 20 - 1, "all of its speech is in its chunks"
                assert end.speech_ms // 20 == sum(pattern[speech_at : end.end_ms // 20])
        taken += frames
    assert all(before < after for before, after in pairwise(taken))


@settings(max_examples=100, deadline=None)
@given(pattern=runs)
def test_after_a_flush_nothing_is_left_open(pattern: list[bool]) -> None:
    endpoint = Endpoint(SMALL, LINE_FORMAT)
    feed(endpoint, pattern)
    endpoint.flush()
    assert (endpoint.state, endpoint.buffered_frames) == (Turn.LISTENING, 0)


# --- the table ------------------------------------------------------------------------------------------------------

IN_TURN = {Turn.HEARING, Turn.PAUSING, Turn.WAITING}


@pytest.mark.parametrize("happened", On)
@pytest.mark.parametrize("state", Turn)
def test_every_step_of_the_table_keeps_turns_whole(state: Turn, happened: On) -> None:
    after, todo = NEXT[state, happened]
    assert (Do.START in todo) == (after in IN_TURN and state not in IN_TURN)
    assert (Do.END in todo) == (state in IN_TURN and after not in IN_TURN)
    dropped = state is Turn.TRYING and after is Turn.LISTENING and happened is not On.NOTHING
    assert (Do.DROP in todo) == dropped
    if Do.CUT in todo:
        assert state in (Turn.HEARING, Turn.PAUSING), "only where speech is in no chunk yet"
        assert after not in (Turn.HEARING, Turn.PAUSING)
    if state in (Turn.HEARING, Turn.PAUSING) and after not in (Turn.HEARING, Turn.PAUSING):
        assert Do.CUT in todo or happened is On.NOTHING, "no speech of a turn is lost"
    if happened is On.FLUSH:
        assert after is Turn.LISTENING


def test_frames_reach_every_state() -> None:
    endpoint = Endpoint(SMALL, LINE_FORMAT)
    seen = set()
    for speech in said(20, 200) + said(100, 200) + said(900, 100) + said(20, 200):
        seen.add(endpoint.state)
        endpoint.step(LINE_FORMAT.silence, speech)
    assert seen == set(Turn)


@given(pattern=st.lists(st.tuples(st.booleans(), st.integers(1, 9)), min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_what_is_pending_in_a_pause_is_what_the_next_chunk_begins_with(pattern: list[tuple[bool, int]]) -> None:
    endpoint, pending = Endpoint(SMALL, LINE_FORMAT), b""
    for index, speech in enumerate(speech for speech, frames in pattern for _ in range(frames)):
        for chunk in only(endpoint.step(numbered(index), speech), Chunk):
            assert chunk.pcm.startswith(pending)
            pending = b""
        if endpoint.pause_ms is not None:
            assert endpoint.pending.startswith(pending)
            pending = endpoint.pending
