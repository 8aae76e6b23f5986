"""Checks of the internet connection, by what the running daemon says of it (net.status), and of what it would need."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dialtone
from clients.doctor.finding import Finding, ok, problem, skipped, warning
from clients.doctor.station import Ask

BACKUP_ADVICE = {
    "no_helper": "systemctl status dialtone-helper.",
    "no_device": "Is qmi_wwan loaded, and the modem there? [net] bearer, interface and qmi_device name it.",
    "program_missing": 'sudo apt-get install libqmi-utils; with bearer = "ppp": ppp.',
    "no_network": "dialtone modem status: registration, contract, roaming.",
    "apn_refused": "apn in the line's table of core.toml; dialtone modem carrier shows what was used.",
    "dhcp_silent": "dialtone modem reset; it is tried again by itself.",
    "budget": "data_mb_per_day in [net].",
}
LINK_ADVICE = {
    "captive": "Log in on the portal, or failover_on without captive.",
    "dns_failed": 'The link\'s name server; dns_name = "" asks none.',
    "no_link": "Cable, Wi-Fi and DHCP of the main link.",
}
DOCS = "docs/network.md lists each state."


def internet(ask: Ask, root: Path = Path("/")) -> Iterator[Finding]:
    """Main link, backup, helper, VPN. dialtone.RpcError where the core refuses to say."""
    try:
        found = ask("net.status", {})
    except dialtone.RpcError as error:
        if error.kind in ("method_not_found", "net_unavailable"):
            yield skipped("net", "The core does not watch the internet connection ([net] enabled in core.toml).")
            return
        raise
    yield _main(found)
    yield from _backup(found)
    if found.get("helper"):
        yield problem("net.helper", f"{found['helper']}.", "systemctl start dialtone-helper: without it no backup.")
    yield from _vpn(found.get("vpn"))
    yield from pings(root)
    yield from reverse_path(found.get("primary"), root)


def _main(found: dict[str, Any]) -> Finding:
    name, verdict = found.get("primary"), found.get("verdict")
    if name is None:
        return problem("net", "There is no main link.", "Cable, Wi-Fi; [net] primary names one.")
    if verdict in (None, "ok"):
        return ok("net", f"{name} leads to the internet." if verdict else f"{name} was not looked at yet.")
    detail = (found.get("primary_probe") or {}).get("detail") or "nothing answers"
    return problem("net", f"{name} is {verdict}: {detail}", LINK_ADVICE.get(verdict, DOCS))


def _backup(found: dict[str, Any]) -> Iterator[Finding]:
    backup, mode = found.get("backup") or {}, found.get("mode")
    if backup.get("contested"):
        yield problem(
            "net.backup", "Another program keeps taking our default route away.",
            "NetworkManager must not manage the modem's interface (docs/network.md); ip monitor route shows who does.",
        )  # fmt: skip
    elif backup.get("barred"):
        yield warning("net.backup", f"No backup may be started: {backup['barred']}.", DOCS)
    elif backup.get("cause"):
        yield problem(
            "net.backup", f"The SIM's data did not come up: {backup.get('text') or backup['cause']}",
            BACKUP_ADVICE.get(backup["cause"], DOCS),
        )  # fmt: skip
    elif mode != "auto":
        yield warning("net.backup", f"Failover was switched {mode} by hand.", "dialtone net failover auto")
    elif backup.get("state") == "up":
        yield ok("net.backup", f"The SIM's data carries the traffic by {backup.get('interface')}.")
    elif backup.get("kind") == "qmi" and shutil.which("qmicli") is None:
        yield problem("net.backup", "qmicli is not installed.", BACKUP_ADVICE["program_missing"])
    else:
        yield ok("net.backup", "The SIM's data is ready to take over.")


def _vpn(vpn: dict[str, Any] | None) -> Iterator[Finding]:
    if vpn is None:
        return
    if vpn["state"] == "up":
        yield ok("net.vpn", f"{vpn['interface']} is up.")
    else:
        yield problem(
            "net.vpn", f"{vpn['interface']} is {vpn['state']}: {vpn['reason']}", "wg show; systemctl status wg-quick@…"
        )


def pings(root: Path = Path("/")) -> Iterator[Finding]:
    """Whether users without rights may open ping sockets (icmp(7)): "1 0" is nobody."""
    try:
        low, high = map(int, (root / "proc/sys/net/ipv4/ping_group_range").read_text().split())
    except (OSError, ValueError):
        return
    if low > high:
        yield warning(
            "net.ping", "No group may open ping sockets; the ping program is used instead, which costs more.",
            "sudo sysctl -w net.ipv4.ping_group_range='0 2147483647', and into /etc/sysctl.d.",
        )  # fmt: skip


def reverse_path(interface: str | None, root: Path = Path("/")) -> Iterator[Finding]:
    """Whether the kernel drops what answers over the main link while the default route is the backup's. The larger of
    two values counts, and 1 is strict (Linux: Documentation/networking/ip-sysctl.rst, rp_filter)."""
    if interface is None:
        return
    try:
        values = [int((root / f"proc/sys/net/ipv4/conf/{name}/rp_filter").read_text()) for name in ("all", interface)]
    except (OSError, ValueError):
        return
    if max(values) == 1:
        yield warning(
            "net.rp_filter", f"rp_filter of {interface} is strict: from the backup no way leads back.",
            "net.ipv4.conf.all.rp_filter = 2 in /etc/sysctl.d; docs/network.md, Reverse path filter.",
        )  # fmt: skip
