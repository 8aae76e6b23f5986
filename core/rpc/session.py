"""One connection: its requests, its events, and what has to be undone when it goes."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from core.bus import Cause
from core.errors import Cancelled, LimitExceeded
from core.events import Event, Scope
from core.log import Log
from core.rpc.access import PeerId
from core.rpc.context import Core
from core.rpc.feed import Feed, Subscription, View
from core.rpc.methods import Request, RequestId
from core.rpc.pipe import Overrun, Pipe
from core.rpc.replies import (
    Malformed,
    Wanted,
    batch,
    invalid_request,
    over_limit,
    parse_error,
    parse_json,
    public_error,
)
from core.rpc.view import direct
from core.rpc.wire import FaultKind, WireFault

CANCEL = "$/cancelRequest"
SUBSCRIBE = "events.subscribe"
MAX_BATCH = 1000
"""Elements of one batch. Each may cost a reply of 150 bytes, whatever it is: 10 MiB of `1,1,1,…` would make 800 MiB."""

HANGUP_CHECK_S = 0.1
"""How often a half-closed connection is looked at: the loop has no event for the second half."""

T = TypeVar("T")
log = Log("rpc")


class Answerer(Protocol):
    """Makes replies; never raises anything but CancelledError. None: no reply."""

    async def answer(self, wanted: Wanted, request: Request) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a socket speaks: JSON-RPC 2.0 as it is written, or as the existing voice clients expect it.

    greeting: the subscription that begins with the first valid message. eager_after_s: it begins with the connection
    instead, is told this much later, and ends for good with the first thing the peer says. faults_told: a stream that
    can't be read gets an error before it is closed. frame_gap_s: pause between two events.
    """

    answerer: Answerer
    read: Callable[[object], Wanted | Malformed]
    greeting: Subscription | None
    eager_after_s: float | None = None
    faults_told: bool = True
    frame_gap_s: float = 0.0


