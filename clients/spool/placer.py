"""Files into their final place: whole, on the disk, and once each, however often this process is killed meanwhile.

1. The complete file is written under a hidden name in the target's directory and fsynced.
2. The ledger notes what is to happen.
3. Rename, fsync of the directory, removal of what it replaces.
4. The ledger notes that it has happened, and which handler is due.

A kill between 2 and 4 is finished at the next start: where the hidden file is gone, the rename had happened, so a
file that its reader has already taken away does not come again.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clients.spool.ledger import Ledger, Placing

HIDDEN = ".dialtone-"
LOCK = ".LOCK"
NAME_BYTES = 255
"""NAME_MAX of Linux file systems."""
MAX_SAME_NAME = 100_000


class Placer:
    """OSError or sqlite3.Error where the disk refuses; then `place` may be called again with the same key."""

    def __init__(self, ledger: Ledger, mode: int) -> None:
        self._ledger = ledger
        self._mode = mode

    def place(
        self,
        key: str,
        content: bytes,
        target: Path,
        *,
        source: Path | None = None,
        ref: str | None = None,
        argv: Sequence[str] = (),
    ) -> bool:
        """Writes content to target, once per key. False: it had been done before."""
        if self._ledger.is_placed(key):
            return False
        if (begun := self._ledger.placing(key)) is not None:  # the disk refused half way, last time
            self._finish(begun)
            return True
        temp = target.with_name(HIDDEN + hashlib.sha256(key.encode()).hexdigest()[:24])
        self._write(temp, content)
        replaced = os.fsencode(source) if source is not None else None
        placing = Placing(key, os.fsencode(temp), os.fsencode(target), replaced, ref, argv)
        self._ledger.begin_placing(placing)
        self._finish(placing)
        return True

    def move(self, key: str, source: Path, target: Path, *, argv: Sequence[str] = ()) -> None:
        """The same for a file that is moved as it is, within one file system."""
        if not self._ledger.is_placed(key):
            names = os.fsencode(source), os.fsencode(target), os.fsencode(source)
            placing = self._ledger.placing(key) or Placing(key, *names, None, argv)
            self._ledger.begin_placing(placing)
            self._finish(placing)

    def recover(self) -> int:
        """Ends what a killed process had begun; gives how many files that were."""
        begun = self._ledger.placings()
        for placing in begun:
            self._finish(placing)
        return len(begun)

    def _finish(self, placing: Placing) -> None:
        temp, target = Path(os.fsdecode(placing.temp)), Path(os.fsdecode(placing.target))
        if temp.exists():
            if target.exists():
                os.rename(target, _free_name(target))
            os.rename(temp, target)
            sync_folder(target.parent)
        if placing.source is not None:
            source = Path(os.fsdecode(placing.source))
            source.unlink(missing_ok=True)
            sync_folder(source.parent)
            lock_of(source).unlink(missing_ok=True)
        self._ledger.end_placing(placing)

    def _write(self, temp: Path, content: bytes) -> None:
        descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, self._mode)
            os.fsync(descriptor)


def _free_name(target: Path) -> Path:
    """Where the older file of the same name goes: its reader finds the newest under the name, and none is lost."""
    for number in range(1, MAX_SAME_NAME):
        candidate = with_suffix(target, f".{number}")
        if not candidate.exists():
            return candidate
    raise FileExistsError(f"too many files called {target.name}")


def lock_of(path: Path) -> Path:
    """<file>.LOCK, as smsd names it."""
    return with_suffix(path, LOCK)


def with_suffix(path: Path, suffix: str) -> Path:
    """The name with a suffix, cut to what a file system takes."""
    return path.with_name(os.fsdecode(os.fsencode(path.name)[: NAME_BYTES - len(suffix)]) + suffix)


def sync_folder(folder: Path) -> None:
    """Makes renames in this directory survive a loss of power."""
    with open_folder(folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def open_folder(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
