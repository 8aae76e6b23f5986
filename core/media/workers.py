"""Runs an STT engine in a process of its own: niced, killable, dying with core, started again after a crash.

A host is one thread and one child. The thread alone starts, feeds and ends the child, and lives as long as the host:
Linux counts the thread that started a child as its parent when it delivers the parent-death signal. Core's files and
sockets don't reach the child: it is a fresh interpreter with one socket.
"""

import asyncio
import contextlib
import itertools
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import wait

from core.errors import EngineMissing, PublicError, TimedOut
from core.log import Log
from core.media.stt_trouble import Trouble
from core.media.worker_child import END_S, Child
from core.media.worker_protocol import (
    Done,
    FromWorker,
    Open,
    Opened,
    Prepare,
    Stop,
    Transcribe,
    encode,
    from_worker,
)

log = Log("workers")

MAX_WAITING = 2
"""Requests beside the one that runs; more wait outside, with their deadline."""
OPEN_TIMEOUT_S = 60.0
"""Reading a large model from an SD card."""
STOP_GRACE_S = 0.5
"""What an engine has to notice that nobody waits any more, before its process is killed."""
BACKOFF_S = (0.5, 30.0)
"""Between a crash and the next start: the first, and the most."""
CRASHES_MAX = 3
"""In a row: then the engine counts as missing until the back-off is over, and others may take its place."""


@dataclass(slots=True, eq=False)
class _Job:
    """message None: only load. begun: the engine has it. unwanted: nobody waits any more."""

    message: Callable[[int], Prepare | Transcribe] | None
    deadline_s: float
    answer: "Future[Done]" = field(default_factory=Future)
    begun: bool = False
    unwanted: bool = False


