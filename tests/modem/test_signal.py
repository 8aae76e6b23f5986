"""When a change of the radio signal is worth telling."""

from hypothesis import given
from hypothesis import strategies as st

from core.line import LineSignal
from core.modem.lines_cell import Cell
from core.modem.signal import HYSTERESIS_DB, SignalState

LTE = Cell("lte", "234-15", rsrp_dbm=-85.0, rsrq_db=-9.4, sinr_db=10.0)


def _told(state: SignalState) -> LineSignal:
    found = state.news()
    assert found is not None
    return found


def test_the_first_values_are_news_and_the_same_again_are_not() -> None:
    state = SignalState()
    state.strength(-77)
    state.cell(LTE)
    assert _told(state) == LineSignal(-77, -85.0, -9.4, 10.0, "lte")
    state.strength(-77)
    state.cell(LTE)
    assert state.news() is None


def test_no_signal_at_all_is_told_once() -> None:
    state = SignalState()
    assert _told(state) == LineSignal(None)
    assert state.news() is None


def test_a_value_that_comes_or_goes_is_news() -> None:
    state = SignalState()
    state.strength(-77)
    _told(state)
    state.cell(LTE)
    assert _told(state).rsrp_dbm == -85.0
    state.cell(Cell(None))
    assert _told(state) == LineSignal(-77)
    state.strength(None)
    assert _told(state) == LineSignal(None)


def test_steps_below_the_hysteresis_are_no_news_until_they_add_up() -> None:
    state = SignalState()
    state.strength(-77)
    _told(state)
    for rssi_dbm in (-79, -81):
        state.strength(rssi_dbm)
        assert state.news() is None
    assert state.now.rssi_dbm == -81  # known all the same
    state.strength(-83)
    assert _told(state).rssi_dbm == -83


def test_quality_is_news_by_itself() -> None:
    state = SignalState()
    state.strength(-77)
    state.cell(LTE)
    _told(state)
    state.cell(Cell("lte", "234-15", rsrp_dbm=-85.0, rsrq_db=-13.0, sinr_db=8.0))
    assert _told(state).rsrq_db == -13.0


def test_another_technology_is_news_and_takes_lte_values_with_it() -> None:
    state = SignalState()
    state.strength(-77)
    state.cell(LTE)
    _told(state)
    state.access("hspa")
    assert _told(state) == LineSignal(-77, access_technology="hspa")


def test_a_poll_does_not_unsay_the_finer_word_for_the_same_technology() -> None:
    state = SignalState()
    state.access("hspa")
    _told(state)
    state.cell(Cell("wcdma"))
    assert state.now.access_technology == "hspa"
    assert state.news() is None
    state.cell(Cell("gsm"))
    assert _told(state).access_technology == "gsm"


VALUES = st.one_of(st.none(), st.floats(-140, -40))


@given(st.lists(st.tuples(VALUES, VALUES), max_size=30))
def test_what_was_told_is_never_far_from_what_is(steps: list[tuple[float | None, float | None]]) -> None:
    state, told = SignalState(), None
    for rssi, rsrp in steps:
        state.strength(None if rssi is None else round(rssi))
        state.cell(Cell("lte", rsrp_dbm=rsrp))
        told = state.news() or told
        assert told is not None
        for name in ("rssi_dbm", "rsrp_dbm"):
            before, now = getattr(told, name), getattr(state.now, name)
            assert (before is None) == (now is None)
            assert before is None or abs(before - now) < HYSTERESIS_DB[name]
