"""What the kernel has: links, addresses and routes, as `ip -json` tells them (iproute2, ip(8))."""

import json
from dataclasses import dataclass

from core.helper.programs import Programs
from core.helper.refused import Refused, Trouble

PROTOCOL = "219"
"""rtm_protocol of every route that the helper makes: in neither rt_protos nor FRR's list. ip -N, should that change."""

KERNEL = "2"
"""RTPROT_KERNEL of linux/rtnetlink.h: routes that come and go with their addresses."""

UNICAST = "1"
"""RTN_UNICAST of the same file."""


@dataclass(frozen=True, slots=True)
class KernelLink:
    interface: str
    index: int
    up: bool
    mtu: int


@dataclass(frozen=True, slots=True)
class KernelRoute:
    """interface is None for those without one."""

    to: str
    interface: str | None
    gateway: str | None
    metric: int


class Kernel:
    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def change(self, *words: str) -> None:
        """Refused with the kernel's words."""
        self._programs.must("ip", *words)

    def try_change(self, *words: str) -> bool:
        return self._programs.run("ip", *words).code == 0

    def link(self, interface: str) -> KernelLink | None:
        """None where there is none. A link that only has that as another name is none."""
        return next((each for each in self._links("dev", interface) if each.interface == interface), None)

    def same(self, interface: str, index: int) -> KernelLink | None:
        """The link that had this name and index: it may have been renamed since. None when it is gone."""
        found = self.link(interface)
        if found is None or found.index != index:
            found = next((each for each in self._links() if each.index == index), None)
        return found

    def require(self, interface: str) -> KernelLink:
        found = self.link(interface)
        if found is None:
            raise Refused(Trouble.NO_INTERFACE, f"there is no interface {interface}")
        return found

    def addresses(self, interface: str) -> list[str]:
        """IPv4, "10.0.0.2/30"; empty where there is no such interface."""
        ended = self._programs.run("ip", "-N", "-j", "-4", "address", "show", "dev", interface)
        found: list[dict[str, object]] = []
        for row in _rows(ended.out) if ended.code == 0 else []:
            several = row.get("addr_info")
            found += [each for each in several if isinstance(each, dict)] if isinstance(several, list) else []
        return [f"{each['local']}/{each['prefixlen']}" for each in found if "local" in each and "prefixlen" in each]

    def ours(self, family: str = "-4") -> list[KernelRoute]:
        """Routes of the main table with our protocol. (ip leaves out what it has filtered by, hence no look at it.)"""
        return [
            KernelRoute(
                _text(row, "dst") or "default", _text(row, "dev"), _text(row, "gateway"), _number(row, "metric")
            )
            for row in self._routes(family, "main", "proto", PROTOCOL)
        ]

    def of_others(self, interface: str) -> list[list[str]]:
        """IPv4 routes over a link that neither the kernel nor the helper made: each as words for `ip route add`."""
        return [
            _words(row, interface)
            for row in self._routes("-4", "all", "dev", interface)
            if _text(row, "type") == UNICAST and _text(row, "protocol") not in (KERNEL, PROTOCOL)
        ]

    def _links(self, *selector: str) -> list[KernelLink]:
        ended = self._programs.run("ip", "-N", "-j", "link", "show", *selector)
        return [_link(row) for row in (_rows(ended.out) if ended.code == 0 else [])]

    def _routes(self, family: str, table: str, *selector: str) -> list[dict[str, object]]:
        ended = self._programs.run("ip", "-N", "-j", "-d", family, "route", "show", "table", table, *selector)
        return _rows(ended.out) if ended.code == 0 else []


def _rows(text: str) -> list[dict[str, object]]:
    """ip prints {} for what it has skipped, and nothing at all for an empty list."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        raise Refused(Trouble.FAILED, "ip printed no JSON") from None
    return [row for row in found if isinstance(row, dict) and row] if isinstance(found, list) else []


def _link(row: dict[str, object]) -> KernelLink:
    flags = row.get("flags")
    up = isinstance(flags, list) and "UP" in flags
    return KernelLink(_text(row, "ifname") or "", _number(row, "ifindex"), up, _number(row, "mtu"))


def _number(row: dict[str, object], key: str) -> int:
    value = row.get(key)
    return value if isinstance(value, int) else 0


def _text(row: dict[str, object], key: str) -> str | None:
    value = row.get(key)
    return str(value) if isinstance(value, str | int) else None


def _words(row: dict[str, object], interface: str) -> list[str]:
    names = {"gateway": "via", "protocol": "proto", "scope": "scope", "prefsrc": "src", "metric": "metric"}
    words = [_text(row, "dst") or "default", "dev", interface]
    for key, name in (names | {"table": "table"}).items():
        value = _text(row, key)
        words += [name, value] if value is not None else []
    flags = row.get("flags")
    return words + (["onlink"] if isinstance(flags, list) and "onlink" in flags else [])
