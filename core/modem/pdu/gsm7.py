"""The GSM 7-bit default alphabet: text, septets, and septets packed into octets (TS 23.038 §6.1.2, §6.2.1).

Septets travel here as bytes, one septet of 0 to 127 an octet.
"""

from functools import lru_cache

from core.modem.pdu.shifts import EXTENSION, LOCKING, NO_CHARACTER, SINGLE

ESCAPE = 0x1B
"""The next septet is of the extension or single shift table (§6.2.1.1)."""

_LANES = 32
"""Groups of 8 septets that one call can hold: as many as one octet of length can announce."""


def _mask(bits: int, step: int) -> int:
    """The low `bits` of every `step` bits, over all lanes of 64 bits."""
    return sum(((1 << bits) - 1) << at for at in range(0, _LANES * 64, step))


_LOW28, _LOW14, _LOW7 = _mask(28, 64), _mask(14, 32), _mask(7, 16)
_HIGH28, _HIGH14, _HIGH7 = _LOW28 << 28, _LOW14 << 14, _LOW7 << 7
_WIDE28, _WIDE14, _WIDE7 = _LOW28 << 32, _LOW14 << 16, _LOW7 << 8


def unpack(octets: bytes, count: int, skip_bits: int = 0) -> bytes:
    """`count` septets (0 to 255) of packed octets, first of them at bit skip_bits (§6.1.2.1.1); fewer if octets end.

    Eight septets are seven octets: each seven octets get a lane of 64 bits, in which the 56 bits are spread by halves.
    """
    if skip_bits:
        octets = (int.from_bytes(octets, "little") >> skip_bits).to_bytes(len(octets), "little")
        count = min(count, (len(octets) * 8 - skip_bits) // 7)
    count = max(0, min(count, len(octets) * 8 // 7))
    lanes = -(-count // 8)
    octets = octets[: lanes * 7].ljust(lanes * 7, b"\0")
    spread = bytearray(lanes * 8)
    for octet in range(7):
        spread[octet::8] = octets[octet::7]
    bits = int.from_bytes(spread, "little")
    bits = (bits & _LOW28) | (bits & _HIGH28) << 4
    bits = (bits & _LOW14) | (bits & _HIGH14) << 2
    bits = (bits & _LOW7) | (bits & _HIGH7) << 1
    return bits.to_bytes(lanes * 8, "little")[:count]


def pack(septets: bytes, skip_bits: int = 0) -> bytes:
    """At most 255 septets as packed octets, behind skip_bits (0 to 7) zero bits; unused bits at the end are 0."""
    lanes = -(-len(septets) // 8)
    bits = int.from_bytes(septets, "little")
    bits = (bits & _LOW7) | (bits & _WIDE7) >> 1
    bits = (bits & _LOW14) | (bits & _WIDE14) >> 2
    bits = (bits & _LOW28) | (bits & _WIDE28) >> 4
    spread = bits.to_bytes(lanes * 8, "little")
    octets = bytearray(lanes * 7)
    for octet in range(7):
        octets[octet::7] = spread[octet::8]
    length = -(-(len(septets) * 7 + skip_bits) // 8)
    return (int.from_bytes(octets, "little") << skip_bits).to_bytes(length, "little")


def decode(septets: bytes, locking: int = 0, single: int = 0) -> tuple[str, bool]:
    """The text, and whether every septet was understood. locking, single: national languages; unknown ones count as 0.

    An escape before a septet that the extension table lacks gives the character of the main table, a second escape
    gives a space (§6.2.1.1); so does one with nothing behind it. A septet without a character gives U+FFFD.
    """
    base = LOCKING.get(locking, LOCKING[0])
    if ESCAPE not in septets:
        plain = "".join([base[septet] for septet in septets])
        return plain, NO_CHARACTER not in plain
    extension = SINGLE.get(single, EXTENSION)
    text: list[str] = []
    clean, at, end = True, 0, len(septets)
    while at < end:
        septet = septets[at]
        at += 1
        if septet != ESCAPE:
            text.append(base[septet])
            continue
        shifted = septets[at] if at < end else ESCAPE
        at += 1
        known = extension.get(shifted)
        clean = clean and known is not None
        text.append(known or (" " if shifted == ESCAPE else base[shifted]))
    whole = "".join(text)
    return whole, clean and NO_CHARACTER not in whole


def codes(locking: int = 0, single: int = 0) -> dict[str, bytes]:
    """Every character of an alphabet and its one or two septets."""
    return _codes(locking if locking in LOCKING else 0, single if single in SINGLE else 0)


def encode(text: str, locking: int = 0, single: int = 0) -> bytes | None:
    """The septets of a text; None if the alphabet lacks one of its characters."""
    table = codes(locking, single)
    try:
        return b"".join([table[character] for character in text])
    except KeyError:
        return None


@lru_cache(maxsize=32)
def _codes(locking: int, single: int) -> dict[str, bytes]:
    """Some tables have a character twice: the main table goes first, then the lower septet."""
    found = {character: bytes((ESCAPE, code)) for code, character in sorted(SINGLE[single].items(), reverse=True)}
    found |= {character: bytes((code,)) for code, character in reversed(list(enumerate(LOCKING[locking])))}
    found.pop(NO_CHARACTER, None)
    return found
