"""UUCP lock files (FHS 3.0 §5.9): the way minicom, pppd, smsd and others tell each other who has a tty.

AtPort and the PCM port have flock and TIOCEXCL, which keep others out. The lock file is for programs that only look
for it, and so that they can name us. A folder that can't be written to is no reason not to work.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterable, Iterator

from core.log import Log
from core.modem.usb_holder import LOCK_FOLDERS, Evidence, Holder, PortHeld, holder_name, is_alive, lock_name, read_lock

_log = Log("modem.usb")


_OURS: set[str] = set()
"""Lock files of this process. One with our process id that isn't among them is an earlier life's: in a container,
every life may have the same number."""

_GUARD = threading.Lock()
"""Between making a file and noting that it is ours, another thread would take it for such a one."""


class PortLock:
    """`take` before opening, `release` after closing; `with PortLock(path):` does both. Files only: some µs to ms."""

    def __init__(self, path: str, folders: tuple[str, ...] | None = None) -> None:
        self._path = path
        self._folders = LOCK_FOLDERS if folders is None else folders
        self._taken: tuple[str, int] | None = None

    @property
    def file(self) -> str | None:
        """The lock file while it is ours; None as well where no folder takes one."""
        return self._taken[0] if self._taken is not None else None

    def __enter__(self) -> "PortLock":
        self.take()
        return self

    def __exit__(self, *problem: object) -> None:
        self.release()

    def take(self) -> None:
        """PortHeld when another living process has it. Stale locks are replaced."""
        name = lock_name(self._path)
        folders = list(dict.fromkeys(os.path.realpath(folder) for folder in self._folders))
        with _GUARD:
            if self._taken is not None:
                return
            for folder in folders:
                self._refuse_if_held(os.path.join(folder, name))
            for folder in folders:
                if self._taken is None and os.path.isdir(folder):
                    self._take_in(folder, name)

    def release(self) -> None:
        """Removes the file, unless somebody has replaced it."""
        with _GUARD:
            taken, self._taken = self._taken, None
            if taken is None:
                return
            _OURS.discard(taken[0])
            with contextlib.suppress(OSError):
                if os.stat(taken[0]).st_ino == taken[1]:
                    os.unlink(taken[0])

    def _refuse_if_held(self, lock: str) -> None:
        pid = _living(lock)
        if pid is not None:
            raise PortHeld(self._path, Holder(pid, holder_name(pid), Evidence.LOCK))

    def _take_in(self, folder: str, name: str) -> None:
        lock, draft = os.path.join(folder, name), os.path.join(folder, f"LTMP.{os.getpid()}.{id(self):x}")
        try:
            inode = _write_new(draft)
            try:
                for _ in range(3):  # a stale file may be gone, or another one may come, between two looks
                    if _link_new(draft, lock) or _replace_stale(draft, lock):
                        self._taken = (lock, inode)
                        _OURS.add(lock)
                        return
                    self._refuse_if_held(lock)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(draft)
        except OSError as problem:
            _log.debug("no lock file", folder=folder, problem=str(problem))


@contextlib.contextmanager
def locked(paths: Iterable[str]) -> Iterator[None]:
    """The locks of several ports, each tty once. PortHeld when somebody has one; then none is kept."""
    with contextlib.ExitStack() as taken:
        for path in {os.path.realpath(path): path for path in paths}.values():
            taken.enter_context(PortLock(path))
        yield


def _living(lock: str) -> int | None:
    """The process that holds this lock file; None when there is none, or it is dead."""
    pid = read_lock(lock)
    if pid is None or (pid == os.getpid() and lock not in _OURS):
        return None
    return pid if is_alive(pid) else None


def _write_new(path: str) -> int:
    """The inode of a new file with our process id, ten wide as UUCP wants it. O_EXCL: no link is followed."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, f"{os.getpid():10d}\n".encode("ascii"))
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)


def _link_new(draft: str, lock: str) -> bool:
    """link(2) is the test and the taking in one."""
    try:
        os.link(draft, lock)
    except FileExistsError:
        return False
    return True


def _replace_stale(draft: str, lock: str) -> bool:
    """Puts ours in place of a dead process's. flock on the old file, so that of two who find it only one does."""
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.stat(lock).st_ino != os.fstat(fd).st_ino or _living(lock) is not None:
            return False
        os.rename(draft, lock)
    except (FileNotFoundError, BlockingIOError):
        return False
    finally:
        os.close(fd)
    return True
