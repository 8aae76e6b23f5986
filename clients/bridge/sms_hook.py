"""Received messages, for the VPS's web hook (wire formats §1.5): the body of the old station and nothing more."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

import dialtone
from clients.bridge.outbox.rows import Draft, encode
from clients.bridge.outbox.store import Store

QUEUE = "sms"
TOPICS = ("sms.received",)
UNKNOWN = "unknown"
SMSD_TIME = "%y-%m-%d %H:%M:%S"
"""date_filename and headers of smsd 3.1.21 without a datetime_format of its own."""


@dataclass(frozen=True, slots=True)
class SmsHook:
    gateway_ip: Callable[[], str | None]

    def __call__(self, event: dialtone.Event, store: Store) -> list[Draft]:
        if event.name not in TOPICS or event.params.get("silent"):
            return []  # message type 0: phones drop these without a word, and smsd does
        return [Draft(QUEUE, event.name, encode(sms_body(event, self.gateway_ip())))]


def sms_body(event: dialtone.Event, gateway_ip: str | None, zone: tzinfo | None = None) -> dict[str, Any]:
    """received: when it came in, local time (or that of `zone`). Binary messages have an empty text. Pure."""
    return {
        "from": event.params.get("number") or UNKNOWN,
        "message": event.params.get("text") or "",
        "received": old_time(event.at, zone),
        "gateway_ip": gateway_ip,
    }


def old_time(at: str | None, zone: tzinfo | None = None) -> str:
    """An instant of the daemon as smsd writes it."""
    return datetime.fromisoformat(at).astimezone(zone).strftime(SMSD_TIME) if at else ""
