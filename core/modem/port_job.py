"""One command on its way through a port, and whoever waits for its answer."""

import asyncio
from dataclasses import dataclass

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
