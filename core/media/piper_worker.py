"""The process of one Piper voice, from core's side: started, fed a sentence at a time, killed when it hangs.

Everything happens in callbacks of the event loop and none of them waits: the socket is read as it fills, deadlines are
timers. So there is no task that could outlive its owner, and what a slow listener has not read yet keeps nobody else
waiting.
"""

import asyncio
import contextlib
import itertools
import subprocess
import time
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from core.log import Log
from core.media.engines import Failure, SpeechFailed
from core.media.piper_worker_child import Child, wait_for
from core.media.piper_worker_protocol import (
    BrokenFrame,
    Chunk,
    Done,
    FromVoice,
    Load,
    Loaded,
    Say,
    Stop,
    ToVoice,
    frame,
    from_voice,
)

log = Log("tts.piper")

LOAD_TIMEOUT_S = 60.0
"""A large voice from an SD card."""
STOP_GRACE_S = 1.0
"""What a voice has to notice that nobody waits any more, before its process is killed and must load again."""
MAX_WAITING = 16
"""Sentences beside the one that is made; as many texts as there may be at once."""
BACKOFF_S = (0.5, 30.0)
"""Between a crash and the next start: the first, and the most."""
RESTARTS = 3
"""In a row by itself; then only when a sentence asks, and not before the back-off is over."""
_READ_BYTES = 256 * 1024


@dataclass(slots=True, eq=False)
class _Job:
    """One sentence. Its pieces are bounded by its length: 300 characters, some 20 s."""

    say: Say
    pieces: deque[Chunk] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    failed: SpeechFailed | None = None
    unwanted: bool = False

    def end(self, failed: SpeechFailed | None = None) -> None:
        if not self.ended:
            self.ended, self.failed = True, failed
            self.news.set()

    async def next(self) -> Chunk | None:
        """None after the last. SpeechFailed. The worker's timers end the wait at the latest."""
        while not self.pieces:
            if self.failed is not None:
                raise self.failed
            if self.ended:
                return None
            self.news.clear()
            await self.news.wait()
        return self.pieces.popleft()


