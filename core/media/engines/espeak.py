"""TTS by espeak-ng: always there, 130 languages, first audio within a millisecond; it sounds like a machine.

espeak-ng is global state and a sentence takes longer than a frame of a call: one thread makes all of it.
"""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from typing import Literal

from core import espeak
from core.config import TtsConfig
from core.espeak import EspeakError, WordMark
from core.log import Log
from core.media.engines import EnginePiece, Failure, Sentence, SpeechFailed, Trait, Voice

log = Log("tts.espeak")

PIECE_MS = 200
"""After the first piece, which leaves as soon as espeak-ng gives it (60 ms)."""
STYLES = ("pitch",)

_RELATIVES = {"en": "en-us", "fr": "fr-fr", "no": "nb", "zh": "cmn", "iw": "he", "in": "id"}
"""Bare tags that espeak-ng lists only with a region or under another name."""
_PITCH = 50


class EspeakEngine:
    kind: Literal["tts"] = "tts"
    name = "espeak"
    traits = frozenset({Trait.QUICK, Trait.SINGLE, Trait.READS_NUMBERS})

    def open(self, config: TtsConfig) -> "EspeakSynthesiser":
        return EspeakSynthesiser()

    def available(self) -> str | None:
        """None, or why not. Loads the library."""
        try:
            _tags()
        except EspeakError as problem:
            return f"{problem}. Reinstall the package espeakng-loader."
        return None

    def voice_for(self, language: str) -> str | None:
        """The voice for a BCP 47 tag, its closest relative where there is none of its own; None for no relative."""
        tags = _tags()
        tag = language.lower().replace("_", "-")
        while tag:
            for wanted in (tag, _RELATIVES.get(tag)):
                if wanted in tags:
                    return wanted
            tag = tag.rpartition("-")[0]
        return None


class EspeakSynthesiser:
    """The thread starts with the first sentence. Its queue needs no bound: core.media.tts asks for one at a time."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def missing(self, keys: Mapping[str, str]) -> str | None:
        return ENGINE.available()

    def voice_for(self, language: str) -> str | None:
        return ENGINE.voice_for(language)

    def has_voice(self, voice: str) -> bool:
        language, plus, variant = voice.partition("+")
        return language.lower() in _tags() and (not plus or variant in espeak.variants())

    async def voices(self, keys: Mapping[str, str]) -> tuple[Voice, ...]:
        try:
            found = await asyncio.to_thread(espeak.voices)
        except EspeakError as problem:
            raise SpeechFailed(Failure.MISSING, str(problem)) from None
        return tuple(Voice(voice.language, voice.language, description=voice.name) for voice in found)

    async def speak(self, sentence: Sentence, keys: Mapping[str, str]) -> AsyncIterator[EnginePiece]:
        making = _Making(sentence)
        self._put(making.run)
        try:
            while (piece := await making.next()) is not None:
                yield piece
        finally:
            making.stopped = True

    async def warm(self) -> None:
        """The first word costs the start of espeak-ng, 0.1 s; here nobody waits for it."""
        if self._thread is None:
            voice = await asyncio.to_thread(self._any_voice)
            if voice is not None and self._thread is None:
                self._put(_Making(Sentence("a", voice, "en", 165, last=True)).run)

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(thread.join, 5.0)

    def _any_voice(self) -> str | None:
        return self.voice_for("en") if self.missing({}) is None else None

    def _put(self, work: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tts", daemon=True)
            self._thread.start()
        self._queue.put(work)

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            work()


class _Making:
    """One sentence on its way out of the thread."""

    def __init__(self, sentence: Sentence) -> None:
        self._sentence = sentence
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[EnginePiece] = deque()  # one sentence at most: 20 s
        self._news = asyncio.Event()
        self._ended = False
        self._problem: SpeechFailed | None = None
        self.stopped = False
        self._pcm = bytearray()
        self._marks: list[WordMark] = []
        self._wanted_bytes = 0

    async def next(self) -> EnginePiece | None:
        """None after the last. SpeechFailed."""
        while not self._pieces:
            if self._problem is not None:
                raise self._problem
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        return self._pieces.popleft()

    # --- in the thread ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        problem: SpeechFailed | None = None
        try:
            if not self.stopped:
                self._speak()
        except EspeakError as raised:
            problem = SpeechFailed(Failure.CRASHED, str(raised))
        except Exception:  # the thread serves every call: one text's failure is reported to that text
            log.exception("espeak-ng failed")
            problem = SpeechFailed(Failure.CRASHED, "espeak-ng failed; the daemon's log has the reason")
        self._post(lambda: self._end(problem))

    def _speak(self) -> None:
        sentence = self._sentence
        espeak.stream(
            sentence.text,
            voice=sentence.voice,
            speed_wpm=sentence.speed_wpm,
            pitch=_pitch(sentence.style),
            end_pause=not sentence.last,
            on_chunk=self._on_chunk,
            on_word=self._marks.append,
        )
        self._flush()

    def _on_chunk(self, pcm: bytes) -> bool:
        self._pcm += pcm
        if len(self._pcm) >= self._wanted_bytes:
            self._flush()
        return not self.stopped

    def _flush(self) -> None:
        if self._pcm or self._marks:
            piece = EnginePiece(bytes(self._pcm), espeak.RATE_HZ, tuple(self._marks))
            self._pcm.clear()
            self._marks.clear()
            self._wanted_bytes = PIECE_MS * espeak.RATE_HZ * 2 // 1000
            self._post(lambda: self._give(piece))

    def _post(self, action: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(action)
        except RuntimeError:  # the loop is closed; nobody listens any more
            self.stopped = True

    # --- on the loop --------------------------------------------------------------------------------------------------

    def _give(self, piece: EnginePiece) -> None:
        if not self.stopped:
            self._pieces.append(piece)
            self._news.set()

    def _end(self, problem: SpeechFailed | None) -> None:
        self._ended, self._problem = True, problem
        self._news.set()


@cache
def _tags() -> frozenset[str]:
    """Of every voice. Kept, since espeak-ng's own list waits for the sentence that is being made."""
    return frozenset(voice.language.lower() for voice in espeak.voices())


def _pitch(style: Mapping[str, str]) -> int:
    """0-99; what is no number, or a value of another engine's, is left out."""
    try:
        return min(max(int(style.get("pitch", _PITCH)), espeak.PITCHES[0]), espeak.PITCHES[1])
    except ValueError:
        return _PITCH


ENGINE = EspeakEngine()
