"""The data coding scheme, TP-DCS (TS 23.038 §4)."""

from dataclasses import dataclass

from core.modem.pdu.model import Alphabet, PduError, Waiting, WaitingKind

KINDS = (WaitingKind.VOICEMAIL, WaitingKind.FAX, WaitingKind.EMAIL, WaitingKind.OTHER)
_ALPHABETS = (Alphabet.GSM7, Alphabet.BINARY, Alphabet.UCS2, Alphabet.GSM7)


@dataclass(frozen=True, slots=True)
class Coding:
    """What a TP-DCS says of a message."""

    alphabet: Alphabet
    message_class: int | None = None
    waiting: Waiting | None = None


def read_dcs(octet: int) -> Coding:
    """Total: reserved codings count as the default alphabet (§4), compressed text (TS 23.042) as octets."""
    group = octet >> 4
    if group < 8:  # general, or marked for automatic deletion: the same bits
        alphabet = Alphabet.BINARY if octet & 0x20 else _ALPHABETS[octet >> 2 & 3]
        return Coding(alphabet, octet & 3 if octet & 0x10 else None)
    if group < 12:
        return Coding(Alphabet.GSM7)
    if group == 15:
        return Coding(Alphabet.BINARY if octet & 4 else Alphabet.GSM7, octet & 3)
    waiting = Waiting(KINDS[octet & 3], bool(octet & 8))
    return Coding(Alphabet.UCS2 if group == 14 else Alphabet.GSM7, None, waiting)


def make_dcs(alphabet: Alphabet, message_class: int | None, waiting: Waiting | None = None) -> int:
    """The plainest octet that says this. PduError for what no octet says."""
    if waiting is not None and message_class is None and alphabet is not Alphabet.BINARY:
        group = 0xE0 if alphabet is Alphabet.UCS2 else 0xD0 if waiting.active else 0xC0
        return group | (8 if waiting.active else 0) | KINDS.index(waiting.kind)
    if message_class is None:
        return _ALPHABETS.index(alphabet) << 2
    if not 0 <= message_class <= 3:
        raise PduError("a message class is 0 to 3")
    return 0x10 | _ALPHABETS.index(alphabet) << 2 | message_class
