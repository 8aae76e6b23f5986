"""Data where the modem plays network card (ECM, RNDIS): it dials by itself and gives an address by DHCP."""

import asyncio
import time
from collections.abc import Callable

from core.net import carrier
from core.net.bearers.device import DataDevice, DeviceFinder
from core.net.bearers.holding import Holding
from core.net.bearers.lease import LeaseKeeper
from core.net.bearers.troubles import by_helper
from core.net.helper_client import HelperClient
from core.net.types import BearerFailed, BearerTrouble, BearerUp, DataAccess

UP_S = 30.0
CARRIER_S = 8.0
"""From link up to carrier; Ethernet cards of modems have it within a second or two, or when they have dialled."""


class EcmBearer:
    """A core.net.types.Bearer. The APN is the modem's own affair: that of its first context, which bring-up has set."""

    def __init__(
        self, helper: HelperClient, finder: DeviceFinder, *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._helper = helper
        self._finder = finder
        self._holding = Holding(helper)
        self._lease = LeaseKeeper(helper, now_s=now_s)
        self._device: DataDevice | None = None

    @property
    def kind(self) -> str:
        return "ecm"

    @property
    def interface(self) -> str | None:
        found = self._device or self._finder.find()
        return found.interface if found is not None else None

    async def up(self, access: DataAccess) -> BearerUp:
        try:
            async with asyncio.timeout(UP_S):
                return await self._up()
        except TimeoutError:
            failed = BearerFailed(BearerTrouble.TIMEOUT, f"no data within {UP_S:g} s")
        except BearerFailed as problem:
            failed = problem
        await self.down()
        raise failed

    async def down(self) -> None:
        self._device = None
        self._lease.drop()
        await self._holding.give_back()

    async def alive(self) -> bool:
        device = self._device
        if device is None or device.interface is None or self._finder.find() != device:
            return False
        return carrier.running(device.interface) and self._lease.valid

    async def renew(self) -> None:
        if self._device is not None and self._device.interface is not None:
            await self._lease.renew(self._device.interface)

    async def _up(self) -> BearerUp:
        await self.down()
        device = self._finder.find()
        if device is None or device.interface is None:
            raise BearerFailed(BearerTrouble.NO_DEVICE, "the modem has no network interface")
        interface = device.interface
        self._holding.link(interface)
        with by_helper():
            await self._helper.link(interface, True)
        await self._carrier(interface)
        lease = await self._lease.take(interface)
        self._holding.address(interface, lease.address)
        with by_helper():
            await self._helper.address(interface, lease.address, True)
            if lease.mtu is not None:
                await self._helper.link(interface, True, lease.mtu)
        self._device = device
        return BearerUp(interface, lease.address, lease.gateway, lease.dns, lease.mtu)

    async def _carrier(self, interface: str) -> None:
        try:
            async with asyncio.timeout(CARRIER_S):
                while not carrier.running(interface):  # noqa: ASYNC110 - netlink for one wait of a second is too much
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise BearerFailed(BearerTrouble.NO_NETWORK, f"{interface} has no carrier: the modem has no data") from None
