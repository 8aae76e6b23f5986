"""Tells when a file of name servers may have changed: inotify(7) on the folders that they stand in."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from asyncinotify import Inotify, Mask

from core.log import Log

_CHANGES = Mask.CLOSE_WRITE | Mask.MOVED_TO | Mask.CREATE | Mask.DELETE | Mask.MOVED_FROM
_GATHER_S = 0.1
"""A resolv.conf is written in steps."""
_OTHER_FILES = ("etc",)
"""Folders with other people's files: only resolv.conf counts there."""

_log = Log("net.resolver")


class ResolverWatch:
    """`run` calls back after a change; folders that come later are found at the next `look`."""

    def __init__(self, folders: Callable[[], Iterable[Path]]) -> None:
        self._folders = folders
        self._inotify: Inotify | None = None
        self._watched: dict[Path, object] = {}

    def look(self) -> None:
        """Watches the folders that exist by now. Nothing while `run` does not."""
        if self._inotify is None:
            return
        for folder in self._folders():
            if folder not in self._watched and folder.is_dir():
                with suppress(OSError):  # gone meanwhile, or no watch left: the links' own news remain
                    self._watched[folder] = self._inotify.add_watch(folder, _CHANGES)

    async def run(self, on_change: Callable[[], None]) -> None:
        """Until it is cancelled. Without inotify (its limit of a user is reached) it says so once and waits."""
        try:
            self._inotify = Inotify()
        except OSError as problem:
            _log.warning("name servers are looked at with the links alone", error=str(problem))
            await asyncio.Event().wait()
        try:
            self.look()
            await self._follow(on_change)
        finally:
            if self._inotify is not None:
                self._inotify.close()
            self._inotify = None
            self._watched.clear()

    async def _follow(self, on_change: Callable[[], None]) -> None:
        assert self._inotify is not None
        while True:
            event = await self._inotify.get()
            folder = event.watch.path if event.watch is not None else None
            if event.mask & Mask.IGNORED and folder is not None:
                self._watched.pop(folder, None)  # removed; it is watched again when it comes back
            if folder is not None and folder.name in _OTHER_FILES and str(event.name) != "resolv.conf":
                continue
            await asyncio.sleep(_GATHER_S)
            on_change()
