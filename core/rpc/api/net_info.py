"""What net.status and its kin show of the internet connection, and to whom."""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct, field, structs

from core.clock import rfc3339
from core.events import FailoverState, NetVerdict, VpnState
from core.net.types import Link
from core.network_private import without_addresses
from core.network_status import BackupStatus, CheckResult, DatedProbe, NetStatus

if TYPE_CHECKING:
    from core.net.vpn import VpnStatus

ADMIN_ONLY = "Admin only, as all that stands in redacted"


class NetLinkInfo(Struct, frozen=True, kw_only=True):
    """One interface, IPv4."""

    interface: str
    kind: Annotated[str, Meta(description="ethernet, wifi, wwan, ppp, tunnel or other")]
    up: bool
    carrier: bool
    usable: Annotated[bool, Meta(description="It has carrier, an address and a default route")]
    metric: Annotated[int | None, Meta(description="Of its best default route that is not ours")] = None
    addresses: Annotated[list[str], Meta(description=f"{ADMIN_ONLY}: 192.168.1.7/24")] = field(default_factory=list)
    gateway: str | None = None
    dns: list[str] = field(default_factory=list)
    connection: Annotated[str | None, Meta(description="NetworkManager's name for it")] = None


class NetProbeInfo(Struct, frozen=True, kw_only=True):
    interface: str
    verdict: NetVerdict
    detail: Annotated[str, Meta(description="For people")]
    at: str
    rtt_ms: float | None = None


class NetBackupInfo(Struct, frozen=True, kw_only=True):
    """The SIM's data."""

    state: Annotated[str, Meta(description="down, starting, up or stopping")]
    traffic: Annotated[bool, Meta(description="It has the traffic, or not all of that is given back yet")]
    kind: Annotated[str | None, Meta(description="qmi, ecm or ppp; null before the first start")] = None
    interface: str | None = None
    address: str | None = None
    gateway: str | None = None
    dns: list[str] = field(default_factory=list)
    cause: Annotated[str | None, Meta(description="Why it is not up: a stable word, as in net.failover")] = None
    text: Annotated[str | None, Meta(description="The same for people")] = None
    retry_s: Annotated[float | None, Meta(description="Until the next try")] = None
    barred: Annotated[str | None, Meta(description="Why it may not be started at all")] = None
    contested: Annotated[bool, Meta(description="Another program keeps taking our default route away")] = False
    probe: NetProbeInfo | None = None


class NetDataInfo(Struct, frozen=True, kw_only=True):
    """The SIM's data today."""

    day: Annotated[str, Meta(description="By the station's own time zone")]
    used_mb: Annotated[float, Meta(description="Both directions, 1 MB = 1000000 bytes, at most a minute old")]
    limit_mb: Annotated[int, Meta(description="0: none")]


class NetVpnInfo(Struct, frozen=True, kw_only=True):
    interface: str | None
    state: VpnState
    reason: str
    handshake_age_s: float | None = None
    ping_ms: float | None = None
    endpoint: Annotated[str | None, Meta(description="Admin only")] = None
    restarts: int = 0
    next_restart_s: Annotated[float | None, Meta(description="No restart is made before")] = None


class NetStatusInfo(Struct, frozen=True, kw_only=True):
    """primary: the main link. interface: what carries the traffic, as far as it is decided here. default: where the
    kernel sends now."""

    state: FailoverState
    mode: Annotated[str, Meta(description="auto, on or off")]
    since: str
    reason: str
    cause: Annotated[str | None, Meta(description="A stable word, as in net.failover")]
    interface: str | None
    primary: str | None
    default: str | None
    links: list[NetLinkInfo]
    verdict: Annotated[NetVerdict | None, Meta(description="Of the main link; null before the first look")]
    fails: Annotated[int, Meta(description="Looks at the main link that failed after each other")]
    answers: Annotated[int, Meta(description="Looks that it answered after each other")]
    backup: NetBackupInfo
    data: NetDataInfo
    primary_probe: NetProbeInfo | None = None
    vpn: Annotated[NetVpnInfo | None, Meta(description="null: none is configured")] = None
    helper: Annotated[str | None, Meta(description="Why dialtone-helper can't be asked; null when it can")] = None
    troubles: Annotated[list[str], Meta(description="Parts that broke and are being started again")] = field(
        default_factory=list
    )
    redacted: Annotated[list[str], Meta(description="Fields that your scopes don't show")] = field(default_factory=list)


class NetCheckInfo(Struct, frozen=True, kw_only=True):
    verdict: Annotated[NetVerdict | None, Meta(description="Of the main link; null where the look came to nothing")]
    detail: Annotated[str, Meta(description="For people")]
    state: FailoverState
    interface: Annotated[str | None, Meta(description="What carries the traffic")]
    backup_starting: Annotated[bool, Meta(description="The backup is being started, or carries the traffic already")]
    took_s: float


