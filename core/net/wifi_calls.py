"""The calls to NetworkManager that core/net/wifi.py is made of. Each runs in the bus's thread and raises BusFailed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from core.net.bus_session import BusSession
from core.net.bus_values import GONE, BusFailed, Properties
from core.net.nm import ACTIVE, DEVICE, NAME, PATH
from core.net.wifi_words import (
    WifiConnection,
    WifiNetwork,
    WifiSecurity,
    key_management,
    security_of,
    ssid_text,
)

T = TypeVar("T")
Call = Callable[[BusSession], T]

WIRELESS = f"{DEVICE}.Wireless"
_ACCESS_POINT = f"{NAME}.AccessPoint"
_SETTINGS_PATH = f"{PATH}/Settings"
_SETTINGS = f"{NAME}.Settings"
_CONNECTION = f"{NAME}.Settings.Connection"
_WIFI_TYPE = 2  # NM_DEVICE_TYPE_WIFI
_UNMANAGED = 10  # NMDeviceState, and below it: unknown
_DEACTIVATED = 4  # NMActiveConnectionState
_SECURITY = "802-11-wireless-security"


@dataclass(frozen=True, slots=True)
class Target:
    """An access point to connect to."""

    path: str
    ssid: bytes
    security: WifiSecurity


def wifi_device(bus: BusSession) -> str | None:
    """The one that is connected, else the first that NetworkManager manages."""
    found: list[tuple[bool, str]] = []
    for path in bus.properties(NAME, PATH, NAME).texts("Devices"):
        device = bus.properties(NAME, path, DEVICE)
        if device.number("DeviceType") == _WIFI_TYPE and device.number("State") > _UNMANAGED:
            found.append((device.path("ActiveConnection") is None, path))
    return min(found)[1] if found else None


def networks(device: str, bus: BusSession) -> list[WifiNetwork]:
    active = bus.properties(NAME, device, WIRELESS).path("ActiveAccessPoint")
    saved_ssids = {one.ssid for _, one in saved(bus)}
    found: dict[str, WifiNetwork] = {}
    for path, point in _access_points(device, bus):
        ssid = ssid_text(point.octets("Ssid"))
        if not ssid:
            continue  # hidden
        before = found.get(ssid)
        found[ssid] = WifiNetwork(
            ssid=ssid,
            strength=max(min(point.number("Strength"), 100), before.strength if before else 0),
            security=before.security if before else security_of(point),
            active=path == active or (before is not None and before.active),
            saved=ssid in saved_ssids,
        )
    return sorted(found.values(), key=lambda one: (not one.active, -one.strength, one.ssid))


def access_point(device: str, ssid: str, bus: BusSession) -> Target | None:
    """The strongest of this network."""
    found = [
        (point.number("Strength"), path, point)
        for path, point in _access_points(device, bus)
        if ssid_text(point.octets("Ssid")) == ssid
    ]
    if not found:
        return None
    _, path, point = max(found, key=lambda one: one[0])
    return Target(path, point.octets("Ssid"), security_of(point))


def request_scan(device: str, bus: BusSession) -> bool:
    """False when NetworkManager does not begin one now."""
    try:
        bus.call(NAME, device, WIRELESS, "RequestScan", "(a{sv})", {})
    except BusFailed as failed:
        if failed.name.endswith(".NotAllowed"):
            return False
        raise
    return True


def saved(bus: BusSession) -> list[tuple[str, WifiConnection]]:
    """Wi-Fi connections with their paths."""
    found: list[tuple[str, WifiConnection]] = []
    (paths,) = bus.call(NAME, _SETTINGS_PATH, _SETTINGS, "ListConnections")
    for path in paths:
        try:
            (values,) = bus.call(NAME, path, _CONNECTION, "GetSettings")
        except BusFailed as failed:
            if failed.name in GONE or failed.name.endswith(".PermissionDenied"):
                continue  # removed meanwhile, or another user's
            raise
        settings = Properties(values)
        connection, wireless = settings.group("connection"), settings.group("802-11-wireless")
        if connection.text("type") == "802-11-wireless":
            found.append(
                (
                    path,
                    WifiConnection(
                        id=connection.text("id"),
                        uuid=connection.text("uuid"),
                        ssid=ssid_text(wireless.octets("ssid")),
                        priority=connection.number("autoconnect-priority"),
                        autoconnect=connection.flag("autoconnect", True),
                    ),
                )
            )
    return found


def saved_security(path: str, bus: BusSession) -> WifiSecurity:
    """As far as it decides what a password may be."""
    (values,) = bus.call(NAME, path, _CONNECTION, "GetSettings")
    method = Properties(values).group(_SECURITY).text("key-mgmt")
    return WifiSecurity.WPA3 if method == "sae" else WifiSecurity.WPA2


def set_priority(path: str, priority: int, bus: BusSession) -> None:
    from gi.repository import GLib

    _update(path, bus, {"connection": {"autoconnect-priority": GLib.Variant("i", priority)}})


def set_password(path: str, password: str, bus: BusSession) -> None:
    from gi.repository import GLib

    _update(path, bus, {_SECURITY: {"psk": GLib.Variant("s", password)}})


def password(path: str, bus: BusSession) -> str | None:
    """The saved one; None where there is none, or NetworkManager does not tell it to this user."""
    try:
        (found,) = bus.call(NAME, path, _CONNECTION, "GetSecrets", "(s)", _SECURITY)
    except BusFailed as failed:
        if failed.name in (BusFailed.TIMEOUT, BusFailed.NO_BUS):
            raise
        return None
    return Properties(found).group(_SECURITY).text("psk") or None


def activate(path: str, device: str, bus: BusSession) -> str:
    """The active connection's path."""
    (active,) = bus.call(NAME, PATH, NAME, "ActivateConnection", "(ooo)", path, device, "/")
    return str(active)


