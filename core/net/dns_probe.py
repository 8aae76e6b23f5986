"""Asks a link's own name servers, through that link, for an address (RFC 1035, A over UDP). The wire format is
dnspython's; nothing goes through the machine's resolver, which may be using the other link."""

import asyncio
import socket
import threading
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from core.net.bound import bound_socket, race
from core.net.exchange import exchange

if TYPE_CHECKING:
    from dns.message import Message

_PORT = 53
_MOST_SERVERS = 3  # as resolv.conf(5)
_warm = threading.Event()  # dnspython is loaded


@dataclass(frozen=True, slots=True)
class Resolved:
    """answered: a server knows the name, or knows that it does not exist. addresses: at most 4. text: for people.
    server: who said it."""

    answered: bool
    addresses: tuple[str, ...]
    text: str
    server: str | None = None


async def resolve(name: str, servers: tuple[str, ...], *, interface: str, timeout_s: float) -> Resolved:
    """Asks all servers (at most 3, IPv4) at once; the first that answers wins. Raises nothing."""
    await _loaded()
    tries = (_ask(name, server, interface, timeout_s) for server in servers[:_MOST_SERVERS])
    results = await race(tries, lambda one: one.answered, name="net.probe.dns")
    if results and results[-1].answered:
        return results[-1]
    return Resolved(False, (), f"{name}: " + ", ".join(one.text for one in results))


def question(name: str) -> "Message":
    """A query for A with a random id; dns.exception.DNSException for what is no name. EDNS (RFC 6891) with 1232 bytes
    as in the DNS flag day of 2020."""
    from dns.message import make_query

    return make_query(name, "A", use_edns=0, payload=1232)


def read_answer(asked: "Message", wire: bytes) -> Resolved | None:
    """What a datagram says to it. None for what is no answer to it: garbage, another id or question."""
    import dns.exception
    import dns.message
    import dns.rcode
    import dns.rdatatype

    try:
        answer = dns.message.from_wire(wire, ignore_trailing=True)
        ours = asked.is_response(answer)
    except (dns.exception.DNSException, ValueError):
        return None
    if not ours:
        return None
    name = asked.question[0].name.to_text(omit_final_dot=True)
    rcode = answer.rcode()
    if rcode == dns.rcode.NXDOMAIN:
        return Resolved(True, (), f"{name} does not exist, says the name server")
    if rcode != dns.rcode.NOERROR:
        return Resolved(False, (), dns.rcode.to_text(rcode))
    found = [item.address for rrset in answer.answer if rrset.rdtype == dns.rdatatype.A for item in rrset]
    return Resolved(True, tuple(found[:4]), f"{name} is {found[0]}" if found else f"{name} has no address")


async def _loaded() -> None:
    """dnspython off the event loop: 30 ms on a fast machine, several times that on a small one."""
    if not _warm.is_set():
        await asyncio.to_thread(_warm_up)


def _warm_up() -> None:
    """What it loads by itself with the first question and answer, too."""
    from dns.message import from_wire, make_response
    from dns.rrset import from_text

    asked = question("example.org")
    answer = make_response(asked)
    answer.answer.append(from_text("example.org.", 60, "IN", "A", "192.0.2.1"))
    from_wire(answer.to_wire())
    _warm.set()


async def _ask(name: str, server: str, interface: str, timeout_s: float) -> Resolved:
    import dns.exception

    try:
        asked = question(name)
        wire = asked.to_wire()
        with bound_socket(socket.SOCK_DGRAM, interface) as sock:
            target = (server, _PORT)
            answer = await exchange(sock, target, lambda _: wire, partial(read_answer, asked), timeout_s=timeout_s)
    except dns.exception.DNSException:
        return Resolved(False, (), "is no name that can be asked for")
    except TimeoutError:
        return Resolved(False, (), f"no answer from {server}")
    except OSError as problem:
        return Resolved(False, (), f"{server}: {problem.strerror}")
    return replace(answer, server=server, text=answer.text if answer.answered else f"{server} says {answer.text}")
