"""What qmicli prints. Pure; texts as of libqmi-utils 1.32.2, names of errors and end reasons from libqmi-glib."""

import ipaddress
import re
from dataclasses import dataclass

from core.net.types import BearerTrouble

_CLIENT = re.compile(r"Client ID not released:\s+Service: 'wds'\s+CID: '(\d{1,3})'")
_HANDLE = re.compile(r"Packet data handle: '(\d{1,10})'")
_PROTOCOL = re.compile(r"^\s*Link layer protocol: '([a-z0-9-]+)'", re.MULTILINE)
_STATUS = re.compile(r"Connection status: '([a-z-]+)'")
_FIELD = re.compile(r"^\s*([A-Za-z0-9 ]+): (\S+)$", re.MULTILINE)
_ERROR = re.compile(r"QMI protocol error \(\d+\): '(\w+)'")
_VERBOSE_END = re.compile(r"verbose call end reason \(-?\d+,-?\d+\): (\[\w+\] [a-z0-9-]+)")
_END = re.compile(r"^call end reason \(\d+\): ([a-z0-9-]+)", re.MULTILINE)

_REFUSED_REASONS = frozenset(
    [
        "operator-determined-barring", "unknown-apn", "unknown-pdp", "authentication-failed", "ggsn-reject",
        "option-not-supported", "option-unsubscribed", "apn-type-conflict", "esm-info-not-received",
        "authentication-failure", "pap-failure", "chap-failure", "apn-disabled", "mandatory-apn-disabled",
        "apn-mismatch", "apn-disallowed-on-roaming", "null-apn-disallowed", "apn-format-invalid", "invalid-profile",
        "multiple-connection-to-same-pdn-not-allowed", "generic-authentication-failed",
    ]
)  # fmt: skip
"""[3gpp]: causes of TS 24.008 §10.5.6.6 and TS 24.301 §9.9.4.4 that another APN or login might mend. With gsm-wcdma-
in front in the short form."""

_NO_NETWORK_REASONS = frozenset(
    [
        "no-service", "no-gateway-service", "implicitly-detached", "emm-detached", "emm-attach-failed",
        "emm-attach-started", "gprs-services-not-allowed", "gprs-services-not-allowed-in-plmn", "plmn-not-allowed",
        "la-not-allowed", "tracking-area-not-allowed", "roaming-not-allowed-in-tracking-area", "lpm-or-power-down",
        "no-suitable-cells-in-tracking-area", "eps-service-not-allowed", "reattach-required", "uim-not-present",
        "data-roaming-settings-disabled", "lte-nas-service-request-failed", "no-gprs-context", "generic-no-service",
    ]
)  # fmt: skip

_IN_USE = ("interface-in-use-config-match", "interface-in-use", "call-already-present")
_STALE_ERRORS = ("ClientIdsExhausted", "NoEffect")

_TROUBLES = {
    "NetworkNotReady": BearerTrouble.NO_NETWORK, "NoNetworkFound": BearerTrouble.NO_NETWORK,
    "OutOfCall": BearerTrouble.FAILED, "NotProvisioned": BearerTrouble.NO_NETWORK,
    "UimUninitialized": BearerTrouble.NO_NETWORK, "NoSim": BearerTrouble.NO_NETWORK,
    "NoRadio": BearerTrouble.NO_NETWORK, "NoSubscription": BearerTrouble.APN_REFUSED,
    "AuthenticationFailed": BearerTrouble.APN_REFUSED, "InvalidProfile": BearerTrouble.APN_REFUSED,
}  # fmt: skip

_OPENING = (
    ("No such file or directory", BearerTrouble.NO_DEVICE, "the control device is gone"),
    ("No such device", BearerTrouble.MODEM_RESET, "the modem went while it was asked"),
    ("Input/output error", BearerTrouble.MODEM_RESET, "the modem went while it was asked"),
    ("endpoint hangup", BearerTrouble.MODEM_RESET, "the modem went while it was asked"),
    ("connection broken", BearerTrouble.MODEM_RESET, "the modem or qmi-proxy went while it was asked"),
    ("Permission denied", BearerTrouble.FAILED, "the control device may not be opened by this user"),
    ("Device or resource busy", BearerTrouble.FAILED, "another program has the control device: ModemManager?"),
    ("cannot connect to proxy", BearerTrouble.FAILED, "qmi-proxy can't be reached"),
    ("Transaction timed out", BearerTrouble.TIMEOUT, "the modem does not answer QMI"),
    ("operation timed out", BearerTrouble.TIMEOUT, "the modem does not answer QMI"),
)


