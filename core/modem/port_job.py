"""One command on its way through a port, whoever waits for its answer, and what a port counts."""

import asyncio
from dataclasses import dataclass, field

from core.modem.at import Command, Reply
from core.modem.port_errors import HandedOver


@dataclass(slots=True)
class Job:
    """urgent: goes before all others. handed_over: the payload of a prompt is on its way. withdrawn: it makes way at
    its prompt; escaped: it has, by ESC.
    """

    command: Command
    waiter: asyncio.Future[Reply]
    urgent: bool = False
    handed_over: bool = False
    withdrawn: bool = False
    escaped: bool = False

    def fail(self, problem: Exception) -> None:
        """Fails the wait; after the hand-over that is HandedOver, whatever happened."""
        tell(self.waiter, HandedOver(str(problem)) if self.handed_over else problem)


def tell(waiter: asyncio.Future[Reply], problem: Exception) -> None:
    """Fails a wait. A waiter that nobody awaits any more must not be reported as a forgotten exception."""
    if not waiter.done():
        waiter.set_exception(problem)
        waiter.exception()


@dataclass(slots=True)
class PortCounts:
    """For status and bug reports."""

    commands: int = 0
    timeouts: int = 0
    strays: int = 0
    urcs_dropped: int = 0
    resyncs: int = 0


@dataclass(slots=True)
class Wakeup:
    """An event that is cleared by waiting for it."""

    event: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self) -> None:
        self.event.set()

    async def wait(self) -> None:
        await self.event.wait()
        self.event.clear()
