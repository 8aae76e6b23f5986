"""Notifications for the VPS's /api/send (wire formats §1.3): which events become one, and with which words."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dialtone
from clients.bridge.outbox.rows import Draft, encode, matches
from clients.bridge.outbox.store import Store

QUEUE = "notifications"
SERVICE = "raspberry-pi-vpn"
"""A constant of the old station; the VPS files notifications under it."""
SEVERITIES = ("info", "warning", "error", "critical")
LAGGED = "events.lagged"

Hostname = Callable[[], str]
Notice = tuple[str, str]
"""(severity, message)"""


@dataclass(frozen=True, slots=True)
class Notifications:
    """topics: events that become notifications. A text that was told within window_s is not told again."""

    topics: Sequence[str]
    window_s: float
    hostname: Hostname

    def __call__(self, event: dialtone.Event, store: Store) -> list[Draft]:
        wanted = event.name == LAGGED or matches(self.topics, event)
        notice = notice_of(event) if wanted else None
        if notice is None:
            return []
        if self._was_told(notice, event, store):
            store.count(QUEUE, "suppressed")
            return []
        return [Draft(QUEUE, event.name, notification(*notice, self.hostname()))]

    def _was_told(self, notice: Notice, event: dialtone.Event, store: Store) -> bool:
        """By the times of events, so that what is read again after a crash is judged as it was before."""
        if event.at is None or self.window_s == 0:
            return False
        text_hash = hashlib.sha256("\n".join(notice).encode()).hexdigest()
        since = datetime.fromisoformat(event.at) - timedelta(seconds=self.window_s)
        row = store.db.execute("SELECT at FROM told WHERE text_hash = ?", (text_hash,)).fetchone()
        if row is not None and since < datetime.fromisoformat(row[0]) <= datetime.fromisoformat(event.at):
            return True
        store.db.execute("DELETE FROM told WHERE datetime(at) < datetime(?)", (since.isoformat(),))
        store.db.execute("INSERT OR REPLACE INTO told VALUES (?, ?)", (text_hash, event.at))
        return False


def notification(severity: str, message: str, hostname: str) -> bytes:
    """The body; a severity that the VPS does not know becomes info, as before."""
    known = severity if severity in SEVERITIES else "info"
    body = {"hostname": hostname, "service": SERVICE, "severity": known, "message": message}
    return encode(body)


def host_text(name: str, vpn_ip: str | None) -> str:
    """hostname of a notification."""
    return f"{'-'.join(name.split())} [{vpn_ip or 'no-vpn'}]"


def notice_of(event: dialtone.Event) -> Notice | None:
    """What is said of an event; None: nothing. `**bold**` is understood by the VPS's page. Pure."""
    make = _WORDS.get(event.name)
    if make is not None:
        return make(event, event.params)
    return "info", f"**{_words(event.name)}**{_on(event)}"


def _alarm(event: dialtone.Event, params: dict[str, Any]) -> Notice:
    text = params.get("text") or params.get("alarm")
    return str(params.get("severity") or "warning"), f"**Alarm** {_words(params.get('alarm'))}{_on(event)}: {text}"


def _cleared(event: dialtone.Event, params: dict[str, Any]) -> Notice:
    return "info", f"**Alarm over** {_words(params.get('alarm'))}{_on(event)}"


def _lost(event: dialtone.Event, params: dict[str, Any]) -> Notice:
    return "error", f"**Modem** lost{_on(event)}{_because(params)}"


def _modem_state(event: dialtone.Event, params: dict[str, Any]) -> Notice:
    state = str(params.get("state"))
    severity = "error" if state == "failed" else "warning" if state in ("offline", "reconnecting") else "info"
    return severity, f"**Modem** {state}{_on(event)}{_because(params)}"


def _recovery(event: dialtone.Event, params: dict[str, Any]) -> Notice:
    state, rung = str(params.get("state")), _words(params.get("rung"))
    severity = {"failed": "error", "succeeded": "info"}.get(state, "warning")
    return severity, f"**Modem** recovery by {rung} {state}{_on(event)}{_because(params)}"


def _sms_status(event: dialtone.Event, params: dict[str, Any]) -> Notice | None:
    """Only what went wrong."""
    if params.get("state") not in ("failed", "expired", "unknown"):
        return None
    severity = "warning" if params["state"] == "unknown" else "error"
    because = params.get("network_text") or params.get("reason")
    text = f"**SMS** to {params.get('number') or 'a hidden number'} {params['state']}{_on(event)}"
    return severity, f"{text}: {because}" if because else text


def _missed(event: dialtone.Event, params: dict[str, Any]) -> Notice:
    return "info", f"**Missed call** from {params.get('number') or 'a hidden number'}{_on(event)}"


def _received(event: dialtone.Event, params: dict[str, Any]) -> Notice:
    return "info", f"**SMS** from {params.get('number') or 'unknown'}{_on(event)}: {params.get('text') or '(no text)'}"


def _lagged(event: dialtone.Event, params: dict[str, Any]) -> Notice:
    return "error", "**Bridge** was away too long: events before now are no longer in the journal of the station"


_WORDS: dict[str, Callable[[dialtone.Event, dict[str, Any]], Notice | None]] = {
    "alarm.raised": _alarm,
    "alarm.cleared": _cleared,
    "modem.lost": _lost,
    "modem.state": _modem_state,
    "modem.recovery": _recovery,
    "sms.status": _sms_status,
    "call.missed": _missed,
    "sms.received": _received,
    LAGGED: _lagged,
}


def _words(name: object) -> str:
    return re.sub(r"[._]+", " ", str(name))


def _on(event: dialtone.Event) -> str:
    return f" on {event.line}" if event.line else ""


def _because(params: dict[str, Any]) -> str:
    return f": {params['reason']}" if params.get("reason") else ""
