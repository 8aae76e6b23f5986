"""The table of the modem's calls: each rule of the field reports, and walks through hints in any order."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.line import (
    CallState,
    EndReason,
    LineCaller,
    LineDtmf,
    LineEvent,
    LineIncoming,
    LineProgress,
    LineReleased,
    LineRing,
)
from core.modem.call_state import Intent
from core.modem.call_table import CALLER_S, STRANGER_S, SWALLOW_S, CallTable
from core.modem.lines import CallEnd, CallerId, ListedCall, MissedCall, Stat

NUMBER = "+491701234567"
CALLER = CallerId(NUMBER, False)
WITHHELD = CallerId(None, True)


class Desk:
    """A table and what it has said so far."""

    def __init__(self) -> None:
        self.facts: list[LineEvent] = []
        self.table = CallTable(self.facts.append)

    def said(self) -> list[LineEvent]:
        said, self.facts[:] = list(self.facts), []
        return said

    def listed(self, at_s: float, *calls: ListedCall) -> list[LineEvent]:
        self.table.on_list(calls, at_s)
        return self.said()

    def finish(self, at_s: float, text: str | None = None) -> list[LineEvent]:
        for entry in self.table.ending():
            self.table.finish(entry.handle, text, at_s)
        return self.said()

    def dialled(self, at_s: float, number: str = "10086") -> int:
        handle = self.table.dialling(number, at_s)
        self.table.dialled(handle)
        return handle

    def answered(self, at_s: float) -> int:
        """An incoming call that was taken."""
        self.listed(at_s, call(Stat.INCOMING))
        self.listed(at_s, call(Stat.ACTIVE))
        return self.table.live()[-1].handle


def call(stat: Stat, index: int = 1, number: str | None = NUMBER, *, incoming: bool = True) -> ListedCall:
    return ListedCall(index, incoming, stat, True, number)


def out(stat: Stat, index: int = 1) -> ListedCall:
    return call(stat, index, "10086", incoming=False)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_ring_then_number_is_one_incoming_call_with_its_number(desk: Desk) -> None:
    desk.table.on_ring("voice", 0.0)
    assert desk.said() == []
    assert desk.table.wants_list
    desk.table.on_caller(CALLER, 0.01)
    assert desk.said() == [LineIncoming(1, NUMBER), LineRing(1, 1)]
    assert desk.listed(0.02, call(Stat.INCOMING)) == []


@pytest.mark.parametrize("first", ["ring", "clip", "clcc"])
def test_the_order_of_ring_clip_and_clcc_does_not_matter(desk: Desk, first: str) -> None:
    steps: dict[str, Callable[[], object]] = {
        "ring": lambda: desk.table.on_ring("voice", 0.0),
        "clip": lambda: desk.table.on_caller(CALLER, 0.0),
        "clcc": lambda: desk.table.on_listed(call(Stat.INCOMING), 0.0),
    }
    steps.pop(first)()
    for step in steps.values():
        step()
    said = desk.said()
    assert [fact for fact in said if isinstance(fact, LineIncoming)] == [LineIncoming(1, NUMBER)]


def test_the_same_ring_on_two_ports_counts_once(desk: Desk) -> None:
    for at_s, first, second in ((0.0, "voice", "at"), (5.0, "at", "voice"), (10.0, "voice", "at")):
        desk.table.on_ring(first, at_s)
        desk.table.on_ring(second, at_s + 0.01)
        desk.table.on_caller(CALLER, at_s + 0.02)
        desk.table.on_caller(CALLER, at_s + 0.03)
    assert desk.said() == [LineIncoming(1, NUMBER), LineRing(1, 1), LineRing(1, 2), LineRing(1, 3)]


def test_a_call_without_number_is_announced_as_withheld_after_a_moment(desk: Desk) -> None:
    desk.table.on_ring("voice", 0.0)
    desk.listed(0.01, call(Stat.INCOMING, number=None))
    assert desk.table.deadline_s() == CALLER_S
    desk.table.tick(CALLER_S)
    assert desk.said() == [LineIncoming(1, None, withheld=True), LineRing(1, 1)]
    assert desk.table.deadline_s() is None


def test_clip_says_that_the_number_is_withheld(desk: Desk) -> None:
    desk.table.on_ring("voice", 0.0)
    desk.table.on_caller(WITHHELD, 0.01)
    assert desk.said() == [LineIncoming(1, None, withheld=True), LineRing(1, 1)]


def test_a_number_that_comes_later_is_told_once(desk: Desk) -> None:
    desk.table.on_ring("voice", 0.0)
    desk.table.tick(1.0)
    desk.said()
    desk.table.on_caller(CALLER, 5.0)
    desk.table.on_caller(CALLER, 10.0)
    assert desk.said() == [LineCaller(1, NUMBER)]


def test_an_answered_call_progresses_and_ends_by_the_far_end(desk: Desk) -> None:
    desk.listed(0.0, call(Stat.INCOMING))
    desk.table.wants_list = False
    assert desk.listed(1.0, call(Stat.ACTIVE)) == [LineProgress(1, CallState.ACTIVE)]
    desk.table.on_listed(call(Stat.DISCONNECTED), 9.0)
    desk.table.on_end("voice", CallEnd(232), 9.01)
    desk.table.on_no_carrier("voice", 9.02)
    assert desk.finish(9.03, "Normal call clearing") == [
        LineReleased(1, EndReason.REMOTE_HANGUP, "Normal call clearing", 232)
    ]
    assert desk.finish(9.04) == []


@pytest.mark.parametrize("order", [("end", "carrier", "six"), ("carrier", "end", "six"), ("six", "carrier", "end")])
def test_the_three_signs_of_an_end_release_once_in_any_order(desk: Desk, order: tuple[str, ...]) -> None:
    desk.answered(0.0)
    signs: dict[str, Callable[[], None]] = {
        "end": lambda: desk.table.on_end("voice", CallEnd(17), 5.0),
        "carrier": lambda: desk.table.on_no_carrier("voice", 5.0),
        "six": lambda: desk.table.on_listed(call(Stat.DISCONNECTED), 5.0),
    }
    for name in order:
        signs[name]()
    assert desk.finish(5.1) == [LineReleased(1, EndReason.REMOTE_HANGUP, None, 17)]
    for name in order:
        signs[name]()
    assert desk.finish(5.2) == []


def test_the_late_signs_of_an_end_do_not_end_the_next_call(desk: Desk) -> None:
    desk.answered(0.0)
    desk.table.on_listed(call(Stat.DISCONNECTED), 5.0)
    desk.finish(5.0)
    desk.table.on_listed(call(Stat.INCOMING, 2, "+4930"), 5.5)
    desk.said()
    desk.table.on_end("voice", CallEnd(5), 5.6)
    desk.table.on_no_carrier("voice", 5.7)
    desk.table.on_missed("voice", MissedCall(NUMBER), 5.8)
    assert desk.finish(5.9) == []
    assert desk.table.wants_list
    desk.table.on_no_carrier("voice", 5.0 + SWALLOW_S + 0.1)
    assert desk.finish(7.2) == [LineReleased(2, EndReason.MISSED)]


def test_a_call_that_ends_right_after_another_keeps_its_duration(desk: Desk) -> None:
    desk.answered(0.0)
    for port in ("voice", "at"):
        desk.table.on_end(port, CallEnd(60), 60.0)
        desk.table.on_no_carrier(port, 60.0)
    desk.finish(60.0)
    desk.listed(60.5, call(Stat.INCOMING, 2, "+4930"))
    desk.listed(60.6, call(Stat.ACTIVE, 2, "+4930"))
    desk.said()
    for port in ("voice", "at"):
        desk.table.on_end(port, CallEnd(1), 61.5)
    assert desk.finish(61.5) == [LineReleased(2, EndReason.REMOTE_HANGUP, None, 1)]


def test_a_late_ring_of_an_ended_call_makes_no_new_call(desk: Desk) -> None:
    desk.table.on_ring("voice", 0.0)
    desk.table.on_caller(CALLER, 0.0)
    desk.table.intend(1, Intent.REJECT)
    desk.table.on_listed(call(Stat.DISCONNECTED), 1.0)
    desk.table.on_ring("at", 1.01)
    desk.table.on_caller(CALLER, 1.02)
    desk.finish(1.1)
    desk.table.on_ring("at", 1.2)
    assert desk.listed(1.3, call(Stat.INCOMING)) == []
    assert desk.table.live() == []


def test_the_same_caller_may_call_again_after_a_moment(desk: Desk) -> None:
    desk.listed(0.0, call(Stat.INCOMING))
    desk.table.on_missed("voice", MissedCall(NUMBER), 1.0)
    assert desk.finish(1.0) == [LineReleased(1, EndReason.MISSED)]
    assert desk.listed(1.0 + SWALLOW_S + 0.1, call(Stat.INCOMING)) == [LineIncoming(2, NUMBER)]


def test_another_caller_right_after_is_a_new_call(desk: Desk) -> None:
    desk.listed(0.0, call(Stat.INCOMING))
    desk.table.on_missed("voice", MissedCall(NUMBER), 1.0)
    desk.finish(1.0)
    desk.table.on_ring("voice", 1.1)
    desk.table.on_caller(CallerId("+4930", False), 1.1)
    assert desk.said() == [LineIncoming(2, "+4930")]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda table: table.on_missed("voice", MissedCall(None), 3.0), EndReason.MISSED),
        (lambda table: table.on_no_carrier("voice", 3.0), EndReason.MISSED),
        (lambda table: table.on_listed(call(Stat.DISCONNECTED), 3.0), EndReason.MISSED),
        (lambda table: table.on_end("voice", CallEnd(None), 3.0), EndReason.MISSED),
    ],
)
def test_a_caller_who_gives_up_is_missed(desk: Desk, act: Callable[[CallTable], None], reason: EndReason) -> None:
    desk.listed(0.0, call(Stat.INCOMING))
    act(desk.table)
    assert desk.finish(3.1) == [LineReleased(1, reason)]


def test_what_we_rejected_is_not_missed(desk: Desk) -> None:
    desk.listed(0.0, call(Stat.INCOMING))
    desk.table.intend(1, Intent.REJECT)
    desk.table.on_missed("voice", MissedCall(NUMBER), 1.0)
    assert desk.finish(1.1) == [LineReleased(1, EndReason.REJECTED)]


def test_a_missed_call_that_we_never_saw_makes_no_call(desk: Desk) -> None:
    desk.table.on_missed("voice", MissedCall(NUMBER), 1.0)
    assert desk.finish(1.0) == []


def test_what_we_hung_up_ended_locally_and_one_empty_list_proves_it(desk: Desk) -> None:
    handle = desk.answered(0.0)
    desk.table.intend(handle, Intent.HANGUP)
    desk.listed(5.0)
    assert desk.finish(5.0) == [LineReleased(handle, EndReason.LOCAL_HANGUP)]


def test_one_empty_list_is_no_end_but_two_are(desk: Desk) -> None:
    desk.answered(0.0)
    desk.listed(5.0)
    assert desk.finish(5.0) == []
    desk.listed(5.1)  # too soon after the first to count
    assert desk.finish(5.1) == []
    desk.listed(6.0)
    assert desk.finish(6.0) == [LineReleased(1, EndReason.REMOTE_HANGUP)]


def test_a_call_that_is_back_in_the_list_was_never_gone(desk: Desk) -> None:
    desk.answered(0.0)
    desk.listed(5.0)
    desk.listed(6.0, call(Stat.ACTIVE))
    desk.listed(7.0)
    assert desk.finish(7.0) == []


def test_an_outgoing_call_keeps_its_facts_until_dial_has_returned(desk: Desk) -> None:
    handle = desk.table.dialling("10086", 0.0)
    desk.table.on_listed(out(Stat.DIALING), 0.1)
    desk.table.on_listed(out(Stat.ALERTING), 0.2)
    assert desk.said() == []
    desk.table.dialled(handle)
    assert desk.said() == [LineProgress(handle, CallState.ALERTING)]
    desk.table.on_listed(out(Stat.ACTIVE), 3.0)
    assert desk.said() == [LineProgress(handle, CallState.ACTIVE)]


def test_an_end_before_dial_has_returned_is_told_after_it(desk: Desk) -> None:
    handle = desk.table.dialling("10086", 0.0)
    desk.table.on_failure("voice", EndReason.BUSY, 0.1)
    assert desk.finish(0.2) == []
    desk.table.dialled(handle)
    assert desk.finish(0.3) == [LineReleased(handle, EndReason.BUSY)]


def test_a_refused_dial_leaves_nothing(desk: Desk) -> None:
    handle = desk.table.dialling("10086", 0.0)
    desk.table.forget(handle)
    assert desk.table.live() == []
    assert desk.finish(1.0) == []


@pytest.mark.parametrize(
    ("hint", "text", "reason"),
    [
        (EndReason.BUSY, None, EndReason.BUSY),
        (EndReason.NO_ANSWER, None, EndReason.NO_ANSWER),
        (None, "User busy", EndReason.BUSY),
        (None, "No user responding", EndReason.NO_ANSWER),
        (None, "User alerting, no answer", EndReason.NO_ANSWER),
        (None, "Unassigned number", EndReason.NO_CARRIER),
        (None, None, EndReason.NO_CARRIER),
    ],
)
def test_a_failed_call_says_why(desk: Desk, hint: EndReason | None, text: str | None, reason: EndReason) -> None:
    handle = desk.dialled(0.0)
    desk.table.on_listed(out(Stat.DISCONNECTED), 3.0)
    if hint is not None:
        desk.table.on_failure("voice", hint, 3.0)
    desk.table.on_no_carrier("voice", 3.0)
    assert desk.finish(3.1, text) == [LineReleased(handle, reason, text)]


def test_a_waiting_call_is_announced_as_one_and_rings_when_the_other_ends(desk: Desk) -> None:
    first = desk.answered(0.0)
    desk.table.on_caller(CallerId("+4930", False), 5.0, waiting=True)
    assert desk.said() == [LineIncoming(2, "+4930", waiting=True)]
    assert desk.listed(5.1, call(Stat.ACTIVE), call(Stat.WAITING, 2, "+4930")) == []
    desk.listed(6.0, call(Stat.DISCONNECTED), call(Stat.INCOMING, 2, "+4930"))
    desk.table.on_ring("voice", 6.1)
    assert desk.finish(6.2) == [LineRing(2, 1), LineReleased(first, EndReason.REMOTE_HANGUP)]


def test_the_end_of_one_of_two_calls_leaves_the_other(desk: Desk) -> None:
    desk.answered(0.0)
    desk.listed(5.0, call(Stat.HELD), call(Stat.ACTIVE, 2, "+4930", incoming=False))
    second = desk.dialled(5.0)
    desk.listed(5.1, call(Stat.HELD), out(Stat.ACTIVE, 2))
    desk.said()
    desk.table.on_end("voice", CallEnd(4), 9.0)  # of which one? only the list knows
    desk.table.on_no_carrier("voice", 9.0)
    assert desk.finish(9.0) == []
    desk.listed(9.1, call(Stat.ACTIVE), out(Stat.DISCONNECTED, 2))
    assert desk.said() == []
    assert [entry.handle for entry in desk.table.ending()] == [second]


def test_keys_are_heard_once_from_two_ports(desk: Desk) -> None:
    handle = desk.answered(0.0)
    for key in "117":
        desk.table.on_key("voice", key)
        desk.table.on_key("at", key)
    assert desk.said() == [LineDtmf(handle, "1"), LineDtmf(handle, "1"), LineDtmf(handle, "7")]


def test_a_key_without_an_active_call_is_nobodys(desk: Desk) -> None:
    desk.table.on_key("voice", "1")
    assert desk.said() == []


def test_an_index_used_again_after_an_end_that_we_missed_is_a_new_call(desk: Desk) -> None:
    first = desk.answered(0.0)
    desk.table.on_listed(call(Stat.INCOMING, 1, "+4930"), 60.0)
    assert desk.finish(60.0) == [LineIncoming(2, "+4930", waiting=False), LineReleased(first, EndReason.REMOTE_HANGUP)]


def test_a_call_that_nobody_steers_is_a_stranger_after_a_while(desk: Desk) -> None:
    desk.listed(0.0, out(Stat.ACTIVE))
    assert not desk.table.strangers(0.1)
    desk.listed(STRANGER_S, out(Stat.ACTIVE))
    assert desk.table.strangers(STRANGER_S)
    assert desk.table.needs_poll()
    desk.listed(STRANGER_S + 1)
    assert not desk.table.strangers(STRANGER_S + 1)
    assert not desk.table.needs_poll()


def test_a_call_that_lives_can_not_be_finished(desk: Desk) -> None:
    handle = desk.answered(0.0)
    desk.table.finish(handle, None, 1.0)
    desk.table.finish(99, None, 1.0)
    assert desk.said() == []
    assert desk.table.find(handle) is not None


def test_a_line_that_the_other_port_brought_late_does_not_undo_the_answer(desk: Desk) -> None:
    handle = desk.dialled(0.0)
    desk.listed(1.0, out(Stat.ACTIVE))
    assert desk.listed(1.01, out(Stat.ALERTING)) == []
    assert desk.listed(1.02, out(Stat.DIALING)) == []
    assert desk.listed(1.03, out(Stat.ACTIVE)) == []
    assert desk.finish(1.1) == []
    assert desk.table.find(handle) is not None


def test_a_late_line_that_an_answered_caller_rings_does_not_end_the_call(desk: Desk) -> None:
    handle = desk.answered(0.0)
    assert desk.listed(0.01, call(Stat.INCOMING)) == []
    assert desk.finish(0.1) == []
    assert desk.table.find(handle) is not None


def test_data_calls_are_not_ours(desk: Desk) -> None:
    desk.listed(0.0, ListedCall(1, True, Stat.INCOMING, False, NUMBER))
    assert desk.table.live() == []


def test_a_lost_modem_ends_every_call_once(desk: Desk) -> None:
    first = desk.answered(0.0)
    desk.table.on_ring("voice", 5.0)
    desk.said()
    desk.table.lose()
    lost = EndReason.MODEM_LOST
    assert desk.said() == [LineReleased(first, lost), LineIncoming(2, None, True, True), LineReleased(2, lost)]
    desk.table.lose()
    assert desk.said() == []


def test_a_call_that_was_over_when_the_modem_went_keeps_its_reason(desk: Desk) -> None:
    first = desk.answered(0.0)
    desk.table.on_end("voice", CallEnd(9), 9.0)
    desk.table.lose()
    assert desk.said()[-1] == LineReleased(first, EndReason.REMOTE_HANGUP, None, 9)


LISTED = st.builds(
    ListedCall,
    st.sampled_from([1, 1, 1, 2]),
    st.booleans(),
    st.sampled_from(Stat),
    st.just(True),
    st.sampled_from([None, NUMBER, NUMBER, "10086"]),
)
PORT = st.sampled_from(["voice", "at"])
SAID_BY_MODEM = st.one_of(
    st.tuples(st.just("on_ring"), PORT),
    st.tuples(st.just("on_caller"), st.sampled_from([CALLER, WITHHELD])),
    st.tuples(st.just("on_end"), PORT, st.sampled_from([CallEnd(3), CallEnd(None)])),
    st.tuples(st.just("on_no_carrier"), PORT),
    st.tuples(st.just("on_failure"), PORT, st.sampled_from([EndReason.BUSY, EndReason.NO_ANSWER])),
    st.tuples(st.just("on_missed"), PORT, st.sampled_from([MissedCall(NUMBER), MissedCall(None)])),
    st.tuples(st.just("on_listed"), LISTED),
    st.tuples(st.just("on_list"), st.lists(LISTED, max_size=3)),
    st.tuples(st.just("key"), PORT),
    st.tuples(st.just("tick")),
    st.tuples(st.just("finish")),
    st.tuples(st.just("dial")),
    st.tuples(st.just("dialled")),
    st.tuples(st.just("intend"), st.sampled_from(Intent)),
    st.tuples(st.just("lose")),
)


def _walk(desk: Desk, step: tuple[object, ...], at_s: float, pending: list[int]) -> None:
    table, (name, *given_) = desk.table, step
    match name:
        case "key":
            table.on_key(str(given_[0]), "5")
        case "finish":
            for entry in table.ending():
                table.finish(entry.handle, None, at_s)
        case "dial":
            pending.append(table.dialling("10086", at_s))
        case "dialled":
            for handle in pending:
                table.dialled(handle)
            pending.clear()
        case "intend":
            for entry in table.live():
                table.intend(entry.handle, Intent(str(given_[0])))
        case "lose":
            table.lose()
        case _:
            getattr(table, str(name))(*given_, at_s)


@settings(max_examples=300)
@given(st.lists(st.tuples(SAID_BY_MODEM, st.sampled_from([0.0, 0.05, 0.5, 3.0])), max_size=40))
def test_whatever_the_modem_says_each_call_has_one_beginning_and_one_end(
    steps: list[tuple[tuple[object, ...], float]],
) -> None:
    desk, at_s, pending = Desk(), 0.0, list[int]()
    for step, later_s in steps:
        at_s += later_s
        _walk(desk, step, at_s, pending)
    begun: set[int] = set()
    released: set[int] = set()
    rings: dict[int, int] = {}
    for fact in desk.facts:
        assert isinstance(fact, LineIncoming | LineCaller | LineRing | LineProgress | LineReleased | LineDtmf)
        assert fact.handle not in released
        match fact:
            case LineIncoming():
                assert fact.handle not in begun
                begun.add(fact.handle)
            case LineReleased():
                released.add(fact.handle)
            case LineRing():
                assert fact.handle in begun
                assert fact.ring == rings.get(fact.handle, 0) + 1
                rings[fact.handle] = fact.ring
            case LineProgress():
                assert fact.state in (CallState.ALERTING, CallState.ACTIVE, CallState.HELD)
    desk.table.lose()
    after = {fact.handle for fact in desk.facts if isinstance(fact, LineReleased)}
    assert begun <= after
    assert len(after) == sum(isinstance(fact, LineReleased) for fact in desk.facts)
