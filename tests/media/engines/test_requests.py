"""What each service is asked for, to the letter of its documentation."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import AzureTtsConfig, GoogleTtsConfig, OpenAiTtsConfig, TtsConfig
from core.media.cloud_voices import AZURE_VOICES, voice_of
from core.media.engines import Failure, Sentence, SpeechFailed, Voice, tts_engines
from core.media.engines.azure import ENGINE as AZURE
from core.media.engines.azure import ssml
from core.media.engines.google import ENGINE as GOOGLE
from core.media.engines.openai import ENGINE as OPENAI
from core.media.engines.openai import VOICES
from core.media.tts_voices import EngineVoices
from tests.media.engines.contract import Subject
from tests.media.engines.servers import KEY, MSTTS, SSML, XML_LANG, Seen
from tests.media.engines.subjects import subject_of


async def _asked(subject: Subject, text: str = "Yes.", **sentence: Any) -> Seen:
    """The request for a sentence."""
    assert subject.service is not None
    wanted = subject.sentence(text, **sentence)
    assert [piece async for piece in subject.synthesiser.speak(wanted, subject.keys)]
    return subject.service.seen[-1]


# --- Azure ------------------------------------------------------------------------------------------------------------


async def test_azure_is_asked_in_ssml(tmp_path: Path) -> None:
    async with subject_of("azure", tmp_path, rate_hz=8000) as subject:
        seen = await _asked(subject, "Fish & chips, <please>.")
    assert (seen.method, seen.path) == ("POST", "/cognitiveservices/v1")
    assert seen.headers["Ocp-Apim-Subscription-Key"] == KEY
    assert seen.headers["X-Microsoft-OutputFormat"] == "raw-8khz-16bit-mono-pcm"
    assert seen.headers["User-Agent"] == "Dialtone"
    speak = ElementTree.fromstring(seen.body)
    assert speak.get(XML_LANG) == "en-GB"
    assert speak[0].get("name") == "en-GB-SoniaNeural"
    assert "".join(speak[0].itertext()) == "Fish & chips, <please>."
    assert list(speak[0]) == []  # nothing where nothing was asked for


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
async def test_azure_speaks_at_the_configured_rate(tmp_path: Path, rate_hz: int) -> None:
    async with subject_of("azure", tmp_path, rate_hz=rate_hz) as subject:
        assert {piece.rate_hz for piece in await subject.said()} == {rate_hz}


async def test_azure_takes_speed_pitch_and_style_of_a_call(tmp_path: Path) -> None:
    async with subject_of("azure", tmp_path, style="friendly") as subject:
        usual = ElementTree.fromstring((await _asked(subject)).body)
        assert usual[0][0].attrib == {"style": "friendly"}
        style = {"rate": "+20%", "pitch": "-5%", "style": "cheerful", "styledegree": "1.5"}
        speak = ElementTree.fromstring((await _asked(subject, speed_wpm=330, style=style)).body)
    express = speak[0][0]
    assert (express.tag, express.attrib) == (f"{MSTTS}express-as", {"style": "cheerful", "styledegree": "1.5"})
    assert (express[0].tag, express[0].attrib) == (f"{SSML}prosody", {"rate": "+100.0%", "pitch": "-5.0%"})


async def test_a_multilingual_voice_of_azure_is_told_the_language(tmp_path: Path) -> None:
    sentence = Sentence("Labas.", "en-US-AvaMultilingualNeural", "lt-LT", 165, last=True)
    lang = ElementTree.fromstring(ssml(sentence))[0][0]
    assert (lang.tag, lang.attrib) == (f"{SSML}lang", {XML_LANG: "lt-LT"})
    plain = Sentence("Labas.", "en-US-JennyNeural", "lt-LT", 165, last=True)
    assert list(ElementTree.fromstring(ssml(plain))[0]) == []


async def test_the_voices_of_azure(tmp_path: Path) -> None:
    async with subject_of("azure", tmp_path) as subject:
        voices = await subject.synthesiser.voices({})
        assert subject.service is not None
        assert subject.service.seen[-1].path == "/cognitiveservices/voices/list"
    assert voices[0] == Voice("en-GB-SoniaNeural", "en-GB", "female", "Sonia; styles cheerful, sad")
    assert voices[1] == Voice("lt-LT-LeonasNeural", "lt-LT", "male", "Leonas")


async def test_the_endpoint_of_azure_may_be_the_whole_url(tmp_path: Path) -> None:
    async with subject_of("azure", tmp_path) as subject:
        assert subject.service is not None
        subject.keys = {"azure_key": KEY, "azure_endpoint": subject.service.base + "/cognitiveservices/v1"}
        assert (await _asked(subject)).path == "/cognitiveservices/v1"
        assert len(await subject.synthesiser.voices(subject.keys)) == 2


XML_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)


@given(text=XML_TEXT, language=XML_TEXT, manner=XML_TEXT, degree=XML_TEXT, pitch=XML_TEXT, speed=XML_TEXT)
def test_no_word_of_anyone_becomes_markup(
    text: str, language: str, manner: str, degree: str, pitch: str, speed: str
) -> None:
    style = {"style": manner, "styledegree": degree, "pitch": pitch, "speed": speed}
    sentence = Sentence(text, "en-US-AvaMultilingualNeural", language, 165, last=True, style=style)
    document = ElementTree.fromstring(ssml(sentence).encode("utf-8"))
    allowed = {f"{SSML}voice", f"{SSML}prosody", f"{SSML}lang", f"{MSTTS}express-as"}
    assert {element.tag for element in document.iter()} <= allowed | {f"{SSML}speak"}
    assert len("".join(document.itertext()).replace("\n", "")) <= len(text)


@pytest.mark.parametrize(
    ("language", "voice"),
    [
        ("en", "en-US-JennyNeural"),
        ("en-GB", "en-GB-SoniaNeural"),
        ("en_GB", "en-GB-SoniaNeural"),
        ("en-XX", "en-US-JennyNeural"),
        ("lt", "lt-LT-OnaNeural"),
        ("ro-RO", "ro-RO-AlinaNeural"),
        ("no", "nb-NO-PernilleNeural"),
        ("zh-Hant-TW", "zh-CN-XiaoxiaoNeural"),
        ("tlh", None),
    ],
)
def test_every_language_of_azure_has_a_voice(language: str, voice: str | None) -> None:
    assert AZURE.open(TtsConfig()).voice_for(language) == voice


def test_a_configured_voice_is_for_its_own_language() -> None:
    config = TtsConfig(azure=AzureTtsConfig(voice="ro-RO-EmilNeural"), google=GoogleTtsConfig(voice="ro-RO-Wavenet-A"))
    assert AZURE.open(config).voice_for("ro") == "ro-RO-EmilNeural"
    assert AZURE.open(config).voice_for("de") == "de-DE-KatjaNeural"
    assert GOOGLE.open(config).voice_for("ro") == "ro-RO-Wavenet-A"
    assert GOOGLE.open(config).voice_for("de-AT") == "de-AT"
    assert voice_of("xx", None, AZURE_VOICES) is None


def test_voices_of_azure_are_known_by_their_form() -> None:
    azure = AZURE.open(TtsConfig())
    assert all(azure.has_voice(voice) for voice in AZURE_VOICES.values())
    for voice in ("en-US-Ava:DragonHDLatestNeural", "zh-CN-liaoning-XiaobeiNeural", "sr-Latn-RS-SophieNeural"):
        assert azure.has_voice(voice)
    for voice in ("alloy", "en-us", "en-us+f2", "", "en-US-", 'en-US-"/><x', "en-US-Jenny\nNeural"):
        assert not azure.has_voice(voice)


# --- OpenAI -----------------------------------------------------------------------------------------------------------


async def test_openai_is_asked_for_pcm(tmp_path: Path) -> None:
    async with subject_of("openai", tmp_path, instructions="Calmly.") as subject:
        seen = await _asked(subject)
        assert {piece.rate_hz for piece in await subject.said()} == {24000}
    assert (seen.method, seen.path, seen.headers["Authorization"]) == ("POST", "/v1/audio/speech", f"Bearer {KEY}")
    assert json.loads(seen.body) == {
        "model": "gpt-4o-mini-tts",
        "input": "Yes.",
        "voice": "coral",
        "response_format": "pcm",
        "instructions": "Calmly.",
    }


async def test_openai_takes_the_model_the_manner_and_the_speed_of_a_call(tmp_path: Path) -> None:
    async with subject_of("openai", tmp_path, instructions="Calmly.", model="tts-1-hd") as subject:
        assert "instructions" not in json.loads((await _asked(subject)).body)  # that model takes none
        style = {"model": "gpt-4o-mini-tts", "instructions": "Angrily.", "speed": "1.5"}
        asked = json.loads((await _asked(subject, style=style)).body)
    assert (asked["model"], asked["instructions"], asked["speed"]) == ("gpt-4o-mini-tts", "Angrily.", 1.5)


async def test_a_custom_voice_of_openai_is_asked_for_by_its_id(tmp_path: Path) -> None:
    async with subject_of("openai", tmp_path) as subject:
        subject.voice = "voice_1234"
        assert json.loads((await _asked(subject)).body)["voice"] == {"id": "voice_1234"}


async def test_a_service_of_ones_own_needs_no_key_and_gets_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the-environments")
    async with subject_of("openai", tmp_path, key=None) as subject:
        assert subject.service is not None and subject.synthesiser.missing({}) is None
        with pytest.raises(SpeechFailed):  # the one here wants a key
            await subject.said()
        assert "Authorization" not in subject.service.seen[-1].headers
        assert "the-environments" not in repr(subject.service.seen)


async def test_the_voices_of_openai() -> None:
    own = OPENAI.open(TtsConfig(openai=OpenAiTtsConfig(key=KEY)))
    assert {voice.name for voice in await own.voices({})} == set(VOICES)
    assert own.has_voice("voice_abc") and not own.has_voice("regina")
    other = OPENAI.open(TtsConfig(openai=OpenAiTtsConfig(endpoint="http://localhost:8880/v1", voice="af_bella")))
    assert [voice.name for voice in await other.voices({})] == ["af_bella"]
    assert other.has_voice("am_michael(2)") is False and other.has_voice("am_michael") is True
    assert own.voice_for("lt") == "alloy" and other.voice_for("lt") == "af_bella"


# --- Google -----------------------------------------------------------------------------------------------------------


async def test_google_is_asked_for_linear16(tmp_path: Path) -> None:
    async with subject_of("google", tmp_path, rate_hz=8000) as subject:
        seen = await _asked(subject)
        assert {piece.rate_hz for piece in await subject.said()} == {8000}
    assert (seen.method, seen.path, seen.headers["X-Goog-Api-Key"]) == ("POST", "/v1/text:synthesize", KEY)
    assert json.loads(seen.body) == {
        "input": {"text": "Yes."},
        "voice": {"languageCode": "en-GB", "name": "en-GB-Neural2-C"},
        "audioConfig": {"audioEncoding": "LINEAR16", "sampleRateHertz": 8000},
    }


async def test_google_takes_speed_and_pitch_and_a_language_alone(tmp_path: Path) -> None:
    async with subject_of("google", tmp_path) as subject:
        subject.voice = "lt-LT"
        asked = json.loads((await _asked(subject, speed_wpm=660, style={"pitch": "+2st"})).body)
    assert asked["voice"] == {"languageCode": "lt-LT"}
    assert asked["audioConfig"]["speakingRate"] == 2.0
    assert asked["audioConfig"]["pitch"] == 2.0


async def test_a_text_for_google_is_cut_at_a_character(tmp_path: Path) -> None:
    async with subject_of("google", tmp_path) as subject:
        asked = json.loads((await _asked(subject, "x" + "ą" * 3000)).body)
    assert asked["input"]["text"] == "x" + "ą" * 2499


async def test_the_voices_of_google(tmp_path: Path) -> None:
    async with subject_of("google", tmp_path) as subject:
        voices = await subject.synthesiser.voices({})
    assert voices == (Voice("en-GB-Neural2-C", "en-GB", "female"), Voice("lt-LT-Standard-B", "lt-LT", "male"))


@pytest.mark.parametrize(
    "answer", [b"{}", b'{"audioContent": "not base64!"}', b"[]", b'{"audioContent": ""}', b'{"audioContent": "AAAA"}']
)
async def test_an_answer_of_google_without_audio_is_a_failure(tmp_path: Path, answer: bytes) -> None:
    async with subject_of("google", tmp_path) as subject:
        assert subject.service is not None
        subject.service.mood.audio = lambda body: answer
        problem = await subject.failure()
    assert problem.reason in (Failure.REFUSED, Failure.TRUNCATED)


# --- Liepa ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["wav", "pcm", "ogg", "mp3", "json"])
async def test_liepa_may_answer_in_any_of_these(tmp_path: Path, kind: str) -> None:
    response = "json:data.0.audio" if kind == "json" else kind
    async with subject_of("liepa", tmp_path, response=response, rate_hz=22050) as subject:
        subject.service.kind = kind  # type: ignore[union-attr]
        pieces = await subject.said()
    assert {piece.rate_hz for piece in pieces} == {22050}
    assert sum(len(piece.pcm) for piece in pieces) / 44100 == pytest.approx(0.2 + 0.02 * 51, abs=0.1)


async def test_liepa_by_a_form_or_a_query(tmp_path: Path) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Bearer {key}"}
    body = "text={text}&voice={voice}&speed={speed}"
    hard = "a=b&c+d %41 {key} {voice} šį"
    async with subject_of("liepa", tmp_path, headers=form, body=body) as subject:
        seen = await _asked(subject, hard)
        assert b"a%3Db%26c%2Bd" in seen.body and KEY.encode() not in seen.body
    async with subject_of("liepa", tmp_path, method="GET") as subject:
        assert subject.service is not None
        template = f"{subject.service.base}/s?text={{text}}&voice={{voice}}&speed={{speed}}"
        subject.keys = {"liepa_key": KEY, "liepa_endpoint": template}
        seen = await _asked(subject, hard)
        assert seen.path.startswith("/s?text=a%3Db%26c%2Bd%20%2541%20%7Bkey%7D") and seen.body == b""


def test_liepa_alone_is_told_to_be_unverified() -> None:
    verified = {name: EngineVoices(name, None, None, ()).verified for name in tts_engines()}
    assert [name for name, tried in verified.items() if not tried] == ["liepa"]


async def test_liepa_knows_only_its_languages(tmp_path: Path) -> None:
    async with subject_of("liepa", tmp_path, voice="regina", languages=["lt", "en-GB"]) as subject:
        synthesiser = subject.synthesiser
        assert [synthesiser.voice_for(tag) for tag in ("lt-LT", "en", "de")] == ["regina", "regina", None]
        assert {voice.description for voice in await synthesiser.voices({})} == {"unverified"}


@pytest.mark.parametrize("answer", [b"{}", b'{"data": []}', b'{"data": [{"audio": 3}]}', b'{"data": [{"audio": "?"}]}'])
async def test_an_answer_of_liepa_without_audio_is_a_failure(tmp_path: Path, answer: bytes) -> None:
    async with subject_of("liepa", tmp_path, response="json:data.0.audio") as subject:
        assert subject.service is not None
        subject.service.kind = "json"  # type: ignore[attr-defined]
        subject.service.mood.audio = lambda body: answer
        assert (await subject.failure()).reason is Failure.REFUSED


async def test_an_hour_in_a_small_file_is_not_unpacked(tmp_path: Path) -> None:
    from tests.media.engines.servers import encoded

    hour = encoded(bytes(2 * 8000 * 600), 8000, "ogg")
    async with subject_of("liepa", tmp_path, response="ogg") as subject:
        assert subject.service is not None
        subject.service.mood.audio = lambda body: hour
        assert (await subject.failure()).reason is Failure.REFUSED
