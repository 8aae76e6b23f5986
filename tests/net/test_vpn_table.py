"""The table that keeps the VPN up: by itself, walked at random, and against its drawing in the docs."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import VpnConfig
from core.events import VpnState
from core.net.draw import DOCS, fill, main
from core.net.vpn_fsm import TABLE, Do, Keeping, On, diagram, repaired, restarted, roamed, seen, step

CONFIG = VpnConfig(interface="wg0", every_s=30, fail_count=3, retry_s=(60.0, 120.0, 300.0))
RESTART_TAKES_S = 20.0


def walk(keeping: Keeping, works: list[bool], config: VpnConfig = CONFIG, *, internet: bool = True) -> Keeping:
    """Looks every 30 s, from 1000 s on; restarts never help."""
    now_s = 1000.0
    for ok in works:
        keeping, todo = step(keeping, seen(keeping, config, works=ok, present=True, internet=internet), now_s, config)
        if Do.REPAIR in todo:
            keeping, todo = step(keeping, repaired(keeping, config, now_s, works=False), now_s, config)
        if Do.RESTART in todo:
            keeping, _ = step(keeping, On.UNHELPED, now_s + RESTART_TAKES_S, config)
        now_s += config.every_s
    return keeping


def test_the_drawing_in_the_docs_is_the_table() -> None:
    text = DOCS.read_text()
    assert fill(text) == text, "run: python -m core.net.draw"
    assert diagram() in text


def test_a_drawing_that_is_not_the_table_is_seen_and_made_anew(tmp_path: Path) -> None:
    docs = tmp_path / "network.md"
    docs.write_text("<!-- generated: vpn -->\nold\n<!-- end -->\n<!-- generated: other -->\nstays\n<!-- end -->\n")
    assert main(["--check"], docs) == 1
    assert main([], docs) == 0 == main(["--check"], docs)
    assert diagram() in docs.read_text() and "\nstays\n" in docs.read_text()


def test_while_nobody_knows_whether_there_is_internet_failures_are_counted_and_nothing_follows() -> None:
    up = Keeping(VpnState.UP)
    for count in range(1, 6):
        on = seen(up, CONFIG, works=False, present=True, internet=None)
        up, todo = step(up, on, 1000.0 + count, CONFIG)
        assert (up.state, up.failures, todo) == (VpnState.UP, count, ())
        assert seen(up, CONFIG, works=False, present=False, internet=None) is On.GONE
    assert seen(up, CONFIG, works=False, present=True, internet=True) is On.FAILED_OFTEN


def test_every_state_is_reached_and_every_happening_is_used() -> None:
    assert {after for after, _ in TABLE.values()} == set(VpnState)
    assert {on for _, on in TABLE} == set(On)


def test_looks_and_repairs_have_a_place_in_every_state_that_they_are_made_in() -> None:
    looks = (On.PASSED, On.FAILED, On.FAILED_OFTEN, On.CUT_OFF, On.GONE, On.GONE_OFTEN)
    for state in set(VpnState) - {VpnState.RESTARTING}:
        assert all((state, on) in TABLE for on in looks), state
    for (_, on), (state, todo) in TABLE.items():
        if Do.REPAIR in todo:
            assert on in (On.FAILED_OFTEN, On.GONE_OFTEN)
            assert all((state, end) in TABLE for end in (On.PASSED, On.DUE, On.NOT_DUE)), state


def test_a_restart_comes_only_after_a_repair_that_did_not_help_and_ends_by_itself() -> None:
    for (before, on), (after, todo) in TABLE.items():
        assert (Do.RESTART in todo) == (after is VpnState.RESTARTING) == (on is On.DUE)
        assert before is not VpnState.RESTARTING or not todo


def test_one_failure_fewer_than_the_count_leaves_it_up() -> None:
    up = walk(Keeping(), [True])
    assert walk(up, [False, False]).state is VpnState.UP
    assert walk(up, [False, False, True, False, False]).restarts == 0
    assert walk(up, [False, False, False]) == Keeping(VpnState.DOWN, 3, 1, 1060.0 + RESTART_TAKES_S + 60.0)


def test_without_internet_nothing_is_repaired_and_all_looks_begin_anew_afterwards() -> None:
    up = walk(Keeping(), [True])
    cut_off = walk(up, [False] * 50, internet=False)
    assert cut_off == Keeping(VpnState.DOWN)
    assert walk(cut_off, [False, False]).restarts == 0
    assert walk(cut_off, [False, False, False]).restarts == 1
    gone = seen(Keeping(VpnState.OFF, failures=9), CONFIG, works=False, present=False, internet=False)
    assert gone is On.GONE


def test_failures_by_the_old_way_do_not_count_by_the_new_one() -> None:
    failed = walk(Keeping(VpnState.UP), [False, False])
    assert walk(roamed(failed), [False, False]).restarts == 0
    assert walk(failed, [False]).restarts == 1


def test_a_vpn_that_may_not_be_restarted_is_down_after_its_repair() -> None:
    config = VpnConfig(interface="wg0", restart=False)
    found = walk(Keeping(VpnState.UP), [False] * 30, config)
    assert found.state is VpnState.DOWN and found.restarts == 0
    assert repaired(Keeping(), CONFIG, 0.0, works=False, allowed=False) is On.NOT_DUE


def test_an_interface_that_went_away_is_off_at_once_and_made_again_after_the_count() -> None:
    keeping = Keeping(VpnState.UP)
    for now_s in (0.0, 30.0):
        on = seen(keeping, CONFIG, works=False, present=False, internet=True)
        keeping, todo = step(keeping, on, now_s, CONFIG)
        assert keeping.state is VpnState.OFF and not todo
    keeping, todo = step(keeping, seen(keeping, CONFIG, works=False, present=False, internet=True), 60.0, CONFIG)
    assert todo == (Do.REPAIR,)
    keeping, todo = step(keeping, repaired(keeping, CONFIG, 60.0, works=False), 60.0, CONFIG)
    assert todo == (Do.RESTART,)
    assert step(keeping, restarted(works=False, present=False), 61.0, CONFIG)[0].state is VpnState.OFF


def test_a_step_that_the_table_has_not_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        step(Keeping(VpnState.RESTARTING), On.DUE, 0.0, CONFIG)


def test_the_back_off_begins_anew_only_when_the_vpn_has_outlived_it() -> None:
    config = VpnConfig(interface="wg0", fail_count=1, retry_s=(60.0, 600.0))
    keeping = walk(Keeping(), [False] * 6, config)  # restarts at 1000 and 1090 s
    assert keeping.restarts == 2 and keeping.not_before_s == 1090.0 + RESTART_TAKES_S + 600.0
    keeping, _ = step(keeping, On.PASSED, 1200.0, config)
    assert keeping.state is VpnState.UP and keeping.restarts == 2
    assert repaired(keeping, config, 1300.0, works=False) is On.NOT_DUE
    keeping, _ = step(keeping, On.PASSED, 1800.0, config)
    assert keeping.restarts == 0


looks = st.lists(
    st.tuples(
        st.floats(1, 2000),  # since the look before
        st.booleans(),  # works
        st.sampled_from([True, True, True, False]),  # present
        st.sampled_from([True, True, True, False]),  # internet
        st.booleans(),  # the endpoint was the trouble
        st.booleans(),  # a restart helps
        st.floats(0, 40),  # how long it takes
    ),
    max_size=200,
)
configs = st.builds(
    VpnConfig,
    interface=st.just("wg0"),
    fail_count=st.integers(1, 5),
    retry_s=st.lists(st.floats(1, 900), max_size=4).map(tuple),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(looks, configs)
def test_the_back_off_is_kept_and_it_ends_up_whatever_happens(
    looks: list[tuple[float, bool, bool, bool, bool, bool, float]], config: VpnConfig
) -> None:
    keeping, now_s, ended_s = Keeping(), 0.0, None
    pauses = config.retry_s or (config.every_s,)
    for after_s, works, present, internet, mended, helps, takes_s in looks:
        now_s += after_s
        on = seen(keeping, config, works=works, present=present, internet=internet)
        before = keeping
        keeping, todo = step(keeping, on, now_s, config)
        if Do.REPAIR in todo:
            assert internet and before.failures + 1 >= config.fail_count
            keeping, todo = step(keeping, repaired(keeping, config, now_s, works=mended and present), now_s, config)
        if Do.RESTART in todo:
            assert keeping.state is VpnState.RESTARTING and keeping.restarts >= 1
            if ended_s is not None:
                assert now_s >= ended_s + pauses[min(max(before.restarts, 1), len(pauses)) - 1] or before.restarts == 0
                assert now_s >= ended_s + min(pauses)
            now_s += takes_s
            keeping, todo = step(keeping, restarted(works=helps, present=present), now_s, config)
            ended_s = now_s
            assert todo == ()
        assert keeping.state is not VpnState.RESTARTING
    keeping, _ = step(keeping, seen(keeping, config, works=True, present=True, internet=True), now_s + 1, config)
    assert keeping.state is VpnState.UP and keeping.failures == 0
