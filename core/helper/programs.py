"""Runs other programs: found in a fixed list of folders, with a fixed environment, nothing on stdin, and a limit."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.helper.refused import Refused, Trouble

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MOST_OUTPUT_BYTES = 1 << 20
MOST_WORDS = 300
SHORT_S = 5.0
"""For a program that asks the kernel."""

LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Ended:
    """out: stdout; words: stderr, else stdout, in one short line for people."""

    code: int
    out: str
    words: str


class Child:
    """A program that goes on. What it says is in a file without a name, so that a daemon it leaves behind, which still
    holds its stdout, keeps nobody waiting."""

    def __init__(self, words: list[str], environment: dict[str, str], cwd: Path | None, stdin: bytes = b"") -> None:
        """words[0]: an absolute path."""
        self._out, self._err = (os.fdopen(os.memfd_create(name), "rb") for name in ("out", "err"))
        try:
            with _given(stdin) as given:
                self._process = subprocess.Popen(
                    words, stdin=given, stdout=self._out, stderr=self._err, cwd=cwd or "/", env=environment,
                    start_new_session=True, umask=0o022,  # what resolvconf makes is for everybody to read
                )  # fmt: skip
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Whether it ended, or what was waited for came, in time."""
        end = time.monotonic() + timeout_s
        while self.code() is None and not until():
            if time.monotonic() >= end:
                return False
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(LOOK_EVERY_S)
        return True

    def said(self) -> Ended:
        out, err = _text(self._out), _text(self._err)
        return Ended(self._process.returncode or 0, out, " ".join((err.strip() or out.strip()).split())[-MOST_WORDS:])

    def end(self, grace_s: float = 0.0) -> None:
        """It and all that it started and that did not leave its group. Not signalled once it has ended by itself: the
        number may be another's by then."""
        if grace_s and self.code() is None:
            signal_group(self.pid, signal.SIGTERM)
            self.wait(grace_s)
        if self.code() is None:
            signal_group(self.pid, signal.SIGKILL)
            self.wait(SHORT_S)

    def close(self) -> None:
        self._out.close()
        self._err.close()


class Programs:
    """path: the folders that are looked through; tests name others."""

    def __init__(self, path: str = PATH) -> None:
        self._path = path
        self.stopped = False
        """Set when the helper ends: nobody waits for a child() any more."""

    def find(self, name: str) -> str | None:
        for folder in self._path.split(":"):
            place = f"{folder}/{name}"
            if place.startswith("/") and os.path.isfile(place) and os.access(place, os.X_OK):
                return place
        return None

    def require(self, name: str) -> str:
        found = self.find(name)
        if found is None:
            raise Refused(Trouble.PROGRAM_MISSING, f"{name} is not installed")
        return found

    def start(self, words: list[str], *, cwd: Path | None = None, stdin: bytes = b"") -> Child:
        return Child(words, {"PATH": self._path, "LC_ALL": "C"}, cwd, stdin)

    @contextmanager
    def child(self, words: list[str], *, cwd: Path | None = None, stdin: bytes = b"") -> Iterator[Child]:
        """It has ended when the block ends."""
        child = self.start(words, cwd=cwd, stdin=stdin)
        try:
            yield child
        finally:
            child.end()
            child.close()

    def run(self, name: str, *arguments: str, timeout_s: float = SHORT_S, stdin: bytes = b"") -> Ended:
        """Whatever its code is. Refused: program_missing, timeout."""
        child = self.start([self.require(name), *arguments], stdin=stdin)
        try:
            if not child.wait(timeout_s):
                child.end()
                raise Refused(Trouble.TIMEOUT, f"{name} took longer than {timeout_s:g} s")
            return child.said()
        finally:
            child.close()

    def must(self, name: str, *arguments: str, timeout_s: float = SHORT_S, stdin: bytes = b"") -> str:
        """Its stdout; Refused also when it fails."""
        ended = self.run(name, *arguments, timeout_s=timeout_s, stdin=stdin)
        if ended.code != 0:
            raise Refused(Trouble.REFUSED, f"{name}: {ended.words or f'ended with {ended.code}'}")
        return ended.out


def signal_group(pid: int, number: signal.Signals) -> None:
    """The group that a child leads, and the child, wherever it may be."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _given(data: bytes) -> BinaryIO:
    """What a program reads: data, or nothing."""
    if not data:
        return open(os.devnull, "rb")
    file = os.fdopen(os.memfd_create("in"), "r+b")
    file.write(data)
    file.seek(0)
    return file


def _text(file: BinaryIO) -> str:
    """From its beginning: the program moves the same place on. Nothing of one that was closed."""
    try:
        return os.pread(file.fileno(), MOST_OUTPUT_BYTES, 0).decode(errors="replace")
    except ValueError:
        return ""
