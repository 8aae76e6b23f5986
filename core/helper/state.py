"""What the helper has changed, on a file: written before each change, so that no kill leaves one that nobody knows.

An entry therefore says "may be there", never "is there". The file is below /run, as are the changes: a restart of the
machine takes both (resolv.conf is the exception, and says itself whose it is: resolver_file.py).
"""

import json
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from core.helper.refused import Refused, Trouble


@dataclass(slots=True)
class LinkWas:
    """A link as it was before the first change. index: another one is another link, whatever its name. raw_ip: None
    where it was not touched. lost: other programs' routes that the kernel drops with the link, as words for ip."""

    interface: str
    index: int
    up: bool
    mtu: int
    raw_ip: bool | None = None
    lost: list[list[str]] = field(default_factory=list)


@dataclass(slots=True)
class AddressMade:
    interface: str
    index: int
    address: str


@dataclass(slots=True)
class RouteMade:
    to: str
    interface: str
    gateway: str | None
    metric: int


@dataclass(slots=True)
class ResolverSet:
    """by: resolved, resolvconf or file. dns_was, domains_was: what systemd-resolved had for the link."""

    by: str
    interface: str
    dns: list[str]
    dns_was: list[str] = field(default_factory=list)
    domains_was: list[str] = field(default_factory=list)


@dataclass(slots=True)
class PppRuns:
    """folder: stands in pppd's command line, by which one is found whose pid was not written yet. started: field 22 of
    /proc/<pid>/stat, since pids come again."""

    unit: int
    folder: str
    pid: int | None = None
    started: int | None = None


@dataclass(slots=True)
class Held:
    """usb: devices that a reset has off the bus just now."""

    links: dict[str, LinkWas] = field(default_factory=dict)
    addresses: list[AddressMade] = field(default_factory=list)
    routes: list[RouteMade] = field(default_factory=list)
    block_ipv6: list[int] = field(default_factory=list)
    resolver: ResolverSet | None = None
    ppp: dict[int, PppRuns] = field(default_factory=dict)
    usb: list[str] = field(default_factory=list)


class StateFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.closing = False
        """Nothing new may begin; what was begun is taken back."""
        self._held = _read(path)

    @contextmanager
    def reading(self) -> Iterator[Held]:
        with self._lock:
            yield self._held

    @contextmanager
    def intent(self) -> Iterator[Held]:
        """Before a change. It is on the disk when the block has ended."""
        with self._lock:
            if self.closing:
                raise Refused(Trouble.STOPPING, "the helper is being stopped")
            yield self._held
            self._write()

    @contextmanager
    def done(self) -> Iterator[Held]:
        """After something was taken back."""
        with self._lock:
            yield self._held
            self._write()

    def _write(self) -> None:
        """Old or new, never half of it: rename(2). fsync, since a state that is older than its changes is none."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_name(f"{self._path.name}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(
            descriptor, "w"
        ) as out:  # to the last byte or an error, unlike write(2) on a disk that gets full
            out.write(json.dumps(asdict(self._held)))
            out.flush()
            os.fsync(descriptor)
        os.rename(new, self._path)
        sync_folder(self._path.parent)


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Held:
    """Root's own file. One that can't be read is none of this version's, and is said, not followed."""
    try:
        found = json.loads(_own(path))
        return Held(
            links={name: LinkWas(**each) for name, each in found["links"].items()},
            addresses=[AddressMade(**each) for each in found["addresses"]],
            routes=[RouteMade(**each) for each in found["routes"]],
            block_ipv6=list(found["block_ipv6"]),
            resolver=ResolverSet(**found["resolver"]) if found["resolver"] else None,
            ppp={int(unit): PppRuns(**each) for unit, each in found["ppp"].items()},
            usb=list(found.get("usb", ())),
        )
    except FileNotFoundError:
        return Held()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        print(f"dialtone-helper: {path} can't be used and is left: {problem}", file=sys.stderr, flush=True)
        return Held()


def _own(path: Path) -> bytes:
    """ValueError where somebody else may have written it (a socket in /tmp): it names folders to remove, and more."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        there = os.fstat(descriptor)
        if not stat.S_ISREG(there.st_mode) or there.st_uid != os.geteuid() or there.st_mode & 0o022:
            raise ValueError("it may be somebody else's")
        return file.read()
