"""The USB sources of one daemon: one for the USB itself, shared by all lines that use it, and one for each folder."""

import asyncio
import os

from core.config import LineConfig
from core.log import Log
from core.modem.profile import ModemProfile
from core.modem.session import PortPaths
from core.modem.usb import UsbSource
from core.modem.usb_choice import UsbSelector
from core.modem.usb_ports import FixedPorts, Ports, UsbPorts
from core.modem.usb_switch import Switcher

RESTART_S = 5.0

_log = Log("modem.usb")


class UsbSources:
    """`for_line` for each line, then `run` as a task. usb: in place of the USB of this machine."""

    def __init__(self, usb: UsbSource | None = None) -> None:
        self._usb = usb
        self._folders: dict[tuple[str, str], UsbSource] = {}
        self._used: list[UsbSource] = []

    def for_line(self, config: LineConfig, profile: ModemProfile) -> UsbSource | None:
        """Where this line's modem comes from; None when its ports are given by name."""
        if config.at_port is not None:
            return None
        source = self._shared_usb() if config.ports_dir is None else self._folder(config.ports_dir, profile)
        if source not in self._used:
            self._used.append(source)
        return source

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for source in self._used:
                tasks.create_task(_keep_running(source), name="usb")

    def _shared_usb(self) -> UsbSource:
        if self._usb is None:
            from core.modem.usb_udev import SysfsUsbSource  # a core without USB lines doesn't load it

            self._usb = SysfsUsbSource()
        return self._usb

    def _folder(self, folder: str, profile: ModemProfile) -> UsbSource:
        from core.modem.usb_folder import FolderUsbSource  # nor this, and inotify, without ports_dir

        key = (os.path.abspath(folder), profile.usb_ids[0])
        if key not in self._folders:
            self._folders[key] = FolderUsbSource(folder, *profile.usb_ids[0].split(":"))
        return self._folders[key]


def ports_of(
    config: LineConfig, profile: ModemProfile, source: UsbSource | None, *, ppp_port: str | None = None
) -> Ports:
    """How a line finds its ports. source: what `for_line` gave. ppp_port: the AT port that it leaves to PPP."""
    if source is None:
        paths = PortPaths(config.at_port or "", config.voice_port or "", config.pcm_port or "")
        return FixedPorts(paths, ppp_port=ppp_port)
    selector = UsbSelector(config.usb_path, config.usb_serial, frozenset(profile.usb_ids))
    switcher = Switcher(config.baud) if config.switch_composition else None
    return UsbPorts(source, selector, switcher, ppp_port=ppp_port)


async def _keep_running(source: UsbSource) -> None:
    """A source that fails by a mistake of ours is started again; the lines live on with what they have."""
    while True:
        try:
            await source.run()
        except Exception:  # the outermost guard of a source
            _log.exception("looking for modems failed and starts again", pause_s=RESTART_S)
        await asyncio.sleep(RESTART_S)
