"""TTS by Azure Speech: streamed, some 150 locales, word-for-word the best known of the services.

The REST interface as Microsoft documents it ("Text to speech REST API", learn.microsoft.com/azure/ai-services/
speech-service/rest-text-to-speech: headers, output formats, status codes, voices/list) and its SSML ("Customize voice
and sound with SSML", speech-synthesis-markup-voice: prosody, mstts:express-as, lang). What leaves the house: the text,
the voice's name, the key, to <region>.tts.speech.microsoft.com.
"""

import os
import re
from collections.abc import AsyncIterator, Mapping
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

import msgspec

from core.config import AzureTtsConfig, TtsConfig
from core.media.cloud_engine import CloudSynthesiser
from core.media.cloud_keys import Access, Denied, find_access, with_path
from core.media.cloud_prosody import percent, semitones, speakable, speed_factor
from core.media.cloud_speech import JSON_BYTES_MAX, CloudSession, Limits, Request, pcm_pieces
from core.media.cloud_voices import AZURE_VOICES, voice_of
from core.media.engines import EnginePiece, Failure, Sentence, SpeechFailed, Trait, Voice

SPEAK_PATH = "/cognitiveservices/v1"
VOICES_PATH = "/cognitiveservices/voices/list"
FORMATS = {8000: "raw-8khz-16bit-mono-pcm", 16000: "raw-16khz-16bit-mono-pcm", 24000: "raw-24khz-16bit-mono-pcm"}
RATE_FACTORS = (0.5, 2.0)
PITCH_FACTORS = (0.5, 1.5)

