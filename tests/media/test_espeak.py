"""espeak-ng in this process: real library, real voices."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import espeak
from core.espeak import EspeakError, WordMark, synthesize


def _seconds(pcm: bytes) -> float:
    return len(pcm) / 2 / espeak.RATE_HZ


def test_a_sentence_becomes_audible_pcm_of_its_length() -> None:
    speech = synthesize("Hello, how are you today? I am fine.")
    assert speech.rate_hz == 22050
    assert 1.5 < _seconds(speech.pcm) < 4.5
    assert np.abs(np.frombuffer(speech.pcm, "<i2")).max() > 3000


def test_words_are_marked_by_their_place_in_the_text_and_in_time() -> None:
    text = "Schöne Grüße, Frau Ärger."
    words = synthesize(text, voice="de").words
    assert [text[word.char_start : word.char_end] for word in words] == ["Schöne", "Grüße", "Frau", "Ärger"]
    times = [word.at_ms for word in words]
    assert times == sorted(times) and times[0] == 0 and times[-1] > 500


@pytest.mark.parametrize("voice", ["en-us", "en-gb", "en-gb+m3", "en-us+f2", "en-029", "en-gb-scotland", "de+f1", "nb"])
def test_languages_and_variants_load(voice: str) -> None:
    assert _seconds(synthesize("hello", voice=voice).pcm) > 0.2


def test_a_variant_sounds_different() -> None:
    plain, deep = synthesize("hello", voice="en-gb"), synthesize("hello", voice="en-gb+m3")
    assert len(plain.pcm) != len(deep.pcm)


@pytest.mark.parametrize("voice", ["xx", "en-us+nosuch", "../en", "en us", "", "en-us\0", "en-us+../m1", "a" * 500])
def test_an_unknown_voice_is_a_typed_error(voice: str) -> None:
    with pytest.raises(EspeakError):
        synthesize("hello", voice=voice)


@pytest.mark.parametrize(("speed_wpm", "pitch"), [(79, 50), (451, 50), (165, -1), (165, 100)])
def test_settings_out_of_range_are_a_typed_error(speed_wpm: int, pitch: int) -> None:
    with pytest.raises(EspeakError):
        synthesize("hello", speed_wpm=speed_wpm, pitch=pitch)


def test_speed_and_pitch_of_one_caller_do_not_stay_for_the_next() -> None:
    before = _seconds(synthesize("one two three four five").pcm)
    fast = _seconds(synthesize("one two three four five", speed_wpm=400, pitch=90, voice="de+klatt").pcm)
    after = _seconds(synthesize("one two three four five").pcm)
    assert fast < before * 0.7
    assert after == pytest.approx(before, rel=0.02)


def test_control_characters_are_no_commands_and_keep_word_places() -> None:
    text = "\x01450s\0one\x02two"
    words = synthesize(text).words
    assert [text[word.char_start : word.char_end] for word in words][-2:] == ["one", "two"]
    assert _seconds(synthesize("\x01450s three").pcm) > _seconds(synthesize("three").pcm)


@pytest.mark.parametrize("text", ["", " ", "\0", "\n\t", "\ud800"])
def test_nothing_to_say_is_no_pcm(text: str) -> None:
    assert synthesize(text).pcm == b""


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_safe_and_its_words_lie_inside_it(text: str) -> None:
    for word in synthesize(text, speed_wpm=450).words:
        assert 0 <= word.char_start <= word.char_end <= len(text)
        assert word.at_ms >= 0


def test_a_callback_that_returns_false_ends_the_synthesis_at_once() -> None:
    chunks: list[bytes] = []

    def two(pcm: bytes) -> bool:
        chunks.append(pcm)
        return len(chunks) < 2

    espeak.stream("A rather long text. " * 500, on_chunk=two, on_word=lambda word: None)
    assert len(chunks) == 2
    assert _seconds(synthesize("hello").pcm) > 0.2


def test_what_a_callback_raises_reaches_the_caller() -> None:
    def fail(word: WordMark) -> None:
        raise RuntimeError("callback")

    with pytest.raises(RuntimeError, match="callback"):
        espeak.stream("hello", on_chunk=lambda pcm: True, on_word=fail)


def test_a_very_long_text_is_said_to_its_end() -> None:
    text = "hello world. " * 400
    speech = synthesize(text, speed_wpm=450)
    assert len(speech.words) == 800
    assert text[speech.words[-1].char_start : speech.words[-1].char_end] == "world"


def test_threads_do_not_disturb_each_other() -> None:
    alone = {
        voice: _seconds(synthesize("good morning to you", voice=voice).pcm) for voice in ("en-us+f4", "de", "fr-fr")
    }
    heard: dict[str, list[float]] = {voice: [] for voice in alone}

    def say(voice: str) -> None:
        heard[voice].extend(_seconds(synthesize("good morning to you", voice=voice).pcm) for _ in range(10))

    threads = [threading.Thread(target=say, args=(voice,)) for voice in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for voice, lengths in heard.items():
        assert lengths == pytest.approx([alone[voice]] * 10, rel=0.02)


def test_every_listed_voice_exists_by_its_tag() -> None:
    tags = [voice.language for voice in espeak.voices()]
    assert len(tags) > 100 and {"en-us", "en-gb", "de", "es", "fr-fr"} <= set(tags)
    for tag in tags:
        synthesize("1", voice=tag)
    assert {"m1", "m3", "f2"} <= set(espeak.variants())
