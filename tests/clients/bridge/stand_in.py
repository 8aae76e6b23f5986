"""A VPS for the bridge's tests: a real aiohttp server with the endpoints of a conversation, told how to behave."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Json = dict[str, Any]
Behave = Callable[[Json, int], Awaitable[web.StreamResponse]]
"""A transcription request and how many came before it, to the answer."""


@dataclass
class StandIn:
    """requests: transcription requests with the time of their arrival. config_asks: queries of the voice config,
    answered after config_delay_s and, where it is given, once config_wanted is set."""

    requests: list[tuple[float, Json]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    config_asks: list[dict[str, str]] = field(default_factory=list)
    probes: int = 0
    config: Json | None = None
    config_delay_s: float = 0.0
    config_wanted: asyncio.Event | None = None
    behave: Behave | None = None
    probe_status: int = 200
    probe_delay_s: float = 0.0
    tokens: list[str | None] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self.last_request: Any = None
        self._news = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._held: socket.socket | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def chunks(self) -> list[Json]:
        return [body for _, body in self.requests if not body["end_sentence"]]

    @property
    def ends(self) -> list[Json]:
        return [body for _, body in self.requests if body["end_sentence"]]

    async def start(self) -> None:
        app = web.Application(client_max_size=8 << 20)
        app.router.add_post("/api/transcribe", self._transcribe)
        app.router.add_get("/voice_config", self._config)
        app.router.add_route("HEAD", "/", self._probe)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        if self._held is None:
            # Bound and not listening it keeps the port from others while nobody listens there.
            self._held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._held.bind(("127.0.0.1", 0))
            self.port = self._held.getsockname()[1]
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_port=True).start()

    async def stop(self) -> None:
        """Refuses connections and breaks those that are open; start() is back on the same port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def close(self) -> None:
        """For good."""
        await self.stop()
        if self._held is not None:
            self._held.close()

    async def wait(self, there: Callable[[], bool], timeout_s: float = 20.0) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not there():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            shown = [body | {"audio": body["audio"] and len(body["audio"])} for _, body in self.requests]
            raise AssertionError(f"it never came; there were {shown}") from None

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        at_s = time.monotonic()
        body, self.last_request = await request.json(), request
        before = len(self.requests)
        self.requests.append((at_s, body))
        self.keys.append(request.headers.get("Idempotency-Key"))
        self.tokens.append(request.headers.get("Authorization"))
        self._news.set()
        return await (self.behave or documented)(body, before)

    async def _config(self, request: web.Request) -> web.StreamResponse:
        self.config_asks.append(dict(request.query))
        self.tokens.append(request.headers.get("Authorization"))
        self._news.set()
        await asyncio.sleep(self.config_delay_s)
        if self.config_wanted is not None:
            await self.config_wanted.wait()
        if self.config is None:
            return web.json_response({"success": False, "error": "no such station", "data": None})
        return web.json_response({"success": True, "search_method": "ip_address", "data": self.config})

    async def _probe(self, request: web.Request) -> web.StreamResponse:
        self.probes += 1
        self.tokens.append(request.headers.get("Authorization"))
        self._news.set()
        await asyncio.sleep(self.probe_delay_s)
        return web.Response(status=self.probe_status)


async def documented(body: Json, before: int) -> web.StreamResponse:
    """As the contract says: chunks are acknowledged, the end signal is answered."""
    if not body["end_sentence"]:
        return acknowledge(body)
    return reply(body)


def acknowledge(body: Json) -> web.Response:
    received = {"chunk_received": body["chunk_number"], "message": "processing"}
    return web.json_response({"status": "processing", "call_id": body["call_id"], **received})


def reply(body: Json, text: str = "What time?", words: str = "tomorrow please", *, go_on: bool = True) -> web.Response:
    found = {
        "status": "success",
        "call_id": body["call_id"],
        "transcription": words,
        "response": text,
        "continue": go_on,
        "processing_time_ms": 12,
        "chunks": [{"chunk_number": body["chunk_number"], "transcription": words}],
    }
    return web.json_response(found)


def raw(text: str, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(text=text, status=status, headers=headers)


@asynccontextmanager
async def stand_in(**how: Any) -> AsyncIterator[StandIn]:
    vps = StandIn(**how)
    await vps.start()
    try:
        yield vps
    finally:
        await vps.close()
