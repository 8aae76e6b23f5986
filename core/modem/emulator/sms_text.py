"""Short messages as text mode shows and takes them, in the characters of AT+CSCS. TS 27.005 §3.1, §4; TS 27.007 §5.5.

IRA is ISO 8859-1 here, as on most stacks; GSM is one septet an octet; UCS2 and HEX are hexadecimal.
"""

import contextlib
from typing import TYPE_CHECKING

from core.modem.emulator import gsm7, tpdu
from core.modem.emulator.sms_store import Message, Status
from core.modem.emulator.tpdu import Tpdu

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

STATUS_NAMES = {
    Status.UNREAD: "REC UNREAD", Status.READ: "REC READ", Status.UNSENT: "STO UNSENT", Status.SENT: "STO SENT",
    Status.ALL: "ALL",
}  # fmt: skip


def charset_shown(text: str, charset: str) -> str:
    """Text for a reply; its characters become octets of the same value."""
    if charset == "UCS2":
        return text.encode("utf-16-be", "surrogatepass").hex().upper()
    if charset in ("GSM", "HEX"):
        septets = gsm7.septets_of(text, replace=True) or b""
        return septets.hex().upper() if charset == "HEX" else septets.decode("latin-1")
    return text


def charset_read(typed: str, charset: str) -> str:
    """Text from a command or a prompt; ValueError for broken hexadecimal."""
    if charset == "UCS2":
        return bytes.fromhex(typed).decode("utf-16-be")
    if charset in ("GSM", "HEX"):
        octets = bytes.fromhex(typed) if charset == "HEX" else typed.encode("latin-1", "replace")
        return gsm7.text_of(bytes(octet & 0x7F for octet in octets))
    return typed


def time_shown(stamp: bytes) -> str:
    """ "yy/MM/dd,hh:mm:ss±zz", zz quarters of an hour."""
    digits = tpdu.read_semi_octets(stamp[:6])
    zone = f"{stamp[6] & 7}{stamp[6] >> 4}"
    parts = [digits[at : at + 2] for at in range(0, 12, 2)]
    return f'"{"/".join(parts[:3])},{":".join(parts[3:])}{"-" if stamp[6] & 8 else "+"}{zone}"'


def direct_message(modem: "Modem", pdu: str) -> str:
    """A +CMT with its second line, in the mode that is set."""
    if modem.settings["+CMGF"] == "0":
        return f"+CMT: ,{Message(pdu).tpdu_octets}\r\n{pdu}"
    charset = modem.settings["+CSCS"]
    try:
        message = tpdu.read_deliver(tpdu.tpdu_of(pdu))
        content = _content(message, charset)
    except ValueError:
        return f'+CMT: "",,""\r\n{pdu}'
    head = f"{_party(message.party, charset)},,{time_shown(message.stamp)}"
    if modem.settings["+CSDH"] == "1":
        head += f",{message.party_type},{message.first},{message.pid},{message.dcs},{_smsc(pdu, charset)}"
        head += f",{message.ud_length}"
    return f"+CMT: {head}\r\n{content}"


def direct_report(modem: "Modem", pdu: str) -> str:
    """A +CDS: two lines in PDU mode, one in text mode."""
    if modem.settings["+CMGF"] == "1":
        with contextlib.suppress(ValueError):
            return f"+CDS: {_report_fields(pdu, modem.settings['+CSCS'])}"
    return f"+CDS: {Message(pdu).tpdu_octets}\r\n{pdu}"


def listed(modem: "Modem", index: int, message: Message) -> tuple[str, ...]:
    """The lines of one message in AT+CMGL. In text mode, what can't be read is shown as PDU."""
    if modem.settings["+CMGF"] == "0":
        return f"+CMGL: {index},{int(message.status)},,{message.tpdu_octets}", message.pdu
    head = f'+CMGL: {index},"{STATUS_NAMES[message.status]}"'
    try:
        return _listed_text(modem, head, message)
    except ValueError:
        return f'{head},"",,', message.pdu


