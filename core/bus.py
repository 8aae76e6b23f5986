"""Facts and moments on their way to clients: one ring, and a place in it per reader.

A subscription is only a place, so a slow reader costs nothing; when the ring has moved past it, facts are read
from the journal again (the reader's job) and moments are lost by design.
"""

import asyncio
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from core.clock import rfc3339
from core.events import Event, EventSpec, parameters, spec_of

RING_EVENTS = 4096
"""A busy call makes some 30 events a minute; this is hours of facts and minutes of moments."""


@dataclass(slots=True, eq=False)
class Cause:
    """A request in flight. Facts that it causes are told to its own connection only after its reply."""

    seqs: list[int] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)


CAUSE: ContextVar[Cause | None] = ContextVar("dialtone_cause", default=None)


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """One event in the ring. index grows by one per event; seq is set for facts, after_seq for all."""

    index: int
    spec: EventSpec
    params: dict[str, Any]
    at: str
    seq: int | None
    after_seq: int
    cause: Cause | None = None


class Bus:
    """Single-threaded: everything happens on the event loop."""

    def __init__(self, head_seq: int = 0, ring_events: int = RING_EVENTS) -> None:
        self.head_seq = head_seq
        self._ring: deque[Published] = deque(maxlen=ring_events)
        self._next_index = 0
        self._wakers: set[asyncio.Event] = set()

    @property
    def next_index(self) -> int:
        return self._next_index

    def moment(self, happened: Event) -> None:
        """Publishes a moment. A fact given here is a mistake of ours: facts go through Store.write."""
        spec = spec_of(happened)
        if spec.fact:
            raise ValueError(f"{spec.topic} is a fact; write it to the journal")
        self._append(spec, parameters(happened), rfc3339(), None, None)

    def fact(self, spec: EventSpec, params: dict[str, Any], at: str, seq: int, cause: Cause | None) -> None:
        """Publishes a committed fact; only the store calls this, in the order of seq."""
        if seq <= self.head_seq:
            raise ValueError(f"seq {seq} does not follow {self.head_seq}")
        self.head_seq = seq
        self._append(spec, params, at, seq, cause)

    def get(self, index: int) -> Published | None:
        """The event at a place: None when nothing is there yet; IndexError when the ring has moved on."""
        if index >= self._next_index:
            return None
        offset = index - (self._next_index - len(self._ring))
        if offset < 0:
            raise IndexError(index)
        return self._ring[offset]

    def watch(self, waker: asyncio.Event) -> None:
        """Sets `waker` on each event until unwatch."""
        self._wakers.add(waker)

    def unwatch(self, waker: asyncio.Event) -> None:
        self._wakers.discard(waker)

    def _append(self, spec: EventSpec, params: dict[str, Any], at: str, seq: int | None, cause: Cause | None) -> None:
        self._ring.append(Published(self._next_index, spec, params, at, seq, self.head_seq, cause))
        self._next_index += 1
        for waker in self._wakers:
            waker.set()
