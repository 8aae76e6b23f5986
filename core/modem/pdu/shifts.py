"""Character tables of TS 23.038: default alphabet (§6.2.1), extension (§6.2.1.1), national shift tables (Annex A)."""

from core.modem.pdu.indic import LANGUAGES, locking_table, single_table

NO_CHARACTER = "\ufffd"
"""Stands where a table has no character."""

DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\ufffdÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Character of each septet; 1B is the escape."""

EXTENSION = dict(zip(b"\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65", "\f^{}\\[~]|€", strict=True))
"""Septet behind an escape to character."""


def _default_with(septets: bytes, characters: str) -> str:
    changes = dict(zip(septets, characters, strict=True))
    return "".join([changes.get(septet, character) for septet, character in enumerate(DEFAULT)])


def _extension_with(septets: bytes, characters: str) -> dict[int, str]:
    return EXTENSION | dict(zip(septets, characters, strict=True))


TURKISH, SPANISH, PORTUGUESE, URDU = 1, 2, 3, 13
"""National language identifiers (§6.2.1.2.4); 4 to 12 are those of indic.LANGUAGES."""

_URDU = (  # Annex A.3.13: not in the order of the Unicode block, unlike its neighbours
    "اآبٻڀپڦتۂٿ\nٹٽ\rٺټثجځڄڃڅچڇحخد\ufffdڌڈډڊ !ڏڍذرڑړ)(ڙز,ږ.ژ0123456789:;ښسش?"
    "صضطظعفقکڪګگڳڱلمنںڻڼوۄەہھءیېے\u064d\u0650\u064f\u0657"
    "\u0654abcdefghijklmnopqrstuvwxyz\u0655\u0651\u0653\u0656\u0670"
)

_URDU_EXTRAS = "".join(
    map(chr, (0x600, 0x601, *range(0x6F0, 0x6FA), *range(0x60C, 0x615), 0x61B, 0x61F, 0x640, 0x652, 0x658))
) + "".join(map(chr, (0x66B, 0x66C, 0x672, 0x673, 0x6CD)))  # fmt: skip

LOCKING: dict[int, str] = {
    0: DEFAULT,
    TURKISH: _default_with(b"\x04\x07\x0b\x0c\x1c\x1d\x40\x60", "€ıĞğŞşİç"),
    PORTUGUESE: _default_with(
        b"\x04\x06\x07\x08\x09\x0b\x0c\x0e\x0f\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1c\x1d\x1e\x24"
        b"\x40\x5b\x5c\x5d\x60\x7b\x7c\x7d",
        "êúíóçÔôÁáªÇÀ∞^\\€Ó|ÂâÊºÍÃÕÚ~ãõ`",
    ),
    **{ident: locking_table(language) for ident, language in LANGUAGES.items()},
    URDU: _URDU,
}
"""By language identifier: 128 characters that take the place of the default alphabet (Annex A.3; Spanish has none)."""

SINGLE: dict[int, dict[int, str]] = {
    0: EXTENSION,
    TURKISH: _extension_with(b"\x47\x49\x53\x63\x67\x69\x73", "ĞİŞçğış"),
    SPANISH: _extension_with(b"\x09\x41\x49\x4f\x55\x61\x69\x6f\x75", "çÁÍÓÚáíóú"),
    PORTUGUESE: _extension_with(
        b"\x05\x09\x0b\x0c\x0e\x0f\x12\x13\x15\x16\x17\x18\x19\x1f\x41\x49\x4f\x55\x5b\x5c\x61\x69\x6f\x75\x7b\x7c\x7f",
        "êçÔôÁáΦΓΩΠΨΣΘÊÀÍÓÚÃÕÂíóúãõâ",
    ),
    **{ident: single_table(EXTENSION, language.extras) for ident, language in LANGUAGES.items()},
    URDU: single_table(EXTENSION, _URDU_EXTRAS) | {0x3F: "\u06d4"},
}
"""By language identifier: what takes the place of the extension (Annex A.2)."""
