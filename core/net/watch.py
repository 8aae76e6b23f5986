"""Follows the links: the kernel's news by netlink, NetworkManager's and the resolver's beside it, as one Links.

Nothing is polled. One task waits for the kernel; a change is told after a moment in which the rest of it arrives (an
interface that comes up makes a handful of messages), and while links flap at most ten times a second.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from core.config import NetConfig
from core.log import Log
from core.net.link_kind import kind_of
from core.net.links import LinkTable, Notes, Part
from core.net.netlink import ANSWER_S, NetlinkSocket, Overflow
from core.net.netlink_codec import DumpEnd, Interrupted, News, Refused
from core.net.nm import NmWatch
from core.net.primary import Chosen, PrimaryRule
from core.net.pyroute2_parts import message_classes
from core.net.resolver_info import ResolverInfo
from core.net.resolver_watch import ResolverWatch
from core.net.types import LinkKind, Links

GATHER_S = 0.02
"""The kernel's messages of one change come within a few milliseconds."""
LEAST_GAP_S = 0.1
"""Between two changes that are told."""
_DUMP_TRIES = 5
"""A dump that the kernel calls interrupted is made again."""
_RETRY_S = (0.1, 0.5, 2.0, 5.0)
"""Before a netlink socket is made anew; the last one for ever."""

_log = Log("net.links")


class LinkWatch:
    """`run` follows the links until it is cancelled; `snapshot` is how they are now."""

    def __init__(
        self,
        config: NetConfig,
        *,
        modem_interface: Callable[[], str | None] = lambda: None,
        nm: NmWatch | None = None,
        root: Path = Path("/"),
        buffer_bytes: int = 1 << 18,
    ) -> None:
        """modem_interface: the interface of the modem as far as it is known, asked at each change. nm: it is run here.
        root: where /sys, /etc/resolv.conf and /run are looked at."""
        self.snapshot = Links()
        self._rule = PrimaryRule(config.primary, config.never)
        self._modem_interface = modem_interface
        self._nm = nm
        self._sysfs = root / "sys"
        self._resolver = ResolverInfo(root)
        self._resolver_watch = ResolverWatch(lambda: self._resolver.folders)
        self._buffer_bytes = buffer_bytes
        self._table = LinkTable()
        self._primary: Chosen | None = None
        self._kinds: dict[tuple[int, str], LinkKind] = {}
        self._woken = asyncio.Event()
        self._told_at_s = 0.0

    async def run(self, on_change: Callable[[Links], None]) -> None:
        """Until it is cancelled. on_change is called on the event loop with the first snapshot and with each that
        differs from the one before."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._resolver_watch.run(self.look_again), name="net.resolver")
            if self._nm is not None:
                group.create_task(self._nm.run(self.look_again), name="net.nm")
            group.create_task(self._follow(on_change), name="net.links")

    def look_again(self) -> None:
        """Something outside the kernel has changed: names of connections, servers, the modem's interface."""
        self._woken.set()

    async def counters(self, interface: str) -> tuple[int, int] | None:
        """Bytes received and sent since the interface was made; None when there is no such interface. They fall to 0
        when it is made anew."""
        try:
            asked = NetlinkSocket(listen=False)
        except OSError as problem:
            _log.warning("no netlink socket", error=str(problem))
            return None
        try:
            return await asked.counters(interface)
        except (OSError, Overflow, TimeoutError, ValueError) as problem:
            _log.warning("counters were not told", interface=interface, error=str(problem))
            return None
        finally:
            asked.close()

    async def _follow(self, on_change: Callable[[Links], None]) -> None:
        await asyncio.to_thread(message_classes)  # a tenth of a second in which the event loop goes on
        failures = 0
        while True:
            started_s = time.monotonic()
            try:
                netlink = NetlinkSocket(buffer_bytes=self._buffer_bytes)
                try:
                    await self._listen(netlink, on_change)
                finally:
                    netlink.close()
            except Overflow:
                _log.info("the kernel had more news than its buffer takes; everything is looked at again")
                await asyncio.sleep(LEAST_GAP_S)
                continue
            except (OSError, TimeoutError, ValueError) as problem:
                failures = 0 if time.monotonic() - started_s > _RETRY_S[-1] else failures + 1
                _log.warning("netlink was lost and is opened again", error=str(problem) or type(problem).__name__)
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])

    async def _listen(self, netlink: NetlinkSocket, on_change: Callable[[Links], None]) -> None:
        """One life of a socket. After an overflow it is not used again: a dump that was under way may hang in it."""
        wanted = tuple(Part)
        while True:
            for part in wanted:
                await self._dump(netlink, part)
            self._tell(on_change)
            await netlink.readable_or(self._woken)
            self._woken.clear()
            await asyncio.sleep(max(GATHER_S, self._told_at_s + LEAST_GAP_S - time.monotonic()))
            self._apply(netlink.read())
            wanted = (Part.ROUTES,) if self._table.doubtful else ()

    async def _dump(self, netlink: NetlinkSocket, part: Part) -> None:
        """TimeoutError when the kernel does not answer; Overflow. News that come meanwhile are taken in as well."""
        async with asyncio.timeout(ANSWER_S):
            for _ in range(_DUMP_TRIES):
                self._table.begin(part)
                if await self._dumped(netlink, netlink.ask(part)):
                    self._table.end(part)
                    return
        _log.info("the kernel's tables change faster than they can be read", part=str(part))
        self._table.doubtful = False  # the next news will have it read again

    async def _dumped(self, netlink: NetlinkSocket, sequence: int) -> bool:
        """Whether the dump is whole."""
        whole = True
        while True:
            await netlink.readable()
            for answer in self._apply(netlink.read()):
                if answer.sequence != sequence:
                    continue  # of a dump that an overflow ended
                match answer:
                    case Interrupted():
                        whole = False
                    case DumpEnd():
                        return whole
                    case Refused(code=code):
                        raise OSError(code, os.strerror(code))

    def _apply(self, news: Iterable[News]) -> list[DumpEnd | Interrupted | Refused]:
        """Takes all of it into the table; what remains belongs to dumps."""
        answers: list[DumpEnd | Interrupted | Refused] = []
        for one in news:
            if isinstance(one, DumpEnd | Interrupted | Refused):
                answers.append(one)
            else:
                self._table.apply(one)
        return answers

    def _tell(self, on_change: Callable[[Links], None]) -> None:
        notes = self._notes()
        modem = self._modem_interface()
        self._primary = self._table.choose(self._rule, self._primary, modem, notes)
        self._resolver_watch.look()
        found = self._resolver.attributed(self._table.snapshot(self._primary, notes), self._resolver.read())
        if found != self.snapshot:
            self.snapshot = found
            on_change(found)
            self._told_at_s = time.monotonic()

    def _notes(self) -> Notes:
        """sysfs is asked once for each interface and name."""
        seen = {(link.index, link.name): link for link in self._table.links}
        self._kinds = {key: self._kinds.get(key) or kind_of(link, self._sysfs) for key, link in seen.items()}
        kinds = {index: kind for (index, _name), kind in self._kinds.items()}
        devices = self._nm.devices if self._nm is not None else {}
        return Notes(
            kinds=kinds,
            dns={name: device.dns for name, device in devices.items() if device.dns},
            connections={name: device.connection for name, device in devices.items() if device.connection},
        )
