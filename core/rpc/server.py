"""The sockets: makes them, lets peers in by what the kernel says of them, and runs one session each."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable

from core.config import SocketConfig, default_socket_path
from core.errors import Forbidden, LimitExceeded
from core.log import Log
from core.rpc.access import Access, PeerId, peer_of
from core.rpc.context import Core
from core.rpc.dispatch import Dispatcher
from core.rpc.feed import Subscription, View
from core.rpc.legacy import LEGACY_MAX_BYTES, LegacyAnswerer, legacy_dialect
from core.rpc.legacy_files import SpokenFiles
from core.rpc.legacy_view import LegacyView
from core.rpc.listen import Listener, ListenError, listen
from core.rpc.methods import Registry, load
from core.rpc.pipe import Pipe
from core.rpc.replies import Wanted, parse_json, public_error, read_element
from core.rpc.session import Dialect, Session
from core.rpc.view import EventEncoder, ScopedView
from core.rpc.wire import Framing

__all__ = ["ListenError", "Server"]

ACCEPT_PAUSE_S = 0.2
"""After a failed accept (no file descriptors left): other connections have to end first."""

UNKNOWN_PEER_S = 5.0
"""An unknown peer gets its error in answer to its first message; this is how long that may take."""

TURNED_AWAY_MAX = 50
"""Connections over max_connections that may wait for their error; those beyond are closed without a word."""

_GREETINGS = {"facts": Subscription(), "all": Subscription(moments=True)}

log = Log("rpc")


class Server:
    """`listen()` (or ListenError), then `run()` until cancelled; the sockets are gone afterwards.

    methods: what is served, by default all of core/rpc/api. identify: asks the kernel who a peer is.
    """

    def __init__(
        self,
        core: Core,
        *,
        methods: Registry | None = None,
        sockets: tuple[SocketConfig, ...] | None = None,
        identify: Callable[[socket.socket], PeerId] = peer_of,
    ) -> None:
        self._core = core
        core.methods = load() if methods is None else methods
        self._sockets = sockets or core.config.rpc.socket or (SocketConfig(path=os.fspath(default_socket_path())),)
        self._identify = identify
        self._access = Access(core.config.access)
        self._dispatcher = Dispatcher(core.methods)
        self._encoder = EventEncoder()
        self._listeners: list[Listener] = []
        self._spoken: list[SpokenFiles] = []
        self._connections = 0

    @property
    def paths(self) -> list[str]:
        """Where it listens."""
        return [os.fspath(listener.path) for listener in self._listeners]

    def listen(self) -> None:
        """Makes all sockets; clients can connect from here on, and are served once `run` runs. All or none."""
        try:
            for config in self._sockets:
                self._listeners.append(listen(config))
        except BaseException:
            self._close()
            raise

    async def run(self) -> None:
        """Serves until cancelled; then closes the connections and removes the sockets."""
        if not self._listeners:
            self.listen()
        try:
            async with asyncio.TaskGroup() as group:
                for listener in self._listeners:
                    dialect = self._dialect(listener.config)
                    group.create_task(self._accept(group, listener, dialect), name=f"rpc.accept {listener.path}")
                    log.info("listening", path=listener.path, events=listener.config.events)
        finally:
            self._close()

    def _close(self) -> None:
        while self._listeners:
            self._listeners.pop().close()
        while self._spoken:
            self._spoken.pop().remove()

    def _dialect(self, config: SocketConfig) -> Dialect:
        if config.events == "legacy":
            self._spoken.append(SpokenFiles(config))
            return legacy_dialect(LegacyAnswerer(self._core.methods, config.path, self._spoken[-1]))
        return Dialect(self._dispatcher, read_element, _GREETINGS.get(config.events))

    async def _accept(self, group: asyncio.TaskGroup, listener: Listener, dialect: Dialect) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener.sock)
            except OSError as problem:
                log.error("accept failed", path=listener.path, reason=problem.strerror)
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            if self._connections >= self._core.config.rpc.max_connections + TURNED_AWAY_MAX:
                sock.close()
                continue
            group.create_task(self._serve(sock, listener.config, dialect), name="rpc.session")

    async def _serve(self, sock: socket.socket, config: SocketConfig, dialect: Dialect) -> None:
        pipe = self._pipe(config)
        self._connections += 1
        room = self._connections <= self._core.config.rpc.max_connections
        try:
            peer = self._identify(sock)
            await asyncio.get_running_loop().connect_accepted_socket(lambda: pipe, sock)
            await self._admit(pipe, peer, config, dialect, room)
        except OSError as problem:  # gone between its connect and here
            log.debug("connection lost", reason=problem.strerror)
        except Exception:  # one session's mistake must not end the others
            log.exception("session failed")
        finally:
            self._connections -= 1
            pipe.abort()
            sock.close()

    def _pipe(self, config: SocketConfig) -> Pipe:
        rpc = self._core.config.rpc
        if config.events == "legacy":
            return Pipe(Framing.LENGTH, LEGACY_MAX_BYTES, rpc.unread_bytes)
        return Pipe(Framing(config.framing), rpc.max_message_bytes, rpc.unread_bytes)

    async def _admit(self, pipe: Pipe, peer: PeerId, config: SocketConfig, dialect: Dialect, room: bool) -> None:
        scopes = self._access.scopes(peer)
        if not scopes:
            log.warning("peer refused", uid=peer.uid, pid=peer.pid, path=config.path)
            await _turn_away(
                pipe, Forbidden("Your user and groups have no scope here. [access] of core.toml grants them.")
            )
        elif not room:
            log.warning("connection refused: too many", uid=peer.uid, pid=peer.pid, path=config.path)
            await _turn_away(pipe, LimitExceeded("Too many connections.", retry_after_s=1.0))
        else:
            view: View = ScopedView(self._encoder, scopes)
            if config.events == "legacy":
                view = LegacyView(self._core.bus, scopes)
            await Session(self._core, self._core.sessions.new_id(), pipe, peer, scopes, dialect, view).run()


async def _turn_away(pipe: Pipe, problem: Forbidden | LimitExceeded) -> None:
    """Answers the first message with the error, in its framing and under its id, and closes."""
    identity = None
    with contextlib.suppress(TimeoutError, ValueError):
        async with asyncio.timeout(UNKNOWN_PEER_S):
            message = await pipe.receive()
        element = read_element(parse_json(message)) if message is not None else None
        identity = element.id if isinstance(element, Wanted) else None
    pipe.send(public_error(identity, problem))
    await pipe.close()
