"""The queue between a line and the service that pulls its facts."""

import asyncio
from collections import deque

from core.line import LineEvent, LineRing, LineSignal
from core.log import Log

MAX_FACTS = 1024
"""Hours of calls. A service that leaves that many has stopped reading."""


class FactQueue:
    """In order, none lost. When full, the oldest rings and signal reports go first, since the next one says it anew;
    only with nothing but call facts left (the service is dead) does the oldest of them go, with an error in the log.
    """

    def __init__(self, name: str, limit: int = MAX_FACTS) -> None:
        self._name = name
        self._limit = limit
        self._facts: deque[LineEvent] = deque()
        self._there = asyncio.Event()
        self._log = Log("modem.facts")

    def put(self, fact: LineEvent) -> None:
        if len(self._facts) >= self._limit:
            self._make_room()
        self._facts.append(fact)
        self._there.set()

    async def get(self) -> LineEvent:
        """The next fact. One reader."""
        while not self._facts:
            self._there.clear()
            await self._there.wait()
        return self._facts.popleft()

    def _make_room(self) -> None:
        kept = [fact for fact in self._facts if not isinstance(fact, LineRing | LineSignal)]
        if len(kept) == len(self._facts):
            self._log.error("a fact was dropped: nobody reads them", line=self._name, facts=len(kept))
            kept = kept[1:]
        self._facts = deque(kept)
