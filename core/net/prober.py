"""Looks at one link: ICMP echo, a web page without content, a name; each bound to the link's interface, so that it is
this link that answers, whichever one carries the traffic. core/net/verdict.py says what it means."""

import socket
import time
from collections.abc import Iterable
from pathlib import Path

from core.config import NetConfig
from core.events import NetVerdict
from core.log import Log
from core.net.http_probe import Page
from core.net.look import Look
from core.net.types import Link, Probe
from core.net.verdict import Web, detail, final, judge

_STOOD_STILL_S = 0.5
"""So much too late ends a look when this process (a busy machine) did not get to it: answers were not heard."""

_MOST_INTERFACES = 16
_MOST_ADDRESSES = 4
_ROUTES = Path("/proc/thread-self/net/route")
_DEFAULT_MASKS = ("00000000", "00000080")  # /0, and the /1 of dialtone-helper's halves, as the file writes it

_log = Log("net.probe")


class Prober:
    """Any number of looks at once; each has at most 14 sockets open, and sends at most about 3 kB."""

    def __init__(self, config: NetConfig) -> None:
        self._config = config
        self._page = Page.of(config.http_url)
        self._pages = _Memory()  # addresses of the page's host
        self._servers = _Memory()  # name servers that have answered
        if config.http_url and self._page is None:
            _log.warning("http_url names no page that can be asked for; links are probed without it")

    async def probe(
        self, link: Link, *, timeout_s: float, thorough: bool = True, addresses: tuple[str, ...] | None = None
    ) -> Probe:
        """One look, at most timeout_s long (and 0.2 s); it ends as soon as nothing could change the verdict. And
        another one where this process stood still in the middle of it: that is no silence of the link.

        thorough False: ICMP alone, for a link whose bytes cost money; all of it where there is nothing to ping.
        addresses: instead of [net] ping. Raises nothing; may be cancelled at any moment. A default route of ours is as
        good as the link's own.
        """
        if (missing := _missing(link)) is not None:
            return Probe(link.interface, NetVerdict.NO_LINK, missing)
        pinged = addresses or self._config.ping
        thorough = thorough or not pinged
        began_s = time.monotonic()
        look = await self._look(link, timeout_s, pinged, thorough)
        verdict = judge(look.seen) or final(look.seen)
        if verdict is not NetVerdict.OK and time.monotonic() - began_s > timeout_s + _STOOD_STILL_S:
            look = await self._look(link, timeout_s, pinged, thorough)
            verdict = judge(look.seen) or final(look.seen)
        if verdict is NetVerdict.DOWN and not _exists(link):
            return Probe(link.interface, NetVerdict.NO_LINK, f"{link.interface} is gone")
        return Probe(link.interface, verdict, detail(look.seen), look.rtt_ms)

    async def _look(self, link: Link, timeout_s: float, pinged: tuple[str, ...], thorough: bool) -> Look:
        look = Look(link, timeout_s, pinged, self._servers.of(link.interface))
        page, name = (self._page, self._config.dns_name) if thorough else (None, "")
        await look.run(page, self._pages.of(link.interface), name, by_tcp=thorough)
        self._servers.add(link.interface, look.spoke)
        if look.seen.web is Web.NO_CONTENT:  # a portal's own address would be a portal anywhere
            self._pages.add(link.interface, look.page_addresses)
        return look


class _Memory:
    """Addresses by interface, the last few; the oldest go first."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, None]] = {}

    def of(self, interface: str) -> tuple[str, ...]:
        return tuple(self._of.get(interface, ()))

    def add(self, interface: str, addresses: Iterable[str]) -> None:
        if not addresses:
            return
        mine = dict.fromkeys((*addresses, *self._of.pop(interface, ())))
        self._of[interface] = dict.fromkeys(tuple(mine)[:_MOST_ADDRESSES])
        if len(self._of) > _MOST_INTERFACES:
            del self._of[next(iter(self._of))]


def _missing(link: Link) -> str | None:
    """Why nothing can be sent over it."""
    if not link.up:
        return f"{link.interface} is down"
    if not link.carrier:
        return f"{link.interface} has no carrier"
    if not link.addresses:
        return f"{link.interface} has no address"
    if link.metric is None and not _has_default_route(link.interface):
        # Bound to a device without a route the kernel would look for 8.8.8.8 in the neighbourhood.
        return f"{link.interface} has no default route"
    return None


def _has_default_route(interface: str) -> bool:
    """Of ours, too, which link.metric leaves out. proc(5): Iface Destination Gateway Flags RefCnt Use Metric Mask …"""
    try:
        lines = _ROUTES.read_text("ascii").splitlines()
    except OSError:
        return True  # no /proc: the look itself will tell
    fields = (line.split() for line in lines)
    return any(f[0] == interface and f[1] == "00000000" and f[7] in _DEFAULT_MASKS for f in fields if len(f) > 7)


def _exists(link: Link) -> bool:
    try:
        return socket.if_nametoindex(link.interface) == link.index
    except OSError:
        return False
