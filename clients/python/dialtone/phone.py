"""The phone: one connection to the daemon that comes back by itself, and its events, none lost or doubled."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from os import PathLike, fspath
from types import TracebackType
from typing import Any, Self, cast

from dialtone.errors import CannotConnect, ConnectionLost, DialtoneError, RpcError
from dialtone.event import INBOX_EVENTS, Event, Inbox
from dialtone.link import Link
from dialtone.methods import Json, Methods
from dialtone.paths import default_socket_path

BACKOFF_FIRST_S = 0.2
BACKOFF_LAST_S = 5.0
ACK_EVERY_EVENTS = 64
"""While a consumer is busy; when it has caught up it acks at once."""
GOODBYE_S = 1.0
"""How long leaving waits for the last ack. Without it the daemon only says the last events once more."""

_log = logging.getLogger("dialtone")

Hook = Callable[["Phone"], Awaitable[object]]


def connect(
    path: str | PathLike[str] | None = None,
    *,
    name: str = "python",
    version: str | None = None,
    consumer: str | None = None,
    topics: Sequence[str] | None = None,
    since: int | None = None,
    on_connect: Hook | None = None,
    wait_s: float | None = 0.0,
    scopes: Sequence[str] | None = None,
) -> "Phone":
    """A phone to be used with `async with`.

    name: what the daemon's status calls this client. topics: subscribed at once, so that no event between here and
    the first `events()` is missed. consumer: a name under which the daemon keeps this reader's place on disk.
    since: start after this seq. on_connect: awaited after every connection, the first one included.
    wait_s: how long the first connection may be tried: 0 once, None for ever.
    scopes: give up all others (observe, messages, calls, admin), where this program serves somebody with less.
    """
    where = fspath(path) if path is not None else default_socket_path()
    return Phone(
        where,
        name=name,
        version=version,
        consumer=consumer,
        topics=topics,
        since=since,
        on_connect=on_connect,
        wait_s=wait_s,
        scopes=scopes,
    )


class Phone(Methods):
    """Made by `connect`. Reconnects after 0.2 to 5 s and then says again who it is, what it registered and
    subscribed, and reads on where it was. A request in flight when the connection breaks fails with ConnectionLost:
    it is never sent twice.
    """

    def __init__(
        self,
        path: str,
        *,
        name: str,
        version: str | None,
        consumer: str | None,
        topics: Sequence[str] | None,
        since: int | None,
        on_connect: Hook | None,
        wait_s: float | None,
        scopes: Sequence[str] | None = None,
        inbox_events: int = INBOX_EVENTS,
    ) -> None:
        self.path = path
        self._hello: Json = {"name": name}
        if version:
            self._hello["version"] = version
        if scopes is not None:
            self._hello["scopes"] = list(scopes)
        self._consumer = consumer
        self._topics = list(topics) if topics is not None else None
        self._subscribed = topics is not None or consumer is not None or since is not None
        self._hooks = [on_connect] if on_connect is not None else []
        self._kept: dict[str, Json] = {}
        self._wait_s = wait_s
        self._inbox = Inbox(inbox_events)
        self._inbox.position = since
        self._news = asyncio.Event()
        self._ready = asyncio.Event()
        self._link: Link | None = None
        self._leaving = False
        self._place_is_read = False  # the inbox's position is one that the daemon has given us
        self._handled: int | None = None
        self._acked = 0
        self._unacked_events = 0
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._first_connection()
        await self._tasks.__aenter__()
        self._supervisor = self._tasks.create_task(self._supervise(), name="dialtone.reconnect")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        self._supervisor.cancel()
        if kind is None:
            await self._last_ack()
        if self._link is not None:
            self._link.close()
        self._news.set()
        # The body's own error goes on as it is, not wrapped in an ExceptionGroup.
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            await self._tasks.__aexit__(kind, error, trace)
        else:
            await self._tasks.__aexit__(None, None, None)

    # --- requests

    async def call(self, method: str, /, *, timeout_s: float | None = 30.0, **params: Any) -> Any:
        """Asks and waits for the result. timeout_s is the wait of this side and is not sent.

        RpcError: the daemon said no. ConnectionLost: it is not there, or went away before it answered.
        RequestTimeout: no answer in time. For a parameter called timeout_s use call_with.
        """
        return await self.call_with(method, params, timeout_s=timeout_s)

    async def call_with(self, method: str, params: Mapping[str, Any], *, timeout_s: float | None = 30.0) -> Any:
        """`call` with the parameters as a mapping."""
        if self._link is None:
            raise ConnectionLost("not connected to the daemon")
        return await self._link.request(method, dict(params), timeout_s)

    async def keep(self, method: str, /, **params: Any) -> Any:
        """A request that holds as long as the connection, and is made again after each reconnect. One per method.

        After ConnectionLost it is still kept; after RpcError the one before it is.
        """
        before, self._kept[method] = self._kept.get(method), params
        try:
            return await self.call_with(method, params)
        except RpcError:
            if before is None:
                del self._kept[method]
            else:
                self._kept[method] = before
            raise

    async def register_brain(self, priority: int = 0, lines: Sequence[str] | None = None) -> Json:
        """This client decides what is said in calls. Kept over reconnects."""
        where = {"lines": list(lines)} if lines is not None else {}
        return cast(Json, await self.keep("brain.register", priority=priority, **where))

    async def withdraw_brain(self) -> Json:
        """Steps aside: this client's calls go to the next brain. Not registered again after a reconnect, either."""
        self._kept.pop("brain.register", None)
        return cast(Json, await self.call("brain.withdraw"))

    async def expect_phrases(self, phrases: Sequence[str], language: str | None = None) -> Json:
        """What callers are likely to say: the recogniser without a model knows only these. Kept over reconnects."""
        spoken = {"language": language} if language is not None else {}
        return cast(Json, await self.keep("stt.phrases", phrases=list(phrases), **spoken))

    async def report_state(
        self, state: str, detail: str | None = None, alarms: Sequence[Mapping[str, str]] | None = None
    ) -> Json:
        """How this client is; alarms is the full set that it has now. Kept over reconnects."""
        params: Json = {"state": state}
        if detail is not None:
            params["detail"] = detail
        if alarms is not None:
            params["alarms"] = [dict(alarm) for alarm in alarms]
        return cast(Json, await self.keep("client.report_state", **params))

    def on_connect(self, hook: Hook) -> None:
        """Awaits hook(phone) after every further connection."""
        self._hooks.append(hook)

    @property
    def connected(self) -> bool:
        return self._ready.is_set()

    async def wait_connected(self, timeout_s: float | None = None) -> None:
        """Until the connection is up and everything is registered again. TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self._ready.wait()

    # --- events

    async def subscribe(self, topics: Sequence[str] | None = None, since: int | None = None) -> None:
        """Has events come from now on (or after seq `since`); topics None: all facts."""
        self._topics = list(topics) if topics is not None else self._topics
        if since is not None:
            self._inbox.restart(since)
            self._place_is_read = False
        self._subscribed = True
        if self._link is not None:
            self._inbox.shut()
            await self._subscribe(self._link)

    def events(self, topics: Sequence[str] | None = None, since: int | None = None) -> "Events":
        """The events, for `async for`; it goes on over reconnects. One reader at a time.

        Each fact comes once and none is left out. When the reader was too slow, or the daemon no longer has what
        was missed, an event named events.lagged says so. With a consumer an event counts as handled when the next
        one is asked for, and is acked then.
        """
        return Events(self, topics, since)

    async def ack(self, seq: int | None = None) -> None:
        """Everything up to `seq` is handled; None: up to the last event before the one that is being handled."""
        seq = self._handled if seq is None else seq
        if seq is not None and self._consumer is not None and seq > self._acked:
            await self.call("events.ack", seq=seq)
            self._acked, self._unacked_events = seq, 0

    async def _next_event(self) -> Event | None:
        """None: the phone was closed."""
        while True:
            if (event := self._inbox.take()) is not None:
                return event
            if self._leaving:
                return None
            if self._inbox.displaced:
                raise RpcError(-32018, "A newer connection took over this consumer name.", {"kind": "displaced"})
            if self._inbox.behind and self._ready.is_set() and self._link is not None:
                with contextlib.suppress(ConnectionLost):  # then the supervisor subscribes again
                    await self._subscribe(self._link)
                    continue
            self._news.clear()
            await self._news.wait()

    async def _was_handled(self, event: Event) -> None:
        if event.seq is None:
            return
        self._handled = event.seq
        self._unacked_events += 1
        if self._consumer is None or (len(self._inbox) and self._unacked_events < ACK_EVERY_EVENTS):
            return
        with contextlib.suppress(ConnectionLost):  # the place is kept here too; the next ack says it
            await self.ack()

    def _put(self, name: str, params: Json) -> None:
        self._inbox.put(Event.of(name, params))
        self._news.set()

    # --- the connection

    def _lost(self) -> None:
        self._ready.clear()
        self._inbox.shut()

    async def _first_connection(self) -> None:
        delay_s = BACKOFF_FIRST_S
        try:
            async with asyncio.timeout(self._wait_s if self._wait_s != 0 else None):
                while True:
                    try:
                        return await self._connect()
                    except ConnectionLost:
                        if self._wait_s == 0:
                            raise
                    await asyncio.sleep(delay_s)
                    delay_s = _longer(delay_s)
        except TimeoutError:
            raise CannotConnect(f"{self.path}: nobody answered within {self._wait_s:g} s") from None

    async def _supervise(self) -> None:
        delay_s = BACKOFF_FIRST_S
        while True:
            if self._link is not None:
                await self._link.closed.wait()
                self._link = None
            await asyncio.sleep(delay_s * random.uniform(0.8, 1.2))  # many clients come back after one restart
            try:
                await self._connect()
            except DialtoneError as problem:
                _log.info("reconnecting failed: %s", problem)
                delay_s = _longer(delay_s)
            else:
                delay_s = BACKOFF_FIRST_S

    async def _connect(self) -> None:
        """One attempt: connected, introduced, registered and subscribed, or nothing."""
        link = await Link.open(self.path, self._put, self._lost)
        self._link = link
        try:
            await self._introduce(link)
        except BaseException:
            link.close()
            self._link = None
            raise
        self._ready.set()
        self._news.set()

    async def _introduce(self, link: Link) -> None:
        await link.request("client.hello", self._hello)
        for method, params in list(self._kept.items()):
            await link.request(method, params)
        if self._subscribed and not self._inbox.displaced:
            await self._subscribe(link)
        for hook in self._hooks:
            await hook(self)

    async def _subscribe(self, link: Link) -> None:
        params: Json = {}
        if self._topics is not None:
            params["topics"] = self._topics
        if self._consumer is not None:
            params["consumer"] = self._consumer
        if self._inbox.position is not None:
            params["since"] = self._inbox.position
        try:
            await link.request("events.subscribe", params, on_result=self._opened)
        except RpcError as problem:
            if problem.kind != "ack_beyond_head" or not self._place_is_read:
                raise
            # The daemon has another journal than the one we read: what it holds can't be told from what we know.
            self._inbox.forget_place()
            await self._subscribe(link)

    def _opened(self, result: Any) -> None:
        found = result if isinstance(result, dict) else {}
        head, resumed_from = found.get("seq"), found.get("resumed_from")
        self._place_is_read = True
        self._inbox.open(
            head if isinstance(head, int) else None, resumed_from if isinstance(resumed_from, int) else None
        )

    async def _last_ack(self) -> None:
        with contextlib.suppress(DialtoneError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self.ack()


class Events:
    """An endless iterator over a phone's events; ends when the phone is closed."""

    def __init__(self, phone: Phone, topics: Sequence[str] | None, since: int | None) -> None:
        self._phone = phone
        self._wanted = (topics, since)
        self._asked = False
        self._previous: Event | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        phone = self._phone
        if not self._asked:
            self._asked = True
            topics, since = self._wanted
            if topics is not None or since is not None or not phone._subscribed:
                await phone.subscribe(topics, since)
        if self._previous is not None:
            await phone._was_handled(self._previous)
            self._previous = None
        event = await phone._next_event()
        if event is None:
            raise StopAsyncIteration
        self._previous = event
        return event


def _longer(delay_s: float) -> float:
    return min(delay_s * 2, BACKOFF_LAST_S)
