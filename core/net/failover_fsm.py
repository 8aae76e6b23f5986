"""The failover machine: which way the traffic goes. Pure: times come in (monotonic), actions go out.

Each call tells it one thing and gives what is to be done; `due_s` says when `tick` wants to be called. NEXT in
failover_table.py holds its states, MainLink and Backup what is known of the two ways.
"""

from dataclasses import dataclass

from core.config import NetConfig
from core.events import FailoverState, NetVerdict
from core.net.failover_acts import Action, Report
from core.net.failover_backup import Backup, Bearer, Traffic
from core.net.failover_primary import MainLink
from core.net.failover_table import CARRIED, NEXT, WITH_BACKUP, On

Actions = list[Action]
_S = FailoverState

PROBLEM: dict[NetVerdict, str] = {
    NetVerdict.OK: "the main link is well",
    NetVerdict.DOWN: "nothing answers over the main link",
    NetVerdict.CAPTIVE: "a portal answers over the main link in place of the internet",
    NetVerdict.DNS_FAILED: "no name can be looked up over the main link",
    NetVerdict.NO_LINK: "the main link is gone",
}


@dataclass(frozen=True, slots=True)
class _Turn:
    """Something that decides a state, with why."""

    on: On
    reason: str
    cause: str | None = None


class Failover:
    """mode: auto, on (the SIM's data, whatever the main link does) or off (nothing is begun by itself)."""

    def __init__(self, config: NetConfig, *, now_s: float, mode: str | None = None) -> None:
        self._config = config
        self.state = FailoverState.OFF
        self.mode = mode or config.mode
        self.main = MainLink(config, now_s)
        self.backup = Backup(config)
        self.spent = False
        """The day's data is used up."""
        self.reason = ""
        self.cause: str | None = None
        self._hold_until_s = now_s
        self._closing = False
        self._told_cause: str | None = None
        self._now_s = now_s

    # --- what is asked of it --------------------------------------------------------------------------------------

    @property
    def interface(self) -> str | None:
        """What carries the traffic, as far as it is decided here."""
        return self.backup.interface if self.state in CARRIED else self.main.interface

    @property
    def barred(self) -> tuple[str, str] | None:
        """Why no backup may be started, as a cause and for people."""
        if self._config.bearer == "none":
            return "no_device", "no backup is configured"
        if self.spent:
            return "budget", "the SIM's data for today is used up"
        return None

    @property
    def waiting(self) -> bool:
        """The backup is wanted, and the next try to start it not yet due."""
        return self._wanted and self.backup.bearer is Bearer.DOWN

    @property
    def due_s(self) -> float | None:
        """When `tick` is wanted, if nothing else comes before; always later than the last call."""
        times = [*self.main.times(), *self.backup.times(), self._hold_until_s]
        if self.backup.carrying_since_s is not None:
            times.append(self.backup.carrying_since_s + self._config.hold_backup_s)
        return min((at_s for at_s in times if at_s > self._now_s), default=None)

    # --- what happens to it -----------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> Actions:
        return self._go_on(now_s)

    def link_seen(self, now_s: float, interface: str | None, usable: bool) -> Actions:
        """The main link, as the kernel has it."""
        self.main.seen(now_s, interface, usable)
        return self._go_on(now_s)

    def needed(self, now_s: float, reason: str) -> Actions:
        """A call, a message or a client needs the internet now."""
        asked = self.main.request(now_s, reason)
        told: Actions = [asked] if asked is not None else []
        if self._wanted and self.backup.hurry(now_s):
            text = f"the SIM's data is tried sooner: it is needed now: {reason}"
            told.append(Report(self.state, self.state, text, "priority", self.interface))
        return [*told, *self._go_on(now_s)]

    def probed(self, now_s: float, ticket: int, verdict: NetVerdict, detail: str) -> Actions:
        self.main.probed(now_s, ticket, verdict, detail)
        return self._go_on(now_s)

    def probe_lost(self, now_s: float, ticket: int) -> Actions:
        """A look at the main link came to nothing through our own fault."""
        self.main.lost(ticket)
        return self._go_on(now_s)

    def backup_probed(self, now_s: float, ticket: int, ok: bool, detail: str) -> Actions:
        self.backup.probed(now_s, ticket, ok, detail)
        return self._go_on(now_s)

    def backup_probe_lost(self, now_s: float, ticket: int) -> Actions:
        self.backup.probe_lost(ticket)
        return self._go_on(now_s)

    def bearer_up(self, now_s: float, ticket: int, interface: str) -> Actions:
        self.backup.bearer_up(ticket, interface)
        return self._go_on(now_s)

    def bearer_failed(self, now_s: float, ticket: int, cause: str, text: str) -> Actions:
        self.backup.bearer_failed(now_s, ticket, cause, text)
        return self._go_on(now_s)

    def bearer_lost(self, now_s: float, cause: str, text: str) -> Actions:
        self.backup.bearer_lost(now_s, cause, text)
        return self._go_on(now_s)

    def hurry(self, now_s: float) -> Actions:
        """The modem is back: the next try need not wait for the back-off."""
        if self._wanted:
            self.backup.hurry(now_s)
        return self._go_on(now_s)

    def bearer_stopped(self, now_s: float, ticket: int) -> Actions:
        self.backup.bearer_stopped(ticket)
        return self._go_on(now_s)

    def taken(self, now_s: float, ticket: int) -> Actions:
        self.backup.taken(now_s, ticket)
        return self._go_on(now_s)

    def take_failed(self, now_s: float, ticket: int, cause: str, text: str) -> Actions:
        self.backup.take_failed(now_s, ticket, cause, text)
        return self._go_on(now_s)

    def given_back(self, now_s: float, ticket: int) -> Actions:
        self.backup.given_back(ticket)
        return self._go_on(now_s)

    def give_back_failed(self, now_s: float, ticket: int, cause: str, text: str) -> Actions:
        self.backup.give_back_failed(now_s, ticket, cause, text)
        return self._go_on(now_s)

    def route_seen(self, now_s: float, present: bool) -> Actions:
        """Whether the kernel has a default route of ours over the bearer's interface."""
        self.backup.route_seen(present)
        return self._go_on(now_s)

    def budget(self, now_s: float, spent: bool) -> Actions:
        self.spent = spent
        return self._go_on(now_s)

    def set_mode(self, now_s: float, mode: str) -> Actions:
        """auto, on or off."""
        self.mode = mode
        return self._go_on(now_s)

    def close(self, now_s: float) -> Actions:
        """The daemon ends: all is given back, and nothing is begun any more."""
        self._closing = True
        return self._go_on(now_s)

    # --- decisions ----------------------------------------------------------------------------------------------------

    def _go_on(self, now_s: float) -> Actions:
        self._now_s = max(self._now_s, now_s)
        actions: Actions = []
        contested = self.backup.contested
        if not self._closing and (probe := self.main.tick(now_s)) is not None:
            actions.append(probe)
        while not self._closing and (turn := self._turn(now_s)) is not None:
            actions.append(self._move(turn, now_s))
        if (step := self.backup.step(now_s, wanted=self._wanted)) is not None:
            actions.append(step)
        if not self._closing and (look := self.backup.tick(now_s)) is not None:
            actions.append(look)
        if not self._closing:
            actions += self._troubles(contested)
        return actions

    @property
    def _wanted(self) -> bool:
        return self.state in WITH_BACKUP and self.barred is None and not self._closing

    def _move(self, turn: _Turn, now_s: float) -> Report:
        before = self.state
        self.state = NEXT[before, turn.on]
        if self.state is _S.STARTING_BACKUP:
            self.backup.enter(now_s, anew=before not in WITH_BACKUP)
        if before in WITH_BACKUP and self.state is _S.PRIMARY:
            self._hold_until_s = now_s + self._config.hold_primary_s
        if self.state is _S.BOTH_DOWN and before not in WITH_BACKUP:
            self.backup.enter(now_s, anew=True)
        self.reason, self.cause, self._told_cause = turn.reason, turn.cause, turn.cause
        return Report(self.state, before, turn.reason, turn.cause, self.interface)

    def _troubles(self, contested: bool) -> Actions:
        """What is told although the state is the same."""
        backup = self.backup
        if backup.contested and not contested:
            return [self._same("somebody takes our default route away again and again", "contested")]
        concerns = self._wanted or backup.traffic is Traffic.UNSURE
        if backup.cause is not None and backup.failed and concerns and backup.cause != self._told_cause:
            return [self._same(backup.text, backup.cause)]
        return []

    def _same(self, reason: str, cause: str) -> Report:
        self.reason, self.cause, self._told_cause = reason, cause, cause
        return Report(self.state, self.state, reason, cause, self.interface)

    def _turn(self, now_s: float) -> _Turn | None:
        """The first thing that decides another state than the present one."""
        if self.mode == "off":
            return _Turn(On.OFF, "switched off", "manual") if self.state is not _S.OFF else None
        match self.state:
            case _S.OFF:
                return _Turn(On.ALLOWED, "the main link is watched", "manual" if self.reason else None)
            case _S.PRIMARY | _S.SUSPECT:
                return self._without(now_s)
            case _S.STARTING_BACKUP:
                return self._starting()
            case _S.BACKUP | _S.RECOVERING:
                return self._with(now_s)
            case _S.BOTH_DOWN:
                return self._neither()

    def _without(self, now_s: float) -> _Turn | None:
        """The main link has the traffic."""
        main, barred = self.main, self.barred
        if main.decisive and (main.urgent or now_s >= self._hold_until_s):
            reason, cause = self._problem()
            if barred is not None:
                return _Turn(On.BARRED, f"{reason}; {barred[1]}", barred[0])
            return _Turn(On.NEEDED, reason, cause)
        if self.mode == "on" and barred is None:
            return _Turn(On.NEEDED, "switched on", "manual")
        if self.state is _S.PRIMARY and main.fails:
            return _Turn(On.FAILED, *self._problem())
        if self.state is _S.SUSPECT and main.answers:
            return _Turn(On.ANSWERED, "the main link answers")
        return None

    def _starting(self) -> _Turn | None:
        main, backup = self.main, self.backup
        if self.barred is not None:
            return self._given_up(*self.barred)
        if backup.carrying:
            return self._carries()
        if self.mode == "auto" and main.answers >= (1 if backup.failed else self._config.back_count):
            return _Turn(On.BACK, "the main link answers again")
        if backup.failed and main.fails:
            return _Turn(On.UNAVAILABLE, backup.text, backup.cause)
        return None

    def _with(self, now_s: float) -> _Turn | None:
        """The SIM's data has the traffic."""
        main, backup = self.main, self.backup
        if self.barred is not None:
            return self._given_up(*self.barred)
        if backup.broken or not backup.carrying and backup.resting:
            return self._broken()
        if self.state is _S.BACKUP:
            answers = self.mode == "auto" and main.answers
            return _Turn(On.ANSWERED, "the main link answers again") if answers else None
        if not main.answers:
            return _Turn(On.FAILED, *self._problem())
        if self.mode == "on":
            return _Turn(On.FORCED, "switched on", "manual")
        since_s = backup.carrying_since_s
        held = since_s is None or now_s >= since_s + self._config.hold_backup_s
        if main.answers >= self._config.back_count and held:
            return _Turn(On.BACK, "the main link is back")
        return None

    def _broken(self) -> _Turn:
        main, backup = self.main, self.backup
        if self.mode == "auto" and main.answers:
            return _Turn(On.BACK, f"{backup.text}; the main link answers", backup.cause)
        if backup.dead and main.fails:
            return _Turn(On.UNAVAILABLE, backup.text, backup.cause)
        return _Turn(On.LOST, backup.text, backup.cause)

    def _given_up(self, cause: str, text: str) -> _Turn:
        return _Turn(On.UNAVAILABLE if self.main.fails else On.BACK, text, cause)

    def _neither(self) -> _Turn | None:
        if self.main.answers:
            return _Turn(On.ANSWERED, "the main link answers again")
        if self.backup.carrying and self.barred is None:
            return self._carries()
        return None

    def _carries(self) -> _Turn:
        cause = "manual" if self.mode == "on" else self._problem()[1] if self.main.fails else None
        return _Turn(On.CARRYING, f"the SIM's data carries the traffic, over {self.backup.interface}", cause)

    def _problem(self) -> tuple[str, str | None]:
        verdict, asked = self.main.verdict, ""
        if verdict is None:
            return "the main link has not been seen to work", None
        if self.main.urgent and self.main.asked_for:
            asked = f", and it is needed now: {self.main.asked_for}"
        detail = f" ({self.main.detail})" if self.main.detail else ""
        return f"{PROBLEM[verdict]}{detail}{asked}", verdict.value
