"""What became of a message, as headers of its file. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clients.spool.incoming import Device, local_time
from clients.spool.ledger import Job
from clients.spool.message_file import Header
from clients.spool.settings import Settings

SENT_STATES = frozenset({"sent", "delivered"})
FAILED_STATES = frozenset({"failed", "expired", "cancelled", "unknown"})
ENDED_STATES = SENT_STATES | FAILED_STATES
"""A file leaves checked in these states; `unknown` after a while."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the file goes, and with what. number: the Message_id for the handler, where the network may have it."""

    sent: bool
    headers: tuple[Header, ...]
    number: int | None = None


def verdict(job: Job, outcome: Mapping[str, Any], at: str, device: Device, settings: Settings) -> Verdict:
    """Of an sms.status event or a MessageInfo in one of ENDED_STATES."""
    sent = outcome["state"] in SENT_STATES
    known = sent or outcome["state"] == "unknown" or (outcome.get("parts_sent") or 0) > 0
    message_id = [("Message_id", str(job.number))] if known and job.request.get("report") is True else []
    sim = [(name, value) for name, value in (("IMSI", device.imsi), ("IMEI", device.imei)) if value]
    when = local_time(at, settings)
    headers: list[Header] = [("Modem", device.name)]
    if sent:
        headers += [("Sent", when), ("Sending_time", str(_seconds_since(job.taken_at, at))), *message_id, *sim]
    else:
        headers += [*message_id, *sim, ("Fail_reason", fail_reason(outcome)), ("Failed", when)]
    return Verdict(sent, tuple(headers), job.number if known else None)


def refusal(reason: str, at: str, settings: Settings, device: Device | None = None) -> Verdict:
    """Of what never became a message, or a call that was not made."""
    modem = [("Modem", device.name)] if device is not None else []
    return Verdict(False, (*modem, ("Fail_reason", reason), ("Failed", local_time(at, settings))))


def call_made(job: Job, at: str, device: Device, settings: Settings) -> Verdict:
    """Of a voice call that was answered and had its tones."""
    spent = ("Sending_time", str(_seconds_since(job.taken_at, at)))
    return Verdict(True, (("Modem", device.name), ("Sent", local_time(at, settings)), spent, ("Result", "OK")))


def fail_reason(outcome: Mapping[str, Any]) -> str:
    """Fail_reason of a message's outcome; +CMS ERROR as smsd writes it."""
    state, reason = outcome["state"], outcome.get("reason") or "no reason was given"
    if state == "unknown":
        return f"Unknown: it may have been sent, once ({reason})"
    if state == "expired":
        return f"Expired: it could not be sent in time ({reason})"
    if state == "cancelled":
        return f"Cancelled ({reason})"
    text = outcome.get("network_text")
    if outcome.get("cms") is not None:
        return f"+CMS ERROR: {outcome['cms']}" + (f" ({text})" if text else "")
    return f"{reason} ({text})" if text else str(reason)


def _seconds_since(start: str, end: str) -> int:
    spent = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return max(0, round(spent.total_seconds()))
