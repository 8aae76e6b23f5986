"""One life of the network service: the machine, what feeds it, and what carries its wishes out."""

import asyncio
from asyncio import TaskGroup
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic

from core.bus import Bus
from core.clock import unix_s
from core.config import NetConfig
from core.events import FailoverState, NetFailover, NetVerdict
from core.line import Line
from core.log import Log
from core.net.budget import MB, Level
from core.net.failover_acts import ProbeBackup, ProbePrimary, Report
from core.net.failover_fsm import Actions, Failover
from core.net.failover_table import CARRIED, WITH_BACKUP
from core.net.helper_client import HelperFailed
from core.net.types import Links, Probe
from core.network_care import Care
from core.network_ears import Ears
from core.network_meter import Meter
from core.network_parts import NetParts
from core.network_private import without_addresses
from core.network_status import CheckResult, DatedProbe
from core.network_teller import Teller
from core.network_ways import Ways

BACKUP_PROBE_S = 5.0
HELPER_EVERY_S = 10.0
ANSWER_MARGIN_S = 0.8
"""net.check answers so long after its look's own limit at the latest."""
ANSWER_S = 2.5
"""And after so long however high priority_timeout_s is: clients count on it."""

_log = Log("net")


class Life:
    """Made anew when it broke; what has to outlive it stands in `parts` and `teller`."""

    def __init__(
        self,
        config: NetConfig,
        parts: NetParts,
        teller: Teller,
        bus: Bus,
        line: Line | None,
        *,
        mode: str,
        state_dir: Path,
        tasks: TaskGroup,
        troubles: dict[str, str],
    ) -> None:
        self._config = config
        self.parts = parts
        self._teller = teller
        self._bus = bus
        self._tasks = tasks
        self.troubles = troubles
        self.machine = Failover(config, now_s=monotonic(), mode=mode)
        self._line = line
        self.since_unix_s = unix_s()
        self.meter = Meter(config, state_dir / "budget.json", parts.watch.counters, self._on_level)
        self.machine.spent = self.meter.spent()
        self.ways = Ways(
            config,
            self.machine,
            tasks,
            helper=parts.helper,
            line=line,
            make=parts.make_bearer,
            meter=self.meter,
            links=lambda: parts.watch.snapshot,
            do=self.do,
            roamed=self._roamed,
            helper_trouble=self._on_helper,
        )
        self._news = asyncio.Event()
        """Set, and made anew, whenever something has happened to the machine."""
        self._probing: asyncio.Task[None] | None = None
        self._way_out: tuple[str, tuple[str, ...], str | None] | None = None
        self.primary_probe: DatedProbe | None = None
        self.backup_probe: DatedProbe | None = None
        self.no_helper: str | None = None
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Until cancelled. Raises what broke it."""
        self.do(self.machine.tick)
        care = Care(self._tasks, self._part_trouble)
        if self.parts.bus is not None:
            care.keep("bus", self.parts.bus.run)
        if self._wants_helper:
            care.keep("helper", self._follow_helper)
        care.keep("links", lambda: self.parts.watch.run(self._on_links))
        if self.parts.vpn is not None:
            care.keep("vpn", self.parts.vpn.run)
        line = self._line.name if self._line is not None else None
        ears = Ears(
            self._bus, line, needed=self.needed, modem_gone=self._modem_gone, modem_back=self._modem_back
        )  # fmt: skip
        care.keep("ears", ears.run)
        care.keep("data", self.meter.run)
        care.keep("clock", self._clock)
        await self._broken

    # --- what happens ---------------------------------------------------------------------------------------------

    def do(self, happened: Callable[[float], Actions]) -> None:
        """Tells the machine something, and begins what it wants."""
        if self._broken.done():
            return
        try:
            actions = happened(monotonic())
            for action in actions:
                match action:
                    case Report():
                        self._report(action)
                    case ProbePrimary():
                        self._look(action)
                    case ProbeBackup():
                        self._tasks.create_task(self._look_over_backup(action), name="net.probe.backup")
                    case _:
                        self.ways.perform(action)
        except Exception as problem:  # a mistake of ours ends this life, and nothing else
            self._broken.set_exception(problem)
            return
        if self.ways.up is None:
            self.backup_probe = None  # it was of one that is gone
        self._alarms()
        news, self._news = self._news, asyncio.Event()
        news.set()

    def needed(self, reason: str) -> None:
        self.do(lambda now_s: self.machine.needed(now_s, reason))

    def set_mode(self, mode: str) -> None:
        self.do(lambda now_s: self.machine.set_mode(now_s, mode))

    async def check(self, reason: str) -> CheckResult:
        """One look at the main link, shared by all who ask within a second."""
        began_s, before, looked = monotonic(), self.primary_probe, False
        self.needed(reason)
        deadline_s = began_s + min(self._config.priority_timeout_s + ANSWER_MARGIN_S, ANSWER_S)
        while (probing := self.machine.main.probing) is not None and probing.priority:
            looked = True
            if not await self._anything_within(deadline_s - monotonic()):
                break
        machine = self.machine
        known = not looked or self.primary_probe is not before or machine.main.verdict is NetVerdict.NO_LINK
        return CheckResult(
            machine.main.verdict if known else None,
            machine.main.detail if known else "the look at the main link has come to nothing so far",
            machine.state,
            machine.interface,
            machine.state in WITH_BACKUP and machine.barred is None,
            round(monotonic() - began_s, 3),
        )

    async def close(self, deadline_s: float) -> bool:
        """Gives everything back; whether that came to its end by then."""
        self.do(self.machine.close)
        while not self.machine.backup.resting:
            if self._broken.done():
                return False
            if not await self._anything_within(deadline_s - monotonic()):
                return False
        return True

    async def _anything_within(self, timeout_s: float) -> bool:
        """Waits until something has happened to the machine."""
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                await self._news.wait()
        except TimeoutError:
            return False
        return not self._broken.done()

    async def _clock(self) -> None:
        """Ticks when the machine wants to be ticked."""
        while True:
            due_s = self.machine.due_s
            try:
                async with asyncio.timeout(None if due_s is None else max(0.0, due_s - monotonic())):
                    await self._news.wait()
            except TimeoutError:
                self.do(self.machine.tick)

    def _on_links(self, links: Links) -> None:
        self._teller.links(links)
        primary = links.named(links.primary)
        usable = primary is not None and primary.usable
        self.do(lambda now_s: self.machine.link_seen(now_s, links.primary, usable))
        self.ways.links_seen(links)
        self._follow_way_out(links)

    def _follow_way_out(self, links: Links) -> None:
        """A VPN's peer learns that we are elsewhere only by what we send it. Our own route is told when it is made."""
        link = links.named(links.default)
        if link is None or link.interface in links.ours:
            return
        way, before = (link.interface, link.addresses, link.gateway), self._way_out
        self._way_out = way
        if before is not None and before != way:
            self._roamed(f"the traffic goes over {link.interface}")

    def _on_level(self, level: Level) -> None:
        limit = self._config.data_mb_per_day
        spent_mb = self.meter.budget.spent_bytes // MB
        text = {
            Level.FREE: None,
            Level.WARN: f"more than {self._config.warn_at:.0%} of the SIM's {limit} MB for today are used",
            Level.SPENT: f"the SIM's {limit} MB for today are used up; the backup stops until tomorrow",
        }[level]
        self._teller.alarm("net_budget", text, "error" if level is Level.SPENT else "warning")
        if text is not None:
            _log.warning("the SIM's data", level=level.value, spent_mb=spent_mb, limit_mb=limit)
        self.do(lambda now_s: self.machine.budget(now_s, level is Level.SPENT))

    def _modem_gone(self, text: str) -> None:
        self.do(lambda now_s: self.machine.bearer_lost(now_s, "modem_reset", text))

    def _modem_back(self) -> None:
        self.parts.watch.look_again()  # its network card, if it has one, is no main link
        self.do(self.machine.hurry)

    def _roamed(self, reason: str) -> None:
        if self.parts.vpn is not None:
            self.parts.vpn.roamed(reason)

    # --- looks ----------------------------------------------------------------------------------------------------

    def _look(self, action: ProbePrimary) -> None:
        if self._probing is not None:
            self._probing.cancel()
        self._probing = self._tasks.create_task(self._look_over_primary(action), name="net.probe.primary")

    async def _look_over_primary(self, action: ProbePrimary) -> None:
        links = self.parts.watch.snapshot
        link = links.named(links.primary)
        if link is None:
            probe = Probe(links.primary or "", NetVerdict.NO_LINK, "it is gone")
        else:
            try:
                probe = await self.parts.prober.probe(link, timeout_s=action.timeout_s)
            except Exception:
                _log.exception("looking at the main link broke")
                self.do(lambda now_s: self.machine.probe_lost(now_s, action.ticket))
                return
        self.primary_probe = DatedProbe(probe, unix_s())
        _log.debug("main link", interface=probe.interface, verdict=probe.verdict, detail=probe.detail)
        self.do(lambda now_s: self.machine.probed(now_s, action.ticket, probe.verdict, probe.detail))

    async def _look_over_backup(self, action: ProbeBackup) -> None:
        up = self.ways.up
        link = self.parts.watch.snapshot.named(up.interface) if up is not None else None
        if up is None or link is None:
            self.do(lambda now_s: self.machine.backup_probed(now_s, action.ticket, False, "its interface is gone"))
            return
        # Its only default route is ours, which a Link does not speak of.
        link = replace(link, gateway=up.gateway, metric=self._config.metric, dns=up.dns)
        try:
            probe = await self.parts.prober.probe(link, timeout_s=BACKUP_PROBE_S, thorough=action.thorough)
        except Exception:
            _log.exception("looking over the SIM's data broke")
            self.do(lambda now_s: self.machine.backup_probe_lost(now_s, action.ticket))
            return
        self.backup_probe = DatedProbe(probe, unix_s())
        ok = probe.verdict is NetVerdict.OK
        self.do(lambda now_s: self.machine.backup_probed(now_s, action.ticket, ok, probe.detail))

    # --- what is told ---------------------------------------------------------------------------------------------

    def _report(self, report: Report) -> None:
        if report.state is not report.from_state:
            self.since_unix_s = unix_s()
        _log.info(
            "internet", state=report.state, was=report.from_state, cause=report.cause, reason=report.reason,
            interface=report.interface,
        )  # fmt: skip
        self._teller.fact(
            NetFailover(
                state=report.state, from_state=report.from_state, cause=report.cause,
                reason=without_addresses(report.reason),  # whoever may read events may not see every address
                interface=report.interface,
            )
        )  # fmt: skip

    def _alarms(self) -> None:
        """As the machine is now; what stays the same is not told again."""
        machine = self.machine
        down = machine.state is FailoverState.BOTH_DOWN
        text = "no internet: neither the main link nor the SIM's data carries anything"
        self._teller.alarm("net_down", text if down else None, "error")
        carried = machine.state in CARRIED
        self._teller.alarm("net_backup", "the SIM's data carries the traffic" if carried else None)
        contested = "another program keeps taking our default route away" if machine.backup.contested else None
        self._teller.alarm("net_contested", contested)
        missing = self.ways.incomplete
        incomplete = f"the SIM's data carries the traffic, but not all is set for it: {missing}"
        self._teller.alarm("net_incomplete", incomplete if carried and missing is not None else None)
        vpn = self.parts.vpn
        if vpn is not None:
            vpn.internet(self._internet())

    def _internet(self) -> bool | None:
        """For the VPN, which can't work without. None: not sure; restarting it would only take it away for longer."""
        match self.machine.state:
            case FailoverState.BOTH_DOWN | FailoverState.STARTING_BACKUP:
                return self.machine.main.answers > 0  # switched on by hand, without data, and the main link is well
            case FailoverState.SUSPECT:
                return None
            case FailoverState.OFF if self.machine.main.fails:
                return None
        return True

    def _part_trouble(self, name: str, text: str | None) -> None:
        if text is None:
            self.troubles.pop(name, None)
        else:
            self.troubles[name] = text
        self._teller.alarm(f"net_{name}_broke", text, "error")

    # --- the helper -----------------------------------------------------------------------------------------------

    @property
    def _wants_helper(self) -> bool:
        return self._config.bearer != "none" or self._config.vpn.interface is not None

    def _on_helper(self, failed: HelperFailed | None) -> None:
        """no_helper is an alarm; everything else is the trouble of what was asked."""
        gone = failed is not None and failed.trouble == "no_helper"
        self.no_helper = failed.text if failed is not None and gone else None
        wanted = self.no_helper is not None and self._wants_helper
        text = "dialtone-helper is not there, or does not answer: the network can't be changed" if wanted else None
        self._teller.alarm("net_helper", text, "error")

    async def _follow_helper(self) -> None:
        """Has it undo what an earlier run left, beside everything else: it may hang. Notices when it goes while nobody
        asks it anything, and when it is back."""
        await self._ask_helper()
        while True:
            await asyncio.sleep(min(HELPER_EVERY_S, self._config.every_s))
            barred = self.parts.helper.barred()
            if barred is not None:
                self._on_helper(HelperFailed("no_helper", barred))
            elif self.no_helper is not None or not self.ways.clean:
                await self._ask_helper()

    async def _ask_helper(self) -> None:
        try:
            if self.ways.clean or not self.machine.backup.resting:
                await self.parts.helper.state()
            else:
                await self.ways.recover()
            self._on_helper(None)
        except HelperFailed as failed:
            hangs = failed.trouble == "timeout"  # both of these are done at once
            self._on_helper(HelperFailed("no_helper", failed.text) if hangs else failed)
