"""What is believed of a recogniser's text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media.stt_guards import Evidence, believed, is_phantom, plain, without_loops

CLEAR = Evidence(speech_s=2.0, loudest_dbfs=-25.0, probability=0.9)
MURMUR = Evidence(speech_s=2.0, loudest_dbfs=-50.0, probability=0.9)
UNSURE = Evidence(speech_s=2.0, loudest_dbfs=-25.0, probability=0.4)
CLICK = Evidence(speech_s=0.2, loudest_dbfs=-25.0, probability=0.9)


@pytest.mark.parametrize(
    "text",
    ["Thanks for watching!", "Please subscribe.", "Untertitel der Amara.org-Community", "ご視聴ありがとうございました"],
)
def test_credits_of_videos_are_never_believed(text: str) -> None:
    assert believed(text, CLEAR) is None


@pytest.mark.parametrize("text", ["Thank you.", "You", "Bye-bye!", "Danke"])
def test_what_people_do_say_is_believed_only_where_there_was_speech(text: str) -> None:
    assert believed(text, CLEAR) == text
    for weak in (MURMUR, UNSURE, CLICK):
        assert believed(text, weak) is None


def test_a_phantom_inside_a_sentence_is_speech() -> None:
    said = "I said thank you for watching the dog"
    assert believed(said, MURMUR) == said


def test_without_a_probability_the_sound_alone_decides() -> None:
    assert not is_phantom("thank you", Evidence(1.0, -25.0))
    assert is_phantom("thank you", Evidence(1.0, -50.0))


@pytest.mark.parametrize("text", ["[BLANK_AUDIO]", "(music)", "*coughs*", "♪♪", " . ", "<|nospeech|>", ""])
def test_sounds_are_no_words(text: str) -> None:
    assert believed(text, CLEAR) is None


def test_more_than_a_person_can_say_in_the_time_is_invented() -> None:
    long = "we are open from nine in the morning until five in the afternoon on every day of the week"
    assert believed(long, Evidence(5.0, -25.0, 0.9)) == long
    assert believed(long, Evidence(1.0, -25.0, 0.9)) is None


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("I want to go I want to go I want to go I want to go home", "I want to go home"),
        ("No no no no", "No no no no"),
        ("yes, yes, yes", "yes, yes, yes"),
        ("so " * 30, ""),
        ("Thank you. " * 6, ""),
        ("hello " + "and then " * 9, ""),
        ("please call my brother in the morning " + "and then " * 5, "please call my brother in the morning and then"),
        ("我想" * 4 + "回家", "我想回家"),
        ("one two three four five", "one two three four five"),
    ],
)
def test_loops_are_said_once_and_long_ones_not_at_all(text: str, left: str) -> None:
    assert without_loops(text.strip()) == left


@given(st.lists(st.sampled_from(["ab", "cd", "ef", "gh"]), max_size=40))
def test_nothing_is_invented_and_a_second_look_changes_nothing(words: list[str]) -> None:
    once = without_loops(" ".join(words))
    rest = iter(words)
    assert all(word in rest for word in once.split()), "words keep their order"
    assert len(without_loops(once)) <= len(once)


@given(st.text(max_size=60))
def test_any_text_is_safe(text: str) -> None:
    found = believed(text, CLEAR)
    assert found is None or plain(found)
