"""The AT channel: transcripts, classification, prompts, bounds, and the laws that any bytes and any cut must keep."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modem.at import (
    MAX_LINE_BYTES,
    MAX_REPLY_LINES,
    AtChannel,
    AtEvent,
    Command,
    Kind,
    LocalProtocolError,
    Prompt,
    Reply,
    Stray,
    Urc,
)
from core.modem.profile import profile_names
from tests.modem.transcript import channel, expected, play

FOLDER = Path(__file__).parent / "transcripts"
TRANSCRIPTS = sorted(FOLDER.glob("*/*.at"))


@pytest.mark.parametrize("size", [1, 2, 7, 4096])
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_gives_its_events_however_it_is_cut(path: Path, size: int) -> None:
    text = path.read_text(encoding="utf-8")
    assert [str(event) for event in play(text, size, path.parent.name)] == expected(text)


def test_every_profile_has_transcripts() -> None:
    assert {path.parent.name for path in TRANSCRIPTS} >= set(profile_names()) >= {"sim7600"}


def test_a_second_command_before_the_answer_is_our_mistake() -> None:
    at = channel()
    assert at.send(Command("AT+CSQ")) == b"AT+CSQ\r"
    with pytest.raises(LocalProtocolError):
        at.send(Command("AT"))


@pytest.mark.parametrize("text", ["AT\r", "ATD1;\nAT", "AT\x1a", "ATD\u0661;", "CSQ", "", "AT" + "1" * 558])
def test_no_byte_that_ends_a_line_gets_into_a_command(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        Command(text)


@pytest.mark.parametrize("payload", ["00\r", "00\x1a", "0g", "00 ", None])
def test_a_payload_is_hexadecimal_and_belongs_to_a_prompt(payload: str | None) -> None:
    with pytest.raises(LocalProtocolError):
        Command("AT+CMGS=1", kind=Kind.PROMPT, payload=payload)
    with pytest.raises(LocalProtocolError):
        Command("AT+CSQ", payload="00")


@pytest.mark.parametrize("final", ["NO CARRIER", "BUSY", "NO ANSWER"])
def test_no_carrier_answers_a_dial_and_is_news_for_any_other_command(final: str) -> None:
    at = channel()
    at.send(Command("ATD1;", kind=Kind.CALL))
    assert at.feed(f"\r\n{final}\r\n".encode()) == [Reply("ATD1;", final)]
    at.send(Command("AT+CSQ"))
    assert at.feed(f"\r\n{final}\r\n\r\nOK\r\n".encode()) == [Urc(final), Reply("AT+CSQ", "OK")]


def test_the_list_of_calls_is_an_answer_when_asked_for_and_a_urc_when_not() -> None:
    at = channel()
    line = '+CLCC: 1,1,4,0,0,"+15550100",145'
    assert at.feed(f"\r\n{line}\r\n".encode()) == [Urc(line)]
    at.send(Command("AT+CLCC"))
    assert at.feed(f"\r\n{line}\r\n\r\nOK\r\n".encode()) == [Reply("AT+CLCC", "OK", (line,))]
    at.send(Command("AT+CLCC=1"))
    assert at.feed(f"\r\n{line}\r\n\r\nOK\r\n".encode()) == [Urc(line), Reply("AT+CLCC=1", "OK")]


def test_a_prefix_is_not_found_in_a_longer_name() -> None:
    at = channel()
    at.send(Command("AT+CREG?"))
    assert at.feed(b"\r\n+CREGX: 1\r\n+CGREG: 1\r\nOK\r\n") == [
        Urc("+CGREG: 1"),
        Reply("AT+CREG?", "OK", ("+CREGX: 1",)),
    ]


def test_an_echo_without_a_line_feed_is_still_an_echo() -> None:
    at = channel()
    at.send(Command("AT+CMGS=2", kind=Kind.PROMPT, payload="00"))
    assert at.feed(b"AT+CMGS=2\r> ") == [Prompt()]


def test_a_prompt_comes_once_and_only_for_a_command_that_waits_for_it() -> None:
    at = channel()
    assert at.feed(b"\r\n> ") == []
    assert at.feed(b"x\r\n") == [Stray("> x")]
    at.send(Command("AT+CMGS=2", kind=Kind.PROMPT, payload="00"))
    assert at.feed(b"\r\n> \r\n> \r\nOK\r\n") == [Prompt(), Reply("AT+CMGS=2", "OK", ("> ",))]


def test_errors_end_a_command_with_their_own_words() -> None:
    at = channel()
    for final in ("ERROR", "+CME ERROR: SIM busy", "+CMS ERROR: 322"):
        at.send(Command("AT+CMGL=4"))
        (reply,) = at.feed(f"\r\n{final}\r\n".encode())
        assert isinstance(reply, Reply)
        assert (reply.ok, reply.final) == (False, final)


def test_a_line_without_end_becomes_one_stray_and_its_rest_is_skipped() -> None:
    at = channel()
    assert at.feed(b"x" * (3 * MAX_LINE_BYTES)) == [Stray("x" * MAX_LINE_BYTES)]
    assert at.feed(b"tail\r\nRING\r\n") == [Urc("RING")]


def test_an_endless_answer_keeps_a_bounded_number_of_lines() -> None:
    at = channel()
    at.send(Command("AT+CMGL=4"))
    events = at.feed(b"x\r\n" * (MAX_REPLY_LINES + 5) + b"OK\r\n")
    assert events[:5] == [Stray("x")] * 5
    assert isinstance(events[5], Reply)
    assert len(events[5].lines) == MAX_REPLY_LINES


def test_bytes_that_are_no_text_are_kept_readable() -> None:
    assert channel().feed(b"\xff\x00RING\r\n") == [Stray("\\xff\x00RING")]


LINES = st.sampled_from(
    [
        b"OK", b"ERROR", b"RING", b"+CLCC: 1,1,4,0,0", b"NO CARRIER", b"BUSY", b"+CMT: ,2", b"00", b"> ", b"AT+CLCC\r",
        b"+CME ERROR: 3", b"VOICE CALL: END: 000352", b"\r\n", b"\r\r\n", b"\n", b"\r", b"", b"AT+CMGS=1\r", b"0A\x1a",
        b"x" * 3000, b'+CUSD: 1,"a', b'b",15', b"+CMGS: 7", b"+CMS ERROR: 38",
    ]
)  # fmt: skip
WIRE = st.lists(st.one_of(LINES, st.binary(max_size=8)), max_size=30).map(b"".join)
COMMANDS = st.sampled_from(
    [
        None,
        Command("AT+CLCC"),
        Command("ATD1;", kind=Kind.CALL),
        Command("AT+CMGS=1", kind=Kind.PROMPT, payload="0A", prefixes=("+CMGS:",)),
    ]
)


def _feed(command: Command | None, pieces: list[bytes]) -> list[AtEvent]:
    at: AtChannel = channel()
    at.send(Command("AT+CMGS=2", kind=Kind.PROMPT, payload="00", prefixes=("+CMGS:",)))
    at.feed(b"> ")
    at.abandon()
    if command is not None:
        at.send(command)
    return [event for piece in pieces for event in at.feed(piece)]


def test_a_text_whose_quote_never_closes_ends_after_so_many_lines() -> None:
    events = channel().feed(b'+CUSD: 1,"a\r\n' + b"b\r\n" * 29 + b"end\r\nRING\r\n")
    assert events == [Urc('+CUSD: 1,"a\n' + "b\n" * 29 + "end"), Urc("RING")]


@given(COMMANDS, WIRE, st.lists(st.integers(0, 200), max_size=20))
def test_any_cut_of_any_bytes_gives_the_same_events(command: Command | None, wire: bytes, cuts: list[int]) -> None:
    pieces, rest = [], wire
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    whole = _feed(command, [wire])
    assert _feed(command, [*pieces, rest]) == whole
    assert _feed(command, [wire[at : at + 1] for at in range(len(wire))]) == whole


@given(COMMANDS, st.lists(st.binary(max_size=3000), max_size=20))
def test_no_bytes_make_it_raise_or_keep_more_than_a_line(command: Command | None, pieces: list[bytes]) -> None:
    at = channel()
    if command is not None:
        at.send(command)
    for piece in pieces:
        at.feed(piece)
        assert len(at._buffer) <= MAX_LINE_BYTES


@given(COMMANDS, WIRE)
def test_one_command_has_at_most_one_reply(command: Command | None, wire: bytes) -> None:
    replies = [event for event in _feed(command, [wire]) if isinstance(event, Reply)]
    assert len(replies) <= (command is not None)
