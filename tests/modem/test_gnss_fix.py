"""Sentences and answers as positions: what real receivers send, what they should not, and any bytes at all."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.line import LineFix
from core.modem.gnss_fix import NO_FIX, FixMerger, cgpsinfo

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC).timestamp()


def sentence(body: str) -> str:
    check = 0
    for char in body:
        check ^= ord(char)
    return f"${body}*{check:02X}"


def gga(at: str = "120000.0", *, quality: int = 1, altitude: str = "34.5", talker: str = "GP") -> str:
    return sentence(f"{talker}GGA,{at},5231.200000,N,01324.300000,E,{quality},08,0.9,{altitude},M,0.0,M,,")


def rmc(at: str = "120000.0", *, status: str = "A", speed: str = "10.0", rest: str = ",,A", talker: str = "GP") -> str:
    return sentence(f"{talker}RMC,{at},{status},5231.200000,N,01324.300000,E,{speed},87.5,211126{rest}")


def gsa(mode: int, talker: str = "GP") -> str:
    return sentence(f"{talker}GSA,A,{mode},02,05,,,,,,,,,,,1.5,0.9,1.2")


def fed(*sentences: str) -> list[LineFix]:
    merger = FixMerger()
    return [fix for one in sentences if (fix := merger.feed(one)) is not None]


def test_gga_and_rmc_of_one_instant_make_one_fix() -> None:
    assert fed(gsa(3), gga(), sentence("GPVTG,NaN,T,,M,0.0,N,0.0,K,N"), rmc()) == [
        LineFix(
            latitude=52.52,
            longitude=13.405,
            altitude_m=34.5,
            speed_mps=5.144,
            course_deg=87.5,
            satellites=8,
            hdop=0.9,
            fixed_unix_s=NOON,
        )
    ]


def test_their_order_does_not_matter() -> None:
    assert fed(rmc(), gga()) == fed(gga(), rmc())


@pytest.mark.parametrize("talker", ["GP", "GN", "GL", "GA", "GB"])
def test_every_satellite_system_is_understood(talker: str) -> None:
    assert fed(gga(talker=talker), rmc(talker=talker))[0].latitude == 52.52


def test_a_receiver_of_one_kind_of_sentence_is_told_when_the_next_instant_begins() -> None:
    fixes = fed(rmc("120000.0"), rmc("120001.0"), rmc("120002.0"))
    assert [fix.fixed_unix_s for fix in fixes] == [NOON, NOON + 1]


def test_sentences_of_two_instants_are_not_mixed() -> None:
    merger = FixMerger()
    assert merger.feed(gga("120000.0", altitude="1.0")) is None
    first = merger.feed(rmc("120001.0"))
    second = merger.feed(gga("120001.0", altitude="2.0"))
    assert first is not None and (first.altitude_m, first.fixed_unix_s) == (1.0, None)
    assert second is not None and (second.altitude_m, second.fixed_unix_s) == (2.0, NOON + 1)


def test_a_fix_in_two_dimensions_has_no_altitude() -> None:
    assert fed(gsa(2), gga(), rmc())[0].altitude_m is None
    assert fed(gsa(2), gsa(3), gga(), rmc())[0].altitude_m == 34.5


def test_without_a_fix_there_is_no_place_but_the_satellites() -> None:
    empty = (sentence("GPGGA,,,,,,0,00,,,M,,M,,"), sentence("GPRMC,,V,,,,,,,,,,N"))
    assert fed(*empty, *empty) == [LineFix(None, None, satellites=0)] * 2


def test_what_the_receiver_calls_invalid_is_no_place() -> None:
    assert fed(gga(quality=0), rmc(status="V"))[0].latitude is None
    assert fed(gga(quality=7), rmc(status="V"))[0].latitude is None


def test_a_navigational_status_that_is_not_provided_is_a_fix_all_the_same() -> None:
    assert fed(gga(), rmc(rest=",,A,V"))[0].latitude == 52.52


def test_fields_that_are_no_numbers_are_unknown_and_the_rest_counts() -> None:
    fix = fed(gga(altitude="NaN"), rmc(speed="NaN"))[0]
    assert (fix.latitude, fix.altitude_m, fix.speed_mps, fix.course_deg) == (52.52, None, None, 87.5)


@pytest.mark.parametrize(
    "place",
    ["9131.2,N,01324.3,E", "5261.2,N,01324.3,E", "5231.2,X,01324.3,E", "5231.2,N,18124.3,E", "inf,N,nan,E", ",,,"],
)
def test_what_is_no_place_on_earth_is_none(place: str) -> None:
    assert fed(sentence(f"GPGGA,120000.0,{place},1,08,0.9,1.0,M,0.0,M,,"), rmc(status="V"))[0].latitude is None


def test_a_damaged_sentence_is_skipped() -> None:
    assert fed(gga().replace("5231", "5331"), rmc(), rmc("120001.0")) == fed(rmc(), rmc("120001.0"))
    assert fed(gga().partition("*")[0], rmc(), rmc("120001.0")) == fed(rmc(), rmc("120001.0"))


def test_a_time_that_does_not_exist_is_no_time() -> None:
    fix = fed(gga("235960.0"), rmc("235960.0"))[0]
    assert (fix.latitude, fix.fixed_unix_s) == (52.52, None)


@given(
    st.lists(
        st.text(max_size=300) | st.builds(sentence, st.from_regex(r"G[PN](GGA|RMC|GSA)(,[\x20-\x7e]{0,12}){0,16}"))
    )
)
def test_nothing_that_is_fed_raises_or_gives_a_place_off_the_earth(lines: list[str]) -> None:
    for fix in fed(*lines):
        if fix.latitude is None or fix.longitude is None:
            assert fix.longitude is None and fix.fixed_unix_s is None
        else:
            assert -90 <= fix.latitude <= 90 and -180 <= fix.longitude <= 180


@given(st.floats(-89.9, 89.9), st.floats(-179.9, 179.9))
def test_every_place_is_read_as_it_was_meant(latitude: float, longitude: float) -> None:
    def angle(value: float, width: int) -> str:
        hundredths = round(abs(value) * 60 * 10**6)
        return f"{hundredths // (60 * 10**6):0{width}d}{hundredths % (60 * 10**6) / 10**6:09.6f}"

    north, east = "NS"[latitude < 0], "EW"[longitude < 0]
    place = f"{angle(latitude, 2)},{north},{angle(longitude, 3)},{east}"
    fix = fed(sentence(f"GPGGA,120000.0,{place},1,08,0.9,1.0,M,0.0,M,,"), rmc())[0]
    asked = cgpsinfo(f"+CGPSINFO: {place},211126,120000.0,1.0,0.0,0")
    assert asked is not None
    for found in (fix, asked):
        assert found.latitude == pytest.approx(latitude, abs=1e-8)
        assert found.longitude == pytest.approx(longitude, abs=1e-8)


@pytest.mark.parametrize("blank", [" ", ""])
def test_cgpsinfo_gives_the_same_as_the_sentences(blank: str) -> None:
    fix = cgpsinfo(f"+CGPSINFO:{blank}3113.343286,N,12121.234064,E,250311,072809.3,44.1,10.0,87.5")
    assert fix is not None
    assert fix.latitude == pytest.approx(31.2223881)
    assert fix.longitude == pytest.approx(121.3539011)
    assert (fix.altitude_m, fix.speed_mps, fix.course_deg) == (44.1, 5.144, 87.5)
    assert fix.fixed_unix_s == datetime(2011, 3, 25, 7, 28, 9, tzinfo=UTC).timestamp()


def test_cgpsinfo_without_a_fix_is_no_fix_and_another_line_is_nothing() -> None:
    assert cgpsinfo("+CGPSINFO: ,,,,,,,,") == NO_FIX
    assert cgpsinfo("+CGPSINFO:,,,,,,,,") == NO_FIX
    assert cgpsinfo("+CSQ: 18,99") is None
    assert cgpsinfo("+CGPSINFO: ") is None


@given(st.text(max_size=200))
def test_no_answer_makes_cgpsinfo_raise(text: str) -> None:
    cgpsinfo(f"+CGPSINFO: {text}")
    cgpsinfo(text)
