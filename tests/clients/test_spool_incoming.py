"""Incoming files, byte by byte as smsd 3.1.21 wrote them for the same messages."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.spool.incoming import Device, call_file, encode_body, received_file, report_file
from clients.spool.message_file import read_message
from clients.spool.settings import Settings

DEVICE = Device("GSM1", "246030000000000", "861000000000001")
SMSC = "+3706990099"


@pytest.fixture(autouse=True)
def vilnius(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two hours ahead in winter: local time is told from the network's and from UTC."""
    monkeypatch.setenv("TZ", "Europe/Vilnius")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def event(text: str | None = "Labas", **more: Any) -> dict[str, Any]:
    found = {"number": "+37060000000", "text": text, "encoding": "gsm7", "at": "2026-11-21T08:36:37.000Z"}
    return found | {"network_at": "2026-02-07T09:44:29+03:00"} | more


def received(happened: dict[str, Any], settings: Settings | None = None) -> bytes:
    return received_file(happened, DEVICE, settings or Settings(), SMSC)


def test_a_message_of_the_gsm_alphabet_is_iso() -> None:
    assert received(event("Hello € [x] äÄ ¥ end")) == (
        b"From: 37060000000\n"
        b"From_TOA: 91 international, ISDN/telephone\n"
        b"From_SMSC: 3706990099\n"
        b"Sent: 26-02-07 09:44:29\n"
        b"Received: 26-11-21 10:36:37\n"
        b"Subject: GSM1\n"
        b"Modem: GSM1\n"
        b"IMSI: 246030000000000\n"
        b"IMEI: 861000000000001\n"
        b"Report: no\n"
        b"Alphabet: ISO\n"
        b"Length: 20\n"
        b"\n"
        b"Hello \xa4 [x] \xe4\xc4 \xa5 end"
    )


def test_unicode_stays_unicode_and_its_length_counts_surrogates() -> None:
    content = received(event("Labas ąčęė 😀", encoding="ucs2"))
    head, _, body = content.partition(b"\n\n")
    assert head.endswith(b"Report: no\nAlphabet: UCS2\nLength: 13")
    assert body == "Labas ąčęė 😀".encode("utf-16-be")


def test_binary_data_with_ports_shows_its_header() -> None:
    content = received(event(None, data="qrvM", encoding="binary", destination_port=2948, source_port=9200))
    assert content.endswith(
        b"Report: no\n"
        b"Alphabet: binary\n"
        b"UDH-DATA: 06 05 04 0B 84 23 F0\n"
        b"UDH-Type: Length=7, [05]Application port addressing scheme, 16 bit address\n"
        b"Length: 3\n"
        b"\n"
        b"\xaa\xbb\xcc"
    )


def test_flash_and_incomplete_stand_between_report_and_alphabet() -> None:
    happened = event("x", message_class=0, incomplete=True, missing=[2])
    assert b"Report: no\nFlash: yes\nIncomplete: yes\nAlphabet: ISO\nLength: 1\n\nx" in received(happened)
    assert b"Flash" not in received(event("x", message_class=2))


@pytest.mark.parametrize(
    ("number", "origin"),
    [
        ("12345", b"From: 12345\nFrom_TOA: 81 unknown, ISDN/telephone\n"),
        ("Bank Plc", b"From: Bank Plc\nFrom_TOA: D0 alphanumeric, unknown\n"),
        (None, b"From: \nFrom_TOA: 81 unknown, ISDN/telephone\n"),
        ("Evil\nTo: 1\n\nx", b"From: Evil To: 1 x\nFrom_TOA: D0 alphanumeric, unknown\n"),
    ],
)
def test_senders_that_are_not_international(number: str | None, origin: bytes) -> None:
    assert received(event(number=number)).startswith(origin + b"From_SMSC")


def test_an_empty_message_is_a_file_with_an_empty_body() -> None:
    assert received(event("")).endswith(b"Alphabet: ISO\nLength: 0\n\n")


def test_what_is_not_known_has_no_header() -> None:
    content = received_file(event(network_at=None), Device("GSM2"), Settings(), None)
    assert b"SMSC" not in content and b"IMSI" not in content
    assert b"\nSent: 26-11-21 10:36:37\nReceived: 26-11-21 10:36:37\nSubject: GSM2\n" in content


