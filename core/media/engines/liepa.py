"""TTS by LIEPA, Lithuanian voices, or by any service that takes a text and answers with audio: a templated request.

UNVERIFIED: LIEPA's interface is not public, so nobody here has seen it answer. What the request looks like is for
[tts.liepa] to say; the tests run against a server of our own. What leaves the house: whatever the template names, to
the host in its url.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from core.config import LiepaTtsConfig, TtsConfig
from core.media.cloud_audio import NotAudio, decode_file, is_file
from core.media.cloud_keys import Access, Denied, endpoint_problem, find_access
from core.media.cloud_prosody import speakable, speed_factor
from core.media.cloud_speech import CloudSession, Limits, Request, pcm_pieces
from core.media.cloud_template import fill_body, fill_header, fill_url, template_problem
from core.media.engines import EnginePiece, Failure, Sentence, SpeechFailed, Voice

HEADERS = {"Content-Type": "application/json"}
BODY = '{"text": "{text}", "voice": "{voice}", "speed": {speed}}'
KEY_HEADER = "Bearer {key}"
"""With a key and without headers of one's own."""
VOICE = "default"
RATE_HZ = 22050
"""Of pcm, where [tts.liepa] rate_hz does not say it."""
SENTENCE_MAX_S = 180.0

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_DATA_URL = re.compile(r"data:[^,]{0,100};base64,", re.ASCII)


class LiepaEngine:
    kind: Literal["tts"] = "tts"
    name = "liepa"
    verified = False
    """tts.voices and docs/speech.md say so."""

    def open(self, config: TtsConfig) -> "LiepaSynthesiser":
        return LiepaSynthesiser(config.liepa)


@dataclass(frozen=True, slots=True)
class _Ready:
    """headers, body: none of the station's where a call names the url, since they may hold a key written out."""

    access: Access
    url: str
    headers: Mapping[str, str]
    body: str


class LiepaSynthesiser:
    def __init__(self, config: LiepaTtsConfig) -> None:
        self._config = config
        self._cloud = CloudSession("The service of [tts.liepa]", Limits.of(config.timeout_s))

    def missing(self, keys: Mapping[str, str]) -> str | None:
        found = self._ready(keys)
        return found.reason if isinstance(found, Denied) else None

    def voice_for(self, language: str) -> str | None:
        if _primary(language) not in {_primary(known) for known in self._config.languages}:
            return None
        return self._config.voice or VOICE

    def has_voice(self, voice: str) -> bool:
        """Nobody here knows its voices: any name, where the request names one at all."""
        if voice in (self._config.voice, VOICE):
            return True
        config = self._config
        takes_one = any("{voice}" in part for part in (config.url or "", config.body or BODY, *config.headers.values()))
        return takes_one and _NAME.fullmatch(voice) is not None

    async def voices(self, keys: Mapping[str, str]) -> tuple[Voice, ...]:
        voice = self._config.voice or VOICE
        return tuple(Voice(voice, language, description="unverified") for language in self._config.languages)

    async def speak(self, sentence: Sentence, keys: Mapping[str, str]) -> AsyncIterator[EnginePiece]:
        ready = self._ready(keys)
        if isinstance(ready, Denied):
            raise SpeechFailed(Failure.MISSING, ready.reason)
        if not speakable(sentence.text):
            return
        rate_hz = self._config.rate_hz or RATE_HZ
        request = self._request(sentence, ready, rate_hz)
        if self._config.response == "pcm":
            async for piece in pcm_pieces("The service of [tts.liepa]", self._cloud.stream(request), rate_hz):
                yield piece
            return
        in_json = self._config.response.startswith("json:")
        body = await self._cloud.fetch(request, audio=not in_json)
        path = self._config.response.removeprefix("json:") if in_json else None
        yield await asyncio.to_thread(_piece, body, path, rate_hz)

    async def warm(self) -> None:
        ready = self._ready({})
        if isinstance(ready, _Ready):
            await self._cloud.touch(ready.url)

    async def close(self) -> None:
        await self._cloud.close()

    def _ready(self, keys: Mapping[str, str]) -> _Ready | Denied:
        """A template counts as an endpoint: one that a call gives has no use of the station's key."""
        config = self._config
        parts = (config.url or config.endpoint or "", config.body or "", *config.headers.values())
        access = find_access(
            "liepa",
            keys,
            key=config.key,
            endpoint=None,
            environment=("LIEPA_KEY",),
            needs_key=any("{key}" in part for part in parts),
            allow_http=config.allow_http,
        )
        if isinstance(access, Denied):
            return access
        own = access.endpoint is None
        url = access.endpoint or config.url or config.endpoint
        if url is None:
            return Denied("Set url in [tts.liepa]: where the service takes texts.")
        if (problem := template_problem(url)) is not None:
            return Denied(problem)
        if (problem := endpoint_problem(fill_url(url, {}), allow_http=config.allow_http)) is not None:
            return Denied(problem)
        return _Ready(access, url, config.headers if own else {}, (own and config.body) or BODY)

    def _request(self, sentence: Sentence, ready: _Ready, rate_hz: int) -> Request:
        method = self._config.method
        values = {
            "text": sentence.text,
            "voice": sentence.voice,
            "speed": f"{speed_factor(sentence.speed_wpm, sentence.style):.2f}",
            "language": sentence.language,
            "rate_hz": str(rate_hz),
            "key": ready.access.key,
        }
        templates = dict(ready.headers)
        if not templates:
            templates = dict(HEADERS) if method == "POST" else {}
            if ready.access.key and "{key}" not in ready.url + ready.body:
                templates["Authorization"] = KEY_HEADER
        headers = {name: fill_header(value, values) for name, value in templates.items()}
        content_type = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
        body = fill_body(ready.body, values, content_type) if method == "POST" else ""
        return Request(method, fill_url(ready.url, values), headers, body.encode(), exact=True)


def _piece(body: bytes, path: str | None, rate_hz: int) -> EnginePiece:
    """Of a whole answer. Blocking."""
    audio = body if path is None else _inside(body, path)
    try:
        if path is not None and not is_file(audio):
            pcm, found_hz = audio, rate_hz
        else:
            pcm, found_hz = decode_file(audio, most_s=SENTENCE_MAX_S)
    except NotAudio as problem:
        raise SpeechFailed(Failure.REFUSED, f"the service of [tts.liepa] sent {problem}") from None
    if not pcm or len(pcm) % 2:
        raise SpeechFailed(Failure.TRUNCATED, "the service of [tts.liepa] sent less audio than a sentence has")
    return EnginePiece(pcm, found_hz)


def _inside(body: bytes, path: str) -> bytes:
    """The base64 at a place of a JSON answer: names and indices with dots between."""
    try:
        found: object = msgspec.json.decode(body)
        for step in path.split("."):
            found = found[int(step)] if isinstance(found, list) else found[step]  # type: ignore[index]
        if not isinstance(found, str):
            raise TypeError
        return base64.b64decode(_DATA_URL.sub("", found, count=1), validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, ValueError, binascii.Error):
        raise SpeechFailed(Failure.REFUSED, "the service of [tts.liepa] sent no audio where json: says") from None


def _primary(language: str) -> str:
    return language.lower().replace("_", "-").partition("-")[0]


ENGINE = LiepaEngine()
