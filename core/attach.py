"""call.attach: the voice of a call as raw PCM on a Unix socket of its own.

One client at a time; s16le mono at the line's rate, both ways, no header. Frames that the client does not read in
time are dropped, oldest first, as are frames that it sends faster than the line takes them: a slow client hears gaps,
the call never waits.
"""

import asyncio
import contextlib
import os
from collections import deque
from pathlib import Path

from core.audio import PcmFormat

FRAMES_AHEAD = 10
"""200 ms each way."""


class Attachment:
    """One socket, one call."""

    def __init__(self, path: Path, pcm_format: PcmFormat) -> None:
        self.path = path
        self.format = pcm_format
        self.dropped_frames = 0
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._out: deque[bytes] = deque()
        self._rest = b""

    @classmethod
    async def open(cls, path: Path, pcm_format: PcmFormat) -> "Attachment":
        """Listens, reachable for the daemon's own user only."""
        self = cls(path, pcm_format)
        self._remove()
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(path))
        finally:
            os.umask(before)
        return self

    def downlink(self, frame: bytes) -> None:
        """What the far end said, to the client."""
        writer = self._writer
        if writer is None or writer.is_closing():
            return
        if writer.transport.get_write_buffer_size() > FRAMES_AHEAD * self.format.frame_bytes:
            self.dropped_frames += 1
            return
        writer.write(frame)

    def uplink(self) -> bytes | None:
        """The client's next whole frame."""
        return self._out.popleft() if self._out else None

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.close()
        self._remove()

    def _remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:
            writer.close()
            return
        self._writer = writer
        self._rest = b""
        try:
            while data := await reader.read(4096):
                self._take(data)
        except ConnectionError:
            pass
        finally:
            self._writer = None
            writer.close()

    def _take(self, data: bytes) -> None:
        size = self.format.frame_bytes
        self._rest += data
        whole = len(self._rest) // size * size
        for start in range(0, whole, size):
            self._out.append(self._rest[start : start + size])
        self._rest = self._rest[whole:]
        while len(self._out) > FRAMES_AHEAD:
            self._out.popleft()
            self.dropped_frames += 1
