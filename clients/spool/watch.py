"""Which files in outgoing are ready to be taken: complete, not locked, in order of priority and age.

inotify says when to look; without it (or in between) a slow rescan does. A file that was moved in is complete. One
that is written in place is complete when nobody has it open for writing and it has not changed for settle_s.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from asyncinotify import Inotify, Mask

from clients.spool.message_file import read_message
from clients.spool.outgoing import is_high
from clients.spool.placer import LOCK, lock_of

RETRY_WATCH_S = 5.0
HEADER_BYTES = 8192
"""As much of a file as is read to find its priority."""
UNREADABLE_S = 5.0
"""A script that writes as somebody else may still change the mode of its file."""
NOTED_NAMES = 10_000
"""Names told by inotify and not yet looked at; above it they have to settle like all others."""
SILENT_WRITER_S = 60.0
"""Who made a file and neither wrote nor closed it for so long is not waited for any more."""

_log = logging.getLogger("dialtone.spool")


@dataclass(frozen=True, slots=True)
class Ready:
    """A file to be taken. high sorts before all others."""

    name: bytes
    high: bool
    mtime_ns: int
    readable: bool = True


@dataclass(slots=True)
class _Seen:
    """A file as it was when it was first seen like this, on the monotonic clock."""

    signature: tuple[int, int, int]
    since_s: float


class Watch:
    """Made on the main thread. `look` is what counts; `run` only says when."""

    def __init__(self, folder: Path, settle_s: float, rescan_s: float) -> None:
        self.folder = folder
        self.changed = asyncio.Event()
        self._settle_s = settle_s
        self._rescan_s = rescan_s
        self._moved: set[bytes] = set()
        self._created: set[bytes] = set()
        self._seen: dict[bytes, _Seen] = {}
        self._warned: set[bytes] = set()
        # Who opens a file for writing in the microseconds of our lease makes the kernel send us this.
        signal.signal(signal.SIGIO, signal.SIG_IGN)

    async def run(self) -> None:
        """Sets `changed` until cancelled."""
        warned = False
        while True:
            try:
                await self._follow()
            except OSError as problem:
                if not warned:
                    _log.warning("no inotify on outgoing, looking every %g s: %s", self._rescan_s, problem.strerror)
                warned = True
            await asyncio.sleep(min(RETRY_WATCH_S, self._rescan_s))
            self.changed.set()

    async def _follow(self) -> None:
        with Inotify() as inotify:
            mask = Mask.CLOSE_WRITE | Mask.MOVED_TO | Mask.CREATE | Mask.ATTRIB | Mask.DELETE | Mask.MOVED_FROM
            inotify.add_watch(self.folder, mask | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.ONLYDIR)
            self.changed.set()
            async for event in inotify:
                if event.name is not None:
                    self._note(os.fsencode(event.name), event.mask)
                self.changed.set()
                if event.mask & (Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.IGNORED | Mask.UNMOUNT):
                    return

    def _note(self, name: bytes, mask: Mask) -> None:
        if mask & Mask.MOVED_TO and len(self._moved) < NOTED_NAMES:
            self._moved.add(name)
        if mask & Mask.CREATE and len(self._created) < NOTED_NAMES:
            self._created.add(name)
        if mask & (Mask.CLOSE_WRITE | Mask.MOVED_TO):
            self._created.discard(name)

    async def wait(self, next_look_s: float | None) -> None:
        """Until something changed, or it is time to look again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._rescan_s if next_look_s is None else min(next_look_s, self._rescan_s)):
                await self.changed.wait()
        self.changed.clear()

    def look(self) -> tuple[list[Ready], float | None]:
        """Files that are ready, in their order, and in how many seconds others may be. OSError."""
        ready: list[Ready] = []
        next_s: float | None = None
        there: set[bytes] = set()
        with os.scandir(os.fsencode(self.folder)) as entries:
            for entry in entries:
                there.add(entry.name)
                found = self._judge(entry)
                if isinstance(found, Ready):
                    ready.append(found)
                elif found is not None:
                    next_s = found if next_s is None else min(next_s, found)
        self._forget(there)
        return sorted(ready, key=lambda one: (not one.high, one.mtime_ns, one.name)), next_s

    def _judge(self, entry: "os.DirEntry[bytes]") -> Ready | float | None:
        """Ready; or in how many seconds it may be; None: not a file for us (as smsd: hidden, empty, links, folders)."""
        name = entry.name
        if name.startswith(b".") or name.endswith(os.fsencode(LOCK)):
            return None
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            self._say_ignored(name)
            return None
        if found.st_size == 0:
            return None  # made by mktemp; its content is moved over it later
        if self._locked(name):
            return self._rescan_s
        return self._complete(name, found)

    def _complete(self, name: bytes, found: os.stat_result) -> Ready | float:
        now_s = time.monotonic()
        signature = (found.st_ino, found.st_size, found.st_mtime_ns)
        seen = self._seen.get(name)
        if seen is None or seen.signature != signature:
            seen = self._seen[name] = _Seen(signature, now_s)
        left_s = seen.since_s + self._settle_s - now_s
        if left_s > 0 and name not in self._moved:
            return left_s
        try:
            descriptor = os.open(self.path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            left_s = seen.since_s + UNREADABLE_S - now_s
            return left_s if left_s > 0 else Ready(name, False, found.st_mtime_ns, readable=False)
        try:
            creating = name in self._created and now_s - seen.since_s < SILENT_WRITER_S
            if creating:
                return self._settle_s
            if being_written(descriptor):
                seen.since_s = now_s
                return self._settle_s
            high = is_high(read_message(os.read(descriptor, HEADER_BYTES)))
        finally:
            os.close(descriptor)
        return Ready(name, high, found.st_mtime_ns)

    def path(self, name: bytes) -> Path:
        return self.folder / os.fsdecode(name)

    def _locked(self, name: bytes) -> bool:
        """Whether <file>.LOCK is there; a lock whose process is dead holds nobody."""
        try:
            content = lock_of(self.path(name)).read_bytes()[:32].strip()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        if not content.isdigit():
            return True
        try:
            os.kill(int(content), 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            pass
        return True

    def _say_ignored(self, name: bytes) -> None:
        if name not in self._warned:
            self._warned.add(name)
            _log.warning("outgoing/%a is no regular file and stays where it is", name)

    def _forget(self, there: set[bytes]) -> None:
        self._moved &= there
        self._created &= there
        self._warned &= there
        for name in self._seen.keys() - there:
            del self._seen[name]


def being_written(descriptor: int) -> bool:
    """Whether any process has this file open for writing: then the kernel gives no read lease (fcntl(2), F_SETLEASE).

    Leases are given to the owner of the file and to root. False for everyone else, who must go by inotify.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
