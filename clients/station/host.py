"""How this computer is: CPU, temperature, memory, disk, addresses, ports, processes. Reads /proc and /sys alone.

`root` stands in for / in tests. Formats: proc(5), Documentation/filesystems/proc.rst of Linux.
"""

import os
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from clients.bridge.address import interface_address

SAMPLE_S = 0.5
"""Between two looks at the CPU's counters."""
ROOT = Path("/")
PROCESSES = 10
LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp."""


@dataclass(frozen=True, slots=True)
class Process:
    """command: its name alone; arguments may hold secrets."""

    pid: int
    command: str
    cpu_percent: float


@dataclass(frozen=True, slots=True)
class Load:
    """temperature_c: of the warmest zone; None without a sensor. processes: the busiest first."""

    cpu_percent: float
    temperature_c: float | None
    memory_percent: float
    disk_percent: float
    processes: tuple[Process, ...]


def load(root: Path = ROOT, sample_s: float = SAMPLE_S) -> Load:
    before, used_before = cpu_times(_text(root / "proc/stat")), _process_times(root)
    time.sleep(sample_s)
    after, used_after = cpu_times(_text(root / "proc/stat")), _process_times(root)
    total = max(1, after[1] - before[1])
    cpus = os.cpu_count() or 1
    busiest = sorted(
        (
            Process(pid, name, max(0, ticks - used_before.get(pid, (name, ticks))[1]) / total * 100 * cpus)
            for pid, (name, ticks) in used_after.items()
            if pid != os.getpid()
        ),
        key=lambda process: (-process.cpu_percent, process.pid),
    )
    disk = shutil.disk_usage(root)
    return Load(
        cpu_percent=(after[0] - before[0]) / total * 100,
        temperature_c=temperature_c(root),
        memory_percent=memory_percent(_text(root / "proc/meminfo")),
        disk_percent=disk.used / max(1, disk.used + disk.free) * 100,
        processes=tuple(busiest[:PROCESSES]),
    )


def cpu_times(stat: str) -> tuple[int, int]:
    """(busy, all) ticks since boot, from the first line of /proc/stat; waiting for a disk is not busy."""
    first = stat.split("\n", 1)[0].split()
    ticks = [int(word) for word in first[1:9]] if first and first[0] == "cpu" else []
    return sum(ticks) - sum(ticks[3:5]), sum(ticks)


def memory_percent(meminfo: str) -> float:
    """What is in use and could not be had for a new program."""
    sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in meminfo.splitlines())}
    total = sizes.get("MemTotal", 0)
    return (1 - sizes.get("MemAvailable", total) / total) * 100 if total else 0.0


def temperature_c(root: Path = ROOT) -> float | None:
    found = [_text(zone).strip() for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*/temp"))]
    degrees = [int(text) / 1000 for text in found if text.lstrip("-").isdigit()]
    return max(degrees, default=None)


def addresses(root: Path = ROOT) -> dict[str, str]:
    """IPv4 address by interface, loopback left out."""
    folder = root / "sys/class/net"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return {name: found for name in names if name != "lo" and (found := interface_address(name)) is not None}


def gateway(route: str) -> str | None:
    """The IPv4 default route with the lowest metric, of /proc/net/route."""
    found: list[tuple[int, str]] = []
    for line in route.splitlines()[1:]:
        words = line.split()
        if len(words) >= 8 and words[1] == "00000000" and words[7] == "00000000" and words[2] != "00000000":
            found.append((int(words[6]), socket.inet_ntoa(bytes.fromhex(words[2])[::-1])))
    return min(found)[1] if found else None


def listening(*tables: str) -> list[int]:
    """TCP ports that somebody listens on, of /proc/net/tcp and tcp6."""
    ports = set()
    for table in tables:
        for line in table.splitlines()[1:]:
            words = line.split()
            if len(words) > 3 and words[3] == LISTEN:
                ports.add(int(words[1].rpartition(":")[2], 16))
    return sorted(ports)


def network_of(root: Path = ROOT) -> tuple[str | None, list[int]]:
    """(default gateway, listening TCP ports)."""
    net = root / "proc/net"
    return gateway(_text(net / "route")), listening(_text(net / "tcp"), _text(net / "tcp6"))


def _process_times(root: Path) -> dict[int, tuple[str, int]]:
    """pid: (name, ticks used). A name may hold spaces and parentheses: it ends at the last one."""
    found: dict[int, tuple[str, int]] = {}
    for folder in (root / "proc").iterdir():
        if folder.name.isdigit() and (stat := _text(folder / "stat")):
            head, _, tail = stat.rpartition(")")
            words = tail.split()
            found[int(folder.name)] = (head.partition("(")[2], int(words[11]) + int(words[12]))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # it ended meanwhile, or this kernel does not have it
