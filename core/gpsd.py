"""Fixes of one line for gpsd's clients: its JSON protocol over TCP, on loopback only, when gpsd_port is set.

The receiver is not switched on by a client; that is gnss = true or location.start. Whoever can log in to this machine
can read here, as with gpsd itself, which is why nothing listens unless it is configured.
"""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable

from core import gpsd_words as words
from core.clock import rfc3339
from core.line import LineFix
from core.log import Log

HOST = "127.0.0.1"
MAX_CLIENTS = 16
"""More are hung up on. gpsd itself takes 64 in all."""

UNREAD_BYTES = 64 * 1024
"""What may wait for one client, minutes of fixes; a slower one is dropped."""

REQUEST_BYTES = 4096
"""The longest request; gpsd takes 1024. Who sends more without an end is hung up on."""

RETRY_S = 10.0
"""A port that somebody else has, a gpsd most likely, is tried again."""

log = Log("gpsd")

Trouble = Callable[[str | None], Awaitable[None]]
"""Told why the port can't be had, and None once it is."""


class GpsdServer:
    """`run` serves for ever; `tell` passes a fix on. now: the line's last position, None while positioning is off."""

    def __init__(self, line: str, port: int, now: Callable[[], LineFix | None]) -> None:
        self.path = f"dialtone:{line}"
        self.clients: set[_Client] = set()
        self.now = now
        self._line = line
        self._port = port
        self._activated: str | None = None

    async def run(self, trouble: Trouble) -> None:
        loop = asyncio.get_running_loop()
        told: str | None = None
        while True:
            try:
                server = await loop.create_server(lambda: _Client(self), HOST, self._port)
            except OSError as problem:
                reason = f"Port {self._port} for gpsd's clients can't be opened: {_words(problem)}."
                if told != reason:
                    log.error("the port can't be opened", line=self._line, port=self._port, reason=_words(problem))
                    await trouble(reason)
                told = reason
                await asyncio.sleep(RETRY_S)
                continue
            try:
                await trouble(None)
                log.info("listening", line=self._line, port=self._port)
                await server.serve_forever()
            finally:
                server.close()
                for client in tuple(self.clients):
                    client.drop()

    def tell(self, fix: LineFix) -> None:
        """To all that watch."""
        for client in tuple(self.clients):
            if client.watches is not None:
                client.say(words.tpv(self.path, fix), words.sky(self.path, fix))

    def since(self) -> str | None:
        """When the receiver was first seen on; None while it is off."""
        if self.now() is None:
            self._activated = None
        elif self._activated is None:
            self._activated = rfc3339()
        return self._activated


class _Client(asyncio.Protocol):
    """One connection. Everything is answered at once, so it needs no task."""

    def __init__(self, server: GpsdServer) -> None:
        self.watches: words.Watching | None = None
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._server.clients) >= MAX_CLIENTS:
            self.drop()
            return
        self._server.clients.add(self)
        self.say(words.VERSION)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.clients.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        # Clients end requests with ; or a new line, or both.
        *asked, self._rest = re.split(rb"[;\r\n]", self._rest + data)
        for text in asked:
            if text.strip():
                self._answer(*words.request(text.strip().decode("utf-8", "replace")))
        if len(self._rest) > REQUEST_BYTES:
            self.drop()

    def say(self, *objects: words.Json) -> None:
        """Never waits: a client that leaves too much unread is dropped."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(words.encoded(*objects))
        if self._transport.get_write_buffer_size() > UNREAD_BYTES:
            log.info("a client was too slow and is dropped")
            self.drop()

    def drop(self) -> None:
        self._server.clients.discard(self)
        if self._transport is not None:
            self._transport.abort()

    def _answer(self, word: str, argument: str | None) -> None:
        server = self._server
        match word:
            case "VERSION":
                self.say(words.VERSION)
            case "DEVICES":
                self.say(words.devices(server.path, server.since()))
            case "DEVICE":
                self.say(words.device(server.path, server.since()))
            case "POLL":
                self.say(words.poll(server.path, server.now(), rfc3339()))
            case "WATCH":
                self._watch(argument)
            case _:
                self.say(words.error("Unrecognized request"))

    def _watch(self, argument: str | None) -> None:
        """Without an argument it only asks. With one, what is known of the position comes at once."""
        if argument is None:
            self.say(words.watch(self.watches))
            return
        server, wanted = self._server, words.watching(argument)
        if wanted is None:
            self.say(words.error("Invalid WATCH"))
            return
        ours = wanted.enable and wanted.json is not False and wanted.device in (None, server.path)
        self.watches = wanted if ours else None
        self.say(words.devices(server.path, server.since()), words.watch(self.watches))
        if self.watches is not None and (fix := server.now()) is not None:
            self.say(words.tpv(server.path, fix), words.sky(server.path, fix))


def _words(problem: OSError) -> str:
    """asyncio writes the address into strerror, which the reader knows."""
    return os.strerror(problem.errno) if problem.errno else str(problem)
