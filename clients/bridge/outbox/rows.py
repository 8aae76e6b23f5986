"""What waits to be delivered, and the key under which a receiver knows it again. Pure."""

import hashlib
import json
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import dialtone

NAMESPACE = uuid.UUID("5b6f2a4e-8d0b-5a0e-9a38-6c1d0c8b7f11")
"""Of the uuid5 of keys (RFC 9562 §5.5); any constant would do."""
MACHINE_ID = Path("/etc/machine-id")


class State(StrEnum):
    WAITING = "waiting"
    DEAD = "dead"  # refused again and again; replayed by hand


class DeliveryFailed(Exception):
    """Not delivered. Its text names no address, number or content. refused: asking again changes nothing."""

    def __init__(self, detail: str, *, refused: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.refused = refused
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Draft:
    """A row to be. queue: rows of one are delivered one after the other. part: tells apart what one fact makes in one
    queue. disposable: of a moment, which nobody misses when there is no room."""

    queue: str
    event: str
    body: bytes
    part: str = ""
    disposable: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """id: grows with the order of facts. waited_s: since its first failure, with the bridge running."""

    id: int
    queue: str
    key: str
    event: str
    seq: int | None
    at: str | None
    body: bytes
    state: State
    tries: int
    refusals: int
    waited_s: float
    disposable: bool
    problem: str | None
    tried_at: str | None
    added_at: str


def encode(body: object) -> bytes:
    """JSON. Half of a surrogate pair, as a cut message may have at its end, has no UTF-8: `?` stands for it."""
    return json.dumps(body, ensure_ascii=False).encode(errors="replace")


def key(station_id: str, draft: Draft, event: dialtone.Event) -> str:
    """The idempotency key: the same for the same fact after any crash. The time is in it because the numbers of a new
    journal begin at 1 again."""
    if event.seq is not None:
        name = ["fact", str(event.seq)]
    else:
        name = ["moment", event.name, hashlib.sha256(repr(sorted(event.params.items())).encode()).hexdigest()]
    return str(uuid.uuid5(NAMESPACE, "\n".join([station_id, draft.queue, *name, event.at or "", draft.part])))


def station_id(configured: str | None) -> str:
    """What tells the keys of this computer from those of others; the machine id shows in no key."""
    try:
        found = MACHINE_ID.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        found = ""
    return found or configured or socket.gethostname()


def matches(topics: Sequence[str], event: dialtone.Event) -> bool:
    """Whether an event belongs to one of these topics: names, `prefix.*` or `*`. Moments only by their name."""
    for topic in topics:
        if topic == event.name:
            return True
        if event.seq is not None and (topic == "*" or (topic.endswith(".*") and event.name.startswith(topic[:-1]))):
            return True
    return False
