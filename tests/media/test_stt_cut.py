"""Where long audio is cut."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.media.stt_cut import HOP_MS, levels_db, slice_of, utterances, windows
from tests.media.callers import call, silence

WORD = call("what time is it", before_s=0.0, after_s=0.0)


@given(st.lists(st.floats(0, 90), max_size=400), st.floats(0.5, 3))
def test_pieces_are_all_of_the_audio_and_none_is_too_long(levels: list[float], window_s: float) -> None:
    found = list(windows(np.array(levels), window_s))
    assert [start for start, _ in found][1:] == [end for _, end in found][:-1]
    assert (found[0][0], found[-1][1]) == (0, len(levels)) if levels else found == []
    assert all(0 < end - start <= window_s * 1000 / HOP_MS for start, end in found)


def test_a_cut_lies_in_a_pause() -> None:
    pcm = b"".join(WORD + silence(0.4) for _ in range(6))
    word_ms, all_ms = len(WORD) // 16, (len(WORD) // 16 + 400)
    cuts = [end * HOP_MS for _, end in windows(levels_db(pcm, 8000), 5.0)][:-1]
    assert cuts and all(cut % all_ms > word_ms - 60 for cut in cuts), (cuts, word_ms, all_ms)


def test_utterances_are_what_pauses_part() -> None:
    pcm = silence(1.0) + WORD + silence(1.5) + WORD + silence(0.4) + WORD + silence(2.0)
    found = [(start * HOP_MS, end * HOP_MS) for start, end in utterances(levels_db(pcm, 8000), 800)]
    word_ms = len(WORD) // 16
    assert len(found) == 2
    assert abs(found[0][0] - 700) < 150 and abs(found[0][1] - (1300 + word_ms)) < 200
    assert abs(found[1][0] - (2200 + word_ms)) < 150 and abs(found[1][1] - (3200 + 3 * word_ms)) < 200


def test_silence_has_no_utterance_and_no_audio_no_piece() -> None:
    for pcm in (b"", bytes(2), bytes(32000), silence(3.0)):
        assert list(utterances(levels_db(pcm, 8000), 800)) == []
    assert list(windows(levels_db(b"", 8000), 28.0)) == []


def test_a_slice_has_the_samples_of_its_frames() -> None:
    pcm = bytes(range(256)) * 50
    assert slice_of(pcm, 8000, 2, 5) == pcm[640:1600]
    assert slice_of(pcm, 16000, 1, 2) == pcm[640:1280]
