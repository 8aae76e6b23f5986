"""TTS by Piper (piper-tts): neural voices, offline, clause by clause from a process that keeps the voice loaded.

A voice is <name>.onnx with <name>.onnx.json in the models folder, or the file of [tts] model; piper1-gpl,
docs/VOICES.md. "name#speaker" is one of several speakers of a voice. Nothing leaves the house.
"""

import importlib.util
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Literal

from core.audio import SAMPLE_BYTES
from core.config import MediaConfig, TtsConfig, models_dir
from core.log import Log
from core.media.cloud_prosody import speakable, speed_factor
from core.media.engines import EnginePiece, Failure, Sentence, SpeechFailed, Trait, Voice
from core.media.piper_clauses import clauses, spread_words
from core.media.piper_voices import PiperVoiceFile, PiperVoices
from core.media.piper_worker import PiperWorker
from core.media.piper_worker_protocol import Load

log = Log("tts.piper")

PACKAGE = "piper-tts is not installed. Install the extra: pip install 'dialtone-core[piper]'."
WORKERS_MAX = 2
"""Voices that stay loaded, some 120 MB each; the one that was not used for longest makes way."""
PAUSE_MS = 180
"""After a sentence that others follow: Piper itself ends with the last sound."""


class PiperEngine:
    kind: Literal["tts"] = "tts"
    name = "piper"
    traits = frozenset({Trait.QUICK, Trait.SINGLE, Trait.READS_NUMBERS})

    def open(self, config: TtsConfig) -> "PiperSynthesiser":
        return PiperSynthesiser(config)


class PiperSynthesiser:
    def __init__(self, config: TtsConfig) -> None:
        self._config = config
        extra = Path(config.model) if config.model is not None else None
        self._voices = PiperVoices(models_dir(MediaConfig(models_dir=config.models_dir)), extra)
        self._workers: OrderedDict[Path, PiperWorker] = OrderedDict()

    def missing(self, keys: Mapping[str, str]) -> str | None:
        if importlib.util.find_spec("piper") is None:
            return PACKAGE
        if (model := self._config.model) is not None:
            if not Path(model).is_file():
                return "The file named by [tts] model does not exist."
            if not Path(f"{model}.json").is_file():
                return "The file named by [tts] model has no .onnx.json beside it."
        if not self._voices.all():
            return f"There is no Piper voice in {self._voices.folder}: see `dialtone models list`."
        worker = self._workers.get(voice.model) if (voice := self._usual()) is not None else None
        return worker.trouble if worker is not None else None

    def voice_for(self, language: str) -> str | None:
        voice = self._voices.for_language(language)
        return voice.name if voice is not None else None

    def has_voice(self, voice: str) -> bool:
        return self._voices.find(voice) is not None

    async def voices(self, keys: Mapping[str, str]) -> tuple[Voice, ...]:
        return tuple(
            Voice(name, voice.language, description=voice.description)
            for voice in self._voices.all().values()
            for name in (voice.name, *(f"{voice.name}#{speaker}" for speaker in voice.speakers))
        )

    async def speak(self, sentence: Sentence, keys: Mapping[str, str]) -> AsyncIterator[EnginePiece]:
        if importlib.util.find_spec("piper") is None:
            raise SpeechFailed(Failure.MISSING, PACKAGE)
        found = self._voices.find(sentence.voice)
        if found is None:
            raise SpeechFailed(Failure.NO_VOICE, "There is no such Piper voice")
        if not speakable(sentence.text):
            return
        voice, speaker = found
        worker = await self._worker(voice)
        parts = list(clauses(_plain(sentence.text)))
        said = worker.say(
            tuple(part for _, part in parts),
            length_scale=1 / speed_factor(sentence.speed_wpm, sentence.style),
            speaker=speaker,
            pause_ms=0 if sentence.last else PAUSE_MS,
        )
        begin_ms, before = 0, -1
        async with aclosing(said):
            async for chunk in said:
                rate_hz = worker.rate_hz
                place, part = parts[chunk.part]
                duration_ms = len(chunk.pcm) * 1000 // (SAMPLE_BYTES * rate_hz)
                # Several chunks of a part: piper found sentences in it; the marks of all are put into the first.
                marks = spread_words(part, place, begin_ms, duration_ms) if chunk.part != before else ()
                yield EnginePiece(chunk.pcm, rate_hz, marks)
                begin_ms, before = begin_ms + duration_ms, chunk.part

    async def warm(self) -> None:
        voice = self._usual()
        if voice is None or importlib.util.find_spec("piper") is None:
            return
        try:
            await (await self._worker(voice)).warm()
        except SpeechFailed as problem:
            log.warning("a voice could not be loaded in advance", cause=problem.text)

    async def close(self) -> None:
        workers, self._workers = self._workers, OrderedDict()
        for worker in workers.values():
            await worker.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that there are."""
        return tuple(worker.pid for worker in self._workers.values() if worker.pid is not None)

    def _usual(self) -> PiperVoiceFile | None:
        """The voice that the next call will most likely want."""
        if self._config.voice is not None and (found := self._voices.find(self._config.voice)) is not None:
            return found[0]
        return self._voices.for_language(self._config.language)

    async def _worker(self, voice: PiperVoiceFile) -> PiperWorker:
        while (worker := self._workers.get(voice.model)) is None:
            threads = _threads(self._config.piper.threads)
            settings = Load(model=str(voice.model), config=str(voice.config), threads=threads)
            newest = self._workers[voice.model] = PiperWorker(settings, self._config.piper.timeout_s)
            await self._make_room(newest)  # a third voice may take its place meanwhile
        self._workers.move_to_end(voice.model)
        return worker

    async def _make_room(self, newest: PiperWorker) -> None:
        idle = [path for path, worker in self._workers.items() if not worker.busy and worker is not newest]
        for path in idle[: max(0, len(self._workers) - WORKERS_MAX)]:
            await self._workers.pop(path).close()


def _plain(text: str) -> str:
    """The same number of characters, none of which piper or its espeak-ng would take for a command: [[ ]] are phonemes
    to piper, NUL ends a text, halves of surrogate pairs have no UTF-8."""
    whole = text.encode("utf-8", "replace").decode().replace("\0", " ")
    return whole.replace("[[", "[ ").replace("]]", " ]")


def _threads(wanted: int | None) -> int:
    """One core stays free for the calls."""
    most = max(1, len(os.sched_getaffinity(0)) - 1)
    return min(wanted, most) if wanted is not None else most


ENGINE = PiperEngine()
