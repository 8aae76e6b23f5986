"""How dialtone net shows what it was told."""

from datetime import datetime
from typing import Any

from clients.cli.output import print_table, printable, show

Json = dict[str, Any]

LINK_COLUMNS = ("interface", "kind", "carrier", "usable", "metric", "addresses", "gateway", "dns", "connection")
NETWORK_COLUMNS = ("ssid", "strength_percent", "security", "active", "saved")
CONNECTION_COLUMNS = ("priority", "ssid", "id", "autoconnect", "uuid")
HIDDEN = "(admin only)"
BAD = ("down", "captive", "dns_failed", "no_link")
CARRIED = ("backup", "recovering")


def leads_out(found: Json) -> bool:
    """Whether something is said to lead out: the backup, or a main link that answers or was not looked at yet."""
    if found.get("state") in CARRIED:
        return True
    if found.get("state") == "starting_backup":  # also because somebody said so, while the main link answers
        return found.get("verdict") == "ok"
    return found.get("state") != "both_down" and found.get("verdict") not in BAD


def print_status(found: Json) -> None:
    redacted = [name.split(".")[1] for name in found.get("redacted") or [] if name.startswith("links.")]
    print_table("Internet", ("what", "how it is"), _rows(found))
    links = [
        [HIDDEN if column in redacted and one.get("metric") is not None else _cell(one.get(column))
         for column in LINK_COLUMNS]
        for one in found.get("links") or []
    ]  # fmt: skip
    if links:
        print_table("Links", LINK_COLUMNS, links)
    for text in found.get("troubles") or []:
        print(f"Being started again: {printable(text)}")


def print_check(found: Json) -> None:
    print_table("Internet", ("what", "value"), list(found.items()))


def print_vpn(found: Json) -> None:
    print_table("VPN", ("what", "value"), list(found.items()))


def print_networks(found: Json) -> None:
    _table("Wi-Fi in reach", NETWORK_COLUMNS, found["networks"], "No Wi-Fi network is in reach.")


def print_connections(found: Json) -> None:
    _table("Saved Wi-Fi", CONNECTION_COLUMNS, found["connections"], "NetworkManager keeps no Wi-Fi connection.")


def _table(title: str, columns: tuple[str, ...], rows: list[Json], nothing: str) -> None:
    if rows:
        print_table(title, columns, [[row.get(column) for column in columns] for row in rows])
    else:
        print(nothing)


def _rows(found: Json) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("state", f"{found.get('state')} since {_time(found.get('since'))}, mode {found.get('mode')}"),
        ("why", _with_cause(found.get("reason"), found.get("cause"))),
        ("traffic goes over", found.get("interface")),
        ("main link", _main(found)),
        ("backup", _backup(found.get("backup") or {})),
        ("data today", _data(found.get("data") or {})),
    ]
    if found.get("vpn"):
        rows.append(("VPN", vpn_words(found["vpn"])))
    if found.get("helper"):
        rows.append(("helper", found["helper"]))
    return rows


def _with_cause(text: object, cause: object) -> str:
    return f"{text} ({cause})" if cause else str(text or "")


def _main(found: Json) -> str:
    probe = found.get("primary_probe") or {}
    words = f"{found.get('primary') or 'none'}: {found.get('verdict') or 'not looked at yet'}"
    if found.get("fails"):
        words += f", {found['fails']} times"
    return words + (f" at {_time(probe.get('at'))}: {probe.get('detail')}" if probe else "")


def _backup(backup: Json) -> str:
    words = f"{backup.get('interface') or backup.get('kind') or 'SIM'}: {backup.get('state')}"
    if backup.get("address"):
        words += f", {backup['address']}"
    if backup.get("probe") and backup.get("state") == "up":  # else it was another life of it
        words += f", {backup['probe']['verdict']}"
    if backup.get("barred"):
        return f"{words}, may not be started: {backup['barred']}"
    if backup.get("contested"):
        words += ", another program takes our route away"
    if backup.get("cause"):
        words += f", {_with_cause(backup.get('text'), backup['cause'])}"
    if backup.get("retry_s") is not None:
        words += f", next try in {backup['retry_s']:.0f} s"
    return words


def _data(data: Json) -> str:
    limit = f" of {data['limit_mb']}" if data.get("limit_mb") else ""
    return f"{data.get('used_mb', 0):g}{limit} MB"


def vpn_words(vpn: Json) -> str:
    """One line: "wg0: up, handshake 20 s ago"."""
    words = f"{vpn.get('interface')}: {vpn.get('state')}"
    if vpn.get("handshake_age_s") is not None:
        words += f", handshake {vpn['handshake_age_s']:.0f} s ago"
    return words if vpn.get("state") in ("up", "off") else f"{words}: {vpn.get('reason')}"


def _cell(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _time(text: object) -> str:
    """Of this machine's own clock, with the day where it is another one."""
    if not isinstance(text, str):
        return show(text)
    at = datetime.fromisoformat(text).astimezone()
    today = at.date() == datetime.now().astimezone().date()
    return at.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")
