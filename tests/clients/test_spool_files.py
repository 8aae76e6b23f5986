"""Outgoing files: what smsd's documentation says of them, and what smsd 3.1.21 was seen to make of the same files."""

import base64
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.settings_file import SettingsError
from clients.spool.alphabets import GSM, GSM_EXTENSION, decode_gsm, encode_gsm, fits_one
from clients.spool.message_file import add_headers, read_message
from clients.spool.outgoing import CallWish, Json, Malformed, SmsWish, read_number, read_wish, validity_s
from clients.spool.settings import Settings, parse_settings, read_settings


def no_include(name: str) -> bytes:
    raise Malformed("no includes here")


def wish_of(content: bytes | str, settings: Settings | None = None) -> SmsWish | CallWish:
    octets = content if isinstance(content, bytes) else content.encode()
    return read_wish(octets, settings or Settings(), no_include)


def params_of(content: bytes | str, settings: Settings | None = None) -> Json:
    wish = wish_of(content, settings)
    assert isinstance(wish, SmsWish)
    return wish.params


def reason_of(content: bytes | str, settings: Settings | None = None) -> str:
    with pytest.raises(Malformed) as caught:
        wish_of(content, settings)
    return str(caught.value)


def test_the_easy_example_is_one_text_to_an_international_number() -> None:
    assert params_of("To: 491721234567\n\nHello, this is the sms.\n") == {
        "to": "+491721234567",
        "text": "Hello, this is the sms.",
    }


def test_the_old_apis_file_is_sent_as_the_ucs2_that_it_is() -> None:
    body = "Programarea dvs. e mâine la 10:00 😀"
    content = b"To: +447700900123\nAlphabet: UCS2\n\n" + body.encode("utf-16-be")
    assert params_of(content) == {"to": "+447700900123", "text": body, "encoding": "ucs2"}
    assert params_of("To: +447700900123\n\nplain text")["text"] == "plain text"


@pytest.mark.parametrize(
    ("to", "toa", "number", "kind"),
    [
        ("37060000000", None, "+37060000000", None),
        ("+370 6000-0000", None, "+37060000000", None),
        ("00370600000", None, "+370600000", None),
        ("s1234", None, "1234", "short"),
        ("358 12 345 6789", None, "+358123456789", None),
        ("0860000000", None, "0860000000", "national"),
        ("0860000000", "national", "0860000000", "national"),
        ("1234", "unknown", "1234", "unknown"),
        ("s1234", "national", "1234", "national"),
        ("s37060000000", "international", "+37060000000", None),
    ],
)
def test_numbers_are_written_as_in_smsd(to: str, toa: str | None, number: str, kind: str | None) -> None:
    assert read_number(to, toa) == (number, kind)


@pytest.mark.parametrize("to", ["", "s", "+", "hello", "12;rm", "١٢٣٤", "1" + "x" * 1000, "$(id)"])
def test_what_is_no_number_is_no_destination(to: str) -> None:
    assert reason_of(f"To: {to}\n\ntext") == "No destination"


@pytest.mark.parametrize(
    "content", [b"echo text only\n", b"\n\njust body", b"to: 37060000000\n\nbody", b"\xff\xfe\x00", b"x"]
)
def test_a_file_without_to_has_no_destination(content: bytes) -> None:
    assert reason_of(content) == "No destination"


@pytest.mark.parametrize("content", ["To: 37060000000\n\n", "To: 37060000000\n", "To: 37060000000\nAlphabet: UCS2\n\n"])
def test_a_file_without_a_body_says_so(content: str) -> None:
    assert reason_of(content) == "No text or data"


def test_lines_may_end_as_on_windows() -> None:
    params = params_of(b"To: 37060000000\r\nFlash: yes\r\n\r\nHello crlf\r\n")
    assert (params["text"], params["message_class"]) == ("Hello crlf", 0)


def test_headers_need_no_space_and_other_lines_are_ignored() -> None:
    assert params_of("To:37060000000\nReport:yes\nfoo\n\nx")["report"] is True