class WorkerHost:
    """One engine's worker. `call` from the loop; the process starts with the first call and not before."""

    def __init__(self, settings: Open) -> None:
        self._settings = settings
        self._jobs: queue.Queue[_Job | None] = queue.Queue()  # 1 + MAX_WAITING by the semaphore, and posted ones:
        # each makes the one before unwanted, which then costs nothing
        self._room = asyncio.Semaphore(1 + MAX_WAITING)
        self._ids = itertools.count(1)
        self._thread: threading.Thread | None = None
        self._wake_read, self._wake_write = -1, -1
        self._child: Child | None = None
        self._loaded = False
        self._posted: _Job | None = None
        self._crashes = 0
        self._problem: str | None = None
        self._reason = Trouble.MISSING
        self._not_before_s = 0.0
        self._ending = False

    @property
    def pid(self) -> int | None:
        """The worker's, while there is one."""
        child = self._child
        return child.process.pid if child is not None else None

    @property
    def loaded(self) -> bool:
        """Whether the engine is ready."""
        return self._loaded

    async def call(self, message: Callable[[int], Prepare | Transcribe], timeout_s: float) -> Done:
        """One request and its answer. TimedOut after timeout_s, counted from now, waiting included.

        EngineMissing when the engine can't be loaded, an internal PublicError when its process ends meanwhile or the
        engine fails. Cancelled: the engine is told to stop. Work that was posted makes way.
        """
        job = _Job(message, time.monotonic() + timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                await self._room.acquire()
        except TimeoutError:
            raise _too_busy() from None
        try:
            self._submit(job)
            return await self._answered(job)
        finally:
            self._room.release()
            if not job.answer.done() or job.answer.cancelled():
                job.unwanted = True
                self._wake()

    async def _answered(self, job: _Job) -> Done:
        """Once the engine has the request the thread keeps its deadline, and may need a moment to kill what hangs; the
        time here is for a thread that is stuck. Until then the thread may be loading, which goes on."""
        answer = asyncio.wrap_future(job.answer)
        answer.add_done_callback(_retrieve)
        try:
            async with asyncio.timeout(job.deadline_s - time.monotonic()):
                return await asyncio.shield(answer)
        except TimeoutError:
            if not job.begun:
                loading = self._child is None or not self._loaded
                reason = Trouble.LOADING if loading else Trouble.BUSY
                raise TimedOut("The speech engine was not ready in time.", reason=reason) from None
        try:
            async with asyncio.timeout(STOP_GRACE_S + END_S + 1):
                return await answer
        except TimeoutError:
            raise _too_slow() from None

    def warm(self) -> None:
        """Loads the engine in the background, unless it is there or rests after a crash. Never waits."""
        if self._child is None and self._jobs.empty() and time.monotonic() >= self._not_before_s:
            self._start_thread()
            self._jobs.put(_Job(None, time.monotonic() + OPEN_TIMEOUT_S))

    async def post(self, message: Callable[[int], Prepare | Transcribe], wait_s: float, timeout_s: float) -> bool:
        """Work that makes later requests quicker: goes on after wait_s, and ends when a request comes.

        True once it is done, False when it isn't within wait_s. Errors of that time are raised, later ones logged.
        Newer work takes the place of older.
        """
        if self._posted is not None:
            self._posted.unwanted = True
        job = self._posted = _Job(message, time.monotonic() + timeout_s)
        self._wake()
        self._submit(job)
        answer = asyncio.wrap_future(job.answer)
        answer.add_done_callback(_retrieve)
        done, _ = await asyncio.wait({answer}, timeout=wait_s)
        if done and not job.unwanted:
            answer.result()
        return bool(done) and not job.unwanted

    async def close(self) -> None:
        """Ends process and thread; requests under way fail."""
        thread = self._thread
        if thread is None:
            return
        self._ending = True
        self._jobs.put(None)
        self._wake()
        await asyncio.to_thread(thread.join, END_S + 3.0)
        if not thread.is_alive():
            os.close(self._wake_read)
            os.close(self._wake_write)
            self._wake_read = self._wake_write = -1
            self._thread = None
            self._ending = False

    def _start_thread(self) -> None:
        if self._thread is None:
            self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._thread = threading.Thread(target=self._run, name=f"stt.{self._settings.engine}", daemon=True)
            self._thread.start()

    def _submit(self, job: _Job) -> None:
        self._start_thread()
        if self._posted is not None and self._posted is not job:
            self._posted.unwanted, self._posted = True, None
            self._wake()
        self._jobs.put(job)

    def _wake(self) -> None:
        if self._wake_write >= 0:
            with contextlib.suppress(BlockingIOError):
                os.write(self._wake_write, b"!")

    # --- in the host's thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                if job.unwanted:
                    job.answer.cancel()
                else:
                    self._answer(job)
        finally:
            self._end_child(gently=True)
            while not self._jobs.empty():
                if (left := self._jobs.get()) is not None:
                    _fail(left, _ended())

    def _answer(self, job: _Job) -> None:
        if self._ending:
            _fail(job, _ended())
            return
        try:
            child = self._started(job)
            if job.unwanted:
                job.answer.cancel()
                return
            done = self._exchange(child, job, job.message) if job.message is not None else Done(id=0)
            self._crashes = 0
            _succeed(job, done)
        except PublicError as problem:
            _fail(job, problem)
        except (EOFError, OSError) as problem:
            status = self._end_child(gently=False)
            if self._ending:
                _fail(job, _ended())
                return
            self._back_off()
            if self._crashes >= CRASHES_MAX:
                self._problem = f"The process of the speech engine {self._settings.engine} keeps ending."
                self._reason = Trouble.CRASHED
            log.error(
                "a speech worker ended", engine=self._settings.engine, status=status, cause=type(problem).__name__
            )
            _fail(job, _crashed())
        except Exception:  # the thread serves every later request; this one is reported
            log.exception("a speech worker's host failed", engine=self._settings.engine)
            self._end_child(gently=False)
            _fail(job, PublicError())

    def _started(self, job: _Job) -> "Child":
        """The running child, or a new one: after the back-off that crashes have earned."""
        if self._child is not None:
            return self._child
        while (rest_s := self._not_before_s - time.monotonic()) > 0:
            if self._problem is not None:
                raise EngineMissing(self._problem, reason=self._reason)
            self._await_wake(min(rest_s, max(0.0, job.deadline_s - time.monotonic())))
            if self._ending or job.unwanted:
                raise _crashed()
            if time.monotonic() >= job.deadline_s:
                raise TimedOut(
                    "The speech engine's process keeps ending; it is tried again soon.", reason=Trouble.CRASHED
                )
        self._loaded = False
        child = self._child = Child.start(self._settings)
        # Loading goes on to its end even when this request's deadline is shorter: the next one wants it too.
        try:
            opened = self._receive(child, time.monotonic() + OPEN_TIMEOUT_S, lambda: self._ending)
            if self._ending:
                raise _ended()
            self._problem, self._reason = "it did not load in time", Trouble.MISSING
            if isinstance(opened, Opened):
                self._problem = opened.problem
                self._reason = Trouble.OUT_OF_MEMORY if opened.no_memory else Trouble.MISSING
        except (EOFError, OSError):
            self._problem = "its process ended while loading, so the model may be damaged or of another kind"
            self._reason = Trouble.MISSING
        if self._problem is not None:
            self._problem = f"The speech engine {self._settings.engine} can't be loaded: {self._problem}"
            self._end_child(gently=False)
            self._back_off()
            raise EngineMissing(self._problem, reason=self._reason)
        self._loaded = True
        log.info("a speech worker started", engine=self._settings.engine, pid=child.process.pid)
        return child

    def _exchange(self, child: "Child", job: _Job, message: Callable[[int], Prepare | Transcribe]) -> Done:
        if time.monotonic() >= job.deadline_s:
            raise _too_busy()
        number = next(self._ids)
        job.begun = True
        child.connection.send_bytes(encode(message(number)))
        done = self._receive(child, job.deadline_s, lambda: job.unwanted or self._ending)
        if done is None and not self._ending:
            # What nobody waits for any more may still run to its deadline: whisper.cpp looks up only between encoder
            # and decoder, and killing it costs the next utterance the loading of the model.
            child.connection.send_bytes(encode(Stop(id=number)))
            done = self._receive(child, job.deadline_s, lambda: self._ending)
        if done is None:
            if self._ending or self._receive(child, time.monotonic() + STOP_GRACE_S, lambda: self._ending) is None:
                log.warning("a speech worker was killed: it did not stop", engine=self._settings.engine)
                self._end_child(gently=False)
            raise _too_slow()
        if not isinstance(done, Done):
            raise OSError("an answer to nothing")
        if done.failed is not None:
            log.error("a speech engine failed", engine=self._settings.engine, cause=done.failed)
            if done.failed == MemoryError.__name__:
                self._end_child(gently=False)  # what is left of its memory is in pieces
                raise PublicError("The speech engine ran out of memory.", reason=Trouble.OUT_OF_MEMORY)
            raise PublicError("The speech engine failed; the daemon's log has the reason.", reason=Trouble.FAILED)
        return done

    def _receive(self, child: "Child", deadline_s: float, given_up: Callable[[], bool]) -> FromWorker | None:
        """The child's next message; None at the deadline or once given up. EOFError or OSError: it ended."""
        while not given_up():
            rest_s = deadline_s - time.monotonic()
            if rest_s <= 0:
                return None
            ready = wait([child.connection, self._wake_read], rest_s)
            if child.connection in ready:
                message: FromWorker = from_worker.decode(child.connection.recv_bytes())
                return message
            if self._wake_read in ready:
                self._drain_wake()
        return None

    def _await_wake(self, timeout_s: float) -> None:
        if wait([self._wake_read], timeout_s):
            self._drain_wake()

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _end_child(self, *, gently: bool) -> int | None:
        child, self._child = self._child, None
        self._loaded = False
        return child.end(gently=gently) if child is not None else None

    def _back_off(self) -> None:
        first_s, most_s = BACKOFF_S
        self._not_before_s = time.monotonic() + min(most_s, first_s * 2**self._crashes)
        self._crashes = min(self._crashes + 1, 16)


def _succeed(job: _Job, done: Done) -> None:
    if job.answer.set_running_or_notify_cancel():
        job.answer.set_result(done)


def _fail(job: _Job, problem: Exception) -> None:
    if job.answer.set_running_or_notify_cancel():
        job.answer.set_exception(problem)


def _crashed() -> PublicError:
    return PublicError("The speech engine's process ended unexpectedly; it is started again.", reason=Trouble.CRASHED)


def _too_busy() -> TimedOut:
    return TimedOut("The speech engine has too much to do.", reason=Trouble.BUSY)


def _too_slow() -> TimedOut:
    return TimedOut("The speech engine took too long.", reason=Trouble.TIMEOUT)


def _ended() -> PublicError:
    return PublicError("Speech recognition has ended: the daemon is stopping.")


def _retrieve(answer: "asyncio.Future[Done]") -> None:
    """An error that nobody waits for any more is no news to asyncio; the thread has logged it."""
    if not answer.cancelled():
        answer.exception()