def add_and_activate(device: str, target: Target, password: str | None, bus: BusSession) -> tuple[str, str]:
    """The new connection's path and that of the active one. What is not given here NetworkManager takes from the
    access point."""
    from gi.repository import GLib

    settings: dict[str, dict[str, Any]] = {
        "connection": {"id": GLib.Variant("s", ssid_text(target.ssid)), "type": GLib.Variant("s", "802-11-wireless")},
        "802-11-wireless": {"ssid": GLib.Variant("ay", target.ssid)},
    }
    method = key_management(target.security)
    if method is not None:
        settings[_SECURITY] = {"key-mgmt": GLib.Variant("s", method)}
        if password is not None and method != "owe":
            settings[_SECURITY]["psk"] = GLib.Variant("s", password)
    signature = "(a{sa{sv}}oo)"
    found = bus.call(NAME, PATH, NAME, "AddAndActivateConnection", signature, settings, device, target.path)
    return str(found[0]), str(found[1])


def active_state(active: str, bus: BusSession) -> int:
    """NMActiveConnectionState; an active connection that is gone is deactivated."""
    try:
        return bus.properties(NAME, active, ACTIVE).number("State")
    except BusFailed as failed:
        if failed.name in GONE:
            return _DEACTIVATED
        raise


def delete(path: str, bus: BusSession) -> None:
    try:
        bus.call(NAME, path, _CONNECTION, "Delete")
    except BusFailed as failed:
        if failed.name not in GONE:
            raise


def _access_points(device: str, bus: BusSession) -> list[tuple[str, Properties]]:
    found: list[tuple[str, Properties]] = []
    for path in bus.properties(NAME, device, WIRELESS).texts("AccessPoints"):
        try:
            found.append((path, bus.properties(NAME, path, _ACCESS_POINT)))
        except BusFailed as failed:
            if failed.name not in GONE:
                raise
    return found


def _update(path: str, bus: BusSession, changes: dict[str, dict[str, Any]]) -> None:
    """Settings go back as they came, with the types that they came with. GetSettings leaves secrets out, and Update
    keeps those that are saved when none is given (NetworkManager's D-Bus API, Settings.Connection.Update)."""
    current = bus.raw(NAME, path, _CONNECTION, "GetSettings").get_child_value(0)
    settings = {group: dict(_entries(values)) for group, values in _entries(current)}
    for group, values in changes.items():
        settings.setdefault(group, {}).update(values)
    bus.call(NAME, path, _CONNECTION, "Update", "(a{sa{sv}})", settings)


def _entries(dictionary: Any) -> list[tuple[str, Any]]:
    """Keys of a GLib.Variant dictionary with their values as variants, one `v` unwrapped."""
    found: list[tuple[str, Any]] = []
    for position in range(dictionary.n_children()):
        entry = dictionary.get_child_value(position)
        value = entry.get_child_value(1)
        boxed = value.get_type_string() == "v"
        found.append((entry.get_child_value(0).get_string(), value.get_variant() if boxed else value))
    return found