def status_of(found: NetStatus, *, clear: bool) -> NetStatusInfo:
    """clear: whoever asks may see addresses and names, in texts, too."""
    shown = NetStatusInfo(
        state=found.state,
        mode=found.mode,
        since=rfc3339(found.since_unix_s),
        reason=found.reason,
        cause=found.cause,
        interface=found.interface,
        primary=found.links.primary,
        default=found.links.default,
        links=[_link(link) for link in found.links.links],
        verdict=found.verdict,
        fails=found.fails,
        answers=found.answers,
        backup=_backup(found.backup),
        data=NetDataInfo(
            day=found.data.day, used_mb=round(found.data.spent_bytes / 1e6, 1), limit_mb=found.data.limit_bytes // 10**6
        ),
        primary_probe=_probe(found.primary_probe),
        vpn=vpn_of(found.vpn, found.vpn_names, clear=True) if found.vpn is not None else None,
        helper=found.helper,
        troubles=list(found.troubles),
    )
    return shown if clear else _redacted(shown, found.vpn_names)


def vpn_of(found: "VpnStatus", names: tuple[str, ...], *, clear: bool) -> NetVpnInfo:
    """names: of its endpoint."""
    return NetVpnInfo(
        interface=found.interface,
        state=found.state,
        reason=found.reason if clear else without_addresses(found.reason, names),
        handshake_age_s=_rounded(found.handshake_age_s),
        ping_ms=_rounded(found.ping_ms),
        endpoint=found.endpoint if clear else None,
        restarts=found.restarts,
        next_restart_s=_rounded(found.next_restart_s),
    )


def check_of(found: CheckResult, *, clear: bool) -> NetCheckInfo:
    detail = found.detail if clear else without_addresses(found.detail)
    return NetCheckInfo(
        verdict=found.verdict, detail=detail, state=found.state, interface=found.interface,
        backup_starting=found.starting, took_s=found.took_s,
    )  # fmt: skip


def _link(link: Link) -> NetLinkInfo:
    return NetLinkInfo(
        interface=link.interface, kind=link.kind.value, up=link.up, carrier=link.carrier, usable=link.usable,
        metric=link.metric, addresses=list(link.addresses), gateway=link.gateway, dns=list(link.dns),
        connection=link.connection,
    )  # fmt: skip


def _backup(found: BackupStatus) -> NetBackupInfo:
    up = found.up
    return NetBackupInfo(
        state=found.bearer, traffic=found.traffic, kind=found.kind, interface=found.interface,
        address=up.address if up is not None else None, gateway=up.gateway if up is not None else None,
        dns=list(up.dns) if up is not None else [], cause=found.cause, text=found.text, retry_s=found.retry_s,
        barred=found.barred, contested=found.contested, probe=_probe(found.probe),
    )  # fmt: skip


def _probe(found: DatedProbe | None) -> NetProbeInfo | None:
    if found is None:
        return None
    probe = found.probe
    return NetProbeInfo(
        interface=probe.interface, verdict=probe.verdict, detail=probe.detail, at=rfc3339(found.at_unix_s),
        rtt_ms=_rounded(probe.rtt_ms),
    )  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _redacted(shown: NetStatusInfo, names: tuple[str, ...]) -> NetStatusInfo:
    """Without addresses, gateways, name servers and names of connections, also where a text for people has them."""
    private = ("addresses", "gateway", "dns", "connection")
    hidden = {name for name in private if any(getattr(link, name) for link in shown.links)}
    links = [structs.replace(link, addresses=[], gateway=None, dns=[], connection=None) for link in shown.links]
    text = without_addresses(shown.backup.text) if shown.backup.text is not None else None
    backup = structs.replace(
        shown.backup, address=None, gateway=None, dns=[], text=text, probe=_private(shown.backup.probe)
    )
    vpn = shown.vpn
    if vpn is not None:
        vpn = structs.replace(vpn, endpoint=None, reason=without_addresses(vpn.reason, names))
    reason, probe = without_addresses(shown.reason), _private(shown.primary_probe)
    listed = [f"links.{name}" for name in sorted(hidden)]
    listed += ["backup.address"] if shown.backup.address is not None else []
    listed += ["vpn.endpoint"] if shown.vpn is not None and shown.vpn.endpoint is not None else []
    texts = {
        "reason": reason != shown.reason,
        "primary_probe.detail": probe != shown.primary_probe,
        "backup.text": text != shown.backup.text,
        "backup.probe.detail": backup.probe != shown.backup.probe,
        "vpn.reason": vpn is not None and shown.vpn is not None and vpn.reason != shown.vpn.reason,
    }
    listed += [name for name, changed in texts.items() if changed]
    return structs.replace(
        shown, links=links, backup=backup, vpn=vpn, reason=reason, primary_probe=probe, redacted=listed
    )


def _private(probe: NetProbeInfo | None) -> NetProbeInfo | None:
    return None if probe is None else structs.replace(probe, detail=without_addresses(probe.detail))
