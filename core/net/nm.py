"""NetworkManager's names of connections and name servers, per interface, followed over D-Bus.

Its signals are taken as hints only: after each of them that may matter, everything is read again (a few calls per
device). So its restart, a lost signal or a change in the middle of reading leave nothing wrong. Without NetworkManager
`devices` is empty, and that is all.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from core.log import Log
from core.net.bus_session import BusSession
from core.net.bus_values import ABSENT, GONE, BusFailed, Properties
from core.net.system_bus import BusSignal, Match, SystemBus

NAME = "org.freedesktop.NetworkManager"
PATH = "/org/freedesktop/NetworkManager"
DEVICE = f"{NAME}.Device"
ACTIVE = f"{NAME}.Connection.Active"
_IP4 = f"{NAME}.IP4Config"
_DBUS = "org.freedesktop.DBus"

_GATHER_S = 0.05
"""One change of NetworkManager makes several signals."""
_READ_S = 5.0
_RETRY_S = 15.0
"""NetworkManager is there and did not answer."""
_GRACE_S = 10.0
"""How long its word holds while it is restarted: its connections stay meanwhile."""
_MOST_DEVICES = 64

_log = Log("net.nm")


@dataclass(frozen=True, slots=True)
class NmDevice:
    """connection: its name, for people; uuid: its id. dns: what this connection brought, IPv4."""

    interface: str
    connection: str | None = None
    uuid: str | None = None
    dns: tuple[str, ...] = ()


class NmWatch:
    """`devices` by interface, as NetworkManager has them now."""

    def __init__(self, bus: SystemBus) -> None:
        self.devices: Mapping[str, NmDevice] = {}
        self.present = False
        self._bus = bus
        self._woken = asyncio.Event()

    async def run(self, on_change: Callable[[], None]) -> None:
        """Until it is cancelled; on_change is called on the event loop when `devices` differ. The bus must run."""
        with ExitStack() as stack:
            for match in _MATCHES:
                stack.callback(self._bus.subscribe(match, self._hint))
            stack.callback(self._bus.on_connect(self._woken.set))
            self._woken.set()
            wait_s: float | None = None
            while True:
                await self._wait(wait_s)
                wait_s = await self._look(on_change)

    def _hint(self, _signal: BusSignal) -> None:
        self._woken.set()

    async def _wait(self, wait_s: float | None) -> None:
        """For a hint, or so long."""
        try:
            async with asyncio.timeout(wait_s):
                await self._woken.wait()
                await asyncio.sleep(_GATHER_S)
        except TimeoutError:
            return
        finally:
            self._woken.clear()

    async def _look(self, on_change: Callable[[], None]) -> float | None:
        """Reads everything. After how long to look again without a hint; None: only after one."""
        try:
            found = await self._bus.do(_read, _READ_S)
        except BusFailed as failed:
            if failed.name not in ABSENT:
                _log.warning("NetworkManager did not tell its devices", error=failed.name)
                return _RETRY_S
            if self.present:
                self.present = False
                return _GRACE_S
            found = {}
        else:
            self.present = True
        if found != self.devices:
            self.devices = found
            on_change()
        return None


def _changed(interface: str) -> Match:
    return Match(NAME, f"{_DBUS}.Properties", "PropertiesChanged", arg0=interface)


_MATCHES = (
    Match(_DBUS, _DBUS, "NameOwnerChanged", arg0=NAME),
    *(_changed(interface) for interface in (NAME, DEVICE, ACTIVE, _IP4)),
)
"""Not those of access points: their strength changes all the time."""


def _read(bus: BusSession) -> dict[str, NmDevice]:
    manager = bus.properties(NAME, PATH, NAME)
    found: dict[str, NmDevice] = {}
    for path in manager.texts("Devices")[:_MOST_DEVICES]:
        device = _optional(bus, path, DEVICE)
        interface = device.text("IpInterface") or device.text("Interface")
        active_path = device.path("ActiveConnection")
        if not interface or active_path is None:
            continue
        active = _optional(bus, active_path, ACTIVE)
        found[interface] = NmDevice(
            interface,
            connection=active.text("Id") or None,
            uuid=active.text("Uuid") or None,
            dns=_servers(bus, device.path("Ip4Config")),
        )
    return found


def _servers(bus: BusSession, path: str | None) -> tuple[str, ...]:
    """NameserverData (NetworkManager 1.14) has them as texts."""
    if path is None:
        return ()
    servers = (one.text("address") for one in _optional(bus, path, _IP4).each("NameserverData"))
    return tuple(server for server in servers if server)


def _optional(bus: BusSession, path: str, interface: str) -> Properties:
    """Of an object that may be gone by now: a signal of that follows."""
    try:
        return bus.properties(NAME, path, interface)
    except BusFailed as failed:
        if failed.name in GONE:
            return Properties()
        raise
