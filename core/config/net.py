"""[net] and [net.vpn]: the internet connection."""

from typing import Annotated, Literal

from msgspec import Meta, field

from core.config.table import Natural, Table

Interface = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$")]
"""What Linux takes as the name of a network interface, and what is safe as one word of a command line."""

Address4 = Annotated[str, Meta(pattern=r"^([0-9]{1,3}\.){3}[0-9]{1,3}$")]
Hostname = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
BadVerdict = Literal["down", "captive", "dns_failed"]


class VpnConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[net.vpn]`: a WireGuard interface that wg-quick made. Off without an interface.

    endpoint: host name and port of the peer, looked up again when the VPN is stale; peer: its public key, needed only
    where there are several.
    """

    interface: Interface | None = None
    ping: Address4 | None = None
    endpoint: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.-]{1,253}:[0-9]{1,5}$")] | None = None
    peer: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{43}=$")] | None = None
    every_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    stale_s: Annotated[float, Meta(ge=10, le=3600)] = 180.0
    ping_timeout_s: Annotated[float, Meta(ge=0.2, le=30)] = 5.0
    fail_count: Annotated[int, Meta(ge=1, le=20)] = 3
    restart: bool = True
    retry_s: tuple[Annotated[float, Meta(gt=0)], ...] = (60.0, 120.0, 300.0, 900.0)


class NetConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[net]`. Nothing of it is even loaded while enabled is false.

    primary "auto": the link whose default route the kernel prefers, never that of the modem. The backup is the data of
    `line` (default: the default line). failover_on: which verdicts of a probe count as a failure.
    """

    enabled: bool = False
    primary: Interface | Literal["auto"] = "auto"
    never: tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.*-]{1,15}$")], ...] = ("wwan*", "ppp*")
    mode: Literal["auto", "on", "off"] = "auto"
    every_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    fail_count: Annotated[int, Meta(ge=1, le=20)] = 3
    back_count: Annotated[int, Meta(ge=1, le=20)] = 2
    failover_on: tuple[BadVerdict, ...] = ("down", "captive", "dns_failed")
    ping: tuple[Address4, ...] = ("8.8.8.8", "1.1.1.1")
    ping_timeout_s: Annotated[float, Meta(ge=0.2, le=30)] = 5.0
    priority_timeout_s: Annotated[float, Meta(ge=0.2, le=10)] = 1.5
    http_url: Annotated[str, Meta(pattern=r"^(http://[!-~]{1,500})?$")] = "http://www.gstatic.com/generate_204"
    dns_name: Hostname | Literal[""] = "dns.google"
    settle_s: Annotated[float, Meta(ge=0, le=60)] = 2.0
    hold_backup_s: Annotated[float, Meta(ge=0, le=3600)] = 60.0
    hold_primary_s: Annotated[float, Meta(ge=0, le=3600)] = 30.0
    retry_s: tuple[Annotated[float, Meta(gt=0)], ...] = (5.0, 15.0, 60.0, 300.0)
    line: str | None = None
    bearer: Literal["auto", "qmi", "ecm", "ppp", "none"] = "auto"
    interface: Interface | None = None
    qmi_device: Annotated[str, Meta(pattern=r"^/dev/[A-Za-z0-9_-]{1,40}$")] | None = None
    ppp_port: Annotated[str, Meta(pattern=r"^/dev/[A-Za-z0-9_./-]{1,80}$")] | None = None
    metric: Annotated[int, Meta(ge=40, le=59)] = 40
    use_dns: bool = True
    block_ipv6: bool = True
    data_mb_per_day: Natural = 0
    warn_at: Annotated[float, Meta(gt=0, le=1)] = 0.8
    vpn: VpnConfig = field(default_factory=VpnConfig)
