"""Receiving on one line: what the modem holds is decoded, written, told, and only then deleted from the modem.

A sweep's messages share one transaction. A second copy of a delivery is known by the network's own identity of it
(TS 23.040: originator, time stamp, user data with its header), never by its text.
"""

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import msgspec

from core.clock import new_message_id, rfc3339, unix_s
from core.errors import PublicError, StoreFailed
from core.events import SmsReceived, SmsState, SmsWaiting, UssdReceived
from core.line import (
    HeldPdu,
    Line,
    LineLateReference,
    LineLateRefusal,
    LineMail,
    LineMemory,
    LineMessage,
    LineUssd,
    UssdState,
)
from core.log import Log
from core.message_reports import take_report
from core.modem.pdu import (
    Deliver,
    PduError,
    StatusReport,
    Ton,
    decode_from_network,
    identity,
    join_text,
    split_pdu,
)
from core.numbers import peer_key
from core.store import inbox
from core.store import messages as rows
from core.store.store import Store, Tx

log = Log("messages")

GAP = " […] "
"""Stands where a part is missing."""


DIRECT_AGAIN_S = 2.0
"""Between tries to write a message that lies in no memory of the modem. What comes meanwhile waits in order."""

JOIN_S = 3 * 86_400.0
"""Parts that come further apart are no longer taken for one message: an 8-bit reference has come round by then."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One PDU as far as it could be understood. what is None for octets that are no message at all."""

    pdu: str
    identity: str
    peer: str
    smsc: str | None
    what: Deliver | StatusReport | None


