"""A private system bus with systemd's stand-in (python-dbusmock, tests/net/systemd_mock.py) on it."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.net.netns import listens, until

PYTHON = "/usr/bin/python3"
"""Debian's: python3-dbusmock is its package, and a venv does not see it."""

MOCK = Path(__file__).with_name("systemd_mock.py")
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
"""


def why_no_bus() -> str | None:
    if shutil.which("dbus-daemon") is None:
        return "dbus-daemon is not installed"
    if subprocess.run([PYTHON, "-c", "import dbusmock, gi"], capture_output=True).returncode:
        return "python3-dbusmock is not installed for /usr/bin/python3"
    return None


class SystemdBus:
    """address: for DBUS_SYSTEM_BUS_ADDRESS."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:path={folder / 'bus'}"
        self._folder = folder
        self._log = folder / "restarts"

    def answer(self, word: str | None) -> None:
        """How the next restarts end; None: as the command does."""
        file = self._folder / "restarts.answer"
        if word is None:
            file.unlink(missing_ok=True)
            return
        fresh = file.with_suffix(".new")
        fresh.write_text(word)
        fresh.rename(file)

    def restarts(self) -> list[tuple[float, str]]:
        """Monotonic time and unit of each restart that was asked for."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [(float(line.split()[0]), line.split()[1]) for line in lines]

    def set_active(self, unit: str, state: str) -> None:
        """ActiveState of a unit, which is loaded thereby."""
        found = self._call("org.freedesktop.systemd1.Manager.LoadUnit", unit, path="/org/freedesktop/systemd1")
        self._call(
            "org.freedesktop.DBus.Mock.UpdateProperties",
            "org.freedesktop.systemd1.Unit",
            f"{{'ActiveState': <'{state}'>}}",
            path=found.split("'")[1],
        )

    def names(self) -> str:
        return self._call("org.freedesktop.DBus.ListNames", name="org.freedesktop.DBus", path="/org/freedesktop/DBus")

    def _call(self, method: str, *words: str, path: str, name: str = "org.freedesktop.systemd1") -> str:
        done = subprocess.run(
            ["gdbus", "call", "--address", self.address, "-d", name, "-o", path, "-m", method, *words],
            capture_output=True, text=True, timeout=20,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def systemd_bus(folder: Path, *, command: Sequence[str] = (), systemd: bool = True) -> Iterator[SystemdBus]:
    """folder: for its socket and files. command: what a restart of any unit runs. systemd=False: a bus without it."""
    folder.mkdir(parents=True, exist_ok=True)
    bus = SystemdBus(folder)
    (folder / "bus.conf").write_text(_CONFIG.format(path=folder / "bus"))
    with ExitStack() as stack:
        daemon = _start(stack, "dbus-daemon", f"--config-file={folder / 'bus.conf'}", "--nofork", "--nopidfile")
        until(lambda: listens(folder / "bus"), f"dbus-daemon did not start: {daemon.poll()}")
        if systemd:
            parameters = json.dumps({"command": list(command), "log": str(folder / "restarts")})
            words = (PYTHON, "-m", "dbusmock", "--system", "--template", str(MOCK), "--parameters", parameters)
            _start(stack, "env", f"DBUS_SYSTEM_BUS_ADDRESS={bus.address}", *words)
            until(lambda: "org.freedesktop.systemd1" in bus.names(), "systemd's stand-in did not start", 40)
        yield bus


def _start(stack: ExitStack, *words: str) -> subprocess.Popen[bytes]:
    program = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end() -> None:
        program.terminate()
        try:
            program.wait(5)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait(30)

    stack.callback(end)
    return program


_reason = why_no_bus()
needs_bus = pytest.mark.skipif(_reason is not None, reason=_reason or "")
"""Mark of tests with a private system bus."""
