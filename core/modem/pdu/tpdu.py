"""Short messages from and to octets (TS 23.040 §9.2.2)."""

from datetime import datetime, timedelta

from core.modem.pdu.address import read_address, read_smsc, write_address, write_smsc
from core.modem.pdu.dcs import Coding, make_dcs, read_dcs
from core.modem.pdu.header import SPECIAL, Header, element_octets, sort_elements, waiting_element
from core.modem.pdu.model import Address, Deliver, PduError, StatusReport, Submit, Waiting
from core.modem.pdu.times import enhanced_period, read_stamp, relative_octet, relative_period, write_stamp
from core.modem.pdu.user_data import UserData, encode_body, read_user_data, write_user_data

DELIVER, SUBMIT, STATUS_REPORT = 0, 1, 2
"""TP-MTI (§9.2.3.1); 2 from the mobile is a command, 0 from it and 1 from the network answer a TPDU."""

_MORE, _LOOP, _REPORT, _HEADER, _REPLY_PATH = 0x04, 0x08, 0x20, 0x40, 0x80
_REJECT_DUPLICATES = 0x04
_NO_VALIDITY, _ENHANCED, _RELATIVE, _ABSOLUTE = 0x00, 0x08, 0x10, 0x18


def split_pdu(hex: str) -> tuple[Address | None, bytes]:
    """A PDU line of TS 27.005 as service centre (None: the stored one) and TPDU."""
    try:
        octets = bytes.fromhex(hex)
    except ValueError:
        raise PduError("a PDU is hexadecimal") from None
    smsc, end = read_smsc(octets)
    if end == len(octets):
        raise PduError("the PDU has no TPDU")
    return smsc, octets[end:]


def join_pdu(tpdu: bytes, smsc: str | None = None) -> str:
    """Upper-case hexadecimal with the service centre in front; "00", the stored one, without smsc ("+44…" or "44…")."""
    return (write_smsc(Address.of(smsc) if smsc else None) + tpdu).hex().upper()


def decode_from_network(tpdu: bytes) -> Deliver | StatusReport:
    """PduError for other types and for octets that end before the user data. The reserved type counts as a deliver."""
    kind = _first(tpdu) & 3
    if kind == STATUS_REPORT:
        return _read_report(tpdu)
    if kind == SUBMIT:
        raise PduError("a submit report is no message")
    return _read_deliver(tpdu)


def decode_from_mobile(tpdu: bytes) -> Submit:
    """PduError for anything but a whole SMS-SUBMIT."""
    first = _first(tpdu)
    if first & 3 != SUBMIT:
        raise PduError("from a mobile only an SMS-SUBMIT is a message")
    destination, at = read_address(tpdu, 2)
    validity, body_at = _read_validity(tpdu, at + 2, first & _ABSOLUTE)
    _need(tpdu, body_at + 1)
    coding = read_dcs(tpdu[at + 1])
    body = read_user_data(tpdu[body_at + 1 :], tpdu[body_at], coding.alphabet, bool(first & _HEADER))
    if body.cut:
        raise PduError("the user data is not what its length and header say")
    return Submit(
        destination=destination,
        text=body.text,
        data=body.data,
        alphabet=coding.alphabet,
        message_class=coding.message_class,
        elements=body.header.elements,
        concat=body.header.concat,
        ports=body.header.ports,
        pid=tpdu[at],
        validity=validity,
        report=bool(first & _REPORT),
        reject_duplicates=bool(first & _REJECT_DUPLICATES),
        reply_path=bool(first & _REPLY_PATH),
        reference=tpdu[1],
    )


def encode_deliver(message: Deliver) -> bytes:
    """dcs 0 is made to suit the alphabet, class and waiting; any other must agree with the alphabet.

    PduError for what does not fit. `waiting` with a count becomes elements unless they are there; damaged is ignored.
    """
    header = message_header(message)
    coded = encode_body(message.text, message.data, message.alphabet, header)
    body = write_user_data(coded, message.alphabet, header)
    first = DELIVER | (0 if message.more else _MORE)
    first |= _flags(message.report, bool(_has_header(header)), message.reply_path)
    octets = bytes((first,)) + write_address(message.originator)
    return octets + bytes((_octet(message.pid), _dcs(message))) + write_stamp(message.sent_at) + body


def encode_submit(message: Submit) -> bytes:
    """PduError for what does not fit."""
    header = message_header(message)
    coded = encode_body(message.text, message.data, message.alphabet, header)
    body = write_user_data(coded, message.alphabet, header)
    form, validity = _write_validity(message.validity)
    first = SUBMIT | form | (_REJECT_DUPLICATES if message.reject_duplicates else 0)
    first |= _flags(message.report, _has_header(header), message.reply_path)
    dcs = make_dcs(message.alphabet, message.message_class)
    octets = bytes((first, _octet(message.reference))) + write_address(message.destination)
    return octets + bytes((_octet(message.pid), dcs)) + validity + body


