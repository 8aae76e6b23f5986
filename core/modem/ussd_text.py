"""USSD strings as AT+CUSD carries them, both ways. Pure. TS 27.007 §7.15, TS 23.038 §5; field reports where marked."""

import re
from typing import Literal

from core.modem.pdu import gsm7

UCS2 = "UCS2"
"""AT+CSCS="UCS2": four hexadecimal digits a character, whatever the network's coding was."""

DEFAULT_DCS = 15
"""Default alphabet, language unspecified."""

UCS2_DCS = 72
MAX_SEPTETS = 182
"""160 octets (TS 23.090)."""

_Alphabet = Literal["gsm7", "data", "ucs2"]
_ALPHABETS: tuple[_Alphabet, ...] = ("gsm7", "data", "ucs2", "gsm7")


def encode(text: str, charset: str | None) -> tuple[str, int] | None:
    """The string between the quotes, and its <dcs>. None: this charset can't carry it, or USSD can't.

    charset: UCS2, or else plain ASCII.
    """
    septets = gsm7.encode(text)
    if not text or len(septets or text) > (MAX_SEPTETS if septets is not None else 80):
        return None
    dcs = DEFAULT_DCS if septets is not None else UCS2_DCS
    if charset == UCS2:
        return text.encode("utf-16-be", "replace").hex().upper(), dcs
    return (text, dcs) if re.fullmatch(r"[ !#-~]+", text) else None


def decode(text: str, dcs: int | None, charset: str | None) -> str:
    """What the network said. charset: the one in force when it came, as far as known.

    Modems differ in what they turn into characters themselves, so the string's own look decides where it can.
    """
    alphabet, prefixed = _coding(dcs)
    octets = bytes.fromhex(text) if re.fullmatch(r"([0-9A-Fa-f]{2})+", text) else None
    if octets is None:
        found = text
    elif alphabet == "ucs2":
        found = _ucs2(octets, prefixed)
    elif alphabet == "data":
        found = octets.decode("utf-8", "replace")
    else:
        found = _converted(octets, charset) or _packed(octets, text) or text
    if prefixed:
        found = re.sub(r"\A[a-z]{2}[\r\n]", "", found)
    return found.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def _coding(dcs: int | None) -> tuple[_Alphabet, bool]:
    """Alphabet, and whether a language stands before the text (TS 23.038 §5)."""
    if dcs is None:
        return "gsm7", False
    if dcs in (0x10, 0x11):
        return ("gsm7" if dcs == 0x10 else "ucs2"), True
    group = dcs >> 4
    if group in (4, 5, 6, 7, 9):
        return ("data" if group != 9 and dcs & 0x20 else _ALPHABETS[dcs >> 2 & 3]), False
    return ("data" if group == 15 and dcs & 4 else "gsm7"), False


def _ucs2(octets: bytes, prefixed: bool) -> str:
    """0x11 puts a language of two septets, packed in two octets, first."""
    if prefixed and re.fullmatch(rb"[a-z]{2}", gsm7.unpack(octets[:2], 2)):
        octets = octets[2:]
    return octets.decode("utf-16-be", "replace")


def _converted(octets: bytes, charset: str | None) -> str | None:
    """UCS2 that the modem made of the default alphabet. Firmware that makes none of it shows in strange scripts."""
    if charset != UCS2 or len(octets) % 2:
        return None
    found = octets.decode("utf-16-be", "replace")
    return found if all(char < "\u0500" or char in gsm7.codes() for char in found) else None


def _packed(octets: bytes, text: str) -> str | None:
    """Septets that the modem left packed, as some do (field reports): digits alone are rather a balance."""
    if len(octets) < 4 or not re.search("[A-Fa-f]", text):
        return None
    septets = gsm7.unpack(octets, len(octets) * 8 // 7)
    if len(septets) % 8 == 0 and septets[-1] in (0, 0x0D):
        septets = septets[:-1]  # filling
    found, clean = gsm7.decode(septets)
    return found if clean and re.fullmatch(r"[\r\n -~\u00a0-\u00ff\u20ac]+", found) else None
