"""Events of the daemon to files as smsd writes them. Pure.

Order and wording of the headers are those of smsd 3.1.21, seen with the same messages delivered to it.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clients.spool.alphabets import encode_gsm, encode_iso
from clients.spool.message_file import Header, format_headers
from clients.spool.settings import Settings

Json = Mapping[str, Any]

INTERNATIONAL = "91 international, ISDN/telephone"
UNKNOWN = "81 unknown, ISDN/telephone"
ALPHANUMERIC = "D0 alphanumeric, unknown"
"""Type-of-address octet (TS 24.008 §10.5.4.7) and smsd's words for it."""

TEMPORARY_ERROR = 0x20
PERMANENT_ERROR = 0x40
"""TP-ST (TS 23.040 §9.2.3.15): below is done; between, the service centre still tries; from here on it has given up."""


@dataclass(frozen=True, slots=True)
class Device:
    """Who received: its name in files, and what is known of its SIM and modem."""

    name: str
    imsi: str | None = None
    imei: str | None = None


def received_file(event: Json, device: Device, settings: Settings, smsc: str | None) -> bytes:
    """The file of an sms.received event. smsc: the service centre's number, where known."""
    alphabet, body, length = encode_body(event, settings)
    headers: list[Header] = []
    if event.get("damaged"):
        headers.append(("Warning", "not all of the message could be decoded"))
    headers += _origin(event.get("number"), smsc)
    headers += _sent_and_received(event.get("network_at"), event.get("at"), settings)
    headers += _device(device)
    headers.append(("Report", "no"))
    if event.get("message_class") == 0:
        headers.append(("Flash", "yes"))
    if event.get("incomplete"):
        headers.append(("Incomplete", "yes"))
    headers.append(("Alphabet", alphabet))
    headers += _ports(event.get("destination_port"), event.get("source_port"))
    headers.append(("Length", str(length)))
    return format_headers(headers) + b"\n" + body


def report_file(
    event: Json, device: Device, settings: Settings, smsc: str | None, message_id: int, sent_at: str | None
) -> bytes:
    """The file of an sms.report event. message_id: what stands in the sent file."""
    status = int(event.get("status", 0))
    kind = "Ok" if status < TEMPORARY_ERROR else "Temporary error" if status < PERMANENT_ERROR else "Error"
    lines = (
        "SMS STATUS REPORT",
        f"Message_id: {message_id}",
        f"Discharge_timestamp: {_network_time(event.get('discharged_at'), settings)}",
        f"Status: {status},{kind},{event.get('status_text') or ''}",
    )
    body = "\n".join(lines).encode()
    headers = _origin(event.get("number"), smsc)
    headers += _sent_and_received(sent_at, event.get("at"), settings, local_sent=True)
    headers += _device(device)
    headers += [("Report", "no"), ("Alphabet", "UTF-8" if settings.incoming_utf8 else "ISO")]
    headers += [("Length", str(len(body))), ("UDH", "no")]
    return format_headers(headers) + b"\n" + body


def call_file(event: Json, device: Device, settings: Settings) -> bytes:
    """The file of a call.missed event."""
    headers = [*_origin(event.get("number"), None), ("Subject", device.name), ("Modem", device.name)]
    headers += [("IMSI", device.imsi or ""), ("IMEI", device.imei or ""), ("Call_type", "missed")]
    headers.append(("Received", local_time(event.get("at"), settings)))
    return format_headers(headers) + b"\nCALL MISSED\n"


def encode_body(event: Json, settings: Settings) -> tuple[str, bytes, int]:
    """Alphabet, bytes and Length of a body.

    What came in the GSM alphabet is ISO (or GSM, or UTF-8, as configured), what came as UCS2 stays UCS2 unless
    decode_unicode_text is set, as in smsd. Text that ISO 8859-15 can't hold is UCS2 too; smsd loses such characters.
    """
    text = event.get("text")
    if text is None:
        octets = base64.b64decode(event.get("data") or "")
        return "binary", octets, len(octets)
    if event.get("encoding") != "ucs2" or settings.decode_unicode_text:
        if settings.incoming_utf8:
            return "UTF-8", text.encode(errors="replace"), len(text)
        if not settings.cs_convert and (septets := encode_gsm(text)) is not None:
            return "GSM", septets, len(septets)
        if (iso := encode_iso(text)) is not None:
            return "ISO", iso, len(iso)
    octets = text.encode("utf-16-be", errors="replace")
    return "UCS2", octets, len(octets) // 2


def local_time(at: str | None, settings: Settings) -> str:
    """An instant of the daemon (RFC 3339) in local time, as datetime_format says. Empty where there is none."""
    return datetime.fromisoformat(at).astimezone().strftime(settings.datetime_format) if at else ""


def _network_time(at: str | None, settings: Settings) -> str:
    """The service centre's clock with its own zone: smsd writes its digits as they came."""
    return datetime.fromisoformat(at).strftime(settings.datetime_format) if at else ""


def _origin(number: str | None, smsc: str | None) -> list[Header]:
    """From without +, and its type of address as far as it shows."""
    number = number or ""
    digits = ALPHANUMERIC if number.strip("0123456789*#abcABC") else UNKNOWN
    kind = INTERNATIONAL if number.startswith("+") else digits
    headers = [("From", number.removeprefix("+")), ("From_TOA", kind)]
    return [*headers, ("From_SMSC", smsc.removeprefix("+"))] if smsc else headers


def _sent_and_received(
    sent_at: str | None, received_at: str | None, settings: Settings, *, local_sent: bool = False
) -> list[Header]:
    ours = sent_at is None or local_sent
    sent = local_time(sent_at or received_at, settings) if ours else _network_time(sent_at, settings)
    return [("Sent", sent), ("Received", local_time(received_at, settings))]


def _device(device: Device) -> list[Header]:
    headers = [("Subject", device.name), ("Modem", device.name)]
    return headers + [(name, value) for name, value in (("IMSI", device.imsi), ("IMEI", device.imei)) if value]


def _ports(destination: int | None, source: int | None) -> list[Header]:
    """The user data header of a message with 16-bit ports (TS 23.040 §9.2.3.24.4), as it was on the air."""
    if destination is None or source is None:
        return []
    octets: Sequence[int] = (6, 5, 4, destination >> 8, destination & 0xFF, source >> 8, source & 0xFF)
    dump = "".join(f"{octet:02X} " for octet in octets)
    return [("UDH-DATA", dump), ("UDH-Type", "Length=7, [05]Application port addressing scheme, 16 bit address")]
