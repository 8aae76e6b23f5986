"""A client for tests, over a real Unix socket, in any framing. It frames by itself, with none of the server's code,
and checks everything that it sends and gets against the schema."""

import asyncio
import contextlib
import json
from collections import deque
from pathlib import Path
from typing import Any, Self

from tests.rpc.schema import ProtocolSchema

WAIT_S = 30.0
"""Deadline of every wait in these tests; reached only when something is broken."""


class RpcFailure(Exception):
    """An error reply."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.error = error
        self.code: int = error["code"]
        self.kind: str = error["data"]["kind"]
        self.data: dict[str, Any] = error["data"]


class Client:
    """`await Client.connect(path, schema)`; one reader at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, schema: ProtocolSchema | None, framing: str
    ) -> None:
        self.reader, self.writer = reader, writer
        self._schema, self._framing = schema, framing
        self._asked: dict[object, str] = {}
        self._next_id = 1
        self.events: deque[dict[str, Any]] = deque()
        self.seen: list[dict[str, Any]] = []  # all that came, in order

    @classmethod
    async def connect(cls, path: Path | str, schema: ProtocolSchema | None = None, framing: str = "lines") -> Self:
        reader, writer = await asyncio.open_unix_connection(path, limit=32 * 1024 * 1024)
        return cls(reader, writer, schema, framing)

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):  # the server was faster
            await self.writer.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def stop_reading(self) -> None:
        """From now on the kernel's buffers fill, as with a client that hangs."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def read_on(self) -> None:
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]

    # --- sending

    def frame(self, message: bytes) -> bytes:
        match self._framing:
            case "length":
                return len(message).to_bytes(4, "big") + message
            case "headers":
                return f"Content-Length: {len(message)}\r\n\r\n".encode() + message
            case _:
                return message + b"\n"

    def send(self, value: object) -> None:
        """Any JSON value as one frame, unchecked."""
        self.writer.write(self.frame(json.dumps(value).encode()))

    def ask(self, method: str, **params: Any) -> int:
        """Sends a checked request and does not wait; gives its id."""
        if self._schema is not None:
            self._schema.check_request(method, params)
        return self.ask_anything(method, params)

    def ask_anything(self, method: str, params: Any) -> int:
        """A request whose params may be wrong."""
        identity, self._next_id = self._next_id, self._next_id + 1
        self._asked[identity] = method
        self.send({"jsonrpc": "2.0", "id": identity, "method": method, "params": params})
        return identity

    # --- receiving

    async def receive(self) -> Any:
        """The next message, checked. EOFError when the server has closed."""
        async with asyncio.timeout(WAIT_S):
            text = await self._read()
        message = json.loads(text)
        for each in message if isinstance(message, list) else [message]:
            self.seen.append(each)
            self._check(each)
        return message

    async def reply(self, identity: object) -> dict[str, Any]:
        """The reply to that id; events that come before it are kept in `events`."""
        while True:
            message = await self.receive()
            if isinstance(message, dict) and "method" in message:
                self.events.append(message)
            elif message.get("id") == identity:
                found: dict[str, Any] = message
                return found

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A checked request and its result. RpcFailure for an error."""
        return _result(await self.reply(self.ask(method, **params)))

    async def call_anything(self, method: str, params: Any) -> dict[str, Any]:
        return _result(await self.reply(self.ask_anything(method, params)))

    async def event(self, topic: str | None = None) -> dict[str, Any]:
        """Params of the next event (of that topic; others are dropped)."""
        while True:
            message = self.events.popleft() if self.events else await self.receive()
            if message.get("method") is not None and topic in (None, message["method"]):
                found: dict[str, Any] = message["params"]
                return found

    async def closed(self) -> None:
        """Waits until the server has closed, dropping what still comes."""
        async with asyncio.timeout(WAIT_S):
            with contextlib.suppress(ConnectionResetError):
                while await self.reader.read(65536):
                    pass

    async def _read(self) -> bytes:
        if self._framing == "length":
            return await self.reader.readexactly(int.from_bytes(await self.reader.readexactly(4), "big"))
        if self._framing == "headers":
            head = await self.reader.readuntil(b"\r\n\r\n")
            return await self.reader.readexactly(int(head.partition(b":")[2]))
        line = await self.reader.readline()
        if not line:
            raise EOFError
        return line

    def _check(self, message: dict[str, Any]) -> None:
        assert message["jsonrpc"] == "2.0"
        if self._schema is None:
            return
        if "method" in message:
            assert "id" not in message
            self._schema.check_event(message)
        elif (name := self._asked.pop(message["id"], None)) is not None:
            self._schema.check_reply(name, message)
        elif "error" in message:
            self._schema.check_error(None, message["error"])


def _result(reply: dict[str, Any]) -> dict[str, Any]:
    if "error" in reply:
        raise RpcFailure(reply["error"])
    found: dict[str, Any] = reply["result"]
    return found
