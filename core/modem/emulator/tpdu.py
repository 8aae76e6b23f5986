"""Short messages as the network sees them: reads what a mobile submits, writes what it delivers. Pure.

TS 23.040 §9.2.2, TS 23.038 §4. Own code, on purpose: see the package's docstring. Malformed octets are ValueErrors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from core.modem.emulator import gsm7

_DIGITS = "0123456789*#abc"
INTERNATIONAL, UNKNOWN, ALPHANUMERIC = 0x91, 0x81, 0xD0
_VALIDITY_OCTETS = {0: 0, 1: 7, 2: 1, 3: 7}
"""By TP-VPF: none, enhanced, relative, absolute (§9.2.3.3)."""
UD_OCTETS = 140


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a concatenated message. number counts from 1."""

    reference: int
    total: int
    number: int
    wide: bool = False


@dataclass(frozen=True, slots=True)
class UserData:
    """What TP-UD holds. text or data; header: its elements as (identifier, octets)."""

    text: str | None
    data: bytes | None
    encoding: str
    header: tuple[tuple[int, bytes], ...] = ()

    @property
    def part(self) -> Part | None:
        for ident, octets in self.header:
            if ident == 0 and len(octets) == 3:
                return Part(octets[0], octets[1], octets[2])
            if ident == 8 and len(octets) == 4:
                return Part(int.from_bytes(octets[:2], "big"), octets[2], octets[3], wide=True)
        return None

    @property
    def ports(self) -> tuple[int, int] | None:
        """Destination and source."""
        for ident, octets in self.header:
            if (ident, len(octets)) in ((4, 2), (5, 4)):
                half = len(octets) // 2
                return int.from_bytes(octets[:half], "big"), int.from_bytes(octets[half:], "big")
        return None


@dataclass(frozen=True, slots=True)
class Tpdu:
    """An SMS-SUBMIT or SMS-DELIVER, its user data still packed. stamp: TP-VP or TP-SCTS as octets."""

    first: int
    reference: int
    party: str
    party_type: int
    pid: int
    dcs: int
    stamp: bytes
    ud_length: int
    ud: bytes

    @property
    def report_wanted(self) -> bool:
        """TP-SRR of a submit, TP-SRI of a deliver: the same bit."""
        return bool(self.first & 0x20)

    def user_data(self) -> UserData:
        return read_user_data(self.dcs, self.ud_length, self.ud, header=bool(self.first & 0x40))


@dataclass(frozen=True, slots=True)
class Report:
    """An SMS-STATUS-REPORT. stamps: TP-SCTS and TP-DT as octets."""

    first: int
    reference: int
    party: str
    party_type: int
    sent: bytes
    discharged: bytes
    status: int


def encoding_of(dcs: int) -> str:
    """gsm7, binary or ucs2 (TS 23.038 §4)."""
    group = dcs >> 4
    if group < 8:
        return ("gsm7", "binary", "ucs2", "gsm7")[dcs >> 2 & 3]
    if group == 15:
        return "binary" if dcs & 4 else "gsm7"
    return "ucs2" if group == 14 else "gsm7"


def class_of(dcs: int) -> int | None:
    """Message class 0 to 3."""
    return dcs & 3 if (dcs >> 4 < 8 and dcs & 0x10) or dcs >> 4 == 15 else None


def dcs_of(encoding: str, message_class: int | None = None) -> int:
    base = {"gsm7": 0x00, "binary": 0x04, "ucs2": 0x08}[encoding]
    return base if message_class is None else base | 0x10 | message_class


# --- reading ---


def read_submit(tpdu: bytes) -> Tpdu:
    """What a mobile hands to the network. The user data must be as long as TP-UDL says."""
    first = tpdu[0] if tpdu else 0
    if first & 3 != 1:
        raise ValueError("no SMS-SUBMIT")
    party, party_type, at = _read_address(tpdu, 2)
    if not party:
        raise ValueError("no destination")
    validity = _VALIDITY_OCTETS[first >> 3 & 3]
    return _read_rest(tpdu, at, first, tpdu[1], party, party_type, validity)


