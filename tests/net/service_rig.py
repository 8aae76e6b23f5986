"""The network service in this process, with its own machine, tasks and store. Only the kernel, probes, modem and helper
are stood in for, at the seams that core/net/types.py and the helper's protocol draw."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from core.bus import Published
from core.config import Config, LineConfig, NetConfig
from core.errors import NetUnavailable
from core.events import NetVerdict
from core.line import LineData
from core.net.helper_client import HelperClient
from core.net.types import BearerFailed, BearerUp, DataAccess, Link, LinkKind, Links, Probe
from core.net.wifi import Wifi
from core.network import NetworkService
from core.network_parts import NetParts
from core.registry import ClientRegistry
from core.store.store import Store

ETH0 = Link("eth0", 2, LinkKind.ETHERNET, True, True, ("192.168.77.10/24",), "192.168.77.1", 100)
QUICK = NetConfig(
    enabled=True, every_s=1.0, fail_count=2, back_count=2, settle_s=0.05, hold_backup_s=0.3, hold_primary_s=0.3,
    retry_s=(0.1, 0.5), priority_timeout_s=0.3, ping_timeout_s=0.3,
)  # fmt: skip


class HelperSocket:
    """The helper's side of its socket: answers as it is told to, and keeps what it was asked."""

    def __init__(self, path: Path, watch: "Watched") -> None:
        self.path = path
        self.asked: list[tuple[float, dict[str, Any]]] = []
        self.refuse: dict[str, str] = {}
        """verb: trouble."""
        self.hangs: set[str] = set()
        """Verbs that are never answered."""
        self._watch = watch
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self.path.unlink(missing_ok=True)
        self._server = None

    def verbs(self) -> list[str]:
        """ "route+" and "route-", and the like."""
        return [_named(request) for _, request in self.asked]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            self.asked.append((monotonic(), request))
            if request["verb"] in self.hangs:
                await reader.read()
                return
            trouble = self.refuse.get(request["verb"])
            answer: dict[str, Any] = {"ok": True, "undone": []}
            if trouble is not None:
                answer = {"error": f"it says {trouble}", "trouble": trouble}
            elif request["verb"] == "route":
                self._watch.ours(request["interface"] if request["add"] else None)
            elif request["verb"] == "recover":
                self._watch.ours(None)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        finally:
            writer.close()


def _named(request: dict[str, Any]) -> str:
    sign = next((request[key] for key in ("add", "set") if key in request), None)
    return str(request["verb"]) + ("" if sign is None else "+" if sign else "-")


@dataclass
class Watched:
    """The kernel's links, as a LinkWatch tells them."""

    snapshot: Links = field(default_factory=lambda: Links((ETH0,), "eth0", "eth0"))
    bytes: dict[str, int] = field(default_factory=dict)
    break_next: bool = False

    def __post_init__(self) -> None:
        self._tell: Callable[[Links], None] | None = None
        self._broken = asyncio.Event()
        self.lives = self.looked_again = 0

    async def run(self, on_change: Callable[[Links], None]) -> None:
        self.lives += 1
        self._tell = on_change
        on_change(self.snapshot)
        await self._broken.wait()
        self._broken.clear()
        raise OSError("netlink is gone")

    def look_again(self) -> None:
        self.looked_again += 1

    def fall(self) -> None:
        self._broken.set()

    async def counters(self, interface: str) -> tuple[int, int] | None:
        return (self.bytes[interface], 0) if interface in self.bytes else None

    def show(self, links: Links) -> None:
        self.snapshot = links
        if self._tell is not None:
            self._tell(links)

    def ours(self, interface: str | None) -> None:
        now = self.snapshot
        self.show(Links(now.links, now.primary, interface or now.primary, (interface,) if interface else (), now.dns))

    def link(self, *links: Link, primary: str | None = "eth0") -> None:
        now = self.snapshot
        self.show(Links(links, primary, now.default, now.ours))


@dataclass
class Probes:
    """What is found over each interface. answer: None raises."""

    verdicts: dict[str, NetVerdict | None] = field(default_factory=lambda: {"eth0": NetVerdict.OK})
    made: list[tuple[str, float, bool]] = field(default_factory=list)
    takes_s: float = 0.01
    says: str = ""

    async def probe(
        self, link: Link, *, timeout_s: float, thorough: bool = True, addresses: tuple[str, ...] | None = None
    ) -> Probe:
        self.made.append((link.interface, timeout_s, thorough))
        await asyncio.sleep(self.takes_s)
        verdict = self.verdicts.get(link.interface, NetVerdict.OK)
        if verdict is None:
            raise RuntimeError("the prober broke")
        return Probe(link.interface, verdict, self.says or f"{link.interface} is {verdict}", 1.0)


