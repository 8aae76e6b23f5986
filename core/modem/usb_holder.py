"""Who has a port open, and what people can do about it. All of it blocks (it reads /proc): call it in a thread.

Evidence, best first: an open descriptor in /proc/*/fd, which only root sees of other people's programs; a UUCP lock
file (FHS 3.0 §5.9), which any program may read; a program that runs and is known to take modems.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from core.modem.port_errors import PortTaken

LOCK_FOLDERS = ("/var/lock", "/run/lock", "/var/spool/lock")


class Evidence(StrEnum):
    """How it is known. SUSPECT: it only runs on this machine."""

    OPEN = "open"
    LOCK = "lock"
    SUSPECT = "suspect"


@dataclass(frozen=True, slots=True)
class Holder:
    """name: as in /proc/pid/comm, cut after 15 bytes; "dialtone" for another daemon or emulator of ours."""

    pid: int
    name: str
    evidence: Evidence = Evidence.OPEN

    @property
    def is_us(self) -> bool:
        return self.pid == os.getpid()


_MM_RULE = 'ATTRS{idVendor}=="1e0e", ENV{ID_MM_DEVICE_IGNORE}="1"'
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "ModemManager": (
            "Let ModemManager leave the modem alone: put the line\n"
            f"  {_MM_RULE}\n"
            "into /etc/udev/rules.d/77-dialtone.rules (1e0e is SIMCom, 2c7c Quectel), then run "
            "udevadm control --reload, udevadm trigger and systemctl restart ModemManager. "
            "Or stop it: systemctl disable --now ModemManager."
        ),
        "smsd": "Stop SMS Server Tools: systemctl disable --now smstools. Dialtone receives and sends messages itself.",
        "gammu-smsd": "Stop Gammu: systemctl disable --now gammu-smsd. Dialtone receives and sends messages itself.",
        "gammu": "Wait until gammu has ended, or stop it.",
        "pppd": "End the PPP connection (poff, or nmcli connection down NAME); mobile data can go over QMI (wwan0).",
        "NetworkManager": "Take the modem from NetworkManager: nmcli device set NAME managed no.",
        "minicom": "Leave minicom (Ctrl-A X).",
        "picocom": "Leave picocom (Ctrl-A Ctrl-X).",
        "screen": "Leave screen (Ctrl-A K).",
        "asterisk": "Take the modem out of quectel.conf or dongle.conf of Asterisk, or stop Asterisk.",
        "gpsd": "Take the port out of DEVICES in /etc/default/gpsd and set USBAUTO=false there.",
        "brltty": "Remove brltty, which takes serial ports for braille displays: apt remove brltty.",
        "dialtone": "Another Dialtone has it: one line of one daemon to a modem.",
    }
)
_SUSPECTS = frozenset(_ADVICE) - {"dialtone", "gammu", "NetworkManager", "screen"}


def advice(holder: Holder) -> str:
    """What to do so that the port is free. For people; may have several lines."""
    if holder.is_us:
        return "This same daemon has it: two lines of core.toml take the same modem. Give each its own (usb_path)."
    return _ADVICE.get(holder.name, f"End that program (kill {holder.pid}), or give it another port.")


def holder_of(path: str, proc: str = "/proc", locks: tuple[str, ...] = LOCK_FOLDERS) -> Holder | None:
    """Who has the tty at `path` (links are followed). Other programs first, then this one, then a SUSPECT."""
    us = os.getpid()
    for pid in sorted(_pids(proc), key=lambda pid: pid == us):
        if _has_open(proc, pid, path):
            return Holder(pid, holder_name(pid, proc), Evidence.OPEN)
    for folder in locks:
        lock_pid = read_lock(os.path.join(folder, lock_name(path)))
        if lock_pid is not None and lock_pid != us and is_alive(lock_pid):
            return Holder(lock_pid, holder_name(lock_pid, proc), Evidence.LOCK)
    for pid in _pids(proc):
        if (name := holder_name(pid, proc)) in _SUSPECTS and not _can_see(proc, pid):
            return Holder(pid, name, Evidence.SUSPECT)
    return None


class PortHeld(PortTaken):
    """A port that somebody else has, with his name and the remedy where they are known."""

    def __init__(self, path: str, holder: Holder | None) -> None:
        self.holder = holder
        port = os.path.basename(path)
        if holder is None:
            super().__init__(f"another program has port {port} (as root, fuser -v {path} tells which)", path)
        else:
            seems = "seems to have" if holder.evidence is Evidence.SUSPECT else "has"
            super().__init__(f"{holder.name} (process {holder.pid}) {seems} port {port}. {advice(holder)}", path)


def held(path: str) -> PortHeld:
    """The error for a port that could not be opened because somebody has it."""
    return PortHeld(path, holder_of(path))


# --- lock files ------------------------------------------------------------------------------------------------------


def lock_name(path: str) -> str:
    """LCK..ttyUSB2 for /dev/ttyUSB2 and for links to it; LCK..pts_3 for /dev/pts/3, as minicom and pppd do."""
    return "LCK.." + os.path.realpath(path).removeprefix("/dev/").strip("/").replace("/", "_")


def read_lock(path: str) -> int | None:
    """The process id in a lock file: text, as the FHS has it, or four bytes, as old UUCP. None: no file, no number."""
    try:
        with open(path, "rb") as file:
            data = file.read(64)
    except OSError:
        return None
    words = data.split()
    if words and words[0].isdigit():
        return int(words[0])
    return int.from_bytes(data, "little") or None if len(data) == 4 else None


def is_alive(pid: int) -> bool:
    """Whether there is such a process, of whomever."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


# --- /proc -----------------------------------------------------------------------------------------------------------


def _pids(proc: str) -> Iterator[int]:
    with os.scandir(proc) as entries:
        yield from sorted(int(entry.name) for entry in entries if entry.name.isdigit())


def _has_open(proc: str, pid: int, path: str) -> bool:
    """By device number, since the same tty may have several nodes; by name for whatever isn't a character device."""
    try:
        wanted = os.stat(path)
        links = os.listdir(f"{proc}/{pid}/fd")
    except OSError:
        return False
    return any(_is_it(f"{proc}/{pid}/fd/{link}", wanted) for link in links)


def _is_it(link: str, wanted: os.stat_result) -> bool:
    try:
        if not os.readlink(link).startswith("/"):  # sockets and pipes: most of all descriptors
            return False
        found = os.stat(link)
    except OSError:
        return False
    if stat.S_ISCHR(wanted.st_mode):
        return stat.S_ISCHR(found.st_mode) and found.st_rdev == wanted.st_rdev and _same_devpts(found, wanted)
    return (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino)


def _same_devpts(found: os.stat_result, wanted: os.stat_result) -> bool:
    """Each container has its own /dev/pts/0, with the same number: those are told apart by their file system."""
    pty = os.major(wanted.st_rdev) in range(136, 144)
    return not pty or found.st_dev == wanted.st_dev


def _can_see(proc: str, pid: int) -> bool:
    """Whether its descriptors are ours to read: then it has not got the port, or it would have been found."""
    return os.access(f"{proc}/{pid}/fd", os.R_OK | os.X_OK)


def holder_name(pid: int, proc: str = "/proc") -> str:
    """As in Holder."""
    try:
        with open(f"{proc}/{pid}/cmdline", "rb") as file:
            words = file.read(4096).split(b"\0")
        with open(f"{proc}/{pid}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read().strip()
    except OSError:
        return "a program"
    ours = any(os.path.basename(word) == b"dialtone" for word in words[:2]) or b"core.modem.emulator" in words[:4]
    return "dialtone" if ours else name
