"""Lines of a modem's report on itself, one typed function each; None for anything else.

SIMCom's AT manual V3.00; TS 27.007 §10.1 (packet data contexts); field reports where a form is in no manual.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv6Address

from core.modem.fields import fields_of, number_at, text_at

_SYSTEMS = {
    "LTE": "lte", "WCDMA": "wcdma", "GSM": "gsm", "TDS": "tdscdma", "CDMA": "cdma", "EVDO": "evdo",
}  # fmt: skip
_WORST_SINR, _BEST_SINR = -20, 30


@dataclass(frozen=True, slots=True)
class Cell:
    """The serving cell of +CPSI. technology: lte, wcdma, gsm …; None without service.

    mcc_mnc as "234-15"; area and cell in hexadecimal without leading zeros; powers in dBm, qualities in dB.
    """

    technology: str | None
    mcc_mnc: str | None = None
    area: str | None = None
    cell: str | None = None
    band: str | None = None
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None


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


def cpsi(line: str) -> Cell | None:
    """+CPSI: <system mode>,<operation mode>[,<MCC>-<MNC>,…]; what follows differs by system."""
    fields = fields_of(line, "+CPSI:")
    mode = text_at(fields, 0) if fields else None
    if not fields or mode is None:
        return None
    technology = _SYSTEMS.get(mode.upper())
    if technology is None or (text_at(fields, 1) or "").upper() != "ONLINE":
        return Cell(None)
    number = number_at(fields, 4, 0, 2**32)
    found = Cell(
        technology,
        mcc_mnc=_mcc_mnc(text_at(fields, 2)),
        area=_hex(text_at(fields, 3)),
        cell=f"{number:X}" if number is not None else None,
    )
    if technology == "lte":
        return _lte(found, fields)
    return _with(found, band=_band(text_at(fields, 5)) if technology in ("gsm", "wcdma", "tdscdma") else None)


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


def cpmutemp(line: str) -> float | None:
    """The module's temperature in °C of +CPMUTEMP: 29."""
    fields = fields_of(line, "+CPMUTEMP:")
    degrees = number_at(fields, 0, -60, 150) if fields else None
    return None if degrees is None else float(degrees)


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


def _lte(found: Cell, fields: tuple[str | None, ...]) -> Cell:
    """Powers and qualities come in tenths. Firmware that writes whole dBm is told by its RSRP, which is never below
    -156 dBm nor above -31 (TS 36.133 §9.1.4).
    """
    rsrp, rsrq = number_at(fields, 11, -1560, -31), number_at(fields, 10, -400, 50)
    noise = number_at(fields, 13, 0, (_BEST_SINR - _WORST_SINR) // 2)
    found = _with(found, band=text_at(fields, 6))
    if rsrp is None:
        return found
    tenths = rsrp < -156
    return Cell(
        found.technology, found.mcc_mnc, found.area, found.cell, found.band,
        rsrp_dbm=rsrp / 10 if tenths else float(rsrp),
        rsrq_db=None if rsrq is None else rsrq / 10 if tenths else float(rsrq),
        # <RSSNR> counts steps of 2 dB from -20 dB (manual, AT+CPSI).
        sinr_db=None if noise is None or not tenths else float(2 * noise + _WORST_SINR),
    )  # fmt: skip


def _with(cell: Cell, *, band: str | None) -> Cell:
    return Cell(cell.technology, cell.mcc_mnc, cell.area, cell.cell, band)


def _band(text: str | None) -> str | None:
    """GSM puts its channel in front: "27 EGSM 900"."""
    return re.sub(r"^[0-9]{1,4} ", "", text) if text else None


def _mcc_mnc(text: str | None) -> str | None:
    """460-11; 000-00 and its like stand for none."""
    return text if text and re.fullmatch(r"[1-9][0-9]{2}-[0-9]{2,3}", text) else None


def _hex(text: str | None) -> str | None:
    found = re.fullmatch(r"(?:0[xX])?([0-9A-Fa-f]{1,8})", text or "")
    return f"{int(found[1], 16):X}" if found else None


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
