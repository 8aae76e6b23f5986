"""The end of a turn under hints, and frames that turn out to have been a key's tone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.audio import LINE_FORMAT
from core.media.endpoint import (
    DISOWN_MAX,
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
from core.media.tones import DtmfDetector, dtmf
from core.media.turn_hints import Hint
from core.media.turn_table import Turn
from core.media.vad import WebRtcVad
from core.media.vad_keys import AFTER_FRAMES, KeyMask
from tests.media.test_endpoint import SMALL, _check_audio, _check_order, feed, numbered, said


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint(TurnConfig(), LINE_FORMAT)


def quiet(endpoint: Endpoint, hint: Hint | None, after_ms: int = 0) -> tuple[list[int], TurnEnd]:
    """Silence, with the hint from a moment on, until the turn ends: at which silences chunks were cut, and the end."""
    chunks = []
    for count in range(1, 200):
        if count * 20 > after_ms:
            endpoint.hint(hint)
        for action in endpoint.step(LINE_FORMAT.silence, False):
            if isinstance(action, Chunk):
                chunks.append(action.silence_ms)
            if isinstance(action, TurnEnd):
                return chunks, action
    raise AssertionError("the turn did not end")


@pytest.mark.parametrize(
    ("hint", "silence_ms", "reason"),
    [(None, 800, "silence"), (Hint.COMPLETE, 600, "complete"), (Hint.NUMBER, 1100, "number")],
)
def test_a_hint_moves_the_end_and_says_so(endpoint: Endpoint, hint: Hint | None, silence_ms: int, reason: str) -> None:
    feed(endpoint, said(1000, 0))
    chunks, end = quiet(endpoint, hint)
    assert (chunks, end.silence_ms, end.reason) == ([560], silence_ms, reason)


def test_a_hint_that_comes_late_ends_the_turn_in_the_next_frame(endpoint: Endpoint) -> None:
    feed(endpoint, said(1000, 0))
    chunks, end = quiet(endpoint, Hint.COMPLETE, after_ms=700)
    assert (chunks, end.silence_ms, end.reason) == ([560], 720, "complete")


def test_a_hint_before_all_speech_is_in_chunks_is_of_no_account(endpoint: Endpoint) -> None:
    feed(endpoint, said(1000, 0))
    endpoint.hint(Hint.COMPLETE)
    _, end = quiet(endpoint, None)
    assert end.silence_ms == 800


def test_a_hint_ends_when_the_caller_goes_on(endpoint: Endpoint) -> None:
    feed(endpoint, said(1000, 580))
    endpoint.hint(Hint.NUMBER)
    actions = feed(endpoint, said(400, 0))
    assert isinstance(actions[0], Resumed)
    _, end = quiet(endpoint, None)
    assert (end.silence_ms, end.reason, end.chunks) == (800, "silence", 2)


def test_a_hint_does_not_reach_into_the_next_turn(endpoint: Endpoint) -> None:
    feed(endpoint, said(1000, 0))
    quiet(endpoint, Hint.NUMBER)
    feed(endpoint, said(1000, 0))
    assert quiet(endpoint, None)[1].silence_ms == 800


def test_a_call_that_ends_or_a_turn_that_is_full_under_a_hint_says_so_and_not_the_hint(endpoint: Endpoint) -> None:
    feed(endpoint, said(1000, 580))
    endpoint.hint(Hint.NUMBER)
    (end,) = endpoint.flush()
    assert isinstance(end, TurnEnd)
    assert end.reason == "flushed"


@pytest.mark.parametrize(
    "wrong",
    [{"end_silence_complete_ms": 550}, {"end_silence_complete_ms": 801}, {"end_silence_number_ms": 799}],
)
def test_thresholds_of_hints_that_contradict_the_others_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="end_silence"):
        TurnConfig(**wrong)


# --- keys -----------------------------------------------------------------------------------------------------------


def test_disowned_frames_are_no_speech_and_no_noise(endpoint: Endpoint) -> None:
    for _ in range(20):  # ten would be a turn
        assert feed(endpoint, said(60, 0)) == []
        endpoint.disown()
        assert endpoint.state is Turn.LISTENING
        assert feed(endpoint, said(0, 200)) == []


def test_a_key_in_a_pause_does_not_put_off_the_end(endpoint: Endpoint) -> None:
    feed(endpoint, said(1000, 400) + said(60, 0))
    endpoint.disown()
    told = [(count * 20, a) for count in range(1, 60) for a in endpoint.step(LINE_FORMAT.silence, False)]
    chunk, end = (action for _, action in told)
    assert isinstance(chunk, Chunk)
    assert isinstance(end, TurnEnd)
    assert (chunk.silence_ms, end.silence_ms, end.end_ms, end.speech_ms) == (560, 800, 1000, 1000)
    assert told[-1][0] == 800 - 460, "400 ms and the key's 60 are part of it"


def test_a_key_after_the_chunk_leaves_nothing_to_cut_again(endpoint: Endpoint) -> None:
    feed(endpoint, said(1000, 600))
    assert [type(action) for action in feed(endpoint, said(60, 0))] == [Resumed]
    endpoint.disown()
    assert endpoint.state is Turn.WAITING
    actions = feed(endpoint, said(0, 200))
    assert [type(action) for action in actions] == [TurnEnd]


def test_speech_before_a_key_still_counts(endpoint: Endpoint) -> None:
    feed(endpoint, said(400, 0) + said(60, 0))
    endpoint.disown(3)
    (end,) = [action for action in feed(endpoint, said(0, 900)) if isinstance(action, TurnEnd)]
    assert end.speech_ms == 400


@pytest.mark.parametrize(("on_ms", "off_ms"), [(40, 40), (60, 60), (100, 100), (200, 300), (50, 200), (400, 400)])
@pytest.mark.parametrize("phase", [0, 37, 120])
def test_typing_is_no_turn_and_no_onset(on_ms: int, off_ms: int, phase: int) -> None:
    """Each key sounds for up to 60 ms before it is certain; twenty of them would be a turn."""
    keys = "0123456789*#15551234"
    pcm = bytes(16000 + 2 * phase) + dtmf(keys, 8000, on_ms=on_ms, off_ms=off_ms) + bytes(32000)
    line = np.frombuffer(pcm, "<i2") + np.random.default_rng(1).normal(0, 30, len(pcm) // 2)
    frames = np.clip(line, -32768, 32767).astype("<i2")
    detector, vad, endpoint = DtmfDetector(8000), WebRtcVad(8000), Endpoint(TurnConfig(), LINE_FORMAT)
    mask, heard = KeyMask(), ""
    told: list[TurnAction] = []
    for at in range(0, len(frames) - 159, 160):
        frame = frames[at : at + 160].tobytes()
        found = detector.feed(frame)
        heard += "".join(found)
        speech = mask.speech(vad.is_speech(frame), detector.active)
        if found:
            endpoint.disown()
        told += endpoint.step(frame, speech)
    assert heard == keys
    assert not [action for action in told if isinstance(action, TurnStart | Onset)]


def test_speech_right_after_a_key_is_heard_within_100_ms() -> None:
    mask = KeyMask()
    assert not mask.speech(heard=True, key=True)
    heard = [mask.speech(heard=True, key=False) for _ in range(20)]
    assert heard == [False] * AFTER_FRAMES + [True] * (20 - AFTER_FRAMES)
    assert not mask.speech(heard=True, key=True)
    assert not mask.speech(heard=False, key=False)
    assert mask.speech(heard=True, key=False), "one frame of silence, and the tone is over"


def test_silence_that_a_key_interrupted_ends_the_turn_once_the_key_is_known_for_one() -> None:
    """Found by the law below."""
    endpoint = Endpoint(SMALL, LINE_FORMAT)
    feed(endpoint, said(60, 0))
    for _ in range(10):  # 200 ms: more than end_silence_ms, but in mid-number
        endpoint.hint(Hint.NUMBER)
        assert not [action for action in endpoint.step(LINE_FORMAT.silence, False) if isinstance(action, TurnEnd)]
    endpoint.hint(None)
    for speech in (True, True, False):
        endpoint.step(LINE_FORMAT.silence, speech)
    endpoint.disown(3)
    ends = [action for action in endpoint.step(LINE_FORMAT.silence, False) if isinstance(action, TurnEnd)]
    assert [end.silence_ms for end in ends] == [280]


# --- laws -----------------------------------------------------------------------------------------------------------

events = st.lists(
    st.tuples(st.booleans(), st.integers(1, 14), st.sampled_from([None, *Hint]), st.integers(0, DISOWN_MAX)),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(runs=events, ended=st.booleans())
def test_laws_of_turns_hold_under_any_hints_and_keys(
    runs: list[tuple[bool, int, Hint | None, int]], ended: bool
) -> None:
    """Each frame of a turn is in one chunk, turns alternate, silence never ends a turn before the first threshold."""
    endpoint = Endpoint(SMALL, LINE_FORMAT)
    actions: list[TurnAction] = []
    index = 0
    for speech, length, hint, disowned in runs:
        for _ in range(length):
            endpoint.hint(hint)
            told = endpoint.step(numbered(index), speech)
            index += 1
            actions += told
            for end in told:
                if isinstance(end, TurnEnd) and end.reason in ("silence", "complete", "number"):
                    assert end.silence_ms > SMALL.chunk_silence_ms
                    # What turns out to have been no speech was silence, all at once: it can go past the threshold.
                    assert end.silence_ms <= SMALL.end_silence_number_ms + DISOWN_MAX * 20
        if disowned:
            endpoint.disown(disowned)
            assert endpoint.in_turn == (endpoint.state in (Turn.HEARING, Turn.PAUSING, Turn.WAITING))
        assert endpoint.buffered_frames <= 40 + DISOWN_MAX
    if ended:
        actions += endpoint.flush()
    _check_order(actions, endpoint.in_turn)
    _check_frames(actions)


def _check_frames(actions: list[TurnAction]) -> None:
    """No frame in two chunks, none of a turn's audio between two chunks in none."""
    taken: list[int] = []
    by_turn: dict[int, list[Chunk]] = {}
    for action in actions:
        if isinstance(action, Chunk):
            by_turn.setdefault(action.turn, []).append(action)
    for chunks in by_turn.values():
        for before, after in zip(chunks, chunks[1:], strict=False):
            assert after.start_ms == before.start_ms + before.duration_ms
    for action in actions:
        if isinstance(action, Chunk):
            first = action.start_ms // 20
            taken += range(first, first + action.duration_ms // 20)
        elif isinstance(action, Noise):
            assert action.duration_ms >= 0
    assert len(taken) == len(set(taken))


@settings(max_examples=300, deadline=None)
@given(
    runs=st.lists(st.tuples(st.booleans(), st.integers(1, 14), st.sampled_from([None, *Hint])), max_size=40),
    ended=st.booleans(),
)
def test_all_speech_of_a_turn_is_in_its_chunks_whatever_the_hints(
    runs: list[tuple[bool, int, Hint | None]], ended: bool
) -> None:
    endpoint = Endpoint(SMALL, LINE_FORMAT)
    actions: list[TurnAction] = []
    pattern: list[bool] = []
    for speech, length, hint in runs:
        for _ in range(length):
            endpoint.hint(hint)
            actions += endpoint.step(numbered(len(pattern)), speech)
            pattern.append(speech)
    if ended:
        actions += endpoint.flush()
    _check_order(actions, endpoint.in_turn)
    _check_audio(actions, pattern, ended)
