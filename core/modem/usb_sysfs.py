"""What sysfs tells about modems on the USB. Pure reading: no events, no state but a cache of serial numbers.

Documentation/ABI of Linux: /sys/bus/usb/devices holds devices ("1-1.4") and interfaces ("1-1.4:1.2");
bInterfaceNumber is hexadecimal text. Below an interface stand ttyUSB2/tty/ttyUSB2 (usb-serial), tty/ttyACM0
(cdc-acm), net/wwan0 and usbmisc/cdc-wdm0.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.modem.usb import UsbModem
from core.modem.usb_roles import VENDORS


@dataclass(slots=True)
class _Found:
    ports: dict[int, str] = field(default_factory=dict)
    drivers: dict[int, str] = field(default_factory=dict)
    net: str | None = None
    qmi: str | None = None


class SysfsScan:
    """Calls block: the kernel holds `serial` back while it resets or probes that device. So never on the loop, and the
    serial number is read once for each enumeration."""

    def __init__(self, root: str = "/sys", dev: str = "/dev") -> None:
        self._devices = os.path.join(root, "bus/usb/devices")
        self._dev = dev
        self._serials: dict[tuple[str, int], str | None] = {}

    def scan(self) -> tuple[UsbModem, ...]:
        """Each device of a vendor of modems, by path. What vanishes while it is read is left out; never raises."""
        found = tuple(modem for path in self._device_paths() if (modem := self._device(path)) is not None)
        here = {(modem.path, modem.plug) for modem in found}
        self._serials = {key: serial for key, serial in self._serials.items() if key in here}
        return found

    def _device_paths(self) -> list[str]:
        # usb1, usb2 are root hubs; a colon means an interface
        return sorted(name for name in _names(self._devices) if name[:1].isdigit() and ":" not in name)

    def _device(self, path: str) -> UsbModem | None:
        folder = os.path.join(self._devices, path)
        vendor, product = _text(folder, "idVendor"), _text(folder, "idProduct")
        if vendor is None or product is None or vendor.lower() not in VENDORS:
            return None
        plug = _number(_text(folder, "devnum"), 10) or 0
        found = _Found()
        for name in sorted(_names(folder)):
            if name.startswith(f"{path}:"):
                self._interface(os.path.join(folder, name), found)
        return UsbModem(
            vendor=vendor.lower(),
            product=product.lower(),
            path=path,
            plug=plug,
            serial=self._serial(folder, path, plug),
            ports=found.ports,
            net=found.net,
            qmi=found.qmi,
            drivers=found.drivers,
        )

    def _serial(self, folder: str, path: str, plug: int) -> str | None:
        key = (path, plug)
        if key not in self._serials:
            self._serials[key] = _text(folder, "serial") or None
        return self._serials[key]

    def _interface(self, folder: str, found: _Found) -> None:
        number = _number(_text(folder, "bInterfaceNumber"), 16)
        if number is None:
            return
        driver = _link(folder, "driver")
        if driver is not None:
            found.drivers[number] = driver
        for tty in _ttys(folder):
            node = os.path.join(self._dev, tty)
            if os.path.exists(node):
                found.ports[number] = node
        for net in _names(os.path.join(folder, "net")):
            found.net = found.net or net
        for control in _names(os.path.join(folder, "usbmisc")):
            node = os.path.join(self._dev, control)
            if control.startswith("cdc-wdm") and os.path.exists(node):
                found.qmi = found.qmi or node


def _ttys(folder: str) -> Iterator[str]:
    yield from _names(os.path.join(folder, "tty"))
    for name in _names(folder):
        if name.startswith("tty") and name != "tty":
            yield from _names(os.path.join(folder, name, "tty"))


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _text(folder: str, name: str) -> str | None:
    try:
        with open(os.path.join(folder, name), "rb") as file:
            return file.read(4096).decode("utf-8", "replace").strip()
    except OSError:
        return None


def _link(folder: str, name: str) -> str | None:
    try:
        return os.path.basename(os.readlink(os.path.join(folder, name)))
    except OSError:
        return None


def _number(text: str | None, base: int) -> int | None:
    try:
        return int(text, base) if text is not None else None
    except ValueError:
        return None
