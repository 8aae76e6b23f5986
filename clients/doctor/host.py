"""Checks of this computer: USB, drivers, who holds the modem, permissions, power. Reads files only; asks no modem.

`root` stands in for / in tests. Sources: the option driver of Linux (1e0e:9001, 2c7c:0125), ModemManager's
documentation (ID_MM_DEVICE_IGNORE), Raspberry Pi's documentation of get_throttled, field reports on under-power.
"""

import grp
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clients.doctor.finding import Finding, ok, problem, skipped, warning

SIMCOM, QUECTEL = "1e0e", "2c7c"
CALLS = {(SIMCOM, "9001"): "SIM7600 in composition 9001", (QUECTEL, "0125"): "Quectel EC25 or EG25-G"}
TAKERS = {
    "ModemManager": "sudo systemctl disable --now ModemManager, or the udev rule of docs/hardware.md",
    "smsd": "sudo systemctl disable --now smstools; dialtone spool serves its directories",
    "gammu-smsd": "sudo systemctl disable --now gammu-smsd",
    "pppd": "stop the connection that uses the modem's port",
    "minicom": "close minicom",
}
WANTED_TTYS = 5
LOW_VOLTAGE = re.compile(r"under-?voltage|over-?current", re.IGNORECASE)
RESETS = re.compile(r"USB disconnect|disabled by hub|error -71", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stick:
    """One modem on USB as sysfs shows it."""

    vendor: str
    product: str
    path: str
    ttys: tuple[str, ...]
    drivers: frozenset[str]


def sticks(root: Path = Path("/")) -> list[Stick]:
    """SIMCom and Quectel devices, by USB path."""
    return sorted(_sticks(root), key=lambda stick: stick.path)


def _sticks(root: Path) -> Iterator[Stick]:
    devices = root / "sys/bus/usb/devices"
    for device in devices.iterdir() if devices.is_dir() else ():
        vendor, product = _text(device / "idVendor"), _text(device / "idProduct")
        if vendor not in (SIMCOM, QUECTEL):
            continue
        interfaces = [found for found in devices.glob(f"{device.name}:*") if found.is_dir()]
        ttys = sorted(tty.name for each in interfaces for tty in each.glob("ttyUSB*"))
        drivers = {
            os.path.basename(os.readlink(each / "driver")) for each in interfaces if (each / "driver").is_symlink()
        }
        yield Stick(vendor, product, device.name, tuple(ttys), frozenset(drivers))


def usb(root: Path = Path("/")) -> list[Finding]:
    """Whether a modem is there, in a composition with voice, with its driver."""
    if not (root / "sys/bus/usb/devices").is_dir():
        return [skipped("usb", "This computer shows no USB devices (a container, perhaps).")]
    found = sticks(root)
    if not found:
        return [
            problem(
                "usb", "No SIMCom or Quectel modem is on USB.", "Check cable and power; `lsusb` should show 1e0e:9001."
            )
        ]
    return [finding for stick in found for finding in _stick(stick)]


def _stick(stick: Stick) -> Iterator[Finding]:
    kind = CALLS.get((stick.vendor, stick.product))
    where = f"{stick.vendor}:{stick.product} at USB path {stick.path}"
    if kind is None and stick.vendor == SIMCOM:
        yield problem(
            "usb.composition", f"{where} is in a USB composition without voice.",
            "Set switch_composition = true for its line, or send AT+CUSBPIDSWITCH=9001,1,1 once.",
        )  # fmt: skip
        return
    if kind is None:
        yield warning(
            "usb.composition", f"{where} is not a modem that this version knows.", "See docs/adding-a-modem.md."
        )
        return
    yield ok("usb", f"{kind}, {where}")
    if "option" not in stick.drivers:
        yield problem("usb.driver", f"{where} has no serial driver.", "sudo modprobe option")
    elif len(stick.ttys) < WANTED_TTYS:
        yield problem(
            "usb.ports", f"{where} shows {len(stick.ttys)} of {WANTED_TTYS} serial ports.",
            "Wait some seconds; if it stays so, unplug it for 10 s. Under-powered hubs do this.",
        )  # fmt: skip
    else:
        yield ok("usb.ports", ", ".join(stick.ttys))


def permissions(root: Path = Path("/")) -> list[Finding]:
    """Whether this user may open serial ports."""
    ttys = [tty for stick in sticks(root) for tty in stick.ttys]
    if not ttys:
        return []
    denied = [tty for tty in ttys if not os.access(root / "dev" / tty, os.R_OK | os.W_OK)]
    if not denied:
        return [ok("permissions", "This user may open the modem's ports.")]
    return [
        problem(
            "permissions", f"This user may not open {', '.join(denied)}.",
            f"sudo usermod -aG {_group_of(root / 'dev' / denied[0])} $USER, then log in anew.",
        )
    ]  # fmt: skip


def takers(root: Path = Path("/")) -> list[Finding]:
    """Programs that take modems for themselves."""
    running = {_text(comm) for comm in (root / "proc").glob("[0-9]*/comm")}
    found = [
        warning("taker", f"{name} is running and may take the modem's ports.", advice)
        for name, advice in TAKERS.items()
        if name[:15] in running  # the kernel keeps 15 letters
    ]
    return found or [ok("taker", "No other program that takes modems is running.")]


def power(root: Path = Path("/")) -> list[Finding]:
    """Signs of a supply that is too weak: the most common cause of modems that vanish."""
    try:
        log = _kernel_log(root)
    except OSError:
        return [skipped("power", "The kernel's log may not be read by this user; run with sudo to look for resets.")]
    low = len(LOW_VOLTAGE.findall(log))
    resets = len(RESETS.findall(log))
    advice = (
        "Use a powered hub or a stronger supply: a SIM7600 draws up to 2 A for moments. at_gap_s and ramp may help."
    )
    if low:
        return [problem("power", f"The kernel reports too low a voltage ({low} times).", advice)]
    if resets > 3:
        return [warning("power", f"USB devices disconnected {resets} times since the start.", advice)]
    return [ok("power", "No sign of a weak supply in the kernel's log.")]


def disk(directory: Path) -> list[Finding]:
    """Room where the store lives: nothing can be accepted without."""
    try:
        found = os.statvfs(directory if directory.exists() else directory.parent)
    except OSError as error:
        return [skipped("disk", f"{directory}: {error.strerror}")]
    free_mib = found.f_bavail * found.f_frsize // 2**20
    if free_mib < 50:
        return [
            problem("disk", f"{free_mib} MiB free at {directory}.", "Make room: calls and messages are written there.")
        ]
    return [ok("disk", f"{free_mib} MiB free at {directory}")]


def _kernel_log(root: Path) -> str:
    """All of /dev/kmsg without waiting for more."""
    descriptor = os.open(root / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    lines = []
    try:
        while True:
            try:
                line = os.read(descriptor, 8192)
            except BrokenPipeError:  # the kernel overwrote what came next
                continue
            except BlockingIOError:
                break
            if not line:
                break
            lines.append(line.decode("utf-8", "replace"))
    finally:
        os.close(descriptor)
    return "".join(lines)


def _group_of(path: Path) -> str:
    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
