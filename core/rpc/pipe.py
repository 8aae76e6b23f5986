"""One connection as messages: framing, backpressure, and the difference between a half-closed and a gone peer."""

import asyncio
import select
import socket
from collections import deque

from core.rpc.wire import Decoder, Framing, WireFault, encode

READ_AHEAD = 64
"""Messages read but not yet taken; beyond it the kernel's buffer fills and the client waits."""

REPLY_GRACE_S = 2.0
"""How long a reply waits for a client that has left unread_bytes lying. A client that reads at all makes room in
milliseconds; one that never does is closed."""

LINGER_S = 1.0
"""What is still to be written at the end gets this long."""


class Overrun(Exception):
    """The client does not read its replies."""


class Pipe(asyncio.Protocol):
    """Both directions of one Unix socket. One task receives; any task sends, one whole message at a time."""

    def __init__(self, framing: Framing, max_bytes: int, unread_bytes: int) -> None:
        self._decoder = Decoder(framing, max_bytes)
        self._unread_bytes = unread_bytes
        self._messages: deque[bytes] = deque()  # bounded: reading is paused at READ_AHEAD
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = asyncio.Event()
        self._ended = False
        self._reading_paused = False
        self._transport: asyncio.Transport | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # Events wait above half of the bound, so that replies still find room: events lag first.
        transport.set_write_buffer_limits(high=self._unread_bytes // 2, low=self._unread_bytes // 4)

    def data_received(self, data: bytes) -> None:
        self._messages.extend(self._decoder.feed(data))
        if self._decoder.fault is not None or len(self._messages) >= READ_AHEAD:
            self._wire.pause_reading()
            self._reading_paused = True
        if self._messages or self._decoder.fault is not None:
            self._arrived.set()

    def eof_received(self) -> bool:
        self._messages.extend(self._decoder.end())
        self._ended = True
        self._arrived.set()
        return True  # answers still go out to a peer that has only said that it sends no more

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._lost.set()
        self._arrived.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # --- for the session

    @property
    def _wire(self) -> asyncio.Transport:
        assert self._transport is not None, "not connected yet"
        return self._transport

    @property
    def fault(self) -> WireFault | None:
        """Why nothing more can be read, where it is not just the end."""
        return self._decoder.fault

    @property
    def is_open(self) -> bool:
        return not self._lost.is_set() and not self._wire.is_closing()

    async def receive(self) -> bytes | None:
        """The next message; None at the end, or at a fault."""
        while not self._messages:
            if self._ended or self._decoder.fault is not None:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        message = self._messages.popleft()
        if self._reading_paused and not self._messages and self._decoder.fault is None and not self._ended:
            self._reading_paused = False
            self._wire.resume_reading()
        return message

    def send(self, message: bytes) -> bool:
        """Writes one frame in one go, however full it is; False when the peer is gone."""
        if not self.is_open:
            return False
        self._wire.write(encode(self._decoder.framing, message))
        return True

    @property
    def is_overfull(self) -> bool:
        """More than unread_bytes lie unread."""
        return self._wire.get_write_buffer_size() > self._unread_bytes

    async def room_for_reply(self) -> None:
        """Returns at once unless unread_bytes lie unread; then waits for a moment. Overrun when nothing is read."""
        if not self.is_open or not self.is_overfull:
            return
        try:
            async with asyncio.timeout(REPLY_GRACE_S):
                await self._writable.wait()
        except TimeoutError:
            raise Overrun from None

    async def room_for_event(self) -> None:
        """Waits while half of unread_bytes lie unread, as long as it takes: the ring holds the place meanwhile."""
        await self._writable.wait()

    async def flushed(self) -> None:
        """Waits until the kernel has taken everything."""
        if self._wire.get_write_buffer_size():
            self._wire.set_write_buffer_limits(high=0)
            self._writable.clear()
            await self._writable.wait()

    def hung_up(self) -> bool:
        """Whether the peer is gone altogether. A Unix socket whose peer only shut down its writing has no POLLHUP."""
        if self._lost.is_set():
            return True
        sock: socket.socket = self._wire.get_extra_info("socket")
        poller = select.poll()
        poller.register(sock.fileno(), 0)
        return any(event & (select.POLLHUP | select.POLLERR) for _, event in poller.poll(0))

    async def lost(self, timeout_s: float) -> bool:
        """Whether the connection is gone within that time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._lost.wait()
        except TimeoutError:
            return False
        return True

    def abort(self) -> None:
        """Drops the connection with all that is unsent; nothing where there is none."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Sends what is still there, but not for longer than LINGER_S."""
        self._wire.close()
        try:
            await self.lost(LINGER_S)
        finally:
            if not self._lost.is_set():
                self._wire.abort()
