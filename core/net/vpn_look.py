"""One look at the VPN: its interface, its peer as WireGuard has it, and whether the other end answers."""

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.clock import unix_s
from core.config import VpnConfig
from core.net.carrier import flags
from core.net.helper_client import HelperClient, HelperFailed, WgPeer
from core.net.icmp import Echo, echo

_IFF_UP = 1


@dataclass(frozen=True, slots=True)
class Look:
    """present, up: of the interface. pinged: whether a ping could be sent. ping_ms: None without an answer. peer: None
    where WireGuard could not be asked; trouble then says why. unanswered: since the look before, something was sent to
    the peer and nothing came."""

    present: bool
    up: bool = False
    pinged: bool = False
    ping_ms: float | None = None
    peer: WgPeer | None = None
    trouble: str = ""
    age_s: float | None = None
    unanswered: bool = False


def judge(look: Look, config: VpnConfig) -> tuple[bool, str]:
    """Whether the VPN works, and why, for people. Pure.

    An answer to a ping proves it. Without one to ask, the age of the handshake counts, but only where something makes
    handshakes: with neither keepalive nor traffic WireGuard is silent for ever (protocol, section 6.1), and a handshake
    of yesterday says nothing.
    """
    if not look.present:
        return False, f"{config.interface} does not exist"
    if not look.up:
        return False, f"{config.interface} is not up"
    if look.ping_ms is not None:
        return True, f"{config.ping} answered in {look.ping_ms:.0f} ms"
    if look.pinged:
        return False, f"{config.ping} does not answer{_handshake(look)}"
    if look.peer is None:
        return True, f"{config.interface} is up; whether it works is not known: {look.trouble}, and nothing is pinged"
    fresh = look.age_s is not None and look.age_s <= config.stale_s
    if fresh or (not look.peer.keepalive_s and not look.unanswered):
        return True, f"{config.interface} is up{_handshake(look)}"
    return False, f"the peer is silent{_handshake(look)}"


def nudged_address(peer: WgPeer | None) -> str | None:
    """An address that is sent to this peer, whether anybody has it or not: for WireGuard to speak. None: there is none.

    A whole internet (a prefix shorter than 8) is too much to choose from."""
    for allowed in peer.allowed_ips if peer is not None else ():
        with contextlib.suppress(ValueError):
            network = ipaddress.ip_network(allowed, strict=False)
            if network.version == 4 and network.prefixlen >= 8:
                return str(network[1] if network.num_addresses > 2 else network[0])
    return None


class Handshake:
    """How old the last one is, by a clock that is never set. WireGuard tells the time of day of it, and a machine
    without a clock of its own (a Raspberry Pi) learns that from the network while the tunnel is already up."""

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic, unix_s: Callable[[], float] = unix_s) -> None:
        self._now_s = now_s
        self._unix_s = unix_s
        self._told: int | None = None  # as WireGuard told it last; None before the first word of it
        self._seen_s = 0.0  # when it told so last
        self._made_s: float | None = None

    def see(self, peer: WgPeer) -> None:
        """The peer as WireGuard has it now. One that came since the last time is no older than that."""
        now_s, told = self._now_s(), peer.handshake_unix_s
        if told != self._told:
            by_day_s = now_s - max(0.0, self._unix_s() - told)
            self._made_s = None if not told else by_day_s if self._told is None else max(by_day_s, self._seen_s)
        self._told, self._seen_s = told, now_s

    def forget(self) -> None:
        """The interface is gone."""
        self._told = self._made_s = None

    def age_s(self) -> float | None:
        """None before the first."""
        return None if self._made_s is None else self._now_s() - self._made_s


class Looker:
    """Remembers what the look before has counted. handshake: of the peer."""

    def __init__(self, config: VpnConfig, interface: str, helper: HelperClient) -> None:
        self._config = config
        self._interface = interface
        self._helper = helper
        self._rx_tx: tuple[int, int] | None = None
        self.handshake = Handshake()

    @property
    def present(self) -> bool:
        return flags(self._interface) is not None

    async def look(self) -> Look:
        """Never raises but CancelledError; takes as long as a ping or the helper's answer."""
        if not self.present:
            self._rx_tx = None
            self.handshake.forget()
            return Look(present=False)
        async with asyncio.TaskGroup() as group:
            pinging = group.create_task(self._pinged(self._config.ping_timeout_s), name="net.vpn_ping")
            peer, trouble = await self.peer()
        answer = pinging.result()
        found = flags(self._interface)  # it may have gone meanwhile
        return Look(
            present=found is not None,
            up=bool((found or 0) & _IFF_UP),
            pinged=answer is not None and answer.possible,
            ping_ms=None if answer is None else answer.rtt_ms,
            peer=peer,
            trouble=trouble,
            age_s=None if peer is None else self.handshake.age_s(),
            unanswered=self._unanswered(peer),
        )

    async def heard(self, before: WgPeer | None, timeout_s: float) -> bool:
        """Sends something through the VPN. Whether the other end answers; where there is no ping to answer, whether
        anything has come from the peer since it was as in `before` (None: since the interface was made)."""
        answer = await self._pinged(timeout_s)
        if answer is not None and answer.possible:
            return answer.rtt_ms is not None
        address = nudged_address((await self.peer())[0])
        if address is not None:
            await echo(address, interface=self._interface, timeout_s=timeout_s)
        peer, _ = await self.peer()
        return peer is not None and peer.rx_bytes > (0 if before is None else before.rx_bytes)

    async def peer(self) -> tuple[WgPeer | None, str]:
        """The peer that is meant, or why there is none."""
        try:
            status = await self._helper.wg_status(self._interface)
        except HelperFailed as failed:
            return None, failed.text
        wanted = [peer for peer in status.peers if self._config.peer in (None, peer.public_key)]
        if len(wanted) == 1:
            self.handshake.see(wanted[0])
            return wanted[0], ""
        if not wanted:
            return None, "it has no such peer"
        return None, "it has several peers, and peer says not which"

    async def _pinged(self, timeout_s: float) -> Echo | None:
        """None where there is nothing to ping."""
        if self._config.ping is None:
            return None
        return await echo(self._config.ping, interface=self._interface, timeout_s=timeout_s)

    def _unanswered(self, peer: WgPeer | None) -> bool:
        before, self._rx_tx = self._rx_tx, (peer.rx_bytes, peer.tx_bytes) if peer is not None else None
        if before is None or self._rx_tx is None:
            return False
        return self._rx_tx[0] == before[0] and self._rx_tx[1] > before[1]


def _handshake(look: Look) -> str:
    if look.peer is None:
        return ""
    return "; there was no handshake yet" if look.age_s is None else f"; the last handshake was {look.age_s:.0f} s ago"
