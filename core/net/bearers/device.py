"""Where the modem's network interface and its QMI control device are now: by its place on the USB, read from sysfs.

Documentation/ABI of Linux: below /sys/bus/usb/devices/<path> stand the interfaces ("1-1.4:1.5"), each with a link to
its driver, with net/wwan0 where it is a network card and usbmisc/cdc-wdm0 where it takes QMI. Blocking, some 0.2 ms.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

MODEM_VENDORS = frozenset({"1e0e", "2c7c"})
"""SIMCom and Quectel: when nobody says where the modem is, only theirs are looked at."""

CARD_DRIVERS = frozenset({"cdc_ether", "rndis_host", "cdc_ncm"})
"""The modem plays network card: it dials by itself, and gives an address by DHCP."""

_USB_PATH = re.compile(r"[0-9]{1,3}-[0-9]{1,3}(\.[0-9]{1,3}){0,6}")


class DataWay(StrEnum):
    QMI = "qmi"
    ECM = "ecm"


@dataclass(frozen=True, slots=True)
class DataDevice:
    """What there is now. interface: "wwan0". control: "/dev/cdc-wdm0". life: changes with each boot of the host and
    each enumeration of the device, so that what was said of an earlier life is known to be over."""

    interface: str | None
    control: str | None
    driver: str | None
    life: str

    @property
    def way(self) -> DataWay | None:
        """None: it is no network device that we know. Without a driver it is one that the configuration has named."""
        if self.control is not None:
            return DataWay.QMI
        return DataWay.ECM if self.driver is None or self.driver in CARD_DRIVERS else None


@dataclass(frozen=True, slots=True)
class ModemDevice:
    """The modem of a line, as its LineData has it: usb_path ("1-1.4"; another way to name a modem's place is none) and
    ports by role ("voice": "/dev/ttyUSB3").

    root: of the tree that sys, dev and proc are in.
    """

    usb_path: str | None
    ports: Mapping[str, str] = field(default_factory=dict)
    root: Path = Path("/")


class DeviceFinder:
    """`find` whenever it matters: names move when a modem comes back. interface, control: chosen by configuration."""

    def __init__(self, device: ModemDevice | None, *, interface: str | None = None, control: str | None = None) -> None:
        device = device or ModemDevice(None)
        self._usb_path = device.usb_path if _USB_PATH.fullmatch(device.usb_path or "") else None
        self._root = device.root
        self._interface = interface
        self._control = control

    @property
    def root(self) -> Path:
        return self._root

    def node(self, control: str) -> str:
        """The file to open for it."""
        return str(self._root / control.lstrip("/"))

    def find(self) -> DataDevice | None:
        """None: there is no such device now, or there are several and nobody says which one."""
        found = [one for folder in self._usb_folders() if (one := self._of_usb(folder)) is not None]
        if len(found) == 1:
            return self._chosen(found[0])
        return self._named()

    def _usb_folders(self) -> Iterator[Path]:
        devices = self._root / "sys/bus/usb/devices"
        if self._usb_path is not None:
            yield devices / self._usb_path
        elif self._interface is not None:
            yield from _parent(self._root / "sys/class/net" / self._interface / "device")
        elif self._control is not None:
            yield from _parent(self._root / "sys/class/usbmisc" / os.path.basename(self._control) / "device")
        else:
            for name in _names(devices):
                if ":" not in name and _text(devices / name / "idVendor") in MODEM_VENDORS:
                    yield devices / name

    def _of_usb(self, folder: Path) -> DataDevice | None:
        plug = _text(folder / "devnum")
        if plug is None:
            return None
        interface = control = driver = None
        for name in sorted(_names(folder)):
            if not name.startswith(f"{folder.name}:"):
                continue
            net = next(iter(sorted(_names(folder / name / "net"))), None)
            wdm = next((one for one in sorted(_names(folder / name / "usbmisc")) if one.startswith("cdc-wdm")), None)
            if net is not None and (interface is None or net == self._interface):
                interface, driver = net, _link(folder / name / "driver")
            control = control or (f"/dev/{wdm}" if wdm is not None else None)
        if interface is None and control is None:
            return None
        return DataDevice(interface, control, driver, f"{self._boot()}:{folder.name}:{plug}")

    def _chosen(self, found: DataDevice) -> DataDevice:
        return DataDevice(self._interface or found.interface, self._control or found.control, found.driver, found.life)

    def _named(self) -> DataDevice | None:
        """Not on the USB, as far as sysfs says, but named by the configuration: whoever uses it will see."""
        if self._interface is None and self._control is None:
            return None
        return DataDevice(self._interface, self._control, None, self._boot())

    def _boot(self) -> str:
        return _text(self._root / "proc/sys/kernel/random/boot_id") or "?"


def _parent(interface: Path) -> Iterator[Path]:
    """The USB device that an interface folder belongs to."""
    folder = Path(os.path.realpath(interface))
    if folder.is_dir() and ":" in folder.name:
        yield folder.parent


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _link(path: Path) -> str | None:
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return None
