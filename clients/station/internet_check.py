"""dialtone net watch-file: the signal file of the old station, /tmp/internet_check_priority, as a request to the core.

Scripts (trigger_internet_check.sh and those that call it) write a reason into that file when the internet is needed at
once. It lies where anyone may write, so nothing in it is trusted: no link is followed, only a regular file counts,
little of it is read, and it decides nothing but that the core looks at its connection.
"""

import argparse
import asyncio
import logging
import os
import signal
import stat
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from asyncinotify import Inotify, Mask

import dialtone
from clients.cli.command import FAILED, OK
from clients.cli.notify import ServiceManager
from clients.cli.verbs import Verbs, add_verb

SIGNAL_FILE = Path("/tmp/internet_check_priority")  # noqa: S108 - the path is what makes it the old interface
NO_REASON = "signal file"
MOST_BYTES = 1024
MOST_CHARS = 200
STALE_S = 60.0
"""What was needed at once so long ago is not any more; the old monitor looked once in 30 s."""
GAP_S = 1.0
"""Between two looks that found one; the core makes one of what comes within a second anyway."""
RETRY_S = 2.0
"""While there is no core."""
POLL_S = 5.0
"""Where inotify can't be had (max_user_instances), and in case one of its events is lost."""
ASK_S = 10.0

_log = logging.getLogger("dialtone.net")


@dataclass(frozen=True, slots=True)
class Signal:
    """reason: one short line. age_s: since the file was written."""

    reason: str
    age_s: float


@dataclass(slots=True)
class SignalFile:
    """`take` is for one task. In a sticky directory only its owner may remove a file: what can't be removed counts once
    for each time that it is written."""

    path: Path
    _done: tuple[int, int, int] | None = None
    _warned: set[str] = field(default_factory=set)

    def take(self, now_unix_s: float) -> Signal | None:
        """What stands in it, which then counts as done; None when there is nothing new."""
        try:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as problem:
            self._warn(f"{self.path.parent}: {problem.strerror}")
            return None
        try:
            return self._take(folder, now_unix_s)
        finally:
            os.close(folder)

    def _take(self, folder: int, now_unix_s: float) -> Signal | None:
        name = self.path.name
        try:
            there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            self._done = None
            return None
        if not stat.S_ISREG(there.st_mode):
            self._warn("it is no regular file, and is left alone")
            return None
        mark = (there.st_dev, there.st_ino, there.st_mtime_ns)
        if mark == self._done:
            return None
        reason = self._read(folder, name)
        try:
            os.unlink(name, dir_fd=folder)
            self._done = None
        except FileNotFoundError:
            self._done = None
        except OSError as problem:
            self._warn(f"it stays, and counts again when it is written again: {problem.strerror}")
            self._done = mark
        return Signal(reason, max(0.0, now_unix_s - there.st_mtime))

    def _read(self, folder: int, name: str) -> str:
        """Its first line with something in it; the file may be another one by now, and is looked at again."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            fd = os.open(name, flags, dir_fd=folder)
        except OSError:
            return NO_REASON  # of somebody who keeps it to himself
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return NO_REASON
            return reason_in(os.read(fd, MOST_BYTES))
        except OSError:
            return NO_REASON
        finally:
            os.close(fd)

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            _log.warning("%s: %s", self.path, text)


def reason_in(content: bytes) -> str:
    """One short line of printable characters, whatever was written."""
    text = content.decode("utf-8", "replace")
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:MOST_CHARS] or NO_REASON


class Follower:
    """Looks when something happens to the file, and asks the core."""

    def __init__(self, path: Path, socket: str | None) -> None:
        self.path = path
        self._file = SignalFile(path)
        self._socket = socket
        self._seen = asyncio.Event()
        self._core_missed = False

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="signal.inotify")
            tasks.create_task(self._serve(), name="signal.serve")

    async def _follow(self) -> None:
        warned = False
        while True:
            try:
                await self._listen()
            except OSError as problem:
                if not warned:
                    _log.warning("no inotify, looking every %g s: %s", POLL_S, problem.strerror)
                warned = True
            await asyncio.sleep(POLL_S)

    async def _listen(self) -> None:
        path = self.path
        with Inotify() as inotify:
            mask = Mask.CLOSE_WRITE | Mask.MOVED_TO | Mask.DELETE_SELF | Mask.MOVE_SELF
            inotify.add_watch(path.parent, mask | Mask.ONLYDIR)
            self._seen.set()
            async for event in inotify:
                if event.mask & (Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.IGNORED | Mask.UNMOUNT):
                    return
                if event.mask & Mask.Q_OVERFLOW or (event.name is not None and event.name.name == path.name):
                    self._seen.set()

    async def _serve(self) -> None:
        while True:
            try:
                async with asyncio.timeout(POLL_S):
                    await self._seen.wait()
            except TimeoutError:
                pass
            self._seen.clear()
            found = self._file.take(datetime.now(UTC).timestamp())
            if found is None:
                continue
            if found.age_s > STALE_S:
                _log.info("a signal that is %.0f s old is not acted on", found.age_s)
            else:
                await self._ask(found)
            await asyncio.sleep(GAP_S)

    async def _ask(self, found: Signal) -> None:
        """Until the core has looked, or refused, or it is too late."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + STALE_S - found.age_s
        while loop.time() < deadline_s:
            try:
                _log.info("the core has looked: %s", await self._checked(found.reason))
                self._core_missed = False
                return
            except dialtone.RpcError as problem:
                _log.warning("the core did not look: %s", problem.kind)
                return
            except dialtone.DialtoneError as problem:
                if not self._core_missed:
                    _log.warning("the core can't be asked, which is tried again: %s", type(problem).__name__)
                self._core_missed = True
            await asyncio.sleep(RETRY_S)

    async def _checked(self, reason: str) -> str:
        async with dialtone.connect(self._socket, name="internet-check") as phone:
            answer = await phone.call_with("net.check", {"reason": reason}, timeout_s=ASK_S)
        return f"{answer.get('verdict')}, {answer.get('state')}"


def add_watch_file(verbs: Verbs) -> argparse.ArgumentParser:
    """The verb `watch-file` of `dialtone net`."""
    parser = add_verb(verbs, "watch-file", "honour the old signal file until stopped", "dialtone net watch-file")
    parser.add_argument(
        "--file", metavar="PATH", type=Path, default=SIGNAL_FILE, help=f"which one (default: {SIGNAL_FILE})"
    )
    return parser


def watch_file(socket: str | None, path: Path) -> int:
    """Runs until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    if not path.is_absolute() or not path.parent.is_dir():
        print(f"dialtone: {path}: name a file in a directory that there is", file=sys.stderr)
        return FAILED
    asyncio.run(_until_stopped(Follower(path, socket)))
    return OK


async def _until_stopped(follower: Follower) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    systemd = ServiceManager.of_environment()
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follower.run(), name="signal")
        with systemd.told(lambda: f"watching {follower.path}"):
            await stop.wait()
        following.cancel()
