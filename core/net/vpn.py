"""Keeps the VPN up: looks at it, mends its endpoint, restarts wg-quick, and carries it from one link to another."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

from core.config import VpnConfig
from core.events import NetVpn, VpnState
from core.log import Log
from core.net.helper_client import HelperClient, HelperFailed, WgPeer
from core.net.system_bus import SystemBus
from core.net.systemd_unit import SystemdUnit, UnitFailed
from core.net.vpn_endpoint import Endpoint, LookupFailed, Resolver, other
from core.net.vpn_fsm import Do, Keeping, On, repaired, restarted, roamed, seen, step
from core.net.vpn_look import Look, Looker, judge

COME_THROUGH_S = 10.0
"""For the peer to answer after the way, the endpoint or the whole tunnel is another one. WireGuard sends a handshake
again every 5 s (REKEY_TIMEOUT, protocol §6.1): two tries."""

PING_EVERY_S = 1.0
LOOKUP_S = 10.0
"""glibc asks each of two name servers for 5 s (resolv.conf(5))."""

LOOKUPS_BEFORE_RESTART = 3
"""wg-quick takes a tunnel down first, and does not get it up again while its peer's name can't be looked up. But where
names are asked for through the tunnel, only a restart helps: so it is made after that many lookups in vain."""

_log = Log("net")


@dataclass(frozen=True, slots=True)
class VpnStatus:
    """For net.status. restarts: since the VPN last outlived its back-off. next_restart_s: from now; None when a restart
    may be made at any moment."""

    interface: str | None
    state: VpnState
    reason: str
    handshake_age_s: float | None = None
    ping_ms: float | None = None
    endpoint: str | None = None
    restarts: int = 0
    next_restart_s: float | None = None


class RestartFailed(Exception):
    """trouble: a word of HelperFailed's. text: for people and logs."""

    def __init__(self, trouble: str, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble
        self.text = text


class VpnKeeper:
    """One WireGuard interface. Without one in the configuration `run` returns at once."""

    def __init__(
        self,
        config: VpnConfig,
        helper: HelperClient,
        *,
        bus: SystemBus | None,
        tell: Callable[[NetVpn], Awaitable[None]],
        come_through_s: float = COME_THROUGH_S,
    ) -> None:
        """ValueError for an endpoint whose port there is not."""
        self._config = config
        self._interface = config.interface or ""
        self._endpoint = None if config.endpoint is None else Endpoint.parse(config.endpoint)
        self._helper = helper
        self._tell = tell
        self._come_through_s = come_through_s
        self._looker = Looker(config, self._interface, helper)
        self._resolver = Resolver()
        self._unit = None if bus is None else SystemdUnit(bus, f"wg-quick@{self._interface}.service")
        self._keeping = Keeping()
        self._look = Look(present=False)
        self._reason = "not looked at yet"
        self._internet: bool | None = True
        self._roamed: str | None = None
        self._settled = True
        """Since the last move nothing has come between."""
        self._looked_s = -math.inf
        self._wake = asyncio.Event()
        self._lookups_in_vain = 0
        self._lookup_trouble: str | None = None
        self._restarting = asyncio.Lock()
        self._restart_failure: RestartFailed | None = None

    def status(self) -> VpnStatus:
        if self._config.interface is None:
            return VpnStatus(None, VpnState.OFF, "no VPN is configured")
        wait_s = self._keeping.not_before_s - monotonic()
        return VpnStatus(
            self._interface,
            self._keeping.state,
            self._reason,
            self._handshake_age_s,
            self._look.ping_ms,
            None if self._look.peer is None else self._look.peer.endpoint,
            self._keeping.restarts,
            wait_s if wait_s > 0 else None,
        )

    def roamed(self, reason: str) -> None:
        """The way out is another one: sends through the VPN at once, so that the peer learns where we are now."""
        self._roamed = reason
        self._wake.set()

    def internet(self, ok: bool | None) -> None:
        """Whether there is any internet, as far as somebody else knows; True until told otherwise. While there is none,
        or nobody can say (None), nothing is restarted."""
        before, self._internet = self._internet, ok
        if ok and before is False:
            self.roamed("the internet is back")
        elif ok is False and before is not False:
            self._wake.set()

    async def restart(self) -> None:
        """Now, because somebody said so, whatever the state. One that is under way is waited for instead.
        RestartFailed."""
        failure = await self._restart_once()
        self.roamed("restarted by hand")
        if failure is not None:
            raise failure

    async def run(self) -> None:
        """Until cancelled. May be called again afterwards, and goes on where it was."""
        if self._config.interface is None:
            return
        while True:
            self._wake.clear()
            while (reason := self._roamed) is not None:
                self._roamed = None
                await self._come_through(reason)
                if monotonic() >= self._looked_s + self._config.every_s:
                    break  # links that flap must not hide that the VPN is dead
            await self._round()
            await self._woken(self._config.every_s)

    async def _woken(self, within_s: float) -> bool:
        """Whether somebody told us something meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), within_s)
        return self._wake.is_set()

    async def _round(self) -> None:
        look = await self._looked()
        works, reason = judge(look, self._config)
        if self._keeping.state is VpnState.RESTARTING:  # of a run that was cancelled meanwhile
            await self._step(restarted(works=works, present=look.present), reason)
            return
        on = seen(self._keeping, self._config, works=works, present=look.present, internet=self._internet)
        if on is On.CUT_OFF:
            reason = _cut_off(reason)
        if Do.REPAIR in await self._step(on, reason):
            await self._repair(look, reason)

    async def _repair(self, look: Look, reason: str) -> None:
        """First what is gentle. What follows is decided by the table."""
        works, allowed = False, True
        if look.present:
            if await self._mend_endpoint():
                works, reason = judge(await self._looked(), self._config)
            if self._lookup_trouble is not None:
                allowed = self._lookups_in_vain >= LOOKUPS_BEFORE_RESTART
                reason = f"{reason}; {self._lookup_trouble}"
        elif await self._was_stopped():
            allowed, reason = False, f"{self._interface} does not exist: wg-quick@{self._interface} was stopped"
        if not works and self._internet is False:  # it went down meanwhile
            reason = _cut_off(reason)
        allowed = allowed and self._internet is True
        on = repaired(self._keeping, self._config, monotonic(), works=works, allowed=allowed)
        if Do.RESTART in await self._step(on, reason):
            await self._restart()

    async def _restart(self) -> None:
        self._lookups_in_vain, self._lookup_trouble = 0, None
        if (failure := await self._restart_once()) is None:
            await self._heard(None)
        look = await self._looked()
        works, reason = judge(look, self._config)
        if failure is not None:
            reason = f"{failure.text}; {reason}"
        await self._step(restarted(works=works, present=look.present), f"restarted: {reason}")

    async def _restart_once(self) -> RestartFailed | None:
        """One that is under way is waited for instead."""
        under_way = self._restarting.locked()
        async with self._restarting:
            if not under_way:
                self._restart_failure = await self._restart_unit()
            return self._restart_failure

    async def _restart_unit(self) -> RestartFailed | None:
        """Through systemd, or by the helper where systemd is not there or refuses."""
        if self._unit is not None:
            try:
                await self._unit.restart()
                return None
            except UnitFailed as failed:
                if not failed.elsewhere:
                    return RestartFailed("failed", failed.text)
                _log.info("systemd does not restart the VPN, the helper is asked", reason=failed.text)
        try:
            await self._helper.wg_restart(self._interface)
        except HelperFailed as failed_too:
            return RestartFailed(failed_too.trouble, failed_too.text)
        return None

    async def _was_stopped(self) -> bool:
        """Somebody stopped its unit, or never started it: then it is not ours to start."""
        if self._unit is None:
            return False
        try:
            return await self._unit.active_state() == "inactive"
        except UnitFailed:
            return False

    async def _come_through(self, reason: str) -> None:
        """Sends through the VPN once a second, for all of come_through_s: an answer may still have come by the old way,
        which is taken away a moment later. Then looks and counts as ever; where nobody answers, the peer's name may
        mean another address here."""
        if self._settled:  # else links flap: what fails between one move and the next counts
            self._keeping = roamed(self._keeping)
        self._settled = False
        self._wake.clear()
        began_s, heard, after_s = monotonic(), False, None
        while self._looker.present and (now_s := monotonic()) < began_s + self._come_through_s:
            heard = await self._looker.heard(await self._counted(), PING_EVERY_S)
            if heard and after_s is None:
                after_s = monotonic() - began_s
                _log.info("the VPN came through", reason=reason, after_ms=int(after_s * 1000))
                await self._round()
            peer = None if heard else (await self._looker.peer())[0]
            if peer is not None and peer.endpoint is not None:
                await self._set_endpoint(peer, peer.endpoint)
            if await self._woken(max(0.0, now_s + PING_EVERY_S - monotonic())):
                return
        self._settled = True
        if not heard and self._internet and self._looker.present:
            await self._mend_endpoint()

    async def _counted(self) -> WgPeer | None:
        """What has come from the peer so far, where that is the only thing to go by: asking takes time."""
        return None if self._config.ping is not None else (await self._looker.peer())[0]

    async def _heard(self, before: WgPeer | None) -> bool:
        """One ping a second, or whatever makes the peer speak, until it does or come_through_s is over."""
        deadline_s = monotonic() + self._come_through_s
        while (left_s := deadline_s - monotonic()) > 0:
            next_s = monotonic() + PING_EVERY_S
            if await self._looker.heard(before, min(PING_EVERY_S, left_s)):
                return True
            await asyncio.sleep(max(0.0, min(next_s, deadline_s) - monotonic()))
        return False

    async def _mend_endpoint(self) -> bool:
        """Looks the peer's name up again. True when it meant another address and the peer was heard there."""
        if self._endpoint is None:
            return False
        peer, trouble = await self._looker.peer()
        if peer is None:
            _log.info("the endpoint of the VPN can't be mended", reason=trouble)
            return False
        try:
            addresses = await self._resolver.addresses(self._endpoint.host, LOOKUP_S)
        except LookupFailed as failed:
            self._lookups_in_vain += 1
            self._lookup_trouble = str(failed)
            return False
        self._lookups_in_vain, self._lookup_trouble = 0, None
        endpoint = other(peer.endpoint, addresses, self._endpoint.port)
        if endpoint is None:
            return False
        if not await self._set_endpoint(peer, endpoint):
            return False
        self._reason = f"{self._endpoint.host} is {endpoint} now, it was {peer.endpoint}"
        await self._announce(self._keeping.state)
        return await self._heard(peer)

    async def _set_endpoint(self, peer: WgPeer, endpoint: str) -> bool:
        """Also where it has that one already: WireGuard then forgets from which address and interface it sent. The
        kernel sees by itself that these are of no use any more; wireguard-go, which keeps those of the last packet that
        came, goes on sending into the dead link for 15 to 30 s (measured)."""
        try:
            await self._helper.wg_endpoint(self._interface, peer.public_key, endpoint)
        except HelperFailed as failed:
            _log.warning("the endpoint of the VPN could not be set", endpoint=endpoint, reason=failed.text)
            return False
        return True

    @property
    def _handshake_age_s(self) -> float | None:
        return None if self._look.peer is None else self._looker.handshake.age_s()

    async def _looked(self) -> Look:
        self._look, self._looked_s = await self._looker.look(), monotonic()
        return self._look

    async def _step(self, on: On, reason: str) -> tuple[Do, ...]:
        before = self._keeping.state
        self._keeping, todo = step(self._keeping, on, monotonic(), self._config)
        self._reason = reason
        if self._keeping.state is not before:
            await self._announce(before)
        return todo

    async def _announce(self, before: VpnState) -> None:
        state, reason = self._keeping.state, self._reason
        _log.info("VPN", interface=self._interface, state=state, reason=reason)
        age = self._handshake_age_s
        await self._tell(
            NetVpn(
                interface=self._interface,
                state=state,
                from_state=before,
                reason=reason,
                handshake_age_s=None if age is None else round(age, 1),
            )
        )


def _cut_off(reason: str) -> str:
    return f"the internet is down, and {reason}"
