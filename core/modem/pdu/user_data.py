"""User data with its header: text or octets in, TP-UDL and TP-UD out, and back (TS 23.040 §9.2.3.16, §9.2.3.24)."""

from dataclasses import dataclass

from core.modem.pdu import gsm7
from core.modem.pdu.header import NO_HEADER, Header, read_header, write_header
from core.modem.pdu.model import Alphabet, PduError

MAX_OCTETS = 140
MAX_SEPTETS = 160


@dataclass(frozen=True, slots=True)
class UserData:
    """text of GSM 7-bit and UCS-2, data of octets; coded is what stood there, one septet an octet for GSM 7-bit.

    cut: octets are missing, too many or the header is none. unclear: some of the text could not be decoded.
    """

    header: Header
    coded: bytes
    text: str | None = None
    data: bytes | None = None
    cut: bool = False
    unclear: bool = False


def read_user_data(octets: bytes, length: int, alphabet: Alphabet, with_header: bool) -> UserData:
    """octets: TP-UD as it came, which may be too short; length: TP-UDL. Never fails."""
    wanted = -(-length * 7 // 8) if alphabet is Alphabet.GSM7 else length
    cut = len(octets) < wanted or wanted > MAX_OCTETS
    octets = octets[:wanted]
    header, header_octets = NO_HEADER, 0
    if with_header and octets and octets[0] < len(octets):
        header_octets = octets[0] + 1
        found = read_header(octets[1:header_octets])
        header, cut = found or NO_HEADER, cut or found is None
    elif with_header:  # a header longer than everything: the flag was wrong, all of it is text
        cut = True
    coded = _coded(octets, length, header_octets, alphabet)
    if alphabet is Alphabet.BINARY:
        return UserData(header, coded, data=coded, cut=cut)
    text, clear = decode_coded(coded, alphabet, header)
    return UserData(header, coded, text, cut=cut, unclear=not clear)


def write_user_data(coded: bytes, alphabet: Alphabet, header: Header) -> bytes:
    """TP-UDL and TP-UD. PduError when they do not fit."""
    head = write_header(header)
    if alphabet is not Alphabet.GSM7:
        length, octets = len(head) + len(coded), head + coded
    else:
        head_septets = septets_of(len(head))
        fill_bits = head_septets * 7 - len(head) * 8
        length, octets = head_septets + len(coded), b""
        if length <= MAX_SEPTETS:
            octets = head + gsm7.pack(coded, fill_bits)
    if length > (MAX_SEPTETS if alphabet is Alphabet.GSM7 else MAX_OCTETS):
        raise PduError("the user data does not fit into one message")
    return bytes((length,)) + octets


def decode_coded(coded: bytes, alphabet: Alphabet, header: Header = NO_HEADER) -> tuple[str, bool]:
    """Text, and whether all of it was understood. UCS-2 is read as UTF-16, half characters become U+FFFD."""
    if alphabet is Alphabet.GSM7:
        return gsm7.decode(coded, header.locking, header.single)
    try:
        return coded.decode("utf-16-be"), True
    except UnicodeDecodeError:
        return coded[: len(coded) & ~1].decode("utf-16-be", "replace"), False


def encode_body(text: str | None, data: bytes | None, alphabet: Alphabet, header: Header = NO_HEADER) -> bytes:
    """The coded form of a message's body. PduError unless it has what its alphabet is for."""
    if (data if alphabet is Alphabet.BINARY else text) is None or None not in (text, data):
        raise PduError("a message has text, or data when it is binary")
    if data is not None:
        return data
    assert text is not None
    if alphabet is Alphabet.UCS2:
        return whole(text).encode("utf-16-be")
    septets = gsm7.encode(text, header.locking, header.single)
    if septets is None:
        raise PduError("the text has characters that the GSM alphabet lacks")
    return septets


def whole(text: str) -> str:
    """With U+FFFD for every lone surrogate, which no encoding can say."""
    try:
        text.encode("utf-16-be")
    except UnicodeEncodeError:
        return text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")
    return text


def septets_of(octets: int) -> int:
    """Septets that a header of that many octets takes, its fill bits included."""
    return -(-octets * 8 // 7)


def _coded(octets: bytes, length: int, header_octets: int, alphabet: Alphabet) -> bytes:
    if alphabet is not Alphabet.GSM7:
        return octets[header_octets:]
    skipped = septets_of(header_octets)
    return gsm7.unpack(octets[header_octets:], length - skipped, skipped * 7 - header_octets * 8)
