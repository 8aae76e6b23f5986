"""Sentences of a satellite receiver as LineFix. Pure; pynmea2 is imported with the first sentence, not before.

NMEA 0183: GGA (position, satellites), RMC (date, speed), GSA (2D or 3D) of one instant make one fix. Real modems send
oddities such as $GPVTG,NaN, and may be cut anywhere: what can't be read is skipped, field by field.
"""

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from core.line import LineFix

NO_FIX = LineFix(None, None)
KNOT_MPS = 1852 / 3600
MAX_SENTENCE = 256
"""Characters. The standard says 82, some receivers take 120."""

_READ = frozenset({"GGA", "RMC", "GSA"})
_GGA_FIXED = range(1, 7)
"""GPS quality: 0 none, 7 by hand, 8 simulated."""

_TWO_DIMENSIONS = "2"


@dataclass(slots=True)
class _Instant:
    """What has come of one instant so far. at: time of day, None while the receiver has none."""

    at: time | None = None
    seen: set[str] = field(default_factory=set)
    place: tuple[float, float] | None = None
    altitude_m: float | None = None
    satellites: int | None = None
    hdop: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    day: date | None = None
    told: bool = False


class FixMerger:
    """`feed` takes one sentence after the other and gives a fix when an instant is complete: GGA and RMC are there,
    or the next instant began. Never raises, whatever it is fed."""

    def __init__(self) -> None:
        self._now = _Instant(told=True)
        self._flat = False

    def feed(self, sentence: str) -> LineFix | None:
        if sentence[:1] != "$" or sentence[3:6] not in _READ or len(sentence) > MAX_SENTENCE:
            return None  # most of the traffic is GSV, which isn't worth parsing
        import pynmea2

        try:
            message = pynmea2.parse(sentence, check=True)
        except ValueError:  # all of pynmea2's errors are
            return None
        kind = message.sentence_type
        if kind == "GSA":
            self._flat = message.mode_fix_type == _TWO_DIMENSIONS
            return None
        at = message.timestamp if isinstance(message.timestamp, time) else None
        before = None
        if at != self._now.at or kind in self._now.seen:
            before = None if self._now.told else self._fix()
            self._now = _Instant(at)
        self._now.seen.add(kind)
        (_take_gga if kind == "GGA" else _take_rmc)(self._now, message)
        if before is None and {"GGA", "RMC"} <= self._now.seen:
            self._now.told = True
            return self._fix()
        return before

    def _fix(self) -> LineFix:
        now = self._now
        if now.place is None:
            return LineFix(None, None, satellites=now.satellites)
        at = datetime.combine(now.day, now.at, UTC) if now.day is not None and now.at is not None else None
        return LineFix(
            *now.place,
            altitude_m=None if self._flat else now.altitude_m,
            speed_mps=now.speed_mps,
            course_deg=now.course_deg,
            satellites=now.satellites,
            hdop=now.hdop,
            fixed_unix_s=at.timestamp() if at is not None else None,
        )


def cgpsinfo(line: str) -> LineFix | None:
    """+CGPSINFO: lat,N|S,lon,E|W,ddmmyy,hhmmss.s,altitude,knots,course (SIM7600 manual V3.00); empty without a fix.
    None for another line."""
    name, colon, rest = line.partition(":")
    fields = [text.strip() for text in rest.split(",")]
    if name != "+CGPSINFO" or not colon or len(fields) < 9:
        return None
    place = _degrees(*fields[:4])
    if place is None:
        return NO_FIX
    try:
        at = datetime.strptime(f"{fields[4]} {fields[5].partition('.')[0]}", "%d%m%y %H%M%S").replace(tzinfo=UTC)
    except ValueError:
        at = None
    return LineFix(
        *place,
        altitude_m=_number(fields[6]),
        speed_mps=_mps(fields[7]),
        course_deg=_number(fields[8]),
        fixed_unix_s=at.timestamp() if at is not None else None,
    )


def _take_gga(now: _Instant, message: Any) -> None:
    satellites = _number(message.num_sats)
    now.satellites = int(satellites) if satellites is not None and 0 <= satellites < 1000 else None
    if message.gps_qual not in _GGA_FIXED:
        return
    now.place = _place(message) or now.place
    now.altitude_m = _number(message.altitude)
    now.hdop = _number(message.horizontal_dil)


def _take_rmc(now: _Instant, message: Any) -> None:
    # Not message.is_valid: it takes the nav_status V, "not provided" (NMEA 4.1), for no fix.
    if message.status != "A":
        return
    now.place = now.place or _place(message)
    now.speed_mps = _mps(message.spd_over_grnd)
    now.course_deg = _number(message.true_course)
    now.day = message.datestamp if isinstance(message.datestamp, date) else None


def _place(message: Any) -> tuple[float, float] | None:
    return _degrees(message.lat, message.lat_dir, message.lon, message.lon_dir)


def _degrees(lat: str, north: str, lon: str, east: str) -> tuple[float, float] | None:
    """ddmm.mm,N,dddmm.mm,E as degrees north and east; None unless it is a place on Earth."""
    latitude, longitude = _angle(lat), _angle(lon)
    if latitude is None or longitude is None or latitude > 90 or longitude > 180:
        return None
    if north not in ("N", "S") or east not in ("E", "W"):
        return None
    return (latitude if north == "N" else -latitude), (longitude if east == "E" else -longitude)


def _angle(text: str) -> float | None:
    """dddmm.mmmm as degrees, to the 0.1 mm that floats of such texts hold."""
    value = _number(text)
    if value is None or value < 0:
        return None
    degrees, minutes = divmod(value, 100)
    return round(degrees + minutes / 60, 9) if minutes < 60 else None


def _mps(knots: object) -> float | None:
    found = _number(knots)
    return round(found * KNOT_MPS, 3) if found is not None else None


def _number(value: object) -> float | None:
    """NaN and nonsense are None."""
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
