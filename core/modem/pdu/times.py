"""Time stamps and validity periods (TS 23.040 §9.2.3.11, §9.2.3.12)."""

from datetime import UTC, datetime, timedelta, timezone

from core.modem.pdu.model import PduError

_QUARTER = timedelta(minutes=15)
_MAX_QUARTERS = 79
"""Three bits for tens, four for ones (§9.2.3.11)."""

_LONGEST = timedelta(weeks=63)

NO_STAMP = bytes(7)


def read_stamp(octets: bytes) -> datetime | None:
    """Seven octets as an aware time; None if they are no time. Years are 2000 to 2099."""
    if len(octets) != 7:
        return None
    try:
        year, month, day, hour, minute, second = (int(f"{octet & 15:x}{octet >> 4:x}") for octet in octets[:6])
        quarters = int(f"{octets[6] & 7:x}{octets[6] >> 4:x}")
        zone = timezone((-quarters if octets[6] & 8 else quarters) * _QUARTER)
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None


def write_stamp(moment: datetime | None) -> bytes:
    """None gives zeros, which are no time. A zone of no whole quarter hours becomes UTC. PduError without a zone."""
    if moment is None:
        return NO_STAMP
    offset = moment.utcoffset()
    if offset is None:
        raise PduError("a time stamp needs a zone")
    quarters, rest = divmod(abs(offset), _QUARTER)
    if rest or quarters > _MAX_QUARTERS:
        try:
            moment, quarters = moment.astimezone(UTC), 0
        except OverflowError:
            raise PduError("a time stamp is of 2000 to 2099") from None
    if not 2000 <= moment.year <= 2099:
        raise PduError("a time stamp is of 2000 to 2099")
    fields = (moment.year % 100, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    west = 8 if offset < timedelta() and quarters else 0
    return bytes([_swapped(field) for field in fields]) + bytes((_swapped(quarters) | west,))


def relative_octet(period: timedelta) -> int:
    """The next representable period not below this one (§9.2.3.12.1), at most 63 weeks. PduError unless positive."""
    if period <= timedelta():
        raise PduError("a validity period is positive")
    if period >= _LONGEST:
        return 255
    minutes = -(-period // timedelta(minutes=1))
    if minutes <= 12 * 60:
        return -(-minutes // 5) - 1
    if minutes <= 24 * 60:
        return 143 + -(-(minutes - 12 * 60) // 30)
    days = -(-minutes // (24 * 60))
    if days <= 30:
        return 166 + days
    return 192 + -(-days // 7)


def relative_period(octet: int) -> timedelta:
    """§9.2.3.12.1: 5 minutes to 63 weeks."""
    if octet <= 143:
        return timedelta(minutes=5 * (octet + 1))
    if octet <= 167:
        return timedelta(hours=12, minutes=30 * (octet - 143))
    if octet <= 196:
        return timedelta(days=octet - 166)
    return timedelta(weeks=octet - 192)


def enhanced_period(octets: bytes) -> timedelta | None:
    """§9.2.3.12.3, seven octets; None when it states no period."""
    at = 1
    if octets[0] & 0x80:  # a second octet of indicators
        at = 2
    form = octets[0] & 7
    if form == 1:
        return relative_period(octets[at])
    if form == 2:
        return timedelta(seconds=octets[at]) or None
    if form == 3:
        try:
            hours, minutes, seconds = (int(f"{octet & 15:x}{octet >> 4:x}") for octet in octets[at : at + 3])
        except ValueError:
            return None
        return timedelta(hours=hours, minutes=minutes, seconds=seconds) or None
    return None


def _swapped(number: int) -> int:
    return number % 10 << 4 | number // 10
