"""Which strings reach the modem's dialler."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import CallConfig
from core.dialable import blocked, dialable
from core.errors import EmergencyDenied, NotDialable, PublicError

CONFIG = CallConfig()


@pytest.mark.parametrize(
    ("given_text", "dialled"),
    [
        ("+447700900123", "+447700900123"),
        ("+44 7700 900-123", "+447700900123"),
        ("(020) 7946.0000", "02079460000"),
        ("150", "150"),
        ("2*1#", "2*1#"),
    ],
)
def test_numbers_as_people_write_them_can_be_dialled(given_text: str, dialled: str) -> None:
    assert dialable(given_text, CONFIG) == dialled


@pytest.mark.parametrize(
    "text",
    ["", "+", "++44", "123;", "123\rAT+CMGD=1,4", "123\n", "**21*123#", "*#06#", "#31#123", "12,3", "12w", "abc", "١٢٣",
     "1" * 21, "12\x00", "123\u2028"],
)  # fmt: skip
def test_what_could_end_or_extend_a_command_or_is_mmi_is_refused(text: str) -> None:
    with pytest.raises(NotDialable) as refused:
        dialable(text, CONFIG)
    assert len(text) < 3 or text not in refused.value.message


@given(st.text(max_size=60))
def test_whatever_is_let_through_is_only_digits_plus_and_keys(text: str) -> None:
    try:
        found = dialable(text, CONFIG)
    except PublicError:
        return
    assert re.fullmatch(r"\+?[0-9][0-9*#]*", found, re.ASCII)


@pytest.mark.parametrize("number", ["112", "999", "911", "+112"])
def test_emergency_numbers_follow_the_policy(number: str) -> None:
    with pytest.raises(EmergencyDenied):
        dialable(number, CONFIG)
    assert dialable(number, CallConfig(emergency="allow")) == number


def test_the_block_list_knows_numbers_prefixes_and_withheld_callers() -> None:
    patterns = ("+447700900123", "+4490*", "withheld")
    assert blocked("+447700900123", False, patterns)
    assert blocked("+44901234567", False, patterns)
    assert not blocked("+447700900124", False, patterns)
    assert blocked(None, True, patterns)
    assert not blocked(None, False, patterns)
    assert not blocked(None, True, ())
