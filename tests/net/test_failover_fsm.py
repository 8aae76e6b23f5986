"""The failover machine, rule by rule: when it moves the traffic, when it moves it back, and when it does neither."""

import re

import pytest

from core.config import NetConfig
from core.events import FailoverState, NetVerdict
from core.net.draw import DOCS, fill
from core.net.failover_acts import GiveBack, ProbePrimary, Report, StartBearer, StopBearer, TakeTraffic
from core.net.failover_fsm import Failover
from core.net.failover_table import MEANING, NEXT, STATES, On, diagram
from tests.net.failover_world import World

S, V = FailoverState, NetVerdict


def test_three_failures_each_thirty_seconds_start_the_backup_as_ever() -> None:
    world = World()
    world.rounds(1, V.OK)
    began_s = world.now_s
    world.rounds(2, V.DOWN)
    assert world.at(S.SUSPECT) and world.pending is None
    world.rounds(1, V.DOWN)
    assert world.at(S.STARTING_BACKUP) and isinstance(world.pending, StartBearer)
    assert world.now_s - began_s == pytest.approx(90.0)
    assert world.reports[-1].cause == "down"


def test_one_answer_clears_the_suspicion() -> None:
    world = World()
    world.rounds(2, V.DOWN)
    world.rounds(1, V.OK)
    world.rounds(2, V.DOWN)
    assert world.at(S.SUSPECT)
    assert world.path == [S.PRIMARY, S.SUSPECT, S.PRIMARY, S.SUSPECT]


def test_the_traffic_is_taken_as_soon_as_the_bearer_is_up_and_only_then_it_is_the_backup() -> None:
    world = World()
    world.rounds(3, V.DOWN)
    world.succeed()
    assert isinstance(world.pending, TakeTraffic) and world.at(S.STARTING_BACKUP)
    world.succeed()
    assert world.at(S.BACKUP) and world.machine.interface == "wwan0"
    assert world.reports[-1].cause == "down" and world.reports[-1].interface == "wwan0"


@pytest.mark.parametrize("verdict", [V.CAPTIVE, V.DNS_FAILED])
def test_a_portal_and_a_dead_name_server_are_told_apart_by_the_cause(verdict: NetVerdict) -> None:
    world = World()
    world.rounds(3, verdict)
    assert world.at(S.STARTING_BACKUP) and world.reports[-1].cause == verdict.value


def test_what_failover_on_leaves_out_is_no_failure() -> None:
    world = World(NetConfig(failover_on=("down",)))
    world.rounds(5, V.CAPTIVE)
    assert world.at(S.PRIMARY) and world.machine.main.verdict is V.CAPTIVE


def test_when_the_phone_rings_one_failure_is_enough_and_its_look_has_the_short_timeout() -> None:
    world = World()
    world.rounds(1, V.OK)
    world.pass_time(10.0)
    world.do(world.machine.needed(world.now_s, "incoming call"))
    assert world.primary_probe is not None
    assert world.primary_probe.priority and world.primary_probe.timeout_s == 1.5
    world.probed(V.DOWN)
    assert world.at(S.STARTING_BACKUP) and "incoming call" in world.reports[-1].reason


def test_several_requests_within_a_second_are_one() -> None:
    world = World()
    world.rounds(1, V.OK)
    before = world.primary_probes
    for _ in range(3):
        world.do(world.machine.needed(world.now_s, "incoming call"))
    world.probed(V.OK)
    world.pass_time(0.5)
    world.do(world.machine.needed(world.now_s, "SMS"))
    assert world.primary_probes == before + 1
    world.pass_time(1.0)
    world.do(world.machine.needed(world.now_s, "SMS"))
    assert world.primary_probes == before + 2


def test_who_asks_while_such_a_look_is_under_way_shares_it_however_slow_it_is() -> None:
    world = World()
    world.rounds(1, V.OK)
    world.do(world.machine.needed(world.now_s, "incoming call"))
    first = world.primary_probe
    world.pass_time(1.4)
    world.do(world.machine.needed(world.now_s, "SMS"))
    assert world.primary_probe is first


def test_a_request_does_not_wait_for_the_slow_look_that_is_under_way() -> None:
    world = World()
    world.pass_time(2.0)
    slow = world.primary_probe
    assert slow is not None and not slow.priority
    world.do(world.machine.needed(world.now_s, "incoming call"))
    fast = world.primary_probe
    assert fast is not None and fast.priority
    world.do(world.machine.probed(world.now_s, slow.ticket, V.OK, "too late"))
    assert world.machine.main.verdict is None
    world.probed(V.DOWN)
    assert world.at(S.STARTING_BACKUP)


def test_a_cable_that_is_out_for_settle_s_needs_no_look() -> None:
    world = World()
    world.rounds(1, V.OK)
    world.link("eth0", False)
    world.pass_time(1.9)
    assert world.at(S.PRIMARY)
    world.pass_time(0.2)
    assert world.at(S.STARTING_BACKUP) and world.reports[-1].cause == "no_link"


def test_a_cable_that_is_out_when_the_phone_rings_needs_no_time_at_all() -> None:
    world = World()
    world.rounds(1, V.OK)
    world.link("eth0", False)
    world.do(world.machine.needed(world.now_s, "incoming call"))
    assert world.at(S.STARTING_BACKUP) and world.primary_probe is None


