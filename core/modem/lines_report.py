"""Lines of a modem's report on itself, one typed function each; None for anything else.

SIMCom's AT manual V3.00; TS 27.007 §10.1 (packet data contexts); field reports where a form is in no manual.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv6Address

from core.modem.fields import fields_of, number_at, text_at
from core.modem.lines_network import cbc


@dataclass(frozen=True, slots=True)
class ContextDefinition:
    """One line of +CGDCONT. kind: IP, IPV6, IPV4V6 or PPP."""

    cid: int
    kind: str
    apn: str


@dataclass(frozen=True, slots=True)
class PinTries:
    """How often PIN and PUK of the SIM may still be tried."""

    pin: int
    puk: int


def cops_number(line: str) -> str | None:
    """The network of +COPS: <mode>,2,"<number>" (after AT+COPS=3,2) as "234-15"."""
    fields = fields_of(line, "+COPS:")
    if not fields or number_at(fields, 1, 2, 2) is None:
        return None
    found = re.fullmatch(r"([0-9]{3})([0-9]{2,3})", text_at(fields, 2) or "")
    return f"{found[1]}-{found[2]}" if found else None


def cgdcont(line: str) -> ContextDefinition | None:
    """+CGDCONT: <cid>,<type>,<APN>,…"""
    fields = fields_of(line, "+CGDCONT:")
    cid = number_at(fields, 0, 1, 255) if fields else None
    kind = text_at(fields, 1) if fields else None
    return ContextDefinition(cid, kind, text_at(fields, 2) or "") if fields and cid is not None and kind else None


def cgact(line: str) -> tuple[int, bool] | None:
    """+CGACT: <cid>,<state> as (cid, active)."""
    fields = fields_of(line, "+CGACT:")
    cid, state = (number_at(fields, 0, 1, 255), number_at(fields, 1, 0, 1)) if fields else (None, None)
    return (cid, state == 1) if cid is not None and state is not None else None


def cgpaddr(line: str) -> tuple[int, str | None] | None:
    """+CGPADDR: <cid>[,<address>[,<address>]] as (cid, address); quoted or bare, by firmware. None: it has none.

    Of several the first counts that isn't zero. Sixteen numbers are an IPv6 address (TS 27.007 §10.1.1).
    """
    fields = fields_of(line, "+CGPADDR:")
    cid = number_at(fields, 0, 1, 255) if fields else None
    if not fields or cid is None:
        return None
    return cid, next((found for text in fields[1:] if text and (found := _address(text))), None)


def temperature(line: str) -> float | None:
    """The module's temperature in °C of +CPMUTEMP: 29, or Quectel's +QTEMP: 34,30,27 (the power chip's comes first)."""
    fields = fields_of(line, "+CPMUTEMP:") or fields_of(line, "+QTEMP:")
    degrees = number_at(fields, 0, -60, 150) if fields else None
    return None if degrees is None else float(degrees)


def supply(line: str) -> float | None:
    """The supply in volts of +CBC: 3.591V, or Quectel's +CBC: <charging>,<percent>,<millivolts>."""
    fields = fields_of(line, "+CBC:")
    millivolts = number_at(fields, 2, 1000, 20_000) if fields else None
    return cbc(line) if millivolts is None else millivolts / 1000


def spic(line: str) -> PinTries | None:
    """+SPIC: <PIN>,<PUK>,<PIN2>,<PUK2>: tries left."""
    fields = fields_of(line, "+SPIC:")
    pin, puk = (number_at(fields, 0, 0, 99), number_at(fields, 1, 0, 99)) if fields else (None, None)
    return PinTries(pin, puk) if pin is not None and puk is not None else None


def cevolte(line: str) -> bool | None:
    """+CEVOLTE: <cid>,<on>: whether VoLTE is allowed. In no manual, and many firmwares don't know it (field report)."""
    fields = fields_of(line, "+CEVOLTE:")
    allowed = number_at(fields, len(fields) - 1, 0, 1) if fields else None
    return None if allowed is None else allowed == 1


def cusbpidswitch(line: str) -> str | None:
    """The USB composition of +CUSBPIDSWITCH: 9001, four hexadecimal digits in lower case."""
    fields = fields_of(line, "+CUSBPIDSWITCH:")
    text = text_at(fields, 0) if fields else None
    return text.lower() if text and re.fullmatch(r"[0-9A-Fa-f]{4}", text) else None


def cclk(line: str) -> datetime | None:
    """+CCLK: "yy/MM/dd,hh:mm:ss±zz", local time and its zone in quarters of an hour.

    None where it was never set: that clock counts from 1980 and has no zone.
    """
    fields = fields_of(line, "+CCLK:")
    return _local_time(text_at(fields, 0) or "") if fields else None


def ctzv(line: str) -> datetime | None:
    """+CTZV: <zone>[,<yy/MM/dd>,<hh:mm:ss>[,<dst>]]: here the time is UTC, unlike in +CCLK. None without a time."""
    fields = fields_of(line, "+CTZV:")
    if not fields:
        return None
    quarters = _quarters(text_at(fields, 0) or "")
    time = _clock(f"{text_at(fields, 1)},{text_at(fields, 2)}")
    if quarters is None or time is None:
        return None
    return time.replace(tzinfo=UTC).astimezone(_zone(quarters))


def nitz(line: str) -> datetime | None:
    """+NITZ: with a time as in +CCLK. The form is in no manual: one that isn't so, or has no zone, is None."""
    text = line.removeprefix("+NITZ:").strip().strip('"')
    return _local_time(re.sub(r",(?=[+-])", "", text)) if line.startswith("+NITZ:") else None


_QUARTERS = (-48, 56)
"""Zones there are, from UTC-12 to UTC+14."""

_TIME = re.compile(r"(?:20)?([0-9]{2})/([0-9]{1,2})/([0-9]{1,2}),([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})")


def _local_time(text: str) -> datetime | None:
    found = re.match(r"(.*[0-9])([+-][0-9]{1,2})(,[0-9])?$", text)
    quarters = _quarters(found[2]) if found else None
    time = _clock(found[1]) if found else None
    return time.replace(tzinfo=_zone(quarters)) if time is not None and quarters is not None else None


def _quarters(text: str) -> int | None:
    low, high = _QUARTERS
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,2}", text) and low <= int(text) <= high else None


def _zone(quarters: int) -> timezone:
    return timezone(timedelta(minutes=15 * quarters))


def _clock(text: str) -> datetime | None:
    """A time without its zone. Years from 70 on are those of clocks that nobody ever set."""
    found = _TIME.fullmatch(text)
    if found is None or int(found[1]) >= 70:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    try:
        return datetime(2000 + year, month, day, hour, minute, second)  # noqa: DTZ001 - the caller adds the zone
    except ValueError:
        return None


def _address(text: str) -> str | None:
    parts = text.split(".")
    if not all(part.isascii() and part.isdigit() and len(part) <= 3 and int(part) <= 255 for part in parts):
        return None
    numbers = [int(part) for part in parts]
    if not any(numbers):
        return None
    if len(numbers) == 16:
        return str(IPv6Address(bytes(numbers)))
    return ".".join(map(str, numbers)) if len(numbers) == 4 else None
