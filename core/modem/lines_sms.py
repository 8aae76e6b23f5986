"""Lines about short messages and USSD, one typed function each; None for anything else, and no line makes them raise.

TS 27.005 §3 and §4 (CMGL, CMTI, CDSI, CPMS, CSCA, CSMS, CMGS), TS 27.007 §7.15 (CUSD); SIMCom's AT manual V3.00.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.modem.fields import fields_of, number_at, plain_number, text_at

MAX_INDEX = 65_535
"""Modems count to 255; more costs nothing."""


@dataclass(frozen=True, slots=True)
class Stored:
    """+CMTI or +CDSI: a message, or a status report, lies at this index of this memory."""

    memory: str
    index: int


@dataclass(frozen=True, slots=True)
class Listed:
    """One message of AT+CMGL. received: from the network (stat 0 or 1), not one that was written to the memory.

    pdu: upper-case hexadecimal, SMSC field first; None where the header had none behind it.
    """

    index: int
    received: bool
    pdu: str | None


@dataclass(frozen=True, slots=True)
class Use:
    """How full a memory is. name: only the answer to AT+CPMS? gives it."""

    used: int
    total: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Ussd:
    """+CUSD. state 0 to 5 as in UssdState; text as the modem coded it; dcs as in TS 23.038 §5, None without one."""

    state: int
    text: str | None
    dcs: int | None


def stored(line: str) -> Stored | None:
    """+CMTI: <mem>,<index> and +CDSI: <mem>,<index>."""
    fields = fields_of(line, "+CDSI:" if line.startswith("+CDSI:") else "+CMTI:")
    memory, index = (text_at(fields, 0), number_at(fields, 1, 0, MAX_INDEX)) if fields is not None else (None, None)
    if memory is None or index is None or not re.fullmatch(r"[A-Za-z]{2}", memory):
        return None
    return Stored(memory.upper(), index)


def cmgl(lines: Iterable[str]) -> list[Listed]:
    """All of an AT+CMGL answer in PDU mode: +CMGL: <index>,<stat>,[<alpha>],<length>, and the PDU in the next line.

    A line that got in between is passed over; a header without a PDU stays one without.
    """
    return list(_pairs(lines))


def cpms(line: str) -> tuple[Use, ...] | None:
    """+CPMS of AT+CPMS? with names, and of AT+CPMS=… without: mem1, mem2, mem3, as many as there are."""
    fields = fields_of(line, "+CPMS:")
    if fields is None:
        return None
    named = len(fields) % 3 == 0 and not (fields[0] or "").isdigit()
    size = 3 if named else 2
    found: list[Use] = []
    for at in range(0, len(fields) - size + 1, size):
        used, total = (number_at(fields, at + size - 2, 0, MAX_INDEX), number_at(fields, at + size - 1, 0, MAX_INDEX))
        if used is None or total is None:
            return None
        found.append(Use(used, total, (fields[at] or "").upper() if named else None))
    return tuple(found) or None


def csca(line: str) -> str | None:
    """The service centre of +CSCA: <number>,<type>, as dialled; hexadecimal UCS2 when AT+CSCS says so."""
    fields = fields_of(line, "+CSCA:")
    number = plain_number(text_at(fields, 0) or "") if fields is not None else ""
    if fields is None or not re.fullmatch(r"\+?[0-9]{3,20}", number):
        return None
    return "+" + number if number[0] != "+" and number_at(fields, 1, 0, 255) == 145 else number


def csms(line: str) -> int | None:
    """<service> of +CSMS: <service>,<mt>,<mo>,<bm>, the answer to AT+CSMS?; 1: each direct delivery wants AT+CNMA."""
    fields = fields_of(line, "+CSMS:")
    return number_at(fields, 0, 0, 255) if fields is not None and len(fields) == 4 else None


def cmgs(line: str) -> int | None:
    """The message reference of +CMGS: <mr>[,<ackpdu>], 0 to 255."""
    fields = fields_of(line, "+CMGS:")
    return None if fields is None else number_at(fields, 0, 0, 255)


def cusd(line: str) -> Ussd | None:
    """+CUSD: <m>[,<str>[,<dcs>]]. The text may hold commas, quotes and ends of lines."""
    found = re.fullmatch(r'\+CUSD: ?([0-5])(?:, ?"(.*?)"?(?:(?<="), ?([0-9]{1,3}))?)? *', line, re.DOTALL)
    if found is None:
        return None
    dcs = int(found[3]) if found[3] is not None and int(found[3]) <= 255 else None
    return Ussd(int(found[1]), found[2], dcs)


def _pairs(lines: Iterable[str]) -> Iterator[Listed]:
    head: tuple[int, bool] | None = None
    for line in lines:
        if (fields := fields_of(line, "+CMGL:")) is not None:
            if head is not None:
                yield Listed(*head, None)
            index, stat = number_at(fields, 0, 0, MAX_INDEX), number_at(fields, 1, 0, 3)
            head = None if index is None or stat is None else (index, stat < 2)
        elif head is not None and re.fullmatch(r"([0-9A-Fa-f]{2})+", line):
            yield Listed(*head, line.upper())
            head = None
    if head is not None:
        yield Listed(*head, None)