@dataclass(frozen=True, slots=True)
class QmiSettings:
    """What the network has given. address: "10.36.195.115/29"."""

    address: str
    gateway: str | None
    dns: tuple[str, ...]
    mtu: int | None


def client_id(text: str) -> int | None:
    """Of the WDS client that is still given out after this command."""
    found = _CLIENT.search(text)
    return int(found[1]) if found else None


def data_handle(text: str) -> int | None:
    found = _HANDLE.search(text)
    return int(found[1]) if found else None


def link_protocol(text: str) -> str | None:
    """raw-ip or 802-3."""
    found = _PROTOCOL.search(text)
    return found[1] if found else None


def status(text: str) -> str | None:
    """connected, disconnected, suspended or authenticating."""
    found = _STATUS.search(text)
    return found[1] if found else None


def settings(text: str) -> QmiSettings | None:
    """None when there is no usable IPv4 address in it."""
    fields = dict(_FIELD.findall(text))
    address, mask = _address(fields.get("IPv4 address")), _address(fields.get("IPv4 subnet mask"))
    if address is None:
        return None
    try:
        whole = ipaddress.IPv4Interface(f"{address}/{mask or '255.255.255.255'}")
    except ValueError:
        return None
    gateway = _address(fields.get("IPv4 gateway address"))
    servers = (fields.get("IPv4 primary DNS"), fields.get("IPv4 secondary DNS"))
    dns = tuple(dict.fromkeys(found for server in servers if (found := _address(server)) is not None))
    mtu = fields.get("MTU", "")
    return QmiSettings(str(whole), gateway, dns, int(mtu) if mtu.isdigit() and 576 <= int(mtu) <= 9000 else None)


def protocol_error(text: str) -> str | None:
    """The name that libqmi has for the modem's refusal."""
    found = _ERROR.search(text)
    return found[1] if found else None


def refused(text: str) -> bool:
    """Whether the modem itself said no. Otherwise it may never have heard what was asked."""
    return protocol_error(text) is not None or end_reason(text) is not None


def end_reason(text: str) -> str | None:
    """Why the network did not start, the longer form where there is one: "[3gpp] unknown-apn"."""
    found = _VERBOSE_END.search(text) or _END.search(text)
    return found[1] if found else None


def stale(text: str) -> bool:
    """Whether what stands in the way may be an earlier client's: ids that nobody released, a call that still stands."""
    reason = (end_reason(text) or "").rpartition(" ")[2]
    return protocol_error(text) in _STALE_ERRORS or reason in _IN_USE


def trouble(text: str) -> tuple[BearerTrouble, str]:
    """What a failed command says, in our words. Nothing is quoted but names out of libqmi's own tables."""
    error, reason = protocol_error(text), end_reason(text)
    if reason is not None:
        return _of_reason(reason)
    if error == "ClientIdsExhausted":
        return BearerTrouble.FAILED, "the modem has no client id left (ClientIdsExhausted); a restart of it helps"
    if error is not None:
        return _TROUBLES.get(error, BearerTrouble.FAILED), f"the modem refused: {error}"
    for sign, why, words in _OPENING:
        if sign in text:
            return why, words
    return BearerTrouble.FAILED, "qmicli failed for a reason that is not known here"


def _of_reason(reason: str) -> tuple[BearerTrouble, str]:
    short = reason.rpartition(" ")[2].removeprefix("gsm-wcdma-")
    if short in _REFUSED_REASONS:
        return BearerTrouble.APN_REFUSED, f"the network refused the APN or the login: {reason}"
    if short in _NO_NETWORK_REASONS:
        return BearerTrouble.NO_NETWORK, f"there is no network: {reason}"
    if short in _IN_USE:
        text = f"{reason}: something else has made this data connection already (AT+CGACT, another program)"
        return BearerTrouble.FAILED, text
    return BearerTrouble.FAILED, f"the network or the modem refused: {reason}"


def _address(text: str | None) -> str | None:
    try:
        found = ipaddress.IPv4Address(text or "")
    except ValueError:
        return None
    return None if found.is_unspecified else str(found)
