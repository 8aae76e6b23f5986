"""Speech out: texts to PCM at the line's rate, streamed, cancellable, off the event loop.

One thread makes all speech, a sentence of one text at a time and in turn, so that a long text neither delays another
call's nor runs far ahead of what is played.
"""

import asyncio
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass

from core.config import TtsConfig
from core.errors import EngineMissing, InvalidParams, LimitExceeded, PublicError
from core.log import Log
from core.media.engines import WordMark, tts_engines
from core.media.tts_job import Blocking, Resampler, SpeechJob, SpeechKey
from core.media.tts_stream import TtsPiece, TtsStream

__all__ = ["TtsPiece", "TtsService", "TtsStream", "WordMark"]

log = Log("tts")

MAX_STREAMS = 16
"""Texts in the making at once, over all calls; more are refused."""
RATES_HZ = (8000, 16000, 22050, 24000, 44100, 48000)


@dataclass(frozen=True, slots=True)
class FailedOver:
    """Within one text an engine gave up and the next went on. reason: a word of Failure."""

    from_engine: str
    to_engine: str
    reason: str


class TtsService:
    """All speech of this process. `start` before the first stream; `close` ends every stream and the thread."""

    def __init__(self, config: TtsConfig) -> None:
        self._config = config
        self._cache = _Cache(config.cache_bytes)
        self._jobs: deque[SpeechJob] = deque()  # at most MAX_STREAMS; `stream` refuses more
        self._change = threading.Condition()
        self._stopping = False
        self._warm_wanted = self._warmed = False
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Starts the thread. The engine is loaded by the first text, or before it by `warm`."""
        if self._thread is None:
            self._stopping = self._warmed = False
            self._thread = threading.Thread(target=self._run, name="tts", daemon=True)
            self._thread.start()

    def warm(self) -> None:
        """A call is coming: loads the engine now, in the thread, so that the first text doesn't wait for it. An idle
        station does without: the engine and numpy are a third of the daemon's memory."""
        with self._change:
            self._warm_wanted = True
            self._change.notify_all()

    async def close(self) -> None:
        with self._change:
            self._stopping = True
            self._change.notify_all()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.join, 5.0)

    @property
    def engine_name(self) -> str:
        return self._config.engine

    def stream(self, text: str, *, language: str | None = None, voice: str | None = None, rate_hz: int) -> TtsStream:
        """Begins to make speech; never waits and never raises.

        The iteration raises LimitExceeded (text too long, too many texts at once), InvalidParams (no such voice or
        language, a rate that isn't in RATES_HZ), EngineMissing.
        """
        stream = TtsStream(rate_hz)
        try:
            engine = self._engine()
            key = SpeechKey(engine.name, self._voice(engine, language, voice), self._config.speed_wpm, rate_hz, text)
            self._check(text, rate_hz)
            if (kept := self._cache.get(key)) is not None:
                stream.give(*kept)
                stream.end()
            else:
                self._enqueue(SpeechJob(stream, engine, key))
        except PublicError as problem:
            stream.end(problem)
        return stream

    async def synthesize(
        self, text: str, *, language: str | None = None, voice: str | None = None, rate_hz: int
    ) -> tuple[bytes, tuple[WordMark, ...]]:
        """All of it: PCM and marks. Raises what the iteration of `stream` raises."""
        stream = self.stream(text, language=language, voice=voice, rate_hz=rate_hz)
        pcm = bytearray()
        marks: list[WordMark] = []
        try:
            async for piece in stream:
                pcm += piece.pcm
                marks += piece.marks
        finally:
            await stream.close()
        return bytes(pcm), tuple(marks)

    # --- on the loop --------------------------------------------------------------------------------------------------

    def _engine(self) -> Blocking:
        engine = Blocking()
        if self._config.engine not in ("auto", engine.name):
            known = ", ".join(sorted(tts_engines()))
            raise EngineMissing(f"There is no speech engine of the name in [tts] engine; there are: {known}.")
        if (reason := engine.available()) is not None:
            raise EngineMissing(reason)
        return engine

    def _voice(self, engine: Blocking, language: str | None, voice: str | None) -> str:
        """The voice asked for; else the configured one if it speaks the language; else the language's own."""
        config = self._config
        wanted = voice
        if wanted is None and (language is None or _primary(language) == _primary(config.language)):
            wanted = config.voice
        if wanted is not None:
            if not engine.has_voice(wanted):
                raise InvalidParams(f"The engine {engine.name} has no such voice.", path="voice")
            return wanted
        found = engine.voice_for(language or config.language)
        if found is None:
            raise InvalidParams(f"The engine {engine.name} doesn't speak that language.", path="language")
        return found

    def _check(self, text: str, rate_hz: int) -> None:
        if len(text) > self._config.max_text_chars:
            raise LimitExceeded(f"At most {self._config.max_text_chars} characters at a time.")
        if rate_hz not in RATES_HZ:
            raise InvalidParams(f"rate_hz is one of {', '.join(map(str, RATES_HZ))}.", path="rate_hz")

    def check_voice(self, language: str | None, voice: str | None) -> None:
        """The error that `stream` would end with for this language and voice; nothing where it would speak."""
        self._voice(self._engine(), language, voice)

    def _enqueue(self, job: SpeechJob) -> None:
        with self._change:
            if self._stopping or self._thread is None:
                raise EngineMissing("Speech is not running: the daemon is starting or stopping.")
            if len(self._jobs) >= MAX_STREAMS:
                raise LimitExceeded("Too many texts are being spoken at once.")
            job.stream.on_read = self._wake
            self._jobs.append(job)
            self._change.notify_all()

    def _wake(self) -> None:
        with self._change:
            self._change.notify_all()

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (job := self._next()) is not None:
            if not self._warmed:
                self._warmed = True
                _warm(self._config.engine)
            if isinstance(job, _Warming):
                continue
            problem: PublicError | None = None
            try:
                finished = job.step()
            except PublicError as raised:
                finished, problem = True, raised
            except Exception:  # the thread serves every call: one text's failure is reported to that text
                log.exception("the speech engine failed", engine=job.key.engine)
                finished, problem = True, PublicError("The speech engine failed; the daemon's log has the reason.")
            if finished:
                if job.complete:
                    self._cache.put(job.key, tuple(job.made))
                with self._change:
                    self._jobs.remove(job)
                job.finish(problem)  # last, so that whoever has read to the end finds the text kept and the place free
        with self._change:
            jobs, self._jobs = self._jobs, deque()
        for job in jobs:
            job.finish(EngineMissing("Speech has ended: the daemon is stopping."))

    def _next(self) -> "SpeechJob | _Warming | None":
        """The next job in turn that may go on; waits for one. None: end."""
        with self._change:
            while not self._stopping:
                if self._warm_wanted and not self._warmed:
                    return _Warming()
                for _ in range(len(self._jobs)):
                    job = self._jobs[0]
                    self._jobs.rotate(-1)
                    if job.ready:
                        return job
                self._change.wait(60.0)  # woken by every read, close and new text; the limit is only a guard
            return None


