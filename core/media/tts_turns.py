"""Whose sentence an engine makes next: by priority, then in turn."""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count


@dataclass(order=True, slots=True)
class _Waiting:
    rank: int
    number: int
    go: "asyncio.Future[None]" = field(compare=False)


@dataclass(slots=True, eq=False)
class Turn:
    """Permission to make one sentence. give_way: asked when a higher priority waits; ends the sentence if it may."""

    priority: int
    give_way: Callable[[], None] | None = None


class Turns:
    """One engine's. places: sentences that it makes at a time. Waiting texts are bounded by the service."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._held: list[Turn] = []
        self._promised = 0
        self._waiting: list[_Waiting] = []
        self._numbers = count()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def take(self, priority: int) -> Turn:
        """Waits for a place; who has it must `leave`. May be cancelled."""
        if self._waiting or len(self._held) + self._promised >= self._places:
            await self._wait(priority)
        mine = Turn(priority)
        self._held.append(mine)
        return mine

    def leave(self, turn: Turn) -> None:
        self._held.remove(turn)
        self._wake()

    async def _wait(self, priority: int) -> None:
        waiting = _Waiting(-priority, next(self._numbers), asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiting, waiting)
        for holder in self._held:
            if holder.priority < priority and holder.give_way is not None:
                holder.give_way()
        try:
            await waiting.go
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                heapq.heapify(self._waiting)
            elif not waiting.go.cancelled():
                self._promised -= 1
                self._wake()  # it was our turn: the next one's, then
            raise
        self._promised -= 1

    def _wake(self) -> None:
        """A place is free: it is promised to the first, so that no newcomer takes it meanwhile. Who was cancelled and
        has not noticed yet (all texts of a call that ends) gets none."""
        while self._waiting:
            go = heapq.heappop(self._waiting).go
            if not go.done():
                self._promised += 1
                go.set_result(None)
                return