def read_deliver(tpdu: bytes) -> Tpdu:
    first = tpdu[0] if tpdu else 0
    if first & 3 != 0:
        raise ValueError("no SMS-DELIVER")
    party, party_type, at = _read_address(tpdu, 1)
    return _read_rest(tpdu, at, first, 0, party, party_type, 7)


def read_report(tpdu: bytes) -> Report:
    if len(tpdu) < 2 or tpdu[0] & 3 != 2:
        raise ValueError("no SMS-STATUS-REPORT")
    party, party_type, at = _read_address(tpdu, 2)
    if len(tpdu) < at + 15:
        raise ValueError("the report ends early")
    return Report(tpdu[0], tpdu[1], party, party_type, tpdu[at : at + 7], tpdu[at + 7 : at + 14], tpdu[at + 14])


def is_report(pdu: str) -> bool:
    """pdu: hexadecimal with its SMSC field, from the network."""
    first = 2 + 2 * int(pdu[:2], 16)
    return int(pdu[first : first + 2] or "0", 16) & 3 == 2


def _read_rest(tpdu: bytes, at: int, first: int, reference: int, party: str, party_type: int, stamp: int) -> Tpdu:
    start = at + 2 + stamp + 1
    if len(tpdu) < start:
        raise ValueError("the TPDU ends early")
    made = Tpdu(
        first, reference, party, party_type, tpdu[at], tpdu[at + 1], tpdu[at + 2 : start - 1], tpdu[start - 1],
        tpdu[start:],
    )  # fmt: skip
    octets = (made.ud_length * 7 + 7) // 8 if encoding_of(made.dcs) == "gsm7" else made.ud_length
    if octets != len(made.ud) or octets > UD_OCTETS:
        raise ValueError("TP-UDL and TP-UD differ")
    return made


