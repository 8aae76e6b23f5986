"""The units of systemd/ as tests read them, and what systemd would set up for one."""

import os
import shlex
import shutil
import socket
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SYSTEMD = ROOT / "systemd"
SERVICES = sorted(SYSTEMD.glob("dialtone-*.service"))
BIN = ROOT / ".venv/bin"
TEST_UID = 61234
"""Of nobody: systemd leaves 60000 to 61183 to people and 61184 to 65519 to services."""


@dataclass(frozen=True, slots=True)
class Unit:
    """values: of the last section with that key, all of them in order; a key may come several times."""

    name: str
    values: dict[str, list[str]] = field(default_factory=dict)

    def one(self, key: str) -> str:
        [value] = self.values[key]
        return value

    def seconds(self, key: str) -> float:
        return float(self.one(key))

    @property
    def command(self) -> list[str]:
        return shlex.split(self.one("ExecStart"))

    @property
    def environment(self) -> dict[str, str]:
        return dict(each.split("=", 1) for each in self.values.get("Environment", ()))


def read_unit(path: Path) -> Unit:
    values: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith(("#", ";", "[")):
            key, _, value = line.partition("=")
            values[key].append(value)
    return Unit(path.name, dict(values))


def unprivileged() -> list[str]:
    """Words before a command that make it the process of a user without any right; none where that can't be had."""
    words = [
        "setpriv", f"--reuid={TEST_UID}", f"--regid={TEST_UID}", "--clear-groups", "--no-new-privs", "--inh-caps=-all",
        "--bounding-set=-all",
    ]  # fmt: skip
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return []
    probe = subprocess.run([*words, str(BIN / "dialtone"), "--help"], capture_output=True, cwd="/")
    return words if probe.returncode == 0 else []


def manager_socket(path: Path) -> socket.socket:
    """What systemd listens on for a service; anyone may write to it, as there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    path.chmod(0o777)
    sock.setblocking(False)
    return sock