def test_the_last_to_counts_as_in_smsd() -> None:
    assert params_of("To: 37060000000\nTo: 37060000009\n\nx")["to"] == "+37060000009"


def test_a_value_can_not_smuggle_in_a_header() -> None:
    assert params_of("From: a\x0bTo: 999\x85To: 998\nTo: 37060000000\n\nx")["to"] == "+37060000000"


@pytest.mark.parametrize("alphabet", ["", "Alphabet: ISO-8859-15\n", "Alphabet: Latin\n", "Alphabet: ansi\n"])
def test_eight_bit_text_is_utf_8_where_it_can_be(alphabet: str) -> None:
    header = f"To: 37060000000\n{alphabet}\n".encode()
    assert params_of(header + "ąčę €".encode())["text"] == "ąčę €"
    assert params_of(header + "äö €".encode("iso8859-15"))["text"] == "äö €"


def test_without_outgoing_utf8_text_is_iso() -> None:
    assert params_of("To: 37060000000\n\nä".encode(), Settings(outgoing_utf8=False))["text"] == "Ã€"
    assert params_of("To: 37060000000\nAlphabet: UTF-8\n\nä".encode(), Settings(outgoing_utf8=False))["text"] == "ä"


def test_gsm_text_is_one_septet_a_byte() -> None:
    params = params_of(b"To: 37060000000\nAlphabet: GSM\n\n\x00\x01\x1be x ")
    assert (params["text"], params["encoding"]) == ("@£€ x ", "gsm7")


def test_white_space_at_the_end_is_trimmed_but_not_in_unicode() -> None:
    assert params_of("To: 37060000000\n\nlead\n\n  x  \n\n  \n")["text"] == "lead\n\n  x"
    assert params_of("To: 37060000000\n\n  ")["text"] == "  "
    assert params_of("To: 37060000000\n\nx \n", Settings(trim_text=False))["text"] == "x \n"
    assert params_of(b"To: 37060000000\nAlphabet: UCS2\n\n\x00a\x00\n")["text"] == "a\n"


def test_unicode_with_a_stray_newline_byte_is_read_and_other_odd_bodies_are_not() -> None:
    header = b"To: 37060000000\nAlphabet: Unicode\n\n"
    assert params_of(header + b"\xfe\xff\x00a\x00b\n")["text"] == "ab"
    assert "odd number" in reason_of(header + b"\x00a\x00")
    assert params_of(header + b"\xd8\x3d\x00a")["text"] == "\N{REPLACEMENT CHARACTER}a"


def test_binary_begins_with_its_header_unless_told_otherwise() -> None:
    params = params_of(b"To: 37060000000\nAlphabet: binary\n\n\x03\x01\x01\xaa\x01\x02\n")
    assert base64.b64decode(params["udh"]) == b"\x01\x01\xaa"
    assert base64.b64decode(params["data"]) == b"\x01\x02\n"
    assert "split" not in params
    params = params_of(b"To: 37060000000\nAlphabet: binary\nUDH: no\n\n\x01\x02\x03\n")
    assert (base64.b64decode(params["data"]), params.get("udh")) == (b"\x01\x02\x03\n", None)
    assert "longer than the data" in reason_of(b"To: 37060000000\nAlphabet: binary\n\n\x20abc")


def test_the_wap_push_of_the_documentation_is_assembled() -> None:
    content = b"""To: 358401234567
Alphabet: binary
Hex: yes

// This is a sample Wap Push message:
06 : user Data Header Length (6 Octets)
05 04
0B 84 : push dest port (2948)
# WAP connectionless session service Protocol: WSP/Datagram:
23 F0 : push originator port (9200)
01 06
LENGTH // Headers Length will be placed to this position
AE : Push Header Content-Type
LENGTH // This stops the counting and places the number
02 45 C6 0D
INLINESTRING:xyz
STRING:ppaid/1
00 : End of string
"""
    params = params_of(content)
    assert base64.b64decode(params["udh"]).hex() == "05040b8423f0"
    assert base64.b64decode(params["data"]) == bytes.fromhex("0106 01AE 0245C60D 03") + b"xyz\0ppaid/1\0"


