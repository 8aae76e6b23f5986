"""Line parsers against vectors from manuals and field reports, and against every other line there could be."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modem import lines, lines_network, lines_sms
from core.modem.fields import fields_of, plain_name, plain_number
from core.modem.lines_error import CME, CMS, error_of

VECTORS: dict[str, list[tuple[str, Any]]] = json.loads(
    (Path(__file__).parent / "vectors/lines.json").read_text(encoding="utf-8")
)
PARSERS: dict[str, Callable[[str], object]] = {
    "error_of": error_of,
    **{
        name: getattr(module, name)
        for module in (lines, lines_network, lines_sms)
        for name in VECTORS
        if callable(getattr(module, name, None))
    },
}


def _plain(value: object) -> object:
    """As JSON would have it: fields of a dataclass as a list, as many as the vectors give."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return list(dataclasses.astuple(value))
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize(
    ("parser", "line", "wanted"), [(name, line, wanted) for name in VECTORS for line, wanted in VECTORS[name]]
)
def test_a_line_means_what_the_vectors_say(parser: str, line: str, wanted: object) -> None:
    assert _plain(PARSERS[parser](line)) == wanted


def test_every_parser_has_vectors() -> None:
    public = {
        name
        for module in (lines, lines_network, lines_sms)
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
        if not isinstance(value, type)
    }
    assert public - set(VECTORS) == {"rssi_dbm", "voice_call_began", "cmgl"}


PREFIXES = st.sampled_from(
    [*{line.partition(":")[0] + ":" for rows in VECTORS.values() for line, _ in rows}, "", "OK", "AT", "+CLCC: 1,1,4"]
)
REST = st.one_of(st.text(alphabet='0123456789,"+-:ABF *#()V ', max_size=40), st.text(max_size=20))


@given(PREFIXES, REST)
def test_no_line_makes_a_parser_raise(prefix: str, rest: str) -> None:
    for parser in PARSERS.values():
        parser(prefix + rest)
    lines.voice_call_began(prefix + rest)


@given(st.lists(st.text(alphabet="abc ,;0", max_size=6).map(str.strip), min_size=1, max_size=8))
def test_quoted_fields_come_back_as_they_went_in(values: list[str]) -> None:
    line = "+X: " + ",".join(f'"{value}"' for value in values)
    assert fields_of(line, "+X:") == tuple(values)


@given(st.integers(0, 31))
def test_signal_grows_by_two_db_a_step(code: int) -> None:
    assert lines_network.rssi_dbm(code) == -113 + 2 * code


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_the_end_field_is_a_time_of_hours_minutes_and_seconds(hours: int, minutes: int, seconds: int) -> None:
    end = lines.voice_call_end(f"VOICE CALL: END: {hours:02d}{minutes:02d}{seconds:02d}")
    assert end == lines.CallEnd(hours * 3600 + minutes * 60 + seconds)


@pytest.mark.parametrize(("word", "table"), [("CME", CME), ("CMS", CMS)])
def test_an_error_is_the_same_as_a_number_and_as_a_text(word: str, table: dict[int, str]) -> None:
    for code, text in table.items():
        by_number, by_text = error_of(f"+{word} ERROR: {code}"), error_of(f"+{word} ERROR: {text.upper()}")
        assert by_number is not None
        assert by_text is not None
        assert by_number.code == by_text.code == code


def test_a_list_of_messages_gives_each_with_its_pdu_whatever_stands_between() -> None:
    answer = [
        "+CMGL: 0,1,,23", "07911326040000f0", "+CMGL: 3,0,\"name\",5", "a line of something else", "00AA",
        "+CMGL: 4,2,,1", "00BB", "+CMGL: 5,1,,0", "+CMGL: 6,1,,9",
    ]  # fmt: skip
    assert lines_sms.cmgl(answer) == [
        lines_sms.Listed(0, True, "07911326040000F0"),
        lines_sms.Listed(3, True, "00AA"),
        lines_sms.Listed(4, False, "00BB"),
        lines_sms.Listed(5, True, None),
        lines_sms.Listed(6, True, None),
    ]


@given(st.lists(st.one_of(PREFIXES, REST, st.just("+CMGL: 1,1,,2"), st.just("00AA")), max_size=10))
def test_any_lines_are_a_list_of_messages(answer: list[str]) -> None:
    assert len(lines_sms.cmgl(answer)) <= sum(line.startswith("+CMGL:") for line in answer)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("+447700900123", "+447700900123"),
        ("002B003400340037", "+447"),
        ("002b", "+"),
        ("00306912345678", "00306912345678"),  # from Greece, with the prefix of international calls
        ("00440069", "00440069"),
        ("", ""),
    ],
)
def test_only_what_can_be_nothing_else_is_read_as_hexadecimal(text: str, wanted: str) -> None:
    assert plain_number(text) == wanted
    assert plain_name("00440069") == "Di"
    assert plain_name("23415") == "23415"


def test_begin_means_answered_and_nothing_else_does() -> None:
    assert lines.voice_call_began("VOICE CALL: BEGIN")
    assert not lines.voice_call_began("VOICE CALL: END")
