"""One connection to one Unix socket: requests out, replies and events in. It breaks once and stays broken."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialtone.errors import CannotConnect, ConnectionLost, RequestTimeout, WireError
from dialtone.wire import Decoder, Failure, Message, Notification, Reply, encode

CONNECT_TIMEOUT_S = 5.0
"""A Unix socket answers at once, or its listener's backlog is full."""

OnEvent = Callable[[str, dict[str, Any]], None]
OnResult = Callable[[Any], None]
OnClose = Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    future: "asyncio.Future[Any]"
    on_result: OnResult | None


class Link(asyncio.Protocol):
    """Speaks newline-framed JSON-RPC 2.0. `Phone` puts reconnecting on top; scripts may use it as it is."""

    def __init__(self, on_event: OnEvent | None = None, on_close: OnClose | None = None) -> None:
        self.closed = asyncio.Event()
        self._on_event = on_event
        self._on_close = on_close
        self._decoder = Decoder()
        self._waiting: dict[int, _Waiting] = {}
        self._next_id = 1
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._reason = "the daemon closed the connection"

    @classmethod
    async def open(cls, path: str | Path, on_event: OnEvent | None = None, on_close: OnClose | None = None) -> "Link":
        """Connects. CannotConnect, with the reason, when nobody answers."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, link = await loop.create_unix_connection(lambda: cls(on_event, on_close), str(path))
        except TimeoutError:
            raise CannotConnect(f"{path}: no answer") from None
        except OSError as problem:
            raise CannotConnect(f"{path}: {problem.strerror or problem}") from None
        return link

    async def request(
        self, method: str, params: dict[str, Any], timeout_s: float | None = 30.0, on_result: OnResult | None = None
    ) -> Any:
        """Sends one request and waits for its result.

        on_result is called with the result the moment it is read, before any event that follows it on the wire.
        RpcError, ConnectionLost or RequestTimeout. Cancelling sends $/cancelRequest.
        """
        request_id = self._next_id
        self._next_id += 1
        line = encode(method, params, request_id)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = _Waiting(future, on_result)
        try:
            async with asyncio.timeout(timeout_s):
                await self._write(line)
                return await future
        except TimeoutError:
            self._cancel(request_id)
            raise RequestTimeout(f"{method}: no answer within {timeout_s:g} s") from None
        except asyncio.CancelledError:
            self._cancel(request_id)
            raise
        finally:
            self._waiting.pop(request_id, None)
            future.cancel()  # also where it is done: then nobody is told that its error was never fetched

    def close(self, reason: str = "closed") -> None:
        """Ends the connection; whoever waits gets ConnectionLost."""
        self._break(reason)
        if self._transport is not None:
            self._transport.close()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self.closed.is_set():
            return
        try:
            for message in self._decoder.feed(data):
                self._dispatch(message)
        except WireError as problem:
            self._break(f"the daemon sent garbage: {problem}")
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._break(self._reason if exc is None else f"the connection broke: {exc}")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # ---

    async def _write(self, line: bytes) -> None:
        await self._writable.wait()
        if self.closed.is_set() or self._transport is None:
            raise ConnectionLost(self._reason)
        self._transport.write(line)

    def _cancel(self, request_id: int) -> None:
        if not self.closed.is_set() and self._transport is not None:
            self._transport.write(encode("$/cancelRequest", {"id": request_id}))

    def _dispatch(self, message: Message) -> None:
        match message:
            case Notification(method, params):
                if self._on_event is not None:
                    self._on_event(method, params)
            case Reply(request_id, result):
                waiting = self._waiting.pop(request_id, None)
                if waiting is not None and not waiting.future.done():  # else: cancelled, its answer came late
                    if waiting.on_result is not None:
                        waiting.on_result(result)
                    waiting.future.set_result(result)
            case Failure(None, error):
                raise WireError(f"it could not read our request: {error.message}")
            case Failure(int(request_id), error):
                waiting = self._waiting.pop(request_id, None)
                if waiting is not None and not waiting.future.done():
                    waiting.future.set_exception(error)

    def _break(self, reason: str) -> None:
        if self.closed.is_set():
            return
        self._reason = reason
        self.closed.set()
        self._writable.set()
        if self._on_close is not None:
            self._on_close()
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            if not one.future.done():
                one.future.set_exception(ConnectionLost(reason))
