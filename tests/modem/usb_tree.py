"""A sysfs tree with sticks in it, as files in a folder, and what a watch tells, with a deadline."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from core.modem.usb import UsbChange, UsbSource, UsbWatch

PATIENCE_S = 20.0
SIM7600_PORTS = (0, 1, 2, 3, 4)


class SysfsTree:
    """`root` and `dev` are what a scan takes."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "sys"
        self.dev = folder / "dev"
        (self.root / "bus/usb/devices").mkdir(parents=True)
        self.dev.mkdir()

    def plug(
        self,
        path: str,
        *,
        vendor: str = "1e0e",
        product: str = "9001",
        devnum: int = 4,
        serial: str | None = "0123456789ABCDEF",
        ttys: Mapping[int, str] | None = None,
        qmi: tuple[int, int] | None = None,
    ) -> Path:
        """A device with a tty for each interface in `ttys`; qmi: (interface, number of wwan and cdc-wdm)."""
        device = self.root / "devices/pci0000:00/usb1" / path
        device.mkdir(parents=True)
        files = {"idVendor": vendor, "idProduct": product, "devnum": str(devnum), "serial": serial}
        for name, text in files.items():
            if text is not None:
                (device / name).write_text(f"{text}\n")
        for interface, tty in (ttys or {}).items():
            self.tty(path, interface, tty)
        if qmi is not None:
            self.qmi(path, *qmi)
        (self.root / "bus/usb/devices" / path).symlink_to(device)
        return device

    def interface(self, path: str, number: int, driver: str | None) -> Path:
        folder = self.root / "devices/pci0000:00/usb1" / path / f"{path}:1.{number}"
        folder.mkdir(exist_ok=True)
        (folder / "bInterfaceNumber").write_text(f"{number:02x}\n")
        if driver is not None and not (folder / "driver").is_symlink():
            (self.root / "bus/usb/drivers" / driver).mkdir(parents=True, exist_ok=True)
            (folder / "driver").symlink_to(self.root / "bus/usb/drivers" / driver)
        return folder

    def tty(self, path: str, number: int, tty: str) -> None:
        folder = self.interface(path, number, "option")
        (folder / tty / "tty" / tty).mkdir(parents=True)
        (self.dev / tty).touch()

    def qmi(self, path: str, number: int, index: int) -> None:
        folder = self.interface(path, number, "qmi_wwan")
        (folder / "net" / f"wwan{index}").mkdir(parents=True)
        (folder / "usbmisc" / f"cdc-wdm{index}").mkdir(parents=True)
        (self.dev / f"cdc-wdm{index}").touch()

    def unplug(self, path: str) -> None:
        device = self.root / "devices/pci0000:00/usb1" / path
        (self.root / "bus/usb/devices" / path).unlink()
        for node in [*device.glob("*/*/tty/*"), *device.glob("*/usbmisc/*")]:
            (self.dev / node.name).unlink()
        shutil.rmtree(device)


def ttys(first: int, interfaces: tuple[int, ...] = SIM7600_PORTS) -> dict[int, str]:
    return {interface: f"ttyUSB{first + offset}" for offset, interface in enumerate(interfaces)}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is looked at has no event of its own
            await asyncio.sleep(0.001)


async def following(watch: UsbWatch) -> UsbChange:
    async with asyncio.timeout(PATIENCE_S):
        return await watch.next()


@asynccontextmanager
async def running(source: UsbSource) -> AsyncIterator[UsbWatch]:
    """The source's task, and a watch of it."""
    with contextlib.suppress(asyncio.CancelledError):
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(source.run(), name="usb")
            try:
                yield source.watch()
            finally:
                task.cancel()
