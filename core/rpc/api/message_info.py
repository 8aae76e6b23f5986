"""A message as clients see it."""

from base64 import b64encode
from typing import Annotated, Literal

from msgspec import Meta, Struct, convert

from core.events import SmsState, SmsWaiting
from core.line import Direction
from core.store.message_reads import MessageRow

PRIORITIES: tuple[Literal["high", "normal", "low"], ...] = ("high", "normal", "low")
"""By their number in the store."""

Time = Annotated[str, Meta(description="RFC 3339")]


class MessageInfo(Struct, frozen=True, kw_only=True):
    """One short message, in or out."""

    message_id: str
    line: str
    direction: Direction
    number: Annotated[
        str | None,
        Meta(description="The other party as the network has it: a name when alphanumeric, null when it can't be read"),
    ]
    text: str | None
    data: Annotated[str | None, Meta(description="Base64, for 8-bit messages and those that can't be decoded")]
    encoding: Literal["gsm7", "ucs2", "binary"]
    message_class: Annotated[int | None, Meta(description="0 is a flash message")]
    state: SmsState
    reason: Annotated[str | None, Meta(description="Stable word that says why it is in this state")]
    network_text: str | None
    cms: Annotated[int | None, Meta(description="+CMS ERROR number (TS 27.005 §3.2.5)")]
    client_ref: str | None
    priority: Literal["high", "normal", "low"]
    report: Annotated[bool, Meta(description="Whether a status report was asked for")]
    parts: int
    parts_sent: int
    parts_delivered: int
    missing: Annotated[tuple[int, ...], Meta(description="Numbers of the parts that did not come")]
    incomplete: bool
    silent: bool
    damaged: Annotated[bool, Meta(description="Not all of it could be decoded; data has the octets then")]
    replaces: Annotated[str | None, Meta(description="message_id of the message that this one replaces")]
    source_port: int | None
    destination_port: int | None
    waiting: Annotated[tuple[SmsWaiting, ...], Meta(description="Message waiting indications")]
    attempts: int
    created_at: Time
    updated_at: Time
    send_at: Time | None
    expires_at: Time | None
    next_try_at: Time | None
    sent_at: Time | None
    delivered_at: Time | None
    network_at: Annotated[str | None, Meta(description="The service centre's time stamp, RFC 3339 with its zone")]
    smsc: str | None
    dry_run: Annotated[bool, Meta(description="It was only checked and never queued")]


def info_of(row: MessageRow) -> MessageInfo:
    """The row without what is ours alone."""
    details = row.details or {}
    own = {name: getattr(row, name) for name in MessageInfo.__struct_fields__ if hasattr(row, name)}
    return MessageInfo(
        **own
        | {
            "number": row.number or None,
            "data": None if row.data is None else b64encode(row.data).decode(),
            "priority": PRIORITIES[row.priority],
            "damaged": bool(details.get("damaged")),
            "source_port": details.get("source_port"),
            "destination_port": details.get("destination_port"),
            "waiting": convert(details.get("waiting", ()), tuple[SmsWaiting, ...]),
        }
    )
