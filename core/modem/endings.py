"""How a life of the modem ended, and the AT layer's words as errors that clients know."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from core.errors import ModemOffline, TimedOut
from core.modem.port import AtTimeout, PortLost


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


def first(group: BaseExceptionGroup[PortLost]) -> BaseException:
    """The first failure in a group of groups."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