def test_damage_is_a_warning_in_front() -> None:
    assert received(event(damaged=True)).startswith(b"Warning: ")


def body_of(text: str, encoding: str = "gsm7", **settings: Any) -> tuple[str, bytes, int]:
    return encode_body({"text": text, "encoding": encoding}, Settings(**settings))


def test_utf8_is_for_the_gsm_alphabet_only_unless_unicode_is_decoded() -> None:
    assert body_of("ä€Δ", incoming_utf8=True) == ("UTF-8", "ä€Δ".encode(), 3)
    assert body_of("ä", "ucs2", incoming_utf8=True)[0] == "UCS2"
    assert body_of("ąä", "ucs2", incoming_utf8=True, decode_unicode_text=True) == ("UTF-8", "ąä".encode(), 2)
    assert body_of("aä", "ucs2", decode_unicode_text=True) == ("ISO", b"a\xe4", 2)
    assert body_of("ą", "ucs2", decode_unicode_text=True)[0] == "UCS2"


def test_without_conversion_gsm_text_is_septets() -> None:
    assert body_of("@€", cs_convert=False) == ("GSM", b"\x00\x1be", 3)


def test_greek_capitals_are_kept_where_smsd_garbles_them() -> None:
    assert body_of("Δ") == ("UCS2", "Δ".encode("utf-16-be"), 1)


@given(st.text(max_size=20), st.sampled_from(["gsm7", "ucs2"]), st.booleans(), st.booleans(), st.booleans())
def test_no_character_is_ever_lost(text: str, encoding: str, utf8: bool, convert: bool, decode: bool) -> None:
    settings = Settings(incoming_utf8=utf8, cs_convert=convert, decode_unicode_text=decode)
    alphabet, body, _ = encode_body({"text": text, "encoding": encoding}, settings)
    codecs = {"ISO": "iso8859-15", "UTF-8": "utf-8", "UCS2": "utf-16-be"}
    if alphabet in codecs:
        assert body.decode(codecs[alphabet]) == text


def test_a_status_report_is_a_file_with_the_messages_id() -> None:
    happened = event(
        status=0, status_text="short message received by the SME", discharged_at="2026-02-07T09:44:39+03:00"
    )
    assert report_file(happened, DEVICE, Settings(), SMSC, 101, "2026-02-07T06:44:29Z") == (
        b"From: 37060000000\n"
        b"From_TOA: 91 international, ISDN/telephone\n"
        b"From_SMSC: 3706990099\n"
        b"Sent: 26-02-07 08:44:29\n"
        b"Received: 26-11-21 10:36:37\n"
        b"Subject: GSM1\n"
        b"Modem: GSM1\n"
        b"IMSI: 246030000000000\n"
        b"IMEI: 861000000000001\n"
        b"Report: no\n"
        b"Alphabet: ISO\n"
        b"Length: 119\n"
        b"UDH: no\n"
        b"\n"
        b"SMS STATUS REPORT\n"
        b"Message_id: 101\n"
        b"Discharge_timestamp: 26-02-07 09:44:39\n"
        b"Status: 0,Ok,short message received by the SME"
    )


@pytest.mark.parametrize(("status", "kind"), [(2, "Ok"), (48, "Temporary error"), (70, "Error"), (99, "Error")])
def test_reports_have_smsds_three_kinds(status: int, kind: str) -> None:
    content = report_file(event(status=status, status_text="words"), DEVICE, Settings(), None, 1, None)
    assert content.endswith(f"Status: {status},{kind},words".encode())


def test_a_missed_call_is_a_file_too() -> None:
    happened = {"number": "+37061111111", "at": "2026-11-21T08:42:43.000Z"}
    assert call_file(happened, Device("GSM1"), Settings()) == (
        b"From: 37061111111\n"
        b"From_TOA: 91 international, ISDN/telephone\n"
        b"Subject: GSM1\n"
        b"Modem: GSM1\n"
        b"IMSI: \n"
        b"IMEI: \n"
        b"Call_type: missed\n"
        b"Received: 26-11-21 10:42:43\n"
        b"\n"
        b"CALL MISSED\n"
    )


def test_times_are_written_as_configured() -> None:
    content = received(event(), Settings(datetime_format="%Y-%m-%dT%H:%M:%S"))
    assert read_message(content).get("Received") == "2026-11-21T10:36:37"
