"""The peer's endpoint: its name looked up again, as the system does it, without the event loop ever waiting for it."""

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from threading import Thread


class LookupFailed(Exception):
    """The text says why, for people."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """host: a name or an IPv4 address."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """ "vps.example.org:443". ValueError for a port that there is not."""
        host, _, port = text.rpartition(":")
        if not host or not 1 <= int(port) <= 65535:
            raise ValueError("an endpoint is a name and a port: vps.example.org:51820")
        return cls(host, int(port))


def other(now: str | None, addresses: tuple[str, ...], port: int) -> str | None:
    """The endpoint that the peer should have instead of `now` ("203.0.113.10:443"; None: it has none), or None where it
    is one of those already. addresses: what its name has, not empty. Pure."""
    wanted = [f"{address}:{port}" for address in addresses]
    return None if now in wanted else wanted[0]


class Resolver:
    """getaddrinfo(3) in a thread of its own, one at a time. It can't be interrupted: one that hangs beyond its deadline
    is left alone, and nothing more is asked until it has ended."""

    def __init__(self) -> None:
        self._asking = False

    async def addresses(self, host: str, timeout_s: float) -> tuple[str, ...]:
        """IPv4 addresses in the resolver's order, at least one. LookupFailed."""
        if self._asking:
            raise LookupFailed(f"{host} could not be looked up: the lookup before still waits for its name server")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[str, ...] | OSError] = loop.create_future()

        def tell(found: tuple[str, ...] | OSError) -> None:
            if not answer.done():
                answer.set_result(found)

        def ask() -> None:
            found = _ask(host)
            self._asking = False
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(tell, found)

        self._asking = True
        Thread(target=ask, name="dialtone-vpn-lookup", daemon=True).start()
        try:
            found = await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            raise LookupFailed(f"{host} could not be looked up within {timeout_s:g} s") from None
        if isinstance(found, OSError):
            raise LookupFailed(f"{host} could not be looked up: {found.strerror or found}")
        return found


def _ask(host: str) -> tuple[str, ...] | OSError:
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)
    except OSError as problem:
        return problem
    except UnicodeError:  # a label of more than 63 letters
        return OSError(0, "that is no host name")
    addresses = tuple(dict.fromkeys(str(address[0]) for *_, address in found))
    return addresses or OSError(0, "it has no IPv4 address")
