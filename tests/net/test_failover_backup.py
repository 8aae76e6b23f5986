"""The failover machine and its backup: bearers that fail, modems that go, helpers that are away, data that is used up,
routes that others take, and what people say by hand."""

import pytest

from core.config import NetConfig
from core.events import FailoverState, NetVerdict
from core.net.failover_acts import GiveBack, Report, StartBearer, StopBearer
from core.net.failover_backup import Traffic
from tests.net.failover_world import World

S, V = FailoverState, NetVerdict


def test_a_bearer_that_does_not_come_up_means_both_down_and_is_tried_again_with_back_off() -> None:
    world = World(NetConfig(fail_count=1))
    world.rounds(1, V.DOWN)
    tries = []
    for _ in range(6):
        while world.pending is None:
            world.pass_time(0.25)
            if world.primary_probe is not None:
                world.probed(V.DOWN)
        tries.append(world.now_s)
        world.fail("apn_refused")
        assert world.at(S.BOTH_DOWN)
    waits = [after - before for before, after in zip(tries, tries[1:], strict=False)]
    assert waits == pytest.approx([5.0, 15.0, 60.0, 300.0, 300.0], abs=0.3)
    assert [report.cause for report in world.reports if report.cause == "apn_refused"] == ["apn_refused"]


def test_another_trouble_of_the_bearer_is_told_although_the_state_stays() -> None:
    world = World(NetConfig(fail_count=1))
    world.rounds(1, V.DOWN)
    world.fail("no_network")
    world.pass_time(6.0)
    world.fail("dhcp_silent")
    assert world.reports[-1] == Report(S.BOTH_DOWN, S.BOTH_DOWN, "it failed: dhcp_silent", "dhcp_silent", "eth0")


def test_a_trouble_that_is_over_is_not_told_again_while_the_backup_carries() -> None:
    world = World(NetConfig(fail_count=1))
    world.rounds(1, V.DOWN)
    world.fail("no_network")
    world.pass_time(6.0)
    world.settle()
    assert world.at(S.BACKUP)
    world.pass_time(1.0)
    world.rounds(1, V.OK)
    assert world.at(S.RECOVERING) and world.machine.cause is None
    told = [report for report in world.reports if report.cause == "no_network"]
    assert [report.state for report in told] == [S.BOTH_DOWN] and not world.machine.backup.failed


def test_a_backup_that_carries_although_the_main_link_has_just_answered_is_not_there_because_of_ok() -> None:
    world = World(NetConfig(fail_count=1, back_count=2))
    world.rounds(1, V.DOWN)
    world.rounds(1, V.OK)
    world.settle()
    assert world.at(S.BACKUP) or world.at(S.RECOVERING)
    assert "ok" not in {report.cause for report in world.reports}


def test_with_both_down_one_answer_of_the_main_link_is_enough() -> None:
    world = World(NetConfig(fail_count=1))
    world.rounds(1, V.DOWN)
    world.fail()
    world.rounds(1, V.OK)
    assert world.at(S.PRIMARY)
    world.settle()  # a second try was under way
    assert world.bearer == "down" and world.takes == []


def test_the_phone_ends_the_back_off_but_for_its_shortest() -> None:
    world = World(NetConfig(fail_count=1))
    world.rounds(1, V.DOWN)
    world.fail()
    for _ in range(2):
        while world.pending is None:
            world.pass_time(1.0)
        world.fail()  # the next try would be in 60 s
    world.pass_time(1.0)
    world.do(world.machine.needed(world.now_s, "incoming call"))
    assert world.pending is None
    assert world.reports[-1].cause == "priority"
    world.pass_time(4.1)
    assert isinstance(world.pending, StartBearer)


def test_a_backup_over_which_nothing_answers_is_made_anew_and_its_last_look_looks_closer() -> None:
    world = World()
    world.fail_over()
    looks = []
    for _ in range(3):
        while world.backup_probe is None:
            world.pass_time(1.0)
            if world.primary_probe is not None:
                world.probed(V.DOWN)
        looks.append(world.backup_probe.thorough)
        world.backup_probed(False)
    assert looks == [False, False, True]
    assert world.at(S.BOTH_DOWN) and isinstance(world.pending, GiveBack)
    world.settle()
    assert world.bearer == "down" and world.route is False
    world.pass_time(6.0)
    world.settle()
    assert world.at(S.BACKUP)


def test_a_modem_that_is_reset_loses_the_traffic_and_gets_it_again() -> None:
    world = World()
    world.fail_over()
    world.lost()
    assert world.at(S.STARTING_BACKUP) and world.reports[-1].cause == "modem_reset"
    assert isinstance(world.pending, GiveBack)
    world.settle()
    assert world.bearer == "down"
    world.pass_time(5.1)
    world.settle()
    assert world.at(S.BACKUP) and world.route is True


