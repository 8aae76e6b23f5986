"""Templates, speeds and audio of speech services: pure, and laws where there are some."""

import json
import struct
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media.cloud_audio import NotAudio, PcmStream, decode_file, is_file
from core.media.cloud_prosody import FACTORS, SEMITONES, percent, semitones, speakable, speed_factor
from core.media.cloud_template import fill_body, fill_header, fill_url, template_problem
from tests.media.engines.servers import encoded, tone, wav

VALUES = st.fixed_dictionaries({"text": st.text(max_size=60), "voice": st.text(max_size=20)})


@given(VALUES)
def test_a_json_template_is_json_whatever_is_said(values: dict[str, str]) -> None:
    filled = fill_body('{"a": "{text}", "b": ["{voice}"]}', values, "application/json; charset=utf-8")
    assert json.loads(filled) == {"a": values["text"], "b": [values["voice"]]}
    assert fill_body('{"a": "{text}"}', values, "") == fill_body('{"a": "{text}"}', values, "text/x+json")


@given(VALUES)
def test_a_form_and_a_url_keep_what_is_said_in_its_place(values: dict[str, str]) -> None:
    filled = fill_body("a={text}&b={voice}", values, "application/x-www-form-urlencoded")
    assert parse_qs(filled, keep_blank_values=True) == {"a": [values["text"]], "b": [values["voice"]]}
    url = fill_url("https://tts.example/{voice}/say?t={text}", values)
    assert url.count("/") == 4 and url.count("?") == 1 and "#" not in url and url.isascii()
    assert unquote(url.rpartition("?t=")[2]) == values["text"]


@given(VALUES)
def test_an_xml_template_is_xml_whatever_is_said(values: dict[str, str]) -> None:
    document = ElementTree.fromstring(fill_body('<a b="{voice}">{text}</a>', values, "text/xml").encode())
    assert list(document) == [] and set(document.attrib) == {"b"}


@given(VALUES)
def test_a_header_stays_one_line(values: dict[str, str]) -> None:
    filled = fill_header("X {text} {voice}", values)
    assert filled.isascii() and filled.isprintable()


def test_what_is_put_in_is_not_looked_at_again() -> None:
    values = {"text": "{key} {voice}", "voice": "{text}", "key": "secret"}
    assert "secret" not in fill_body('{"t": "{text}", "v": "{voice}"}', values, "application/json")
    assert fill_body("{text}{nothing}{ text}", {"text": "x"}, "text/plain") == "x{nothing}{ text}"
    assert fill_body("{text}", {}, "text/plain") == ""


def test_half_a_pair_of_surrogates_is_a_question_mark() -> None:
    assert fill_body("{text}", {"text": "a\ud800b"}, "text/plain") == "a?b"
    assert fill_url("https://a.example/{text}", {"text": "\ud800"}) == "https://a.example/%3F"


def test_the_host_of_a_template_is_written_out() -> None:
    assert template_problem("https://tts.example/{voice}?t={text}") is None
    assert template_problem("https://{voice}.example/") is not None
    assert template_problem("http://[::1") is not None


@pytest.mark.parametrize(
    ("said", "factor"),
    [
        ({}, 1.0),
        ({"rate": "0%"}, 1.0),
        ({"rate": "+20%"}, 1.2),
        ({"rate": "-50%"}, 0.5),
        ({"speed": "1.25"}, 1.25),
        ({"speed": "1,25"}, 1.25),
        ({"speed": "1.5", "rate": "-50%"}, 1.5),
        ({"speed": " Slow "}, 0.64),
        ({"speed": "x-fast"}, 2.0),
        ({"speed": "0"}, 1.0),
        ({"speed": "-3"}, 1.0),
        ({"speed": "brisk"}, 1.0),
        ({"speed": "9999"}, 4.0),
        ({"speed": "2st"}, 1.0),
        ({"speed": ""}, 1.0),
    ],
)
def test_speeds_in_every_spelling(said: dict[str, str], factor: float) -> None:
    assert speed_factor(165, said) == pytest.approx(factor)


def test_words_a_minute_and_a_speed_multiply() -> None:
    assert speed_factor(330, {"speed": "0.5"}) == pytest.approx(1.0)
    assert percent(1.2) == "+20.0%" and percent(0.5) == "-50.0%" and percent(1.0) == "+0.0%"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", 0),
        ("0%", 0),
        ("+2st", 2),
        ("-3", -3),
        ("100%", 12),
        ("-50%", -12),
        ("x-high", 6.43),
        ("50Hz", 0),
        ("-100%", -20),
    ],
)
def test_pitches_in_every_spelling(said: str, expected: float) -> None:
    assert semitones({"pitch": said}) == pytest.approx(expected, abs=0.01)