@pytest.mark.parametrize(
    ("body", "reason"), [("4", "line 1"), ("48 XX", "line 1"), ("LENGTH", "no second"), ("00\nzz", "line 2")]
)
def test_bad_hex_is_refused_with_its_line(body: str, reason: str) -> None:
    assert reason in reason_of(f"To: 37060000000\nHex: yes\n\n{body}")


def test_hex_makes_text_too() -> None:
    assert params_of("To: 37060000000\nHex: yes\n\n48 65 6C\n")["text"] == "Hel"


def test_a_user_data_header_may_stand_in_the_headers() -> None:
    params = params_of("To: 37060000000\nUDH-DATA: 06 05 04 0B 84 23 F0\n\nx")
    assert (base64.b64decode(params["udh"]).hex(), params["text"]) == ("05040b8423f0", "x")
    assert "length" in reason_of("To: 37060000000\nUDH-DATA: 05 00\n\nx")
    assert "hexadecimal" in reason_of("To: 37060000000\nUDH-DATA: zz\n\nx")


def test_single_headers_become_parameters() -> None:
    content = (
        "To: 37060000000\nPriority: High\nReplace: 3\nReject_duplicates: yes\nReply_path: on\nClass: 2\nReport: true\n"
        "Validity: 3 hours\nSMSC: 37069900099\n\nx"
    )
    assert params_of(content, Settings(on_unknown="resend", smsc_header=True)) == {
        "to": "+37060000000",
        "text": "x",
        "priority": "high",
        "replace_type": 3,
        "reject_duplicates": True,
        "reply_path": True,
        "message_class": 2,
        "report": True,
        "validity_s": 10800,
        "on_unknown": "resend",
        "smsc": "+37069900099",
    }


def test_wrong_values_of_single_headers_are_ignored_as_in_smsd() -> None:
    content = (
        "To: 37060000000\nPriority: urgent\nReplace: 9\nClass: 7\nFlash: maybe\nValidity: banana\nAutosplit: 9\n\nx"
    )
    assert params_of(content) == {"to": "+37060000000", "text": "x"}


@pytest.mark.parametrize(("words", "silent"), [("Ping: yes", True), ("Ping: no", None)])
def test_a_ping_is_silent_and_wants_a_report(words: str, silent: bool | None) -> None:
    params = params_of(f"To: 37060000000\n{words}\n\nx")
    assert (params.get("silent"), params.get("report")) == (silent, silent)


def test_a_system_message_is_silent_binary() -> None:
    params = params_of("To: 37060000000\nAlphabet: binary\nSystem_message: yes\n\nabc")
    assert (params["silent"], params["message_class"], base64.b64decode(params["data"])) == (True, 0, b"abc")
    assert "binary" in reason_of("To: 37060000000\nSystem_message: yes\n\nabc")
    assert "ToSIM" in reason_of("To: 37060000000\nAlphabet: binary\nSystem_message: ToSIM\n\nabc")


@pytest.mark.parametrize(("mode", "split"), [("1", "separate"), ("2", "numbered"), ("3", None)])
def test_autosplit_says_how_a_long_text_is_cut(mode: str, split: str | None) -> None:
    assert params_of(f"To: 37060000000\nAutosplit: {mode}\n\n{'x' * 500}").get("split") == split
    assert params_of(f"To: 37060000000\n\n{'x' * 500}", Settings(autosplit=int(mode))).get("split") == split


@pytest.mark.parametrize(
    ("text", "fits"),
    [("a" * 160, True), ("a" * 161, False), ("[" * 81, False), ("ą" * 70, True), ("ą" * 71, False), ("😀" * 36, False)],
)
def test_autosplit_0_refuses_what_smsd_would_cut_off(text: str, fits: bool) -> None:
    content = f"To: 37060000000\nAutosplit: 0\n\n{text}"
    if fits:
        assert "split" not in params_of(content)
    else:
        assert "Autosplit is 0" in reason_of(content)


