"""The fields of an information line (TS 27.007 §4.2): commas outside quotes part them, blanks around don't count.

With AT+CSCS="UCS2", as around USSD, modems send even numbers and names in hexadecimal (field reports).
"""

import re


def fields_of(line: str, prefix: str) -> tuple[str | None, ...] | None:
    """The fields after `prefix`, unquoted; an empty field is None, an empty string "" stays one. None: another line.

    A quote that is never closed takes the rest of the line, so that no line makes this raise.
    """
    if not line.startswith(prefix):
        return None
    found: list[str | None] = []
    field, quoted, had_quotes = "", False, False
    for char in line[len(prefix) :]:
        if char == '"':
            quoted, had_quotes = not quoted, True
        elif char == "," and not quoted:
            found.append(_field(field, had_quotes))
            field, had_quotes = "", False
        else:
            field += char
    found.append(_field(field, had_quotes))
    return tuple(found)


def text_at(fields: tuple[str | None, ...], index: int) -> str | None:
    """The field at `index`; None when it is empty or isn't there."""
    return fields[index] if index < len(fields) else None


def number_at(fields: tuple[str | None, ...], index: int, low: int, high: int) -> int | None:
    """The decimal number at `index` when it lies in low..high, else None."""
    text = text_at(fields, index)
    if text is None or not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or len(text) > 12:
        return None
    value = int(text)
    return value if low <= value <= high else None


def plain_number(text: str) -> str:
    """A number as it reads: hexadecimal is undone where it can be nothing else (digits, + * #)."""
    return _ucs2(text) if re.fullmatch(r"(00(2[3ABab]|3[0-9]))+", text) else text


def plain_name(text: str) -> str:
    """The same for a name of two or more Latin letters, which no operator is called by."""
    return _ucs2(text) if re.fullmatch(r"(00([2-7A-Fa-f][0-9A-Fa-f])){2,}", text) else text


def dialled_number(text: str | None, kind: int | None) -> str | None:
    """A number as it is dialled; type 145 is international, and some firmware leaves its + out. Else None."""
    text = plain_number(text or "")
    if not re.fullmatch(r"\+?[0-9*#A-Ca-c]{1,40}", text):
        return None
    return "+" + text if kind == 145 and text.isdigit() else text


def _ucs2(text: str) -> str:
    return bytes.fromhex(text).decode("utf-16-be")


def _field(text: str, quoted: bool) -> str | None:
    """A quoted field keeps its inside; the blanks that stand around it don't count either way."""
    stripped = text.strip()
    return stripped if stripped or quoted else None
