"""Sockets that send and hear through one interface alone, whatever the routing table prefers: SO_BINDTODEVICE,
socket(7), without privileges since Linux 5.7. The kernel then uses that interface's own default route."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

_T = TypeVar("_T")


def bound_socket(kind: int, interface: str | None, *, proto: int = 0) -> socket.socket:
    """Non-blocking, IPv4. OSError: ENODEV without the interface, EPERM or EACCES where the kernel wants privileges."""
    sock = socket.socket(socket.AF_INET, kind, proto)
    try:
        sock.setblocking(False)
        if interface is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    except BaseException:
        sock.close()
        raise
    return sock


async def connect(address: str, port: int, *, interface: str | None) -> socket.socket:
    """A TCP connection; the caller closes it and knows the deadline. OSError."""
    sock = bound_socket(socket.SOCK_STREAM, interface)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


async def race(tries: Iterable[Coroutine[Any, Any, _T]], wins: Callable[[_T], bool], *, name: str) -> list[_T]:
    """Runs all at once and ends with the first that wins; the rest is cancelled and waited for.

    The results so far, the winner last; all of them when nobody won. The tries must not raise.
    """
    results: list[_T] = []
    async with asyncio.TaskGroup() as group:
        running = {group.create_task(one, name=name) for one in tries}
        while running:
            ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            results += sorted((task.result() for task in ended), key=wins)
            if wins(results[-1]):
                break
        for task in running:
            task.cancel()
    return results
