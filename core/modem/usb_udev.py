"""Modems on the USB of this machine: sysfs, read again whenever udev says that something came or went.

Where udev isn't running (containers, other device managers) sysfs is read every RESCAN_S instead.
"""

import asyncio
import contextlib
import errno
import importlib
import os
import time
from collections.abc import Callable
from typing import Protocol

from core.log import Log
from core.modem.usb import UsbBoard, UsbModem, UsbWatch
from core.modem.usb_settle import Settle
from core.modem.usb_sysfs import SysfsScan

UDEV_CONTROL = "/run/udev/control"
"""Is there while udevd runs. Without it, a monitor opens all the same and never hears anything."""

SUBSYSTEMS = ("usb", "tty", "net", "usbmisc")
RESCAN_S = 5.0
SCAN_GAP_S = 0.02
"""A stick that comes makes some thirty events; a scan costs a few ms."""

_MOST_EVENTS = 256
"""Taken in one turn of the loop; the rest stays in the socket and wakes it again."""

_log = Log("modem.usb")


class UdevDevice(Protocol):
    """A device of an event, as pyudev has it."""

    @property
    def device_path(self) -> str: ...


class UdevMonitor(Protocol):
    """What is used of pyudev.Monitor."""

    def filter_by(self, subsystem: str) -> None: ...

    def start(self) -> None: ...

    def fileno(self) -> int: ...

    def poll(self, timeout: float | None = None) -> UdevDevice | None: ...


def open_monitor(control: str = UDEV_CONTROL) -> UdevMonitor | None:
    """A started monitor of udev's own events, or None when there is no udev. Blocks: to find libudev it runs ldconfig.

    Not the kernel's events: those come before udev has given the device nodes to their group.
    """
    if not os.path.exists(control):
        return None
    try:
        pyudev = importlib.import_module("pyudev")
        monitor: UdevMonitor = pyudev.Monitor.from_netlink(pyudev.Context(), source="udev")
        for subsystem in SUBSYSTEMS:
            monitor.filter_by(subsystem)
        monitor.start()
    except (ImportError, OSError) as problem:  # ImportError also stands for a missing libudev
        _log.warning("no udev events", problem=str(problem))
        return None
    return monitor


class SysfsUsbSource:
    """The UsbSource for real sticks."""

    def __init__(
        self,
        root: str = "/sys",
        dev: str = "/dev",
        *,
        monitor: Callable[[], UdevMonitor | None] = open_monitor,
        rescan_s: float = RESCAN_S,
    ) -> None:
        self._scan = SysfsScan(root, dev)
        self._open_monitor = monitor
        self._rescan_s = rescan_s
        self._board = UsbBoard()
        self._settle = Settle()
        self._heard = asyncio.Event()
        self._monitor: UdevMonitor | None = None
        self.scans = 0
        self.scan_ms = 0.0
        """How long the last scan took, in its thread."""

    @property
    def follows_events(self) -> bool:
        """False while it looks every few seconds instead."""
        return self._monitor is not None

    def devices(self) -> tuple[UsbModem, ...]:
        return self._board.devices()

    def watch(self) -> UsbWatch:
        return UsbWatch(self._board)

    async def look(self) -> None:
        wanted = self.scans + 1  # one that is under way began too early
        self._heard.set()
        await self._board.looked(wanted)

    async def run(self) -> None:
        """Until cancelled."""
        self._monitor = await asyncio.to_thread(self._open_monitor)
        if self._monitor is None:
            _log.info("looking for modems now and then, as there are no udev events", every_s=self._rescan_s)
        else:
            asyncio.get_running_loop().add_reader(self._monitor.fileno(), self._drain)
        try:
            while True:
                self._heard.clear()
                await self._look()
                await asyncio.sleep(SCAN_GAP_S)
                await self._wait()
        finally:
            self._stop_listening()

    async def _look(self) -> None:
        """One scan in a thread: on the loop, a stick in the middle of a reset could stop everything (see SysfsScan)."""
        self.scans += 1
        found = await asyncio.to_thread(self._timed_scan)
        self._settle.see(found, time.monotonic())
        self._board.publish(self._settle.devices)

    def _timed_scan(self) -> tuple[UsbModem, ...]:
        started_s = time.monotonic()
        found = self._scan.scan()
        self.scan_ms = (time.monotonic() - started_s) * 1000
        return found

    async def _wait(self) -> None:
        """For an event, for a device that settles, or for the next look where there are no events."""
        due_s = self._settle.due_s
        wait_s = None if due_s is None else max(0.0, due_s - time.monotonic())
        if self._monitor is None:
            wait_s = self._rescan_s if wait_s is None else min(wait_s, self._rescan_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._heard.wait()

    def _drain(self) -> None:
        """Reads what udev has to tell. What it tells doesn't matter, only that it concerns the USB."""
        if self._monitor is None:
            return
        try:
            for _ in range(_MOST_EVENTS):
                device = self._monitor.poll(0)
                if device is None:
                    return
                if "/usb" in device.device_path:  # a container's network interfaces come and go here, too
                    self._heard.set()
        except OSError as problem:
            self._heard.set()
            if problem.errno == errno.ENOBUFS:
                return  # some events were lost: the scan makes up for them
            _log.warning("udev events broke off; looking now and then", problem=str(problem), every_s=self._rescan_s)
            self._stop_listening()

    def _stop_listening(self) -> None:
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            asyncio.get_running_loop().remove_reader(monitor.fileno())
