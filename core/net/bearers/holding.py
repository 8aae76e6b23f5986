"""What a bearer has had dialtone-helper change at its interface, noted before it was asked, to be given back."""

import asyncio
from collections.abc import Awaitable

from core.log import Log
from core.net.helper_client import HelperClient, HelperFailed

GIVE_BACK_S = 3.0
"""For both; the helper takes milliseconds, and what it still holds it undoes itself."""

_log = Log("net.bearer")


class Holding:
    def __init__(self, helper: HelperClient) -> None:
        self._helper = helper
        self._link: str | None = None
        self._address: tuple[str, str] | None = None

    def link(self, interface: str) -> None:
        """It is about to be set up."""
        self._link = interface

    def address(self, interface: str, address: str) -> None:
        """It is about to get this address."""
        self._address = (interface, address)

    async def give_back(self) -> None:
        """Never raises but CancelledError; what did not work is tried again the next time."""
        try:
            async with asyncio.timeout(GIVE_BACK_S):
                if self._address is not None and await self._done(self._helper.address(*self._address, False)):
                    self._address = None
                if self._link is not None and await self._done(self._helper.link(self._link, False)):
                    self._link = None
        except TimeoutError:
            _log.warning("dialtone-helper takes too long", interface=self._link)

    async def _done(self, asking: Awaitable[None]) -> bool:
        """Also when its interface is gone, and with it what was changed."""
        try:
            await asking
        except HelperFailed as failed:
            if failed.trouble not in ("no_interface", "no_device"):
                _log.warning("the interface could not be put back", reason=failed.text)
                return False
        return True
