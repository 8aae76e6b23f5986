"""Who opens and closes our ptys: the kernel's inotify(7) on their device nodes, through the C library."""

import ctypes
import os
import struct
from pathlib import Path

_IN_CLOSE_WRITE, _IN_CLOSE_NOWRITE, _IN_OPEN = 0x08, 0x10, 0x20
_EVENT = struct.Struct("iIII")


class Inotify:
    """Only says *which* nodes were touched; equal events are merged by the kernel, so nobody may count them."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")

    def watch(self, path: Path) -> int:
        """The watch number that `read` gives back. The kernel drops it together with the node."""
        mask = _IN_OPEN | _IN_CLOSE_WRITE | _IN_CLOSE_NOWRITE
        number = int(self._libc.inotify_add_watch(self.fd, os.fsencode(path), mask))
        if number < 0:
            raise OSError(ctypes.get_errno(), f"inotify_add_watch {path}")
        return number

    def read(self) -> set[int]:
        """Watch numbers with news; empty when there are none."""
        found: set[int] = set()
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return found
        at = 0
        while at < len(data):
            watch, _mask, _cookie, name_length = _EVENT.unpack_from(data, at)
            found.add(watch)
            at += _EVENT.size + name_length
        return found

    def close(self) -> None:
        os.close(self.fd)
