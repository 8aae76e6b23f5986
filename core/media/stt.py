"""Speech in: a turn's PCM to words, by the engine that [stt] names, in a worker process; when it fails, by the next.

"auto" is whisper when a model is there and the phrase engine otherwise, also when the model turns out to be broken.
Nothing runs until somebody asks for a transcript, declares phrases, or a call comes.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from msgspec.structs import replace as changed

from core.audio import SAMPLE_BYTES
from core.config import Config, SttConfig
from core.errors import EngineMissing, InvalidParams, LimitExceeded, PublicError
from core.log import Log
from core.media.engines import Stretch, stt_engines
from core.media.stt_choice import AUTO, WHISPER, EngineChoice, EngineInfo, ModelFile
from core.media.stt_files import FileTranscriber
from core.media.stt_lane import Lane
from core.media.stt_rests import Rests
from core.media.stt_transcript import Transcript
from core.media.stt_trouble import Trouble, told, trouble_of
from core.media.worker_protocol import Done, Open, Prepare, Transcribe
from core.media.workers import WorkerHost

__all__ = ["EngineInfo", "SttService", "Transcript"]

log = Log("stt")

AUDIO_S_MAX = 120
PREPARE_WAIT_S = 5.0
PREPARE_TIMEOUT_S = 120.0
"""200 phrases of several wordings on a slow machine."""
RATES_HZ = (8000, 16000)


@dataclass(frozen=True, slots=True)
class _Utterance:
    pcm: bytes
    rate_hz: int
    language: str
    phrases: tuple[str, ...]
    timeout_s: float
    background: bool

    @property
    def audio_ms(self) -> int:
        return len(self.pcm) // SAMPLE_BYTES * 1000 // self.rate_hz


class SttService:
    """All recognition of this process. station: the rest of the configuration, for the models folder and languages."""

    def __init__(self, config: SttConfig, station: Config | None = None) -> None:
        self._config = config
        self._choice = EngineChoice(changed(station or Config(), stt=config))
        self.files = FileTranscriber(self)
        self._lanes: dict[str, Lane] = {}
        self._loading: ModelFile | None = None  # what whisper's process was begun with
        self._rests = Rests()

    async def start(self) -> None:
        """Nothing to do: the first request starts a worker."""

    async def close(self) -> None:
        """Ends the workers; requests under way fail."""
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            await lane.host.close()

    # --- which engine -------------------------------------------------------------------------------------------------

    @property
    def engine_name(self) -> str:
        """What hears the next utterance: an engine's name, "remote" or "none"."""
        return self._choice.wanted

    @property
    def remote_wait_s(self) -> float:
        return self._config.remote_wait_s

    @property
    def window_s(self) -> float | None:
        """How much of a turn the engine takes at a time without loss (SttEngine.window_s); None: the whole turn."""
        engine = stt_engines().get(self._choice.local)
        return engine.window_s if engine is not None else None

    @property
    def worker_pid(self) -> int | None:
        """The running worker's process, for `health`."""
        lane = self._lanes.get(self._choice.local)
        return lane.host.pid if lane is not None else None

    def unknown_engines(self) -> list[str]:
        """Names in [stt] that are no engine's, for a daemon that is about to start with them."""
        return self._choice.unknown()

    def engines(self) -> list[EngineInfo]:
        """All engines, whether they can be had or not. Imports them: call it off the loop."""
        now_s = time.monotonic()
        found = []
        for name, engine in sorted(stt_engines().items()):
            reason, lane = self._choice.reason_against(engine), self._lanes.get(name)
            found.append(
                EngineInfo(
                    name=name,
                    available=reason is None,
                    reason=reason,
                    active=name == self._choice.wanted,
                    loaded=lane is not None and lane.host.loaded,
                    resting=self._rests.resting(name, now_s),
                    needs_phrases=engine.needs_phrases,
                    model=self._choice.model() if name == WHISPER else None,
                )
            )
        return found

    def knows(self, language: str) -> bool:
        """Whether any engine that may be asked knows the language. Imports engines: call it off the loop."""
        engines = [stt_engines().get(name) for name in self._choice.names()]
        return any(engine is not None and self._choice.tag(engine, language) is not None for engine in engines)

    # --- transcripts --------------------------------------------------------------------------------------------------

    async def transcribe(
        self,
        pcm: bytes,
        rate_hz: int,
        *,
        language: str | None = None,
        phrases: tuple[str, ...] = (),
        timeout_s: float | None = None,
        background: bool = False,
    ) -> Transcript:
        """Words of one turn. timeout_s: for each engine that is asked, default [stt] timeout_s; it includes waiting and
        loading. background: callers go first, and it begins again when it had to make way.

        When no engine could answer, the first one's error: TimedOut, EngineMissing (not installed, no model, with how
        to get it), InvalidParams (rate, language), LimitExceeded (over two minutes), an internal PublicError when the
        engine crashed; details `engine` and `reason` name both. Cancelled: the engine stops.
        """
        _check_audio(pcm, rate_hz)
        language = language or self._config.language
        said = _Utterance(pcm, rate_hz, language, phrases, timeout_s or self._config.timeout_s, background)
        names = self._choice.names()
        if not names or not pcm:
            return Transcript(None, False, None, language, self.engine_name, 0, said.audio_ms)
        problem, error = self._overlooked(names), None
        for name, tag in self._attempts(names, said):
            try:
                found = await self._hear(name, tag, said)
            except PublicError as failed:
                failed.details.setdefault("engine", name)
                error = error or failed
                problem = problem or told(name, trouble_of(failed))
                continue
            if isinstance(found, Transcript):
                as_wanted = name == names[0] and tag != AUTO and not self._choice.spoilt()
                return found if as_wanted else replace(found, problem=problem)
            problem = problem or told(name, found)
        if error is not None:
            raise error
        return Transcript(None, False, None, language, names[0], 0, said.audio_ms, problem)

    def _overlooked(self, names: list[str]) -> str | None:
        """What already went wrong before anybody was asked."""
        if self._rests.resting(names[0], time.monotonic()):
            return told(names[0], Trouble.RESTING)
        return told(WHISPER, Trouble.MISSING) if self._choice.spoilt() else None

    def _attempts(self, names: list[str], said: _Utterance) -> Iterator[tuple[str, str | None]]:
        """Engine and language in order: those that rest come last, after them those that can guess a language that
        nobody knows. Language None: the engine doesn't know it."""
        now_s = time.monotonic()
        engines = stt_engines()
        guessing = []
        for name in sorted(names, key=lambda name: self._rests.resting(name, now_s)):
            engine = engines.get(name)
            tag = self._choice.tag(engine, said.language) if engine is not None else said.language
            if engine is not None and tag is None and engine.knows(AUTO, self._choice.model()):
                guessing.append(name)
            yield name, tag
        for name in guessing:
            yield name, AUTO

    async def _hear(self, name: str, tag: str | None, said: _Utterance) -> Transcript | Trouble:
        """One engine's words, or why it was not asked."""
        started_s = time.monotonic()
        engine = self._choice.engine(name)
        if engine.needs_phrases and not said.phrases:
            return Trouble.NO_PHRASES
        if tag is None:
            raise InvalidParams(f"The engine {name} doesn't know that language.", path="language")
        try:
            done = await self._ask(name, tag, said)
        except PublicError as failed:
            self._note(name, failed)
            raise
        self._rests.worked(name)
        parts = tuple(Stretch(part.text, part.start_ms, part.end_ms, part.confidence) for part in done.parts)
        return Transcript(
            text=done.text,
            understood=done.text is not None,
            confidence=done.confidence,
            language=done.language or tag,
            engine=name,
            took_ms=round((time.monotonic() - started_s) * 1000),
            audio_ms=said.audio_ms,
            stretches=parts,
        )

    async def _ask(self, name: str, tag: str, said: _Utterance) -> Done:
        def message(number: int) -> Transcribe:
            return Transcribe(id=number, pcm=said.pcm, rate_hz=said.rate_hz, language=tag, phrases=said.phrases)

        if name == WHISPER:
            await self._renew()
        lane = self._lane(name)
        ask = lane.ask_later if said.background else lane.ask
        return await ask(message, said.timeout_s)

    def _note(self, name: str, failed: PublicError) -> None:
        trouble = trouble_of(failed)
        log.warning("a speech engine gave nothing", engine=name, reason=trouble)
        self._rests.failed(name, trouble, time.monotonic())
        if name == WHISPER and trouble is Trouble.MISSING:
            self._choice.model_failed(self._loading)

    async def _renew(self) -> None:
        """A process that was begun with a file that failed, and that is another one now, knows nothing of the new one:
        its failures must not count against it."""
        lane = self._lanes.get(WHISPER)
        if lane is not None and self._choice.failed(self._loading) and self._loading != self._choice.model_file():
            del self._lanes[WHISPER]
            await lane.host.close()

    # --- ahead of time ------------------------------------------------------------------------------------------------

    def warm(self) -> None:
        """A call is coming: the engine loads in the background. Never waits, never raises."""
        loop = asyncio.get_running_loop()

        def imported() -> None:
            stt_engines()  # numpy and others: a tenth of a second, which other calls' frames would feel
            with contextlib.suppress(RuntimeError):  # the daemon has ended meanwhile
                loop.call_soon_threadsafe(self._warm)

        threading.Thread(target=imported, name="stt.warm", daemon=True).start()

    def _warm(self) -> None:
        name = self._choice.local
        engine = stt_engines().get(name)
        # Phrases are warmed by being declared; without them there is nothing to hear with.
        if engine is not None and (not engine.needs_phrases or name in self._lanes):
            try:
                self._lane(name).host.warm()
            except PublicError as problem:
                log.info("the speech engine was not warmed", engine=name, kind=problem.kind)

    async def prepare(self, phrases: tuple[str, ...], language: str) -> None:
        """Starts the worker and has it make the templates of these phrases, so that the next turn needn't wait.

        Returns when they are ready, or after PREPARE_WAIT_S while the work goes on. EngineMissing and InvalidParams as
        in `transcribe`.
        """
        first_error: PublicError | None = None
        for name in self._choice.names() if phrases else ():
            try:
                tag = self._choice.tag(self._choice.engine(name), language)
                if tag is None:
                    raise InvalidParams(f"The engine {name} doesn't know that language.", path="language")
                await self._prepare(name, phrases, tag)
            except (EngineMissing, InvalidParams) as problem:
                self._note(name, problem)
                first_error = first_error or problem
            else:
                return
        if first_error is not None:
            raise first_error

    async def _prepare(self, name: str, phrases: tuple[str, ...], language: str) -> None:
        ready = await self._lane(name).host.post(
            lambda number: Prepare(id=number, phrases=phrases, language=language), PREPARE_WAIT_S, PREPARE_TIMEOUT_S
        )
        log.debug("phrases are prepared", count=len(phrases), ready=ready)

    def _lane(self, name: str) -> Lane:
        engine, model = self._choice.engine(name), self._choice.model()
        if name not in self._lanes:
            memory = self._config.memory_mb
            settings = Open(
                engine=name,
                model=model,
                threads=1 if engine.needs_phrases else threads_for(self._config.threads),
                threshold=self._config.threshold,
                memory_bytes=memory * 1024 * 1024 if memory is not None else None,
            )
            self._lanes[name] = Lane(WorkerHost(settings))
            if name == WHISPER:
                self._loading = self._choice.model_file()
        return self._lanes[name]


def threads_for(wanted: int | None) -> int:
    """One core stays free for the 20 ms clock, whatever is wanted."""
    most = max(1, len(os.sched_getaffinity(0)) - 1)
    return min(wanted, most) if wanted is not None else most


def _check_audio(pcm: bytes, rate_hz: int) -> None:
    if rate_hz not in RATES_HZ:
        raise InvalidParams("rate_hz is 8000 or 16000.", path="rate_hz")
    if len(pcm) > AUDIO_S_MAX * rate_hz * SAMPLE_BYTES:
        raise LimitExceeded(f"At most {AUDIO_S_MAX} s of audio at a time.")
