"""Status reports: which message they speak of, and what they make of it. Runs inside Store.write."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.clock import rfc3339, unix_s
from core.events import Outcome, SmsReport, SmsState
from core.message_fsm import On
from core.message_steps import move, try_move
from core.modem.pdu import StatusReport, status_of
from core.numbers import SHORTEST_SUBSCRIBER
from core.store import messages as rows
from core.store.messages import Outgoing, Reported
from core.store.store import Tx

REPORTS_FOR = timedelta(days=30)
"""How long after sending a report may come: no validity period is longer than 63 weeks, and none in use than days."""

CLOCKS_APART = timedelta(days=1)
"""The report repeats the service centre's time of the message. Centres write it with wrong zones, and hosts without a
clock of their own start in the past; further apart it is another message with the same reference."""


@dataclass(frozen=True, slots=True)
class _Report:
    """What is kept of one. accepted_at: when the service centre took the message, where it is known."""

    reference: int
    status: int
    discharged_at: str | None
    accepted_at: datetime | None = None


def take_report(tx: Tx, line: str, peer: str, report: StatusReport, at: str) -> None:
    """Books one report: to the part with its reference, else to the one part whose reference was lost."""
    discharged_at = rfc3339(report.discharged_at.timestamp()) if report.discharged_at else None
    kept = _Report(report.reference, report.status, discharged_at, report.sent_at)
    found = _match(tx, line, peer, kept)
    rows.add_report(
        tx,
        {
            "message_id": found.message_id if found else None, "part": found.part if found else None, "line": line,
            "peer": peer, "reference": kept.reference, "status": kept.status, "discharged_at": discharged_at, "at": at,
        },
    )  # fmt: skip
    _tell(tx, line, report.recipient.text, kept, found)
    if found is not None:
        _book(tx, found, kept, at)


def book_early(tx: Tx, message: Outgoing, since: str, at: str) -> None:
    """After the outcome of a part of this message was written: fast networks report before the modem has answered, and
    where its answer is lost the report may be all there is. since: when the part was handed over, or before.

    Such a report was told without a message; it is told again with it.
    """
    if not message.report:
        return
    line, peer = message.line, message.peer
    for report_id, reference, status, discharged_at in rows.unmatched_reports(tx, line, peer, since):
        kept = _Report(reference, status, discharged_at)
        found = _match(tx, line, peer, kept)
        if found is not None:
            rows.match_report(tx, report_id, found.message_id, found.part)
            _tell(tx, line, message.number, kept, found)
            _book(tx, found, kept, at)


def _match(tx: Tx, line: str, peer: str, report: _Report) -> Reported | None:
    since = rfc3339(unix_s() - REPORTS_FOR.total_seconds())
    sent = rows.parts_reported(tx, line, peer, report.reference, since) or [
        each for each in rows.parts_reported(tx, line, None, report.reference, since) if _same_end(each.peer, peer)
    ]
    near = [each for each in sent if _is_near(each, report)]
    return _first(near) or _lost_one(tx, line, peer) or _first(sent)


def _first(sent: list[Reported]) -> Reported | None:
    """The newest that nobody has reported delivered, else the newest."""
    return next((each for each in sent if each.state != "delivered"), next(iter(sent), None))


def _is_near(sent: Reported, report: _Report) -> bool:
    if report.accepted_at is None or sent.sent_at is None:
        return True
    return abs(datetime.fromisoformat(sent.sent_at) - report.accepted_at) <= CLOCKS_APART


def _same_end(one: str, other: str) -> bool:
    """Some networks report on the recipient without + and without saying that the number is international."""
    one, other = one.lstrip("+0"), other.lstrip("+0")
    return min(len(one), len(other)) >= SHORTEST_SUBSCRIBER and (one.endswith(other) or other.endswith(one))


def _lost_one(tx: Tx, line: str, peer: str) -> Reported | None:
    """The only part to this recipient whose answer was lost. With two of them, or with another one on its way, nobody
    can tell which one it is."""
    doubtful = rows.parts_in_doubt(tx, line, peer)
    return doubtful[0] if len(doubtful) == 1 and doubtful[0].state == "unknown" else None


def _tell(tx: Tx, line: str, number: str, report: _Report, found: Reported | None) -> None:
    status = status_of(report.status)
    tx.fact(
        SmsReport(
            line=line, message_id=found.message_id if found else None, number=number, outcome=status.outcome,
            status=report.status, status_text=status.text, part=found.part if found else None,
            discharged_at=report.discharged_at,
        )
    )  # fmt: skip


def _book(tx: Tx, found: Reported, report: _Report, at: str) -> None:
    message_id, part = found.message_id, found.part
    outcome = status_of(report.status).outcome
    if outcome is Outcome.FAILED and found.state in ("waiting", "handed"):
        return  # of an earlier try
    before = rows.outgoing(tx, message_id)
    columns: dict[str, object] = {"status": report.status, "discharged_at": report.discharged_at}
    if found.state == "unknown":  # any report about it proves that the service centre has it
        columns |= {"state": "sent", "reference": report.reference, "sent_at": at}
    if outcome is not Outcome.PENDING:
        columns["state"] = "delivered" if outcome is Outcome.DELIVERED else "failed"
    rows.update_part(tx, message_id, part, **columns)
    if outcome is Outcome.FAILED:
        text = status_of(report.status).text
        try_move(tx, message_id, On.REPORT_FAILED, at, reason="report_failed", network_text=text, next_try_at=None)
        return
    if found.state == "unknown" and before.state in (SmsState.UNKNOWN, SmsState.QUEUED):
        _no_longer_unknown(tx, message_id, at)
    message = rows.outgoing(tx, message_id)
    if message.parts_delivered == message.parts:
        delivered_at = report.discharged_at or at
        try_move(tx, message_id, On.REPORTED, at, delivered_at=delivered_at, reason=None, network_text=None)


def _no_longer_unknown(tx: Tx, message_id: str, at: str) -> None:
    if rows.next_waiting(tx, message_id) is not None:
        move(tx, message_id, On.MORE, at, reason=None, next_try_at=None)
    elif not rows.parts_in(tx, message_id, "unknown"):
        move(tx, message_id, On.KNOWN_SENT, at, sent_at=at, reason=None, next_try_at=None)
