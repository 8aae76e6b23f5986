"""Data over QMI: raw IP through the kernel's qmi_wwan, steered by qmicli."""

import asyncio
import ipaddress
import os
from contextlib import suppress
from pathlib import Path

from core.log import Log
from core.net import carrier
from core.net.bearers import qmi_command, qmi_output
from core.net.bearers.device import DataDevice, DeviceFinder
from core.net.bearers.holding import Holding
from core.net.bearers.lease import LeaseKeeper
from core.net.bearers.qmi_run import Qmicli, QmiFailed
from core.net.bearers.qmi_state import Kept, QmiState
from core.net.bearers.troubles import by_helper
from core.net.helper_client import HelperClient
from core.net.types import BearerFailed, BearerTrouble, BearerUp, DataAccess

UP_S = 45.0
DOWN_S = 9.5
ASK_S = 5.0
"""For what the modem answers by itself. Firmware that hangs (field reports of OpenWrt's users) hangs for ever."""
START_S = 25.0
"""For the network's yes; it says no within seconds, and seconds too late is too late for a backup."""
STATUS_TRIES = 2
"""Another program's qmicli may have taken the answer: data that flow are not ended for that."""
RELEASE_S = 5.0
HELPER_S = 3.0

_log = Log("net.qmi")


class QmiBearer:
    """A core.net.types.Bearer. proxy: through qmi-proxy; it serves root alone on Debian, so by default if we are."""

    def __init__(
        self,
        helper: HelperClient,
        finder: DeviceFinder,
        state_dir: Path,
        *,
        program: str = "qmicli",
        proxy: bool | None = None,
    ) -> None:
        self._helper = helper
        self._finder = finder
        self._proxy = os.geteuid() == 0 if proxy is None else proxy
        self._state = QmiState(state_dir / "net" / "qmi.json")
        self._qmicli = Qmicli(state_dir / "net", program=program)
        self._holding = Holding(helper)
        self._lease = LeaseKeeper(helper)
        self._device: DataDevice | None = None

    @property
    def kind(self) -> str:
        return "qmi"

    @property
    def interface(self) -> str | None:
        if self._device is not None:
            return self._device.interface
        found = self._finder.find()
        return found.interface if found is not None else None

    async def up(self, access: DataAccess) -> BearerUp:
        try:
            async with asyncio.timeout(UP_S):
                return await self._up(access)
        except TimeoutError:
            failed = BearerFailed(BearerTrouble.TIMEOUT, f"no data within {UP_S:g} s")
        except BearerFailed as problem:
            failed = problem
        except OSError as problem:
            failed = BearerFailed(BearerTrouble.FAILED, f"{self._state.path}: {problem.strerror}")
        await self.down()
        raise failed

    async def down(self) -> None:
        self._lease.drop()
        self._device = None
        try:
            async with asyncio.timeout(DOWN_S):
                await self._holding.give_back()
                await self._release()
        except (TimeoutError, BearerFailed, OSError) as problem:
            _log.warning("not all was given back; it is tried again before the next start", reason=str(problem))

    async def alive(self) -> bool:
        device = self._device
        kept = self._state.load()
        if device is None or kept is None or kept.client is None or self._finder.find() != device:
            return False
        if not self._raw(device) or not self._lease.valid:
            return False
        for _ in range(STATUS_TRIES):
            try:
                text = await self._ask(device, qmi_command.get_status(kept.client))
            except BearerFailed as failed:
                _log.info("the modem says nothing of its data", reason=failed.text)
                if failed.trouble in (BearerTrouble.MODEM_RESET, BearerTrouble.NO_DEVICE):
                    return False
                if isinstance(failed, QmiFailed) and qmi_output.refused(failed.printed):
                    return False
            else:
                return qmi_output.status(text) in ("connected", "suspended")  # a call over GSM suspends it
        return False

    async def renew(self) -> None:
        if self._device is not None and self._device.interface is not None:
            await self._lease.renew(self._device.interface)

    # --- up --------------------------------------------------------------------------------------------------------

    async def _up(self, access: DataAccess) -> BearerUp:
        self._device = None
        await self._holding.give_back()
        await self._released()
        device = self._finder.find()
        if device is None or device.control is None:
            raise BearerFailed(BearerTrouble.NO_DEVICE, "there is no QMI control device of the modem")
        if device.interface is None:
            raise BearerFailed(BearerTrouble.NO_DEVICE, "the modem has no network interface")
        await self._set_raw_ip(device, device.interface)
        client = await self._connect(device, access)
        found = await self._use(device, device.interface, client)
        self._device = device
        return found

    async def _set_raw_ip(self, device: DataDevice, interface: str) -> None:
        """Both ends must agree, or the link is up and carries nothing; the kernel's end forgets it with each plug."""
        if qmi_output.link_protocol(await self._ask(device, qmi_command.get_data_format())) != "raw-ip":
            with suppress(QmiFailed):
                await self._ask(device, qmi_command.set_raw_ip())
            if qmi_output.link_protocol(await self._ask(device, qmi_command.get_data_format())) != "raw-ip":
                raise BearerFailed(BearerTrouble.FAILED, "the modem insists on Ethernet frames (802-3) for its data")
        self._holding.link(interface)
        with by_helper():
            await self._helper.raw_ip(interface)

    async def _connect(self, device: DataDevice, access: DataAccess) -> int:
        """A network, and its client. What an unknown earlier client holds is cleared away once."""
        try:
            return await self._start(device, access)
        except QmiFailed as failed:
            if not qmi_output.stale(failed.printed):
                raise
            _log.warning("ids or a connection of an earlier client are in the way and are cleared", reason=failed.text)
        await self._release()
        await self._ask(device, qmi_command.release_all())
        return await self._start(device, access)

    async def _start(self, device: DataDevice, access: DataAccess) -> int:
        """Each step is on disk before the next one, so that a kill in between leaves nothing unknown. Until new_client
        has spoken, the output is that of a command that keeps no client, and says none."""
        kept = Kept(device.control or "", device.life)
        self._state.save(kept)
        client = qmi_output.client_id(await self._ask(device, qmi_command.new_client()))
        if client is None:
            raise BearerFailed(BearerTrouble.FAILED, "qmicli did not say which client id it was given")
        kept = Kept(kept.device, kept.life, client)
        self._state.save(kept)
        text = await self._ask(device, qmi_command.start_network(access, client), START_S)
        handle = qmi_output.data_handle(text)
        if handle is None:
            raise BearerFailed(BearerTrouble.FAILED, "qmicli did not say which network it has started")
        self._state.save(Kept(kept.device, kept.life, client, handle))
        return client

    async def _use(self, device: DataDevice, interface: str, client: int) -> BearerUp:
        settings = await self._settings(device, client)
        mtu = settings.mtu if settings is not None else None
        with by_helper():
            await self._helper.link(interface, True, mtu)
        if settings is None:
            _log.warning("the modem gives no settings; asking by DHCP", interface=interface)
            lease = await self._lease.take(interface)
            address, gateway, dns, mtu = lease.address, lease.gateway, lease.dns, lease.mtu
            if mtu is not None:
                with by_helper():
                    await self._helper.link(interface, True, mtu)
        else:
            address, gateway, dns = settings.address, settings.gateway, settings.dns
        self._holding.address(interface, address)
        with by_helper():
            await self._helper.address(interface, address, True)
        return BearerUp(interface, address, _on_link(gateway, address), dns, mtu)

    async def _settings(self, device: DataDevice, client: int) -> qmi_output.QmiSettings | None:
        try:
            return qmi_output.settings(await self._ask(device, qmi_command.get_settings(client)))
        except QmiFailed as failed:
            if failed.trouble in (BearerTrouble.MODEM_RESET, BearerTrouble.NO_DEVICE):
                raise
            _log.warning("the modem's settings can't be read", reason=failed.text)
            return None

    # --- inside ----------------------------------------------------------------------------------------------------

    async def _ask(self, device: DataDevice, words: tuple[str, ...], timeout_s: float = ASK_S) -> str:
        opening = qmi_command.opening(self._finder.node(device.control or ""), proxy=self._proxy)
        return await self._qmicli.run((*opening, *words), timeout_s=timeout_s)

    async def _released(self) -> None:
        """Before a start. A modem that says nothing of an old client is asked to forget all of them: it may be mute to
        this one alone, as to an id that it does not know any more, and must not be without data for ever."""
        try:
            await self._release()
        except QmiFailed as failed:
            device = self._finder.find()
            if failed.trouble is not BearerTrouble.TIMEOUT or device is None or device.control is None:
                raise
            _log.warning("the modem does not take back what an earlier client had; all ids are cleared")
            await self._ask(device, qmi_command.release_all())
            self._state.clear()

    async def _release(self) -> None:
        """Gives the modem back what the file says, unless that was an earlier life of it. BearerFailed: it stays in
        the file, since the modem did not answer."""
        kept = self._state.load()
        if kept is None:
            return
        device = self._finder.find()
        if device is not None and device.control is not None and device.life == kept.life:
            await self._release_of(device, kept)
        self._state.clear()

    async def _release_of(self, device: DataDevice, kept: Kept) -> None:
        client, handle = kept.client, kept.handle
        if client is None or handle is None:
            left = await self._qmicli.left()
            client = qmi_output.client_id(left) if client is None else client
            handle = qmi_output.data_handle(left)
        if client is None:
            return
        words = [qmi_command.release(client)]
        if handle is not None:
            words.insert(0, qmi_command.stop_network(client, handle))
        for one in words:
            try:
                await self._ask(device, one, RELEASE_S / len(words))
                return
            except QmiFailed as failed:
                if not qmi_output.refused(failed.printed):  # it was not even asked, or did not answer
                    raise
                _log.info("the modem knows nothing of this client any more", reason=failed.text)

    def _raw(self, device: DataDevice) -> bool:
        """The kernel's end, which a replug puts back to Ethernet frames. Where sysfs is another's, the link counts."""
        flag = self._finder.root / "sys/class/net" / (device.interface or "") / "qmi/raw_ip"
        try:
            return flag.read_text().strip() == "Y"
        except OSError:
            return device.interface is not None and carrier.running(device.interface)


def _on_link(gateway: str | None, address: str) -> str | None:
    """The link is point to point. A gateway is only worth a name where the kernel can find it on the link."""
    if gateway is None:
        return None
    network = ipaddress.IPv4Interface(address).network
    return gateway if ipaddress.IPv4Address(gateway) in network and str(network.prefixlen) != "32" else None
