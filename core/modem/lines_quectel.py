"""Lines that only Quectel's modems say, one typed function each; None for anything else, and no line makes them raise.

Quectel's EC2x&EG9x AT commands manual (QIND, QINDCFG, QTONEDET, QPCMV, QSPN), its GNSS manual (QGPSLOC), field reports.
"""

from datetime import UTC, datetime

from core.line import LineFix
from core.modem.fields import dialled_number, fields_of, number_at, plain_name, text_at
from core.modem.gnss_fix import KNOT_MPS
from core.modem.lines import ListedCall, Stat

RELEASED = -1
_KEYS = "0123456789*#ABCD"


def ccinfo(line: str) -> ListedCall | None:
    """+QIND: "ccinfo",<id>,<dir>,<state>,<mode>,<mpty>,<number>,<type>: a call that changed, as +CLCC has it; -1 is
    released."""
    fields = fields_of(line, "+QIND:")
    if not fields or text_at(fields, 0) != "ccinfo":
        return None
    index, direction = number_at(fields, 1, 1, 255), number_at(fields, 2, 0, 1)
    state, mode = number_at(fields, 3, RELEASED, Stat.WAITING), number_at(fields, 4, 0, 9)
    if index is None or direction is None or state is None or mode is None:
        return None
    stat = Stat.DISCONNECTED if state == RELEASED else Stat(state)
    number = dialled_number(text_at(fields, 6), number_at(fields, 7, 0, 255))
    return ListedCall(index, direction == 1, stat, mode == 0, number)


def qtonedet(line: str) -> str | None:
    """+QTONEDET: <ASCII code of the key>[,…]: 56 is 8."""
    fields = fields_of(line, "+QTONEDET:")
    code = number_at(fields, 0, 32, 126) if fields else None
    key = chr(code).upper() if code is not None else ""
    return key if key and key in _KEYS else None


def qpcmv(line: str) -> bool | None:
    """The answer +QPCMV: <on>[,<port>]: whether the voice of calls goes over the NMEA port (port 0)."""
    fields = fields_of(line, "+QPCMV:")
    on = number_at(fields, 0, 0, 1) if fields else None
    if not fields or on is None:
        return None
    return on == 1 and number_at(fields, 1, 0, 2) in (None, 0)


def qpcmv_flow(line: str) -> bool | None:
    """The URC +QPCMV: 0,0 says stop (False), 1,0 go on (field report; the manual doesn't have it)."""
    fields = fields_of(line, "+QPCMV:")
    on = number_at(fields, 0, 0, 1) if fields and len(fields) == 2 and number_at(fields, 1, 0, 0) == 0 else None
    return None if on is None else on == 1


def qspn(line: str) -> str | None:
    """+QSPN: <full name>,<short name>,<SPN>,<alphabet>,<network>: the SIM's service provider; many have none.

    alphabet 1: hexadecimal UCS2.
    """
    fields = fields_of(line, "+QSPN:")
    name = plain_name(text_at(fields, 2) or "").strip() if fields else ""
    return name or None


def qgpsloc(line: str) -> LineFix | None:
    """+QGPSLOC: <hhmmss.sss>,<latitude>,<longitude>,<HDOP>,<altitude>,<fix>,<course>,<km/h>,<knots>,<ddmmyy>,
    <satellites> of AT+QGPSLOC=2, where the angles are degrees with a sign. fix 2 has no altitude. Without a fix there
    is only +CME ERROR: 516."""
    fields = fields_of(line, "+QGPSLOC:")
    if not fields or len(fields) < 11:
        return None
    latitude, longitude = _real(fields[1], 90), _real(fields[2], 180)
    if latitude is None or longitude is None:
        return None
    knots = _real(fields[8], 2000)
    at = _instant(fields[9], fields[0])
    return LineFix(
        latitude,
        longitude,
        altitude_m=_real(fields[4], 100_000) if number_at(fields, 5, 2, 3) == 3 else None,
        speed_mps=round(knots * KNOT_MPS, 3) if knots is not None else None,
        course_deg=_real(fields[6], 360),
        satellites=number_at(fields, 10, 0, 999),
        hdop=_real(fields[3], 1000),
        fixed_unix_s=at.timestamp() if at is not None else None,
    )


def _real(text: str | None, most: float) -> float | None:
    """A decimal number of at most that size; None for nan and nonsense."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if -most <= value <= most else None


def _instant(day: str | None, time: str | None) -> datetime | None:
    try:
        return datetime.strptime(f"{day} {(time or '').partition('.')[0]}", "%d%m%y %H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
