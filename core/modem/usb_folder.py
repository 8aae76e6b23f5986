"""A folder of links if00, if01, … as a USB with one modem on it: the emulator's, or one that udev rules make.

Link names are USB interface numbers. inotify(7) tells of every link that comes or goes.
"""

import asyncio
import contextlib
import os
import re
import time
from pathlib import Path
from typing import NoReturn

from asyncinotify import Event, Inotify, Mask, Watch

from core.log import Log
from core.modem.usb import UsbBoard, UsbModem, UsbWatch
from core.modem.usb_settle import Settle

_LINK = re.compile(r"if([0-9a-f]{2})")
_GONE = Mask.DELETE | Mask.MOVED_FROM
_SELF = Mask.DELETE_SELF | Mask.MOVE_SELF
_MASK = Mask.CREATE | Mask.MOVED_TO | _GONE | _SELF | Mask.ONLYDIR

RESCAN_S = 5.0
"""Only where a folder on the way may not be watched."""

UNWATCHED_S = 1.0
"""Where nothing at all may be."""

_log = Log("modem.usb")


class FolderUsbSource:
    """The UsbSource of one folder, which needn't be there yet. Its UsbModem has the folder as `path`."""

    def __init__(self, folder: str, vendor: str = "1e0e", product: str = "9001") -> None:
        self._folder = Path(os.path.abspath(folder))
        self._vendor, self._product = vendor, product
        self._plug = 1
        self._board = UsbBoard()
        self._settle = Settle()
        self._heard = asyncio.Event()
        self._blind = False

    def devices(self) -> tuple[UsbModem, ...]:
        return self._board.devices()

    def watch(self) -> UsbWatch:
        return UsbWatch(self._board)

    async def look(self) -> None:
        self._heard.set()
        await self._board.looked(self._board.looks + 1)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            with Inotify(sync_timeout=0) as inotify:
                await self._listen(inotify)
        except OSError as problem:  # a user has 128 instances by default, and a bounded number of watches
            _log.warning("no inotify; looking now and then", problem=str(problem), every_s=UNWATCHED_S)
        while True:
            self._look()
            due_s = self._settle.due_s
            await asyncio.sleep(UNWATCHED_S if due_s is None else min(UNWATCHED_S, max(0.0, due_s - time.monotonic())))

    async def _listen(self, inotify: Inotify) -> NoReturn:
        """OSError when the host lets us watch nothing."""
        loop = asyncio.get_running_loop()
        # Not inotify.get(): cancelled by a timeout, it may throw away what it has just read.
        loop.add_reader(inotify.fd, self._heard.set)
        try:
            self._follow(inotify)
            while True:
                self._heard.clear()
                self._drain(inotify)
                self._look()
                await self._wait()
        finally:
            loop.remove_reader(inotify.fd)

    def _look(self) -> None:
        self._settle.see(self._scan(), time.monotonic())
        self._board.publish(self._settle.devices)

    async def _wait(self) -> None:
        due_s = self._settle.due_s
        wait_s = None if due_s is None else max(0.0, due_s - time.monotonic())
        if self._blind:
            wait_s = RESCAN_S if wait_s is None else min(wait_s, RESCAN_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._heard.wait()

    def _scan(self) -> tuple[UsbModem, ...]:
        """The modem, if any link leads somewhere. A few µs: there is no disk below the folders this is for."""
        try:
            names = sorted(os.listdir(self._folder))
        except OSError:
            return ()
        ports = {
            int(link[1], 16): str(self._folder / name)
            for name in names
            if (link := _LINK.fullmatch(name)) and os.path.exists(self._folder / name)
        }
        if not ports:
            return ()
        return (UsbModem(self._vendor, self._product, str(self._folder), self._plug, None, ports),)

    def _drain(self, inotify: Inotify) -> None:
        moved = False
        while (event := inotify.sync_get()) is not None:
            moved |= self._take(event)
        if moved:
            self._follow(inotify)

    def _take(self, event: Event) -> bool:
        """Whether the place to watch may be another one now. A link that goes makes what comes next a new plug."""
        here = event.watch is not None and event.watch.path == self._folder
        if here and event.mask & _GONE and event.name is not None and _LINK.fullmatch(event.name.name):
            self._plug += 1
        return not here or bool(event.mask & (_SELF | Mask.IGNORED))

    def _follow(self, inotify: Inotify) -> None:
        """Watches the folder, or the nearest one above it that exists. Harmless when that is watched already."""
        new, again = self._add_nearest(inotify), None
        while new is not again:  # a nearer one may have come between looking and watching
            new, again = self._add_nearest(inotify), new
        for watch in inotify.watches:
            if watch is not new:
                with contextlib.suppress(OSError):  # its folder is gone, and the kernel's watch with it
                    inotify.rm_watch(watch)

    def _add_nearest(self, inotify: Inotify) -> Watch:
        self._blind = False
        for place in (self._folder, *self._folder.parents):
            try:
                return inotify.add_watch(place, _MASK)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError:
                self._blind = True  # something may happen there that we are not told of
        raise FileNotFoundError(str(self._folder))
