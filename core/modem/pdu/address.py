"""Address fields: of TPDUs (TS 23.040 §9.1.2.5) and of the service centre in front of one (TS 27.005 §3.1 <pdu>)."""

from core.modem.pdu import gsm7
from core.modem.pdu.model import Address, PduError, Ton

DIGITS = "0123456789*#abc"
"""Semi-octet to character (§9.1.2.3); F is the filler of odd numbers."""

_MAX_DIGITS = 20
"""The whole field is at most 12 octets (§9.1.2.5)."""

_MAX_NAME = 11
"""Septets of an alphanumeric address: what fits in 10 octets."""

_HEX_OF = str.maketrans("*#abc", "abcde")


def read_address(octets: bytes, at: int) -> tuple[Address, int]:
    """The address at `at` and where the next field begins. PduError when the octets end before it does."""
    if at + 2 > len(octets):
        raise PduError("the TPDU ends before an address")
    semi_octets = octets[at]
    end = at + 2 + (semi_octets + 1) // 2
    if end > len(octets):
        raise PduError("the TPDU ends within an address")
    return _address(octets[at + 1], octets[at + 2 : end], semi_octets), end


def write_address(address: Address) -> bytes:
    """Length in semi-octets, type, number. PduError for a number that can't be written so."""
    kind = 0x80 | address.ton << 4 | _npi(address)
    if address.ton is not Ton.ALPHANUMERIC:
        digits = _swapped(address.number)
        return bytes((len(address.number), kind)) + digits
    septets = gsm7.encode(address.number)
    if septets is None or len(septets) > _MAX_NAME:
        raise PduError("an alphanumeric address has at most 11 characters of the GSM alphabet")
    return bytes((-(-len(septets) * 7 // 4), kind)) + gsm7.pack(septets)


def read_smsc(octets: bytes) -> tuple[Address | None, int]:
    """The service centre in front of a TPDU and where the TPDU begins; here the length counts octets."""
    if not octets:
        raise PduError("an empty PDU")
    end = 1 + octets[0]
    if end > len(octets):
        raise PduError("the PDU ends within the service centre address")
    if end < 3:  # no octets, or a type without a number
        return None, end
    return _address(octets[1], octets[2:end], 2 * (end - 2)), end


def write_smsc(address: Address | None) -> bytes:
    """One zero octet lets the modem take the stored service centre. PduError as write_address."""
    if address is None or not address.number:
        return b"\0"
    digits = _swapped(address.number)
    return bytes((1 + len(digits), 0x80 | address.ton << 4 | _npi(address))) + digits


def _address(kind: int, octets: bytes, semi_octets: int) -> Address:
    ton, npi = Ton(kind >> 4 & 7), kind & 15
    if ton is not Ton.ALPHANUMERIC:
        return Address(_digits(octets, semi_octets), ton, npi)
    septets = gsm7.unpack(octets, semi_octets * 4 // 7)
    # Names of 7 letters fill 49 bits of 7 octets. Service centres that count whole octets announce 14 semi-octets,
    # which is room for an 8th septet, of zeros: no name of 8 letters ends in "@".
    if len(septets) == 8 and septets.endswith(b"\0"):
        septets = septets[:-1]
    return Address(gsm7.decode(septets)[0], ton, npi)


def _digits(octets: bytes, semi_octets: int) -> str:
    """The first filler ends the number, as smaller lengths than announced occur."""
    swapped = octets.hex()
    pairs = "".join([swapped[at + 1] + swapped[at] for at in range(0, len(swapped), 2)])
    number = pairs[:semi_octets].partition("f")[0]
    return number if number.isdecimal() else "".join([DIGITS[int(nibble, 16)] for nibble in number])


def _swapped(number: str) -> bytes:
    if len(number) > _MAX_DIGITS:
        raise PduError("a number has at most 20 digits")
    if not (number.isascii() and number.isdecimal()) and number.strip(DIGITS):
        raise PduError("a number has digits, * and # only")
    nibbles = number.translate(_HEX_OF) + "f" * (len(number) % 2)
    return bytes.fromhex("".join([nibbles[at + 1] + nibbles[at] for at in range(0, len(nibbles), 2)]))


def _npi(address: Address) -> int:
    if not 0 <= address.npi <= 15:
        raise PduError("a numbering plan is 0 to 15")
    return address.npi
