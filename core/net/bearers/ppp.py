"""Data by PPP over one of the modem's AT ports: pppd is run by dialtone-helper."""

import asyncio
import os

from core.log import Log
from core.net import carrier
from core.net.bearers.device import ModemDevice
from core.net.bearers.troubles import by_helper
from core.net.helper_client import HelperClient, HelperFailed
from core.net.types import BearerFailed, BearerTrouble, BearerUp, DataAccess

UNIT = 0
"""ppp0: there is one backup."""

START_S = 40.0
STOP_S = 9.0

_log = Log("net.ppp")


class PppBearer:
    """A core.net.types.Bearer. port: given by configuration; else the port that the line has given up, "voice"."""

    def __init__(self, helper: HelperClient, device: ModemDevice | None, port: str | None) -> None:
        self._helper = helper
        self._port = port or (device.ports.get("voice") if device is not None else None)
        self._up = False
        self._dialled = False

    @property
    def kind(self) -> str:
        return "ppp"

    @property
    def interface(self) -> str | None:
        return f"ppp{UNIT}"

    async def up(self, access: DataAccess) -> BearerUp:
        try:
            return await self._dial(access)
        except BearerFailed:
            await self.down()
            raise

    async def down(self) -> None:
        self._up = False
        if not self._dialled:
            return
        try:
            async with asyncio.timeout(STOP_S):
                await self._helper.ppp_stop(UNIT)
            self._dialled = False
        except (TimeoutError, HelperFailed) as problem:
            _log.warning("pppd was not ended; dialtone-helper ends it when it stops", reason=str(problem))

    async def alive(self) -> bool:
        """pppd goes, and its interface with it, when the modem hangs up or its port is gone (lcp-echo)."""
        return self._up and carrier.running(f"ppp{UNIT}")

    async def renew(self) -> None:
        """PPP has no lease."""

    async def _dial(self, access: DataAccess) -> BearerUp:
        if self._port is None:
            raise BearerFailed(BearerTrouble.NO_DEVICE, "no port for PPP: give [net] ppp_port")
        self._dialled = True  # also when it is cancelled in the middle
        await self.down()  # also what an earlier life of this daemon may have left
        self._dialled = True
        with by_helper():
            found = await self._helper.ppp_start(
                _device(self._port),
                access.apn,
                auth=access.auth,
                user=access.user,
                password=access.password,
                unit=UNIT,
                timeout_s=START_S,
            )
        self._up = True
        return BearerUp(found.interface, f"{found.address}/32", None, found.dns)


def _device(port: str) -> str:
    """The helper takes devices, and links below /dev; not links from elsewhere."""
    return os.path.realpath(port)
