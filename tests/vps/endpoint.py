"""One address of the VPS: its own port, kept while it refuses, its behaviour, and what it was asked."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.vps.behaviour import Behaviour, Kind, Sequence

MAX_BODY_BYTES = 8 * 1024 * 1024
PAGE = "<!DOCTYPE html>\n<html><body><h1>It works!</h1></body></html>\n"


@dataclass(slots=True)
class Request:
    """One request that came whole. body: parsed JSON, the query of a GET; None for what is no JSON.

    status: what was answered, None where it was nothing, or nothing whole. begun_s, arrived_s: CLOCK_MONOTONIC of its
    header's and its body's end. answered_s: just before the answer was given to its connection.
    """

    endpoint: str
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    begun_s: float
    arrived_s: float
    behaviour: Behaviour
    status: int | None = None
    answered_s: float | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def key(self) -> str | None:
        return self.headers.get("idempotency-key")

    @property
    def accepted(self) -> bool:
        """Whether the sender was told so."""
        return self.status == 200 and self.behaviour.kind is not Kind.HTML


Answer = Callable[[Any], dict[str, Any]]
Check = Callable[[Request], Awaitable[list[str]]]
Seen = Callable[[Request], None]


class Endpoint:
    """`method path` on a port of its own. seen, answered: told of each request as it comes, and once its status is
    known. health: a GET there is answered, too, and HEAD anywhere."""

    def __init__(
        self,
        name: str,
        method: str,
        path: str,
        answer: Answer,
        check: Check,
        seen: Seen,
        answered: Seen,
        *,
        health: str | None = None,
    ) -> None:
        self.name, self.method, self.path, self.health = name, method, path, health
        self._answer, self._check = answer, check
        self._seen, self._was_answered = seen, answered
        self._sequences = {"all": Sequence()}
        self._told = asyncio.Event()
        self._closing = asyncio.Event()
        self._runner: web.ServerRunner | None = None
        self._site: web.TCPSite | None = None
        self._held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.port = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return self.origin + self.path

    def behave(self, *words: str, of: str = "all") -> None:
        """From the next request on; outages from now. of: for /api/transcribe also "chunk" or "end" alone."""
        self._sequences[of] = Sequence(words)
        if of == "all":
            self._sequences = {"all": self._sequences["all"]}
        self._told.set()

    async def open(self, port: int) -> None:
        # Bound and not listening it keeps the port from others, and a connection from meeting itself.
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind(("127.0.0.1", port))
        self.port = self._held.getsockname()[1]
        self._runner = web.ServerRunner(web.Server(self._handle, keepalive_timeout=600.0))
        await self._runner.setup()
        await self._listen()

    async def close(self) -> None:
        self._closing.set()
        await self._refuse()
        if self._runner is not None:
            await self._runner.cleanup()
        self._held.close()

    async def weather(self) -> None:
        """Opens and closes the port as the behaviour wants it, until cancelled."""
        while True:
            self._told.clear()
            head = self._sequences["all"].head
            if head.kind is Kind.REFUSE:
                await self._refuse()
                if not await self._changed(head.seconds):
                    self._sequences["all"].outage_over()
                    await self._listen()
            elif head.kind is Kind.FLAP:
                await self._refuse()
                if not await self._changed(head.seconds):
                    await self._listen()
                    await self._changed(head.seconds)
            else:
                await self._listen()
                await self._told.wait()

    async def _changed(self, within_s: float | None) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._told.wait()
        except TimeoutError:
            return False
        return True

    async def _listen(self) -> None:
        if self._site is None and self._runner is not None:
            self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_port=True, backlog=128)
            await self._site.start()

    async def _refuse(self) -> None:
        if self._site is not None:
            await self._no_more()
            await self._site.stop()
            self._site = None
        server = self._runner.server if self._runner is not None else None
        for connection in list(server.connections) if server is not None else []:
            if connection.transport is not None:
                connection.transport.abort()

    async def _no_more(self) -> None:
        """A connection that asyncio has accepted and not yet made a transport of would stay open, served by nobody,
        when its server is closed (base_events.Server._attach, Python 3.11): it gets its turns first."""
        server = self._site._server if self._site is not None else None
        for one in server.sockets if isinstance(server, asyncio.Server) else ():
            asyncio.get_running_loop().remove_reader(one.fileno())
        for _ in range(3):
            await asyncio.sleep(0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        begun_s = time.monotonic()
        if request.method == "HEAD" or (request.method, request.path) == ("GET", self.health):
            return await self._serve(request, self._sequences["all"].head, {"status": "ok"}, None)
        if (request.method, request.path) != (self.method, self.path):
            return web.json_response({"success": False, "error": "not found"}, status=404)
        body = dict(request.query) if self.method == "GET" else _json(await request.read())
        arrived_s = time.monotonic()
        headers = {name.lower(): value for name, value in request.headers.items()}
        behaviour = self._next(body)
        one = Request(self.name, self.method, self.path, headers, body, begun_s, arrived_s, behaviour)
        self._seen(one)
        one.problems += await self._check(one)
        return await self._serve(request, behaviour, self._answer(body) if isinstance(body, dict) else {}, one)

    def _next(self, body: Any) -> Behaviour:
        of = "chunk"
        if isinstance(body, dict) and body.get("end_sentence") is True:
            of = "end"
        sequence = self._sequences.get(of) or self._sequences["all"]
        behaviour = sequence.take()
        if sequence.head.is_outage and not behaviour.is_outage:
            self._told.set()
        return behaviour

    async def _serve(
        self, request: web.BaseRequest, behaviour: Behaviour, answer: dict[str, Any], one: Request | None
    ) -> web.StreamResponse:
        """one: None for a probe, which nobody waits for in vain: late and half say at once that somebody is there."""
        kind = behaviour.kind
        if kind is Kind.STATUS:
            return self._answered(one, _status(behaviour))
        if kind is Kind.HTML:
            return self._answered(one, web.Response(text=PAGE, content_type="text/html"))
        if kind is Kind.RESET:
            return _broken(request)
        if kind is Kind.HANG or (kind is Kind.LATE and one is not None):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(behaviour.seconds):
                    await self._closing.wait()
            if self._closing.is_set():
                return _broken(request)
        if kind is Kind.WRONG_CALL_ID and "call_id" in answer:
            answer = answer | {"call_id": "call_1000000000_zzzz"}
        if kind is Kind.HALF and one is not None:
            return await self._half(request, answer)
        return self._answered(one, web.json_response(answer))

    def _answered(self, one: Request | None, response: web.Response) -> web.Response:
        if one is not None:
            one.status, one.answered_s = response.status, time.monotonic()
            self._was_answered(one)
        return response

    async def _half(self, request: web.BaseRequest, answer: dict[str, Any]) -> web.StreamResponse:
        whole = json.dumps(answer).encode()
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(whole))})
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            await response.write(whole[: len(whole) // 2])
        if request.transport is not None:
            request.transport.close()
        return response


def _status(behaviour: Behaviour) -> web.Response:
    headers = {} if behaviour.seconds is None else {"Retry-After": f"{behaviour.seconds:g}"}
    return web.Response(status=behaviour.status, text="no\n", headers=headers)


def _broken(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
