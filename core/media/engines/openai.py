"""TTS by OpenAI's speech API, streamed, or by any service that speaks the same (endpoint).

As OpenAI documents it: POST /v1/audio/speech with model, input (4096 characters at most), voice, response_format,
speed 0.25 to 4.0, instructions (not for tts-1 and tts-1-hd) (platform.openai.com/docs/api-reference/audio/
createSpeech); "pcm" is 24 kHz, 16 bits, little-endian, without a header (guides/text-to-speech). What leaves the house:
the text, the instructions, the key, to api.openai.com. OpenAI's terms want callers to be told that the voice is
artificial.
"""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Literal

import msgspec

from core.config import OpenAiTtsConfig, TtsConfig
from core.media.cloud_engine import CloudSynthesiser
from core.media.cloud_keys import Access, Denied, find_access, with_path
from core.media.cloud_prosody import speakable, speed_factor
from core.media.cloud_speech import CloudSession, Limits, Request, pcm_pieces
from core.media.engines import EnginePiece, Failure, Sentence, SpeechFailed, Trait, Voice

BASE = "https://api.openai.com/v1"
SPEAK_PATH = "/audio/speech"
RATE_HZ = 24000
MODEL = "gpt-4o-mini-tts"
VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable",
    "marin", "nova", "onyx", "sage", "shimmer", "verse",
)  # fmt: skip
WITHOUT_INSTRUCTIONS = ("tts-1", "tts-1-hd")
INPUT_CHARS_MAX = 4096

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}", re.ASCII)
_CUSTOM = re.compile(r"voice_[A-Za-z0-9_-]{1,90}", re.ASCII)


class OpenAiEngine:
    kind: Literal["tts"] = "tts"
    name = "openai"
    traits = frozenset({Trait.QUICK, Trait.READS_NUMBERS, Trait.READS_ALL})

    def open(self, config: TtsConfig) -> "OpenAiSynthesiser":
        return OpenAiSynthesiser(config.openai)


class _Error(msgspec.Struct):
    param: str | None = None
    code: str | None = None


class _Refusal(msgspec.Struct):
    error: _Error


class OpenAiSynthesiser(CloudSynthesiser):
    base = BASE

    def __init__(self, config: OpenAiTtsConfig) -> None:
        super().__init__(CloudSession("OpenAI", Limits.of(config.timeout_s), _explain))
        self._config = config

    def voice_for(self, language: str) -> str | None:
        """Every voice speaks every language of the model's."""
        return self._config.voice or VOICES[0]

    def has_voice(self, voice: str) -> bool:
        """OpenAI's own, a custom voice's id, or, at another endpoint, any name."""
        if self._config.endpoint is not None:
            return _NAME.fullmatch(voice) is not None
        return voice in VOICES or voice == self._config.voice or _CUSTOM.fullmatch(voice) is not None

    async def voices(self, keys: Mapping[str, str]) -> tuple[Voice, ...]:
        """There is no method for them: those of OpenAI's documentation, for any language; of another service only the
        one that it would be asked for."""
        usual = self._config.voice or VOICES[0]
        names = (usual,) if self._config.endpoint is not None else dict.fromkeys((usual, *VOICES))
        return tuple(Voice(name, "mul") for name in names)

    async def speak(self, sentence: Sentence, keys: Mapping[str, str]) -> AsyncIterator[EnginePiece]:
        access = self._granted(keys)
        if not speakable(sentence.text):
            return
        if not _NAME.fullmatch(sentence.voice):
            raise SpeechFailed(Failure.NO_VOICE, "OpenAI has no voice of such a name")
        headers = {"Content-Type": "application/json", "Accept": "application/octet-stream"}
        if access.key:
            headers["Authorization"] = f"Bearer {access.key}"
        request = Request("POST", with_path(access.endpoint or BASE, SPEAK_PATH), headers, self._body(sentence))
        async for piece in pcm_pieces("OpenAI", self._cloud.stream(request), RATE_HZ):
            yield piece

    def _access(self, keys: Mapping[str, str]) -> Access | Denied:
        """A service of one's own may want no key; then none of the environment's goes there either."""
        config = self._config
        return find_access(
            "openai",
            keys,
            key=config.key,
            endpoint=config.endpoint,
            environment=("OPENAI_API_KEY",) if config.endpoint is None else (),
            needs_key=config.endpoint is None,
            allow_http=config.allow_http,
        )

    def _body(self, sentence: Sentence) -> bytes:
        model = sentence.style.get("model") or self._config.model or MODEL
        body: dict[str, object] = {
            "model": model,
            "input": sentence.text.encode("utf-8", "replace").decode()[:INPUT_CHARS_MAX],
            "voice": {"id": sentence.voice} if _CUSTOM.fullmatch(sentence.voice) else sentence.voice,
            "response_format": "pcm",
        }
        manner = sentence.style.get("instructions") or self._config.instructions
        if manner and model not in WITHOUT_INSTRUCTIONS:
            body["instructions"] = manner
        factor = round(speed_factor(sentence.speed_wpm, sentence.style), 2)
        if factor != 1.0:
            body["speed"] = factor
        return msgspec.json.encode(body)


def _explain(status: int, body: bytes) -> Failure | None:
    """OpenAI names the parameter that it refuses."""
    if status not in (400, 404, 422):
        return None
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Failure.NO_VOICE if error.param == "voice" or "voice" in (error.code or "") else None


ENGINE = OpenAiEngine()
