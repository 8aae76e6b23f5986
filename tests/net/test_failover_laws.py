"""What holds for the failover machine whatever happens to it, in whatever order: walked at random, step by step."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.config import NetConfig
from core.events import FailoverState, NetVerdict
from core.net.failover_acts import GiveBack, StartBearer, TakeTraffic
from core.net.failover_backup import Bearer, Traffic
from core.net.failover_table import CARRIED, NEXT, WITH_BACKUP
from tests.net.failover_world import World

pytestmark = pytest.mark.timeout(240)

S = FailoverState
CONFIGS = [
    NetConfig(),
    NetConfig(every_s=1.0, fail_count=1, back_count=1, settle_s=0.0, hold_backup_s=0.0, hold_primary_s=0.0),
    NetConfig(every_s=5.0, fail_count=2, back_count=3, settle_s=1.0, hold_backup_s=20.0, hold_primary_s=60.0),
    NetConfig(every_s=2.0, failover_on=("down",), retry_s=(1.0, 4.0)),
]
LAWS = settings(max_examples=120, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Walk(RuleBasedStateMachine):
    """World's own assertions hold besides: one backup at a time, nothing taken that is not up, no storm of ticks."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.told = 0
        self.back_s: float | None = None
        self.urgent = False

    @property
    def w(self) -> World:
        if self.world is None:
            self.world = World()
        return self.world

    @precondition(lambda self: self.world is None)
    @rule(config=st.sampled_from(CONFIGS), mode=st.sampled_from(["auto", "auto", "on", "off"]))
    def begin(self, config: NetConfig, mode: str) -> None:
        self.world = World(config, mode=mode)

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.9, 2.0, 5.0, 31.0, 90.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.w.pass_time(seconds)

    @rule(interface=st.sampled_from(["eth0", "eth0", "wlan0", None]), usable=st.booleans())
    def link(self, interface: str | None, usable: bool) -> None:
        self.w.link(interface, usable and interface is not None)

    @precondition(lambda self: self.w.primary_probe is not None)
    @rule(verdict=st.sampled_from(list(NetVerdict)))
    def probed(self, verdict: NetVerdict) -> None:
        self.w.probed(verdict)

    @precondition(lambda self: self.w.primary_probe is not None)
    @rule()
    def probe_lost(self) -> None:
        probe, self.w.primary_probe = self.w.primary_probe, None
        assert probe is not None
        self.w.do(self.w.machine.probe_lost(self.w.now_s, probe.ticket))

    @rule(ticket=st.integers(0, 5))
    def an_answer_that_nobody_waits_for(self, ticket: int) -> None:
        machine, now_s = self.w.machine, self.w.now_s
        live = {self.w.pending.ticket} if self.w.pending is not None else set()
        if ticket not in live:
            for actions in (
                machine.bearer_up(now_s, ticket, "wwan9"), machine.bearer_failed(now_s, ticket, "failed", "late"),
                machine.bearer_stopped(now_s, ticket), machine.taken(now_s, ticket), machine.given_back(now_s, ticket),
                machine.take_failed(now_s, ticket, "failed", "late"),
                machine.give_back_failed(now_s, ticket, "failed", "late"),
            ):  # fmt: skip
                self.w.do(actions)

    @rule()
    def it_is_needed(self) -> None:
        self.urgent = True
        self.w.do(self.w.machine.needed(self.w.now_s, "incoming call"))

    @precondition(lambda self: self.w.pending is not None)
    @rule()
    def works(self) -> None:
        self.w.succeed()

    @precondition(lambda self: self.w.pending is not None)
    @rule(cause=st.sampled_from(["apn_refused", "no_helper", "timeout"]))
    def fails(self, cause: str) -> None:
        self.w.fail(cause)

    @rule()
    def modem_reset(self) -> None:
        self.w.lost()

    @precondition(lambda self: self.w.backup_probe is not None)
    @rule(ok=st.booleans())
    def backup_probed(self, ok: bool) -> None:
        self.w.backup_probed(ok)

    @rule(present=st.booleans())
    def kernel_route(self, present: bool) -> None:
        self.w.kernel_route(present)

    @rule(spent=st.booleans())
    def budget(self, spent: bool) -> None:
        self.w.do(self.w.machine.budget(self.w.now_s, spent))

    @rule(mode=st.sampled_from(["auto", "on", "off"]))
    def mode(self, mode: str) -> None:
        self.w.do(self.w.machine.set_mode(self.w.now_s, mode))

    @invariant()
    def every_report_is_a_step_of_the_table_and_they_hang_together(self) -> None:
        state = self.w.reports[self.told - 1].state if self.told else S.OFF
        for report in self.w.reports[self.told :]:
            assert report.from_state is state
            if report.state is not report.from_state:
                assert report.state in {after for (before, _), after in NEXT.items() if before is report.from_state}
                self._holds(report.from_state, report.state)
            state = report.state
        self.told = len(self.w.reports)
        assert self.w.machine.state is state

    def _holds(self, before: FailoverState, after: FailoverState) -> None:
        """The main link is held after a return, but for urgency and by hand."""
        config, now_s = self.w.config, self.w.now_s
        if before in WITH_BACKUP and after is S.PRIMARY:
            self.back_s, self.urgent = now_s, False
        if after is S.STARTING_BACKUP and before in (S.PRIMARY, S.SUSPECT) and self.w.machine.mode == "auto":
            assert self.urgent or self.back_s is None or now_s >= self.back_s + config.hold_primary_s

    @invariant()
    def what_is_believed_of_the_route_is_what_the_actions_made(self) -> None:
        backup = self.w.machine.backup
        under_way = isinstance(self.w.pending, TakeTraffic | GiveBack)
        assert under_way == (backup.traffic in (Traffic.TAKING, Traffic.GIVING))
        if not under_way:
            believed = {Traffic.PRIMARY: False, Traffic.OURS: True, Traffic.UNSURE: None}[backup.traffic]
            assert believed is self.w.route
        up = {Bearer.DOWN: "down", Bearer.STARTING: "starting", Bearer.UP: "up"}
        assert backup.bearer is Bearer.STOPPING or up[backup.bearer] == self.w.bearer

    @invariant()
    def traffic_is_ours_only_where_the_state_says_so_or_while_it_is_given_back(self) -> None:
        machine = self.w.machine
        if machine.state in CARRIED:
            assert machine.backup.carrying or machine.backup.traffic is Traffic.TAKING  # being put back
        if machine.mode == "off":
            assert machine.state is S.OFF
        if machine.state not in WITH_BACKUP or machine.spent:
            assert not isinstance(self.w.pending, StartBearer)

    @invariant()
    def it_wants_to_be_woken_while_anything_is_to_come(self) -> None:
        machine = self.w.machine
        if self.w.pending is None and machine.state is S.BOTH_DOWN and machine.barred is None:
            assert machine.due_s is not None and machine.due_s <= self.w.now_s + max(self.w.config.retry_s)

    def teardown(self) -> None:
        """Whatever it was doing: at the end all is given back."""
        self.w.do(self.w.machine.close(self.w.now_s))
        for _ in range(6):
            self.w.succeed()
            self.w.pass_time(5.1)
        assert self.w.machine.backup.resting
        assert self.w.bearer == "down" and self.w.route is False and self.w.pending is None


TestWalk = Walk.TestCase
TestWalk.settings = LAWS
