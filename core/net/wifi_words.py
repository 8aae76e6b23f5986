"""Wi-Fi in NetworkManager's words: security of access points, settings of a connection, reasons of a failure. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.net.bus_values import Properties


class WifiSecurity(StrEnum):
    OPEN = "open"
    OWE = "owe"
    WEP = "wep"
    WPA = "wpa"
    WPA2 = "wpa2"
    WPA3 = "wpa3"
    ENTERPRISE = "enterprise"


class WifiTrouble(StrEnum):
    """Why it did not work: `data.trouble` of net_failed. Stable words."""

    WRONG_PASSWORD = "wrong_password"
    PASSWORD_NEEDED = "password_needed"
    NOT_FOUND = "not_found"
    NO_ADDRESS = "no_address"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WifiNetwork:
    """A network that is in reach, by its strongest access point. strength: 0–100 %. saved: a connection exists."""

    ssid: str
    strength: int
    security: WifiSecurity
    active: bool
    saved: bool


@dataclass(frozen=True, slots=True)
class WifiConnection:
    """A saved connection. priority: -999–999, the higher is tried first."""

    id: str
    uuid: str
    ssid: str
    priority: int
    autoconnect: bool


# NM80211ApFlags and NM80211ApSecurityFlags of NetworkManager's D-Bus API.
_PRIVACY = 0x1
_PSK, _EAP, _SAE, _OWE, _SUITE_B = 0x100, 0x200, 0x400, 0x800, 0x2000


def security_of(access_point: Properties) -> WifiSecurity:
    """The best that it offers of what we can use: WPA2 where it has both WPA2 and WPA3."""
    wpa, rsn = access_point.number("WpaFlags"), access_point.number("RsnFlags")
    for found, security in (
        (rsn & _PSK, WifiSecurity.WPA2),
        (rsn & _SAE, WifiSecurity.WPA3),
        (wpa & _PSK, WifiSecurity.WPA),
        ((wpa | rsn) & (_EAP | _SUITE_B), WifiSecurity.ENTERPRISE),
        (rsn & _OWE, WifiSecurity.OWE),
        (access_point.number("Flags") & _PRIVACY, WifiSecurity.WEP),
    ):
        if found:
            return security
    return WifiSecurity.OPEN


def key_management(security: WifiSecurity) -> str | None:
    """802-11-wireless-security.key-mgmt; None where there is none to set. See nm-settings-dbus(5)."""
    return {
        WifiSecurity.WPA: "wpa-psk",
        WifiSecurity.WPA2: "wpa-psk",
        WifiSecurity.WPA3: "sae",
        WifiSecurity.OWE: "owe",
    }.get(security)


def is_password(password: str, security: WifiSecurity) -> bool:
    """Whether a network can have it: 8–63 characters of ASCII or 64 hex digits (IEEE 802.11-2020, J.4), any for SAE."""
    if security is WifiSecurity.WPA3:
        return 1 <= len(password.encode()) <= 128
    if len(password) == 64:
        return all(c in "0123456789abcdefABCDEF" for c in password)
    return 8 <= len(password) <= 63 and password.isascii() and password.isprintable()


def ssid_text(octets: bytes) -> str:
    """SSIDs are bytes; most are UTF-8."""
    return octets.decode("utf-8", "replace")


# NMDeviceStateReason.
_BY_DEVICE = {
    5: WifiTrouble.NO_ADDRESS,  # IP_CONFIG_UNAVAILABLE
    7: WifiTrouble.WRONG_PASSWORD,  # NO_SECRETS: the password was refused, and there is nobody to ask for another
    8: WifiTrouble.REFUSED,  # SUPPLICANT_DISCONNECT
    10: WifiTrouble.REFUSED,  # SUPPLICANT_FAILED
    11: WifiTrouble.TIMEOUT,  # SUPPLICANT_TIMEOUT
    15: WifiTrouble.NO_ADDRESS,  # DHCP_START_FAILED
    16: WifiTrouble.NO_ADDRESS,  # DHCP_ERROR
    17: WifiTrouble.NO_ADDRESS,  # DHCP_FAILED
    39: WifiTrouble.REFUSED,  # USER_REQUESTED: somebody ended it
    53: WifiTrouble.NOT_FOUND,  # SSID_NOT_FOUND
    60: WifiTrouble.REFUSED,  # NEW_ACTIVATION: another connection took the device
}
# NMActiveConnectionStateReason.
_BY_CONNECTION = {
    2: WifiTrouble.REFUSED,  # USER_DISCONNECTED
    5: WifiTrouble.NO_ADDRESS,  # IP_CONFIG_INVALID
    6: WifiTrouble.TIMEOUT,  # CONNECT_TIMEOUT
    9: WifiTrouble.WRONG_PASSWORD,  # NO_SECRETS
    10: WifiTrouble.WRONG_PASSWORD,  # LOGIN_FAILED
}


def trouble_of(device_reason: int | None, connection_reason: int | None) -> WifiTrouble:
    """The device's reason is the more exact one."""
    found = _BY_DEVICE.get(device_reason) if device_reason is not None else None
    if found is None and connection_reason is not None:
        found = _BY_CONNECTION.get(connection_reason)
    return found or WifiTrouble.FAILED


SAYS: Mapping[WifiTrouble, str] = {
    WifiTrouble.WRONG_PASSWORD: "The network refused the password.",
    WifiTrouble.PASSWORD_NEEDED: "This network wants a password.",
    WifiTrouble.NOT_FOUND: "There is no such network in reach, and no such saved connection.",
    WifiTrouble.NO_ADDRESS: "The network let us in and gave no address.",
    WifiTrouble.TIMEOUT: "It took too long. The network may be too weak here.",
    WifiTrouble.REFUSED: "NetworkManager or the network refused. May this user change connections (polkit)?",
    WifiTrouble.UNSUPPORTED: "Networks with this kind of security must be set up with nmcli.",
    WifiTrouble.FAILED: "NetworkManager could not do it; its log has the reason.",
}
