"""What check_sim7600_status.sh told of the modem, from modem.status. Pure."""

from typing import Any

Json = dict[str, Any]

UNKNOWN = "Unknown"
REGISTERED = ("home", "roaming")


def text(found: Json) -> str:
    """With the marks of the VPS's page."""
    return "\n".join(
        [
            "**Modem Status Report**",
            "**Modem Hardware:**",
            f"• Modem: {'Present' if _present(found) else 'Not found'} ({_or_unknown(found.get('state'))})",
            f"• Manufacturer: {_or_unknown(found.get('manufacturer'))}",
            f"• Model: {_or_unknown(found.get('model'))}",
            f"• Firmware: {_or_unknown(found.get('revision'))}",
            f"• IMEI: {_hidden(found, 'imei')}",
            f"• USB Composition: {_or_unknown(found.get('composition'))}",
            f"• Temperature: {_unit(found.get('temperature_c'), '°C')} | Supply: {_unit(found.get('voltage_v'), ' V')}",
            "**Network Status:**",
            f"• SIM Card: {_or_unknown(found.get('sim'))}",
            f"• IMSI: {_hidden(found, 'imsi')}",
            f"• Carrier: {_carrier(found)}",
            f"• Network Registration: {_or_unknown(found.get('registration'))}",
            f"• Signal Strength: {_signal(found)}",
            "**Network Mode:**",
            f"• Actual Network: {_or_unknown(found.get('access_technology'))} {found.get('band') or ''}".rstrip(),
            f"• EPS (LTE) Registration: {_or_unknown(found.get('cereg'))}",
            "**Data & VoLTE:**",
            *[_context(one) for one in found.get("contexts") or []],
            f"• VoLTE: {_yes(found.get('volte'))}",
            "**Ports:**",
            *[f"• {role}: {path}" for role, path in sorted((found.get("ports") or {}).items())],
        ]
    )


def severity(found: Json, signal_percent: float) -> str:
    """error: no modem, or it can't serve. warning: no network, or hardly any signal."""
    if found.get("state") in ("offline", "failed"):
        return "error"
    registered = str(found.get("registration") or "").lower()
    signal = found.get("signal_percent")
    weak = isinstance(signal, int | float) and signal < signal_percent
    if found.get("state") != "ready" or weak or (registered and not registered.startswith(REGISTERED)):
        return "warning"
    return "info"


def _present(found: Json) -> bool:
    return found.get("state") != "offline"


def _or_unknown(value: object) -> str:
    return str(value) if value not in (None, "") else UNKNOWN


def _unit(value: object, unit: str) -> str:
    return f"{value:g}{unit}" if isinstance(value, int | float) else UNKNOWN


def _hidden(found: Json, name: str) -> str:
    return "(admin only)" if name in (found.get("redacted") or ()) else _or_unknown(found.get(name))


def _yes(value: object) -> str:
    return UNKNOWN if value is None else "Active" if value else "Inactive"


def _carrier(found: Json) -> str:
    carrier = found.get("carrier") or {}
    name = carrier.get("name") or found.get("operator")
    return f"{_or_unknown(name)} ({carrier.get('mcc_mnc') or found.get('mcc_mnc') or UNKNOWN})"


def _signal(found: Json) -> str:
    parts = [f"{found['signal_percent']}%"] if found.get("signal_percent") is not None else []
    if found.get("rssi_dbm") is not None:
        parts.append(f"{found['rssi_dbm']} dBm")
    return ", ".join(parts) or UNKNOWN


def _context(one: Json) -> str:
    """IMS that is not IPV4V6 never activates (field report)."""
    wrong = " - should be IPV4V6!" if one.get("apn") == "ims" and one.get("kind") != "IPV4V6" else ""
    return f"• Context {one.get('cid')}: {one.get('apn')} ({one.get('kind')}{wrong}) {_yes(one.get('active'))}"
