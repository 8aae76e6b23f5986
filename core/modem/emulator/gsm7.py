"""The GSM alphabet and its packing, as the network knows it. Pure. TS 23.038 §6.1.2.1, §6.2.1.

Own tables, on purpose: the emulator is a witness against the codec that Dialtone ships (see the package's docstring).
"""

ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip
ESCAPE = 0x1B

_SEPTETS = {char: bytes((value,)) for value, char in enumerate(ALPHABET) if value != ESCAPE}
_SEPTETS |= {char: bytes((ESCAPE, value)) for value, char in EXTENSION.items()}


def septets_of(text: str, *, replace: bool = False) -> bytes | None:
    """One octet a septet. None if a character isn't in the alphabet; with `replace` it becomes a question mark."""
    found = bytearray()
    for char in text:
        septets = _SEPTETS.get(char, b"?" if replace else None)
        if septets is None:
            return None
        found += septets
    return bytes(found)


def text_of(septets: bytes) -> str:
    """Never fails: an unknown extension shows its basic character, an escape at the end a blank (§6.2.1.1 note 1)."""
    found: list[str] = []
    escaped = False
    for septet in septets:
        if escaped:
            found.append(EXTENSION.get(septet, ALPHABET[septet]) if septet != ESCAPE else " ")
            escaped = False
        elif septet == ESCAPE:
            escaped = True
        else:
            found.append(ALPHABET[septet])
    return "".join(found) + (" " if escaped else "")


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """Eight septets in seven octets, lowest bits first, after `fill_bits` zero bits (0 to 6)."""
    bits = sum(septet << (7 * at) for at, septet in enumerate(septets)) << fill_bits
    return bits.to_bytes((7 * len(septets) + fill_bits + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill_bits: int = 0) -> bytes:
    """The first `count` septets after `fill_bits` bits; ValueError when there are not so many."""
    if len(octets) * 8 < count * 7 + fill_bits:
        raise ValueError("fewer septets than announced")
    bits = int.from_bytes(octets, "little") >> fill_bits
    return bytes((bits >> (7 * at)) & 0x7F for at in range(count))
