"""TTS engines whose audio tells who made it: a tone of their own, so long as the sentence, with troubles on demand.

voice_settings say what goes wrong, by the engine's name: "hang|word|300" hangs 300 ms into the sentence that holds
"word". Others: slow (in real time), silent, endless, raises, odd (a rate that is none), and each word of Failure, with
Retry-After as a fourth part.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from core.config import TtsConfig
from core.media.engines import EnginePiece, Failure, Sentence, SpeechFailed, Trait, Voice, WordMark

CHAR_MS = 20
PIECE_MS = 50
SOURCE = "from tests.media.tone_engine import ToneEngine\nENGINE = ToneEngine({name!r}, {hz}, {rate_hz}{more})\n"
SOURCES = {
    "low": SOURCE.format(name="low", hz=500, rate_hz=24000, more=""),
    "high": SOURCE.format(name="high", hz=1500, rate_hz=16000, more=", marks=True"),
    "needy": SOURCE.format(name="needy", hz=2500, rate_hz=8000, more=", needs='needy_key'"),
}
HZ = {"low": 500, "high": 1500, "needy": 2500}


@dataclass
class ToneEngine:
    name: str
    hz: int
    rate_hz: int
    marks: bool = False
    needs: str | None = None
    kind: Literal["tts"] = "tts"
    traits: frozenset[Trait] = frozenset({Trait.QUICK, Trait.SINGLE})
    asked: list[Sentence] = field(default_factory=list)
    keys: list[Mapping[str, str]] = field(default_factory=list)
    ended: int = 0

    def open(self, config: TtsConfig) -> "ToneEngine":
        return self

    def missing(self, keys: Mapping[str, str]) -> str | None:
        return f"Give {self.needs} in call.configure." if self.needs is not None and self.needs not in keys else None

    def voice_for(self, language: str) -> str | None:
        return None if language == "xx" else f"{self.name}-voice"

    def has_voice(self, voice: str) -> bool:
        return voice == f"{self.name}-voice"

    async def voices(self, keys: Mapping[str, str]) -> tuple[Voice, ...]:
        return (Voice(f"{self.name}-voice", "en-GB", "neutral", "a tone"), Voice(f"{self.name}-ton", "de"))

    async def warm(self) -> None: ...

    async def close(self) -> None: ...

    async def speak(self, sentence: Sentence, keys: Mapping[str, str]) -> AsyncIterator[EnginePiece]:
        self.asked.append(sentence)
        self.keys.append(keys)
        trouble, word, at_ms, retry_after_s = _trouble(sentence, self.name)
        total_ms = len(sentence.text) * CHAR_MS
        made_ms = 0
        try:
            while made_ms < total_ms or trouble == "endless":
                if trouble is not None and made_ms >= at_ms and trouble not in ("slow", "endless"):
                    await self._fail(trouble, retry_after_s)
                    return
                if trouble == "slow":
                    await _turning(PIECE_MS / 1000)
                yield self._piece(sentence, made_ms, min(PIECE_MS, max(total_ms - made_ms, 1)), trouble)
                made_ms += PIECE_MS
                await asyncio.sleep(0)
        finally:
            self.ended += 1

    async def _fail(self, trouble: str, retry_after_s: float | None) -> None:
        match trouble:
            case "hang":
                await asyncio.Event().wait()
            case "silent":
                pass
            case "raises":
                raise ValueError("a word of the caller")
            case _:
                raise SpeechFailed(trouble, "as the test wants it", retry_after_s=retry_after_s)

    def _piece(self, sentence: Sentence, at_ms: int, ms: int, trouble: str | None) -> EnginePiece:
        times = np.arange(at_ms * self.rate_hz // 1000, (at_ms + ms) * self.rate_hz // 1000) / self.rate_hz
        pcm = (9000 * np.sin(2 * np.pi * self.hz * times)).astype("<i2").tobytes()
        marks = []
        place = 0
        for word in sentence.text.split(" ") if self.marks else ():
            if at_ms <= place * CHAR_MS < at_ms + ms and word:
                marks.append(WordMark(place, place + len(word), place * CHAR_MS))
            place += len(word) + 1
        return EnginePiece(pcm, 123 if trouble == "odd" else self.rate_hz, tuple(marks))


async def _turning(seconds: float) -> None:
    """A sleep that goes before the deadlines that end in a stall of the whole process: they are not what is tried."""
    until_s = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until_s:  # noqa: ASYNC110 - a timer is what it does without
        await asyncio.sleep(0)


def _trouble(sentence: Sentence, name: str) -> tuple[str | None, str, int, float | None]:
    told = sentence.style.get(name)
    if told is None:
        return None, "", 0, None
    what, word, at_ms, retry = f"{told}|||".split("|")[:4]
    if word and word not in sentence.text:
        return None, "", 0, None
    return what, word, int(at_ms or 0), float(retry) if retry else None


def heard(pcm: bytes, rate_hz: int = 8000) -> dict[str, int]:
    """How many ms of each engine's tone there are, by 10 ms."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    block = rate_hz // 100
    frames = samples[: len(samples) // block * block].reshape(-1, block)
    times = np.arange(block) / rate_hz
    powers = {name: np.abs(frames @ np.exp(-2j * np.pi * hz * times)) for name, hz in HZ.items()}
    loudest = np.stack(list(powers.values()))
    winner = loudest.argmax(axis=0)
    loud = loudest.max(axis=0) > 9000 * block / 8
    return {name: int(((winner == place) & loud).sum()) * 10 for place, name in enumerate(powers)}


TROUBLES = tuple(str(reason) for reason in Failure)
