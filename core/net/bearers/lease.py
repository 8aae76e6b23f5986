"""An address by DHCP, through the helper, and asked for again in time (RFC 2131 §4.4.5)."""

import time
from collections.abc import Callable

from core.log import Log
from core.net.bearers.troubles import by_helper
from core.net.helper_client import HelperClient, Lease
from core.net.types import BearerFailed, BearerTrouble

ASK_S = 15.0
"""For the first answer: a modem that plays network card may still be dialling."""

ASK_AGAIN_S = 4.0
"""For each later one; there are many until the lease is over."""

_log = Log("net.lease")


class LeaseKeeper:
    """One interface's lease at a time. Who takes one also sets the address."""

    def __init__(self, helper: HelperClient, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._helper = helper
        self._now_s = now_s
        self._lease: Lease | None = None
        self._taken_s = 0.0

    async def take(self, interface: str, timeout_s: float | None = None) -> Lease:
        """BearerFailed, dhcp_silent most often."""
        began_s = self._now_s()
        with by_helper():
            lease = await self._helper.dhcp(interface, ASK_S if timeout_s is None else timeout_s)
        self._lease, self._taken_s = lease, began_s
        return lease

    def drop(self) -> None:
        self._lease = None

    @property
    def valid(self) -> bool:
        """False once it is over. A lease without an end, or none at all, never is."""
        return self._left_s() > 0

    async def renew(self, interface: str) -> None:
        """Asks again once half of it is over. A silent server is only a trouble when the lease has run out; another
        address is one at once, for whoever uses the old one must start anew."""
        lease = self._lease
        if lease is None or lease.lease_s is None or self._left_s() > lease.lease_s / 2:
            return
        try:
            new = await self.take(interface, ASK_AGAIN_S)
        except BearerFailed as failed:
            if not self.valid:
                raise
            _log.warning("the lease was not renewed", interface=interface, reason=failed.text, left_s=self._left_s())
            return
        if new.address != lease.address or new.gateway != lease.gateway:
            raise BearerFailed(BearerTrouble.FAILED, f"{interface} has another address by now")

    def _left_s(self) -> float:
        lease = self._lease
        if lease is None or lease.lease_s is None:
            return float("inf")
        return self._taken_s + lease.lease_s - self._now_s()
