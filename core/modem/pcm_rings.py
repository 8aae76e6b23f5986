"""The two bounded rings between the PCM thread and the event loop.

deque's append, pop and len are atomic in CPython; each ring has one thread at each end, and no lock is held by either
while the other needs to be on time.
"""

import asyncio
import contextlib
from collections import deque

from core.audio import PcmFormat
from core.line import AudioClosed, Tick

UPLINK_MS = 60
"""What lies here can still be flushed at barge-in; the design's bound is 60 to 80 ms beyond the daemon."""
DOWNLINK_MS = 200
"""Older audio of the far end is worth less than being on time."""


class UplinkRing:
    """Frames that wait to be said. The loop writes, flushes and asks; the thread takes."""

    def __init__(self, pcm_format: PcmFormat) -> None:
        # Full: write gives False, the synthesiser waits. Empty: the thread sends silence and counts it.
        self._frames: deque[bytes] = deque()
        self._frame_bytes = pcm_format.frame_bytes
        self._bound = -(-UPLINK_MS // pcm_format.ptime_ms)
        self._closed = False

    def __len__(self) -> int:
        return len(self._frames)

    def room(self) -> int:
        return 0 if self._closed else self._bound - len(self._frames)

    def write(self, frame: bytes) -> bool:
        """False when full or closed; ValueError unless it is one whole frame."""
        if len(frame) != self._frame_bytes:
            raise ValueError(f"a frame has {self._frame_bytes} bytes, not {len(frame)}")
        if self.room() <= 0:
            return False
        self._frames.append(bytes(frame))
        return True

    def take(self) -> bytes | None:
        try:
            return self._frames.popleft()
        except IndexError:
            return None

    def flush(self) -> int:
        """Each frame is either counted here or taken by the thread, never both."""
        dropped = 0
        while self.take() is not None:
            dropped += 1
        return dropped

    def close(self) -> None:
        """No more writes; what is inside can still be taken."""
        self._closed = True


class TickRing:
    """Ticks that wait to be read. The thread pushes, one reader on the loop reads."""

    def __init__(self, pcm_format: PcmFormat, loop: asyncio.AbstractEventLoop) -> None:
        # Full: the oldest tick goes, its downlink frame is counted, and the index of the next one shows the hole.
        self._ticks: deque[Tick] = deque()
        self._bound = DOWNLINK_MS // pcm_format.ptime_ms
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._called = False
        self._closed = False
        self.dropped_frames = 0

    def push(self, tick: Tick, staged_frames: int) -> None:
        """From the thread. staged_frames wait before the tick and count towards the same 200 ms."""
        self._ticks.append(tick)
        while len(self._ticks) > 1 and len(self._ticks) + staged_frames > self._bound:
            with contextlib.suppress(IndexError):
                self.dropped_frames += self._ticks.popleft().downlink is not None
        self._notify()

    def close(self) -> None:
        """From the thread or the loop: the reader gets AudioClosed at once."""
        self._closed = True
        self._notify()

    async def read(self) -> Tick:
        while not self._closed:
            with contextlib.suppress(IndexError):
                return self._ticks.popleft()
            if self._waiter is not None:
                raise RuntimeError("a PCM port has one reader")
            waiter = self._waiter = self._loop.create_future()
            try:
                # Looked at again, because the thread calls nobody as long as it sees no waiter.
                if not self._ticks and not self._closed:
                    await waiter
            finally:
                self._waiter = None
        raise AudioClosed

    def _notify(self) -> None:
        if self._waiter is not None and not self._called:
            self._called = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody will read any more
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._called = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
