"""The queues between a line and the services that pull its facts."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

from core.line import LineFix, LineRing, LineSignal
from core.log import Log

_Fact = TypeVar("_Fact")

MAX_FACTS = 1024
"""Hours of calls. A service that leaves that many has stopped reading."""


class FactQueue(Generic[_Fact]):
    """In order, none lost. When full, expendable facts go first: of calls the rings, then signal reports and positions,
    since the next one says it anew. Only with nothing else left (the service is dead) does the oldest go, with an error
    in the log.
    """

    def __init__(
        self, name: str, limit: int = MAX_FACTS, *, expendable: tuple[type, ...] = (LineRing, LineSignal, LineFix)
    ) -> None:
        self._name = name
        self._limit = limit
        self._expendable = expendable
        self._facts: deque[_Fact] = deque()
        self._there = asyncio.Event()
        self._log = Log("modem.facts")

    def put(self, fact: _Fact) -> None:
        if len(self._facts) >= self._limit:
            self._make_room()
        self._facts.append(fact)
        self._there.set()

    async def get(self) -> _Fact:
        """The next fact. One reader."""
        while not self._facts:
            self._there.clear()
            await self._there.wait()
        return self._facts.popleft()

    def _make_room(self) -> None:
        kept = [fact for fact in self._facts if not isinstance(fact, self._expendable)]
        if len(kept) == len(self._facts):
            self._log.error("a fact was dropped: nobody reads them", line=self._name, facts=len(kept))
            kept = kept[1:]
        self._facts = deque(kept)
