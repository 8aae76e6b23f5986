"""A thread with a GLib main context of its own: D-Bus signals are heard there, and functions run there.

It sleeps in poll(2) until a signal or a function comes; the event loop is never blocked by it.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from core.log import Log
from core.net.bus_values import BusFailed

T = TypeVar("T")

_MOST_JOBS = 64
"""Functions that wait; more are refused with BusFailed "busy". Each is bounded in time by whoever hands it in."""

_log = Log("net.bus")


class GlibThread:
    """Started once, stopped once. `gi` must be importable."""

    def __init__(self) -> None:
        from gi.repository import GLib

        self._context: Any = GLib.MainContext.new()
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()  # bounded by submit
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="net-bus", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """At the next moment in which no function runs; does not wait for it."""
        self._stopping = True
        self._context.wakeup()

    def join(self, timeout_s: float) -> bool:
        """Blocks. Whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def submit(self, function: Callable[[], T]) -> "Future[T]":
        """Runs it in the thread. Its exception is the future's. A future that is cancelled before its turn is skipped.
        BusFailed "busy"."""
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                found = function()
            except BaseException as problem:  # whatever it is belongs to the one who waits
                future.set_exception(problem)
            else:
                future.set_result(found)

        if self._jobs.qsize() >= _MOST_JOBS:
            raise BusFailed(BusFailed.BUSY)
        self.post(job)
        return future

    def post(self, job: Callable[[], None]) -> None:
        """Runs it in the thread, even when many wait; it must not raise. For subscriptions, of which there are few."""
        self._jobs.put(job)
        self._context.wakeup()

    def _run(self) -> None:
        self._context.push_thread_default()
        try:
            while not self._stopping:
                self._work()
                if not self._stopping:
                    self._context.iteration(True)
            self._work()
        finally:
            self._context.pop_thread_default()

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            job()
