"""Was it an interruption? And which words are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media.backchannels import BACKCHANNELS, is_backchannel
from core.media.filler_turn import FILLERS
from core.media.interruption import LONGEST_MS, Interruption, Verdict


def made(after_ms: int = 1500) -> Interruption:
    return Interruption(after_ms, 20)


def run(it: Interruption, ms: int, *, speech: bool = False, busy: bool = False) -> list[Verdict]:
    return [it.frame(speech=speech, busy=busy) for _ in range(ms // 20)]


def test_a_cough_is_none_once_the_caller_was_quiet_long_enough() -> None:
    it = made()
    assert set(run(it, 160, speech=True)) == {Verdict.WAIT}
    quiet = run(it, 1500)
    assert quiet[:-1] == [Verdict.WAIT] * 74 and quiet[-1] is Verdict.GO_ON


def test_a_click_does_not_begin_the_wait_anew_and_speech_does() -> None:
    it = made()
    run(it, 1400)
    assert it.frame(speech=True, busy=False) is Verdict.WAIT
    assert run(it, 80)[-1] is Verdict.GO_ON
    it = made()
    run(it, 1400)
    run(it, 100, speech=True)
    assert set(run(it, 1480)) == {Verdict.WAIT}


def test_words_that_mean_something_end_it_at_once() -> None:
    it = made()
    it.turn_started()
    assert it.frame(speech=True, busy=True) is Verdict.WAIT
    it.words(meant=True)
    assert it.frame(speech=True, busy=True) is Verdict.OVER


def test_a_turn_that_nobody_understood_is_none_after_its_words_are_there() -> None:
    it = made()
    it.turn_started()
    run(it, 400, speech=True, busy=True)
    assert set(run(it, 3000, busy=True)) == {Verdict.WAIT}, "its words are awaited"
    it.words(meant=False)
    assert run(it, 20) == [Verdict.GO_ON]


def test_a_turn_without_any_words_is_believed() -> None:
    it = made()
    it.turn_started()
    assert run(it, 1600)[-1] is Verdict.OVER


def test_each_turn_needs_its_words() -> None:
    it = made()
    it.turn_started()
    it.words(meant=False)
    it.turn_started()
    assert run(it, 1500)[-1] is Verdict.OVER


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=50), st.integers(0, 5000))
def test_it_ends_whatever_comes(frames: list[tuple[bool, bool]], after_ms: int) -> None:
    it = made(after_ms)
    for speech, busy in frames:
        it.frame(speech=speech, busy=busy)
    verdicts = run(it, LONGEST_MS, speech=True, busy=True)
    assert verdicts[-1] is not Verdict.WAIT


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Uh-huh.", "en"),
        ("yeah, yeah", "en-GB"),
        ("Okay, I see.", "en"),
        ("Ja, genau.", "de"),
        ("D’accord.", "fr"),
        ("Sì, sì.", "it"),
        ("Ajá", "es"),
        ("aišku", "lt"),
        ("Da, am înțeles.", "ro"),
        ("No tak, jasne", "pl"),
    ],
)
def test_words_of_a_listener_are_none(text: str, language: str) -> None:
    assert is_backchannel(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("yeah but no", "en"),
        ("stop", "en"),
        ("", "en"),
        ("...", "en"),
        ("genau", "en"),
        ("ok", "xx"),
        ("ok " * 7, "en"),
    ],
)
def test_other_words_are_meant(text: str, language: str) -> None:
    assert not is_backchannel(text, language)


def test_what_is_an_answer_in_this_call_is_meant() -> None:
    assert is_backchannel("okay", "en")
    assert not is_backchannel("Okay!", "en", not_these=["yes", "okay"])


def test_a_list_of_the_configuration_stands_in_place_of_ours() -> None:
    given = {"en": ("right on",)}
    assert is_backchannel("Right on, right on.", "en", more=given)
    assert not is_backchannel("uh-huh", "en", more=given) and is_backchannel("genau", "de", more=given)


def test_all_languages_have_both_lists_and_every_entry_is_one() -> None:
    assert set(BACKCHANNELS) == set(FILLERS) == {"en", "de", "es", "fr", "it", "lt", "ro", "pl"}
    for language, texts in BACKCHANNELS.items():
        assert all(is_backchannel(text, language) for text in texts), language
