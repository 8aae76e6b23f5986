"""Events of the internet connection, and the words for its states."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from core.events.declare import Event, event


class NetVerdict(StrEnum):
    """What a look at one link found (core/net/prober.py)."""

    OK = "ok"
    DOWN = "down"  # nothing answers
    CAPTIVE = "captive"  # a portal answers in place of the internet
    DNS_FAILED = "dns_failed"  # addresses answer, names don't
    NO_LINK = "no_link"  # no carrier, address or default route: nothing could be sent


class FailoverState(StrEnum):
    """States of the failover machine; docs/network.md has its table."""

    OFF = "off"  # somebody said net.failover off: nothing is begun, the primary is still looked at
    PRIMARY = "primary"
    SUSPECT = "suspect"  # the primary failed at least once, not often enough
    STARTING_BACKUP = "starting_backup"
    BACKUP = "backup"  # the SIM's data carries the traffic
    RECOVERING = "recovering"  # so it does still, and the primary answers again
    BOTH_DOWN = "both_down"


class VpnState(StrEnum):
    """OFF: its interface does not exist."""

    UP = "up"
    STALE = "stale"
    RESTARTING = "restarting"
    DOWN = "down"
    OFF = "off"


class NetLink(Struct, frozen=True, kw_only=True):
    """One interface, without its addresses: those are for net.status."""

    interface: str
    kind: Annotated[str, Meta(description="ethernet, wifi, wwan, ppp, tunnel or other")]
    carrier: bool
    usable: Annotated[bool, Meta(description="It has carrier, an IPv4 address and a default route")]


@event("net.changed")
class NetChanged(Event, frozen=True, kw_only=True):
    """Links came, went or changed, or another one became the primary. At most one a second while they flap."""

    primary: Annotated[str | None, Meta(description="The main link's interface; never the modem's")]
    links: list[NetLink]


@event("net.failover")
class NetFailover(Event, frozen=True, kw_only=True):
    """The failover machine took a step, or its backup has trouble (then from_state is state)."""

    state: FailoverState
    from_state: FailoverState
    reason: Annotated[str, Meta(description="For people")]
    cause: Annotated[
        str | None,
        Meta(
            description="A stable word: the verdict of the primary (down, captive, dns_failed, no_link), the bearer's "
            "trouble (apn_refused, dhcp_silent, no_device, no_network, modem_reset, timeout, no_helper, "
            "program_missing, failed), contested (somebody takes our route away), budget, priority, manual"
        ),
    ] = None
    interface: Annotated[str | None, Meta(description="What carries the traffic now, as far as we decide it")] = None


@event("net.vpn")
class NetVpn(Event, frozen=True, kw_only=True):
    """The VPN came up, went stale, is being restarted, or moved to another endpoint."""

    interface: str
    state: VpnState
    from_state: VpnState
    reason: str
    handshake_age_s: float | None = None