_VOICE = re.compile(r"[a-zA-Z]{2,3}(?:-[a-zA-Z]{2,10}){1,2}-[a-zA-Z0-9-]{2,40}(?::[a-zA-Z0-9]{2,40})?", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_DEGREE = re.compile(r"[0-9](?:\.[0-9]{1,2})?", re.ASCII)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0 §2.2: no other character may stand in a document, not even as a reference."""


class AzureEngine:
    kind: Literal["tts"] = "tts"
    name = "azure"
    traits = frozenset({Trait.QUICK, Trait.READS_NUMBERS, Trait.READS_ALL})

    def open(self, config: TtsConfig) -> "AzureSynthesiser":
        return AzureSynthesiser(config.azure)


class _ListedVoice(msgspec.Struct, rename="pascal"):
    short_name: str
    locale: str
    gender: str = ""
    local_name: str = ""
    style_list: tuple[str, ...] = ()


class AzureSynthesiser(CloudSynthesiser):
    def __init__(self, config: AzureTtsConfig) -> None:
        super().__init__(CloudSession("Azure Speech", Limits.of(config.timeout_s), _explain))
        self._config = config

    def voice_for(self, language: str) -> str | None:
        return voice_of(language, self._config.voice, AZURE_VOICES)

    def has_voice(self, voice: str) -> bool:
        return _VOICE.fullmatch(voice) is not None

    async def voices(self, keys: Mapping[str, str]) -> tuple[Voice, ...]:
        access = self._granted(keys)
        base = (access.endpoint or "").removesuffix(SPEAK_PATH)
        request = Request("GET", with_path(base, VOICES_PATH), {"Ocp-Apim-Subscription-Key": access.key})
        try:
            listed = msgspec.json.decode(
                await self._cloud.fetch(request, most_bytes=JSON_BYTES_MAX), type=list[_ListedVoice]
            )
        except msgspec.DecodeError:
            raise SpeechFailed(Failure.REFUSED, "Azure Speech sent no list of voices") from None
        return tuple(
            Voice(voice.short_name, voice.locale, voice.gender.lower() or None, _described(voice)) for voice in listed
        )

    async def speak(self, sentence: Sentence, keys: Mapping[str, str]) -> AsyncIterator[EnginePiece]:
        access = self._granted(keys)
        if not speakable(sentence.text):
            return
        if not self.has_voice(sentence.voice):
            raise SpeechFailed(Failure.NO_VOICE, "Azure Speech has no voice of such a name")
        rate_hz = self._config.rate_hz
        request = Request(
            "POST",
            with_path(access.endpoint or "", SPEAK_PATH),
            {
                "Ocp-Apim-Subscription-Key": access.key,
                "Content-Type": "application/ssml+xml",
                "X-Microsoft-OutputFormat": FORMATS[rate_hz],
            },
            ssml(sentence, self._config.style).encode(),
        )
        async for piece in pcm_pieces("Azure Speech", self._cloud.stream(request), rate_hz):
            yield piece

    def _access(self, keys: Mapping[str, str]) -> Access | Denied:
        """Its endpoint is always one. A call's region goes before the station's endpoint, which is of another."""
        config = self._config
        found = find_access(
            "azure",
            keys,
            key=config.key,
            endpoint=None if keys.get("azure_region") else config.endpoint,
            environment=("AZURE_SPEECH_KEY",),
            allow_http=config.allow_http,
        )
        if isinstance(found, Denied) or found.endpoint is not None:
            return found
        region = keys.get("azure_region") or config.region or os.environ.get("AZURE_SPEECH_REGION")
        if not region:
            return Denied("No region: set region in [tts.azure], or AZURE_SPEECH_REGION, or give azure_region.")
        if not _REGION.fullmatch(region):  # it becomes part of a host's name
            return Denied("The region is not one: small letters, digits and - only, such as westeurope.")
        return Access(found.key, f"https://{region}.tts.speech.microsoft.com")


def ssml(sentence: Sentence, usual_style: str | None = None) -> str:
    """The document for one sentence. Nothing of the sentence can become markup."""
    style = sentence.style
    said = escape(_NOT_XML.sub(" ", sentence.text))
    factor = min(max(speed_factor(sentence.speed_wpm, style), RATE_FACTORS[0]), RATE_FACTORS[1])
    pitch = min(max(2.0 ** (semitones(style) / 12), PITCH_FACTORS[0]), PITCH_FACTORS[1])
    changes = {"rate": percent(factor), "pitch": percent(pitch)}
    wanted = "".join(f" {name}={quoteattr(value)}" for name, value in changes.items() if value != percent(1.0))
    if wanted:
        said = f"<prosody{wanted}>{said}</prosody>"
    locale = "-".join(sentence.voice.split("-")[:2])
    if _speaks_many(sentence.voice) and _primary(sentence.language) != _primary(locale):
        said = f"<lang xml:lang={quoteattr(_NOT_XML.sub('', sentence.language))}>{said}</lang>"
    manner = style.get("style") or usual_style or ""
    if _WORD.fullmatch(manner):
        degree = style.get("styledegree", "")
        much = f" styledegree={quoteattr(degree)}" if _DEGREE.fullmatch(degree) else ""
        said = f"<mstts:express-as style={quoteattr(manner)}{much}>{said}</mstts:express-as>"
    return (
        '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xmlns:mstts="https://www.w3.org/2001/mstts"'
        f" xml:lang={quoteattr(locale)}><voice name={quoteattr(sentence.voice)}>{said}</voice></speak>"
    )


def _explain(status: int, body: bytes) -> Failure | None:
    """Azure tells an unknown voice by a 400 with "Unsupported voice" in plain text."""
    return Failure.NO_VOICE if status == 400 and b"voice" in body.lower() else None


def _speaks_many(voice: str) -> bool:
    """Only multilingual voices know the lang element."""
    return "Multilingual" in voice or ":Dragon" in voice


def _primary(language: str) -> str:
    return language.lower().replace("_", "-").partition("-")[0]


def _described(voice: _ListedVoice) -> str | None:
    styles = f"; styles {', '.join(voice.style_list)}" if voice.style_list else ""
    return (voice.local_name + styles) or None


ENGINE = AzureEngine()
