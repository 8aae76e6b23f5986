"""Speech out: texts to PCM at the line's rate, streamed, cancellable, kept for the next time.

Each text is a task; each sentence of it waits for its engine's turn, so that a long text neither delays another call's
nor runs far ahead of what is played. Engines: core.media.engines; who goes on when one fails: core.media.tts_book.
"""

import asyncio
import time
from asyncio import TaskGroup
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.config import TtsConfig
from core.errors import EngineMissing, InvalidParams, LimitExceeded, PublicError
from core.log import Log
from core.media import spoken_words
from core.media.engines import WordMark, tts_engine, tts_engines
from core.media.speech_cache import Made, MemoryCache
from core.media.speech_disk import DiskCache
from core.media.tts_ask import Ask, FailedOver, Priority, SpeechKey
from core.media.tts_book import AUTO, LAST_RESORT, EngineBook, Speaker
from core.media.tts_job import SpeechJob
from core.media.tts_stream import TtsPiece, TtsStream
from core.media.tts_voices import EngineVoices, list_voices

__all__ = ["Ask", "FailedOver", "Priority", "TtsPiece", "TtsService", "TtsStream", "WordMark"]

log = Log("tts")

MAX_STREAMS = 16
"""Texts in the making at once, over all calls; more are refused."""
PREFETCH_MAX = 200
"""Texts that wait to be made ahead; more are refused."""
_BUILT_IN = frozenset({AUTO, "piper", LAST_RESORT})
"""Known without a look: an idle daemon imports no engine."""
RATES_HZ = (8000, 16000, 22050, 24000, 44100, 48000)


