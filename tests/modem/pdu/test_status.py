"""Every TP-ST (TS 23.040 §9.2.3.15)."""

import pytest

from core.events import Outcome
from core.modem.pdu import status_of


@pytest.mark.parametrize(
    ("codes", "outcome"),
    [
        ((0x00, 0x01, *range(0x10, 0x20)), Outcome.DELIVERED),
        ((*range(0x20, 0x26), *range(0x30, 0x40)), Outcome.PENDING),
        ((*range(0x40, 0x4A), *range(0x50, 0x60)), Outcome.FAILED),
        ((*range(0x60, 0x66), *range(0x70, 0x80)), Outcome.FAILED),
    ],
)
def test_a_defined_code_has_the_outcome_of_its_group(codes: tuple[int, ...], outcome: Outcome) -> None:
    for code in codes:
        status = status_of(code)
        assert (status.outcome, status.code) == (outcome, code)
        assert "reserved" not in status.text


def test_a_replaced_message_was_not_delivered() -> None:
    assert status_of(0x02).outcome is Outcome.FAILED
    assert "replaced" in status_of(0x02).text


@pytest.mark.parametrize(
    "code", [*range(0x03, 0x10), *range(0x26, 0x30), *range(0x4A, 0x50), *range(0x66, 0x70), *range(0x80, 0x100)]
)
def test_a_reserved_code_counts_as_rejected(code: int) -> None:
    status = status_of(code)
    assert (status.outcome, status.code) == (Outcome.FAILED, code)
    assert "reserved" in status.text


def test_texts_tell_trying_from_given_up() -> None:
    assert status_of(0x21).text == "recipient busy, still trying"
    assert status_of(0x61).text == "recipient busy, given up"
    assert status_of(0x46).text == "validity period expired"
    assert status_of(0x30).text == "the service centre's own code, still trying"
