"""One look at one link: its parts run beside each other, and it ends as soon as nothing could change the verdict."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from ipaddress import AddressValueError, IPv4Address, IPv4Interface
from typing import Any

from core.log import Log
from core.net.bound import connect, race
from core.net.dns_probe import resolve
from core.net.http_probe import Page, fetch
from core.net.icmp import Echo, echo
from core.net.types import Link
from core.net.verdict import Icmp, Names, Part, Seen, Web, judge

_TCP_PORT = 443
"""Of the addresses that are pinged: 8.8.8.8 and 1.1.1.1 accept it, and hardly a network keeps it in."""

_TCP_AFTER = 0.5
"""Of the time-out: when no echo has come by then, a connection is tried, too."""

_NAMES_UNTIL = 0.6
"""Of the time-out: when the page's host still has no address, the one that it had last is tried."""

_log = Log("net.probe")


class Look:
    """rtt_ms: of the first echo. page_addresses: of the page's host, when a name server told them. spoke: the name
    servers that answered. known: those that once did, over this link."""

    def __init__(self, link: Link, timeout_s: float, addresses: tuple[str, ...], known: tuple[str, ...]) -> None:
        self.seen = Seen()
        self.rtt_ms: float | None = None
        self.page_addresses: tuple[str, ...] = ()
        self.spoke: set[str] = set()
        self._interface = link.interface
        self._servers = tuple(server for server in link.dns if _can_be_bound(server))
        self._believed = any(server in known or _belongs(server, link) for server in self._servers)
        self._addresses = addresses
        self._timeout_s = timeout_s
        self._echoes_over = asyncio.Event()
        self._silence: dict[Part, str] = {}  # the texts of parts that are still waiting when the time is over

    async def run(self, page: Page | None, remembered: tuple[str, ...], name: str, *, by_tcp: bool) -> None:
        """page None, name "": not asked. remembered: addresses of the page's host for when no name server answers.
        by_tcp: connections are tried when echoes stay out, not only where they can't be sent."""
        parts: dict[Part, Callable[[], Coroutine[Any, Any, None]]] = {
            Part.ICMP: self._ask_echoes,
            Part.TCP: partial(self._ask_connections, by_tcp),
            Part.WEB: partial(self._ask_page, page, remembered),
            Part.NAMES: partial(self._ask_name, name),
        }
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        async with asyncio.TaskGroup() as group:
            running = {group.create_task(self._guard(part, work), name=f"net.{part}") for part, work in parts.items()}
            while running and judge(self.seen) is None and (left_s := deadline - loop.time()) > 0:
                _, running = await asyncio.wait(running, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            for task in running:
                task.cancel()
        if judge(self.seen) is None:
            self.seen.texts = self._silence | self.seen.texts
        if self.seen.names in (None, Names.FAILED) and not self._believed:
            self.seen.names = Names.SKIPPED
            self.seen.texts[Part.NAMES] = f"{', '.join(self._servers)} may be of another link and never answered here"

    async def _guard(self, part: Part, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A fault of ours in one part must not look like a fault of the link."""
        try:
            await work()
        except Exception:
            _log.exception("a part of a look at a link failed", part=part.value)
            self.seen.give_up(part)
            self._echoes_over.set()

    async def _ask_echoes(self) -> None:
        if not self._addresses:  # [net] ping may be empty: the page alone decides
            self.seen.icmp = Icmp.IMPOSSIBLE
            self._echoes_over.set()
            return
        self._silence[Part.ICMP] = f"no answer from {', '.join(self._addresses)}"
        tries = (echo(one, interface=self._interface, timeout_s=self._timeout_s) for one in self._addresses)
        results = await race(tries, lambda one: one.rtt_ms is not None, name="net.icmp.echo")
        last = results[-1]
        self.rtt_ms = last.rtt_ms
        self.seen.texts[Part.ICMP] = _echo_text(results)
        if last.rtt_ms is not None:
            self.seen.icmp = Icmp.ANSWERED
        else:
            self.seen.icmp = Icmp.SILENT if any(one.possible for one in results) else Icmp.IMPOSSIBLE
        self._echoes_over.set()

    async def _ask_connections(self, at_silence: bool) -> None:
        try:
            async with asyncio.timeout(self._timeout_s * _TCP_AFTER if at_silence else None):
                await self._echoes_over.wait()
        except TimeoutError:
            pass
        needless = self.seen.icmp is Icmp.ANSWERED or (self.seen.icmp is Icmp.SILENT and not at_silence)
        if needless or not self._addresses:
            self.seen.tcp = False
            return
        self._silence[Part.TCP] = f"no connection to {', '.join(self._addresses)}"
        results = await race((self._accepted(one) for one in self._addresses), bool, name="net.tcp.connect")
        self.seen.tcp = results[-1] is not None
        self.seen.texts[Part.TCP] = f"{results[-1]} accepts connections" if results[-1] else self._silence[Part.TCP]

    async def _accepted(self, address: str) -> str | None:
        try:
            (await connect(address, _TCP_PORT, interface=self._interface)).close()
        except OSError:
            return None
        return address

    async def _ask_page(self, page: Page | None, remembered: tuple[str, ...]) -> None:
        if page is None:
            self.seen.web = Web.SKIPPED
            return
        addresses = (page.address,) if page.address else await self._addresses_of(page.host, remembered)
        if not addresses:
            self.seen.web, self.seen.texts[Part.WEB] = Web.SKIPPED, f"{page.host} has no address to ask"
            return
        self._silence[Part.WEB] = f"{page.host} has no answer"
        self.seen.web, self.seen.texts[Part.WEB] = await fetch(page, addresses, interface=self._interface)

    async def _addresses_of(self, host: str, remembered: tuple[str, ...]) -> tuple[str, ...]:
        if not self._servers:
            return remembered
        timeout_s = self._timeout_s * (_NAMES_UNTIL if remembered else 1)
        found = await resolve(host, self._servers, interface=self._interface, timeout_s=timeout_s)
        if not found.answered or found.server is None:
            return remembered
        self.spoke.add(found.server)
        self.page_addresses = found.addresses
        if self.seen.names is not Names.SKIPPED:
            self.seen.names = Names.ANSWERED
        return found.addresses

    async def _ask_name(self, name: str) -> None:
        if not name or not self._servers:
            self.seen.names = Names.SKIPPED
            self.seen.texts[Part.NAMES] = f"no name server of {self._interface} is known" if name else ""
            return
        self._silence[Part.NAMES] = f"{name}: no answer from {', '.join(self._servers)}"
        found = await resolve(name, self._servers, interface=self._interface, timeout_s=self._timeout_s)
        self.seen.texts[Part.NAMES] = found.text
        if found.answered and found.server is not None:
            self.spoke.add(found.server)
            self.seen.names = Names.ANSWERED
        elif self.seen.names is None:
            self.seen.names = Names.FAILED


def _echo_text(results: list[Echo]) -> str:
    last = results[-1]
    if last.rtt_ms is not None:
        return f"{last.address} answered in {last.rtt_ms:.{0 if last.rtt_ms >= 10 else 1}f} ms"
    if not any(one.possible for one in results):
        return "no ICMP may be sent here"
    return "no answer from " + ", ".join(
        f"{one.address} ({one.problem})" if one.problem else one.address for one in results
    )


def _belongs(server: str, link: Link) -> bool:
    """A name server for everyone, or of the link's own network. One of some other private network may be the link's,
    but it may be that of a VPN as well, which resolv.conf does not tell: then its silence here says nothing."""
    return IPv4Address(server).is_global or any(
        IPv4Address(server) in IPv4Interface(address).network for address in link.addresses if ":" not in address
    )


def _can_be_bound(server: str) -> bool:
    """Not the stub of systemd-resolved (127.0.0.53), which asks whomever it likes, and not IPv6: while the backup
    carries the traffic, IPv6 has no route."""
    try:
        return not IPv4Address(server).is_loopback
    except AddressValueError:
        return False
