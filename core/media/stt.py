"""Speech in: a turn's PCM to words, by the engine that [stt] names, in a worker process.

"auto" is whisper when a model is there and the phrase engine otherwise, also when the model turns out to be broken.
Nothing runs until somebody asks for a transcript or declares phrases.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from core.audio import SAMPLE_BYTES
from core.config import SttConfig
from core.errors import EngineMissing, InvalidParams, LimitExceeded
from core.log import Log
from core.media.engines import stt_engines
from core.media.worker_protocol import Open, Prepare, Transcribe
from core.media.workers import WorkerHost

log = Log("stt")

NONE = "none"
AUDIO_S_MAX = 120
PREPARE_WAIT_S = 5.0
PREPARE_TIMEOUT_S = 120.0
"""200 phrases of several wordings on a slow machine."""
RATES_HZ = (8000, 16000)


@dataclass(frozen=True, slots=True)
class Transcript:
    """text None: not understood, and understood says so. confidence 0..1 is the engine's own and only compares with
    itself (docs/speech.md). took_ms: from the request to the answer."""

    text: str | None
    understood: bool
    confidence: float | None
    language: str
    engine: str
    took_ms: int


class SttService:
    """All recognition of this process."""

    def __init__(self, config: SttConfig) -> None:
        self._config = config
        self._hosts: dict[str, WorkerHost] = {}
        self._broken: set[str] = set()

    async def start(self) -> None:
        """Nothing to do: the first request starts a worker."""

    async def close(self) -> None:
        """Ends the workers; requests under way fail."""
        hosts, self._hosts = self._hosts, {}
        for host in hosts.values():
            await host.close()

    @property
    def engine_name(self) -> str:
        """What would hear the next utterance: "whisper", "phrases" or "none"."""
        if self._config.engine != "auto":
            return self._config.engine
        model = self._config.model
        usable = model is not None and "whisper" not in self._broken and Path(model).is_file()
        return "whisper" if usable and stt_engines()["whisper"].available(model) is None else "phrases"

    @property
    def worker_pid(self) -> int | None:
        """The running worker's process, for `health`."""
        host = self._hosts.get(self.engine_name)
        return host.pid if host is not None else None

    async def transcribe(
        self,
        pcm: bytes,
        rate_hz: int,
        *,
        language: str | None = None,
        phrases: tuple[str, ...] = (),
        timeout_s: float | None = None,
    ) -> Transcript:
        """Words of one turn. timeout_s: default [stt] timeout_s; it includes waiting and loading.

        TimedOut, EngineMissing (not installed, no model, with how to get it), InvalidParams (rate, language),
        LimitExceeded (over two minutes), an internal PublicError when the engine crashed. Cancelled: the engine stops.
        """
        started_s = time.monotonic()
        language = language or self._config.language
        _check_audio(pcm, rate_hz)
        name = self.engine_name
        if name == NONE or (stt_engines()[name].needs_phrases and not phrases) or not pcm:
            return Transcript(None, False, None, language, name, 0)
        timeout_s = timeout_s or self._config.timeout_s
        try:
            done = await self._host(name, language).call(
                lambda number: Transcribe(id=number, pcm=pcm, rate_hz=rate_hz, language=language, phrases=phrases),
                timeout_s,
            )
        except EngineMissing:
            if not self._falls_back(name):
                raise
            return await self.transcribe(pcm, rate_hz, language=language, phrases=phrases, timeout_s=timeout_s)
        return Transcript(
            text=done.text,
            understood=done.text is not None,
            confidence=done.confidence,
            language=done.language or language,
            engine=name,
            took_ms=round((time.monotonic() - started_s) * 1000),
        )

    async def prepare(self, phrases: tuple[str, ...], language: str) -> None:
        """Starts the worker and has it make the templates of these phrases, so that the next turn needn't wait.

        Returns when they are ready, or after PREPARE_WAIT_S while the work goes on. EngineMissing and InvalidParams as
        in `transcribe`.
        """
        name = self.engine_name
        if name == NONE or not phrases:
            return
        try:
            ready = await self._host(name, language).post(
                lambda number: Prepare(id=number, phrases=phrases, language=language), PREPARE_WAIT_S, PREPARE_TIMEOUT_S
            )
        except EngineMissing:
            if not self._falls_back(name):
                raise
            await self.prepare(phrases, language)
        else:
            log.debug("phrases are prepared", count=len(phrases), ready=ready)

    def _falls_back(self, name: str) -> bool:
        """A model that can't be read must not leave the phone deaf. It is tried again when the daemon restarts."""
        if self._config.engine != "auto" or name != "whisper":
            return False
        log.error("the whisper model can't be used, so the phrase engine listens", model=self._config.model)
        self._broken.add(name)
        return True

    def _host(self, name: str, language: str) -> WorkerHost:
        engine, config = stt_engines()[name], self._config
        if (reason := engine.available(config.model)) is not None:
            raise EngineMissing(reason)
        if not engine.knows(language):
            raise InvalidParams(f"The engine {name} doesn't know that language.", path="language")
        if name not in self._hosts:
            # One core stays free for the 20 ms clock; phrases need but one.
            threads = config.threads or max(1, (os.cpu_count() or 2) - 1)
            threads = 1 if engine.needs_phrases else threads
            settings = Open(engine=name, model=config.model, threads=threads, threshold=config.threshold)
            self._hosts[name] = WorkerHost(settings)
        return self._hosts[name]


def _check_audio(pcm: bytes, rate_hz: int) -> None:
    if rate_hz not in RATES_HZ:
        raise InvalidParams("rate_hz is 8000 or 16000.", path="rate_hz")
    if len(pcm) > AUDIO_S_MAX * rate_hz * SAMPLE_BYTES:
        raise LimitExceeded(f"At most {AUDIO_S_MAX} s of audio at a time.")
