"""The serving cell, as each family tells it: +CPSI of SIMCom, +QNWINFO and +QCSQ of Quectel; None for other lines.

SIMCom's AT manual V3.00 and field reports; Quectel's AT manual of EC25 and its forum.
"""

import re
from dataclasses import dataclass, replace

from core.modem.fields import fields_of, number_at, text_at

_SYSTEMS = {
    "LTE": "lte", "WCDMA": "wcdma", "GSM": "gsm", "TDS": "tdscdma", "CDMA": "cdma", "EVDO": "evdo",
}  # fmt: skip
_QUECTEL = (
    ("LTE", "lte"), ("TDSCDMA", "tdscdma"), ("WCDMA", "wcdma"), ("HS", "wcdma"), ("EDGE", "gsm"), ("GPRS", "gsm"),
    ("GSM", "gsm"),
)  # fmt: skip
"""The first mark that is in the name counts: "FDD LTE", "HSPA+"."""

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
    return replace(found, band=_band(text_at(fields, 5)) if technology in ("gsm", "wcdma", "tdscdma") else None)


def qnwinfo(line: str) -> Cell | None:
    """+QNWINFO: <technology>,<MCC MNC>,<band>,<channel>: "FDD LTE","46011","LTE BAND 3",1825."""
    fields = fields_of(line, "+QNWINFO:")
    if not fields:
        return None
    technology = next((name for mark, name in _QUECTEL if mark in (text_at(fields, 0) or "").upper()), None)
    if technology is None:
        return Cell(None)
    number = re.fullmatch(r"([0-9]{3})([0-9]{2,3})", text_at(fields, 1) or "")
    return Cell(technology, _mcc_mnc(f"{number[1]}-{number[2]}") if number else None, band=text_at(fields, 2) or None)


def qcsq(line: str) -> Cell | None:
    """+QCSQ: "LTE",<rssi>,<rsrp>,<sinr>,<rsrq>: whole dBm and dB, the SINR in fifths of a dB from -20 dB on."""
    fields = fields_of(line, "+QCSQ:")
    if not fields:
        return None
    technology = next((name for mark, name in _QUECTEL if mark in (text_at(fields, 0) or "").upper()), None)
    if technology != "lte":
        return Cell(technology)
    rsrp, rsrq = number_at(fields, 2, -156, -31), number_at(fields, 4, -40, 5)
    noise = number_at(fields, 3, 0, (_BEST_SINR - _WORST_SINR) * 5)
    return Cell(
        technology,
        rsrp_dbm=None if rsrp is None else float(rsrp),
        rsrq_db=None if rsrq is None else float(rsrq),
        sinr_db=None if noise is None else round(noise / 5 + _WORST_SINR, 1),
    )


def cell(line: str) -> Cell | None:
    """Any of the three."""
    return cpsi(line) or qnwinfo(line) or qcsq(line)


def merged(earlier: Cell | None, later: Cell) -> Cell:
    """What two lines say of one cell. If they differ in technology the cell has changed, and the later counts."""
    if earlier is None or earlier.technology != later.technology:
        return later
    return Cell(
        later.technology,
        later.mcc_mnc or earlier.mcc_mnc,
        later.area or earlier.area,
        later.cell or earlier.cell,
        later.band or earlier.band,
        earlier.rsrp_dbm if later.rsrp_dbm is None else later.rsrp_dbm,
        earlier.rsrq_db if later.rsrq_db is None else later.rsrq_db,
        earlier.sinr_db if later.sinr_db is None else later.sinr_db,
    )


def _lte(found: Cell, fields: tuple[str | None, ...]) -> Cell:
    """Powers and qualities come in tenths. Firmware that writes whole dBm is told by its RSRP, which is never below
    -156 dBm nor above -31 (TS 36.133 §9.1.4).
    """
    rsrp, rsrq = number_at(fields, 11, -1560, -31), number_at(fields, 10, -400, 50)
    noise = number_at(fields, 13, 0, (_BEST_SINR - _WORST_SINR) // 2)
    found = replace(found, band=text_at(fields, 6))
    if rsrp is None:
        return found
    tenths = rsrp < -156
    return replace(
        found,
        rsrp_dbm=rsrp / 10 if tenths else float(rsrp),
        rsrq_db=None if rsrq is None else rsrq / 10 if tenths else float(rsrq),
        # <RSSNR> counts steps of 2 dB from -20 dB (manual, AT+CPSI).
        sinr_db=None if noise is None or not tenths else float(2 * noise + _WORST_SINR),
    )


def _band(text: str | None) -> str | None:
    """GSM puts its channel in front: "27 EGSM 900"."""
    return re.sub(r"^[0-9]{1,4} ", "", text) if text else None


def _mcc_mnc(text: str | None) -> str | None:
    """460-11; 000-00 and its like stand for none."""
    return text if text and re.fullmatch(r"[1-9][0-9]{2}-[0-9]{2,3}", text) else None


def _hex(text: str | None) -> str | None:
    found = re.fullmatch(r"(?:0[xX])?([0-9A-Fa-f]{1,8})", text or "")
    return f"{int(found[1], 16):X}" if found else None