class _Warming:
    """Nothing to say yet, but soon."""


class _Cache:
    """Whole texts as they were made, the least recently used thrown out over the bound. From any thread."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[SpeechKey, tuple[TtsPiece, ...]] = OrderedDict()
        self.bytes_kept = 0

    def get(self, key: SpeechKey) -> tuple[TtsPiece, ...] | None:
        with self._lock:
            if (pieces := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
            return pieces

    def put(self, key: SpeechKey, pieces: tuple[TtsPiece, ...]) -> None:
        size = _size(key, pieces)
        with self._lock:
            if size > self._max_bytes or key in self._kept:
                return
            self._kept[key] = pieces
            self.bytes_kept += size
            while self.bytes_kept > self._max_bytes:
                oldest, gone = self._kept.popitem(last=False)
                self.bytes_kept -= _size(oldest, gone)


def _size(key: SpeechKey, pieces: tuple[TtsPiece, ...]) -> int:
    return len(key.text) + sum(len(piece.pcm) + 100 * len(piece.marks) for piece in pieces)


def _warm(engine_name: str) -> None:
    """The first word costs the start of espeak-ng and the import of numpy, 0.1 s; here nobody waits for it."""
    try:
        Resampler(22050, 8000)
        engine = Blocking()
        if engine.available() is None and (voice := engine.voice_for("en")) is not None:
            engine.speak(
                "a", voice=voice, speed_wpm=165, last=True, on_chunk=lambda pcm: False, on_word=lambda word: None
            )
    except Exception:  # it is tried again, and then reported to whoever asked for a text
        log.exception("the speech engine could not be warmed", engine=engine_name)


def _primary(language: str) -> str:
    return language.lower().replace("_", "-").partition("-")[0]
