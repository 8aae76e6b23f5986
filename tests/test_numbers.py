"""Numbers as parties: one key for one party, what may be an SMS address, what costs more."""

import re
import subprocess
import sys

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import EmergencyDenied, NotDialable, PublicError
from core.mcc import REGION_OF_MCC
from core.modem.pdu.model import Address, Ton
from core.numbers import (
    behind_selection,
    is_emergency,
    is_premium,
    known_region,
    peer_key,
    preload,
    region_of_imsi,
    sms_address,
    spellings,
)

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
regions = st.none() | st.sampled_from(REGIONS)
digits = st.text("0123456789", min_size=1, max_size=20)
anything = st.text(max_size=24) | digits | digits.map(lambda text: f"+{text}") | st.from_regex(r"[0-9*#+ ]{1,12}")


@pytest.mark.parametrize(
    "spelling",
    [
        "+447700900123",
        "+44 7700 900-123",
        "+44 (0)7700 900123",
        "\u202a+44\u00a07700\u00a0900\u2011123\u202c",
        "00447700900123",
        "07700900123",
        "07700 900/123",
        "7700900123",
        "447700900123",
    ],
)
def test_every_spelling_of_a_number_gives_one_key(spelling: str) -> None:
    assert peer_key(spelling, "GB") == "+447700900123"


