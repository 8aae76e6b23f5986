"""A private system bus, and NetworkManager's stand-in on it (python-dbusmock, network_manager_mock.py)."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.net.netns import listens, until
from tests.net.systemd_bus import PYTHON

NAME = "org.freedesktop.NetworkManager"
MOCK = Path(__file__).with_name("network_manager_mock.py")
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={folder}/bus</listen><servicedir>{folder}/services</servicedir>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
"""

WIFI: Mapping[str, Any] = {
    "ethernet": {"eth0": ["192.168.77.1", "9.9.9.9"]},
    "wifi": "wlan0",
    "points": {
        "Harbour": {"security": "wpa2", "strength": 81, "password": "correct horse"},
        "Quay": {"security": "wpa3", "strength": 40, "password": "any"},
        "Square": {"security": "open", "strength": 20},
        "Office": {"security": "enterprise", "strength": 60},
        "Attic": {"security": "wep", "strength": 10},
        "Slow": {"security": "open", "strength": 15, "how": "never"},
        "Dry": {"security": "open", "strength": 15, "how": "no_address"},
        "Gone": {"security": "open", "strength": 15, "how": "lost"},
        "Shut": {"security": "open", "strength": 15, "how": "refused"},
    },
    "saved": {
        "Harbour": {"uuid": "uuid-harbour", "password": "correct horse", "priority": 5},
        "Far away": {"uuid": "uuid-far", "password": "somewhere else"},
    },
}
"""A scene: parameters of the mock. how: up (the default, if the password is right), never, no_address, lost or
refused."""


class NetworkManagerBus:
    """`start` and `stop` are for either program; both may be done any number of times."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:path={folder / 'bus'}"
        self._folder = folder
        self._daemon: subprocess.Popen[bytes] | None = None
        self._manager: subprocess.Popen[bytes] | None = None

    def start_bus(self) -> None:
        (self._folder / "bus").unlink(missing_ok=True)
        config = self._folder / "bus.conf"
        config.write_text(_CONFIG.format(folder=self._folder))
        self._daemon = _start("dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile")
        until(lambda: listens(self._folder / "bus"), "dbus-daemon did not start")

    def stop_bus(self) -> None:
        """kill -9, as a crash. The mock ends with it."""
        _end(self._daemon, signal.SIGKILL)
        self._daemon = None

    def start_manager(self, scene: Mapping[str, Any] = WIFI) -> None:
        words = (PYTHON, "-m", "dbusmock", "--system", "--template", str(MOCK), "--parameters", json.dumps(scene))
        self._manager = _start(*words, DBUS_SYSTEM_BUS_ADDRESS=self.address)
        last = "w0" if "wifi" in scene else "e0"
        until(lambda: self._has(last), "NetworkManager's stand-in did not start", 40)

    def stop_manager(self) -> None:
        _end(self._manager, signal.SIGKILL)
        self._manager = None

    def freeze_manager(self) -> None:
        assert self._manager is not None
        os.kill(self._manager.pid, signal.SIGSTOP)

    def thaw_manager(self) -> None:
        assert self._manager is not None
        os.kill(self._manager.pid, signal.SIGCONT)

    def call(self, method: str, *words: str, path: str = "/org/freedesktop") -> str:
        """A method of the mock by gdbus(1), with its values in GVariant's text form."""
        done = subprocess.run(
            ["gdbus", "call", "--address", self.address, "-d", NAME, "-o", path, "-m", method, *words],
            capture_output=True, text=True, timeout=20,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> None:
        self.stop_manager()
        self.stop_bus()

    def _has(self, device: str) -> bool:
        """The name is on the bus before the scene is made."""
        assert self._manager is not None and self._manager.poll() is None, "NetworkManager's stand-in ended"
        asked = ["gdbus", "call", "--address", self.address, "-d", NAME, "-o", "/org/freedesktop/NetworkManager"]
        done = subprocess.run([*asked, "-m", f"{NAME}.GetDevices"], capture_output=True, text=True, timeout=20)
        return device in done.stdout


@contextmanager
def network_manager_bus(folder: Path, scene: Mapping[str, Any] | None = WIFI) -> Iterator[NetworkManagerBus]:
    """folder: for its socket. scene None: a bus without NetworkManager."""
    bus = NetworkManagerBus(folder)
    try:
        bus.start_bus()
        if scene is not None:
            bus.start_manager(scene)
        yield bus
    finally:
        bus.stop()


def _start(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(words, stdout=quiet, stderr=quiet, env=dict(os.environ) | environment)


def _end(program: subprocess.Popen[bytes] | None, how: signal.Signals) -> None:
    if program is not None:
        program.send_signal(how)
        program.wait(30)