def test_a_modem_that_is_reset_while_recovering_ends_the_backup() -> None:
    world = World()
    world.fail_over()
    world.rounds(1, V.OK)
    world.lost()
    world.settle()
    assert world.at(S.PRIMARY) and world.bearer == "down"
    world.pass_time(20.0)
    assert world.pending is None


def test_a_modem_that_goes_while_the_traffic_is_being_taken_is_noticed() -> None:
    world = World()
    world.rounds(3, V.DOWN)
    world.succeed()
    world.lost()
    world.succeed()
    assert isinstance(world.pending, GiveBack) and world.route is True
    world.settle()
    assert world.route is False and world.bearer == "down"


def test_traffic_that_can_not_be_taken_is_given_back_as_far_as_it_was() -> None:
    world = World()
    world.rounds(3, V.DOWN)
    world.succeed()
    world.fail("no_helper")
    assert world.at(S.BOTH_DOWN) and isinstance(world.pending, GiveBack)
    assert world.reports[-1].cause == "no_helper"


def test_a_helper_that_is_away_is_asked_to_give_back_until_it_does_and_nothing_starts_before() -> None:
    world = World(NetConfig(hold_backup_s=0.0))
    world.fail_over()
    world.rounds(2, V.OK)
    assert isinstance(world.pending, GiveBack)
    world.fail("no_helper")
    assert isinstance(world.pending, StopBearer)
    world.succeed()
    assert world.machine.backup.traffic is Traffic.UNSURE
    assert (world.reports[-1].state, world.reports[-1].from_state) == (S.PRIMARY, S.PRIMARY)
    assert world.reports[-1].cause == "no_helper"
    world.do(world.machine.set_mode(world.now_s, "on"))
    assert world.pending is None
    world.pass_time(5.1)
    assert isinstance(world.pending, GiveBack)
    world.succeed()
    assert world.route is False and isinstance(world.pending, StartBearer)


def test_switched_on_it_stays_with_the_backup_however_well_the_main_link_does() -> None:
    world = World()
    world.rounds(1, V.OK)
    world.do(world.machine.set_mode(world.now_s, "on"))
    world.settle()
    assert world.at(S.BACKUP) and world.reports[-1].cause == "manual"
    world.rounds(5, V.OK)
    assert world.at(S.BACKUP)
    world.do(world.machine.set_mode(world.now_s, "auto"))
    assert world.at(S.PRIMARY)
    world.settle()
    assert world.bearer == "down"


def test_switched_on_without_a_bearer_it_says_so_and_uses_the_main_link() -> None:
    world = World()
    world.rounds(1, V.OK)
    world.do(world.machine.set_mode(world.now_s, "on"))
    world.fail("no_device")
    assert world.at(S.STARTING_BACKUP) and world.machine.interface == "eth0"
    assert world.reports[-1].cause == "no_device"
    world.rounds(1, V.DOWN)
    assert world.at(S.BOTH_DOWN)


def test_switched_off_nothing_is_begun_and_the_main_link_is_still_looked_at() -> None:
    world = World(mode="off")
    world.rounds(5, V.DOWN)
    world.do(world.machine.needed(world.now_s, "incoming call"))
    world.probed(V.DOWN)
    assert world.at(S.OFF) and world.starts == [] and world.reports == []
    assert world.machine.main.verdict is V.DOWN


def test_switching_off_in_the_middle_of_a_start_stops_it() -> None:
    world = World()
    world.rounds(3, V.DOWN)
    start = world.pending
    assert isinstance(start, StartBearer)
    world.do(world.machine.set_mode(world.now_s, "off"))
    assert isinstance(world.pending, StopBearer) and world.at(S.OFF)
    world.do(world.machine.bearer_up(world.now_s, start.ticket, "wwan0"))  # too late
    world.succeed()
    assert world.machine.backup.resting and world.bearer == "down"


def test_the_day_s_data_stops_the_backup_and_the_next_day_starts_it() -> None:
    world = World()
    world.fail_over()
    world.do(world.machine.budget(world.now_s, True))
    assert world.at(S.BOTH_DOWN) and world.reports[-1].cause == "budget"
    world.settle()
    assert world.route is False and world.bearer == "down"
    world.do(world.machine.needed(world.now_s, "incoming call"))
    world.pass_time(1000.0)
    assert world.bearer == "down"
    world.do(world.machine.budget(world.now_s, False))
    world.settle()
    assert world.at(S.BACKUP)