@pytest.mark.parametrize(
    ("number", "region", "key"),
    [
        ("011447700900123", "US", "+447700900123"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("1-202-555-0123", "US", "+12025550123"),
        ("061234567", "IT", "+39061234567"),  # the 0 belongs to the number there
        ("89161234567", "RU", "+79161234567"),  # the trunk prefix is 8 there
        ("0800 1111", "GB", "+448001111"),
        ("87112345", "NO", "+4787112345"),
        ("02079460000", None, "02079460000"),  # nobody knows the country
        ("+999123456", "GB", "+999123456"),  # no such country; still no number of ours
        ("9994567890", None, "9994567890"),
        ("+4980123", "DE", "+4980123"),
    ],
)
def test_numbers_are_read_as_in_the_region_and_kept_as_they_are_where_that_is_unknown(
    number: str, region: str | None, key: str
) -> None:
    assert peer_key(number, region) == key


@pytest.mark.parametrize(("code", "region"), [("1962793", "AU"), ("59021238", "IN"), ("10632209", "CN")])
def test_long_short_codes_are_known_by_the_plan_of_their_country(code: str, region: str) -> None:
    assert peer_key(code, region) == code


@pytest.mark.parametrize("region", [None, "GB", "DE", "NO", "US", "FR", "SH"])
@pytest.mark.parametrize("code", ["80123", "112", "150", "2*1#", "*100#", "898882"])
def test_short_codes_stay_as_they_are_in_every_country(code: str, region: str | None) -> None:
    assert peer_key(code, region) == code


def test_the_type_of_number_stands_for_a_plus_that_the_network_left_out() -> None:
    assert peer_key("447700900123", None, international=True) == "+447700900123"
    assert peer_key("447700900123", "US", international=True) == "+447700900123"
    assert peer_key("+447700900123", "US", international=True) == "+447700900123"
    assert peer_key("80123", "GB", international=False) == "80123"


@pytest.mark.parametrize("name", ["O2-UK", "o2-uk ", " O2-uk", "name:o2-uk"])
def test_names_of_senders_are_one_party_however_they_are_capitalised_and_never_a_number(name: str) -> None:
    assert peer_key(name, "GB") == "name:o2-uk"


def test_a_name_keeps_what_tells_it_from_another_and_an_empty_one_is_empty() -> None:
    assert peer_key("Bank  of\tX") == "name:bank of x"
    assert peer_key("Straße") == peer_key("STRASSE") == "name:strasse"
    assert peer_key("A1") == "name:a1"
    assert peer_key("") == peer_key("  ") == ""


@example("+2700447215397", None)  # two trunk prefixes
@given(anything, regions)
def test_a_key_is_its_own_key(text: str, region: str | None) -> None:
    key = peer_key(text, region)
    assert peer_key(key, region) == key
    if key.startswith("+"):
        assert peer_key(key, None) == key, "E.164 needs no region"


@pytest.mark.parametrize("region", [region for region in REGIONS if region != "SH"])
def test_numbers_of_every_country_and_kind_have_one_key_at_home_and_abroad(region: str) -> None:
    """Saint Helena is left out: all its numbers are as short as short codes, and are kept as those."""
    for kind in range(9):  # PhoneNumberType, from fixed line to voicemail
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            continue
        form = phonenumbers.PhoneNumberFormat
        key = phonenumbers.format_number(example, form.E164)
        for written in (form.E164, form.INTERNATIONAL, form.NATIONAL):
            spelling = phonenumbers.format_number(example, written)
            assert peer_key(spelling, region) == key
            assert {key, f"00{key[1:]}"} <= set(spellings(spelling, region))


@given(
    st.text("0123456789", min_size=1, max_size=12), st.integers(0, 11), st.sampled_from(" -/.()\u00a0\u2011"), regions
)
def test_separators_never_change_a_key(number: str, at: int, separator: str, region: str | None) -> None:
    assert peer_key(number[:at] + separator + number[at:], region) == peer_key(number, region)


@pytest.mark.parametrize(
    ("text", "number_type", "address"),
    [
        ("+44 7700 900-123", None, Address("447700900123", Ton.INTERNATIONAL)),
        ("07700900123", None, Address("07700900123", Ton.UNKNOWN)),
        ("447700900123", "international", Address("447700900123", Ton.INTERNATIONAL)),
        ("7700900123", "national", Address("7700900123", Ton.NATIONAL)),
        ("80123", None, Address("80123", Ton.UNKNOWN)),
        ("80123", "short", Address("80123", Ton.UNKNOWN)),
        ("+447700900123", "unknown", Address("447700900123", Ton.UNKNOWN)),
        ("1" * 20, None, Address("1" * 20, Ton.UNKNOWN)),
    ],
)
def test_short_messages_go_to_numbers_and_short_codes(text: str, number_type: str | None, address: Address) -> None:
    assert sms_address(text, number_type, "GB") == address  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "number_type"),
    [("", None), ("+", None), ("12", None), ("+1234", None), ("+0447700900123", None), ("1" * 21, None), ("abc", None),
     ("Vodafone", None), ("*100#", None), ("**21*123#", None), ("2*1#", None), ("+44770090012;", None),
     ("447700\n900123", None), ("١٢٣٤٥", None), ("+447700900123", "national"), ("+44123", "short"),
     ("123456789", "short"), ("++447700900123", None)],
)  # fmt: skip
def test_what_is_no_address_of_a_short_message_is_refused_and_not_repeated(text: str, number_type: str | None) -> None:
    with pytest.raises(NotDialable) as refused:
        sms_address(text, number_type, "GB")  # type: ignore[arg-type]
    assert len(text) < 3 or text not in refused.value.message


@given(anything, regions)
def test_whatever_is_an_address_is_3_to_20_digits(text: str, region: str | None) -> None:
    try:
        found = sms_address(text, None, region)
    except PublicError:
        return
    assert re.fullmatch(r"[0-9]{3,20}", found.number, re.ASCII)
    assert peer_key(found.text, region) == peer_key(text, region)


@pytest.mark.parametrize(
    ("number", "region"), [("112", None), ("1 1 2", None), ("999", "US"), ("15", None), ("111", "NZ")]
)
def test_emergency_numbers_are_those_known_everywhere_and_those_of_the_region(number: str, region: str | None) -> None:
    assert is_emergency(number, region)
    if len(number) > 2:
        with pytest.raises(EmergencyDenied):
            sms_address(number, None, region)
        allowed = sms_address(number, None, region, emergency="allow")
        assert allowed.number == number.replace(" ", "")


def test_numbers_that_only_begin_like_an_emergency_number_are_none() -> None:
    assert not is_emergency("112233", "GB") and not is_emergency("+447700900123", "GB")
    assert not is_emergency("111", "GB"), "New Zealand's is Britain's medical advice"


