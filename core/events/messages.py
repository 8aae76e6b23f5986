"""Events of short messages and USSD."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from core.events.declare import Event, event
from core.line import UssdState


class SmsState(StrEnum):
    """States of a short message (docs/messages.md has the table)."""

    RECEIVED = "received"
    QUEUED = "queued"
    SENDING = "sending"  # on its way to the modem, or between two of its parts
    SENT = "sent"  # the network took every part
    DELIVERED = "delivered"  # the recipient's phone has every part
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # handed over, no answer: it may have been sent, once


class Outcome(StrEnum):
    """What a status report says (TP-ST, TS 23.040 §9.2.3.15)."""

    DELIVERED = "delivered"
    PENDING = "pending"  # the service centre still tries
    FAILED = "failed"


class SmsWaiting(Struct, frozen=True, kw_only=True):
    """Something waits for the subscriber in a mailbox, or no longer does."""

    kind: Annotated[str, Meta(description="voicemail, fax, email or other")]
    active: bool
    count: int | None = None


@event("sms.received", personal=("number", "text", "data"))
class SmsReceived(Event, frozen=True, kw_only=True):
    """A message came in. incomplete: parts are missing; the same message_id comes again when they arrive."""

    message_id: str
    number: Annotated[str | None, Meta(description="Originator as the network gave it; a name when alphanumeric")]
    text: str | None
    data: Annotated[str | None, Meta(description="Base64, for 8-bit messages and those that can't be decoded")] = None
    encoding: str = "gsm7"
    message_class: Annotated[int | None, Meta(description="0 is a flash message")] = None
    parts: int = 1
    missing: Annotated[tuple[int, ...], Meta(description="Numbers of the parts that did not come")] = ()
    incomplete: bool = False
    silent: Annotated[bool, Meta(description="Message type 0: phones drop these without a word")] = False
    damaged: Annotated[bool, Meta(description="Not all of it could be decoded; data has the octets then")] = False
    replaces: Annotated[str | None, Meta(description="message_id of the message that this one replaces")] = None
    source_port: int | None = None
    destination_port: int | None = None
    waiting: Annotated[
        tuple[SmsWaiting, ...], Meta(description="Message waiting indications: voicemail and its like")
    ] = ()
    network_at: Annotated[str | None, Meta(description="The service centre's time stamp, with its zone")] = None


@event("sms.status", personal=("number",))
class SmsStatus(Event, frozen=True, kw_only=True):
    """An outgoing message changed state."""

    message_id: str
    state: SmsState
    number: str | None
    client_ref: str | None = None
    reason: Annotated[str | None, Meta(description="Stable word, e.g. no_answer, network_refused, core_restarted")] = (
        None
    )
    network_text: str | None = None
    cms: Annotated[int | None, Meta(description="+CMS ERROR number (TS 27.005 §3.2.5)")] = None
    parts: int = 1
    parts_sent: int = 0
    parts_delivered: int = 0
    attempts: int = 0
    next_try_at: str | None = None


@event("sms.report", personal=("number",))
class SmsReport(Event, frozen=True, kw_only=True):
    """The service centre reported on one part. message_id is null while no sent message fits: a report that overtook
    the modem's own answer comes again with it."""

    message_id: str | None
    number: str | None
    outcome: Outcome
    status: Annotated[int, Meta(description="TP-ST, 0 to 255")]
    status_text: str
    part: int | None = None
    discharged_at: str | None = None


@event("ussd.received", personal=("text",))
class UssdReceived(Event, frozen=True, kw_only=True):
    """The network sent a USSD text: an answer, or of its own accord (initiated_by network)."""

    text: str | None
    state: UssdState
    initiated_by: str = "client"
