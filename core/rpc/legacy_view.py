"""The four events of the existing voice clients, with their old fields (wire-formats §6.3)."""

from typing import Any

from core.bus import Bus, Published
from core.events import Scope
from core.rpc.feed import Fact
from core.rpc.replies import notification
from core.rpc.view import in_clear, visible

_BUSY = "PhoneCallDiscardReasonBusy"
_MISSED = "PhoneCallDiscardReasonMissed"
_DISCONNECT = "PhoneCallDiscardReasonDisconnect"
_REASONS = {
    "remote_hangup": "hangup",
    "local_hangup": "hangup",
    "rejected": "hangup",
    "busy": _BUSY,
    "missed": _MISSED,
    "no_answer": _MISSED,
}
"""Our end reasons in the old words; all others are a disconnect."""


class LegacyView:
    """The four old events with their old fields."""

    def __init__(self, bus: Bus, scopes: frozenset[Scope]) -> None:
        self._bus, self._scopes = bus, scopes

    def narrow(self, scopes: frozenset[Scope]) -> None:
        self._scopes = scopes

    def live(self, published: Published) -> bytes | None:
        spec = published.spec
        if spec.scope not in self._scopes:
            return None
        clear = in_clear(spec, self._scopes)
        number = number_of(self._bus, published) if clear else None
        return notification(spec.topic, old_params(spec.topic, visible(spec, published.params, clear), number))

    def stored(self, fact: Fact) -> bytes | None:
        """Old clients know no replay."""
        return None


def number_of(bus: Bus, published: Published) -> str | None:
    """The number of the event's call: its own, or that of an earlier event of the call which still is in the ring."""
    call_id = published.params.get("call_id")
    index, found = published.index, published
    while call_id is not None:
        number = found.params.get("number")
        if found.params.get("call_id") == call_id and isinstance(number, str):
            return number
        index -= 1
        try:
            earlier = bus.get(index)
        except IndexError:
            break
        if earlier is None:
            break
        found = earlier
    return None


def old_params(topic: str, params: dict[str, Any], number: str | None) -> dict[str, Any]:
    """Params of one of the four events as the old clients know them (wire-formats §6.3). Pure."""
    call_id = params.get("call_id")
    if topic == "call.ended":
        reason = _REASONS.get(str(params.get("reason")), _DISCONNECT)
        return {"call_id": call_id, "duration": float(params.get("duration_s") or 0.0), "reason": reason}
    old: dict[str, Any] = {"call_id": call_id, "user_id": number}
    if topic == "call.speech":
        old |= {"text": params.get("text"), "language": params.get("language"), "audio_path": None}
    return old
