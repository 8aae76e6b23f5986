"""A netlink socket that hears the kernel's news of links, addresses and routes, and dumps them.

The socket is our own and not pyroute2's AsyncIPRoute: that one queues what it reads without a bound and is of no more
use after an overflow. Here the kernel's buffer is the only queue; what does not fit into it is lost with ENOBUFS, which
becomes `Overflow`: the caller dumps again, and nothing has been missed. Everything comes by one socket, so news and
dumps are in the kernel's order.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from itertools import count

from core.net import netlink_codec as codec
from core.net.links import Part

_SOL_NETLINK = 270
_GET_STRICT_CHECK = 12  # NETLINK_GET_STRICT_CHK
_LARGEST = 1 << 16
"""Bytes of one datagram: the kernel makes dumps of at most 32 KiB and news of less."""
_BATCH = 64
"""Datagrams that are read before the event loop has its turn again."""
ANSWER_S = 2.0
"""The kernel answers within microseconds; a socket that does not for so long is broken."""


class Overflow(Exception):
    """The kernel had news that did not fit into the socket's buffer."""


class NetlinkSocket:
    """One socket in the network namespace of the calling thread. Close it; every method is for one task. OSError for
    anything that is wrong with the socket itself."""

    def __init__(self, *, listen: bool = True, buffer_bytes: int = 1 << 18) -> None:
        """buffer_bytes: of the kernel's queue, some 300 messages; without privilege at most net.core.rmem_max."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._sequence = count(1)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            try:
                self._socket.setsockopt(_SOL_NETLINK, _GET_STRICT_CHECK, 1)
            except OSError as problem:
                if problem.errno != errno.ENOPROTOOPT:
                    raise
            self._socket.bind((0, codec.GROUPS if listen else 0))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    async def readable(self) -> None:
        """Returns when there is something to read, or the socket is broken."""
        await self.readable_or(asyncio.Event())

    async def readable_or(self, woken: asyncio.Event) -> None:
        """The same, or when `woken` is set; it is set afterwards in any case."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, woken.set)
        try:
            await woken.wait()
        finally:
            loop.remove_reader(self._socket)

    def read(self) -> Iterator[codec.News]:
        """What is there now, at most _BATCH datagrams, without waiting. Overflow; OSError."""
        for _ in range(_BATCH):
            data = self._receive()
            if data is None:
                return
            yield from codec.decode(data)

    def ask(self, part: Part) -> int:
        """Asks for a dump; DumpEnd with the number that is returned ends it."""
        sequence = next(self._sequence)
        self._socket.send(codec.dump_request(part, sequence))
        return sequence

    async def counters(self, interface: str) -> tuple[int, int] | None:
        """Bytes received and sent of one link; None when there is no such link. For a socket that does not listen."""
        self._socket.send(codec.link_request(interface, next(self._sequence)))
        async with asyncio.timeout(ANSWER_S):
            while (data := self._receive()) is None:
                await self.readable()
        return codec.decode_counters(data)

    def _receive(self) -> bytes | None:
        try:
            data, _flags, flags, sender = self._socket.recvmsg(_LARGEST)
        except BlockingIOError:
            return None
        except OSError as problem:
            if problem.errno == errno.ENOBUFS:
                raise Overflow from None
            raise
        if flags & socket.MSG_TRUNC:
            raise Overflow  # part of a datagram is as good as a lost one
        if not data:
            raise OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return data if sender[0] == 0 else b""  # another program's message is none of the kernel's
