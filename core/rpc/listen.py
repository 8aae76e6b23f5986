"""Unix sockets that are never open to more than they should be, not even for a moment, and that leave nothing behind.

A socket is bound inside a directory that nobody else can enter, gets its group and mode there, and is then renamed to
its place: whoever sees it sees it finished. A file left by a killed daemon is replaced when nobody answers on it.
"""

import contextlib
import errno
import grp
import os
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.config import SocketConfig

BACKLOG = 128
MAX_PATH_BYTES = 107
"""sun_path has 108 bytes with its final NUL, unix(7); clients can't connect to anything longer."""


class ListenError(Exception):
    """One line for the person who starts the daemon: which socket, and what to do."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket at its place."""

    sock: socket.socket
    path: Path
    config: SocketConfig
    inode: int

    def close(self) -> None:
        """Stops listening and removes the file, unless another daemon has put its own there since."""
        self.sock.close()
        with contextlib.suppress(OSError):
            if self.path.lstat().st_ino == self.inode:
                self.path.unlink()


def listen(config: SocketConfig) -> Listener:
    """Makes one `[[rpc.socket]]`. ListenError when its place is taken, or the file system refuses."""
    path = Path(config.path)
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ListenError(f"{path}: a socket's path has at most {MAX_PATH_BYTES} bytes")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_place(path)
        sock = _bind(path, int(config.mode, 8), group_id(config))
    except OSError as problem:
        raise ListenError(f"{path}: {problem.strerror or problem}") from None
    return Listener(sock, path, config, path.lstat().st_ino)


def _check_place(path: Path) -> None:
    """Returns when the place is free, or holds a socket that nobody listens on."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ListenError(f"{path}: something that is not a socket is there already; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        problem = probe.connect_ex(os.fspath(path))
    # A full backlog is EAGAIN: somebody listens there, however busy.
    if problem in (0, errno.EAGAIN):
        raise ListenError(f"{path}: another program listens there; stop it, or give this one another path")
    if problem not in (errno.ECONNREFUSED, errno.ENOENT):
        raise OSError(problem, os.strerror(problem))


def _bind(path: Path, mode: int, gid: int | None) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with tempfile.TemporaryDirectory(prefix=".dialtone-", dir=path.parent) as private:
            made = Path(private) / "s"
            directory = os.open(private, os.O_PATH | os.O_DIRECTORY)
            try:  # by its descriptor, because the longer name could be over the limit of sun_path
                sock.bind(f"/proc/self/fd/{directory}/s")
            finally:
                os.close(directory)
            if gid is not None:
                os.chown(made, -1, gid)
            os.chmod(made, mode)
            sock.listen(BACKLOG)
            sock.setblocking(False)
            made.rename(path)
    except BaseException:
        sock.close()
        raise
    return sock


def group_id(config: SocketConfig) -> int | None:
    """The number of the configured group, given by name or number; None where none is. ListenError if there is none."""
    if config.group is None:
        return None
    if config.group.isascii() and config.group.isdigit():
        return int(config.group)
    try:
        return grp.getgrnam(config.group).gr_gid
    except KeyError:
        raise ListenError(f"{config.path}: there is no group {config.group!r}") from None
