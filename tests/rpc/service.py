"""A server as in life (real sockets, real store, real event methods) with a few methods of its own to play with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from core.config import Config, SocketConfig
from core.errors import LineBusy
from core.events import CallIncoming, CallLevel, Event, Scope
from core.rpc.access import PeerId, peer_of
from core.rpc.api import events as _events
from core.rpc.context import Core
from core.rpc.methods import METHODS, Registry, Request, method
from core.rpc.server import Server
from core.store.store import Store
from tests.rpc.client import Client
from tests.rpc.schema import ProtocolSchema

TEST_METHODS: Registry = {name: spec for name, spec in METHODS.items() if spec.handler.__module__ == _events.__name__}


class EchoParams(Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(max_length=2_000_000)]
    count: Annotated[int, Meta(ge=0)] = 1
    nested: list[dict[str, int]] = msgspec.field(default_factory=list)


class Echo(Struct, frozen=True):
    text: str


class CountParams(Struct, frozen=True, forbid_unknown_fields=True):
    count: int = 1


class FactsParams(Struct, frozen=True, forbid_unknown_fields=True):
    count: int = 1
    hold: bool = False


class Counted(Struct, frozen=True):
    count: int


@dataclass
class Waits:
    """Requests that wait, so that tests can see them begin and end."""

    begun: int = 0
    cancelled: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


WAITS: dict[int, Waits] = {}


@method("test.echo", into=TEST_METHODS, aliases=("echo",))
async def echo(request: Request, params: EchoParams) -> Echo:
    """Give back what came, some times over."""
    return Echo(params.text * params.count)


@method("test.incoming", facts=True, errors=(LineBusy,), into=TEST_METHODS)
async def incoming(request: Request, params: FactsParams) -> Counted:
    """Write facts, then answer (with hold: once the test lets go)."""
    for number in range(params.count):
        await tell(request.core.store, CallIncoming(line="sim", call_id="call_1_aaaa", number=f"+4477009{number:05d}"))
    if params.hold:
        await WAITS[id(request.core)].go_on.wait()
    return Counted(params.count)


@method("test.wait", into=TEST_METHODS)
async def wait(request: Request, params: CountParams) -> Counted:
    """Wait until the test lets go."""
    waits = WAITS[id(request.core)]
    waits.begun += 1
    waits.changed.set()
    try:
        await waits.go_on.wait()
    except asyncio.CancelledError:
        waits.cancelled += 1
        waits.changed.set()
        raise
    return Counted(params.count)


@method("test.admin", scope=Scope.ADMIN, into=TEST_METHODS)
async def admin(request: Request, params: CountParams) -> Counted:
    """Only for administrators."""
    return Counted(params.count)


@method("test.busy", errors=(LineBusy,), into=TEST_METHODS)
async def busy(request: Request, params: CountParams) -> Counted:
    """Fail in a way that a client can act on."""
    raise LineBusy(retry_after_s=2.5)


@method("test.broken", into=TEST_METHODS)
async def broken(request: Request, params: CountParams) -> Counted:
    """Fail in a way that nobody foresaw."""
    raise ZeroDivisionError("a secret of ours")


async def tell(store: Store, happened: Event) -> int:
    """Writes one fact; gives its seq."""
    await store.write(lambda tx: tx.fact(happened))
    return store.head_seq


def level(number: float) -> CallLevel:
    """A moment."""
    return CallLevel(line="sim", call_id="call_1_aaaa", downlink_dbfs=number, uplink_dbfs=-90.0)


@dataclass
class Running:
    """A server that runs, and what tests need of it."""

    core: Core
    path: Path
    schema: ProtocolSchema
    waits: Waits
    clients: list[Client] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.core.store

    async def client(self, framing: str = "lines", path: Path | None = None) -> Client:
        client = await Client.connect(path or self.path, self.schema, framing)
        self.clients.append(client)
        return client

    async def raw(self, path: Path | None = None) -> Client:
        """A client that checks nothing; its reader and writer are for bytes."""
        client = await Client.connect(path or self.path)
        self.clients.append(client)
        return client

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for something that has no event of its own to wait for."""
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def serving(
    directory: Path,
    *,
    config: dict[str, Any] | None = None,
    identify: Callable[[Any], PeerId] = peer_of,
    ring_events: int | None = None,
    methods: Registry | None = None,
) -> AsyncIterator[Running]:
    """One server in `directory`; the first socket is core.sock unless config names others."""
    from core.bus import Bus

    path = directory / "core.sock"
    raw = config or {}
    sockets = raw.setdefault("rpc", {}).setdefault("socket", [{"path": str(path)}])
    parsed = msgspec.convert(raw, Config)
    store = await Store.open(directory / "dialtone.db")
    if ring_events is not None:
        store.bus = Bus(store.head_seq, ring_events)
    core = Core(config=parsed, store=store)
    waits = WAITS[id(core)] = Waits()
    methods = methods or TEST_METHODS
    server = Server(core, methods=methods, identify=identify)
    running = Running(core, Path(SocketConfig(**sockets[0]).path), ProtocolSchema.of(methods), waits)
    server.listen()
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(server.run())
            try:
                yield running
            finally:
                for client in running.clients:
                    await client.close()
                task.cancel()
    finally:
        del WAITS[id(core)]
        await store.close()