class Inbox:
    """`run` in a task. region: ISO country of the line's SIM, for numbers without a country code.

    on_group is called when parts wait for others, on_report after status reports, on_memory when the modem's memories
    are full or no longer full.
    """

    def __init__(
        self,
        store: Store,
        line: Line,
        *,
        region: Callable[[], str | None],
        on_group: Callable[[], None],
        on_report: Callable[[], None],
        on_memory: Callable[[bool], None],
        on_late: Callable[[LineLateReference | LineLateRefusal], Awaitable[None]],
        on_ussd: Callable[[UssdState], None],
    ) -> None:
        self._store = store
        self._line = line
        self._region = region
        self._on_group = on_group
        self._on_report = on_report
        self._on_memory = on_memory
        self._on_late = on_late
        self._on_ussd = on_ussd
        self.duplicates = 0
        """Second copies of a delivery since the start."""

    async def run(self) -> None:
        while True:
            happened = await self._line.next_message()
            try:
                await self._take(happened)
            except PublicError as problem:
                log.error("a received message could not be written", line=self._line.name, problem=problem.message)
            except Exception:  # one bad fact must not stop the next one
                log.exception("a message fact was not handled", line=self._line.name, fact=type(happened).__name__)

    async def _take(self, happened: LineMessage) -> None:
        match happened:
            case LineMail():
                await self._mail(happened.items)
            case LineUssd():
                self._on_ussd(happened.state)
                event = UssdReceived(
                    line=self._line.name, text=happened.text, state=happened.state, initiated_by="network"
                )
                await self._store.write(lambda tx: tx.fact(event))
            case LineMemory():
                self._on_memory(happened.full)
            case LineLateReference() | LineLateRefusal():
                await self._on_late(happened)

    async def _mail(self, items: tuple[HeldPdu, ...]) -> None:
        places = [item.place for item in items if item.place is not None]
        try:
            mail = [understand(item.pdu, self._region()) for item in items]
            while True:
                try:
                    await self._keep(mail)
                    break
                except StoreFailed as problem:
                    if len(places) == len(items):
                        raise
                    # Nowhere but here: the modem has handed it over and keeps none.
                    log.error("a message can't be written yet", line=self._line.name, problem=problem.message)
                    await asyncio.sleep(DIRECT_AGAIN_S)
        except BaseException:
            self._line.keep(places)
            raise
        self._told(mail)
        await self._line.discard(places)

    async def _keep(self, mail: list[Mail]) -> None:
        try:
            await self._store.write(lambda tx: self._write(tx, mail))
        except StoreFailed:
            raise
        except Exception:
            log.exception("a sweep was not written at once; now one by one", line=self._line.name)
            await self._one_by_one(mail)

    async def _one_by_one(self, mail: list[Mail]) -> None:
        """One that can't be booked is kept as octets, so that it neither is lost nor holds up the others."""
        for each in mail:
            try:
                await self._store.write(lambda tx, each=each: self._write(tx, [each]))  # type: ignore[misc]
            except StoreFailed:
                raise
            except Exception:
                log.exception("a message could not be booked and is kept as it came", line=self._line.name)
                raw = Mail(each.pdu, each.identity, "unknown", each.smsc, None)
                await self._store.write(lambda tx, raw=raw: self._write(tx, [raw]))  # type: ignore[misc]

    def _told(self, mail: list[Mail]) -> None:
        if any(isinstance(each.what, StatusReport) for each in mail):
            self._on_report()
        if any(isinstance(each.what, Deliver) and each.what.concat is not None for each in mail):
            self._on_group()

    # --- on the writer's thread ------------------------------------------------------------------------------------

    def _write(self, tx: Tx, mail: list[Mail]) -> None:
        at = rfc3339()
        for each in mail:
            if rows.seen(tx, each.identity, self._line.name, at):
                self.duplicates += 1
            elif isinstance(each.what, StatusReport):
                take_report(tx, self._line.name, each.peer, each.what, at)
            elif each.what is None:
                self._raw(tx, each, at)
            elif each.what.concat is not None and each.what.concat.total > 1:
                self._part(tx, each, each.what, at)
            else:
                self._single(tx, each, each.what, at)

    def _raw(self, tx: Tx, mail: Mail, at: str) -> None:
        octets = bytes.fromhex(mail.pdu) if _is_hex(mail.pdu) else mail.pdu.encode()
        row = rows.NewMessage(
            message_id=new_message_id(), line=self._line.name, direction="in", number="", peer=mail.peer, data=octets,
            encoding="binary", state=SmsState.RECEIVED, reason="undecodable", details={"damaged": True},
            created_at=at, updated_at=at, smsc=mail.smsc,
        )  # fmt: skip
        inbox.add_single(tx, row, mail.pdu)
        tell(tx, row.message_id)

    def _single(self, tx: Tx, mail: Mail, what: Deliver, at: str) -> None:
        row = self._row(tx, mail, what, at, parts=1, text=what.text, data=what.data)
        inbox.add_single(tx, row, mail.pdu)
        tell(tx, row.message_id)

    def _part(self, tx: Tx, mail: Mail, what: Deliver, at: str) -> None:
        concat = what.concat
        assert concat is not None
        key = inbox.GroupKey(self._line.name, mail.peer, concat.reference, concat.wide, concat.total)
        since = rfc3339(unix_s() - JOIN_S)
        message_id = inbox.find_group(tx, key, concat.number, since)
        if message_id is None:
            row = self._row(tx, mail, what, at, parts=concat.total, text=None, data=None)
            message_id = row.message_id
            inbox.open_group(tx, key, row, at)
        inbox.add_piece(tx, message_id, inbox.Piece(concat.number, mail.pdu, what.text, what.data))
        assemble(tx, message_id, concat.total, at)

    def _row(
        self, tx: Tx, mail: Mail, what: Deliver, at: str, *, parts: int, text: str | None, data: bytes | None
    ) -> rows.NewMessage:
        replaces = None
        if what.replace_type is not None:
            replaces = inbox.replaced_by(tx, self._line.name, mail.peer, mail.smsc, what.replace_type)
        return rows.NewMessage(
            message_id=new_message_id(), line=self._line.name, direction="in", number=what.originator.text,
            peer=mail.peer, text=text, data=data, encoding=str(what.alphabet), message_class=what.message_class,
            state=SmsState.RECEIVED, parts=parts, details=_details(what), created_at=at, updated_at=at,
            smsc=mail.smsc, network_at=what.sent_at.isoformat() if what.sent_at else None, silent=what.silent,
            replaces=replaces,
        )  # fmt: skip


def understand(pdu: str, region: str | None) -> Mail:
    """Decodes one PDU with its SMSC field. Never raises: what is no message keeps its octets."""
    raw_identity = hashlib.sha256(pdu.upper().encode("ascii", "replace")).hexdigest()
    try:
        smsc, tpdu = split_pdu(pdu)
        what = decode_from_network(tpdu)
    except PduError:
        return Mail(pdu, raw_identity, "unknown", None, None)
    party = what.originator if isinstance(what, Deliver) else what.recipient
    name = party.ton is Ton.ALPHANUMERIC
    peer = peer_key(party.text, None if name else region)
    centre = smsc.text if smsc is not None else None
    own = identity(what) if isinstance(what, Deliver) else hashlib.sha256(tpdu).hexdigest()
    return Mail(pdu, own, peer, centre, what)


