"""The udev side with real libudev on devices that umockdev makes. Run by test_usb_udev.py, under umockdev-wrapper.

umockdev's library is called directly: its Python bindings would want PyGObject.
"""

import ctypes
import functools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.modem import usb_settle
from core.modem.usb import UsbDoes, UsbSource
from core.modem.usb_roles import Role
from core.modem.usb_udev import SysfsUsbSource, open_monitor
from tests.modem.usb_tree import following, running, until

NEVER_S = 3600.0
"""Between rescans: what is seen here is seen by events."""

USB = "/devices/pci0000:00/usb1"


class Testbed:
    """umockdev's: /sys, /dev and udev's netlink socket, for this process alone. Adding a device makes its event."""

    __test__ = False

    def __init__(self) -> None:
        self._umockdev = ctypes.CDLL("libumockdev.so.0")
        self._gobject = ctypes.CDLL("libgobject-2.0.so.0")
        self._umockdev.umockdev_testbed_new.restype = ctypes.c_void_p
        text, pointer = ctypes.c_char_p, ctypes.c_void_p
        self._umockdev.umockdev_testbed_add_from_string.argtypes = [pointer, text, pointer]
        self._umockdev.umockdev_testbed_remove_device.argtypes = [pointer, text]
        self._umockdev.umockdev_testbed_uevent.argtypes = [pointer, text, text]
        self._gobject.g_object_unref.argtypes = [pointer]
        self._handle = self._umockdev.umockdev_testbed_new()

    def close(self) -> None:
        self._gobject.g_object_unref(self._handle)

    def add(self, description: str) -> None:
        assert self._umockdev.umockdev_testbed_add_from_string(self._handle, description.encode(), None)

    def remove(self, path: str) -> None:
        """The event is read after both, as with udev; 0.17 sends it only on demand and only for what is there."""
        self._umockdev.umockdev_testbed_uevent(self._handle, f"/sys{path}".encode(), b"remove")
        self._umockdev.umockdev_testbed_remove_device(self._handle, f"/sys{path}".encode())

    def device(self, path: str, devnum: int, product: str = "9001") -> None:
        attributes = {"idVendor": "1e0e", "idProduct": product, "devnum": str(devnum), "serial": "0123456789ABCDEF"}
        lines = [f"P: {USB}/{path}", "E: SUBSYSTEM=usb", "E: DEVTYPE=usb_device"]
        self.add("\n".join([*lines, *(f"A: {name}={text}\\n" for name, text in attributes.items())]) + "\n")

    def port(self, path: str, interface: int, tty: str) -> None:
        folder = f"{USB}/{path}/{path}:1.{interface}"
        self.add(
            f"P: {folder}\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\nA: bInterfaceNumber={interface:02x}\\n\n\n"
            f"P: {folder}/{tty}/tty/{tty}\nN: {tty}\nE: DEVNAME=/dev/{tty}\nE: SUBSYSTEM=tty\n"
        )

    def plug(self, path: str, devnum: int, first: int) -> None:
        self.device(path, devnum)
        for interface in range(5):
            self.port(path, interface, f"ttyUSB{first + interface}")

    def unplug(self, path: str, first: int) -> None:
        """As the kernel does: leaves first."""
        for interface in range(5):
            tty = f"ttyUSB{first + interface}"
            self.remove(f"{USB}/{path}/{path}:1.{interface}/{tty}/tty/{tty}")
            self.remove(f"{USB}/{path}/{path}:1.{interface}")
        self.remove(f"{USB}/{path}")


@pytest.fixture
def bed() -> Iterator[Testbed]:
    bed = Testbed()
    yield bed
    bed.close()


@pytest.fixture
def source(bed: Testbed, tmp_path: Path) -> SysfsUsbSource:
    control = tmp_path / "control"  # umockdev makes none, and this machine may have no udev at all
    control.touch()
    return SysfsUsbSource(monitor=functools.partial(open_monitor, str(control)), rescan_s=NEVER_S)


async def test_a_stick_that_is_there_at_the_start_is_told(bed: Testbed, source: SysfsUsbSource) -> None:
    bed.plug("1-1.4", 4, 0)
    async with running(source) as watch:
        change = await following(watch)
        assert source.follows_events
    assert change.does is UsbDoes.ADDED
    assert change.modem.port(Role.AT) == "/dev/ttyUSB2"


async def test_a_stick_that_comes_port_by_port_is_told_once_and_as_soon_as_it_is_complete(
    bed: Testbed, source: SysfsUsbSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QUIET_S", "MOST_S"):
        monkeypatch.setattr(usb_settle, name, 30.0)  # which are not waited for
    async with running(source) as watch:
        await until_it_listens(source)
        started_s = time.monotonic()
        bed.plug("1-1.4", 4, 0)
        change = await following(watch)
        took_s = time.monotonic() - started_s
    assert change.does is UsbDoes.ADDED and change.modem.complete
    print(f"plug to told: {took_s * 1000:.0f} ms, scan {source.scan_ms:.2f} ms")
    assert took_s < 15


async def test_a_replug_under_new_numbers_is_told_as_a_loss_and_a_new_one(bed: Testbed, source: SysfsUsbSource) -> None:
    bed.plug("1-1.4", 4, 0)
    async with running(source) as watch:
        await following(watch)
        started_s = time.monotonic()
        bed.unplug("1-1.4", 0)
        await told_of_loss(source)
        print(f"unplug to told: {(time.monotonic() - started_s) * 1000:.0f} ms")
        bed.plug("1-1.4", 5, 5)
        assert (await following(watch)).does is UsbDoes.REMOVED
        again = await following(watch)
    assert again.does is UsbDoes.ADDED
    assert (again.modem.path, again.modem.port(Role.AT)) == ("1-1.4", "/dev/ttyUSB7")


async def test_of_two_identical_sticks_the_one_that_goes_is_told(bed: Testbed, source: SysfsUsbSource) -> None:
    bed.plug("1-1.3", 4, 0)
    bed.plug("1-1.4", 5, 5)
    async with running(source) as watch:
        assert {(await following(watch)).modem.path, (await following(watch)).modem.path} == {"1-1.3", "1-1.4"}
        bed.unplug("1-1.3", 0)
        while (change := await following(watch)).does is not UsbDoes.REMOVED:
            assert change.modem.path == "1-1.3"  # its ports go one by one
        assert change.modem.path == "1-1.3"
        assert [modem.path for modem in source.devices()] == ["1-1.4"]


async def until_it_listens(source: SysfsUsbSource) -> None:
    """Plugging before that would be seen by the first look, not by an event."""
    await until(lambda: source.follows_events and source.scan_ms > 0)


async def told_of_loss(source: UsbSource) -> None:
    watch = source.watch()
    await following(watch)
    while (await following(watch)).does is not UsbDoes.REMOVED:
        pass
