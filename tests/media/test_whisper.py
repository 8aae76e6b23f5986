"""The real whisper.cpp on a model that the test writes and that hears one text in any speech."""

from pathlib import Path

import pytest

from core.media.engines import Recogniser
from core.media.engines.whisper import ENGINE, LANGUAGES, RATE_HZ, WhisperRecogniser, speech_of, whisper_tag
from tests.media.callers import call, silence
from tests.media.tiny_whisper import write_model

pytest.importorskip("pywhispercpp", reason="the extra 'whisper' is not installed")

import numpy as np


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny.bin", "I would like an appointment")


@pytest.fixture(scope="module")
def recogniser(model: Path) -> Recogniser:
    return ENGINE.open(str(model), 1, None)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_speech_becomes_the_models_words(recogniser: Recogniser, rate_hz: int) -> None:
    heard = recogniser.transcribe(call("what time is it", rate_hz=rate_hz), rate_hz, "en", (), lambda: False)
    assert heard.text == "I would like an appointment"
    assert heard.confidence is not None and heard.confidence > 0.9


def test_a_word_shorter_than_a_second_is_heard(recogniser: Recogniser) -> None:
    assert recogniser.transcribe(call("no"), 8000, "en", (), lambda: False).text is not None


@pytest.mark.parametrize("pcm", [b"", bytes(2), bytes(32000), silence(3.0), silence(0.1)])
def test_silence_is_never_given_to_the_model(recogniser: Recogniser, pcm: bytes) -> None:
    assert recogniser.transcribe(pcm, 8000, "en", (), lambda: False).text is None


def test_whispers_below_the_lines_noise_are_not_speech() -> None:
    samples = np.frombuffer(call("hello"), "<i2").astype(np.float32) / np.float32(32768)
    assert speech_of(samples, 8000) is not None
    assert speech_of(samples / np.float32(200), 8000) is None


def test_only_the_speech_is_given_with_a_little_around_it() -> None:
    samples = np.frombuffer(call("hello", before_s=2, after_s=2), "<i2").astype(np.float32) / np.float32(32768)
    found = speech_of(samples, 8000)
    assert found is not None and RATE_HZ * 0.5 < len(found.samples) < RATE_HZ * 1.5
    assert 1600 <= found.start_ms <= 2000 and 0.2 < found.speech_s < 1


def test_a_model_that_finds_no_speech_is_believed(tmp_path: Path) -> None:
    deaf = ENGINE.open(str(write_model(tmp_path / "deaf.bin", "never", no_speech=True)), 1, None)
    assert deaf.transcribe(call("what time is it"), 8000, "en", (), lambda: False).text is None


@pytest.mark.parametrize("sound", ["[BLANK_AUDIO]", "(music)", "*coughs*", "♪♪", " [Music] (laughs)"])
def test_descriptions_of_sounds_are_no_words(tmp_path: Path, sound: str) -> None:
    describing = ENGINE.open(str(write_model(tmp_path / "sound.bin", sound)), 1, None)
    assert describing.transcribe(call("hello"), 8000, "en", (), lambda: False).text is None


def test_what_was_stopped_gives_nothing_and_the_next_is_heard(recogniser: Recogniser) -> None:
    asked = 0

    def after_one() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    assert recogniser.transcribe(call("hello"), 8000, "en", (), after_one).text is None
    assert recogniser.transcribe(call("hello"), 8000, "en", (), lambda: False).text is not None


@pytest.mark.parametrize("language", ["en", "en-GB", "de", "xx", ""])
def test_any_language_tag_is_safe(recogniser: Recogniser, language: str) -> None:
    assert recogniser.transcribe(call("hello"), 8000, language, (), lambda: False).text is not None


def test_what_is_missing_is_said_with_its_remedy(model: Path, tmp_path: Path) -> None:
    assert ENGINE.available(str(model)) is None
    assert "model" in (ENGINE.available(None) or "")
    assert "does not exist" in (ENGINE.available(str(tmp_path / "none.bin")) or "")
    assert isinstance(ENGINE.open(str(model), 1, None), WhisperRecogniser)


def test_its_languages_are_those_of_the_library() -> None:
    from pywhispercpp.model import Model

    assert set(Model.available_languages()) == LANGUAGES


@pytest.mark.parametrize(
    ("tag", "name"),
    [("en-GB", "en"), ("nb", "no"), ("he_IL", "he"), ("auto", "auto"), ("xx", None), ("", None), ("cmn-Hans", "zh")],
)
def test_a_language_tag_has_whispers_name(tag: str, name: str | None) -> None:
    assert whisper_tag(tag) == name


def test_a_model_for_english_alone_knows_no_other_language(model: Path) -> None:
    assert ENGINE.knows("en-US", str(model)) and ENGINE.knows("auto", str(model))
    assert not ENGINE.knows("de", str(model))
    assert ENGINE.knows("de", None) and not ENGINE.knows("xx", None)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_words_have_their_place_in_the_audio(recogniser: Recogniser, rate_hz: int) -> None:
    pcm = call("what time is it", before_s=3.0, after_s=1.0, rate_hz=rate_hz)
    (part,) = recogniser.transcribe(pcm, rate_hz, "en", (), lambda: False).stretches
    assert part.text == "I would like an appointment" and part.confidence is not None
    assert 2600 <= part.start_ms <= 3000 < part.end_ms <= len(pcm) * 500 // rate_hz


@pytest.mark.parametrize(
    ("text", "believed"),
    [
        ("Thanks for watching!", False),
        ("Untertitel der Amara.org-Community", False),
        ("thank you", True),
        ("and so and so and so and so and so and so", False),
        ("every word of this text would have to be said in less than a single second by the caller on the line", False),
    ],
)
def test_what_it_invents_is_not_passed_on(tmp_path: Path, text: str, believed: bool) -> None:
    inventing = ENGINE.open(str(write_model(tmp_path / "m.bin", text)), 1, None)
    heard = inventing.transcribe(call("hello there"), 8000, "en", (), lambda: False)
    assert heard.text == (text if believed else None)


def test_thanks_are_not_believed_of_a_murmur(tmp_path: Path) -> None:
    polite = ENGINE.open(str(write_model(tmp_path / "m.bin", "Thank you.")), 1, None)
    quiet = (np.frombuffer(call("hello there"), "<i2") / 45).astype("<i2").tobytes()
    assert polite.transcribe(quiet, 8000, "en", (), lambda: False).text is None
    assert polite.transcribe(call("hello there"), 8000, "en", (), lambda: False).text == "Thank you."
