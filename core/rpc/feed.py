"""One session's place among the events: live from the ring, replayed from the journal, joined without hole or double.

A slow client costs a place in the ring and nothing else. It is told `events.lagged` when the ring has passed it; a
replay that begins before the oldest kept fact is told the same with cause "expired".
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from core.bus import Bus, Cause, Published
from core.events import Event, EventsLagged, EventSpec, Scope

PAGE_FACTS = 500
YIELD_EVENTS = 64
"""Events sent in one go before others get their turn: some 0.5 ms."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a session asked for. topics None: all facts, and with moments=True all moments too."""

    topics: tuple[str, ...] | None = None
    moments: bool = False

    def wants(self, spec: EventSpec) -> bool:
        """Topics are exact, or `prefix.*`, or `*`. Moments come only to those who name them in one of these ways."""
        if self.topics is None:
            return spec.fact or self.moments
        return any(_matches(topic, spec.topic) for topic in self.topics)


def _matches(wanted: str, topic: str) -> bool:
    return wanted in (topic, "*") or (wanted.endswith(".*") and topic.startswith(wanted[:-1]))


class Fact(Protocol):
    """One fact as the journal gives it back."""

    @property
    def seq(self) -> int: ...
    @property
    def at(self) -> str: ...
    @property
    def params(self) -> dict[str, object]: ...
    @property
    def spec(self) -> EventSpec: ...


class Journal(Protocol):
    """What of the store a feed needs."""

    @property
    def bus(self) -> Bus: ...
    @property
    def oldest_seq(self) -> int: ...
    async def facts(self, since: int, limit: int = PAGE_FACTS) -> Sequence[Fact]: ...


class View(Protocol):
    """How events look to one session; None for those that it may not see."""

    def live(self, published: Published) -> bytes | None: ...
    def stored(self, fact: Fact) -> bytes | None: ...
    def narrow(self, scopes: frozenset[Scope]) -> None:
        """From now on the session has these scopes only."""


class Outlet(Protocol):
    """Where events go: Pipe."""

    async def room_for_event(self) -> None: ...
    async def flushed(self) -> None: ...
    def send(self, message: bytes) -> bool: ...


class Feed:
    """Made by a session; `run` is its pump. causes: the session's own requests that have no reply yet."""

    def __init__(
        self,
        outlet: Outlet,
        journal: Journal,
        view: View,
        causes: set[Cause],
        notify: Callable[[Event], None],
        frame_gap_s: float = 0.0,
    ) -> None:
        self._outlet, self._journal, self._view, self._notify = outlet, journal, view, notify
        self._bus = journal.bus
        self._causes = causes
        self._frame_gap_s = frame_gap_s
        self._subscription: Subscription | None = None
        self._after: Cause | None = None  # nothing goes out before the reply of this request
        self._since: int | None = None  # a replay is due, or under way, from here
        self._place = 0
        self._seen_seq = 0  # facts up to here were sent, or were not wanted
        self._waker = asyncio.Event()
        self._sent = 0

    @property
    def subscription(self) -> Subscription | None:
        return self._subscription

    def start(self, subscription: Subscription, *, since: int | None = None, after: Cause | None = None) -> None:
        """Replaces the subscription. since: replays the facts after it first. Without it a feed that was running
        keeps its place, so that a change of topics loses nothing, and a new one begins now."""
        if since is not None:
            self._since = self._seen_seq = since
        elif self._subscription is None:
            self._place, self._seen_seq = self._bus.next_index, self._bus.head_seq
        self._subscription, self._after = subscription, after
        self._waker.set()

    def stop(self) -> None:
        self._subscription = self._since = self._after = None

    async def run(self) -> None:
        """Until cancelled."""
        self._bus.watch(self._waker)
        try:
            while True:
                await self._waker.wait()
                self._waker.clear()
                while await self._step():
                    pass
        finally:
            self._bus.unwatch(self._waker)

    async def _step(self) -> bool:
        """Moves on by one event or one replay; False when there is nothing to do.

        The subscription may be replaced at each await here: then the place is not moved and the next step looks anew.
        """
        subscription = self._subscription
        if subscription is None:
            return False
        if self._after is not None:
            after = self._after
            await after.answered.wait()
            if self._after is after:
                self._after = None
            return True
        if self._since is not None:
            await self._replay(subscription)
            return True
        try:
            published = self._bus.get(self._place)
        except IndexError:
            self._lag()
            return True
        if published is None:
            return False
        await self._live(subscription, published)
        return True

    async def _live(self, subscription: Subscription, published: Published) -> None:
        wanted = subscription.wants(published.spec)
        if wanted:
            if published.cause is not None and published.cause in self._causes:
                await published.cause.answered.wait()
            await self._outlet.room_for_event()
            if self._subscription is not subscription or self._after is not None:
                return
        self._place += 1
        self._seen_seq = published.after_seq
        if wanted:
            await self._send(self._view.live(published))

    def _lag(self) -> None:
        """The ring has passed this client: on with what comes now, and it is told which facts it missed."""
        missed_from, head = self._seen_seq + 1, self._bus.head_seq
        self._place, self._seen_seq = self._bus.next_index, head
        if missed_from <= head:
            self._tell_lagged(missed_from, head, "slow")

    async def _replay(self, subscription: Subscription) -> None:
        """Facts up to the head of this moment come from the journal, all later ones stand in the ring from this
        moment's index on: no hole, no double. If the ring moves on during a long replay, another round follows."""
        while self._since is not None:
            head, index = self._bus.head_seq, self._bus.next_index
            while self._since < head:
                if not await self._replay_page(subscription, head):
                    return
            self._place, self._seen_seq = index, head
            if not self._has_passed(index):
                self._since = None

    def _has_passed(self, index: int) -> bool:
        try:
            self._bus.get(index)
        except IndexError:
            return True
        return False

    async def _replay_page(self, subscription: Subscription, head: int) -> bool:
        """Sends one page and moves _since; False when the subscription was replaced meanwhile."""
        since = self._since
        assert since is not None
        page = await self._journal.facts(since, PAGE_FACTS)
        if not self._is_current(subscription, since):
            return False
        first = page[0].seq if page else head + 1
        if since + 1 < min(first, self._journal.oldest_seq):
            self._tell_lagged(since + 1, min(first, self._journal.oldest_seq) - 1, "expired")
        for fact in page:
            if fact.seq > head:
                break
            await self._own_reply_first(fact.seq)
            await self._outlet.room_for_event()
            if not self._is_current(subscription, since):
                return False
            self._since = self._seen_seq = since = fact.seq
            if subscription.wants(fact.spec):
                await self._send(self._view.stored(fact))
        if len(page) < PAGE_FACTS or page[-1].seq >= head:
            self._since = head
        return True

    def _is_current(self, subscription: Subscription, since: int) -> bool:
        return self._subscription is subscription and self._since == since and self._after is None

    async def _own_reply_first(self, seq: int) -> None:
        for cause in list(self._causes):
            if seq in cause.seqs:
                await cause.answered.wait()

    async def _send(self, message: bytes | None) -> None:
        if message is None:
            return
        self._outlet.send(message)
        if self._frame_gap_s:
            await self._outlet.flushed()
            await asyncio.sleep(self._frame_gap_s)
        self._sent += 1
        if self._sent % YIELD_EVENTS == 0:
            await asyncio.sleep(0)

    def _tell_lagged(self, from_seq: int, to_seq: int, cause: Literal["slow", "expired"]) -> None:
        self._notify(EventsLagged(from_seq=from_seq, to_seq=to_seq, cause=cause))
