"""Carries out what the failover machine decides about the backup: bearer up and down, traffic taken and given back."""

import asyncio
from asyncio import TaskGroup
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic

from core.config import NetConfig
from core.line import Line
from core.log import Log
from core.net.failover_acts import GiveBack, StartBearer, StopBearer, TakeTraffic
from core.net.failover_fsm import Actions, Failover
from core.net.failover_table import CARRIED
from core.net.helper_client import HelperClient, HelperFailed
from core.net.types import Bearer, BearerFailed, BearerTrouble, BearerUp, DataAccess, Link, LinkKind, Links
from core.network_meter import Meter

START_S = 60.0
"""A bearer has 45 s; this is for one that forgets it."""
DOWN_S = 15.0
ALIVE_EVERY_S = 10.0
RENEW_EVERY_S = 60.0

Do = Callable[[Callable[[float], Actions]], None]
Step = StartBearer | StopBearer | TakeTraffic | GiveBack

_log = Log("net.backup")


@dataclass(frozen=True, slots=True)
class _Taken:
    """The route as it was asked for."""

    up: BearerUp
    halves: bool


class Ways:
    """do: tells the machine what came of it. links: how they are now. make: a bearer for the modem as it is now.
    roamed: the traffic goes another way. helper_trouble: what the helper said last, None when it did as asked."""

    def __init__(
        self,
        config: NetConfig,
        machine: Failover,
        tasks: TaskGroup,
        *,
        helper: HelperClient,
        line: Line | None,
        make: Callable[[], Bearer],
        meter: Meter,
        links: Callable[[], Links],
        do: Do,
        roamed: Callable[[str], None],
        helper_trouble: Callable[[HelperFailed | None], None],
    ) -> None:
        self._config = config
        self._machine = machine
        self._tasks = tasks
        self._helper = helper
        self._line = line
        self._make = make
        self._meter = meter
        self._links = links
        self._do = do
        self._roamed = roamed
        self._helper_trouble = helper_trouble
        self._bearer: Bearer | None = None
        self._turn = asyncio.Lock()
        """A bearer is called by one task at a time."""
        self._moving = asyncio.Lock()
        """What the traffic needs is set, set again or taken back by one task at a time."""
        self._recovering = asyncio.Lock()
        """A second recover that comes late would undo what was made since."""
        self._step: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._taken: _Taken | None = None
        self._addressed = False
        self.up: BearerUp | None = None
        self.incomplete: str | None = None
        """What could not be set although the traffic goes over it: name servers, the end of IPv6."""
        self.clean = False
        """What an earlier life of the daemon left behind has been undone."""

    @property
    def kind(self) -> str | None:
        return self._bearer.kind if self._bearer is not None else None

    @property
    def interface(self) -> str | None:
        """Of the modem, as far as it is known."""
        if self.up is not None:
            return self.up.interface
        return self._bearer.interface if self._bearer is not None else None

    def perform(self, step: Step) -> None:
        """Begins it; the machine hears how it ended."""
        self._step = self._tasks.create_task(self._perform(step, self._step), name=f"net.{type(step).__name__}")

    async def recover(self) -> None:
        """Undoes what an earlier life left, once. HelperFailed."""
        async with self._recovering:
            if self.clean:
                return
            undone = await self._helper.recover()
            self.clean = True
        if undone:
            _log.warning("what an earlier run had left was undone", undone="; ".join(undone))
            self._roamed("what an earlier run had left was undone")

    def links_seen(self, links: Links) -> None:
        """Tells the machine of our route, and of a bearer whose interface is gone."""
        up = self.up
        if up is None:
            return
        link = links.named(up.interface)
        there = link is not None and bool(link.addresses)
        if self._addressed and not there:
            self._do(partial(self._lost, *_how_lost(up.interface, link)))
        self._addressed = self._addressed or there
        taken = self._taken
        present = up.interface in links.ours and (taken is None or taken.halves or not self._halves(up, links))
        self._do(lambda now_s: self._machine.route_seen(now_s, present))

    # --- the bearer ---------------------------------------------------------------------------------------------------

    async def _perform(self, step: Step, before: asyncio.Task[None] | None) -> None:
        match step:
            case StartBearer(ticket):
                await self._start(ticket)
            case StopBearer(ticket):
                if before is not None and not before.done():
                    before.cancel()
                    await asyncio.wait({before})
                await self._stop()
                self._do(lambda now_s: self._machine.bearer_stopped(now_s, ticket))
            case TakeTraffic(ticket):
                await self._take(ticket)
            case GiveBack(ticket):
                await self._give_back(ticket)

    async def _start(self, ticket: int) -> None:
        trouble, text = BearerTrouble.FAILED.value, "the SIM's data could not be started"
        try:
            if not self.clean:
                await self.recover()
            up = await self._started()
            self._helper_trouble(None)
            self._do(lambda now_s: self._machine.bearer_up(now_s, ticket, up.interface))
            self.links_seen(self._links())
            return
        except BearerFailed as failed:
            trouble, text = failed.trouble.value, failed.text
        except HelperFailed as failed_helper:
            trouble, text = self._blamed(failed_helper)
        except TimeoutError:
            trouble, text = BearerTrouble.TIMEOUT.value, "the SIM's data did not come up in time"
        except Exception:
            _log.exception("starting the SIM's data broke")
        await self._stop()
        _log.info("the SIM's data is not up", cause=trouble, reason=text)
        self._do(lambda now_s: self._machine.bearer_failed(now_s, ticket, trouble, text))

    async def _started(self) -> BearerUp:
        access = self._access()
        began_s = monotonic()
        async with self._turn:
            self._bearer = bearer = self._make()
            await self._meter.begins(bearer.interface)
            async with asyncio.timeout(START_S):
                up = await bearer.up(access)
        self.up, self._addressed = up, False
        await self._meter.up(up.interface)
        self._watch = self._tasks.create_task(self._watched(bearer), name="net.bearer.watch")
        _log.info(
            "the SIM's data is up", interface=up.interface, kind=bearer.kind, took_s=round(monotonic() - began_s, 2)
        )
        return up

    def _access(self) -> DataAccess:
        """What the network wants to know. BearerFailed."""
        if self._line is None:
            raise BearerFailed(BearerTrouble.NO_DEVICE, "there is no line whose SIM could give data")
        data = self._line.data
        if data.apn is None:
            text = "the SIM has not been read yet, so its access point is not known; apn of its line may name it"
            raise BearerFailed(BearerTrouble.NO_NETWORK, text)
        return DataAccess(data.apn, data.auth, data.user, data.password)

    async def _stop(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait({watch})
        bearer = self._bearer
        if bearer is not None:
            if self.up is not None:
                await self._meter.down()
            async with self._turn:
                await self._down(bearer)
        self.up = None

    async def _down(self, bearer: Bearer) -> None:
        try:
            async with asyncio.timeout(DOWN_S):
                await bearer.down()
        except Exception:
            _log.exception("stopping the SIM's data broke")

    async def _watched(self, bearer: Bearer) -> None:
        """Notices a session that is over, has its lease renewed, and sets again what the traffic needs."""
        renewed_s = monotonic()
        while True:
            await asyncio.sleep(ALIVE_EVERY_S)
            renew = monotonic() >= renewed_s + RENEW_EVERY_S
            if (lost := await self._looked_after(bearer, renew=renew)) is not None:
                self._do(partial(self._lost, *lost))
                return
            await self._set_again()
            renewed_s = monotonic() if renew else renewed_s

    def _lost(self, cause: str, text: str, now_s: float) -> Actions:
        return self._machine.bearer_lost(now_s, cause, text)

    async def _looked_after(self, bearer: Bearer, *, renew: bool) -> tuple[str, str] | None:
        """Cause and text when the session is over."""
        try:
            async with self._turn, asyncio.timeout(START_S):
                if not await bearer.alive():
                    return BearerTrouble.MODEM_RESET.value, "the session of the SIM's data is over"
                if renew:
                    await bearer.renew()
        except BearerFailed as failed:
            return failed.trouble.value, failed.text
        except Exception:
            _log.exception("looking after the SIM's data broke")
            return BearerTrouble.FAILED.value, "the SIM's data could not be looked after"
        return None

    # --- the traffic --------------------------------------------------------------------------------------------------

    async def _take(self, ticket: int) -> None:
        up = self.up
        if up is None:
            self._do(lambda now_s: self._machine.take_failed(now_s, ticket, "failed", "the SIM's data went down"))
            return
        try:
            async with self._moving:
                await self._take_by(up)
        except HelperFailed as failed:
            trouble, text = self._blamed(failed)
            self._do(lambda now_s: self._machine.take_failed(now_s, ticket, trouble, text))
            return
        self._helper_trouble(None)
        self._do(lambda now_s: self._machine.taken(now_s, ticket))
        self._roamed(f"the traffic goes over {up.interface}")

    async def _take_by(self, up: BearerUp) -> None:
        before, halves = self._taken, self._halves(up, self._links())
        if before is not None and before.halves is not halves:
            await self._route(before, add=False)
        self._taken = _Taken(up, halves)
        await self._route(self._taken, add=True)
        failed = await self._set_beside(up)
        if failed is not None and failed.trouble == "no_helper":  # and with it, perhaps, what it had made
            raise failed
        if failed is not None:
            _log.warning("the traffic goes over the SIM's data, but not all is set for it", reason=failed.text)

    async def _set_again(self) -> None:
        """Another program may write its own name servers at any time: DHCP of the main link, NetworkManager."""
        async with self._moving:
            if self._taken is not None and self._machine.state in CARRIED:
                await self._set_beside(self._taken.up)

    async def _set_beside(self, up: BearerUp) -> HelperFailed | None:
        """Name servers and the end of IPv6, which the traffic can do without."""
        beside: list[Awaitable[None]] = []
        if self._config.block_ipv6:
            beside.append(self._helper.block_ipv6(True, self._config.metric))
        if self._config.use_dns and up.dns:
            beside.append(self._helper.resolver(up.interface, up.dns[:3], True))
        failed = await self._all_of(beside)
        self.incomplete = failed.text if failed is not None else None
        return failed

    async def _all_of(self, steps: list[Awaitable[None]]) -> HelperFailed | None:
        """Each of them, whatever becomes of the others; the last failure."""
        failed: HelperFailed | None = None
        for step in steps:
            try:
                await step
            except HelperFailed as problem:
                if problem.trouble != "no_interface":  # gone, and its routes with it
                    failed = problem
        return failed

    async def _give_back(self, ticket: int) -> None:
        """Each part of it, whatever becomes of the others."""
        async with self._moving:
            failed = await self._take_back()
        self._helper_trouble(failed)
        if failed is not None:
            trouble, text = self._blamed(failed)
            _log.warning("the traffic could not be given back", reason=text)
            self._do(lambda now_s: self._machine.give_back_failed(now_s, ticket, trouble, text))
            return
        self._do(lambda now_s: self._machine.given_back(now_s, ticket))
        self._roamed("the traffic goes over the main link")

    async def _take_back(self) -> HelperFailed | None:
        taken, up = self._taken, self.up
        interface = taken.up.interface if taken is not None else up.interface if up is not None else None
        steps: list[Awaitable[None]] = []
        if taken is not None:
            steps.append(self._route(taken, add=False))
        if self._config.block_ipv6:
            steps.append(self._helper.block_ipv6(False, self._config.metric))
        if self._config.use_dns and interface is not None:
            steps.append(self._helper.resolver(interface, (), False))
        failed = await self._all_of(steps)
        if failed is None:
            self._taken = self.incomplete = None
        return failed

    async def _route(self, taken: _Taken, *, add: bool) -> None:
        up = taken.up
        await self._helper.route(up.interface, up.gateway, self._config.metric, halves=taken.halves, add=add)

    def _halves(self, up: BearerUp, links: Links) -> bool:
        """Whether another default route is better than ours would be."""
        others = (link for link in links.links if link.interface != up.interface and link.kind is not LinkKind.TUNNEL)
        return any(link.metric is not None and link.metric <= self._config.metric for link in others)

    def _blamed(self, failed: HelperFailed) -> tuple[str, str]:
        self._helper_trouble(failed)
        known = {trouble.value for trouble in BearerTrouble}
        return (failed.trouble if failed.trouble in known else "failed"), failed.text


def _how_lost(interface: str, link: Link | None) -> tuple[str, str]:
    """Cause and text of a bearer whose interface is gone, or has lost its address."""
    if link is None:
        return BearerTrouble.MODEM_RESET.value, f"{interface} is gone"
    return BearerTrouble.FAILED.value, f"{interface} has lost its address"