def _read_address(tpdu: bytes, at: int) -> tuple[str, int, int]:
    """The party as people write it, its type octet, and where the next field begins."""
    if len(tpdu) < at + 2:
        raise ValueError("the TPDU ends early")
    digits, kind = tpdu[at], tpdu[at + 1]
    octets = tpdu[at + 2 : at + 2 + (digits + 1) // 2]
    if len(octets) != (digits + 1) // 2 or digits > 20:
        raise ValueError("the address ends early")
    end = at + 2 + len(octets)
    if kind & 0x70 == 0x50:
        return gsm7.text_of(gsm7.unpack(octets, digits * 4 // 7)), kind, end
    number = read_semi_octets(octets)[:digits]
    return ("+" if number and kind & 0x70 == 0x10 else "") + number, kind, end


def read_semi_octets(octets: bytes) -> str:
    nibbles = (nibble for octet in octets for nibble in (octet & 15, octet >> 4))
    return "".join(_DIGITS[nibble] for nibble in nibbles if nibble < 15)


def read_user_data(dcs: int, length: int, ud: bytes, *, header: bool) -> UserData:
    elements: tuple[tuple[int, bytes], ...] = ()
    skip = 0
    if header:
        skip = (ud[0] if ud else 0) + 1
        elements = tuple(_elements(ud[1:skip]))
    encoding = encoding_of(dcs)
    if encoding == "gsm7":
        skipped = (skip * 8 + 6) // 7
        septets = gsm7.unpack(ud[skip:], max(0, length - skipped), skipped * 7 - skip * 8)
        return UserData(gsm7.text_of(septets), None, encoding, elements)
    if encoding == "ucs2":
        return UserData(ud[skip:].decode("utf-16-be", "replace"), None, encoding, elements)
    return UserData(None, ud[skip:], encoding, elements)


def _elements(header: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(header):
        yield header[at], header[at + 2 : at + 2 + header[at + 1]]
        at += 2 + header[at + 1]


# --- writing ---


def write_address(party: str) -> bytes:
    """+44…: international; digits: unknown; anything else a name of at most 11 characters in the GSM alphabet."""
    international = party.startswith("+")
    digits = party.removeprefix("+").lower()
    if digits and all(char in _DIGITS for char in digits):
        if len(digits) > 20:
            raise ValueError("a number has at most 20 digits")
        kind = INTERNATIONAL if international else UNKNOWN
        return bytes((len(digits), kind)) + semi_octets(digits)
    septets = gsm7.septets_of(party)
    if not septets or len(septets) > 11:
        raise ValueError("a name has 1 to 11 characters of the GSM alphabet")
    return bytes(((len(septets) * 7 + 3) // 4, ALPHANUMERIC)) + gsm7.pack(septets)


def semi_octets(digits: str) -> bytes:
    nibbles = [_DIGITS.index(char) for char in digits] + [15] * (len(digits) % 2)
    return bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))


def write_time(at: datetime) -> bytes:
    """TP-SCTS (§9.2.3.11): seven octets, the zone in quarters of an hour with its sign in bit 3."""
    offset = at.utcoffset()
    quarters = 0 if offset is None else round(offset.total_seconds() / 900)
    zone = semi_octets(f"{abs(quarters):02d}")[0] | (8 if quarters < 0 else 0)
    return semi_octets(f"{at:%y%m%d%H%M%S}") + bytes((zone,))


def write_user_data(content: str | bytes, encoding: str, header: bytes = b"") -> tuple[int, bytes]:
    """TP-UDL and TP-UD. header: elements without their length octet. ValueError beyond 140 octets."""
    head = bytes((len(header),)) + header if header else b""
    if encoding == "gsm7":
        septets = content if isinstance(content, bytes) else gsm7.septets_of(content)
        if septets is None:
            raise ValueError("a character is not in the GSM alphabet")
        skipped = (len(head) * 8 + 6) // 7
        length, ud = skipped + len(septets), head + gsm7.pack(septets, skipped * 7 - len(head) * 8)
    else:
        ud = head + (content if isinstance(content, bytes) else content.encode("utf-16-be", "surrogatepass"))
        length = len(ud)
    if len(ud) > UD_OCTETS:
        raise ValueError("more than a message holds")
    return length, ud


def write_deliver(
    party: str, at: datetime, content: str | bytes, *, encoding: str, header: bytes = b"", pid: int = 0,
    dcs: int | None = None, message_class: int | None = None, more: bool = False, report: bool = False,
) -> bytes:  # fmt: skip
    """An SMS-DELIVER. content: text, or octets (for gsm7: septets)."""
    first = (0 if more else 0x04) | (0x20 if report else 0) | (0x40 if header else 0)
    length, ud = write_user_data(content, encoding, header)
    coding = dcs_of(encoding, message_class) if dcs is None else dcs
    return bytes((first,)) + write_address(party) + bytes((pid, coding)) + write_time(at) + bytes((length,)) + ud


def write_submit(party: bytes, content: bytes, *, first: int, validity: bytes, pid: int, dcs: int) -> bytes:
    """An SMS-SUBMIT from text mode. content: septets or octets, by dcs."""
    length, ud = write_user_data(content, encoding_of(dcs))
    return bytes((first & 0xA7 | 1 | 0x10, 0)) + party + bytes((pid, dcs)) + validity + bytes((length,)) + ud


def write_report(reference: int, party: bytes, sent: datetime, discharged: datetime, status: int) -> bytes:
    """An SMS-STATUS-REPORT; party as octets, as it was submitted. 0x04: no more messages to send."""
    return bytes((0x06, reference)) + party + write_time(sent) + write_time(discharged) + bytes((status,))


def with_smsc(tpdu: bytes, smsc: str) -> str:
    """The PDU as AT shows it: hexadecimal, SMSC field first. smsc: digits with or without +, or "" for none."""
    if not smsc:
        return "00" + tpdu.hex().upper()
    octets = bytes((INTERNATIONAL if smsc.startswith("+") else UNKNOWN,)) + semi_octets(smsc.removeprefix("+"))
    return (bytes((len(octets),)) + octets + tpdu).hex().upper()


def tpdu_of(pdu: str) -> bytes:
    """The TPDU behind the SMSC field; ValueError when it isn't hexadecimal or too short."""
    octets = bytes.fromhex(pdu)
    if not octets or len(octets) < octets[0] + 1:
        raise ValueError("the SMSC field ends early")
    return octets[octets[0] + 1 :]


def smsc_of(pdu: str) -> str | None:
    length = int(pdu[:2], 16)
    if length < 2:
        return None
    octets = bytes.fromhex(pdu[2 : 2 + 2 * length])
    return ("+" if octets[0] & 0x70 == 0x10 else "") + read_semi_octets(octets[1:])
