"""TTS by espeak-ng: always there, 130 languages, first audio within a millisecond; it sounds like a machine."""

from collections.abc import Callable
from typing import Literal

from core import espeak
from core.espeak import EspeakError, WordMark

_RELATIVES = {"en": "en-us", "fr": "fr-fr", "no": "nb", "zh": "cmn", "iw": "he", "in": "id"}
"""Bare tags that espeak-ng lists only with a region or under another name."""


class EspeakEngine:
    kind: Literal["tts"] = "tts"
    name = "espeak"
    rate_hz = espeak.RATE_HZ

    def available(self) -> str | None:
        try:
            espeak.voices()
        except EspeakError as problem:
            return f"{problem}. Reinstall the package espeakng-loader."
        return None

    def voice_for(self, language: str) -> str | None:
        tags = {voice.language.lower() for voice in espeak.voices()}
        tag = language.lower().replace("_", "-")
        while tag:
            for wanted in (tag, _RELATIVES.get(tag)):
                if wanted in tags:
                    return wanted
            tag = tag.rpartition("-")[0]
        return None

    def has_voice(self, voice: str) -> bool:
        return espeak.has_voice(voice)

    def speak(
        self,
        text: str,
        *,
        voice: str,
        speed_wpm: int,
        last: bool,
        on_chunk: Callable[[bytes], bool],
        on_word: Callable[[WordMark], None],
    ) -> None:
        espeak.stream(text, voice=voice, speed_wpm=speed_wpm, end_pause=not last, on_chunk=on_chunk, on_word=on_word)


ENGINE = EspeakEngine()
