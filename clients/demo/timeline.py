"""What happened in the demo's call, with the times at which it reached us."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from clients.demo.stage import DemoFailed
from dialtone import Event


@dataclass(frozen=True, slots=True)
class Seen:
    """One event; at_s is CLOCK_MONOTONIC, the clock that the emulator reports its speech on."""

    at_s: float
    event: Event


@dataclass(slots=True)
class Timeline:
    """Grows by one event at a time; a call of a minute makes some 200, so it needs no bound."""

    seen: list[Seen] = field(default_factory=list)
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, event: Event) -> Seen:
        one = Seen(time.monotonic(), event)
        self.seen.append(one)
        self._grown.set()
        return one

    async def wait_for(
        self, name: str, timeout_s: float, *, after: int = 0, such: Callable[[Event], bool] = lambda _: True
    ) -> int:
        """Place of the first such event at or after place `after`. DemoFailed, saying which, when none comes."""
        try:
            async with asyncio.timeout(timeout_s):
                place = after
                while True:
                    while place < len(self.seen):
                        event = self.seen[place].event
                        if event.name == name and such(event):
                            return place
                        place += 1
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            raise DemoFailed(f"no {name} within {timeout_s:g} s") from None

    def named(self, name: str) -> list[Seen]:
        return [one for one in self.seen if one.event.name == name]
