"""Runs qmicli: one at a time, also across a kill -9 of this daemon, each with an end that does not depend on us."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.net.bearers import qmi_output
from core.net.types import BearerFailed, BearerTrouble

KILL_AFTER_S = 1.0
"""After SIGTERM, by timeout(1). qmicli 1.32.2 ends within milliseconds of it in the middle of a request, and not at all
once it has failed to read a value."""

GRACE_S = 2.0
"""Beyond the time of timeout(1), which is the one that counts."""

LOCK_S = 4.0
"""For what an earlier life has started to end."""

_ENDED = (124, 137, -9)
"""Of timeout(1): it sent SIGTERM; it sent SIGKILL, or somebody did; it was killed itself."""


class Qmicli:
    """folder: for its output and its lock, ours alone. program: a name on PATH, or a path.

    What it prints goes to a file, not a pipe: qmi-proxy, which it starts, inherits it and would hold a pipe open; and
    when this daemon is killed, the client id that the modem is just giving out can still be read there.
    """

    def __init__(self, folder: Path, *, program: str = "qmicli") -> None:
        self._folder = folder
        self._program = program

    async def run(self, arguments: tuple[str, ...], *, timeout_s: float) -> str:
        """What it printed, both channels. BearerFailed when it fails; the text then holds no argument of it."""
        began_s = time.monotonic()
        code, text = await self._run(arguments, timeout_s)
        if code in _ENDED:
            if time.monotonic() - began_s < timeout_s:
                raise QmiFailed(BearerTrouble.FAILED, "qmicli was killed", text)
            raise QmiFailed(BearerTrouble.TIMEOUT, f"qmicli took longer than {timeout_s:g} s", text)
        if code != 0:
            raise QmiFailed(*qmi_output.trouble(text), text)
        return text

    async def left(self) -> str:
        """What the last command printed, once it has ended; it may be one of an earlier life of this daemon."""
        with contextlib.ExitStack() as stack:
            await self._lock(stack)
            return self._printed()

    async def _run(self, arguments: tuple[str, ...], timeout_s: float) -> tuple[int, str]:
        program, limit = shutil.which(self._program), shutil.which("timeout")
        if program is None or limit is None:
            missing = "qmicli (package libqmi-utils)" if program is None else "timeout (package coreutils)"
            raise BearerFailed(BearerTrouble.PROGRAM_MISSING, f"{missing} is not installed")
        # --foreground: it signals qmicli alone and once; a second SIGTERM would make qmicli drop its client ids
        guard = (limit, "--foreground", f"--kill-after={KILL_AFTER_S:g}", f"{timeout_s:g}")
        with contextlib.ExitStack() as stack:
            lock = await self._lock(stack)
            output = os.open(self._output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, output)
            process = _start((*guard, program, *arguments), output, lock)
            code = await _end_of(process, timeout_s + KILL_AFTER_S + GRACE_S)
            return code, self._printed()

    @property
    def _output(self) -> Path:
        return self._folder / "qmi.out"

    def _printed(self) -> str:
        try:
            return self._output.read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    async def _lock(self, stack: contextlib.ExitStack) -> int:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._folder / "qmi.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise BearerFailed(BearerTrouble.FAILED, f"{self._folder} can't be used: {problem.strerror}") from None
        stack.callback(os.close, lock)
        try:
            async with asyncio.timeout(LOCK_S):
                while not _locked(lock):  # noqa: ASYNC110 - flock(2) tells nobody when it is free
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise BearerFailed(BearerTrouble.TIMEOUT, "an earlier qmicli still runs") from None
        return lock


class QmiFailed(BearerFailed):
    """printed: for qmi_output; never for people."""

    def __init__(self, trouble: BearerTrouble, text: str, printed: str) -> None:
        super().__init__(trouble, text)
        self.printed = printed


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start(words: tuple[str, ...], output: int, lock: int) -> "subprocess.Popen[bytes]":
    """Not asyncio's: there, a cancellation in the middle of starting kills timeout(1) and leaves qmicli to itself. A
    start takes 1 to 2 ms. It holds the lock for as long as it lives."""
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(lock,),
            env=environment,
        )
    except OSError as problem:
        raise BearerFailed(BearerTrouble.FAILED, f"qmicli can't be started: {problem.strerror}") from None


async def _end_of(process: "subprocess.Popen[bytes]", timeout_s: float) -> int:
    """Its status. Cancelled, it is ended first: by SIGTERM to timeout(1), which follows up with SIGKILL."""
    with _exit_event(process.pid) as ended:
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await ended.wait()
        finally:
            try:
                if process.poll() is None:
                    process.terminate()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(KILL_AFTER_S + 0.5):
                            await ended.wait()
            finally:
                if process.poll() is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait(1.0)
    return process.returncode


@contextmanager
def _exit_event(pid: int) -> Iterator[asyncio.Event]:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop.add_reader(descriptor, _told, loop, descriptor, ended)
    try:
        yield ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _told(loop: asyncio.AbstractEventLoop, descriptor: int, ended: asyncio.Event) -> None:
    """It stays readable for ever: once is enough."""
    loop.remove_reader(descriptor)
    ended.set()