@given(st.text(), st.text(), st.integers(80, 450))
def test_any_spelling_stays_within_bounds(speed: str, pitch: str, speed_wpm: int) -> None:
    assert FACTORS[0] <= speed_factor(speed_wpm, {"speed": speed}) <= FACTORS[1]
    assert SEMITONES[0] <= semitones({"pitch": pitch}) <= SEMITONES[1]


def test_what_has_no_letter_digit_or_sign_is_not_said() -> None:
    assert all(map(speakable, ("a", "1", "€", "+", "你", "😀")))
    assert not any(map(speakable, ("", " \n", "...", "—", "\0", "\ud800")))


@given(st.binary(max_size=400).filter(lambda pcm: not b"RIFF".startswith(pcm[:4])), st.data())
def test_raw_pcm_is_itself_however_it_is_cut(pcm: bytes, data: st.DataObject) -> None:
    stream = PcmStream(8000)
    heard = _fed(stream, pcm, data)
    assert heard == pcm[: len(pcm) // 2 * 2]
    assert stream.odd == bool(len(pcm) % 2) and not stream.short and stream.rate_hz == 8000


@given(
    st.binary(max_size=400).map(lambda pcm: pcm[: len(pcm) // 2 * 2]), st.sampled_from([None, 0, 0xFFFFFFFF]), st.data()
)
def test_wav_is_its_samples_however_it_is_cut(pcm: bytes, data_bytes: int | None, data: st.DataObject) -> None:
    stream = PcmStream(8000)
    trailer = b"LIST\x04\0\0\0more" if data_bytes is None and pcm else b""
    assert _fed(stream, wav(pcm, 22050, data_bytes=data_bytes) + trailer, data) == pcm
    assert stream.rate_hz == 22050 and not stream.odd and not stream.short


def _fed(stream: PcmStream, content: bytes, data: st.DataObject) -> bytes:
    heard = bytearray()
    while content:
        size = data.draw(st.integers(1, len(content)))
        samples = stream.feed(content[:size])
        assert len(samples) % 2 == 0
        heard += samples
        content = content[size:]
    return bytes(heard) + stream.end()


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_say_that_they_are_no_audio(rest: bytes) -> None:
    stream = PcmStream(8000)
    try:
        stream.feed(b"RIFF\0\0\0\0WAVE" + rest)
        stream.end()
    except NotAudio:
        pass


@pytest.mark.parametrize(
    "head",
    [
        b"RIFF\0\0\0\0AVI ",
        b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0abcd" + bytes(12),
        b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 8000, 32000, 4, 16),
        b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8),
        b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 7, 1, 8000, 8000, 1, 16),
        b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 1, 2, 2, 16),
        b"RIFF\0\0\0\0WAVELIST" + struct.pack("<I", 10_000_000),
    ],
)
def test_wav_that_no_line_can_use_is_refused(head: bytes) -> None:
    with pytest.raises(NotAudio):
        PcmStream(8000).feed(head)


def test_wav_that_ends_early_says_so() -> None:
    stream = PcmStream(8000)
    assert stream.feed(wav(bytes(100), 8000)[:-10]) == bytes(90)
    assert stream.short
    with pytest.raises(NotAudio):
        empty = PcmStream(8000)
        empty.feed(b"RIFF\0\0")
        empty.end()


@pytest.mark.parametrize("kind", ["ogg", "mp3"])
def test_files_are_decoded_at_their_own_rate(kind: str) -> None:
    pcm, rate_hz = decode_file(encoded(tone("hello", 22050), 22050, kind), most_s=10)
    assert rate_hz == 22050
    assert len(pcm) / 2 / rate_hz == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize(
    "data", [b"", b"x", b"RIFF", b"OggS" + bytes(50), b"ID3\4\0\0\0\0\0\0", b"\xff\xfb\x90\0", b"<html>"]
)
def test_what_is_no_file_is_not_decoded(data: bytes) -> None:
    with pytest.raises(NotAudio):
        decode_file(data, most_s=10)


def test_files_are_told_from_pcm_by_their_first_bytes() -> None:
    assert is_file(b"ID3\4") and is_file(b"\xff\xfb\x90\0") and is_file(b"OggS") and is_file(b"RIFF")
    assert not is_file(bytes(10)) and not is_file(b"\xff\xf9\x90") and not is_file(b"")


def test_a_long_file_is_not_decoded_to_its_end() -> None:
    with pytest.raises(NotAudio):
        decode_file(encoded(bytes(16000 * 20), 8000, "ogg"), most_s=5)
