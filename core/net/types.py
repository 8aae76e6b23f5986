"""What the parts of core/net tell each other, and core/network.py: links, probes, bearers. Plain data, no behaviour."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from core.events import NetVerdict

OUR_PROTOCOL = 219
"""rtm_protocol of every route that dialtone-helper makes: above RTPROT_STATIC (linux/rtnetlink.h), and in neither
iproute2's rt_protos nor FRR's list. Routes with another one are never touched."""


class LinkKind(StrEnum):
    ETHERNET = "ethernet"
    WIFI = "wifi"
    WWAN = "wwan"
    PPP = "ppp"
    TUNNEL = "tunnel"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Link:
    """One interface as the kernel has it, IPv4. metric: of its best default route that is not ours, None without one.

    addresses: "192.168.1.7/24". gateway: of that route; None for a route without (point to point). dns: servers that
    NetworkManager, systemd-resolved or resolv.conf name for it. connection: NetworkManager's name for it.
    """

    interface: str
    index: int
    kind: LinkKind
    up: bool
    carrier: bool
    addresses: tuple[str, ...] = ()
    gateway: str | None = None
    metric: int | None = None
    dns: tuple[str, ...] = ()
    connection: str | None = None

    @property
    def usable(self) -> bool:
        """Something can be sent over it."""
        return self.up and self.carrier and bool(self.addresses) and self.metric is not None


@dataclass(frozen=True, slots=True)
class Links:
    """All interfaces but lo. primary: the main link (never one that the configuration forbids); it stays the same while
    it has lost its route, until another one has a route. default: where the kernel sends now, our routes included.
    ours: interfaces that have a default route of ours."""

    links: tuple[Link, ...] = ()
    primary: str | None = None
    default: str | None = None
    ours: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()

    def named(self, interface: str | None) -> Link | None:
        return next((link for link in self.links if link.interface == interface), None)


@dataclass(frozen=True, slots=True)
class Probe:
    """One look at one link. detail: what was seen, for people ("1.1.1.1 answered in 12 ms, dns.google has no answer").

    rtt_ms: of the first address that answered, else None.
    """

    interface: str
    verdict: NetVerdict
    detail: str
    rtt_ms: float | None = None


class BearerTrouble(StrEnum):
    """Why there is no data over the SIM. Stable words: they are the `cause` of net.failover."""

    NO_DEVICE = "no_device"  # no control device, no interface, no modem
    NO_NETWORK = "no_network"  # not registered
    APN_REFUSED = "apn_refused"
    DHCP_SILENT = "dhcp_silent"
    MODEM_RESET = "modem_reset"
    TIMEOUT = "timeout"
    NO_HELPER = "no_helper"
    PROGRAM_MISSING = "program_missing"
    FAILED = "failed"


class BearerFailed(Exception):
    """text: for people and logs, without secrets."""

    def __init__(self, trouble: BearerTrouble, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble
        self.text = text


@dataclass(frozen=True, slots=True)
class DataAccess:
    """What the network wants to know before it gives data. auth: none, pap or chap."""

    apn: str
    auth: str = "none"
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"DataAccess(apn={self.apn!r}, auth={self.auth!r})"  # a password must not get into a log


@dataclass(frozen=True, slots=True)
class BearerUp:
    """The interface has its address and could carry traffic, but has no default route yet. gateway None: point to
    point."""

    interface: str
    address: str
    gateway: str | None
    dns: tuple[str, ...]
    mtu: int | None = None


class Bearer(Protocol):
    """Data over the SIM by one way. One task calls it at a time."""

    @property
    def kind(self) -> str:
        """qmi, ecm or ppp."""

    @property
    def interface(self) -> str | None:
        """As far as it is known before `up`."""

    async def up(self, access: DataAccess) -> BearerUp:
        """Up to 45 s, each step with its own deadline. BearerFailed, and then everything is as before. What an earlier
        life of the daemon left (client ids, handles) is released first. May be cancelled at any moment, as down."""

    async def down(self) -> None:
        """Releases everything. Never raises, at most 10 s; may be called when nothing is up."""

    async def alive(self) -> bool:
        """Whether the session still stands, asked cheaply; False after a reset of the modem."""

    async def renew(self) -> None:
        """Called about once a minute while it is up: a lease that ends is asked for again. BearerFailed."""