@dataclass
class Modem:
    """The modem's data, as a Bearer."""

    watch: Watched
    trouble: BearerFailed | None = None
    starts: list[float] = field(default_factory=list)
    downs: int = 0
    up_now: bool = False
    living: bool = True
    takes_s: float = 0.01
    came_up_s: float = 0.0
    access: DataAccess | None = None

    @property
    def kind(self) -> str:
        return "qmi"

    @property
    def interface(self) -> str | None:
        return "wwan0"

    async def up(self, access: DataAccess) -> BearerUp:
        self.access = access
        self.starts.append(monotonic())
        await asyncio.sleep(self.takes_s)
        if self.trouble is not None:
            raise self.trouble
        self.up_now = True
        now = self.watch.snapshot
        wwan = Link("wwan0", 9, LinkKind.WWAN, True, True, ("10.64.0.2/30",))
        self.watch.show(Links((ETH0_OR(now), wwan), now.primary, now.default, now.ours))
        self.came_up_s = monotonic()
        return BearerUp("wwan0", "10.64.0.2/30", "10.64.0.1", ("10.64.0.1",))

    async def down(self) -> None:
        self.downs += 1
        self.up_now = False
        now = self.watch.snapshot
        kept = tuple(link for link in now.links if link.interface != "wwan0")
        self.watch.show(Links(kept, now.primary, now.default, ()))

    async def alive(self) -> bool:
        return self.living

    async def renew(self) -> None:
        return


def ETH0_OR(links: Links) -> Link:  # noqa: N802
    return links.named("eth0") or ETH0


@dataclass
class OneLine:
    """As much of a line as data needs."""

    name: str = "sim"
    data: LineData = field(default_factory=lambda: LineData("internet", "pap", "me", "secret"))


class Rig:
    """Made by `service()`."""

    def __init__(self, directory: Path, config: NetConfig, store: Store) -> None:
        self.store = store
        self.clients = ClientRegistry(store)
        self.watch = Watched()
        self.probes = Probes()
        self.modem = Modem(self.watch)
        self.helper = HelperSocket(directory / "h", self.watch)
        self.directory = directory / "net"
        self._seen: list[Published] = []
        self._place = store.bus.next_index

        def parts(_service: NetworkService) -> NetParts:
            return NetParts(
                helper=HelperClient(self.helper.path), watch=self.watch, prober=self.probes, vpn=None, bus=None,
                no_bus="none in tests", wifi=Wifi(None), make_bearer=lambda: self.modem,
            )  # fmt: skip

        lines: dict[str, Any] = {"sim": OneLine()}
        self.network = NetworkService(
            Config(net=config, line={"sim": LineConfig()}),
            store,
            lines,
            self.clients,
            parts=parts,
            directory=self.directory,
        )

    def events(self, topic: str) -> list[dict[str, Any]]:
        """All since the begin."""
        while (event := self.store.bus.get(self._place)) is not None:
            self._seen.append(event)
            self._place += 1
        return [event.params for event in self._seen if event.spec.topic == topic]

    @property
    def states(self) -> list[str]:
        told = self.events("net.failover")
        return [params["state"] for params in told if params["state"] != params["from_state"]]

    @property
    def alarms(self) -> set[str]:
        return {alarm.alarm for alarm in self.clients.alarms}

    async def until(self, there: Callable[[], bool], timeout_s: float = 40.0) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not there():  # noqa: ASYNC110 - several tasks change it
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"{self.states=} {self.alarms=} {self.helper.verbs()=}") from None

    def living(self) -> bool:
        try:
            self.network.status()
        except NetUnavailable:
            return False
        return True

    async def reaches(self, state: str) -> None:
        await self.until(lambda: bool(self.states) and self.states[-1] == state)

    async def on_backup(self) -> None:
        self.probes.verdicts["eth0"] = NetVerdict.DOWN
        await self.reaches("backup")


@asynccontextmanager
async def service(
    directory: Path,
    config: NetConfig = QUICK,
    *,
    helper: bool = True,
    prepare: Callable[[Rig], None] = lambda rig: None,
    stop_s: float = 30.0,
) -> AsyncIterator[Rig]:
    """Running, and stopped at the end as the daemon does it, within stop_s. prepare: called before it runs."""
    store = await Store.open(directory / "store.db", journal_days=1, journal_events=1000)
    made = Rig(directory, config, store)
    prepare(made)
    try:
        if helper:
            await made.helper.start()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(made.network.run(), name="net")
            try:
                await made.until(made.living)
                yield made
            finally:
                await made.network.stop(stop_s)
                running.cancel()
    finally:
        await made.helper.stop()
        await store.close()