def test_a_link_that_flaps_ten_times_a_second_is_neither_lost_nor_back() -> None:
    world = World()
    world.rounds(1, V.OK)
    for number in range(200):
        world.link("eth0", number % 2 == 1)
        world.pass_time(0.1)
    assert world.path == [S.PRIMARY]
    assert world.primary_probes <= 2


def test_main_links_that_take_turns_forever_count_as_none() -> None:
    world = World()
    world.rounds(1, V.OK)
    for number in range(400):
        world.link(("eth0", "wlan0")[number % 2], True)
        world.pass_time(0.1)
    assert world.at(S.STARTING_BACKUP) and world.reports[-1].cause == "no_link"


def test_a_wifi_that_needs_its_time_at_boot_does_not_start_the_backup() -> None:
    world = World(link=None)
    world.pass_time(20.0)
    assert world.at(S.PRIMARY)
    world.link("wlan0", True)
    world.rounds(1, V.OK)
    assert world.path == [S.PRIMARY]


def test_no_link_at_all_at_the_start_is_a_failure_after_one_round() -> None:
    world = World(link=None)
    world.pass_time(31.0)
    assert world.at(S.STARTING_BACKUP) and world.reports[-1].cause == "no_link"


def test_who_asks_before_the_kernel_has_said_a_word_starts_nothing_by_it() -> None:
    config = NetConfig()
    machine = Failover(config, now_s=0.0)
    assert [type(action) for action in machine.needed(0.0, "incoming call")] == [Report]
    assert machine.tick(100.0) == [] and machine.state is S.PRIMARY
    asked = machine.link_seen(101.0, "eth0", True)
    assert asked == [ProbePrimary(1, config.priority_timeout_s, priority=True)]


def test_another_main_link_is_looked_at_by_itself() -> None:
    world = World()
    world.rounds(2, V.DOWN)
    world.link("wlan0", True)
    world.rounds(2, V.DOWN)
    assert world.at(S.SUSPECT)
    world.rounds(1, V.DOWN)
    assert world.at(S.STARTING_BACKUP)


def test_one_success_makes_it_recovering_and_the_second_gives_back_after_the_hold() -> None:
    world = World()
    world.fail_over()
    taken_s = world.now_s
    world.rounds(1, V.OK)
    assert world.at(S.RECOVERING) and world.route is True
    world.rounds(1, V.OK)
    while world.pending is None:
        assert world.at(S.RECOVERING)
        world.pass_time(0.5)
    assert world.now_s - taken_s == pytest.approx(60.0, abs=0.6)
    assert world.at(S.PRIMARY) and isinstance(world.pending, GiveBack)
    world.succeed()
    assert isinstance(world.pending, StopBearer)
    world.succeed()
    assert world.route is False and world.bearer == "down" and world.pending is None


def test_a_main_link_that_fails_again_while_recovering_keeps_the_backup() -> None:
    world = World()
    world.fail_over()
    world.rounds(1, V.OK)
    world.rounds(1, V.DOWN)
    assert world.at(S.BACKUP)
    world.rounds(1, V.OK)
    assert world.at(S.RECOVERING)


def test_after_a_return_the_main_link_is_held_for_a_while_unless_the_phone_rings() -> None:
    config = NetConfig(every_s=5.0, hold_primary_s=60.0, hold_backup_s=0.0)
    world = World(config)
    world.fail_over()
    world.rounds(2, V.OK)
    world.settle()
    back_s = world.now_s
    world.rounds(3, V.DOWN)
    assert world.at(S.SUSPECT)
    world.do(world.machine.needed(world.now_s, "incoming call"))
    world.probed(V.DOWN)
    assert world.at(S.STARTING_BACKUP) and world.now_s - back_s < 60.0


def test_the_hold_of_the_main_link_ends_by_itself() -> None:
    world = World(NetConfig(every_s=5.0, hold_primary_s=60.0, hold_backup_s=0.0))
    world.fail_over()
    world.rounds(2, V.OK)
    world.settle()
    back_s = world.now_s
    while not world.at(S.STARTING_BACKUP):
        world.rounds(1, V.DOWN)
        world.pass_time(4.9)
    assert world.now_s - back_s >= 60.0
    assert world.now_s - back_s < 70.0


def test_every_state_is_reached_and_every_happening_is_used() -> None:
    assert {state for state, _ in NEXT} == set(NEXT.values()) == set(FailoverState)
    assert {on for _, on in NEXT} == set(On)


def test_the_drawing_in_the_docs_is_the_table() -> None:
    text = DOCS.read_text()
    assert fill(text) == text, "run: python -m core.net.draw"
    assert diagram() in text
    arrows = re.findall(r"^    (\w+) --> (\w+) : (\w+)$", diagram(), re.MULTILINE)
    assert {(S(a), On(on)): S(b) for a, b, on in arrows} == {
        key: to for key, to in NEXT.items() if key[1] is not On.OFF
    }
    assert set(MEANING) == set(On) and set(STATES) == set(S)
    assert all(NEXT[state, On.OFF] is S.OFF for state in S if state is not S.OFF)
