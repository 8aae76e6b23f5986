"""What `dialtone notify ACTION` finds out and says: the actions of pi_send_message.sh."""

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlsplit

import dialtone
from clients.bridge.address import interface_address
from clients.station import host, modem_report
from clients.station.common import Context, ask
from clients.station.programs import ProgramMissing, ProgramTooSlow, run
from clients.station.units import Unit, UnitsUnknown, one_unit, units_of

SEVERITIES = ("info", "warning", "error", "critical")
MODEM_S = 90.0
WG_S = 5.0
PING_SPARE_S = 2.0
"""What ping itself takes beside its wait."""


@dataclass(frozen=True, slots=True)
class Report:
    severity: str
    message: str


def vpn(about: Context) -> Report:
    """error: no tunnel, or nobody answers through it."""
    tunnel = about.settings.vpn
    address = interface_address(tunnel.interface)
    if address is None:
        return Report("error", f"VPN interface {tunnel.interface} not found - VPN is down")
    if not _answers(tunnel.interface, tunnel.peer, tunnel.ping_s):
        return Report("error", f"VPN connection lost - unable to reach gateway {tunnel.peer}")
    words = f"VPN connected ({address}) - gateway {tunnel.peer} reachable"
    return Report("info", f"{words} | {_handshake(tunnel.interface)}")


def system(about: Context) -> Report:
    return Report("info", _load_line(host.load()))


def system_full(about: Context) -> Report:
    """warning above the limits of station.toml."""
    found, limits = host.load(), about.settings.limits
    hot = found.temperature_c is not None and found.temperature_c > limits.temperature_c
    busy = found.cpu_percent > limits.cpu_percent or found.disk_percent > limits.disk_percent
    gateway, ports = host.network_of()
    where = " | ".join(f"{name} {address}" for name, address in host.addresses().items())
    lines = [
        f"**System Report** - {_load_line(found)}",
        f"**Network:** Host: {socket.gethostname()} | {where or 'no address'} | GW: {gateway or 'none'}",
        _modem_line(about),
        f"**Services:** {_services_line(about)}",
        f"**=== Listening Ports ===** {', '.join(map(str, ports)) or 'none'}",
        "<blue>**=== Top Processes ===**</blue>",
        *[f"({process.cpu_percent:.0f}% CPU) {process.command} [{process.pid}]" for process in found.processes],
    ]
    return Report("warning" if hot or busy else "info", "\n".join(lines))


def network(about: Context) -> Report:
    """info: all answer; warning: some; critical: none."""
    urls = about.settings.network.urls or _known_servers(about)
    if not urls:
        return Report("warning", "**Network Status:** nothing to ask: station.toml has no [network] urls")
    reached = {url: _reached(url, about.settings.network.timeout_s) for url in urls}
    severity = "info" if all(reached.values()) else "warning" if any(reached.values()) else "critical"
    lines = [f"{urlsplit(url).netloc}: {'Reachable' if found else 'Unreachable'}" for url, found in reached.items()]
    return Report(severity, "\n".join(["**Network Status:**", *lines]))


def modem(about: Context) -> Report:
    try:
        found = ask(about, "modem.status", timeout_s=MODEM_S)
    except dialtone.RpcError as problem:
        return Report("error", f"**Modem Status:** {problem.message}")
    except dialtone.DialtoneError:
        return Report("error", "**Modem Status:** dialtone is not running")
    return Report(modem_report.severity(found, about.settings.limits.signal_percent), modem_report.text(found))


def test(about: Context) -> Report:
    return Report("info", f"Test message from {about.bridge.station or socket.gethostname()}")


def service(about: Context, name: str) -> Report:
    """By the state of one unit."""
    try:
        found = one_unit(name, about.settings.services.timeout_s)
    except UnitsUnknown as problem:
        return Report("error", f"Service {name}: {problem}")
    if found.load_state == "not-found":
        return Report("error", f"Service {name} is not installed")
    severity = {"active": "info", "reloading": "info", "activating": "warning"}.get(found.active_state, "error")
    running = "is running" if found.active_state == "active" else f"is not running ({found.active_state})"
    return Report(severity, f"Service {name} {running}")


ACTIONS: dict[str, Callable[[Context], Report]] = {
    "vpn": vpn,
    "system": system,
    "system-full": system_full,
    "network": network,
    "ec25": modem,
    "sim7600": modem,
    "modem": modem,
    "test": test,
}


def _load_line(found: host.Load) -> str:
    temperature = f"{found.temperature_c:.1f}°C" if found.temperature_c is not None else "N/A"
    cpu = f"CPU: {found.cpu_percent:.0f}% @ {temperature}"
    return f"{cpu} | Mem: {found.memory_percent:.0f}% | Disk: {found.disk_percent:.0f}%"


def _modem_line(about: Context) -> str:
    try:
        lines = ask(about, "status")["lines"]
    except dialtone.DialtoneError as problem:
        return f"**Modem:** {problem}"
    parts = [
        f"{line['name']}: {line['state']}, {line.get('operator') or 'no network'}, {line.get('rssi_dbm') or '-'} dBm"
        for line in lines
    ]
    return f"**Modem:** {' | '.join(parts) or 'none'}"


def _services_line(about: Context) -> str:
    try:
        found = units_of(about.settings.services)
    except UnitsUnknown as problem:
        return str(problem)
    return " | ".join(_unit_words(unit) for unit in found) or "none"


def _unit_words(unit: Unit) -> str:
    return f"{unit.name.removesuffix('.service')} {unit.active_state}"


def _answers(interface: str, peer: str, wait_s: float) -> bool:
    try:
        words = ("ping", "-n", "-c", "1", "-W", f"{wait_s:g}", "-I", interface, peer)
        return run(words, wait_s + PING_SPARE_S).code == 0
    except (ProgramMissing, ProgramTooSlow):
        return False


def _handshake(interface: str) -> str:
    """wg(8): peer and Unix time of the last handshake, 0: never. Only root is told."""
    try:
        found = run(("wg", "show", interface, "latest-handshakes"), WG_S)
    except (ProgramMissing, ProgramTooSlow):
        return "handshake unknown"
    times = [
        int(line.split()[-1]) for line in found.out.splitlines() if line.split()[-1:] and line.split()[-1].isdigit()
    ]
    if found.code != 0 or not times:
        return "handshake unknown"
    if max(times) == 0:
        return "no handshake yet"
    return f"latest handshake: {max(0, time.clock_gettime(time.CLOCK_REALTIME) - max(times)):.0f} s ago"


def _known_servers(about: Context) -> tuple[str, ...]:
    """Origins of what the bridge talks to."""
    bridge = about.bridge
    urls = (bridge.vps.transcribe_url, bridge.voice_config.url, bridge.events.notify_url, bridge.events.url)
    parts = [urlsplit(url) for url in urls if url is not None]
    return tuple(dict.fromkeys(f"{part.scheme}://{part.netloc}/" for part in parts))


def _reached(url: str, timeout_s: float) -> bool:
    """Any answer counts, as curl --head had it."""
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s):
            return True
    except urllib.error.HTTPError as problem:
        problem.close()
        return True
    except (OSError, HTTPException, ValueError):
        return False
