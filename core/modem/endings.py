"""How a life of the modem ended, and the AT layer's words as errors that clients know."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from core.errors import ModemOffline, TimedOut
from core.modem.port import AtTimeout, PortLost

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class End:
    """taken: another program has a port. silent: a port is there and answers nothing. fell: the ports went away."""

    reason: str
    taken: bool = False
    silent: bool = False
    fell: bool = False


@contextmanager
def public() -> Iterator[None]:
    """PortLost and AtTimeout as PublicErrors."""
    try:
        yield
    except PortLost:
        raise ModemOffline from None
    except AtTimeout:
        raise TimedOut("The modem did not answer in time.") from None


async def joined(task: asyncio.Task[_Result]) -> _Result:
    """What it gives, once it has ended. Whoever is cancelled in this wait stays so.

    With a plain await the cancellation is the task's alone; a TaskGroup in it that fails at the same moment swallows it
    (3.11 to 3.13), and a daemon that is told to stop while a modem is pulled would go on.
    """
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        raise
    return task.result()


def first(group: BaseExceptionGroup[PortLost]) -> BaseException:
    """The first failure in a group of groups."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
