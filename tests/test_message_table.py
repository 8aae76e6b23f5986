"""The state table of outgoing messages, by itself and against the drawing in the docs."""

import re
from pathlib import Path

import pytest

from core.errors import NotNow
from core.events import SmsState
from core.message_errors import Refusal, reason, refusal
from core.message_fsm import FINAL, TABLE, On, step

DOCS = Path(__file__).parent.parent / "docs/messages.md"


def test_the_drawing_in_the_docs_is_the_table() -> None:
    arrows = re.findall(r"^ +(\w+) --> (\w+) : (\w+)$", DOCS.read_text(), re.MULTILINE)
    drawn = {(SmsState(a), On(on)): SmsState(b) for a, b, on in arrows if a != "*"}
    assert drawn == TABLE


def test_every_state_but_the_first_is_reached_and_every_happening_is_used() -> None:
    assert set(TABLE.values()) | {SmsState.QUEUED, SmsState.RECEIVED} == set(SmsState)
    assert {on for _, on in TABLE} == set(On)


def test_nothing_is_sent_again_out_of_a_final_state_without_somebody_asking() -> None:
    for (state, on), after in TABLE.items():
        if state in FINAL and after in (SmsState.QUEUED, SmsState.SENDING):
            assert on is On.RESEND


def test_an_unknown_message_never_goes_on_by_itself() -> None:
    happens = {on for (state, on), after in TABLE.items() if state is SmsState.UNKNOWN and after is SmsState.QUEUED}
    assert happens == {On.RESEND, On.MORE}  # a decision, or the proof that its part was sent


def test_a_step_that_is_not_in_the_table_says_what_the_message_is() -> None:
    with pytest.raises(NotNow) as problem:
        step(SmsState.DELIVERED, On.CANCEL)
    assert problem.value.details == {"state": "delivered"}


@pytest.mark.parametrize(
    ("cms", "wanted"),
    [
        (1, Refusal.PERMANENT), (8, Refusal.PERMANENT), (38, Refusal.LINE), (0xC5, Refusal.PERMANENT),
        (0xD0, Refusal.RECIPIENT), (27, Refusal.RECIPIENT), (310, Refusal.LINE), (330, Refusal.LINE),
        (331, Refusal.LINE), (332, Refusal.UNCERTAIN), (500, Refusal.LINE), (None, Refusal.RECIPIENT),
    ],
)  # fmt: skip
def test_a_refusal_is_for_good_for_now_or_about_the_line(cms: int | None, wanted: Refusal) -> None:
    assert refusal(cms) is wanted


def test_no_number_makes_the_classification_fail() -> None:
    assert {refusal(cms) for cms in range(600)} <= set(Refusal)
    assert reason(330) == "smsc_missing" and reason(8) == "network_refused" and reason(None) == "modem_refused"
