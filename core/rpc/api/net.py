"""net.*: the station's internet connection, the SIM's data as its backup, its VPN, and Wi-Fi through NetworkManager."""

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from core.errors import Forbidden, NetFailed, NetUnavailable
from core.events import Scope
from core.rpc.api.net_info import NetCheckInfo, NetStatusInfo, NetVpnInfo, check_of, status_of, vpn_of
from core.rpc.api.shared import Empty
from core.rpc.methods import Request, method

if TYPE_CHECKING:
    from core.network import NetworkService

Secret = Annotated[str, Meta(min_length=1, max_length=64, description="Never logged or sent back")]
Priority = Annotated[int, Meta(ge=-999, le=999, description="The higher is tried first")]


class NetCheckParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(min_length=1, max_length=200, description="What for; kept to the log")] = "asked for"


class NetFailoverParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mode: Annotated[
        Literal["on", "off", "auto"], Meta(description="The SIM's data now; never by itself; as the rules say")
    ]


class NetVpnParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    restart: Annotated[bool, Meta(description="Restart wg-quick first; admin only")] = False


class WifiListParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rescan: Annotated[bool, Meta(description="Look first; up to 12 s")] = False


class WifiNetworkInfo(Struct, frozen=True, kw_only=True):
    """A network in reach."""

    ssid: str
    strength_percent: int
    security: Annotated[str, Meta(description="open, wep, wpa, enterprise and their kin")]
    active: bool
    saved: bool


class WifiNetworks(Struct, frozen=True, kw_only=True):
    networks: Annotated[list[WifiNetworkInfo], Meta(description="The strongest first")]


class WifiConnectionInfo(Struct, frozen=True, kw_only=True):
    """A saved connection; passwords are never shown."""

    id: str
    uuid: str
    ssid: str
    priority: int
    autoconnect: bool


class WifiConnections(Struct, frozen=True, kw_only=True):
    connections: Annotated[list[WifiConnectionInfo], Meta(description="Those that are tried first come first")]


class WifiPriorityParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    uuid: Annotated[str, Meta(pattern="^[0-9a-fA-F-]{36}$", description="Of a saved connection")]
    priority: Priority


class WifiConnectParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    network: Annotated[str, Meta(min_length=1, max_length=36, description="Name of a network, or uuid of a connection")]
    password: Secret | None = None


@method("net.status", errors=(NetUnavailable,), since="0.3")
async def status(request: Request, params: Empty) -> NetStatusInfo:
    """Everything about the internet connection: links, what was last seen of them, backup, data used today, VPN."""
    return status_of(network_of(request).status(), clear=Scope.ADMIN in request.session.scopes)


@method("net.check", scope=Scope.CALLS, errors=(NetUnavailable,), since="0.3")
async def check(request: Request, params: NetCheckParams) -> NetCheckInfo:
    """Look at the main link now, with the short timeout, and start the backup when it is down; answers within 2.5 s.
    Requests within a second share one look."""
    return check_of(await network_of(request).check(params.reason), clear=Scope.ADMIN in request.session.scopes)


@method("net.failover", scope=Scope.ADMIN, errors=(NetUnavailable, NetFailed), since="0.3")
async def failover(request: Request, params: NetFailoverParams) -> NetStatusInfo:
    """Use the SIM's data now (on), never begin anything by itself (off), or go by the rules (auto). Until the core is
    restarted; answers at once, net.failover tells how it went. `on` is refused once the day's data is used up."""
    return status_of(network_of(request).failover(params.mode), clear=True)


@method("net.vpn", errors=(NetUnavailable, NetFailed, Forbidden), since="0.3")
async def vpn(request: Request, params: NetVpnParams) -> NetVpnInfo:
    """How the VPN is; with restart it is restarted first, which takes up to 40 s."""
    network, clear = network_of(request), Scope.ADMIN in request.session.scopes
    if params.restart:
        if not clear:
            raise Forbidden("Restarting the VPN needs the scope admin.")
        await network.restart_vpn()
    now = network.status()
    if now.vpn is None:
        raise NetUnavailable("No VPN is configured: interface of [net.vpn] in core.toml.", reason="no_vpn")
    return vpn_of(now.vpn, now.vpn_names, clear=clear)


_WIFI = (NetUnavailable, NetFailed)


@method("net.wifi.list", scope=Scope.ADMIN, errors=_WIFI, since="0.3")
async def wifi_list(request: Request, params: WifiListParams) -> WifiNetworks:
    """Wi-Fi networks in reach, through NetworkManager."""
    found = await network_of(request).wifi.list(params.rescan)
    return WifiNetworks(
        networks=[
            WifiNetworkInfo(
                ssid=one.ssid, strength_percent=one.strength, security=one.security.value, active=one.active,
                saved=one.saved,
            )
            for one in found
        ]
    )  # fmt: skip


@method("net.wifi.saved", scope=Scope.ADMIN, errors=_WIFI, since="0.3")
async def wifi_saved(request: Request, params: Empty) -> WifiConnections:
    """Wi-Fi connections that NetworkManager keeps."""
    found = await network_of(request).wifi.saved()
    return WifiConnections(
        connections=[
            WifiConnectionInfo(
                id=one.id, uuid=one.uuid, ssid=one.ssid, priority=one.priority, autoconnect=one.autoconnect
            )
            for one in found
        ]
    )


@method("net.wifi.set_priority", scope=Scope.ADMIN, errors=_WIFI, since="0.3")
async def wifi_set_priority(request: Request, params: WifiPriorityParams) -> WifiConnections:
    """Which saved connection is tried first; answers with all of them."""
    await network_of(request).wifi.set_priority(params.uuid, params.priority)
    return await wifi_saved(request, Empty())


@method("net.wifi.connect", scope=Scope.ADMIN, errors=_WIFI, since="0.3")
async def wifi_connect(request: Request, params: WifiConnectParams) -> Empty:
    """Connect to a saved connection or a network in reach; answers when there is an address, up to 60 s."""
    await network_of(request).wifi.connect(params.network, params.password)
    return Empty()


def network_of(request: Request) -> "NetworkService":
    """NetUnavailable where core.toml doesn't want it, or where it could not be started."""
    network = request.core.services.network
    if network is None and request.core.config.net.enabled:
        raise NetUnavailable("It could not be started: the daemon's log says why.", reason="broken")
    if network is None:
        raise NetUnavailable("[net] is not enabled in core.toml; see docs/network.md.", reason="disabled")
    return network
