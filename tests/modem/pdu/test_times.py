"""Time stamps and validity periods (TS 23.040 §9.2.3.11, §9.2.3.12)."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modem.pdu import PduError
from core.modem.pdu.times import enhanced_period, read_stamp, relative_octet, relative_period, write_stamp

ZONES = st.integers(-79, 79).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
STAMPS = st.datetimes(datetime.fromisoformat("2000-01-02"), datetime.fromisoformat("2099-12-30"), timezones=ZONES).map(
    lambda moment: moment.replace(microsecond=0)
)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("20806291731408", "2002-08-26T19:37:41+00:00"),
        ("1120821105050A", "2011-02-28T11:50:50-05:00"),
        ("99203150753021", "2099-02-13T05:57:03+03:00"),
        ("1111111111114A", "2011-11-11T11:11:11-06:00"),
        ("00101000000000", "2000-01-01T00:00:00+00:00"),
    ],
)
def test_stamps_are_swapped_digits_and_a_signed_zone(octets: str, expected: str) -> None:
    stamp = read_stamp(bytes.fromhex(octets))
    assert stamp is not None
    assert stamp.isoformat() == expected


@given(STAMPS)
def test_a_stamp_keeps_its_time_and_its_zone(moment: datetime) -> None:
    again = read_stamp(write_stamp(moment))
    assert again == moment
    assert again is not None
    assert again.utcoffset() == moment.utcoffset()


@given(st.binary(max_size=9))
def test_any_octets_are_a_stamp_or_none(octets: bytes) -> None:
    stamp = read_stamp(octets)
    assert stamp is None or write_stamp(stamp)[:6] == octets[:6]


@pytest.mark.parametrize(
    "octets",
    ["00000000000000", "11311111111100", "11132111111100", "11111142111100", "111111110611FF", "111111FF111100"],
)
def test_what_is_no_time_is_none(octets: str) -> None:
    assert read_stamp(bytes.fromhex(octets)) is None


def test_no_time_is_written_as_zeros() -> None:
    assert write_stamp(None) == bytes(7)


def test_a_zone_between_quarters_becomes_utc() -> None:
    moment = datetime(2026, 5, 1, 12, 0, tzinfo=timezone(timedelta(minutes=7)))
    again = read_stamp(write_stamp(moment))
    assert again == moment
    assert again is not None
    assert again.utcoffset() == timedelta()


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001 - without a zone on purpose
        datetime(1999, 12, 31, tzinfo=UTC),
        datetime(2100, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-23, minutes=-59))),
    ],
)
def test_a_time_that_no_stamp_can_say_is_an_error(moment: datetime) -> None:
    with pytest.raises(PduError):
        write_stamp(moment)


@pytest.mark.parametrize(
    ("period", "octet"),
    [
        (timedelta(microseconds=1), 0),
        (timedelta(minutes=5), 0),
        (timedelta(minutes=6), 1),
        (timedelta(minutes=10), 1),
        (timedelta(hours=6), 71),
        (timedelta(hours=12), 143),
        (timedelta(hours=12, seconds=1), 144),
        (timedelta(hours=13), 145),
        (timedelta(hours=24), 167),
        (timedelta(hours=24, seconds=1), 168),
        (timedelta(hours=25), 168),
        (timedelta(days=2), 168),
        (timedelta(days=4), 170),
        (timedelta(days=30), 196),
        (timedelta(days=30, seconds=1), 197),
        (timedelta(weeks=5), 197),
        (timedelta(weeks=63), 255),
        (timedelta(weeks=64), 255),
        (timedelta.max, 255),
    ],
)
def test_a_period_is_rounded_up_to_the_next_that_the_table_has(period: timedelta, octet: int) -> None:
    assert relative_octet(period) == octet


@pytest.mark.parametrize("octet", range(256))
def test_every_relative_period_is_written_as_itself(octet: int) -> None:
    assert relative_octet(relative_period(octet)) == octet


@given(st.timedeltas(timedelta(seconds=1), timedelta(weeks=63)))
def test_no_period_is_shortened_and_the_next_shorter_would_be(period: timedelta) -> None:
    octet = relative_octet(period)
    assert relative_period(octet) >= period
    assert octet == 0 or relative_period(octet - 1) < period


@pytest.mark.parametrize("period", [timedelta(), timedelta(seconds=-1), timedelta.min])
def test_a_period_that_is_over_is_an_error(period: timedelta) -> None:
    with pytest.raises(PduError):
        relative_octet(period)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("01AA0000000000", timedelta(days=4)),
        ("021E0000000000", timedelta(seconds=30)),
        ("82001E00000000", timedelta(seconds=30)),
        ("02000000000000", None),
        ("03103254000000", timedelta(hours=1, minutes=23, seconds=45)),
        ("03FF3254000000", None),
        ("00000000000000", None),
        ("07AA0000000000", None),
    ],
)
def test_enhanced_periods_are_read(octets: str, expected: timedelta | None) -> None:
    assert enhanced_period(bytes.fromhex(octets)) == expected
