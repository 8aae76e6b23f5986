"""What the network service tells the world, in order: facts, links at most once a second, alarms as they are wanted."""

import asyncio
from collections import deque
from time import monotonic

from core.errors import PublicError
from core.events import Event, NetChanged, NetLink
from core.log import Log
from core.net.types import Links
from core.registry import ClientRegistry
from core.store.store import Store

LINKS_EVERY_S = 1.0
FACTS_WAITING = 200
"""Facts that a slow disk holds up; the oldest goes first, and net.status has how things are."""

_log = Log("net")


class Teller:
    """`run` writes; the rest only notes what there is to write, and never waits."""

    def __init__(self, store: Store, clients: ClientRegistry) -> None:
        self._store = store
        self._clients = clients
        self._facts: deque[Event] = deque(maxlen=FACTS_WAITING)
        self._links: Links | None = None
        self._told_links: object = None
        self._next_links_s = 0.0
        self._alarms: dict[str, tuple[str, str] | None] = {}
        self._raised: dict[str, tuple[str, str] | None] = {}
        self._wake = asyncio.Event()

    def fact(self, happened: Event) -> None:
        self._facts.append(happened)
        self._wake.set()

    def links(self, links: Links) -> None:
        self._links = links
        self._wake.set()

    def alarm(self, name: str, text: str | None, severity: str = "warning") -> None:
        """Raised with its text, or over with None."""
        wanted = None if text is None else (text, severity)
        if self._alarms.get(name) != wanted:
            self._alarms[name] = wanted
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            wait_s = None if self._links is None else max(0.0, self._next_links_s - monotonic())
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Writes what there is. A disk that refuses is logged: the next fact is as important."""
        while self._facts:
            await self._write(self._facts.popleft())
        if self._links is not None and monotonic() >= self._next_links_s:
            await self._tell_links(self._links)
        for name, wanted in list(self._alarms.items()):
            if self._raised.get(name) != wanted:
                await self._tell_alarm(name, wanted)

    async def _tell_links(self, links: Links) -> None:
        self._links = None
        shown = (links.primary, links.links)
        if shown == self._told_links:
            return
        self._told_links, self._next_links_s = shown, monotonic() + LINKS_EVERY_S
        found = [
            NetLink(interface=link.interface, kind=link.kind.value, carrier=link.carrier, usable=link.usable)
            for link in links.links
        ]
        await self._write(NetChanged(primary=links.primary, links=found))

    async def _tell_alarm(self, name: str, wanted: tuple[str, str] | None) -> None:
        text, severity = wanted or (None, "warning")
        try:
            await self._clients.core_alarm(name, text, severity)
            self._raised[name] = wanted
        except PublicError as problem:
            _log.error("an alarm was not written", alarm=name, kind=problem.kind)

    async def _write(self, happened: Event) -> None:
        try:
            await self._store.write(lambda tx: tx.fact(happened))
        except PublicError as problem:
            _log.error("a fact of the internet connection was not written", kind=problem.kind)
