"""Question and answer by datagrams through one socket: asked again a few times, the answer told from what is none."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")

_TRIES = 3  # one lost packet is no dead link
_LARGEST = 4096


async def exchange(
    sock: socket.socket,
    target: tuple[str, int],
    question: Callable[[int], bytes],
    answer: Callable[[bytes], _T | None],
    *,
    timeout_s: float,
) -> _T:
    """question(n) is sent as try n = 1, 2, 3, evenly within timeout_s; answer gives None for what is no answer.

    TimeoutError when none came. OSError with the kernel's word when the last try ended with one: an earlier one (no
    route, host unreachable) may be over with the next try, as while a route flaps.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(1, _TRIES + 1):
        until = began + timeout_s * number / _TRIES
        try:
            # Connected, so that the kernel tells this socket of hosts that can't be reached.
            sock.connect(target)
            sock.send(question(number))
            while (message := await _received(sock, until)) is not None:
                if (found := answer(message)) is not None:
                    return found
        except OSError:
            if number == _TRIES:
                raise
            await asyncio.sleep(until - loop.time())
    raise TimeoutError


async def _received(sock: socket.socket, until: float) -> bytes | None:
    """The next datagram, None when the loop's clock says `until`. One that is there by then counts, however late this
    process gets to look."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sock, readable.set)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await readable.wait()
    finally:
        loop.remove_reader(sock)
    try:
        return sock.recv(_LARGEST)
    except BlockingIOError:
        return None
