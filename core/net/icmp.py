"""ICMP echo (RFC 792) through ping sockets, which need no privilege where net.ipv4.ping_group_range has the group
(icmp(7)); where it has not, by ping(8), whose file usually has the right; where neither may, that is said once."""

import asyncio
import math
import os
import re
import socket
import struct
from dataclasses import dataclass
from errno import EPROTONOSUPPORT

from core.log import Log
from core.net.bound import bound_socket
from core.net.exchange import exchange

_ECHO_REPLY = 0
_ECHO_REQUEST = 8
_HEAD = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence; the kernel sets checksum and identifier
_SHORTEST_PAUSE_S = 0.2  # ping(8) lets only root send faster
_TIME = re.compile(rb"time[=<]([0-9]+(?:\.[0-9]+)?) ?ms")

_log = Log("net.icmp")
_said: set[str] = set()


@dataclass(frozen=True, slots=True)
class Echo:
    """What came of it. problem: why there is no answer, where the kernel said it. possible: False when this process
    may not send echo requests in any way, so that silence means nothing."""

    address: str
    rtt_ms: float | None = None
    problem: str | None = None
    possible: bool = True


async def ping(address: str, *, interface: str | None, timeout_s: float) -> float | None:
    """Milliseconds until it answered, None without an answer within timeout_s (or where nothing could be sent)."""
    return (await echo(address, interface=interface, timeout_s=timeout_s)).rtt_ms


async def echo(address: str, *, interface: str | None, timeout_s: float) -> Echo:
    """Asks up to three times within timeout_s, through the interface alone if one is named. Raises nothing."""
    try:
        sock = bound_socket(socket.SOCK_DGRAM, interface, proto=socket.IPPROTO_ICMP)
    except OSError as problem:
        if isinstance(problem, PermissionError) or problem.errno == EPROTONOSUPPORT:
            return await _by_program(address, interface, timeout_s)
        return Echo(address, problem=problem.strerror)
    with sock:
        try:
            return Echo(address, await _exchange(sock, address, timeout_s))
        except TimeoutError:
            return Echo(address)
        except OSError as problem:
            return Echo(address, problem=problem.strerror)


def request(sequence: int, token: bytes) -> bytes:
    """An echo request. token comes back in the answer: other programs' identifiers and sequences may be ours, too."""
    return _HEAD.pack(_ECHO_REQUEST, 0, 0, 0, sequence) + token


def answered_sequence(message: bytes, token: bytes) -> int | None:
    """The sequence that a message from a ping socket (no IP header) answers; None when it answers none of ours."""
    if len(message) != _HEAD.size + len(token) or message[_HEAD.size :] != token:
        return None
    kind, code, _, _, sequence = _HEAD.unpack_from(message)
    return int(sequence) if (kind, code) == (_ECHO_REPLY, 0) else None


async def _exchange(sock: socket.socket, address: str, timeout_s: float) -> float:
    loop = asyncio.get_running_loop()
    token = os.urandom(16)  # new each time: a late answer to an earlier probe must not count
    sent_at: dict[int, float] = {}

    def ask(number: int) -> bytes:
        sent_at[number] = loop.time()
        return request(number, token)

    def rtt_ms(message: bytes) -> float | None:
        began = sent_at.get(answered_sequence(message, token) or 0)
        return None if began is None else (loop.time() - began) * 1000

    return await exchange(sock, (address, 0), ask, rtt_ms, timeout_s=timeout_s)


async def _by_program(address: str, interface: str | None, timeout_s: float) -> Echo:
    """ping(8), which goes on asking until it has one answer."""
    seconds = str(math.ceil(timeout_s))
    pause = f"{max(timeout_s / 3, _SHORTEST_PAUSE_S):.2f}"
    through = ("-I", interface) if interface is not None else ()
    try:
        process = await asyncio.create_subprocess_exec(
            *("ping", "-n", "-c", "1", "-w", seconds, "-W", seconds, "-i", pause, *through, address),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"LC_ALL": "C"},
        )
    except OSError as problem:
        return _impossible(address, f"ping can't be run: {problem.strerror}")
    try:
        async with asyncio.timeout(timeout_s):
            output, errors = await process.communicate()
    except TimeoutError:
        return Echo(address)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if found := _TIME.search(output):
        return Echo(address, float(found[1]))
    text = errors.decode("utf-8", "replace").strip()[-200:]
    if "permitted" in text or "denied" in text:
        return _impossible(address, text)
    return Echo(address, problem=text or None)


def _impossible(address: str, why: str) -> Echo:
    if why not in _said and len(_said) < 10:
        _said.add(why)
        _log.warning(
            "no ICMP echo: net.ipv4.ping_group_range leaves this process out, and ping can't be used; "
            "links are probed by HTTP, DNS and TCP alone",
            why=why,
        )
    return Echo(address, problem=why, possible=False)
