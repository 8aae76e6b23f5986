"""The parts that the network service owns, made once and used by each of its lives."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.config import NetConfig
from core.events import NetVpn
from core.line import Line
from core.log import Log
from core.net.bearers import make_bearer
from core.net.bearers.device import ModemDevice
from core.net.helper_client import HelperClient
from core.net.nm import NmWatch
from core.net.prober import Prober
from core.net.system_bus import SystemBus
from core.net.types import Bearer, Link, Links, Probe
from core.net.vpn import VpnKeeper
from core.net.watch import LinkWatch
from core.net.wifi import Wifi

_log = Log("net")


class Watch(Protocol):
    """A LinkWatch."""

    @property
    def snapshot(self) -> Links: ...

    async def run(self, on_change: Callable[[Links], None]) -> None: ...

    def look_again(self) -> None: ...

    async def counters(self, interface: str) -> tuple[int, int] | None: ...


class Looks(Protocol):
    """A Prober."""

    async def probe(
        self, link: Link, *, timeout_s: float, thorough: bool = True, addresses: tuple[str, ...] | None = None
    ) -> Probe: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NetParts:
    """no_bus: why the system bus can't be used here; None when it can. make_bearer: for the modem as it is now."""

    helper: HelperClient
    watch: Watch
    prober: Looks
    vpn: VpnKeeper | None
    bus: SystemBus | None
    no_bus: str | None
    wifi: Wifi
    make_bearer: Callable[[], Bearer]


def make_parts(
    config: NetConfig,
    state_dir: Path,
    line: Line | None,
    *,
    modem_interface: Callable[[], str | None],
    tell_vpn: Callable[[NetVpn], Awaitable[None]],
) -> NetParts:
    """The real ones. The system bus is used where it is; without it netlink alone serves."""
    no_bus = SystemBus.missing()
    bus = SystemBus() if no_bus is None else None
    if no_bus is not None:
        _log.info("no system bus: names of connections and Wi-Fi lists are not known", reason=no_bus)
    helper = HelperClient()
    nm = NmWatch(bus) if bus is not None else None
    return NetParts(
        helper=helper,
        watch=LinkWatch(config, modem_interface=modem_interface, nm=nm),
        prober=Prober(config),
        vpn=VpnKeeper(config.vpn, helper, bus=bus, tell=tell_vpn) if config.vpn.interface is not None else None,
        bus=bus,
        no_bus=no_bus,
        wifi=Wifi(bus),
        make_bearer=lambda: make_bearer(config, helper, device=_device(line), state_dir=state_dir),
    )


def _device(line: Line | None) -> ModemDevice | None:
    if line is None:
        return None
    data = line.data
    ports: Mapping[str, str] = dict(data.ports)
    return ModemDevice(data.usb_path, ports)
