"""TTS by Google Cloud Text-to-Speech, over REST: a sentence comes in one answer, so the first sound waits for its end.

As Google documents it: POST /v1/text:synthesize with input, voice and audioConfig; audioContent is base64, LINEAR16
with a WAV header; input up to 5000 bytes; speakingRate from 0.25 to 2.0, pitch from -20 to 20 semitones
(cloud.google.com/text-to-speech/docs/reference/rest/v1/text/synthesize, v1/AudioConfig, v1/voices/list); the key in
X-Goog-Api-Key (cloud.google.com/docs/authentication/api-keys-use). Its streaming interface is gRPC only. What leaves
the house: the text, the voice's name, the key, to texttospeech.googleapis.com.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Literal

import msgspec
from msgspec import field

from core.config import GoogleTtsConfig, TtsConfig
from core.media.cloud_audio import NotAudio, PcmStream
from core.media.cloud_engine import CloudSynthesiser
from core.media.cloud_keys import Access, Denied, find_access, with_path
from core.media.cloud_prosody import semitones, speakable, speed_factor
from core.media.cloud_speech import JSON_BYTES_MAX, CloudSession, Limits, Request
from core.media.engines import EnginePiece, Failure, Sentence, SpeechFailed, Trait, Voice

BASE = "https://texttospeech.googleapis.com"
SPEAK_PATH = "/v1/text:synthesize"
VOICES_PATH = "/v1/voices"
INPUT_BYTES_MAX = 5000
RATE_FACTORS = (0.25, 2.0)
"""The documentation has 4.0 in older places and 2.0 in newer ones; over its bound the service refuses."""

_LANGUAGE = re.compile(r"[a-zA-Z]{2,3}(?:-[a-zA-Z0-9]{2,8}){0,2}", re.ASCII)
_VOICE = re.compile(r"[a-z]{2,3}-[A-Za-z]{2,4}-[A-Za-z0-9-]{1,60}", re.ASCII)


class GoogleEngine:
    kind: Literal["tts"] = "tts"
    name = "google"
    traits = frozenset({Trait.READS_NUMBERS, Trait.READS_ALL})

    def open(self, config: TtsConfig) -> "GoogleSynthesiser":
        return GoogleSynthesiser(config.google)


class _Spoken(msgspec.Struct, rename="camel"):
    """bytes: msgspec reads base64, and refuses what is none."""

    audio_content: bytes


class _ListedVoice(msgspec.Struct, rename="camel"):
    name: str
    language_codes: tuple[str, ...] = ()
    ssml_gender: str = ""


class _Listed(msgspec.Struct):
    voices: tuple[_ListedVoice, ...] = ()


class _Error(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Error = field(default_factory=_Error)


class GoogleSynthesiser(CloudSynthesiser):
    base = BASE

    def __init__(self, config: GoogleTtsConfig) -> None:
        super().__init__(CloudSession("Google", Limits.of(config.timeout_s), _explain))
        self._config = config

    def voice_for(self, language: str) -> str | None:
        """The configured voice for its own language; else the tag itself, for which the service has a voice or not."""
        tag, chosen = language.replace("_", "-"), self._config.voice
        if chosen is not None and _primary(chosen) == _primary(tag):
            return chosen
        return tag if _LANGUAGE.fullmatch(tag) else None

    def has_voice(self, voice: str) -> bool:
        return bool(_LANGUAGE.fullmatch(voice) or _VOICE.fullmatch(voice))

    async def voices(self, keys: Mapping[str, str]) -> tuple[Voice, ...]:
        access = self._granted(keys)
        base = (access.endpoint or BASE).removesuffix(SPEAK_PATH)
        request = Request("GET", with_path(base, VOICES_PATH), {"X-Goog-Api-Key": access.key})
        body = await self._cloud.fetch(request, most_bytes=JSON_BYTES_MAX)
        try:
            listed = msgspec.json.decode(body, type=_Listed).voices
        except msgspec.DecodeError:
            raise SpeechFailed(Failure.REFUSED, "Google sent no list of voices") from None
        return tuple(
            Voice(voice.name, language, _gender(voice.ssml_gender))
            for voice in listed
            for language in voice.language_codes[:1]
        )

    async def speak(self, sentence: Sentence, keys: Mapping[str, str]) -> AsyncIterator[EnginePiece]:
        access = self._granted(keys)
        if not speakable(sentence.text):
            return
        if not self.has_voice(sentence.voice):
            raise SpeechFailed(Failure.NO_VOICE, "Google has no voice of such a name")
        request = Request(
            "POST",
            with_path(access.endpoint or BASE, SPEAK_PATH),
            {"X-Goog-Api-Key": access.key, "Content-Type": "application/json; charset=utf-8"},
            _body(sentence, self._config.rate_hz),
        )
        # A sentence is up to 2 MB of base64, some milliseconds of work: not on the loop that paces calls.
        yield await asyncio.to_thread(_piece, await self._cloud.fetch(request), self._config.rate_hz)

    def _access(self, keys: Mapping[str, str]) -> Access | Denied:
        config = self._config
        return find_access(
            "google",
            keys,
            key=config.key,
            endpoint=config.endpoint,
            environment=("GOOGLE_API_KEY",),
            allow_http=config.allow_http,
        )


def _body(sentence: Sentence, rate_hz: int) -> bytes:
    """speakingRate and pitch are left out where they are the usual ones: some voices refuse to be asked at all."""
    audio: dict[str, object] = {"audioEncoding": "LINEAR16", "sampleRateHertz": rate_hz}
    factor = min(max(speed_factor(sentence.speed_wpm, sentence.style), RATE_FACTORS[0]), RATE_FACTORS[1])
    if abs(factor - 1) >= 0.01:
        audio["speakingRate"] = round(factor, 2)
    if abs(pitch := semitones(sentence.style)) >= 0.05:
        audio["pitch"] = round(pitch, 1)
    text = sentence.text.encode("utf-8", "replace")[:INPUT_BYTES_MAX].decode("utf-8", "ignore")
    return msgspec.json.encode({"input": {"text": text}, "voice": _selected(sentence.voice), "audioConfig": audio})


def _selected(voice: str) -> dict[str, str]:
    """VoiceSelectionParams: the language is required even with a name, whose beginning it is."""
    if _LANGUAGE.fullmatch(voice):
        return {"languageCode": voice}
    return {"languageCode": "-".join(voice.split("-")[:2]), "name": voice}


def _piece(body: bytes, rate_hz: int) -> EnginePiece:
    """Of an answer. Blocking."""
    try:
        audio = msgspec.json.decode(body, type=_Spoken).audio_content
    except msgspec.DecodeError:
        raise SpeechFailed(Failure.REFUSED, "Google sent an answer without audio") from None
    decoder = PcmStream(rate_hz)
    try:
        pcm = decoder.feed(audio) + decoder.end()
    except NotAudio as problem:
        raise SpeechFailed(Failure.REFUSED, f"Google sent {problem}") from None
    if not pcm or decoder.odd or decoder.short:
        raise SpeechFailed(Failure.TRUNCATED, "Google sent less audio than a sentence has")
    return EnginePiece(pcm, decoder.rate_hz)


def _explain(status: int, body: bytes) -> Failure | None:
    """google.rpc.Status: a wrong key is a 400, INVALID_ARGUMENT, with API_KEY_INVALID in its details."""
    if status != 400:
        return None
    if b"API_KEY_INVALID" in body or b"API key not valid" in body:
        return Failure.AUTH
    try:
        message = msgspec.json.decode(body, type=_Refusal).error.message.lower()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Failure.NO_VOICE if "voice" in message else None


def _gender(name: str) -> str | None:
    return name.lower() if name in ("MALE", "FEMALE", "NEUTRAL") else None


def _primary(language: str) -> str:
    return language.lower().partition("-")[0]


ENGINE = GoogleEngine()
