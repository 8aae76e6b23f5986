"""Emulated sticks on a USB of our own: a sysfs tree whose device nodes lead to the emulators' ptys."""

from pathlib import Path

from core.modem.usb_udev import SysfsUsbSource
from tests.modem.line_desk import Emulator
from tests.modem.usb_tree import SIM7600_PORTS, SysfsTree, ttys

LOOK_S = 0.02


class UsbBench:
    """`source()` reads it as a core without udev does, only more often."""

    def __init__(self, folder: Path) -> None:
        self.tree = SysfsTree(folder)
        self._devnum = 1

    def source(self) -> SysfsUsbSource:
        return SysfsUsbSource(str(self.tree.root), str(self.tree.dev), monitor=lambda: None, rescan_s=LOOK_S)

    def plug(
        self,
        path: str,
        modem: Emulator,
        first: int = 0,
        interfaces: tuple[int, ...] = SIM7600_PORTS,
        usb_id: str = "1e0e:9001",
    ) -> None:
        """The emulator's ports as ttyUSB<first> and following; a new enumeration each time."""
        names = ttys(first, interfaces)
        for interface, name in names.items():
            self._node(name, modem.folder / f"if{interface:02d}")
        self._devnum += 1
        vendor, product = usb_id.split(":")
        self.tree.plug(path, vendor=vendor, product=product, ttys=names, devnum=self._devnum)

    def renumber(self, path: str) -> None:
        """Another enumeration that looks like the one before."""
        self._devnum += 1
        (self.tree.root / "bus/usb/devices" / path / "devnum").write_text(f"{self._devnum}\n")

    def replug(self, path: str, modem: Emulator) -> None:
        """Out and in again before anybody has looked: the device first, since its nodes are what is waited for."""
        self.renumber(path)
        for interface, name in ttys(0).items():
            node = self.tree.dev / name
            node.unlink()
            self._node(name, modem.folder / f"if{interface:02d}")

    def plug_as(self, path: str, product: str, ports: dict[int, str]) -> None:
        """In another composition: ptys by interface number."""
        names = ttys(0, tuple(ports))
        for interface, pty in ports.items():
            self._node(names[interface], Path(pty))
        self._devnum += 1
        self.tree.plug(path, product=product, ttys=names, devnum=self._devnum)

    def add(self, path: str, interface: int, name: str, modem: Emulator) -> None:
        """One more tty of a stick that is there."""
        self._node(name, modem.folder / f"if{interface:02d}")
        self.tree.tty(path, interface, name)

    def unplug(self, path: str) -> None:
        self.tree.unplug(path)

    def _node(self, name: str, pty: Path) -> None:
        (self.tree.dev / name).symlink_to(pty.resolve())