def shown(modem: "Modem", message: Message) -> tuple[str, ...]:
    """The lines of AT+CMGR; as above."""
    if modem.settings["+CMGF"] == "0":
        return f"+CMGR: {int(message.status)},,{message.tpdu_octets}", message.pdu
    head = f'+CMGR: "{STATUS_NAMES[message.status]}"'
    try:
        return _shown_text(modem, head, message)
    except ValueError:
        return f'{head},"",,', message.pdu


def _listed_text(modem: "Modem", head: str, message: Message) -> tuple[str, ...]:
    charset = modem.settings["+CSCS"]
    received = message.status <= Status.READ
    if received and tpdu.is_report(message.pdu):
        return (f"{head},{_report_fields(message.pdu, charset)}",)
    found = _read(message)
    stamp = time_shown(found.stamp) if received else ""
    more = f",{found.party_type},{found.ud_length}" if modem.settings["+CSDH"] == "1" else ""
    return f"{head},{_party(found.party, charset)},,{stamp}{more}", _content(found, charset)


def _shown_text(modem: "Modem", head: str, message: Message) -> tuple[str, ...]:
    charset = modem.settings["+CSCS"]
    received = message.status <= Status.READ
    if received and tpdu.is_report(message.pdu):
        return (f"{head},{_report_fields(message.pdu, charset)}",)
    found = _read(message)
    head += f",{_party(found.party, charset)},"
    if received:
        head += f",{time_shown(found.stamp)}"
    if modem.settings["+CSDH"] == "1":
        validity = "" if received else f",{found.stamp[0] if len(found.stamp) == 1 else ''}"
        head += f",{found.party_type},{found.first},{found.pid},{found.dcs}{validity}"
        head += f",{_smsc(message.pdu, charset)},{found.ud_length}"
    return head, _content(found, charset)


def submit_of(modem: "Modem", party: str, typed: str) -> bytes:
    """The SMS-SUBMIT for a typed text, by AT+CSMP; ValueError when it is none or too long."""
    charset = modem.settings["+CSCS"]
    fields = [int(field) for field in modem.settings["+CSMP"].split(",")]
    first, validity, pid, dcs = (fields + [167, 0, 0][len(fields) - 1 :])[:4]
    encoding = tpdu.encoding_of(dcs)
    if encoding == "gsm7":
        content = gsm7.septets_of(charset_read(typed, charset).replace("\r", "\n"), replace=True) or b""
    else:  # typed as hexadecimal in every character set (TS 27.005 §3.1 <data>)
        content = bytes.fromhex(typed)
    return tpdu.write_submit(
        tpdu.write_address(charset_read(party, charset)), content, first=first, validity=bytes((validity,)),
        pid=pid, dcs=dcs,
    )  # fmt: skip


def _read(message: Message) -> Tpdu:
    octets = tpdu.tpdu_of(message.pdu)
    return tpdu.read_deliver(octets) if message.status <= Status.READ else tpdu.read_submit(octets)


def _party(party: str, charset: str) -> str:
    return f'"{charset_shown(party, charset)}"'


def _smsc(pdu: str, charset: str) -> str:
    number = tpdu.smsc_of(pdu) or ""
    return f"{_party(number, charset)},{tpdu.INTERNATIONAL if number.startswith('+') else tpdu.UNKNOWN}"


def _content(message: Tpdu, charset: str) -> str:
    """Octets and UCS2 are shown as hexadecimal in every character set."""
    content = message.user_data()
    if content.data is not None:
        return content.data.hex().upper()
    return charset_shown(content.text or "", "UCS2" if content.encoding == "ucs2" else charset)


def _report_fields(pdu: str, charset: str) -> str:
    report = tpdu.read_report(tpdu.tpdu_of(pdu))
    times = f"{time_shown(report.sent)},{time_shown(report.discharged)}"
    return (
        f"{report.first},{report.reference},{_party(report.party, charset)},{report.party_type},{times},{report.status}"
    )
