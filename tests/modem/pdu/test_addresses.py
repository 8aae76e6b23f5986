"""Addresses of TPDUs (TS 23.040 §9.1.2.5) and of service centres."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modem.pdu import Address, PduError, Ton, gsm7, join_pdu, split_pdu
from core.modem.pdu.address import DIGITS, read_address, read_smsc, write_address, write_smsc

DIGIT_TONS = [ton for ton in Ton if ton is not Ton.ALPHANUMERIC]
NAME_LETTERS = [character for character, septets in gsm7.codes().items() if len(septets) == 1]
NAMES = st.text(NAME_LETTERS, min_size=1, max_size=11).filter(lambda name: not (len(name) == 8 and name[-1] == "@"))
NUMBERS = st.builds(Address, st.text(DIGITS, max_size=20), st.sampled_from(DIGIT_TONS), st.integers(0, 15))
ADDRESSES = NUMBERS | st.builds(Address, NAMES, st.just(Ton.ALPHANUMERIC), st.integers(0, 15))


@given(ADDRESSES)
def test_an_address_survives_its_octets(address: Address) -> None:
    octets = write_address(address)
    assert len(octets) <= 12
    assert read_address(b"\0" + octets + b"\xff", 1) == (address, 1 + len(octets))


@given(NUMBERS)
def test_a_service_centre_survives_its_octets(address: Address) -> None:
    octets = write_smsc(address)
    found, end = read_smsc(octets + b"\xff")
    assert end == len(octets)
    assert found == (address if address.number else None)


@given(st.binary(max_size=140), st.integers(0, 20))
def test_any_octets_are_an_address_or_an_error(octets: bytes, at: int) -> None:
    try:
        address, end = read_address(octets, at)
    except PduError:
        return
    assert end <= len(octets)
    assert len(address.number) <= 255


@given(st.binary(max_size=140))
def test_any_octets_have_a_service_centre_or_none_or_are_an_error(octets: bytes) -> None:
    try:
        _, end = read_smsc(octets)
    except PduError:
        return
    assert end <= len(octets)


@pytest.mark.parametrize(
    ("address", "octets"),
    [
        (Address.of("+46708251358"), "0B916407281553F8"),
        (Address.of("80123"), "05810821F3"),
        (Address("44", Ton.NATIONAL, 1), "02A144"),
        (Address("*100#", Ton.UNKNOWN, 1), "05811A00FB"),
        (Address("abc", Ton.SUBSCRIBER, 8), "03C8DCFE"),
        (Address("FONIC", Ton.ALPHANUMERIC, 0), "09D0C6A7333904"),
        (Address("Vodafone", Ton.ALPHANUMERIC, 0), "0ED0D637396C7EBBCB"),
    ],
)
def test_addresses_are_written_as_the_specification_says(address: Address, octets: str) -> None:
    assert write_address(address).hex().upper() == octets


def test_a_name_of_seven_letters_may_announce_room_for_eight() -> None:
    octets = write_address(Address("ABCDEFG", Ton.ALPHANUMERIC, 0))
    assert octets[0] == 13
    assert read_address(b"\x0e" + octets[1:], 0)[0].number == "ABCDEFG"


def test_a_filler_ends_a_number_that_announces_more() -> None:
    assert read_address(bytes.fromhex("0A81214365F7FF"), 0)[0].number == "1234567"


def test_the_bits_of_a_type_are_read() -> None:
    address, _ = read_address(bytes.fromhex("04B98100"), 0)
    assert address == Address("1800", Ton.NETWORK, 9)


@pytest.mark.parametrize(
    "address",
    [
        Address("1" * 21),
        Address("12x4"),
        Address("+44"),
        Address("١٢٣"),
        Address("TwelveLetters", Ton.ALPHANUMERIC),
        Address("Ünïcødé✓", Ton.ALPHANUMERIC),
        Address("77", Ton.UNKNOWN, 16),
    ],
)
def test_what_is_no_address_is_an_error_that_does_not_repeat_it(address: Address) -> None:
    with pytest.raises(PduError) as caught:
        write_address(address)
    assert address.number not in str(caught.value)


@pytest.mark.parametrize("pdu", ["", "zz", "0", "00", "07", "0791", "0811111111", "00 zz", "é"])
def test_a_line_that_is_no_pdu_is_an_error(pdu: str) -> None:
    with pytest.raises(PduError):
        split_pdu(pdu)


@pytest.mark.parametrize("pdu", ["0004", "0104"])
def test_a_service_centre_may_be_missing(pdu: str) -> None:
    assert split_pdu(pdu + "05")[0] is None


def test_a_pdu_without_a_service_centre_says_zero() -> None:
    assert join_pdu(b"\x01\xab") == "0001AB"
    assert join_pdu(b"\x01\xab", "4477") == "0381447701AB"
    with pytest.raises(PduError):
        join_pdu(b"\x01", "not a number")
