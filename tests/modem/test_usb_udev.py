"""Sticks that come and go: by udev events where there are some, by looking now and then where not."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.modem.usb import UsbDoes
from core.modem.usb_roles import Role
from core.modem.usb_udev import SCAN_GAP_S, SysfsUsbSource, open_monitor
from tests.modem.usb_tree import SysfsTree, following, running, ttys, until

CASES = Path(__file__).with_name("usb_udev_cases.py")
NEVER_S = 3600.0


@pytest.fixture
def tree(tmp_path: Path) -> SysfsTree:
    return SysfsTree(tmp_path)


@dataclass(frozen=True)
class Event:
    device_path: str


class Wire:
    """A UdevMonitor with the events that we put into it; its descriptor is readable while there are any."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_SEMAPHORE | os.EFD_NONBLOCK)
        self._events: deque[Event | OSError] = deque()
        self.filters: list[str] = []

    def put(self, event: Event | OSError) -> None:
        self._events.append(event)
        os.eventfd_write(self._fd, 1)

    @property
    def empty(self) -> bool:
        return not self._events

    def close(self) -> None:
        os.close(self._fd)

    def filter_by(self, subsystem: str) -> None:
        self.filters.append(subsystem)

    def start(self) -> None:
        pass

    def fileno(self) -> int:
        return self._fd

    def poll(self, timeout: float | None = None) -> Event | None:
        if not self._events:
            return None
        os.eventfd_read(self._fd)
        event = self._events.popleft()
        if isinstance(event, OSError):
            raise event
        return event


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


STICK = Event("/devices/pci0000:00/usb1/1-1.4/1-1.4:1.2/ttyUSB2/tty/ttyUSB2")


async def settled(source: SysfsUsbSource, scans: int) -> None:
    """Until it has looked that often and the look is over: it can't be seen from outside when it waits again."""
    await until(lambda: source.scans >= scans and source.scan_ms > 0)


async def test_an_event_makes_it_look_and_nothing_else_does(tree: SysfsTree, wire: Wire) -> None:
    source = SysfsUsbSource(str(tree.root), str(tree.dev), monitor=lambda: wire, rescan_s=0.01)
    async with running(source) as watch:
        await settled(source, 1)
        tree.plug("1-1.4", ttys=ttys(0))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):  # a rescan would have come twenty times
                await watch.next()
        assert source.scans == 1 and source.follows_events
        wire.put(STICK)
        assert (await following(watch)).modem.port(Role.AT) == str(tree.dev / "ttyUSB2")
        tree.unplug("1-1.4")
        wire.put(STICK)
        assert (await following(watch)).does is UsbDoes.REMOVED


async def test_events_of_other_devices_make_no_work(tree: SysfsTree, wire: Wire) -> None:
    source = SysfsUsbSource(str(tree.root), str(tree.dev), monitor=lambda: wire)
    async with running(source):
        await settled(source, 1)
        for number in range(500):
            wire.put(Event(f"/devices/virtual/net/veth{number}"))
        await until(lambda: wire.empty)
        await asyncio.sleep(5 * SCAN_GAP_S)  # time for a look that must not come
        assert source.scans == 1


async def test_lost_events_are_made_up_for_by_looking(tree: SysfsTree, wire: Wire) -> None:
    source = SysfsUsbSource(str(tree.root), str(tree.dev), monitor=lambda: wire, rescan_s=NEVER_S)
    async with running(source) as watch:
        await settled(source, 1)
        tree.plug("1-1.4", ttys=ttys(0))
        wire.put(OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS)))
        assert (await following(watch)).does is UsbDoes.ADDED
        assert source.follows_events


async def test_when_the_events_break_off_it_looks_now_and_then(tree: SysfsTree, wire: Wire) -> None:
    source = SysfsUsbSource(str(tree.root), str(tree.dev), monitor=lambda: wire, rescan_s=0.01)
    async with running(source) as watch:
        await settled(source, 1)
        wire.put(OSError(errno.EBADF, os.strerror(errno.EBADF)))
        await settled(source, 2)
        tree.plug("1-1.4", ttys=ttys(0))
        assert (await following(watch)).does is UsbDoes.ADDED
        assert not source.follows_events


async def test_a_stream_of_events_makes_few_looks(tree: SysfsTree, wire: Wire) -> None:
    source = SysfsUsbSource(str(tree.root), str(tree.dev), monitor=lambda: wire, rescan_s=NEVER_S)
    async with running(source) as watch:
        await settled(source, 1)
        tree.plug("1-1.4", ttys=ttys(0), qmi=(5, 0))
        started_s = time.monotonic()
        for _ in range(200):
            wire.put(STICK)
            await until(lambda: wire.empty)
        await following(watch)
        assert source.scans <= (time.monotonic() - started_s) / SCAN_GAP_S + 3


async def test_without_udev_sticks_are_found_all_the_same(tree: SysfsTree, tmp_path: Path) -> None:
    no_udev = str(tmp_path / "no-udev")
    source = SysfsUsbSource(str(tree.root), str(tree.dev), monitor=lambda: open_monitor(no_udev), rescan_s=0.02)
    async with running(source) as watch:
        tree.plug("1-1.4", ttys=ttys(0))
        assert (await following(watch)).modem.path == "1-1.4"
        tree.unplug("1-1.4")
        while (change := await following(watch)).does is not UsbDoes.REMOVED:
            pass  # a look in the middle of it
        assert not source.follows_events
        tree.plug("1-1.4", devnum=5, ttys=ttys(5))
        change = await following(watch)
        assert (change.does, change.modem.port(Role.AT)) == (UsbDoes.ADDED, str(tree.dev / "ttyUSB7"))


async def test_a_look_that_the_kernel_holds_up_does_not_hold_up_the_loop(tree: SysfsTree, wire: Wire) -> None:
    """The serial number of a stick in the middle of a reset: reading blocks, here on a FIFO that nobody writes to."""
    device = tree.plug("1-1.4", ttys=ttys(0))
    (device / "serial").unlink()
    os.mkfifo(device / "serial")
    source = SysfsUsbSource(str(tree.root), str(tree.dev), monitor=lambda: wire)
    async with running(source) as watch:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await watch.next()
        (device / "serial").write_text("late\n")  # opens the other end
        assert (await following(watch)).modem.serial == "late"


def test_with_real_udev_events_it_follows_a_stick() -> None:
    wrapper = shutil.which("umockdev-wrapper")
    if wrapper is None:
        pytest.skip("umockdev-wrapper is not installed (apt install umockdev)")
    pytest.importorskip("pyudev")
    command = [wrapper, sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", str(CASES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


async def test_who_asks_for_a_look_gets_one_that_began_afterwards(tree: SysfsTree) -> None:
    source = SysfsUsbSource(str(tree.root), str(tree.dev), monitor=lambda: None, rescan_s=NEVER_S)
    async with running(source), asyncio.timeout(10):
        for number in range(3):
            await source.look()
            assert len(source.devices()) == number
            tree.plug(f"1-{number}", ttys=ttys(5 * number))