class PiperWorker:
    """One voice. The process starts with the first sentence or with `warm`, and stays."""

    def __init__(self, settings: Load, timeout_s: float) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._waiting: deque[_Job] = deque()  # at most MAX_WAITING; more are refused
        self._current: _Job | None = None
        self._child: Child | None = None
        self._dying: list[subprocess.Popen[bytes]] = []
        self._deadline: asyncio.TimerHandle | None = None
        self._restart: asyncio.TimerHandle | None = None
        self._loading: list[asyncio.Event] = []
        self._not_before_s = 0.0
        self._crashes = 0
        self._closed = False
        self.problem: str | None = None
        """Why the voice could not be loaded; None once it was."""
        self.rate_hz = 0
        """0 until it was loaded once."""

    @property
    def pid(self) -> int | None:
        return self._child.process.pid if self._child is not None else None

    @property
    def trouble(self) -> str | None:
        """Why it is of no use to ask now: the voice could not be loaded, and is not tried again yet."""
        return self.problem if time.monotonic() < self._not_before_s else None

    @property
    def busy(self) -> bool:
        return self._current is not None or bool(self._waiting)

    async def say(
        self, parts: tuple[str, ...], *, length_scale: float, speaker: int | None = None, pause_ms: int = 0
    ) -> AsyncGenerator[Chunk, None]:
        """The sentence's audio clause by clause; rate_hz is known with the first. SpeechFailed.

        Leaving it early stops the voice. A sentence waits for those before it.
        """
        say = Say(id=next(self._ids), parts=parts, length_scale=length_scale, speaker=speaker, pause_ms=pause_ms)
        job = self._submit(say)
        try:
            while (chunk := await job.next()) is not None:
                yield chunk
        finally:
            self._withdraw(job)

    async def warm(self) -> None:
        """Loads the voice, and waits for it. SpeechFailed."""
        self._start()
        if self._child is not None and not self._child.loaded:
            news = asyncio.Event()
            self._loading.append(news)
            await news.wait()  # the load's own deadline sets it at the latest
        if self.problem is not None:
            raise SpeechFailed(Failure.MISSING, self.problem)

    async def close(self) -> None:
        """Ends the process; sentences under way fail."""
        self._closed = True
        if self._restart is not None:
            self._restart.cancel()
        self._end_child()
        self._fail_all(SpeechFailed(Failure.CRASHED, "speech has ended"))
        dying, self._dying = self._dying, []
        for process in dying:
            await asyncio.to_thread(wait_for, process)
        self._closed = False

    # --- sentences ----------------------------------------------------------------------------------------------------

    def _submit(self, say: Say) -> _Job:
        if len(self._waiting) >= MAX_WAITING:
            raise SpeechFailed(Failure.TIMEOUT, "Piper has too much to do")
        self._start()
        job = _Job(say)
        self._waiting.append(job)
        self._go_on()
        return job

    def _go_on(self) -> None:
        """Gives the voice its next sentence, if it can take one."""
        child = self._child
        if child is None or not child.loaded or self._current is not None or not self._waiting:
            return
        self._current = self._waiting.popleft()
        self._send(child, self._current.say)
        self._expect(self._timeout_s)

    def _withdraw(self, job: _Job) -> None:
        job.unwanted = True
        job.pieces.clear()
        if job in self._waiting:
            self._waiting.remove(job)
        elif job is self._current and self._child is not None:
            self._send(self._child, Stop(id=job.say.id))
            self._expect(STOP_GRACE_S)

    def _fail_all(self, problem: SpeechFailed) -> None:
        current, self._current = self._current, None
        waiting, self._waiting = self._waiting, deque()
        for job in (current, *waiting):
            if job is not None:
                job.end(problem)
        loading, self._loading = self._loading, []
        for news in loading:
            news.set()

    # --- the process --------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """SpeechFailed while the back-off lasts: whoever asks has another engine, which is quicker than waiting."""
        if self._child is not None:
            return
        if self._closed:
            raise SpeechFailed(Failure.CRASHED, "speech has ended")
        if time.monotonic() < self._not_before_s:
            if self.problem is not None:
                raise SpeechFailed(Failure.MISSING, self.problem)
            raise SpeechFailed(Failure.CRASHED, "Piper's process has ended; it is started again soon")
        try:
            child = self._child = Child.start(self._settings)
        except OSError as problem:
            self._back_off()
            raise SpeechFailed(Failure.CRASHED, f"Piper's process can't be started: {problem.strerror}") from None
        asyncio.get_running_loop().add_reader(child.connection, self._readable, child)
        self._send(child, self._settings)
        self._expect(LOAD_TIMEOUT_S)

    def _send(self, child: "Child", message: ToVoice) -> None:
        """A few hundred bytes into an empty socket. One that takes none belongs to a process that hangs."""
        with contextlib.suppress(OSError):  # its end, or its deadline, follows
            child.connection.send(frame(message))

    def _readable(self, child: "Child") -> None:
        try:
            data = child.connection.recv(_READ_BYTES)
            if not data:
                raise ConnectionResetError
            for body in child.frames.feed(data):
                self._heard(child, from_voice.decode(body))
        except BlockingIOError:
            return
        except (OSError, BrokenFrame, msgspec.DecodeError):
            self._lost(child)

    def _heard(self, child: "Child", message: FromVoice) -> None:
        if child is not self._child:
            return
        if isinstance(message, Loaded):
            self._on_loaded(child, message)
        elif self._current is not None and message.id == self._current.say.id:
            if isinstance(message, Done):
                self._on_done(self._current, message)
            else:
                self._on_chunk(self._current, message)

    def _on_loaded(self, child: "Child", message: Loaded) -> None:
        self._expect(None)
        if message.problem is not None:
            self._not_loaded(f"The voice {Path(self._settings.model).name} can't be loaded: {message.problem}")
            return
        child.loaded, self.rate_hz, self.problem = True, message.rate_hz, None
        log.info("a voice was loaded", voice=Path(self._settings.model).stem, pid=child.process.pid)
        loading, self._loading = self._loading, []
        for news in loading:
            news.set()
        self._go_on()

    def _on_chunk(self, job: _Job, chunk: Chunk) -> None:
        if not job.unwanted:
            job.pieces.append(chunk)
            job.news.set()
            self._expect(self._timeout_s)

    def _on_done(self, job: _Job, message: Done) -> None:
        self._expect(None)
        self._current = None
        self._crashes = 0
        if message.problem is None:
            job.end()
        else:
            log.error("piper failed at a sentence", voice=Path(self._settings.model).stem, cause=message.problem)
            job.end(SpeechFailed(Failure.CRASHED, f"Piper failed: {message.problem}"))
        self._go_on()

    def _expect(self, within_s: float | None) -> None:
        """Something must come from the process by then; None: it has nothing to say."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if within_s is not None:
            self._deadline = asyncio.get_running_loop().call_later(within_s, self._overdue)

    def _overdue(self) -> None:
        self._deadline = None
        if self._child is None:
            return
        if not self._child.loaded:
            self._not_loaded("The voice did not load in time.")
            return
        log.warning("a voice's process was killed: it hung", voice=Path(self._settings.model).stem)
        self._end_child()
        self._back_off()
        self._fail_all(SpeechFailed(Failure.TIMEOUT, "Piper did not answer in time; its process is started again"))

    def _lost(self, child: "Child") -> None:
        """Its socket ended: it crashed, was killed, or ran out of memory."""
        if child is not self._child:
            return
        status = child.process.poll()
        if not child.loaded:
            self._not_loaded("The voice's process ended while loading: is the model damaged, or memory short?")
            return
        log.error("a voice's process ended", voice=Path(self._settings.model).stem, status=status)
        self._end_child()
        self._back_off()
        self._fail_all(SpeechFailed(Failure.CRASHED, "Piper's process ended; it is started again"))

    def _not_loaded(self, problem: str) -> None:
        self.problem = problem
        log.error("a voice can't be loaded", voice=Path(self._settings.model).stem, cause=problem)
        self._end_child()
        self._back_off(again=False)
        self._fail_all(SpeechFailed(Failure.MISSING, problem))

    def _end_child(self) -> None:
        self._expect(None)
        child, self._child = self._child, None
        if child is None:
            return
        asyncio.get_running_loop().remove_reader(child.connection)
        child.connection.close()
        child.process.kill()
        self._dying = [process for process in self._dying if process.poll() is None] + [child.process]

    def _back_off(self, *, again: bool = True) -> None:
        """again: it is started by itself, so that the next sentence doesn't wait for the loading."""
        loop = asyncio.get_running_loop()
        first_s, most_s = BACKOFF_S
        pause_s = min(most_s, first_s * 2**self._crashes)
        self._crashes = min(self._crashes + 1, 16)
        self._not_before_s = time.monotonic() + pause_s
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        if again and self._crashes <= RESTARTS and not self._closed:
            self._restart = loop.call_later(pause_s + 0.01, self._start_again)

    def _start_again(self) -> None:
        self._restart = None
        self._dying = [process for process in self._dying if process.poll() is None]
        with contextlib.suppress(SpeechFailed):
            self._start()
