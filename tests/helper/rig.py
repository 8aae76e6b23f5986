"""dialtone-helper as a process of its own, in a network namespace of its own where the test needs one."""

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.net.netns import Namespace, run_program, until, why_not
from tests.station import ROOT

_WHY_NOT = why_not()
needs_namespaces = pytest.mark.skipif(_WHY_NOT is not None, reason=str(_WHY_NOT))
_number = count(1)


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


class HelperProcess:
    """folder: its socket, state and log, and the root that stands before /sys and /etc."""

    def __init__(self, folder: Path, namespace: Namespace | None, *options: str) -> None:
        self.folder, self.namespace, self.options = folder, namespace, options
        self.root, self.socket, self.state_file = folder / "root", folder / "h.sock", folder / "state.json"
        self.log_file = folder / "log"
        (self.root / "etc").mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None

    def words(self, *more: str) -> list[str]:
        words = [sys.executable, "-m", "core.helper.main", *more, "--listen", str(self.socket)]
        words += ["--root", str(self.root), *self.options]
        return words if self.namespace is None else ["ip", "netns", "exec", self.namespace.name, *words]

    def start(self, **environment: str) -> None:
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.words("--for-user", str(os.getuid())), stderr=log, cwd=ROOT, env=os.environ | environment
            )
        until(lambda: self.answers() or self.ended(), "the helper serves")
        assert not self.ended(), self.log

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def answers(self) -> bool:
        """This process, not a child of the one that was killed: between fork and exec it holds the socket too."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self.socket))
            pid, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            return self.process is None or bool(pid == self.process.pid)
        return False

    def ask(self, verb: str, **keys: object) -> dict[str, Any]:
        """The answer; {} when the helper ended over it."""
        return self.send(json.dumps({"verb": verb} | keys).encode() + b"\n")

    def must(self, verb: str, **keys: object) -> dict[str, Any]:
        found = self.ask(verb, **keys)
        assert found.get("ok") is True, (found, self.ended(), self.log[-2000:])
        return found

    def trouble(self, verb: str, **keys: object) -> str:
        """Of a request that has to be refused."""
        found = self.ask(verb, **keys)
        assert "ok" not in found and found["error"], found
        return str(found["trouble"])

    def send(self, line: bytes, timeout_s: float = 40.0) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as helper:
            helper.settimeout(timeout_s)
            try:
                helper.connect(str(self.socket))
                helper.sendall(line)
                with helper.makefile("rb") as answer:
                    found = json.loads(answer.readline() or b"{}")
            except (ConnectionError, FileNotFoundError):
                return {}
        assert isinstance(found, dict)
        return found

    def kill(self) -> None:
        """-9. The whole of it: `ip netns exec` becomes the program, it does not start it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def recover_by_hand(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words("--recover"), cwd=ROOT, capture_output=True, text=True, timeout=30, env=self.env
        )

    @property
    def env(self) -> dict[str, str]:
        return {key: value for key, value in os.environ.items() if key != "DIALTONE_HELPER"}

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def resolv_conf(self) -> Path:
        return self.root / "etc/resolv.conf"

    def running(self, program: str) -> list[list[str]]:
        """Command lines of its namespace whose first word ends so."""
        assert self.namespace is not None
        found = []
        for pid in run_program("ip", "netns", "pids", self.namespace.name).stdout.split():
            with contextlib.suppress(OSError):
                found.append(Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1])
        return [words for words in found if words and words[0].endswith(program)]

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)


@contextmanager
def helper_process(namespace: Namespace | None = None, *options: str, start: bool = True) -> Iterator[HelperProcess]:
    with tempfile.TemporaryDirectory(prefix="dialtone-helper-test-") as directory:
        helper = HelperProcess(Path(directory), namespace, *options)
        try:
            if start:
                helper.start()
            yield helper
        finally:
            helper.close()


class Station:
    """A namespace with eth0 (main link, with a default route of metric 100) and wwan0 (the modem's link, down, without
    anything), and at the other end of both a far side: 10.64.0.1 is on it as soon as wwan0 is up."""

    def __init__(self) -> None:
        name = f"dt{os.getpid()}-h{next(_number)}"
        self.host, self.far = Namespace(name), Namespace(f"{name}f")
        for namespace in (self.host, self.far):
            run_program("ip", "netns", "add", namespace.name)
        self.add_link("eth0", "lan0", "192.168.77.1/24")
        self.add_link("wwan0", "cell0", "10.64.0.1/24")
        self.host.ip(
            "link set lo up", "addr add 192.168.77.10/24 dev eth0", "link set eth0 up",
            "route add default via 192.168.77.1 dev eth0 metric 100 proto dhcp",
        )  # fmt: skip

    def add_link(self, name: str, far: str, address: str) -> None:
        self.host.ip(f"link add {name} type veth peer name {far} netns {self.far.name}")
        self.far.ip(f"addr add {address} dev {far}", f"link set {far} up")

    def close(self) -> None:
        self.host.close()
        self.far.close()

    def routes(self, *words: str) -> list[str]:
        return [line.strip() for line in self.host.run("ip", "-N", "-4", "route", *words).stdout.splitlines()]

    def routes6(self) -> list[str]:
        found = self.host.run("ip", "-N", "-6", "route", "show", "default").stdout.splitlines()
        return [line.strip() for line in found]

    def snapshot(self) -> str:
        """Links (up, mtu), IPv4 addresses and all routes but those that the kernel makes by itself for IPv6."""
        links = json.loads(self.host.run("ip", "-j", "address").stdout)
        seen: list[object] = [
            (
                link["ifname"], link["mtu"], "UP" in link["flags"],
                sorted(each["local"] for each in link["addr_info"] if each["family"] == "inet"),
            )
            for link in links
        ]  # fmt: skip
        seen += sorted(self.host.run("ip", "-N", "-4", "route", "show", "table", "all").stdout.splitlines())
        return "\n".join(str(each) for each in [*seen, *self.routes6()])


@contextmanager
def small_station() -> Iterator[Station]:
    station = Station()
    try:
        yield station
    finally:
        station.close()