class TtsService:
    """All speech of this process. `start` before the first stream; `close` ends every stream.

    cache_dir: None keeps nothing on disk. on_failover: told of texts that have no listener of their own for it.
    """

    def __init__(
        self,
        config: TtsConfig,
        cache_dir: Path | None = None,
        on_failover: Callable[[FailedOver], None] | None = None,
    ) -> None:
        self._config = config
        self._book = EngineBook(config)
        self._memory = MemoryCache(config.cache_bytes)
        self._disk = DiskCache(cache_dir, config.cache_disk_bytes) if cache_dir and config.cache_disk_bytes else None
        self._on_failover = on_failover
        self._group: TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._texts: set[TtsStream] = set()  # at most MAX_STREAMS; `stream` refuses more
        self._ahead: deque[Ask] = deque()  # at most PREFETCH_MAX; `prefetch` refuses more
        self._prefetching = False
        self._warmed: set[str] = set()

    async def start(self) -> None:
        """Loads nothing: that is done by the first text, or before it by `warm`."""
        if self._group is None:
            self._group = await TaskGroup().__aenter__()

    def warm(self, engine: str | None = None) -> None:
        """A call is coming: loads the engine now, so that the first text doesn't wait for it. An idle station does
        without: the engine and numpy are a third of the daemon's memory."""
        if self._group is not None:
            self._spawn(self._warm(engine), "tts.warm")

    async def close(self) -> None:
        group, self._group = self._group, None
        if group is None:
            return
        for stream in self._texts:
            stream.end(_ended())
        for task in self._tasks:
            task.cancel()
        await group.__aexit__(None, None, None)
        for name, synthesiser in self._book.opened:
            try:
                await synthesiser.close()
            except Exception:
                log.exception("a speech engine did not end well", engine=name)

    @property
    def engine_name(self) -> str:
        """Who says the next text that names no engine; "auto" while no engine was looked for."""
        return self._book.primary if self._book.loaded else self._config.engine

    def unknown_engines(self) -> list[str]:
        """Names in [tts] that are no engine's, for a daemon that is about to start with them."""
        names = dict.fromkeys((self._config.engine, *self._config.fallback))
        return [name for name in names if name not in _BUILT_IN and tts_engine(name) is None]

    @property
    def texts_under_way(self) -> int:
        """Being made now, without those that are made ahead."""
        return len(self._texts)

    def put_aside(self) -> dict[str, str]:
        """Engines that failed lately and are not asked for a while: name to reason."""
        return {name: str(reason) for name, reason in self._book.aside.listed(time.monotonic()).items()}

    def stream(
        self,
        text: str,
        *,
        language: str | None = None,
        voice: str | None = None,
        rate_hz: int,
        engine: str | None = None,
        style: Mapping[str, str] | None = None,
        keys: Mapping[str, str] | None = None,
        priority: int = Priority.NORMAL,
        fallback: bool = True,
        keep: bool = False,
        strict: bool = True,
        on_failover: Callable[[FailedOver], None] | None = None,
    ) -> TtsStream:
        """Begins to make speech; never waits and never raises. Fields of Ask say what the parameters mean.

        The iteration raises LimitExceeded (text too long, too many texts at once), InvalidParams (no such voice or
        language, a rate that isn't in RATES_HZ), EngineMissing, SpeechUnavailable when every engine failed.
        """
        ask = Ask(text, rate_hz, language, voice, engine, style or {}, keys or {}, priority, fallback, keep, strict)
        stream = TtsStream(rate_hz)
        try:
            self._check(ask)
            if (kept := self._at_hand(ask)) is not None:
                stream.give(*kept.pieces(rate_hz))
                stream.end()
            else:
                self._begin(ask, stream, on_failover or self._on_failover)
        except PublicError as problem:
            stream.end(problem)
        return stream

    async def synthesize(
        self, text: str, *, language: str | None = None, voice: str | None = None, rate_hz: int
    ) -> tuple[bytes, tuple[WordMark, ...]]:
        """All of it: PCM and marks. Raises what the iteration of `stream` raises."""
        return await collect(self.stream(text, language=language, voice=voice, rate_hz=rate_hz))

    async def check(self, ask: Ask, *, complete: bool = False) -> None:
        """InvalidParams and EngineMissing as `stream` gives them, and for a voice or language that the engine which is
        asked for by name does not have; complete: also for what it lacks. Nothing where it would speak."""
        self._check(ask)
        await asyncio.to_thread(self._checked, ask, complete)

    async def voices(self, engine: str | None = None, keys: Mapping[str, str] | None = None) -> list[EngineVoices]:
        """Of one engine, or of all that there are. EngineMissing for an engine that isn't there."""
        if not self._book.loaded:
            await asyncio.to_thread(self._book.load)
        names = sorted(tts_engines()) if engine is None else [engine]
        return [await list_voices(name, self._book.synthesiser(name), keys or {}) for name in names]

    async def prefetch(self, asks: Sequence[Ask]) -> int:
        """Makes texts ahead, when nothing else is to be made, and keeps them on disk; how many are there already.

        LimitExceeded when too many wait; what `stream` raises for a text that nobody could say.
        """
        if self._group is None:
            raise _ended()
        wanted: list[Ask] = []
        for ask in asks:
            ahead = replace(ask, priority=Priority.LOW, keep=True)
            await self.check(ahead)
            if not await asyncio.to_thread(self._is_kept, ahead):
                wanted.append(ahead)
        new = [ask for ask in wanted if ask not in self._ahead]
        if len(self._ahead) + len(new) > PREFETCH_MAX:
            raise LimitExceeded(f"At most {PREFETCH_MAX} texts wait to be made ahead.")
        self._ahead.extend(new)
        if self._ahead and not self._prefetching:
            self._prefetching = True
            self._spawn(self._prefetch(), "tts.prefetch")
        return len(asks) - len(wanted)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        if self._group is None:
            work.close()
            raise _ended()
        task: asyncio.Task[None] = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _check(self, ask: Ask) -> None:
        if len(ask.text) > self._config.max_text_chars:
            raise LimitExceeded(f"At most {self._config.max_text_chars} characters at a time.", path="text")
        if ask.rate_hz not in RATES_HZ:
            raise InvalidParams(f"rate_hz is one of {', '.join(map(str, RATES_HZ))}.", path="rate_hz")

    def _checked(self, ask: Ask, complete: bool) -> None:
        if not self._book.loaded:
            self._book.load()
        self._book.check(ask, complete=complete)

    def _at_hand(self, ask: Ask) -> Made | None:
        """In memory; what an engine that is put aside made serves as well as ever."""
        if not self._book.loaded:
            return None
        for speaker in self._book.speakers(ask):
            if (made := self._memory.get(speaker.key)) is not None:
                if ask.keep or self._memory.uses(speaker.key) == 1:
                    self._to_disk(speaker.key, made)
                return made
            if self._book.out(speaker) is None:
                return None
        return None

    def _begin(self, ask: Ask, stream: TtsStream, on_failover: Callable[[FailedOver], None] | None) -> None:
        if len(self._texts) >= MAX_STREAMS:
            raise LimitExceeded("Too many texts are being spoken at once.", retry_after_s=1.0)
        task = self._spawn(self._make(ask, stream, on_failover), "tts.text")
        self._texts.add(stream)
        stream.on_close = task.cancel
        task.add_done_callback(lambda _: self._texts.discard(stream))

    async def _make(self, ask: Ask, stream: TtsStream, on_failover: Callable[[FailedOver], None] | None) -> None:
        problem: PublicError | None = None
        try:
            await self._speak(ask, stream, on_failover)
        except PublicError as raised:
            problem = raised
        except Exception:  # one text's failure is reported to that text
            log.exception("speech was not made")
            problem = PublicError("Speech failed; the daemon's log has the reason.")
        self._texts.discard(stream)  # first, so that whoever has read to the end finds the place free
        stream.end(problem)

    async def _speak(self, ask: Ask, stream: TtsStream, on_failover: Callable[[FailedOver], None] | None) -> None:
        if self._book.loaded:
            speakers = self._book.speakers(ask)
        else:
            speakers = await asyncio.to_thread(self._found, ask)
        if (kept := await self._kept(speakers, ask.keep)) is not None:
            stream.give(*kept.pieces(ask.rate_hz))
            return
        said = await SpeechJob(ask, stream, self._book, self._config, on_failover).run(speakers)
        if said is not None:
            speaker, made = said
            self._memory.put(speaker.key, made)
            if ask.keep:
                self._to_disk(speaker.key, made)

    def _found(self, ask: Ask) -> tuple[Speaker, ...]:
        self._book.load()
        return self._book.speakers(ask)

    async def _kept(self, speakers: tuple[Speaker, ...], keep: bool) -> Made | None:
        """By the first engine that would be asked, or by one that is put aside before it: on disk, or in memory what is
        to be kept on disk."""
        for speaker in speakers:
            if keep and (made := self._memory.get(speaker.key)) is not None:
                self._to_disk(speaker.key, made)
                return made
            if self._disk is not None and (made := await asyncio.to_thread(self._disk.get, speaker.key)) is not None:
                self._memory.put(speaker.key, made)
                return made
            if self._book.out(speaker) is None:
                return None
        return None

    def _to_disk(self, key: SpeechKey, made: Made) -> None:
        if self._disk is not None and self._group is not None:
            self._spawn(self._write(self._disk, key, made), "tts.keep")

    async def _write(self, disk: DiskCache, key: SpeechKey, made: Made) -> None:
        try:
            await asyncio.to_thread(disk.put, key, made)
        except Exception:
            log.exception("speech was not kept")

    def _is_kept(self, ask: Ask) -> bool:
        """On disk, or in memory where there is no disk; where it is in memory alone it is written."""
        if self._disk is None:
            return self._at_hand(ask) is not None
        return any(self._disk.holds(speaker.key) for speaker in self._book.now(self._book.speakers(ask))[:1])

    async def _prefetch(self) -> None:
        try:
            while self._ahead:
                stream = TtsStream(self._ahead[0].rate_hz, ahead_ms=None)
                await self._make(self._ahead[0], stream, None)
                self._ahead.popleft()
        finally:
            self._prefetching = False

    async def _warm(self, engine: str | None) -> None:
        """The first word costs the start of an engine and the import of numpy, 0.1 s; here nobody waits for it."""
        try:
            if not self._book.loaded:
                await asyncio.to_thread(self._book.load)
            for name in self._book.order(engine)[:1] + self._book.order(engine)[-1:]:
                if name not in self._warmed:
                    self._warmed.add(name)
                    await self._book.synthesiser(name).warm()
            if self._config.normalise and not spoken_words.loaded():
                await asyncio.to_thread(spoken_words.load)
        except Exception:  # it is tried again, and then reported to whoever asked for a text
            log.exception("the speech engine could not be warmed")


async def collect(stream: TtsStream) -> tuple[bytes, tuple[WordMark, ...]]:
    """All of a stream. Raises what its iteration raises."""
    pcm = bytearray()
    marks: list[WordMark] = []
    try:
        async for piece in stream:
            pcm += piece.pcm
            marks += piece.marks
    finally:
        await stream.close()
    return bytes(pcm), tuple(marks)


def _ended() -> EngineMissing:
    return EngineMissing("Speech is not running: the daemon is starting or stopping.")
