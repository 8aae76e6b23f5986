"""A modem in a sysfs tree of a test: its network interface, and where it has one its QMI control device."""

import shutil
from pathlib import Path

from core.net.bearers.device import DeviceFinder, ModemDevice
from tests.modem.usb_tree import SysfsTree

USB_PATH = "1-1.4"


class ModemTree:
    """folder: what is / for a DeviceFinder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = SysfsTree(folder)
        boot_id = folder / "proc/sys/kernel/random/boot_id"
        boot_id.parent.mkdir(parents=True)
        boot_id.write_text("f3a1c0de\n")

    def qmi(self, path: str = USB_PATH, *, devnum: int = 4, index: int = 0) -> None:
        node = self.folder / f"dev/cdc-wdm{index}"
        served = node.is_symlink()
        device = self.tree.plug(path, devnum=devnum, qmi=(5, index))
        if not served:
            node.unlink()  # who wants one puts it there
        interface = device / f"{path}:1.5"
        raw_ip = interface / f"net/wwan{index}/qmi/raw_ip"
        raw_ip.parent.mkdir()
        raw_ip.write_text("N\n")
        self._classes(interface, f"wwan{index}", f"cdc-wdm{index}")

    def card(
        self, path: str = USB_PATH, *, devnum: int = 4, driver: str = "rndis_host", interface: str = "usb0"
    ) -> None:
        self.tree.plug(path, product="9011", devnum=devnum)
        folder = self.tree.interface(path, 0, driver)
        (folder / "net" / interface).mkdir(parents=True)
        self._classes(folder, interface, None)

    def unplug(self, path: str = USB_PATH) -> None:
        shutil.rmtree(self.tree.root / "devices/pci0000:00/usb1" / path)
        (self.tree.root / "bus/usb/devices" / path).unlink()
        shutil.rmtree(self.tree.root / "class")

    def raw_ip(self, index: int = 0) -> Path:
        return self.tree.root / f"class/net/wwan{index}/qmi/raw_ip"

    def finder(
        self, path: str | None = USB_PATH, *, interface: str | None = None, control: str | None = None
    ) -> DeviceFinder:
        return DeviceFinder(ModemDevice(path, {}, self.folder), interface=interface, control=control)

    def _classes(self, folder: Path, net: str, control: str | None) -> None:
        for kind, name in (("net", net), ("usbmisc", control)):
            if name is None:
                continue
            node = folder / kind / name
            (node / "device").symlink_to(folder)
            (self.tree.root / "class" / kind).mkdir(parents=True, exist_ok=True)
            (self.tree.root / "class" / kind / name).symlink_to(node)
