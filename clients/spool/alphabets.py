"""Characters of message files: the GSM 7-bit alphabet one septet per byte, ISO 8859-15, UTF-8, UTF-16BE, hex. Pure."""

import re

GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""3GPP TS 23.038 §6.2.1, by septet."""
GSM_EXTENSION = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip
"""3GPP TS 23.038 §6.2.1.1, after the escape."""
ESCAPE = 0x1B

_SEPTETS = {character: bytes([code]) for code, character in enumerate(GSM) if code != ESCAPE} | {
    character: bytes([ESCAPE, code]) for code, character in GSM_EXTENSION.items()
}

MESSAGE_OCTETS = 140
"""TS 23.040 §9.2.3.24: what one short message holds."""


class BadHex(Exception):
    """A body that should be hexadecimal is not; the text says where."""


def decode_gsm(octets: bytes) -> str:
    """Unassigned codes after the escape show the plain character, as the standard has it; above 0x7F is no septet."""
    found: list[str] = []
    escaped = False
    for octet in octets:
        if octet > 0x7F:
            found.append("\N{REPLACEMENT CHARACTER}")
        elif escaped:
            found.append(GSM_EXTENSION.get(octet, GSM[octet] if octet != ESCAPE else " "))
        elif octet != ESCAPE:
            found.append(GSM[octet])
        escaped = octet == ESCAPE and not escaped
    return "".join(found)


def encode_gsm(text: str) -> bytes | None:
    """One byte per septet; None where a character is not of this alphabet."""
    parts = [_SEPTETS.get(character) for character in text]
    return b"".join(part for part in parts if part is not None) if None not in parts else None


def encode_iso(text: str) -> bytes | None:
    try:
        return text.encode("iso8859-15")
    except UnicodeEncodeError:
        return None


def fits_one(text: str, *, ucs2: bool, udh_octets: int = 0) -> bool:
    """Whether a text is one short message; udh_octets with the length byte."""
    septets = None if ucs2 else encode_gsm(text)
    if septets is None:
        return len(text.encode("utf-16-be")) <= MESSAGE_OCTETS - udh_octets
    return len(septets) <= (MESSAGE_OCTETS - udh_octets) * 8 // 7


_COMMENT = re.compile(r"[/'#:].*")
_LENGTH = re.compile(r"LENGTH\b")
INLINE_STRING = b"\x03"
"""WBXML STR_I, ended by a zero (WAP-192-WBXML §5.8.4.1)."""


def decode_hex(body: bytes) -> bytes:
    """The Hex notation: bytes, comments, STRING:, INLINESTRING: and pairs of LENGTH. BadHex."""
    found = bytearray()
    length_at: int | None = None
    for number, line in enumerate(body.decode("latin-1").splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("STRING:"):
            found += line.lstrip()[len("STRING:") :].encode("latin-1")
        elif stripped.startswith("INLINESTRING:"):
            found += INLINE_STRING + line.lstrip()[len("INLINESTRING:") :].encode("latin-1") + b"\x00"
        elif _LENGTH.match(stripped):
            length_at = _length(found, length_at)
        else:
            found += _octets(stripped, number)
    if length_at is not None:
        raise BadHex("a LENGTH has no second one")
    return bytes(found)


def _octets(line: str, number: int) -> bytes:
    try:
        return bytes.fromhex(_COMMENT.sub("", line))
    except ValueError:
        raise BadHex(f"line {number} of the body is not hexadecimal") from None


def _length(found: bytearray, length_at: int | None) -> int | None:
    """The first LENGTH leaves a byte free, the second fills it in."""
    if length_at is None:
        found.append(0)
        return len(found) - 1
    counted = len(found) - length_at - 1
    if counted > 255:
        raise BadHex("more than 255 bytes between two LENGTH")
    found[length_at] = counted
    return None
