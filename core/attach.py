"""call.attach: the voice of a call as raw PCM on a Unix socket of its own.

Only the user who asked for it (and root) gets in, as the kernel knows them. One client at a time; s16le mono at the
line's rate, both ways, no header. Frames that the client does not read in time are dropped, oldest first, as are
frames that it sends faster than the line takes them: a slow client hears gaps, the call never waits.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections import deque
from pathlib import Path

from core.audio import PcmFormat

FRAMES_AHEAD = 10
"""200 ms each way."""


class Attachment:
    """One socket, one call."""

    def __init__(self, path: Path, pcm_format: PcmFormat, uid: int) -> None:
        self.path = path
        self._uid = uid
        self.format = pcm_format
        self.dropped_frames = 0
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._out: deque[bytes] = deque()
        self._rest = b""

    @classmethod
    async def open(cls, path: Path, pcm_format: PcmFormat, uid: int) -> "Attachment":
        """Listens for a client of that user."""
        self = cls(path, pcm_format, uid)
        self._remove()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            listener.bind(str(path))
            os.chmod(path, 0o666)  # who may come in is decided by what the kernel says of the peer
            self._server = await asyncio.start_unix_server(self._serve, sock=listener)
        except BaseException:
            listener.close()
            raise
        return self

    @property
    def connected(self) -> bool:
        """Whether a client does the speech of this call; without one the core does it."""
        return self._writer is not None

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
        if self._writer is not None or _peer_uid(writer) not in (self._uid, 0):
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


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    peer: socket.socket = writer.get_extra_info("socket")
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)
