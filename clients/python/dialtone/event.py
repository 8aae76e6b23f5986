"""Events and the inbox that keeps them in order, once each. No sockets, no clock."""

from collections import deque
from dataclasses import dataclass
from typing import Any

LAGGED = "events.lagged"
DISPLACED = "events.displaced"
INBOX_EVENTS = 1000
"""Some half an hour of a busy call. When full: see Inbox."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. seq is there for facts (kept by the daemon), None for moments (live only).

    params holds everything the daemon sent, also the fields that stand beside it here.
    """

    name: str
    params: dict[str, Any]
    seq: int | None = None
    at: str | None = None
    line: str | None = None
    call_id: str | None = None

    @classmethod
    def of(cls, name: str, params: dict[str, Any]) -> "Event":
        seq = params.get("seq")
        texts = (params.get(key) for key in ("at", "line", "call_id"))
        at, line, call_id = (value if isinstance(value, str) else None for value in texts)
        return cls(name, params, seq if isinstance(seq, int) else None, at, line, call_id)


class Inbox:
    """Events between the socket and the reader: bounded, each fact once, none left out.

    `position` is the newest fact that was taken in; a subscription resumes after it. While the inbox is shut
    (no subscription on this connection yet, or behind) it takes nothing, so that a gap is never closed over.
    When it is full it shuts, tells the reader `events.lagged` as its last entry, and is `behind` until a new
    subscription has made it read the facts again from the daemon's journal. Moments that came meanwhile are lost.
    """

    def __init__(self, bound: int = INBOX_EVENTS) -> None:
        self._queue: deque[Event] = deque()
        self._bound = bound
        self._open = False
        self.position: int | None = None
        self.behind = False
        self.displaced = False

    def __len__(self) -> int:
        return len(self._queue)

    def shut(self) -> None:
        """The connection is gone; what lies here can still be taken."""
        self._open = False

    def restart(self, since: int) -> None:
        """The reader wants to begin after `since`, whatever came before."""
        self._queue.clear()
        self._open, self.position = False, since

    def forget_place(self) -> None:
        """The journal is another one now: the reader is told, and goes on with what comes."""
        self._queue.append(Event.of(LAGGED, {"from_seq": (self.position or 0) + 1, "to_seq": None, "cause": "expired"}))
        self._open, self.position = False, None

    def open(self, head: int | None, resumed_from: int | None) -> None:
        """A subscription was answered: `head` is the daemon's newest fact, events after resumed_from follow."""
        if self.position is None:
            self.position = head if resumed_from is None else resumed_from
        self._open, self.behind, self.displaced = True, False, False

    def put(self, event: Event) -> None:
        """An event arrived."""
        if not self._open:
            return
        if event.name == DISPLACED:
            self._open, self.displaced = False, True
        elif event.name == LAGGED:
            self._lag_of_daemon(event)
        elif event.seq is not None and self.position is not None and event.seq <= self.position:
            return  # seen before: a consumer's place is that of its last ack
        elif len(self._queue) >= self._bound:
            to_seq = event.seq if event.seq is not None else event.params.get("after_seq")
            self._fall_behind({"from_seq": (self.position or 0) + 1, "to_seq": to_seq, "cause": "slow"})
        else:
            self._queue.append(event)
            self.position = self.position if event.seq is None else event.seq

    def take(self) -> Event | None:
        """The next event, None when there is none now."""
        return self._queue.popleft() if self._queue else None

    def _lag_of_daemon(self, event: Event) -> None:
        to_seq = event.params.get("to_seq")
        if event.params.get("cause") == "expired" and isinstance(to_seq, int):
            self._queue.append(event)  # gone from the journal: the reader must know, reading again would not help
            self.position = max(self.position or 0, to_seq)
        else:
            self._fall_behind(event.params)

    def _fall_behind(self, params: dict[str, Any]) -> None:
        self._queue.append(Event.of(LAGGED, params))
        self._open, self.behind = False, True
