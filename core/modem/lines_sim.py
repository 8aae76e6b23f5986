"""Lines about the SIM card and the radio's switches, one typed function each; None for anything else.

SIMCom's AT manual V3.00 (AT+SPIC, AT+CSPN); Quectel's for +QPINC; TS 27.007 §8.2 (CFUN).
"""

from core.modem.fields import fields_of, number_at, plain_name, text_at
from core.modem.lines_report import PinTries, spic


def pin_tries(line: str) -> PinTries | None:
    """+SPIC: <PIN>,<PUK>,… or +QPINC: "SC",<PIN>,<PUK>: how often each may still be tried."""
    if (found := spic(line)) is not None:
        return found
    fields = fields_of(line, "+QPINC:")
    if not fields or text_at(fields, 0) != "SC":
        return None
    pin, puk = number_at(fields, 1, 0, 99), number_at(fields, 2, 0, 99)
    return PinTries(pin, puk) if pin is not None and puk is not None else None


def cspn(line: str) -> str | None:
    """+CSPN: <name>,<display>: the service provider's name on the SIM; many have none."""
    fields = fields_of(line, "+CSPN:")
    name = plain_name(text_at(fields, 0) or "").strip() if fields else ""
    return name or None


def cfun(line: str) -> int | None:
    """+CFUN: <fun>: 1 is full, 0 minimum, 4 radio off."""
    fields = fields_of(line, "+CFUN:")
    return number_at(fields, 0, 0, 127) if fields else None
