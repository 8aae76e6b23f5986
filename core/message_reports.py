"""Status reports: which message they speak of, and what they make of it. Runs inside Store.write."""

from datetime import timedelta

from core.clock import rfc3339, unix_s
from core.events import Outcome, SmsReport, SmsState
from core.message_fsm import TABLE, On
from core.message_queue import move
from core.modem.pdu import StatusReport, status_of
from core.store import messages as rows
from core.store.store import Tx

REPORTS_FOR = timedelta(days=30)
"""How long after sending a report may come: no validity period is longer than 63 weeks, and none in use than days."""


def take_report(tx: Tx, line: str, peer: str, report: StatusReport, at: str) -> None:
    """Books one report: to the part with its reference, else to the one part whose reference was lost."""
    status = status_of(report.status)
    discharged_at = rfc3339(report.discharged_at.timestamp()) if report.discharged_at else None
    since = rfc3339(unix_s() - REPORTS_FOR.total_seconds())
    found = rows.part_reported(tx, line, peer, report.reference, since) or _lost_one(tx, line, peer)
    message_id, part = found if found is not None else (None, None)
    rows.add_report(
        tx,
        {
            "message_id": message_id, "part": part, "line": line, "peer": peer, "reference": report.reference,
            "status": report.status, "discharged_at": discharged_at, "at": at,
        },
    )  # fmt: skip
    tx.fact(
        SmsReport(
            line=line, message_id=message_id, number=report.recipient.text, outcome=status.outcome,
            status=report.status, status_text=status.text, part=part, discharged_at=discharged_at,
        )
    )  # fmt: skip
    if message_id is not None and part is not None:
        _book(tx, message_id, part, report, status.outcome, discharged_at, at)


def _lost_one(tx: Tx, line: str, peer: str) -> tuple[str, int] | None:
    """The only part to this recipient whose answer was lost. With two of them nobody can tell which one it is."""
    unknown = rows.unknown_parts(tx, line, peer)
    return unknown[0] if len(unknown) == 1 else None


def _book(
    tx: Tx, message_id: str, part: int, report: StatusReport, outcome: Outcome, discharged_at: str | None, at: str
) -> None:
    before = rows.outgoing(tx, message_id)
    was_unknown = part in rows.parts_in(tx, message_id, "unknown")
    columns: dict[str, object] = {"status": report.status, "discharged_at": discharged_at}
    if was_unknown:  # any report about it proves that the service centre has it
        columns |= {"state": "sent", "reference": report.reference, "sent_at": at}
    if outcome is not Outcome.PENDING:
        columns["state"] = "delivered" if outcome is Outcome.DELIVERED else "failed"
    rows.update_part(tx, message_id, part, **columns)
    if outcome is Outcome.FAILED:
        _try(tx, message_id, On.REPORT_FAILED, at, reason="report_failed", network_text=status_of(report.status).text)
        return
    if was_unknown and before.state is SmsState.UNKNOWN:
        _no_longer_unknown(tx, message_id, at)
    message = rows.outgoing(tx, message_id)
    if message.parts_delivered == message.parts:
        _try(tx, message_id, On.REPORTED, at, delivered_at=discharged_at or at, reason=None, network_text=None)


def _no_longer_unknown(tx: Tx, message_id: str, at: str) -> None:
    if rows.next_waiting(tx, message_id) is not None:
        move(tx, message_id, On.MORE, at, reason=None)
    elif not rows.parts_in(tx, message_id, "unknown"):
        move(tx, message_id, On.KNOWN_SENT, at, sent_at=at, reason=None)


def _try(tx: Tx, message_id: str, happened: On, at: str, **columns: object) -> None:
    """A report that comes for a message which is over, or again, changes nothing more."""
    if (rows.outgoing(tx, message_id).state, happened) in TABLE:
        move(tx, message_id, happened, at, **columns)