def encode_report(report: StatusReport) -> bytes:
    """Without the optional fields of §9.2.2.3."""
    first = STATUS_REPORT | (0 if report.more else _MORE)
    octets = bytes((first, _octet(report.reference))) + write_address(report.recipient)
    octets += write_stamp(report.sent_at) + write_stamp(report.discharged_at)
    return octets + bytes((_octet(report.status),))


def message_header(message: Deliver | Submit) -> Header:
    """The whole user data header of a message."""
    header = sort_elements(message.elements)
    elements = header.elements
    if isinstance(message, Deliver) and not any(element.ident == SPECIAL for element in elements):
        elements += tuple(waiting_element(waiting) for waiting in message.waiting if waiting.count is not None)
    return Header(elements, message.concat or header.concat, message.ports or header.ports)


def header_octets(message: Deliver | Submit) -> bytes:
    """The user data header with its length octet, concatenation and ports included; empty without one."""
    octets = element_octets(message_header(message))
    return bytes((len(octets),)) + octets if octets else b""


def _read_deliver(tpdu: bytes) -> Deliver:
    originator, at = read_address(tpdu, 1)
    _need(tpdu, at + 10)
    first, dcs = tpdu[0], tpdu[at + 1]
    coding = read_dcs(dcs)
    body = read_user_data(tpdu[at + 10 :], tpdu[at + 9], coding.alphabet, bool(first & _HEADER))
    return Deliver(
        originator=originator,
        sent_at=read_stamp(tpdu[at + 2 : at + 9]),
        text=body.text,
        data=body.data,
        alphabet=coding.alphabet,
        message_class=coding.message_class,
        elements=body.header.elements,
        concat=body.header.concat,
        ports=body.header.ports,
        waiting=_waiting(coding, body),
        pid=tpdu[at],
        dcs=dcs,
        more=not first & _MORE,
        reply_path=bool(first & _REPLY_PATH),
        report=bool(first & _REPORT),
        damaged=body.cut or body.unclear,
        coded=body.coded,
    )


def _read_report(tpdu: bytes) -> StatusReport:
    _need(tpdu, 2)
    recipient, at = read_address(tpdu, 2)
    _need(tpdu, at + 15)
    return StatusReport(
        reference=tpdu[1],
        recipient=recipient,
        sent_at=read_stamp(tpdu[at : at + 7]),
        discharged_at=read_stamp(tpdu[at + 7 : at + 14]),
        status=tpdu[at + 14],
        more=not tpdu[0] & _MORE,
    )


def _read_validity(tpdu: bytes, at: int, form: int) -> tuple[timedelta | datetime | None, int]:
    """And where TP-UDL stands. A time or period that is none counts as absent."""
    if form == _NO_VALIDITY:
        return None, at
    if form == _RELATIVE:
        _need(tpdu, at + 1)
        return relative_period(tpdu[at]), at + 1
    _need(tpdu, at + 7)
    octets = tpdu[at : at + 7]
    return (read_stamp(octets) if form == _ABSOLUTE else enhanced_period(octets)), at + 7


def _write_validity(validity: timedelta | datetime | None) -> tuple[int, bytes]:
    if validity is None:
        return _NO_VALIDITY, b""
    if isinstance(validity, timedelta):
        return _RELATIVE, bytes((relative_octet(validity),))
    return _ABSOLUTE, write_stamp(validity)


def _waiting(coding: Coding, body: UserData) -> tuple[Waiting, ...]:
    return (*(() if coding.waiting is None else (coding.waiting,)), *body.header.waiting)


def _dcs(message: Deliver) -> int:
    if not message.dcs:
        plain = next((waiting for waiting in message.waiting if waiting.count is None), None)
        return make_dcs(message.alphabet, message.message_class, plain)
    coding = read_dcs(_octet(message.dcs))
    if (coding.alphabet, coding.message_class) != (message.alphabet, message.message_class):
        raise PduError("the data coding scheme says another alphabet or class than the message")
    return message.dcs


def _has_header(header: Header) -> bool:
    return header != Header()


def _flags(report: bool, header: bool, reply_path: bool) -> int:
    return (_REPORT if report else 0) | (_HEADER if header else 0) | (_REPLY_PATH if reply_path else 0)


def _octet(number: int) -> int:
    if not 0 <= number <= 255:
        raise PduError("an octet is 0 to 255")
    return number


def _first(tpdu: bytes) -> int:
    _need(tpdu, 1)
    return tpdu[0]


def _need(tpdu: bytes, octets: int) -> None:
    if len(tpdu) < octets:
        raise PduError("the TPDU ends early")
