"""A network namespace of a test: code runs inside it in a thread, programs by `ip netns exec`."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """One network namespace. Programs started by `popen` end with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path("/run/netns") / name
        self._programs: list[subprocess.Popen[Any]] = []

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread's sockets, and the threads and processes it starts meanwhile, belong to the namespace.

        /sys/class/net still shows that of the process; programs that read it need `run` or `popen`.
        """
        with open("/proc/thread-self/ns/net") as before, self.path.open() as wanted:
            _enter(wanted.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def run(self, *argv: str, check: bool = True, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a program inside (ip netns exec), at most 30 s. An AssertionError with its stderr when it fails."""
        return run_program("ip", "netns", "exec", self.name, *argv, check=check, input=input)

    def popen(self, *argv: str, **options: Any) -> subprocess.Popen[Any]:
        """Starts a program inside; what is left of it at the end of the block is ended then."""
        program = subprocess.Popen(["ip", "netns", "exec", self.name, *argv], **options)
        self._programs.append(program)
        return program

    def ip(self, *lines: str) -> None:
        """Commands of ip(8), one a line: ip("link set eth0 up", "addr add …")."""
        run_program("ip", "-n", self.name, "-batch", "-", input="\n".join(lines) + "\n")

    def nft(self, rules: str) -> None:
        self.run("nft", "-f", "-", input=rules)

    def sysctl(self, name: str, value: str) -> None:
        """A sysctl below net., inside this namespace alone."""
        with self.inside():
            Path("/proc/sys", *name.split(".")).write_text(value)

    def close(self) -> None:
        """Ends the programs and removes the namespace."""
        for program in self._programs:
            if program.poll() is None:
                program.terminate()
        for program in self._programs:
            try:
                program.wait(2)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait(30)
            for stream in (program.stdin, program.stdout, program.stderr):
                if stream is not None:
                    stream.close()
        if self.path.exists():
            for pid in run_program("ip", "netns", "pids", self.name, check=False).stdout.split():
                if int(pid) != os.getpid():  # grandchildren that outlived their parent
                    _kill(int(pid))
            run_program("ip", "netns", "del", self.name, check=False)


def why_not() -> str | None:
    """What this machine lacks for `network`, for a person; None when nothing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "nft", "dnsmasq"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    name = f"dt{os.getpid()}-try"
    try:
        run_program("ip", "netns", "add", name)
        run_program(
            "ip",
            "netns",
            "exec",
            name,
            "nft",
            "-f",
            "-",
            input="table ip t { chain c { type nat hook output priority 0; }; }",
        )
    except (AssertionError, OSError) as problem:
        return f"no network namespace with nftables can be made here: {problem}"
    finally:
        run_program("ip", "netns", "del", name, check=False)
    return None


def forget_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def run_program(*argv: str, check: bool = True, input: str | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, input=input, check=False)
    assert not check or done.returncode == 0, f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}"
    return done


def until(done: Callable[[], bool], text: str, timeout_s: float = 30.0) -> None:
    """Its time only ends a wait for what never comes: a machine that stands still for seconds fails no test."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, text
        time.sleep(0.005)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _enter(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        problem = ctypes.get_errno()
        raise OSError(problem, os.strerror(problem))


def listens(path: Path) -> bool:
    """Whether somebody takes connections there. The file alone is there a moment earlier."""
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(path))
        except OSError:
            return False
    return True
