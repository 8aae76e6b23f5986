"""The directory of files that are ours: taken from outgoing, and not yet in sent or failed."""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clients.spool.outgoing import Malformed
from clients.spool.placer import LOCK, lock_of, sync_folder
from clients.spool.settings import Settings

HUGE_BYTES = 16 * 1024 * 1024
"""A larger file is moved to failed as it is."""
REF_PREFIX = "spool-"


class Unreadable(Exception):
    """The file can't be read, or only at the cost of all memory."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file as it was read. ref: made from place, name, inode, time and content, so that no other file has it."""

    octets: bytes
    ref: str

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.octets).hexdigest()


class Checked:
    """OSError where the disk refuses."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.folders()["checked"]
        self._settings = settings

    def path(self, name: bytes) -> Path:
        return self.folder / os.fsdecode(name)

    def take(self, source: Path) -> bool:
        """Moves a file here. False: one of this name is here already."""
        target = self.folder / source.name
        if target.exists():
            return False
        self._lock(target)
        try:
            os.rename(source, target)
        except OSError:
            lock_of(target).unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
        sync_folder(source.parent)
        return True

    def left(self) -> list[bytes]:
        """Files that lie here from before, now with our lock; locks without a file are removed."""
        names = sorted(os.listdir(os.fsencode(self.folder)))
        found: list[bytes] = []
        for name in names:
            if name.endswith(os.fsencode(LOCK)):
                if name[: -len(LOCK)] not in names:
                    with suppress(OSError):
                        self.path(name).unlink()
            elif not name.startswith(b".") and self.path(name).is_file():
                self._lock(self.path(name))
                found.append(name)
        return found

    def read(self, name: bytes) -> Content:
        """Unreadable."""
        return _read(self.path(name))

    def read_include(self, name: str) -> bytes:
        """Only regular files really below one of the configured directories. Malformed."""
        for folder in self._settings.include:
            base = Path(os.path.realpath(self._settings.folder(folder)))
            real = Path(os.path.realpath(base / name))
            if real.is_relative_to(base) and real.is_file():
                with suppress(Unreadable):
                    octets = _read(real).octets
                    if len(octets) <= self._settings.max_file_bytes:
                        return octets
        raise Malformed("The included file is not below a directory of `include`, or can't be read")

    def _lock(self, path: Path) -> None:
        """smsd's own lock, so that no smsd on the same directories takes what is ours."""
        lock_of(path).write_text(f"{os.getpid()}\n")


def _read(path: Path) -> Content:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            octets = file.read(HUGE_BYTES + 1)
    except OSError as problem:
        raise Unreadable(problem.strerror or "can't be read") from None
    if len(octets) > HUGE_BYTES:
        raise Unreadable("is too large")
    identity = f"{path}\0{found.st_ino}\0{found.st_mtime_ns}\0".encode(errors="surrogateescape")
    return Content(octets, REF_PREFIX + hashlib.sha256(identity + octets).hexdigest()[:40])
