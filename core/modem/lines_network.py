"""Lines about the SIM, the network and the stick itself, one typed function each; None for anything else.

TS 27.007 §7.2 (CREG), §7.3 (COPS), §8.5 (CSQ), §10.1 (CGREG, CEREG); SIMCom's AT manual V3.00.
"""

import re
from dataclasses import dataclass

from core.modem.fields import fields_of, number_at, plain_name, text_at

_REGISTRATION = {
    0: "not_registered",
    1: "home",
    2: "searching",
    3: "denied",
    4: "unknown",
    5: "roaming",
    6: "home_sms_only",
    7: "roaming_sms_only",
    8: "emergency_only",
    9: "home_no_csfb",
    10: "roaming_no_csfb",
}
_ACCESS = {
    0: None, 1: "gsm", 2: "gprs", 3: "edge", 4: "wcdma", 5: "hsdpa", 6: "hsupa", 7: "hspa", 8: "lte",
}  # fmt: skip
_COPS_ACCESS = {0: "gsm", 2: "wcdma", 3: "edge", 4: "hsdpa", 5: "hsupa", 6: "hspa", 7: "lte"}
_CREG = re.compile(r"\+C(|G|E)REG:")


REGISTERED = frozenset(_REGISTRATION[stat] for stat in (1, 5, 6, 7, 9, 10))
"""Registration.text of states in which the network takes short messages."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One of the three domains: "+CREG" calls, "+CGREG" 2G/3G data, "+CEREG" LTE. area and cell in hexadecimal."""

    domain: str
    stat: int
    area: str | None = None
    cell: str | None = None

    @property
    def text(self) -> str:
        return _REGISTRATION[self.stat]

    @property
    def registered(self) -> bool:
        return self.text in REGISTERED


@dataclass(frozen=True, slots=True)
class Operator:
    """The network that the SIM is in; name is text or MCC and MNC; access technology as in +COPS (0 GSM, 7 LTE)."""

    name: str | None
    access: int | None

    @property
    def technology(self) -> str | None:
        """The access technology in the words of +CNSMOD; None also for those outside 3GPP."""
        return _COPS_ACCESS.get(self.access) if self.access is not None else None


def registration_answer(line: str) -> Registration | None:
    """The answer to a query: +CREG: <n>,<stat>[,<area>,<cell>[,<AcT>]]. A URC's quoted area is no <stat>: None."""
    return _registration(line, 1)


def registration_urc(line: str) -> Registration | None:
    """The URC: +CREG: <stat>[,<area>,<cell>[,<AcT>]]; area and cell quoted or bare, by firmware."""
    return _registration(line, 0)


def csq(line: str) -> tuple[int | None] | None:
    """+CSQ: <rssi>,<ber> as a one-tuple of dBm, so that "unknown" (99) and "not such a line" stay apart."""
    fields = fields_of(line, "+CSQ:")
    code = None if fields is None else number_at(fields, 0, 0, 199)
    return None if code is None else (rssi_dbm(code),)


def rssi_dbm(code: int) -> int | None:
    """Signal strength from the <rssi> of +CSQ (TS 27.007 §8.5): -113 dBm plus 2 dB a step; 99 is None.

    SIMCom adds 100 to 191 for TD-SCDMA: -116 dBm plus 1 dB a step; 199 is None.
    """
    if 0 <= code <= 31:
        return -113 + 2 * code
    return -116 + code - 100 if 100 <= code <= 191 else None


def cpin(line: str) -> str | None:
    """+CPIN: <code>: READY, SIM PIN, SIM PUK …; some firmware sends NOT INSERTED (field report)."""
    return line.removeprefix("+CPIN:").strip().upper() or None if line.startswith("+CPIN:") else None


def cops(line: str) -> Operator | None:
    """+COPS: <mode>[,<format>,<oper>[,<AcT>]]. Names come doubled, "Cell C  Cell C" (field report); once is enough."""
    fields = fields_of(line, "+COPS:")
    if fields is None or number_at(fields, 0, 0, 4) is None:
        return None
    name = plain_name(text_at(fields, 2) or "")
    doubled = re.fullmatch(r"(.+?)\s+\1", name) if name else None
    return Operator(doubled[1] if doubled else name or None, number_at(fields, 3, 0, 20))


def cnsmod(line: str) -> str | None:
    """The access technology of +CNSMOD: <n>,<stat> (answer) or <stat> (URC); None also for none and CDMA."""
    fields = fields_of(line, "+CNSMOD:")
    if not fields:
        return None
    stat = number_at(fields, len(fields) - 1, 0, 99)
    return None if stat is None else _ACCESS.get(stat)


def cbc(line: str) -> float | None:
    """The supply in volts of +CBC: 3.591V. A dip shows a weak USB port."""
    found = re.fullmatch(r"\+CBC: ?([0-9]{1,2}\.[0-9]{1,4})V?", line)
    return float(found[1]) if found else None


def iccid(line: str) -> str | None:
    """+ICCID: <id>, or Quectel's +QCCID: <id>; it may hold hexadecimal letters and an F at the end as padding."""
    found = re.fullmatch(r"\+(?:I?C?|QC)CID: ?\"?([0-9A-Fa-f]{10,24})\"?", line)
    return found[1].upper().rstrip("F") if found else None


def cnum(line: str) -> str | None:
    """+CNUM: <alpha>,<number>,<type>: the SIM's own number, which many SIMs don't know."""
    fields = fields_of(line, "+CNUM:")
    return None if fields is None else text_at(fields, 1) or None


def identity(line: str) -> tuple[str, str] | None:
    """One line of ATI as (key, value): manufacturer, model, revision or imei."""
    found = re.fullmatch(r"(Manufacturer|Model|Revision|IMEI): ?(.+)", line)
    return (found[1].lower(), found[2].strip()) if found else None


def digits(line: str) -> str | None:
    """A bare identity, the answer to AT+CGSN or AT+CIMI: 10 to 20 digits without a prefix."""
    return line if re.fullmatch(r"[0-9]{10,20}", line) else None


def _registration(line: str, at: int) -> Registration | None:
    found = _CREG.match(line)
    fields = fields_of(line, found[0]) if found else None
    if found is None or fields is None or (at == 1 and number_at(fields, 0, 0, 5) is None):
        return None
    stat = number_at(fields, at, 0, 10)
    if stat is None or len(text_at(fields, at) or "") > 2:
        return None  # four digits are an area code, so this is the other form
    area, cell = _hex(text_at(fields, at + 1)), _hex(text_at(fields, at + 2))
    return Registration(found[0][:-1], stat, area, cell)


def _hex(text: str | None) -> str | None:
    return text.upper() if text is not None and re.fullmatch(r"[0-9A-Fa-f]{1,8}", text) else None