class Session:
    """Made by the server for each accepted connection. id never repeats; name is what client.hello said."""

    def __init__(
        self,
        core: Core,
        session_id: int,
        pipe: Pipe,
        peer: PeerId,
        scopes: frozenset[Scope],
        dialect: Dialect,
        view: View,
    ) -> None:
        self.id = session_id
        self.name: str | None = None
        self.consumer: str | None = None
        self.was_displaced = False
        self.scopes = scopes
        self.uid, self.pid = peer.uid, peer.pid
        self._core, self._pipe, self._dialect = core, pipe, dialect
        self._max_in_flight = core.config.rpc.max_requests_in_flight
        self._causes: set[Cause] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._by_id: dict[tuple[type, RequestId], asyncio.Task[Any]] = {}
        self._cancelled: set[asyncio.Task[Any]] = set()
        self._in_flight = 0
        self._greeted = False
        self._subscribed = False
        self._closers: dict[str, Callable[[], None]] = {}
        self._group: asyncio.TaskGroup
        self._view = view
        self._feed = Feed(pipe, core.store, view, self._causes, self.notify, dialect.frame_gap_s)

    # --- for methods and services

    def on_close(self, callback: Callable[[], None], *, key: str | None = None) -> None:
        """Calls back once, when the connection is gone; for releasing what this session holds. A key makes that a
        promise to be given as often as one likes: the latest callback of a key replaces the one before."""
        self._closers[key or f"#{len(self._closers)}"] = callback

    def narrow(self, scopes: frozenset[Scope]) -> None:
        """Gives up all scopes but these, for as long as the connection lasts."""
        self.scopes &= scopes
        self._view.narrow(self.scopes)

    def notify(self, happened: Event) -> None:
        """Sends one event to this session alone, outside of its subscription. A client that leaves too much unread
        does not get it."""
        message = direct(happened, self._core.bus.head_seq, self.scopes)
        if message is not None and self._dialect.eager_after_s is None and not self._pipe.is_overfull:
            self._pipe.send(message)

    def subscribe(self, subscription: Subscription, since: int | None, after: Cause) -> None:
        """Replaces the subscription once the request of `after` is answered."""
        self._subscribed, self.was_displaced = True, False
        self._feed.start(subscription, since=since, after=after)

    def unsubscribe(self) -> None:
        self._subscribed = False
        self._feed.stop()

    def displaced(self) -> None:
        """A newer connection holds the consumer name: no more events here."""
        self.consumer = None
        self.was_displaced = True
        self.unsubscribe()

    def cancel(self, request_id: RequestId) -> None:
        """Cancels the wait of a request in flight; unknown ids are ignored, its answer may be on its way."""
        task = self._by_id.get((type(request_id), request_id))
        if task is not None:
            self._cancelled.add(task)
            task.cancel()

    # --- life

    async def run(self) -> None:
        """Until the peer goes, breaks the framing, or this task is cancelled."""
        self._core.sessions.add(self)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                feed = group.create_task(self._feed.run(), name=f"rpc.feed {self.id}")
                try:
                    if self._dialect.eager_after_s is not None:
                        self._spawn(self._greet_eagerly(self._dialect.eager_after_s))
                    await self._read()
                    await self._answer_the_rest()
                finally:
                    feed.cancel()
                    for task in self._tasks:
                        task.cancel()
        finally:
            self._let_go()
            await self._pipe.close()

    async def _read(self) -> None:
        try:
            while (message := await self._pipe.receive()) is not None:
                await self._take(message)
            if self._pipe.fault is not None:
                await self._say_fault(self._pipe.fault)
        except Overrun:
            self._drop_slow()

    async def _say_fault(self, fault: WireFault) -> None:
        log.warning("connection closed", session=self.id, pid=self.pid, cause=fault.kind, reason=fault.reason)
        if self._dialect.faults_told and fault.kind is not FaultKind.TRUNCATED:
            garbage = fault.kind is FaultKind.GARBAGE
            await self._reply(parse_error(fault.reason) if garbage else public_error(None, LimitExceeded(fault.reason)))

    async def _answer_the_rest(self) -> None:
        """A peer that only said that it sends no more still gets its answers, and its events if it asked for them;
        one that is gone altogether has its waits cancelled."""
        if not self._subscribed:
            self._feed.stop()
        while (self._tasks or self._subscribed) and not self._pipe.fault and not self._pipe.hung_up():
            if not self._tasks:
                await self._pipe.lost(HANGUP_CHECK_S)
            else:
                await asyncio.wait(self._tasks, timeout=HANGUP_CHECK_S)

    def _let_go(self) -> None:
        self._core.sessions.remove(self)
        for callback in self._closers.values():
            try:
                callback()
            except Exception:  # one service's mistake must not keep the others from letting go
                log.exception("close hook failed", session=self.id)

    def _drop_slow(self) -> None:
        log.warning("connection closed", session=self.id, pid=self.pid, cause="unread", reason="replies are not read")
        self._pipe.abort()

    # --- requests

    async def _take(self, message: bytes) -> None:
        if self._dialect.eager_after_s is not None:
            self._feed.stop()
        try:
            value = parse_json(message)
        except ValueError as problem:
            await self._reply(parse_error(str(problem)))
            return
        if isinstance(value, list):
            await self._take_batch(value)
            return
        element = self._dialect.read(value)
        if isinstance(element, Malformed):
            await self._reply(element.reply)
            return
        cause = Cause()
        self._greet([element], cause)
        if not self._admit(element):
            await self._refuse(element)
            return
        self._causes.add(cause)
        self._spawn(self._serve(element, cause))

    async def _take_batch(self, elements: list[object]) -> None:
        """The elements run side by side; their replies go out as one array, in the order of the requests."""
        if not elements:
            await self._reply(invalid_request("a batch must not be empty"))
            return
        if len(elements) > MAX_BATCH:
            problem = LimitExceeded(f"A batch has at most {MAX_BATCH} elements.", limit=MAX_BATCH)
            await self._reply(public_error(None, problem))
            return
        read = [self._dialect.read(element) for element in elements]
        causes = [Cause()]
        self._greet([element for element in read if isinstance(element, Wanted)], causes[0])
        parts: list[bytes | asyncio.Task[bytes | None]] = []
        for element in read:
            if isinstance(element, Malformed):
                parts.append(element.reply)
            elif self._admit(element):
                causes.append(Cause())
                parts.append(self._spawn(self._answer(element, causes[-1])))
            elif element.answered:
                parts.append(over_limit(element.id, self._max_in_flight))
        self._causes.update(causes)
        self._spawn(self._serve_batch(parts, causes))

    def _greet(self, wanted: list[Wanted], cause: Cause) -> None:
        """Broadcasting begins with the first valid message."""
        if self._greeted or not wanted:
            return
        self._greeted = True
        if self._dialect.eager_after_s is None and self._dialect.greeting is not None:
            # A client that subscribes first of all must not get a fact both before its replay and in it.
            subscribes = any(element.method == SUBSCRIBE for element in wanted)
            self._feed.start(self._dialect.greeting, after=cause if subscribes else None)

    async def _greet_eagerly(self, after_s: float) -> None:
        quiet = Cause()
        if self._dialect.greeting is not None:
            self._feed.start(self._dialect.greeting, after=quiet)
        await asyncio.sleep(after_s)
        quiet.answered.set()

    def _admit(self, wanted: Wanted) -> bool:
        """Counts a request in, unless too many are unanswered. A cancel always gets through: it makes room."""
        if self._in_flight >= self._max_in_flight and wanted.method != CANCEL:
            return False
        self._in_flight += 1
        return True

    async def _refuse(self, wanted: Wanted) -> None:
        if wanted.answered:
            await self._reply(over_limit(wanted.id, self._max_in_flight))
        else:
            log.warning("notification dropped: too many requests in flight", session=self.id, pid=self.pid)

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._group.create_task(work, name=f"rpc.request {self.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, wanted: Wanted, cause: Cause) -> None:
        try:
            reply = await self._answer(wanted, cause)
            if reply is not None:
                await self._reply(reply)
        except Overrun:
            self._drop_slow()
        finally:
            self._answered([cause])

    async def _serve_batch(self, parts: list[bytes | asyncio.Task[bytes | None]], causes: list[Cause]) -> None:
        try:
            replies = [part if isinstance(part, bytes) else await part for part in parts]
            if told := [reply for reply in replies if reply is not None]:
                await self._reply(batch(told))
        except Overrun:
            self._drop_slow()
        finally:
            self._answered(causes)

    async def _answer(self, wanted: Wanted, cause: Cause) -> bytes | None:
        task = asyncio.current_task()
        assert task is not None
        key = (type(wanted.id), wanted.id)
        self._by_id[key] = task
        try:
            return await self._dialect.answerer.answer(wanted, Request(self._core, self, cause, wanted.id))
        except asyncio.CancelledError:
            if task not in self._cancelled:
                raise
            task.uncancel()
            return public_error(wanted.id, Cancelled()) if wanted.answered else None
        finally:
            self._in_flight -= 1
            self._cancelled.discard(task)
            if self._by_id.get(key) is task:
                del self._by_id[key]

    async def _reply(self, message: bytes) -> None:
        await self._pipe.room_for_reply()
        self._pipe.send(message)

    def _answered(self, causes: list[Cause]) -> None:
        """The reply is queued (or there is none): the facts that were held back for it may go."""
        for cause in causes:
            cause.answered.set()
            self._causes.discard(cause)