def assemble(tx: Tx, message_id: str, total: int, at: str, *, late: bool = False) -> None:
    """Puts together what has come. Tells it when it is whole, or with late=True that its time is over."""
    found = inbox.pieces(tx, message_id)
    whole = len(found) == total
    told = inbox.group_told(tx, message_id)
    if not (whole or late or told):
        return
    missing = sorted(set(range(1, total + 1)) - {piece.part for piece in found})
    text, data = _joined(found, missing)
    rows.update(tx, message_id, at, text=text, data=data, incomplete=int(not whole))
    if whole:
        inbox.close_group(tx, message_id)
    elif not told:
        inbox.set_told(tx, message_id)
    if whole or not told:
        tell(tx, message_id, tuple(missing))


def tell(tx: Tx, message_id: str, missing: tuple[int, ...] = ()) -> None:
    """Journals sms.received with the message as it stands in this transaction."""
    row = inbox.received(tx, message_id)
    details: dict[str, Any] = msgspec.json.decode(row["details"]) if row["details"] else {}
    tx.fact(
        SmsReceived(
            line=row["line"], message_id=message_id, number=row["number"] or None, text=row["text"],
            data=b64encode(row["data"]).decode() if row["data"] is not None else None, encoding=row["encoding"],
            message_class=row["message_class"], parts=row["parts"], missing=missing,
            incomplete=bool(row["incomplete"]), silent=bool(row["silent"]), damaged=bool(details.get("damaged")),
            replaces=row["replaces"], source_port=details.get("source_port"),
            destination_port=details.get("destination_port"),
            waiting=tuple(SmsWaiting(**each) for each in details.get("waiting", ())), network_at=row["network_at"],
        )
    )  # fmt: skip


def tell_incomplete(tx: Tx, before: str) -> str | None:
    """Tells what there is of messages whose first part came before then; gives the first_at of the next group.

    One that can't be put together is told without its text: it must not keep the others from being told.
    """
    at = rfc3339()
    for message_id in inbox.groups_due(tx, before):
        tx.execute("SAVEPOINT one_group")
        try:
            assemble(tx, message_id, int(inbox.received(tx, message_id)["parts"]), at, late=True)
        except Exception:
            log.exception("a message with missing parts could not be put together")
            tx.execute("ROLLBACK TO one_group")
            inbox.set_told(tx, message_id)
            rows.update(tx, message_id, at, incomplete=1, reason="undecodable")
            tell(tx, message_id)
        tx.execute("RELEASE one_group")
    return inbox.oldest_untold(tx)


def _joined(found: list[inbox.Piece], missing: list[int]) -> tuple[str | None, bytes | None]:
    """The text, with a gap where parts are missing; neighbours are decoded together, since some senders cut a
    character in two. Or the octets that are there."""
    if all(piece.text is None for piece in found):
        return None, b"".join(piece.data or b"" for piece in found)
    pieces: dict[int, inbox.Piece | None] = {piece.part: piece for piece in found} | dict.fromkeys(missing)
    runs = groupby((pieces[part] for part in sorted(pieces)), key=lambda piece: piece is None)
    return "".join(GAP if gap else _run_text([p for p in run if p is not None]) for gap, run in runs), None


def _run_text(run: list[inbox.Piece]) -> str:
    try:
        whats = [decode_from_network(split_pdu(piece.pdu)[1]) for piece in run]
    except PduError:  # written by another version, or by hand: then as each part was read when it came
        return "".join(piece.text or "" for piece in run)
    return join_text(what for what in whats if isinstance(what, Deliver))


def _details(what: Deliver) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    if what.ports is not None:
        found |= {"source_port": what.ports.source, "destination_port": what.ports.destination}
    if what.replace_type is not None:
        found["replace_type"] = what.replace_type
    if what.waiting:
        found["waiting"] = [{"kind": str(w.kind), "active": w.active, "count": w.count} for w in what.waiting]
    if what.damaged:
        found["damaged"] = True
    return found or None


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True
