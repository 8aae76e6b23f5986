"""What happens to calls, for the VPS's web hook (wire formats §1.4): one body with the fields of all four known shapes.

Only the name of the event and the form of `timestamp` contradict each other in them; `dialect` chooses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import dialtone
from clients.bridge.outbox.rows import Draft, encode
from clients.bridge.outbox.store import Store

QUEUE = "phone_events"
TOPICS = ("call.incoming", "call.connected", "call.speech", "call.ended")
UNKNOWN = "unknown"
"""A caller who hides the number, as in requests for transcription."""
ONE_RING_S = 6.0
"""Rings are 5 s apart (3GPP TS 22.001 leaves it to networks; European ones ring 1 s in 5)."""
REJECTED_REASON = "Call rejected: answer_after_rings is -1 or the call was refused"

Dialect = Literal["bot", "voice_system", "station"]


class What(StrEnum):
    RING = "ring"
    ANSWER = "answer"
    TRANSCRIPTION = "transcription"
    REJECTED = "rejected"
    HANGUP = "hangup"


NAMES: dict[Dialect, dict[What, str]] = {
    "bot": {  # the voice bot's code; authoritative
        What.RING: "ring",
        What.ANSWER: "call_started",
        What.TRANSCRIPTION: "transcription",
        What.REJECTED: "call_rejected",
        What.HANGUP: "call_ended",
    },
    "voice_system": {
        What.RING: "ring",
        What.ANSWER: "call_start",
        What.TRANSCRIPTION: "speech",
        What.REJECTED: "call_rejected",
        What.HANGUP: "call_end",
    },
    "station": {
        What.RING: "ring",
        What.ANSWER: "answer",
        What.TRANSCRIPTION: "transcription",
        What.REJECTED: "call_rejected",
        What.HANGUP: "hangup",
    },
}


@dataclass(frozen=True, slots=True)
class Station:
    """What goes into events beside the facts themselves."""

    gateway_ip: str | None
    welcome_message: str = ""


@dataclass(frozen=True, slots=True)
class PhoneEvents:
    """Makes rows of calls. station: called for each event, since the address of the VPN comes and goes."""

    dialect: Dialect
    station: Callable[[], Station]

    def __call__(self, event: dialtone.Event, store: Store) -> list[Draft]:
        body = phone_event(event, self.dialect, self.station()) if event.name in TOPICS else None
        if body is None:
            return []
        return [Draft(QUEUE, event.name, encode(body))]


def phone_event(event: dialtone.Event, dialect: Dialect, station: Station) -> dict[str, Any] | None:
    """The body for one event; None for those that say nothing to the VPS. Pure."""
    what, call_id = _what(event), event.call_id
    if what is None or call_id is None or event.at is None:
        return None
    data = _data(event, what, station)
    flat = {
        name: value for name, value in data.items() if name in ("caller", "text", "language", "reason", "direction")
    }
    extra = {name: value for name, value in data.items() if name in ("duration", "confidence") and value is not None}
    number = event.params.get("number") or UNKNOWN
    origin = {"from": number, "caller": number} if what is not What.TRANSCRIPTION else {}
    at = datetime.fromisoformat(event.at)
    return {
        "event": NAMES[dialect][what],
        "callId": call_id,
        "sessionId": "session_" + call_id.removeprefix("call_"),
        "timestamp": event.at if dialect == "voice_system" else at.timestamp(),
        "data": data,
        **origin,
        **flat,
        **extra,
        "gateway_ip": station.gateway_ip,
    }


def _what(event: dialtone.Event) -> What | None:
    match event.name:
        case "call.incoming":
            return What.RING
        case "call.connected":
            return What.ANSWER
        case "call.speech" if event.params.get("text"):
            return What.TRANSCRIPTION
        case "call.ended" if event.params.get("reason") == "rejected" and event.params.get("direction") == "in":
            return What.REJECTED
        case "call.ended":
            return What.HANGUP
    return None


def _data(event: dialtone.Event, what: What, station: Station) -> dict[str, Any]:
    params = event.params
    caller = params.get("number") or UNKNOWN
    match what:
        case What.RING:
            return {"caller": caller, "direction": "in"}
        case What.ANSWER:
            return {
                "caller": caller,
                "welcome_message": station.welcome_message,
                "instant_answer": _is_instant(event),
                "direction": params.get("direction"),
            }
        case What.TRANSCRIPTION:
            names = ("text", "language", "confidence")
            return {name: params[name] for name in names if params.get(name) is not None} | {"turn": params.get("turn")}
        case What.REJECTED:
            return {"caller": caller, "reason": REJECTED_REASON}
        case What.HANGUP:
            return {
                "caller": caller,
                "duration": params.get("duration_s") or 0.0,
                "reason": params.get("reason"),
                "direction": params.get("direction"),
            }


def _is_instant(event: dialtone.Event) -> bool:
    """Whether the first ring was answered: a call's id has the second in which it began."""
    began = (event.call_id or "").split("_")
    if len(began) < 2 or not began[1].isdigit() or event.at is None or event.params.get("direction") != "in":
        return True
    return datetime.fromisoformat(event.at).timestamp() - int(began[1]) < ONE_RING_S
