"""Character tables of TS 23.038: default alphabet (§6.2.1), extension (§6.2.1.1), national shift tables (Annex A)."""

DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Character of each septet; the space at 1B is how a lone escape is shown (§6.2.1, note 1)."""

EXTENSION = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip
"""Septet behind an escape to character."""

LOCKING: dict[int, str] = {0: DEFAULT}
SINGLE: dict[int, dict[int, str]] = {0: EXTENSION}
