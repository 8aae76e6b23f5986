"""sms.send and what decides about messages; ussd.*. What reads messages stands in inbox.py."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.errors import (
    EmergencyDenied,
    GuardRefused,
    InvalidParams,
    LimitExceeded,
    ModemBusy,
    ModemOffline,
    ModemRefused,
    ModemRestarting,
    NotDialable,
    NotFound,
    NotNow,
    RefTaken,
    StoreFailed,
    TimedOut,
    TooLong,
    UssdFailed,
)
from core.events import Scope
from core.line import UssdAnswer, UssdState
from core.message_compose import SendRequest, utc
from core.rpc.api.message_info import MessageInfo, info_of
from core.rpc.api.shared import Empty, LineName
from core.rpc.methods import Request, method

MessageId = Annotated[str, Meta(max_length=40, description="From sms.send, or of an event")]
Port = Annotated[int, Meta(ge=0, le=65535, description="Application port (TS 23.040 §9.2.3.24.4)")]
Time = Annotated[str, Meta(max_length=40, description="RFC 3339 with its zone")]
Bytes = Annotated[str, Meta(max_length=4096, description="Base64")]


class SendParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Give text or data."""

    to: Annotated[str, Meta(max_length=60, description="+ and digits, or a short code; spaces and dashes are dropped")]
    text: Annotated[str, Meta(max_length=20_000)] | None = None
    data: Bytes | None = None
    line: LineName | None = None
    message_class: Annotated[int, Meta(ge=0, le=3, description="0 is a flash message")] | None = None
    report: Annotated[bool, Meta(description="Ask for a status report; left out: as in [sms]")] | None = None
    validity_s: Annotated[int, Meta(ge=300, le=38_102_400, description="How long the network tries")] | None = None
    priority: Literal["high", "normal", "low"] = "normal"
    send_at: Time | None = None
    expires_at: Annotated[str, Meta(max_length=40, description="Not sent after this; RFC 3339")] | None = None
    client_ref: (
        Annotated[
            str, Meta(min_length=1, max_length=128, description="Yours: the same one again gives the same message")
        ]
        | None
    ) = None
    on_unknown: (
        Annotated[
            Literal["hold", "resend"], Meta(description="When the modem's answer is lost: hold never sends it twice")
        ]
        | None
    ) = None
    encoding: Annotated[Literal["gsm7", "ucs2"], Meta(description="Left out: the shorter one that can")] | None = None
    split: (
        Annotated[
            Literal["concat", "separate", "numbered"],
            Meta(description="Long texts: in parts that phones join, or as messages of their own, plain or as 1/3"),
        ]
        | None
    ) = None
    source_port: Port | None = None
    destination_port: Port | None = None
    udh: Annotated[str, Meta(max_length=192, description="Base64: header elements without the length octet")] | None = (
        None
    )
    replace_type: Annotated[int, Meta(ge=1, le=7, description="Replaces an earlier one of that type")] | None = None
    silent: Annotated[bool, Meta(description="Message type 0: phones acknowledge it and show nothing")] = False
    reject_duplicates: bool = False
    reply_path: bool = False
    smsc: Annotated[str, Meta(max_length=21, description="Service centre; left out: that of the SIM")] | None = None
    number_type: Literal["unknown", "international", "national", "short"] | None = None
    dry_run: Annotated[bool, Meta(description="Checks and composes it, and sends nothing")] = False


class OneMessage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    message_id: MessageId


class ResolveParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    message_id: MessageId
    outcome: Annotated[
        Literal["resend", "sent", "failed"],
        Meta(description="resend: once more, it may arrive twice; sent, failed: what you found out about it"),
    ]


class QueueParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: LineName | None = None


class MemoryInfo(Struct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(description="ME: the modem's own; SM: the SIM's (TS 27.005 §3.2.2)")]
    used: int
    total: int


class LineQueue(Struct, frozen=True, kw_only=True):
    """today: the last 24 hours."""

    line: str
    queued: int
    sending: int
    unknown: Annotated[int, Meta(description="Held for a decision: see sms.resolve")]
    sent_today: int
    failed_today: int
    can_send: bool
    blocked_for_s: Annotated[float, Meta(description="After a refusal that concerned the whole line")]
    duplicates: Annotated[int, Meta(description="Second copies of a delivery that were dropped since the start")]
    memories: list[MemoryInfo]
    smsc: str | None = None


class Queues(Struct, frozen=True, kw_only=True):
    lines: list[LineQueue]


class UssdParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    code: Annotated[str, Meta(min_length=1, max_length=40, description="Like *100#")]
    line: LineName | None = None
    timeout_s: Annotated[float, Meta(ge=1, le=300)] | None = None


class UssdReplyParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=160)]
    line: LineName | None = None
    timeout_s: Annotated[float, Meta(ge=1, le=300)] | None = None


class UssdText(Struct, frozen=True, kw_only=True):
    text: str | None
    state: UssdState


SEND_ERRORS = (
    NotFound, NotDialable, EmergencyDenied, GuardRefused, LimitExceeded, TooLong, RefTaken, InvalidParams, StoreFailed,
)  # fmt: skip
USSD_ERRORS = (NotFound, ModemOffline, ModemRestarting, ModemBusy, ModemRefused, TimedOut, UssdFailed, InvalidParams)


