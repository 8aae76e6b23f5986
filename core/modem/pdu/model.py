"""Short messages as values: what the TPDUs of TS 23.040 say, without their bits. The codec stands in the files beside.

Text and data: a message has either. `text` is what a person reads, `data` the user data octets of an 8-bit message
without its header.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum


class PduError(ValueError):
    """These octets are no such TPDU, or this message can't be one. The text holds no number and no message."""


class TooManyParts(PduError):
    """The text needs more parts than allowed. parts: how many it would need."""

    def __init__(self, parts: int) -> None:
        super().__init__(f"the message needs {parts} parts")
        self.parts = parts


class Ton(IntEnum):
    """Type of number (TS 23.040 §9.1.2.5)."""

    UNKNOWN = 0
    INTERNATIONAL = 1
    NATIONAL = 2
    NETWORK = 3
    SUBSCRIBER = 4
    ALPHANUMERIC = 5
    ABBREVIATED = 6
    RESERVED = 7


@dataclass(frozen=True, slots=True)
class Address:
    """One party or service centre. number: digits and * # a b c, or the name when alphanumeric; never with a +.

    npi: numbering plan, 0 to 15; 1 is E.164.
    """

    number: str
    ton: Ton = Ton.UNKNOWN
    npi: int = 1

    @property
    def text(self) -> str:
        """As people write it: + before international numbers."""
        return f"+{self.number}" if self.ton is Ton.INTERNATIONAL else self.number

    @classmethod
    def of(cls, text: str) -> "Address":
        """From "+4477…", "4477…" or "80123"; without + the type is unknown, and the network decides."""
        if text.startswith("+"):
            return cls(text[1:], Ton.INTERNATIONAL)
        return cls(text, Ton.UNKNOWN)


class Alphabet(StrEnum):
    """TP-DCS alphabet (TS 23.038 §4)."""

    GSM7 = "gsm7"
    BINARY = "binary"
    UCS2 = "ucs2"


@dataclass(frozen=True, slots=True)
class Element:
    """One information element of the user data header (TS 23.040 §9.2.3.24). ident 0 to 255, data up to 137 octets."""

    ident: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Concat:
    """Part `number` (from 1) of `total`. wide: 16-bit reference, element 08, else 8-bit, 00 (§9.2.3.24.1, .8)."""

    reference: int
    total: int
    number: int
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Ports:
    """Application ports (§9.2.3.24.3, .4). wide: 16 bits."""

    destination: int
    source: int
    wide: bool = True


class WaitingKind(StrEnum):
    VOICEMAIL = "voicemail"
    FAX = "fax"
    EMAIL = "email"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message waiting indication, of TP-DCS (TS 23.038 §4) or element 01. count: None if only on or off is known."""

    kind: WaitingKind
    active: bool
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """SMS-DELIVER, from the network (TS 23.040 §9.2.2.1). sent_at is aware; None for a stamp that is no time.

    damaged: the octets ended early, or some could not be decoded; what could be is there.
    elements: those of the header that concat and ports do not stand for. coded: the body as it came, one septet an
    octet for GSM 7-bit; join_text() needs it, since senders cut characters in two. Messages made here need none.
    """

    originator: Address
    sent_at: datetime | None
    text: str | None = None
    data: bytes | None = None
    alphabet: Alphabet = Alphabet.GSM7
    message_class: int | None = None
    elements: tuple[Element, ...] = ()
    concat: Concat | None = None
    ports: Ports | None = None
    waiting: tuple[Waiting, ...] = ()
    pid: int = 0
    dcs: int = 0
    more: bool = False
    reply_path: bool = False
    report: bool = False
    damaged: bool = False
    coded: bytes = field(default=b"", compare=False, repr=False)

    @property
    def silent(self) -> bool:
        """Short message type 0 (§9.2.3.9): acknowledged and shown to nobody."""
        return self.pid == 0x40

    @property
    def replace_type(self) -> int | None:
        """1 to 7 (§9.2.3.9): takes the place of an earlier message of that type from the same originator and SC."""
        return self.pid - 0x40 if 0x41 <= self.pid <= 0x47 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """SMS-SUBMIT, to the network (§9.2.2.2). validity: relative as timedelta, absolute as an aware datetime."""

    destination: Address
    text: str | None = None
    data: bytes | None = None
    alphabet: Alphabet = Alphabet.GSM7
    message_class: int | None = None
    elements: tuple[Element, ...] = ()
    concat: Concat | None = None
    ports: Ports | None = None
    pid: int = 0
    validity: timedelta | datetime | None = None
    report: bool = False
    reject_duplicates: bool = False
    reply_path: bool = False
    reference: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """SMS-STATUS-REPORT (§9.2.2.3). reference: TP-MR of the submit; status: TP-ST, 0 to 255."""

    reference: int
    recipient: Address
    sent_at: datetime | None
    discharged_at: datetime | None
    status: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What compose() lets a sender choose beside text and recipient. split says what to do with long texts.

    concat: one message in parts with a header; separate: messages of their own; numbered: the same with "1/3 " before
    each, for modems that hang on concatenated messages.
    """

    alphabet: Alphabet | None = None
    message_class: int | None = None
    report: bool = False
    validity: timedelta | datetime | None = None
    split: str = "concat"
    reference: int = 0
    wide_reference: bool = False
    ports: Ports | None = None
    elements: tuple[Element, ...] = ()
    pid: int = 0
    reject_duplicates: bool = False
    reply_path: bool = False
    max_parts: int = 255
