"""Whether the VPS can be relied on."""

from hypothesis import given
from hypothesis import strategies as st

from clients.bridge.reachability import FLAP_HOLDS, HOLD_MAX_S, NEXT, Link, On, Reachability, step

HOLD_S = 10.0


def after(reach: Reachability, *outcomes: tuple[On, float]) -> Reachability:
    for on, at_s in outcomes:
        reach = step(reach, on, at_s)
    return reach


UP = after(Reachability(HOLD_S), (On.OK, 0.0))


def test_the_first_answer_of_all_is_enough() -> None:
    assert not Reachability(HOLD_S).usable
    assert UP.link is Link.UP


def test_one_failure_makes_it_suspect_and_a_second_takes_it_down() -> None:
    suspect = after(UP, (On.FAILED, 1.0))
    assert suspect.link is Link.SUSPECT and suspect.usable
    assert after(suspect, (On.OK, 2.0)).link is Link.UP
    assert after(suspect, (On.FAILED, 2.0)).link is Link.DOWN


def test_one_failure_while_somebody_waits_takes_it_down() -> None:
    assert after(UP, (On.FAILED_IN_CALL, 1.0)).link is Link.DOWN


def test_it_is_up_again_after_two_answers_and_the_time() -> None:
    down = after(UP, (On.FAILED_IN_CALL, 100.0))
    assert after(down, (On.OK, 200.0)).link is Link.PROBING
    assert after(down, (On.OK, 200.0), (On.OK, 209.9)).link is Link.PROBING
    assert after(down, (On.OK, 200.0), (On.OK, 210.0)).link is Link.UP
    assert after(down, (On.OK, 200.0), (On.FAILED, 205.0), (On.OK, 210.0)).link is Link.PROBING


def test_who_flaps_has_to_hold_out_twice_as_long_each_time_up_to_a_bound() -> None:
    reach, now_s, holds = UP, 0.0, []
    for _ in range(8):
        reach = step(reach, On.FAILED_IN_CALL, now_s)
        holds.append(reach.hold_s)
        reach = after(reach, (On.OK, now_s), (On.OK, now_s + reach.hold_s))
        assert reach.link is Link.UP
        now_s += reach.hold_s + 1.0
    assert holds == [10, 20, 40, 80, 160, 300, 300, 300] and holds[-1] == HOLD_MAX_S
    calm = step(reach, On.FAILED_IN_CALL, now_s + FLAP_HOLDS * HOLD_MAX_S)
    assert calm.hold_s == HOLD_S


@given(st.lists(st.tuples(st.sampled_from(On), st.floats(0, 30)), max_size=60))
def test_no_order_of_outcomes_leaves_the_table_and_down_never_becomes_usable_at_once(
    outcomes: list[tuple[On, float]],
) -> None:
    reach, now_s, down_s = UP, 0.0, 0.0
    assert set(NEXT) == {(link, on) for link in Link for on in On}
    for on, passes_s in outcomes:
        now_s += passes_s
        before, reach = reach, step(reach, on, now_s)
        if on is not On.OK:
            assert reach.link in (Link.SUSPECT, Link.DOWN)
        if reach.link is Link.DOWN and before.usable:
            down_s = now_s
        if reach.usable and not before.usable:
            assert now_s - down_s >= HOLD_S
        assert 0 <= reach.hold_s <= HOLD_MAX_S