@pytest.mark.parametrize("header", ["Text_is_pdu: yes", "DCS_hex: F4"])
def test_headers_that_would_send_something_else_are_refused(header: str) -> None:
    assert "not supported" in reason_of(f"To: 37060000000\n{header}\n\n0011")


def test_queues_name_lines_where_they_are_configured() -> None:
    settings = Settings(queues={"OTHER": "sim2"})
    assert params_of("To: 37060000000\nQueue: OTHER\n\nx", settings)["line"] == "sim2"
    assert params_of("To: 37060000000\nProvider: OTHER\n\nx", settings)["line"] == "sim2"
    assert "not configured" in reason_of("To: 37060000000\nQueue: NOPE\n\nx", settings)
    assert "line" not in params_of("To: 37060000000\nQueue: NOPE\n\nx")


def test_macros_are_replaced_in_text_and_in_binary() -> None:
    header = "To: 37060000000\nMacro: @A@=hello\nMacro: @B@=a=b\n"
    assert params_of(f"{header}\n@A@ @B@")["text"] == "hello a=b"
    params = params_of(f"{header}Alphabet: binary\nUDH: no\nHex: yes\n\nSTRING:@A@")
    assert base64.b64decode(params["data"]) == b"hello"


def test_an_included_file_brings_headers_and_body() -> None:
    def include(name: str) -> bytes:
        assert name == "push"
        return b"Flash: yes\nTo: 1\n\ninc @A@ text\n"

    wish = read_wish(b"To: 37060000000\nMacro: @A@=hello\nInclude: push\n\n", Settings(), include)
    assert isinstance(wish, SmsWish)
    assert (wish.params["to"], wish.params["text"], wish.params["message_class"]) == (
        "+37060000000",
        "inc hello text",
        0,
    )
    with pytest.raises(Malformed, match="include another"):
        read_wish(b"To: 37060000000\nInclude: push\n\n", Settings(), lambda name: b"Include: again\n\nx")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 300), ("143", 43200), ("144", 12 * 3600 + 1800), ("167", 86400), ("168", 2 * 86400), ("196", 30 * 86400),
        ("197", 5 * 604800), ("255", 63 * 604800), ("256", None), ("5 min", 300), ("1 min", 300), ("90 min", 5400),
        ("3 hours", 10800), ("2 days", 172800), ("1 week", 604800), ("1 month", 2592000), ("9 years", 63 * 604800),
        ("banana", None), ("", None), ("-1", None), ("1 parsec", None),
    ],
)  # fmt: skip
def test_validity_is_a_number_of_the_scheme_or_words(value: str, seconds: int | None) -> None:
    assert validity_s(value) == seconds


def test_validity_and_report_have_defaults_in_the_settings() -> None:
    params = params_of("To: 37060000000\n\nx", Settings(validity="1 day", request_report=True))
    assert (params["validity_s"], params["report"]) == (86400, True)
    assert params_of("To: 37060000000\nReport: no\n\nx", Settings(request_report=True))["report"] is False


@pytest.mark.parametrize(
    ("body", "wish"),
    [
        ("TONE: 1 1,2", CallWish("+37060000000", "12", 1)),
        ("TONE: 1,2,3", CallWish("+37060000000", "123", 3)),
        ("TONE:   5   #,#,#", CallWish("+37060000000", "###", 5)),
        ("TONE:", CallWish("+37060000000", "1234567890", 3)),
        ("TONE:   TIME:   15   2   #\n", CallWish("+37060000000", "#", 2, 15)),
    ],
)
def test_a_voice_call_presses_tones(body: str, wish: CallWish) -> None:
    assert wish_of(f"To: 37060000000\nVoicecall: yes\n\n{body}") == wish


@pytest.mark.parametrize("body", ["hello", "TONE: 1;2", "TONE: 99 1", "TONE: TIME: 9999 1", "TONE: " + "1," * 100])
def test_a_voice_call_with_other_text_is_refused(body: str) -> None:
    assert "Voicecall" in reason_of(f"To: 37060000000\nVoicecall: yes\n\n{body}")