@pytest.mark.parametrize(
    ("number", "region"),
    [
        ("+449061234567", None),
        ("09061234567", "GB"),
        ("00449061234567", "DE"),
        ("+19005551234", None),
        ("+8816 1234 5678", None),
        ("+88299012345", "GB"),
        ("+883510012345", None),
        ("+870773111632", None),
        ("+9791234567891", None),
        ("81234", "FR"),  # a short code whose price the plan knows
    ],
)
def test_premium_and_satellite_numbers_are_known_for_what_they_are(number: str, region: str | None) -> None:
    assert is_premium(number, region)


@pytest.mark.parametrize(
    ("number", "region"),
    [("+447700900123", "GB"), ("07911123456", "GB"), ("112", "GB"), ("08001111", "GB"), ("80123", "GB"),
     ("09061234567", None), ("name:x", "GB"), ("", "GB"), ("2*1#", "GB")],
)  # fmt: skip
def test_ordinary_numbers_and_unknown_ones_are_not_premium(number: str, region: str | None) -> None:
    assert not is_premium(number, region)


@pytest.mark.parametrize(
    ("number", "region", "found"),
    [
        ("14109061234567", "GB", "+449061234567"),
        ("141 00 44 9061234567", "GB", "+449061234567"),
        ("1010288 1 900 555 1234", "US", "+19005551234"),
        ("1010288 011 44 906 1234567", "US", "+449061234567"),
        ("1234 00 44 906 1234567", "HU", "+449061234567"),
    ],
)
def test_a_carrier_or_privacy_prefix_does_not_hide_a_number(number: str, region: str, found: str) -> None:
    assert found in behind_selection(number, region)


@pytest.mark.parametrize("number", ["+449061234567", "07911123456", "07908001111", "07700900123", "80123", "2*1#", ""])
def test_nothing_stands_behind_numbers_that_are_whole(number: str) -> None:
    assert list(behind_selection(number, "GB")) == []
    assert list(behind_selection(number, None)) == []


def test_patterns_meet_the_ways_people_write_a_number_at_home_and_abroad() -> None:
    assert set(spellings("+449061234567", "GB")) == {"+449061234567", "00449061234567", "09061234567"}
    assert set(spellings("+449061234567", "FR")) == {"+449061234567", "00449061234567"}
    assert "2025550123" in spellings("+12025550123", "US") and "12025550123" in spellings("+12025550123", "US")
    assert spellings("80123", "GB") == ("80123",)


def test_the_country_of_a_sim_is_in_its_imsi() -> None:
    assert region_of_imsi("234159876543210") == "GB" and region_of_imsi("262011234567890") == "DE"
    assert region_of_imsi("001010123456789") is None and region_of_imsi(None) is None and region_of_imsi("") is None


def test_every_mobile_country_code_stands_once_and_names_a_country_with_a_numbering_plan() -> None:
    assert all(re.fullmatch("[2-7][0-9]{2}", mcc) for mcc in REGION_OF_MCC)
    assert len(REGION_OF_MCC) == 237
    assert [region for region in REGION_OF_MCC.values() if not known_region(region)] == []
    assert not known_region("UK")


def test_numbering_plans_are_not_loaded_before_they_are_needed() -> None:
    code = (
        "import sys, core.guard, core.rpc.api.guard\n"
        "assert 'phonenumbers' not in sys.modules\n"
        "from core.numbers import peer_key, preload\n"
        "assert peer_key('80123') == '80123' and peer_key('Bank') == 'name:bank'\n"
        "assert 'phonenumbers' not in sys.modules, 'without a region there is nothing to look up'\n"
        "preload('GB')\n"
        "assert 'phonenumbers.data.region_GB' in sys.modules and 'phonenumbers.shortdata.region_GB' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr


def test_preloading_an_unknown_region_does_no_harm() -> None:
    preload("UK", "GB")
    assert peer_key("07700900123", "UK") == "07700900123"
    assert not is_premium("09061234567", "UK") and not is_emergency("111", "UK")
    assert list(behind_selection("14109061234567", "UK")) == []