def test_the_day_s_data_also_stops_what_was_switched_on() -> None:
    world = World(mode="on")
    world.rounds(1, V.OK)
    world.settle()
    world.do(world.machine.budget(world.now_s, True))
    world.settle()
    assert world.at(S.PRIMARY) and world.bearer == "down"
    world.pass_time(100.0)
    assert world.at(S.PRIMARY)


@pytest.mark.parametrize("config", [NetConfig(bearer="none", fail_count=1), NetConfig(fail_count=1)])
def test_where_no_backup_may_be_started_a_dead_main_link_means_both_down(config: NetConfig) -> None:
    world = World(config)
    if config.bearer != "none":
        world.do(world.machine.budget(world.now_s, True))
    world.rounds(1, V.DOWN)
    assert world.at(S.BOTH_DOWN) and world.starts == []
    assert world.reports[-1].cause == ("no_device" if config.bearer == "none" else "budget")
    world.rounds(1, V.OK)
    assert world.at(S.PRIMARY)


def test_our_route_is_put_back_five_times_a_minute_and_then_every_half_minute() -> None:
    world = World()
    world.fail_over()
    taken = len(world.takes)
    began_s = world.now_s
    while world.now_s < began_s + 59.0:
        world.kernel_route(False)
        world.settle()
        world.kernel_route(True)
        world.pass_time(0.5)
        if world.primary_probe is not None:
            world.probed(V.DOWN)
        if world.backup_probe is not None:
            world.backup_probed(True)
    fought = [at_s - began_s for at_s in world.takes[taken:]]
    assert len(fought) <= 5 + 2 and len([at_s for at_s in fought if at_s < 5.0]) == 5
    assert world.at(S.BACKUP) and world.machine.backup.contested
    assert [report.cause for report in world.reports].count("contested") == 1


def test_a_contest_is_over_when_the_route_stood_for_a_minute() -> None:
    world = World()
    world.fail_over()
    for _ in range(6):
        world.kernel_route(False)
        world.settle()
        world.kernel_route(True)
    assert not world.machine.backup.contested or world.pending is None
    world.kernel_route(False)
    assert world.machine.backup.contested
    world.pass_time(31.0)
    world.settle()
    world.kernel_route(True)
    world.pass_time(61.0)
    assert not world.machine.backup.contested


def test_a_route_that_the_kernel_shows_late_is_not_fought_for() -> None:
    world = World()
    world.rounds(3, V.DOWN)
    world.settle()
    taken = len(world.takes)
    world.pass_time(0.9)
    assert len(world.takes) == taken
    world.pass_time(0.2)
    assert len(world.takes) == taken + 1


def test_the_end_of_the_daemon_gives_back_and_begins_nothing() -> None:
    world = World()
    world.fail_over()
    told = len(world.reports)
    world.do(world.machine.close(world.now_s))
    world.settle()
    assert world.machine.backup.resting and world.route is False
    world.lost()
    world.pass_time(500.0)
    assert world.pending is None and len(world.reports) == told


def test_the_backup_is_held_though_the_main_link_answered_often_enough_long_ago() -> None:
    world = World(NetConfig(every_s=5.0))
    world.fail_over()
    taken_s = world.now_s
    world.rounds(4, V.OK)
    assert world.at(S.RECOVERING) and world.now_s - taken_s < 30.0
    while world.at(S.RECOVERING):
        world.pass_time(1.0)
        if world.primary_probe is not None:
            world.probed(V.OK)
    assert world.at(S.PRIMARY) and world.now_s - taken_s == pytest.approx(60.0, abs=1.1)


def test_while_the_bearer_starts_one_answer_is_not_enough_and_two_are() -> None:
    world = World()
    world.rounds(3, V.DOWN)
    world.rounds(1, V.OK)
    assert world.at(S.STARTING_BACKUP) and isinstance(world.pending, StartBearer)
    world.rounds(1, V.OK)
    assert world.at(S.PRIMARY) and isinstance(world.pending, StopBearer)


def test_switched_on_while_recovering_it_stays() -> None:
    world = World()
    world.fail_over()
    world.rounds(1, V.OK)
    world.do(world.machine.set_mode(world.now_s, "on"))
    assert world.at(S.BACKUP)
    world.rounds(4, V.OK)
    world.pass_time(100.0)
    assert world.at(S.BACKUP)


def test_a_backup_that_has_worked_begins_its_back_off_anew() -> None:
    world = World()
    world.rounds(3, V.DOWN)
    world.fail()
    world.pass_time(5.1)
    world.fail()
    world.pass_time(15.1)
    world.settle()
    assert world.at(S.BACKUP)
    world.backup_probed(True)
    world.lost()
    world.settle()
    world.pass_time(5.1)
    assert isinstance(world.pending, StartBearer)
