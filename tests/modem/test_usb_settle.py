"""When a stick that is still appearing counts as there; no real time passes here."""

from hypothesis import given
from hypothesis import strategies as st

from core.modem.usb import UsbModem
from core.modem.usb_settle import MOST_S, QUIET_S, Settle


def stick(ports: int, *, plug: int = 1, first: int = 0, net: str | None = None) -> UsbModem:
    names = {number: f"/dev/ttyUSB{first + number}" for number in range(ports)}
    return UsbModem("1e0e", "9001", "1-1", plug, None, names, net)


def test_a_complete_stick_is_there_at_once() -> None:
    settle = Settle()
    settle.see([stick(3)], 0.0)
    assert not settle.devices
    settle.see([stick(5)], 0.05)
    assert settle.devices == (stick(5),)
    assert settle.due_s is None


def test_an_incomplete_one_is_there_when_nothing_was_added_for_a_while() -> None:
    settle = Settle()
    settle.see([stick(1)], 0.0)
    settle.see([stick(3)], 0.2)
    assert settle.due_s == 0.2 + QUIET_S
    settle.see([stick(3)], 0.4)
    assert not settle.devices
    settle.see([stick(3)], 0.2 + QUIET_S)
    assert settle.devices == (stick(3),)


def test_one_that_never_stops_changing_is_there_after_four_seconds() -> None:
    settle = Settle()
    for step in range(40):
        settle.see([stick(2, net=f"wwan{step}")], step * 0.1)
        assert not settle.devices
    settle.see([stick(2, net="wwan99")], MOST_S)
    assert len(settle.devices) == 1


def test_what_is_gone_is_gone_at_once() -> None:
    settle = Settle()
    settle.see([stick(5)], 0.0)
    settle.see([], 0.01)
    assert not settle.devices


def test_a_lost_port_is_told_at_once() -> None:
    settle = Settle()
    settle.see([stick(5)], 0.0)
    settle.see([stick(4)], 0.01)
    assert settle.devices == (stick(4),)


def test_a_replug_between_two_looks_takes_the_old_one_away_first() -> None:
    settle = Settle()
    settle.see([stick(5)], 0.0)
    settle.see([stick(1, plug=2, first=5)], 0.1)
    assert not settle.devices
    settle.see([stick(5, plug=2, first=5)], 0.2)
    assert settle.devices == (stick(5, plug=2, first=5),)


def test_the_network_interface_that_comes_later_is_a_change_after_a_while() -> None:
    settle = Settle()
    settle.see([stick(5)], 0.0)
    settle.see([stick(5, net="wwan0")], 0.1)
    assert settle.devices == (stick(5),)
    settle.see([stick(5, net="wwan0")], 0.1 + QUIET_S)
    assert settle.devices == (stick(5, net="wwan0"),)


def test_a_port_that_went_and_came_back_is_there_again_at_once() -> None:
    settle = Settle()
    settle.see([stick(5)], 0.0)
    settle.see([stick(4)], 0.1)
    settle.see([stick(5)], 0.2)
    assert settle.devices == (stick(5),)


sights = st.lists(
    st.tuples(st.none() | st.builds(stick, st.integers(0, 5), plug=st.integers(1, 2)), st.floats(0.01, 1.0)),
    min_size=1,
    max_size=12,
)


@given(sights)
def test_whatever_happened_what_stays_is_published_in_time(seen: list[tuple[UsbModem | None, float]]) -> None:
    settle, now_s = Settle(), 0.0
    for modem, gap_s in seen:
        now_s += gap_s
        settle.see([modem] if modem is not None else [], now_s)
        for published in settle.devices:  # never what isn't there
            assert modem is not None and published.same_plug(modem) and published.ports.keys() <= modem.ports.keys()
    last = [seen[-1][0]] if seen[-1][0] is not None else []
    while (due_s := settle.due_s) is not None:
        assert due_s - now_s <= MOST_S
        now_s = max(now_s, due_s)
        settle.see(last, now_s)
    assert list(settle.devices) == last