# --- the format itself


def test_new_headers_go_before_the_empty_line_as_smsd_writes_them() -> None:
    added = [("Modem", "GSM1"), ("Failed", "26-11-21 10:36:48")]
    assert add_headers(b"To: 1\n\nbody\n", added) == b"To: 1\nModem: GSM1\nFailed: 26-11-21 10:36:48\n\nbody\n"
    assert add_headers(b"echo text only\n", added) == b"echo text only\nModem: GSM1\nFailed: 26-11-21 10:36:48\n"
    assert add_headers(b"\n\njust body", added) == b"Modem: GSM1\nFailed: 26-11-21 10:36:48\n\n\njust body"
    assert add_headers(b"x", [("Fail_reason", "a\nTo: 2\r\n\nb")]) == b"x\nFail_reason: a To: 2 b\n"


pieces = st.lists(
    st.sampled_from([b"To: 1", b"\n", b"\r\n", b"\r", b"Hex: yes", b"\xff", b":", b"Alphabet: UCS2", b"0"])
)
contents = st.one_of(st.binary(max_size=200), pieces.map(b"".join))


@given(contents)
def test_added_headers_change_nothing_else(content: bytes) -> None:
    before, after = read_message(content), read_message(add_headers(content, [("A", "1"), ("B", "2")]))
    assert after.headers == (*before.headers, ("A", "1"), ("B", "2"))
    assert after.body == before.body


words = st.sampled_from(
    ["Hex: yes", "Alphabet: UCS2", "Alphabet: binary", "Alphabet: GSM", "UDH: no", "Voicecall: yes", "Ping: yes",
     "UDH-DATA: 0102", "Autosplit: 0", "Macro: a=b", "Validity: 9 min", "System_message: 1", "Queue: x"]
)  # fmt: skip


@given(st.lists(words), contents)
def test_any_file_is_a_wish_or_has_a_reason(headers: list[str], body: bytes) -> None:
    content = "\n".join(["To: 37060000000", *headers, "", ""]).encode() + body
    try:
        wish = wish_of(content)
    except Malformed as problem:
        assert str(problem)
    else:
        assert (
            isinstance(wish, CallWish) or ("text" in wish.params) != ("data" in wish.params) or "Ping: yes" in headers
        )


@given(st.text(alphabet=[character for character in GSM if character != "\x1b"] + list(GSM_EXTENSION.values())))
def test_gsm_text_comes_back_as_it_was(text: str) -> None:
    septets = encode_gsm(text)
    assert septets is not None and decode_gsm(septets) == text


def test_the_gsm_alphabet_has_its_128_places() -> None:
    assert len(GSM) == 128 and len(set(GSM)) == 128
    assert encode_gsm("ą") is None and fits_one("ą" * 67, ucs2=True, udh_octets=6)


@given(st.binary(max_size=50))
def test_any_bytes_are_some_gsm_text(octets: bytes) -> None:
    decode_gsm(octets)


@pytest.mark.parametrize(
    "raw",
    [
        {"outgoing": "x", "checked": "x"},
        {"device": ""},
        {"device": "a/b"},
        {"devices": {"sim": "../x"}},
        {"unknown_key": 1},
        {"autosplit": 4},
        {"file_mode": "999"},
    ],
)
def test_wrong_settings_are_named(raw: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="spool.toml"):
        parse_settings(raw, "spool.toml")


def test_the_example_configuration_holds_the_defaults_and_names_every_key() -> None:
    path = Path(__file__).parent.parent.parent / "docs/spool.example.toml"
    assert read_settings(path) == Settings()
    text = path.read_text()
    assert [key for key in Settings.__struct_fields__ if not re.search(rf"^(# )?{key} = ", text, re.M)] == []
    commented = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.M)
    assert parse_settings(tomllib.loads(commented), "the example") != Settings()
