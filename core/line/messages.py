"""What a line tells of short messages and USSD, and how sending one ends."""

from dataclasses import dataclass

from core.line.words import UssdState


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line keeps a received message until it is told that it is safe here.

    life counts the lives of the modem and the changes of its SIM: an index of an earlier one names another message
    by now, and must never be deleted.
    """

    life: int
    memory: str
    index: int


@dataclass(frozen=True, slots=True)
class HeldPdu:
    """One message from the network. pdu: upper-case hexadecimal, SMSC field first (TS 27.005 §3.1 <pdu>).

    place is None when it was handed over directly (+CMT, +CDS) and no copy is left in the modem.
    """

    pdu: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class LineMail:
    """What one sweep of the modem's memories found, at most MAIL_ITEMS. Answer it with `discard` or `keep`."""

    items: tuple[HeldPdu, ...]


MAIL_ITEMS = 64


@dataclass(frozen=True, slots=True)
class LineUssd:
    """A +CUSD that no request of ours waits for: the network began a session, or ended one."""

    state: UssdState
    text: str | None


@dataclass(frozen=True, slots=True)
class LineMemory:
    """The modem's message memories: full, or no longer full. Full means that the network holds messages back."""

    full: bool


@dataclass(frozen=True, slots=True)
class LineLateReference:
    """The network did take the message whose send_tpdu ended in SendUncertain last: this is its TP-MR. Told only while
    no other message has gone to the modem since."""

    reference: int


@dataclass(frozen=True, slots=True)
class LineLateRefusal:
    """As LineLateReference, but it was refused: it was certainly not sent. cms and text as in SendRefused."""

    cms: int | None
    text: str


LineMessage = LineMail | LineUssd | LineMemory | LineLateReference | LineLateRefusal


@dataclass(frozen=True, slots=True)
class UssdAnswer:
    """What the network answered to a USSD request."""

    state: UssdState
    text: str | None


class SendRefused(Exception):
    """The modem or the network said no to a short message: it was certainly not sent.

    cms: the +CMS ERROR number, where there is one (TS 27.005 §3.2.5; below 256 the network's own cause). text: the
    modem's words.
    """

    def __init__(self, cms: int | None, text: str) -> None:
        super().__init__(text)
        self.cms = cms
        self.text = text


class SendUncertain(Exception):
    """The message was handed to the modem and no answer came: it may have been sent, once."""
