"""[[webhook]]: any event to any address, signed."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dialtone
from clients.bridge.outbox.room import WEBHOOK
from clients.bridge.outbox.rows import Draft, Row, encode, matches
from clients.bridge.outbox.store import Store, unix_s

LAGGED = "events.lagged"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Makes the rows of one. Facts by their topics; moments where a topic is their whole name."""

    name: str
    topics: Sequence[str]

    @property
    def queue(self) -> str:
        return WEBHOOK + self.name

    def __call__(self, event: dialtone.Event, store: Store) -> list[Draft]:
        if event.name != LAGGED and not matches(self.topics, event):
            return []
        is_moment = event.seq is None and event.name != LAGGED
        return [Draft(self.queue, event.name, webhook_body(event), disposable=is_moment)]


def webhook_body(event: dialtone.Event) -> bytes:
    """{"event": name, "params": all that the daemon sent with it}."""
    return encode({"event": event.name, "params": event.params})


@dataclass(frozen=True, slots=True)
class Signed:
    """Headers of one delivery. The token and the secret are the webhook's own, never those of the VPS."""

    secret: str | None
    token: str | None

    def __call__(self, row: Row) -> Mapping[str, str]:
        headers = {"X-Dialtone-Event": row.event}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.secret is not None:
            timestamp = str(int(unix_s()))
            headers["X-Dialtone-Timestamp"] = timestamp
            headers["X-Dialtone-Signature"] = "sha256=" + signature(self.secret, timestamp, row.body)
        return headers


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) over "<timestamp>.<body>", in hex."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
