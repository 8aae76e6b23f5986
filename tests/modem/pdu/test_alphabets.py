"""TS 23.038: septets, the default alphabet with its extension, and the national tables of Annex A."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modem.pdu import gsm7
from core.modem.pdu.shifts import EXTENSION, LOCKING, SINGLE

TABLES = json.loads((Path(__file__).parent / "vectors" / "alphabets.json").read_text())
LANGUAGES = [int(ident) for ident in TABLES if ident.isdecimal()]


def test_ten_letters_are_nine_octets() -> None:
    septets = gsm7.encode("hellohello")
    assert septets == b"hellohello"
    assert gsm7.pack(septets).hex().upper() == "E8329BFD4697D9EC37"
    assert gsm7.unpack(bytes.fromhex("E8329BFD4697D9EC37"), 10) == septets


@given(st.binary(max_size=255), st.integers(0, 7))
def test_unpacking_packed_septets_gives_them_again(octets: bytes, skip_bits: int) -> None:
    septets = bytes([octet & 127 for octet in octets])
    packed = gsm7.pack(septets, skip_bits)
    assert len(packed) == (len(septets) * 7 + skip_bits + 7) // 8
    assert gsm7.unpack(packed, len(septets), skip_bits) == septets


@given(st.binary(max_size=40), st.integers(0, 7))
def test_packing_follows_the_figure_of_the_specification(octets: bytes, skip_bits: int) -> None:
    """TS 23.038 §6.1.2.1.1: the bits of the septets follow one another from the lowest bit of the first octet on."""
    septets = bytes([octet & 127 for octet in octets])
    bits = "0" * skip_bits + "".join([f"{septet:07b}"[::-1] for septet in septets])
    bits += "0" * (-len(bits) % 8)
    assert gsm7.pack(septets, skip_bits) == bytes([int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8)])


@given(st.binary(max_size=30), st.integers(-5, 255), st.integers(0, 7))
def test_unpacking_more_than_there_is_gives_what_there_is(octets: bytes, count: int, skip_bits: int) -> None:
    most = max(0, (len(octets) * 8 - skip_bits) // 7)
    assert len(gsm7.unpack(octets, count, skip_bits)) == max(0, min(count, most))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tables_are_those_of_annex_a(language: int) -> None:
    published = TABLES[str(language)]
    if "locking" in published:
        assert LOCKING[language] == "".join(published["locking"])
    else:
        assert language not in LOCKING
    cells = "".join(published["single"])
    assert SINGLE[language] == {septet: cell for septet, cell in enumerate(cells) if cell != "\ufffd"}


@pytest.mark.parametrize("single", LANGUAGES)
@pytest.mark.parametrize("locking", LANGUAGES)
def test_every_character_of_every_pair_of_tables_survives(locking: int, single: int) -> None:
    text = "".join(gsm7.codes(locking, single))
    septets = gsm7.encode(text, locking, single)
    assert septets is not None
    assert gsm7.decode(septets, locking, single) == (text, True)


def test_the_default_alphabet_has_127_characters_and_10_more_behind_escapes() -> None:
    sizes = [len(septets) for septets in gsm7.codes().values()]
    assert (sizes.count(1), sizes.count(2)) == (127, 10)
    assert set(EXTENSION.values()) == set("\f^{}\\[~]|€")


@pytest.mark.parametrize("text", ["ç", "`", "“quoted”", "Привет", "😀", "\x00", "\t"])
def test_what_the_alphabet_lacks_is_not_encoded(text: str) -> None:
    assert gsm7.encode(text) is None


def test_an_escape_before_a_septet_that_the_extension_lacks_gives_the_main_character() -> None:
    assert gsm7.decode(b"\x1bA\x1b\x65") == ("A€", False)


def test_two_escapes_are_a_space() -> None:
    assert gsm7.decode(b"a\x1b\x1bb") == ("a b", False)


def test_an_escape_at_the_end_is_a_space() -> None:
    assert gsm7.decode(b"ab\x1b") == ("ab ", False)


def test_a_language_without_a_table_reads_as_the_default_alphabet() -> None:
    assert gsm7.decode(b"\x00\x1b\x65", 2, 99) == ("@€", True)
    assert gsm7.encode("@€", 2, 99) == b"\x00\x1b\x65"


def test_a_septet_without_a_character_shows_as_one() -> None:
    assert gsm7.decode(b"\x0d\x0e", locking=4) == ("\r\ufffd", False)


def test_a_character_that_a_table_has_twice_is_written_with_the_lower_septet() -> None:
    assert gsm7.encode("*¡", locking=4, single=4) == b"\x1b\x0b\x1b\x13"
    assert gsm7.decode(b"\x1b\x18\x1b\x15", locking=4, single=4) == ("*¡", True)


def test_turkish_words_read_with_its_tables() -> None:
    septets = gsm7.encode("ışığı Şişli, İĞ", locking=1, single=1)
    assert septets is not None
    assert len(septets) == 15
    assert gsm7.decode(septets, 1, 1) == ("ışığı Şişli, İĞ", True)
    shifted = gsm7.encode("ığŞİ", single=1)
    assert shifted == b"\x1b\x69\x1b\x67\x1b\x53\x1b\x49"
