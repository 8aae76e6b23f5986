"""A small daemon that is a real Unix socket with real JSON-RPC: journal, subscriptions, consumers, and bad habits.

It speaks the protocol as written down, so that clients can be tested without the core, and it can do what the core
never should: hang up, send garbage, forget its journal, answer late.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Handler = Callable[[Json], Any]


class Refused(Exception):
    """What a handler raises to answer with an error."""

    def __init__(self, code: int, kind: str, message: str, **data: Any) -> None:
        super().__init__(message)
        self.error: Json = {"code": code, "message": message, "data": {"kind": kind, "retry": False} | data}


@dataclass(eq=False)
class Peer:
    """One connection."""

    writer: asyncio.StreamWriter
    topics: list[str] | None = None
    subscribed: bool = False
    consumer: str | None = None
    name: str | None = None


@dataclass
class TinyCore:
    """handlers: what methods answer beyond the built-in ones; requests: all that came, as (method, params)."""

    path: Path
    handlers: dict[str, Handler] = field(default_factory=dict)
    requests: list[tuple[str, Json]] = field(default_factory=list)
    journal: list[Json] = field(default_factory=list)
    acks: dict[str, int] = field(default_factory=dict)
    peers: list[Peer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._grown = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "TinyCore":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self.path), limit=2**24)

    async def stop(self) -> None:
        """Closes the socket and every connection; the journal stays, as it does on a disk."""
        if self._server is not None:
            self._server.close()
        await self.drop()
        if self._server is not None:
            await self._server.wait_closed()
        self._server = None
        self.path.unlink(missing_ok=True)

    async def drop(self) -> None:
        """Breaks every connection."""
        tasks = list(self._tasks)
        for peer in list(self.peers):
            peer.writer.transport.abort()
        if tasks:
            await asyncio.wait(tasks, timeout=5)

    # --- what tests look at

    def asked(self, method: str) -> list[Json]:
        return [params for name, params in self.requests if name == method]

    async def wait_for(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Looks after each request and each change of connections."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._grown.clear()
                await self._grown.wait()

    async def wait_asked(self, method: str, times: int = 1, timeout_s: float = 20.0) -> Json:
        await self.wait_for(lambda: len(self.asked(method)) >= times, timeout_s)
        return self.asked(method)[times - 1]

    # --- events

    def fact(self, topic: str, **params: Any) -> int:
        """Journals and publishes; gives its seq."""
        seq = len(self.journal) + 1
        event = {"seq": seq, "at": "2026-11-21T07:16:00.123Z", "line": "sim"} | params
        self.journal.append({"topic": topic, "params": event})
        self._publish(topic, event)
        return seq

    def moment(self, topic: str, **params: Any) -> None:
        self._publish(topic, {"after_seq": len(self.journal), "at": "2026-11-21T07:16:00.123Z"} | params)

    def _publish(self, topic: str, params: Json) -> None:
        for peer in self.peers:
            # Facts go to whoever has said something, also before they subscribe: clients must not take those.
            if (not peer.subscribed and "seq" in params) or (peer.subscribed and _wants(peer.topics, topic, params)):
                self.send(peer, {"jsonrpc": "2.0", "method": topic, "params": params})

    def send(self, peer: Peer, message: Any) -> None:
        self.send_raw(peer, json.dumps(message).encode() + b"\n")

    def send_raw(self, peer: Peer, data: bytes) -> None:
        if not peer.writer.is_closing():
            peer.writer.write(data)

    # --- requests

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(writer)
        self.peers.append(peer)
        try:
            async with asyncio.TaskGroup() as tasks:
                while line := await reader.readline():
                    tasks.create_task(self._answer(peer, json.loads(line)))
                raise ConnectionResetError
        except* (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.peers.remove(peer)
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._grown.set()

    async def _answer(self, peer: Peer, request: Json) -> None:
        method, params = request["method"], request.get("params", {})
        self.requests.append((method, params))
        self._grown.set()
        try:
            found = self._handle(peer, method, params)
            result = await found if isinstance(found, Awaitable) else found
        except Refused as refused:
            reply: Json = {"jsonrpc": "2.0", "id": request.get("id"), "error": refused.error}
        else:
            reply = {"jsonrpc": "2.0", "id": request.get("id"), "result": result}
        if "id" in request:
            self.send(peer, reply)
        if method == "events.subscribe" and "result" in reply:
            self._replay(peer, reply["result"]["resumed_from"])

    def _handle(self, peer: Peer, method: str, params: Json) -> Any:
        if method in self.handlers:
            return self.handlers[method](params)
        match method:
            case "client.hello":
                peer.name = params["name"]
                return {"server": "dialtone", "version": "0", "scopes": ["admin"]}
            case "events.subscribe":
                return self._subscribe(peer, params)
            case "events.ack":
                self.acks[peer.consumer or ""] = params["seq"]
                return {"seq": params["seq"]}
            case "brain.register" | "client.report_state" | "stt.phrases" | "$/cancelRequest":
                return {}
            case _:
                raise Refused(-32601, "method_not_found", f"There is no method {method}.")

    def _subscribe(self, peer: Peer, params: Json) -> Json:
        since, consumer, head = params.get("since"), params.get("consumer"), len(self.journal)
        if since is not None and since > head:
            raise Refused(-32016, "ack_beyond_head", "since is beyond the newest fact")
        if consumer is not None:
            acked = self.acks.setdefault(consumer, head if since is None else since)
            since = acked if since is None else since
        peer.topics, peer.consumer = params.get("topics"), consumer
        peer.subscribed = False
        return {"seq": head, "resumed_from": since, "consumer": consumer}

    def _replay(self, peer: Peer, since: int | None) -> None:
        peer.subscribed = True
        for fact in self.journal[since:] if since is not None else []:
            if _wants(peer.topics, fact["topic"], fact["params"]):
                self.send(peer, {"jsonrpc": "2.0", "method": fact["topic"], "params": fact["params"]})


def _wants(topics: list[str] | None, topic: str, params: Json) -> bool:
    if topics is None:
        return "seq" in params
    return any(one in ("*", topic) or (one.endswith(".*") and topic.startswith(one[:-1])) for one in topics)
