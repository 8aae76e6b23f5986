"""A world for the failover machine: its time, the answers that it waits for, and what its actions really did."""

from core.config import NetConfig
from core.events import FailoverState, NetVerdict
from core.net.failover_acts import (
    Action,
    GiveBack,
    ProbeBackup,
    ProbePrimary,
    Report,
    StartBearer,
    StopBearer,
    TakeTraffic,
)
from core.net.failover_fsm import Failover

S = FailoverState


class World:
    """Drives one machine. What is begun is answered only when somebody says how. `route` and `bearer` are what the
    actions made of them: None where nobody can know."""

    def __init__(self, config: NetConfig | None = None, *, mode: str | None = None, link: str | None = "eth0") -> None:
        self.config = config or NetConfig()
        self.now_s = 1000.0
        self.machine = Failover(self.config, now_s=self.now_s, mode=mode)
        self.reports: list[Report] = []
        self.starts: list[float] = []
        self.takes: list[float] = []
        self.primary_probe: ProbePrimary | None = None
        self.primary_probes = 0
        self.backup_probe: ProbeBackup | None = None
        self.pending: StartBearer | StopBearer | TakeTraffic | GiveBack | None = None
        self.bearer: str = "down"
        self.route: bool | None = False
        self.do(self.machine.tick(self.now_s))
        self.link(link, link is not None)

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Report():
                    self.reports.append(action)
                case ProbePrimary():
                    self.primary_probe = action  # one under way is given up
                    self.primary_probes += 1
                case ProbeBackup():
                    self.backup_probe = action
                case StartBearer():
                    assert self.bearer == "down" and self.pending is None, "a second backup was begun"
                    self.bearer, self.pending = "starting", action
                    self.starts.append(self.now_s)
                case StopBearer():
                    assert self.bearer in ("up", "starting")
                    assert self.pending is None or isinstance(self.pending, StartBearer)
                    self.pending = action
                case TakeTraffic():
                    assert self.bearer == "up" and self.pending is None
                    self.pending = action
                    self.takes.append(self.now_s)
                case GiveBack():
                    assert self.pending is None
                    self.pending = action

    # --- what happens ------------------------------------------------------------------------------------------------

    def link(self, interface: str | None, usable: bool) -> None:
        self.do(self.machine.link_seen(self.now_s, interface, usable))

    def pass_time(self, seconds: float) -> None:
        """Ticks are made when the machine wants them, and at the end."""
        end_s, ticks = self.now_s + seconds, 0
        while (due_s := self.machine.due_s) is not None and due_s < end_s:
            assert due_s > self.now_s or ticks == 0, "a storm of ticks"
            self.now_s = max(due_s, self.now_s)
            self.do(self.machine.tick(self.now_s))
            ticks += 1
            assert ticks < 50 + seconds * 5, "a storm of ticks"
        self.now_s = end_s
        self.do(self.machine.tick(self.now_s))

    def probed(self, verdict: NetVerdict) -> None:
        probe, self.primary_probe = self.primary_probe, None
        assert probe is not None, "nobody looks"
        self.do(self.machine.probed(self.now_s, probe.ticket, verdict, "told by the test"))

    def backup_probed(self, ok: bool) -> None:
        probe, self.backup_probe = self.backup_probe, None
        assert probe is not None
        self.do(self.machine.backup_probed(self.now_s, probe.ticket, ok, "told by the test"))

    def succeed(self) -> None:
        """Whatever is under way works."""
        done, self.pending = self.pending, None
        match done:
            case StartBearer():
                self.bearer = "up"
                self.do(self.machine.bearer_up(self.now_s, done.ticket, "wwan0"))
            case StopBearer():
                self.bearer = "down"
                self.backup_probe = None
                self.do(self.machine.bearer_stopped(self.now_s, done.ticket))
            case TakeTraffic():
                self.route = True
                self.do(self.machine.taken(self.now_s, done.ticket))
            case GiveBack():
                self.route = False
                self.backup_probe = None
                self.do(self.machine.given_back(self.now_s, done.ticket))

    def fail(self, cause: str = "failed") -> None:
        """Whatever is under way does not work; stopping always does."""
        done, self.pending = self.pending, None
        match done:
            case StartBearer():
                self.bearer = "down"
                self.do(self.machine.bearer_failed(self.now_s, done.ticket, cause, f"it failed: {cause}"))
            case StopBearer():
                self.pending = done
                self.succeed()
            case TakeTraffic():
                self.route = None
                self.do(self.machine.take_failed(self.now_s, done.ticket, cause, f"it failed: {cause}"))
            case GiveBack():
                self.route = None
                self.do(self.machine.give_back_failed(self.now_s, done.ticket, cause, f"it failed: {cause}"))

    def lost(self, cause: str = "modem_reset") -> None:
        self.do(self.machine.bearer_lost(self.now_s, cause, "the modem went"))

    def kernel_route(self, present: bool) -> None:
        self.do(self.machine.route_seen(self.now_s, present))

    def settle(self) -> None:
        """All that is under way works, until nothing is."""
        for _ in range(10):
            if self.pending is None:
                return
            self.succeed()
        raise AssertionError("it never comes to rest")

    # --- shorter ------------------------------------------------------------------------------------------------------

    def at(self, state: FailoverState) -> bool:
        return self.machine.state is state

    @property
    def path(self) -> list[FailoverState]:
        return [report.state for report in self.reports if report.state is not report.from_state]

    def rounds(self, count: int, verdict: NetVerdict) -> None:
        """So many looks at the main link, each when it is due."""
        for _ in range(count):
            for _ in range(1000):
                if self.primary_probe is not None:
                    break
                self.pass_time(1.0)
            self.probed(verdict)

    def fail_over(self) -> None:
        """From a main link that works to a backup that carries."""
        self.rounds(1, NetVerdict.OK)
        self.rounds(self.config.fail_count, NetVerdict.DOWN)
        self.settle()
        assert self.at(S.BACKUP) and self.route is True
        self.kernel_route(True)
