"""The national tables of nine Indian languages (TS 23.038 Annex A.2.4 to A.2.12, A.3.4 to A.3.12), in short.

Their locking tables are one layout over nine blocks of Unicode that are ordered alike: each language leaves out the
letters it lacks, and ends with six of its own. Their single shift tables differ only in one run of letters.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_LAYOUT = (
    *range(0x01, 0x04), *range(0x05, 0x0C), "\n", 0x0C, 0x0D, "\r", 0x0E, 0x0F,
    *range(0x10, 0x1B), "\ufffd", *range(0x1B, 0x1F),
    *" !", *range(0x1F, 0x25), *")(", 0x25, 0x26, ",", 0x27, ".", 0x28,
    *"0123456789:;", 0x29, 0x2A, 0x2B, "?",
    *range(0x2C, 0x3A), 0x3C, 0x3D,
    *range(0x3E, 0x4E),
)  # fmt: skip
"""Septets 00 to 5F: a character, or an offset into the block."""

_HEAD = "@£$¥¿\"¤%&'\f*+\ufffd-/<=>¡^¡_#*"
"""Single shift 00 to 18; 0D is reserved."""

_SLOTS = (0x19, 0x1A, *range(0x1C, 0x28), *range(0x2A, 0x2F), *range(0x30, 0x3C))
"""Septets of the letters of a single shift table, between those of the extension and the escape."""


@dataclass(frozen=True, slots=True)
class Language:
    """block: first code point; lacks: offsets without a letter; own: offsets at 60 and 7B to 7F; extras: see _SLOTS."""

    block: int
    lacks: bytes
    own: bytes
    extras: str


def locking_table(language: Language) -> str:
    """128 characters."""

    def character(cell: int | str) -> str:
        if isinstance(cell, str):
            return cell
        return "\ufffd" if cell in language.lacks else chr(language.block + cell)

    first, *rest = map(character, language.own)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "".join([*map(character, _LAYOUT), first, letters, *rest])


def single_table(extension: Mapping[int, str], extras: str) -> dict[int, str]:
    """Of every language from Bengali to Urdu: the extension, Latin capitals in their places, and the extras."""
    capitals = {ord(capital): capital for capital in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    table = dict(enumerate(_HEAD)) | dict(zip(_SLOTS, extras, strict=False)) | dict(extension) | capitals
    return {septet: character for septet, character in table.items() if character != "\ufffd"}


def _language(block: int, lacks: str, own: str, extras: str, before: str = "\u0964\u0965") -> Language:
    """lacks, own, extras: offsets in hexadecimal; before: in front of the extras, dandas in most languages."""
    letters = "".join([chr(block + offset) for offset in bytes.fromhex(extras)])
    return Language(block, bytes.fromhex(lacks), bytes.fromhex(own), before + letters)


_DIGITS = "66 67 68 69 6A 6B 6C 6D 6E 6F "

LANGUAGES: dict[int, Language] = {
    4: _language(  # Bengali
        0x0980,
        "0D 0E 11 12 29 31 33 34 35 45 46 49 4A",
        "4E 57 5C 5D 70 71",
        _DIGITS + "5F 60 61 62 63 72 73 74 75 76 77 78 79 7A",
        before="",
    ),
    5: _language(0x0A80, "0E 12 29 31 34 46 4A", "50 60 61 62 63 71", _DIGITS),  # Gujarati
    6: _language(  # Hindi
        0x0900,
        "",
        "50 72 7B 7C 7E 7F",
        _DIGITS + "51 52 53 54 58 59 5A 5B 5C 5D 5E 5F 60 61 62 63 70 71",
    ),
    7: _language(0x0C80, "01 0D 11 29 34 45 49", "55 56 60 61 62 63", _DIGITS + "5E 71 72"),  # Kannada
    8: _language(  # Malayalam
        0x0D00,
        "01 0D 11 29 3C 45 49",
        "57 60 61 62 63 79",
        _DIGITS + "70 71 72 73 74 75 7A 7B 7C 7D 7E 7F",
    ),
    9: _language(  # Oriya
        0x0B00,
        "0D 0E 11 12 29 31 34 45 46 49 4A",
        "56 57 60 61 62 63",
        _DIGITS + "5C 5D 5F 70 71",
    ),
    10: _language(  # Punjabi
        0x0A00,
        "0B 0C 0D 0E 11 12 29 31 34 37 3D 43 44 45 46 49 4A",
        "51 70 71 72 73 74",
        _DIGITS + "59 5A 5B 5C 5E 75",
    ),
    11: _language(  # Tamil
        0x0B80,
        "01 0B 0C 0D 11 16 17 18 1B 1D 20 21 22 25 26 27 2B 2C 2D 3C 3D 43 44 45 49",
        "50 57 70 71 72 79",
        _DIGITS + "73 74 75 76 77 78 7A",
    ),
    12: _language(  # Telugu
        0x0C00,
        "0D 11 29 34 3C 45 49",
        "55 56 60 61 62 63",
        _DIGITS + "58 59 78 79 7A 7B 7C 7D 7E 7F",
        before="\ufffd\ufffd",
    ),
}
"""By national language identifier (§6.2.1.2.4)."""