@method("sms.send", scope=Scope.MESSAGES, errors=SEND_ERRORS, since="0.2", facts=True)
async def send(request: Request, params: SendParams) -> MessageInfo:
    """Sends a short message; answers once it is on disk. sms.status follows it from there."""
    if (params.text is None) == (params.data is None):
        raise InvalidParams("Give either text or data.", path="text")
    if params.text == "":
        raise InvalidParams("The text is empty.", path="text")
    if params.smsc is not None and not re.fullmatch(r"\+?[0-9]{3,20}", params.smsc):
        raise InvalidParams("A service centre is + and digits.", path="smsc")
    wanted = {name: getattr(params, name) for name in params.__struct_fields__}
    for name in ("data", "udh"):
        wanted[name] = _bytes(wanted[name], name)
    for name in ("send_at", "expires_at"):
        wanted[name] = utc(wanted[name], name) if wanted[name] is not None else None
    return info_of(await request.core.services.messages.send(SendRequest(**wanted)))


@method("sms.cancel", scope=Scope.MESSAGES, errors=(NotFound, NotNow), since="0.2", facts=True)
async def cancel(request: Request, params: OneMessage) -> MessageInfo:
    """Takes a message out of the queue. not_now once it is on its way."""
    return info_of(await request.core.services.messages.cancel(params.message_id))


@method("sms.resolve", scope=Scope.MESSAGES, errors=(NotFound, NotNow), since="0.2", facts=True)
async def resolve(request: Request, params: ResolveParams) -> MessageInfo:
    """Decides about a message whose fate is unknown, or tries a failed one once more."""
    return info_of(await request.core.services.messages.resolve(params.message_id, params.outcome))


@method("sms.queue", scope=Scope.OBSERVE, errors=(NotFound,), since="0.2")
async def queue(request: Request, params: QueueParams) -> Queues:
    """What waits on each line, and what keeps it."""
    found = await request.core.services.messages.queues(params.line)
    return Queues(
        lines=[
            LineQueue(
                line=each.line, queued=each.queued, sending=each.sending, unknown=each.unknown,
                sent_today=each.sent_today, failed_today=each.failed_today, can_send=each.can_send,
                blocked_for_s=each.blocked_for_s, duplicates=each.duplicates, smsc=each.smsc,
                memories=[MemoryInfo(name=name, used=used, total=total) for name, used, total in each.memories],
            )
            for each in found
        ]
    )  # fmt: skip


@method("ussd.send", scope=Scope.MESSAGES, errors=USSD_ERRORS, since="0.2", facts=True)
async def ussd_send(request: Request, params: UssdParams) -> UssdText:
    """Sends a USSD code and waits for the network's answer; reply_wanted leaves a session open for ussd.reply."""
    if not re.fullmatch(r"[0-9*#+]{1,40}", params.code):
        raise InvalidParams("A USSD code is digits, * and #.", path="code")
    if supplementary(params.code):
        raise InvalidParams("That code changes call forwarding, barring or the PIN; it is not sent.", path="code")
    return _shown(await request.core.services.messages.ussd(params.code, params.line, params.timeout_s))


@method("ussd.reply", scope=Scope.MESSAGES, errors=USSD_ERRORS, since="0.2", facts=True)
async def ussd_reply(request: Request, params: UssdReplyParams) -> UssdText:
    """Answers in the open session of a line."""
    if supplementary(params.text):  # the session may be over by now, and then it would be a code of its own
        raise InvalidParams("That code changes call forwarding, barring or the PIN; it is not sent.", path="text")
    return _shown(await request.core.services.messages.ussd(params.text, params.line, params.timeout_s, reply=True))


@method("ussd.cancel", scope=Scope.MESSAGES, errors=USSD_ERRORS, since="0.2")
async def ussd_cancel(request: Request, params: QueueParams) -> Empty:
    """Ends the open session of a line, if there is one."""
    await request.core.services.messages.ussd_cancel(params.line)
    return Empty()


def supplementary(code: str) -> bool:
    """Whether a phone would take the code for a supplementary service or PIN procedure (TS 22.030 §6.5, annex B),
    rather than send it as USSD. A question (*#…) only reads."""
    if code.startswith("*#"):
        return False
    found = re.match(r"(?:\*\*|##|\*|#)(\d{2,3})(?=[*#])", code)
    return found is not None and found[1] in _SERVICES


_SERVICES = frozenset(
    {
        "002", "004", "21", "61", "62", "67",  # forwarding
        "33", "330", "331", "332", "333", "351", "353", "35",  # barring
        "03", "04", "042", "05", "052",  # password, PIN, PUK
        "30", "31", "43", "66",  # number shown or hidden, call waiting, call deflection
        "75", "750", "751", "752", "753", "754",  # precedence
    }
)  # fmt: skip
"""Service codes of TS 22.030 annex B."""


def _shown(answer: UssdAnswer) -> UssdText:
    if answer.state not in (UssdState.DONE, UssdState.REPLY_WANTED) and answer.text is None:
        raise UssdFailed(state=str(answer.state))
    return UssdText(text=answer.text, state=answer.state)


def _bytes(text: str | None, path: str) -> bytes | None:
    if text is None:
        return None
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise InvalidParams("That is not base64.", path=path) from None
