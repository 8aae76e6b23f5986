"""What the words so far say about the end of a turn."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media import turn_numbers
from core.media.turn_hints import Hint, hint_of
from core.media.turn_numbers import NONE, known, plain, prepare

ROOT = Path(__file__).parent.parent.parent
EXPECTED = ("yes|yeah|that is right", "turn on", "turn on the light", "opening hours", "twenty one", "où est-ce ?")


@pytest.mark.parametrize(
    "text", ["Yes!", "yeah", "That is right.", "TURN ON THE LIGHT", "Opening hours?", "ou est ce", "twenty-one"]
)
def test_a_whole_phrase_that_is_expected_is_complete_however_it_is_written(text: str) -> None:
    assert hint_of(text, EXPECTED, prepare("en")) is Hint.COMPLETE


@pytest.mark.parametrize("text", ["", "...", "yes please", "opening", "that is", "the opening hours"])
def test_anything_less_or_more_says_nothing(text: str) -> None:
    assert hint_of(text, EXPECTED, prepare("en")) is None


def test_a_phrase_with_which_a_longer_one_begins_is_not_complete() -> None:
    assert hint_of("turn on", EXPECTED, NONE) is None
    assert hint_of("turn on", ("turn on", "turn off"), NONE) is Hint.COMPLETE


def test_a_number_that_a_client_expects_is_complete() -> None:
    assert hint_of("one", ("one", "two"), prepare("en")) is Hint.COMPLETE
    assert hint_of("two", ("one", "two", "two of them"), prepare("en")) is None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "My number is oh one five one"),
        ("en-GB", "four seven seven, double"),
        ("en", "it's two hundred and"),
        ("en", "twenty-one"),
        ("en", "one one"),
        ("de", "null eins fünf eins"),
        ("de-AT", "die Nummer ist zweihundertdreiundvierzig"),
        ("de", "einundzwanzig"),
        ("de", "hundert und"),
        ("ro", "zero șapte doi"),
        ("ro", "zero sapte doi"),
        ("ro", "douăzeci și"),
        ("lt", "aštuoni šeši nulis"),
        ("lt", "penkios"),
        ("lt", "du šimtai"),
        ("es", "seis uno dos"),
        ("es", "treinta y"),
        ("es", "mi número es quinientos"),
        ("fr", "zéro six quatre-vingt-dix-sept"),
        ("fr", "soixante et"),
        ("it", "zero tre quattro"),
        ("nl", "nul zes eenentwintig"),
        ("en", "0151 23"),
        ("xx", "my code is 4711"),
        ("en", "+44 7700 900"),
        ("en", "12.50"),
    ],
)
def test_a_number_may_go_on(language: str, text: str) -> None:
    assert hint_of(text, (), prepare(language)) is Hint.NUMBER


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "the other one"),
        ("en", "no one"),
        ("en", "one"),
        ("en", "Oh."),
        ("en", "fish and"),
        ("en", "please hold on"),
        ("en", "three people were there"),
        ("en", "at 17:45"),
        ("en", "on 24.12.2024"),
        ("en", "on 2024-12-24"),
        ("en", "the 3rd"),
        ("en", "+44 7700 900 123 456"),
        ("de", "bitte eine"),
        ("de", "Hundertwasser"),
        ("de", "um 17:45"),
        ("fr", "c'est un"),
        ("es", "quiero una"),
        ("ro", "vreau o"),
        ("lt", "gerai"),
        ("xx", "one two three"),
    ],
)
def test_words_that_only_look_like_numbers_and_numbers_that_are_whole_say_nothing(language: str, text: str) -> None:
    assert hint_of(text, (), prepare(language)) is None


def test_a_language_that_is_not_prepared_has_figures_only() -> None:
    assert known("cs-CZ") is NONE or "cs" in turn_numbers._known
    assert hint_of("eins zwei drei", (), NONE) is None
    assert hint_of("12 34", (), NONE) is Hint.NUMBER


def test_languages_kept_are_bounded_and_each_is_made_once() -> None:
    assert prepare("de") is prepare("de-CH")
    for number in range(turn_numbers.LANGUAGES_KEPT + 5):
        prepare(f"q{number}")
    assert len(turn_numbers._known) <= turn_numbers.LANGUAGES_KEPT
    assert prepare("en").words, "and comes back when it is asked for"


def test_an_unknown_language_is_made_once_too() -> None:
    first = prepare("qqq")
    assert first.words == frozenset() and known("qqq") is first


def test_the_words_cost_nothing_until_they_are_prepared() -> None:
    code = (
        "import sys\nfrom core.media.turn_hints import hint_of\nfrom core.media.turn_numbers import known\n"
        "hint_of('one two 3', ('yes',), known('en'))\nprint('num2words' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.stdout.strip() == "False", done.stderr


def test_compound_words_of_any_length_are_judged_in_no_time() -> None:
    started_s = time.thread_time()
    assert hint_of("zwei" * 500 + "x", (), prepare("de")) is None
    assert time.thread_time() - started_s < 0.5


@given(text=st.text(max_size=60), phrases=st.lists(st.text(max_size=20), max_size=4))
def test_no_text_breaks_it(text: str, phrases: list[str]) -> None:
    hint = hint_of(text, phrases, prepare("en"))
    if hint is Hint.COMPLETE:
        assert any(plain(word) for word in phrases)


@given(number=st.integers(0, 10**9 - 1), language=st.sampled_from(["en", "de", "ro", "lt", "es", "fr"]))
def test_every_number_that_num2words_says_in_more_than_one_word_is_a_number(number: int, language: str) -> None:
    from num2words import num2words

    said = num2words(number, lang=language)
    words = list(plain(said).replace("-", " ").split())
    if len(words) > 1 or words[-1] not in prepare(language).doubtful:
        assert hint_of(said, (), prepare(language)) is Hint.NUMBER, said
