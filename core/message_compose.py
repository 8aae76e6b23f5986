"""What sms.send asks for, and the message that it makes: parts for the network and a row for the store."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from core.clock import new_message_id, rfc3339
from core.config import SmsConfig
from core.errors import InvalidParams, TooLong
from core.events import SmsState
from core.modem.pdu import (
    Address,
    Alphabet,
    Element,
    Options,
    PduError,
    Ports,
    Submit,
    TooManyParts,
    compose,
)
from core.numbers import NumberType, peer_key
from core.store import messages as rows


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """What sms.send asks for, typed and within its ranges. Times are RFC 3339 UTC as core.clock writes them."""

    to: str
    text: str | None = None
    data: bytes | None = None
    line: str | None = None
    message_class: int | None = None
    report: bool | None = None
    validity_s: int | None = None
    priority: str = "normal"
    send_at: str | None = None
    expires_at: str | None = None
    client_ref: str | None = None
    on_unknown: str | None = None
    encoding: str | None = None
    split: str | None = None
    source_port: int | None = None
    destination_port: int | None = None
    udh: bytes | None = None
    replace_type: int | None = None
    silent: bool = False
    reject_duplicates: bool = False
    reply_path: bool = False
    smsc: str | None = None
    number_type: NumberType | None = None
    dry_run: bool = False

    def digest(self) -> str:
        """The same for the same request, so that a repeated client_ref is told from a new message. What was left out
        is left out, so that a later version with more fields makes the same of it."""
        said = {
            name: value for name, value in msgspec.to_builtins(self).items() if value is not None and value is not False
        }
        return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


class Composer:
    """Makes messages of requests. dry_run: of [guard], nothing is sent at all."""

    def __init__(self, config: SmsConfig, *, dry_run: bool) -> None:
        self._config = config
        self._dry_run = dry_run
        self._reference = secrets.randbelow(256)

    def submits(self, request: SendRequest, address: Address) -> tuple[Submit, ...]:
        """The parts as they go to the network. TooLong, InvalidParams."""
        try:
            submits = compose(address, text=request.text, data=request.data, options=self._options(request))
        except TooManyParts as problem:
            raise TooLong(
                f"The message needs {problem.parts} parts, more than max_parts of [sms].", parts=problem.parts
            ) from None
        except PduError as problem:
            raise InvalidParams(f"This can't be a short message: {problem}.", path="text") from None
        self._reference = (self._reference + 1) % 256
        return submits

    def _options(self, request: SendRequest) -> Options:
        config = self._config
        ports = None
        if request.destination_port is not None or request.source_port is not None:
            ports = Ports(request.destination_port or 0, request.source_port or 0)
        pid = 0x40 if request.silent else 0x40 + request.replace_type if request.replace_type else 0
        return Options(
            alphabet=Alphabet(request.encoding) if request.encoding else None,
            message_class=request.message_class,
            report=config.report if request.report is None else request.report,
            validity=self._validity(request),
            split=request.split or self._split(request),
            reference=self._reference,
            ports=ports,
            elements=_elements(request.udh) if request.udh else (),
            pid=pid,
            reject_duplicates=request.reject_duplicates,
            reply_path=request.reply_path,
            max_parts=config.max_parts,
        )

    def _split(self, request: SendRequest) -> str:
        """One station's stick hung until replugged on concatenated UCS-2, so that has a setting of its own."""
        config = self._config
        if config.split_ucs2 is None or request.text is None:
            return config.split
        alone = Options(alphabet=Alphabet(request.encoding) if request.encoding else None)
        first = compose(Address("0"), text=request.text, options=alone)[0]
        return config.split_ucs2 if first.alphabet is Alphabet.UCS2 else config.split

    def _validity(self, request: SendRequest) -> timedelta | None:
        """As asked, else as long as the message may be of use, else as configured."""
        seconds = request.validity_s
        if seconds is None and request.expires_at is not None:
            begin = max(request.send_at or "", rfc3339())
            left = datetime.fromisoformat(request.expires_at) - datetime.fromisoformat(begin)
            seconds = max(300, int(left.total_seconds()))
        if seconds is None:
            seconds = self._config.validity_s
        return None if seconds is None else timedelta(seconds=seconds)

    def row(
        self,
        request: SendRequest,
        digest: str,
        line: str,
        region: str | None,
        address: Address,
        submits: tuple[Submit, ...],
    ) -> rows.NewMessage:
        """The message as it is written. InvalidParams when its time is over before it begins."""
        at = rfc3339()
        if request.expires_at is not None and request.expires_at <= max(at, request.send_at or ""):
            raise InvalidParams("expires_at must lie after send_at and in the future.", path="expires_at")
        config = self._config
        dry = request.dry_run or self._dry_run
        asked = {
            "source_port": request.source_port, "destination_port": request.destination_port,
            "replace_type": request.replace_type, "silent": request.silent or None,
            "validity_s": request.validity_s, "split": request.split,
        }  # fmt: skip
        return rows.NewMessage(
            message_id=new_message_id(),
            line=line,
            direction="out",
            number=address.text,
            peer=peer_key(address.text, region),
            text=request.text,
            data=request.data,
            encoding=str(submits[0].alphabet),
            message_class=request.message_class,
            state=SmsState.CANCELLED if dry else SmsState.QUEUED,
            reason="dry_run" if dry else None,
            parts=len(submits),
            details={key: value for key, value in asked.items() if value is not None} or None,
            created_at=at,
            updated_at=at,
            client_ref=None if dry else request.client_ref,
            digest=None if dry or request.client_ref is None else digest,
            priority=rows.PRIORITIES.index(request.priority),
            report=config.report if request.report is None else request.report,
            on_unknown=request.on_unknown or config.on_unknown,
            dry_run=dry,
            send_at=request.send_at,
            expires_at=request.expires_at,
            smsc=request.smsc,
        )


def utc(at: str, path: str) -> str:
    """A client's RFC 3339 time as core.clock writes it. InvalidParams without a zone."""
    try:
        found = datetime.fromisoformat(at)
        if found.tzinfo is None or not 1970 <= found.year < 9999:
            raise ValueError
    except ValueError:
        raise InvalidParams("Give a time as RFC 3339 with its zone: 2026-11-21T12:00:00Z.", path=path) from None
    return rfc3339(found.astimezone(UTC).timestamp())


def _elements(udh: bytes) -> tuple[Element, ...]:
    """A user data header without its length octet, as elements (TS 23.040 §9.2.3.24)."""
    found: list[Element] = []
    while udh:
        if len(udh) < 2 or len(udh) < 2 + udh[1]:
            raise InvalidParams("The user data header is cut off.", path="udh")
        found.append(Element(udh[0], udh[2 : 2 + udh[1]]))
        udh = udh[2 + udh[1] :]
    return tuple(found)
