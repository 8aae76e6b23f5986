"""One press of a key, one event, whatever two detectors report and when."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.key_presses import LATE_URC_S, SAME_PRESS_S, DtmfSource, KeyPresses

URC, INBAND = DtmfSource.URC, DtmfSource.INBAND
CALL = "call_1_aaaa"


def counted(*reports: tuple[float, DtmfSource] | tuple[float, DtmfSource, str]) -> int:
    presses = KeyPresses()
    return sum(presses.is_new(CALL, rest[1] if len(rest) > 1 else "5", rest[0], at_s) for at_s, *rest in reports)  # type: ignore[arg-type]


@pytest.mark.parametrize("late_s", [0.0, 0.3, 0.59, 1.5, 2.9])
def test_a_modem_that_reports_late_reports_the_same_press(late_s: float) -> None:
    assert counted((10.0, INBAND), (10.0 + late_s, URC)) == 1


@pytest.mark.parametrize("late_s", [0.0, 0.2, 0.59])
def test_a_modem_that_is_quicker_than_us_reports_the_same_press(late_s: float) -> None:
    assert counted((10.0, URC), (10.0 + late_s, INBAND)) == 1


def test_reports_too_far_apart_are_two_presses() -> None:
    assert counted((10.0, INBAND), (10.01 + LATE_URC_S, URC)) == 2
    assert counted((10.0, URC), (10.01 + SAME_PRESS_S, INBAND)) == 2


def test_the_same_key_pressed_quickly_twice_is_two_presses() -> None:
    assert counted((1.0, INBAND), (1.12, INBAND)) == 2
    assert counted((1.0, INBAND), (1.05, URC), (1.12, INBAND), (1.2, URC)) == 2
    assert counted((1.0, URC), (1.05, URC), (1.1, INBAND), (1.2, INBAND)) == 2
    assert counted((1.0, INBAND), (1.12, INBAND), (2.6, URC), (2.7, URC)) == 2


def test_a_press_that_one_detector_missed_is_still_a_press() -> None:
    assert counted((1.0, INBAND), (1.12, INBAND), (1.3, URC)) == 2, "the modem made one of two"
    assert counted((1.0, URC), (1.4, URC), (1.5, INBAND)) == 2
    assert counted((1.0, INBAND), (2.0, INBAND), (2.1, URC), (3.0, INBAND), (3.1, URC)) == 3


def test_other_keys_and_other_calls_are_other_presses() -> None:
    assert counted((1.0, INBAND, "5"), (1.1, URC, "6")) == 2
    presses = KeyPresses()
    assert presses.is_new("call_1_aaaa", "5", INBAND, 1.0)
    assert presses.is_new("call_2_bbbb", "5", URC, 1.1)


def test_the_echo_of_keys_that_we_send_is_no_press() -> None:
    presses = KeyPresses()
    presses.sent(CALL, "12", 10.0, lasting_s=0.4)
    assert not presses.is_new(CALL, "1", INBAND, 10.3)
    assert not presses.is_new(CALL, "2", URC, 11.0)
    assert presses.is_new(CALL, "7", INBAND, 10.3)
    assert presses.is_new("call_2_bbbb", "1", INBAND, 10.3)
    assert presses.is_new(CALL, "1", INBAND, 11.5)


@settings(max_examples=200, deadline=None)
@given(
    gaps=st.lists(st.tuples(st.floats(0.08, 4), st.sampled_from("12#")), min_size=1, max_size=12),
    urc_late_s=st.floats(0.0, 2.5),
)
def test_with_two_detectors_that_hear_everything_each_press_is_one(
    gaps: list[tuple[float, str]], urc_late_s: float
) -> None:
    reports: list[tuple[float, DtmfSource, str]] = []
    at_s = 0.0
    for gap_s, key in gaps:
        at_s += gap_s
        reports += [(at_s + 0.06, INBAND, key), (at_s + urc_late_s, URC, key)]
    presses = KeyPresses()
    assert sum(presses.is_new(CALL, key, source, at) for at, source, key in sorted(reports)) == len(gaps)


@settings(max_examples=100, deadline=None)
@given(
    reports=st.lists(st.tuples(st.floats(0, 30), st.sampled_from([URC, INBAND]), st.sampled_from("12")), max_size=60)
)
def test_never_fewer_presses_than_one_detector_heard(reports: list[tuple[float, DtmfSource, str]]) -> None:
    presses = KeyPresses()
    found = sum(presses.is_new(CALL, key, source, at) for at, source, key in sorted(reports))
    alone = max(sum(source is wanted for _, source, _ in reports) for wanted in (URC, INBAND))
    assert alone <= found <= len(reports)
