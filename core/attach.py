"""One attached client: the voice of a call on a Unix socket of its own, raw, without a header, paced by the line.

Each socket is for one client, the user who asked for it or root, as the kernel knows them; it is gone from its folder
as soon as that client is in. Nothing here waits: what the client does not take in time it never gets, counted, and
what it sends too fast stays in its own socket (or is dropped, when it asked for that).
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from core.attach_format import Inlet, StreamSpec, WhenFull
from core.audio import PcmFormat
from core.errors import AudioFailed
from core.taps import CallFrame

FRAMES_AHEAD = 10
"""200 ms, each way."""
COME_WITHIN_S = 30.0
"""A socket that nobody opens by then is taken away."""
SKB_BYTES = 1024
"""What the kernel counts on top of each write to a Unix socket, roughly (sk_buff and its rounding, unix(7))."""
READ_BYTES = 16384
FLUSH_BYTES = 512 * 1024
"""More than a Unix socket holds (net.core.wmem_default, 208 KiB)."""


class Gone(StrEnum):
    """Why an attachment is over."""

    LEFT = "left"
    ALL_PLAYED = "all_played"
    REPLACED = "replaced"
    CALL_ENDED = "call_ended"
    NEVER_CAME = "never_came"


class Attachment:
    """From call.attach to the end of its client. on_change: it is connected now, or over."""

    def __init__(
        self, path: Path, spec: StreamSpec, line: PcmFormat, uid: int, on_change: Callable[["Attachment"], None]
    ) -> None:
        self.path, self.spec = path, spec
        self.gone: Gone | None = None
        self.frames_out = self.frames_in = self.dropped_out = self.dropped_in = 0
        self._line, self._uid, self._on_change = line, uid, on_change
        self._inlet = Inlet(spec, line) if spec.sends else None
        self._loop = asyncio.get_running_loop()
        self._client: socket.socket | None = None
        self._rest = b""
        self._reading = self._all_sent = False
        self._listener = self._listen()
        self._patience = self._loop.call_later(COME_WITHIN_S, self.close, Gone.NEVER_CAME)

    @property
    def connected(self) -> bool:
        return self._client is not None

    @property
    def talks(self) -> bool:
        """A talker that is there does the speech of the call, unless it wanted the core to go on."""
        return self.connected and self.spec.talker and not self.spec.keep_hearing

    # --- who gets in ------------------------------------------------------------------------------------------------

    def _listen(self) -> socket.socket:
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            listener.bind(str(self.path))
            # Another user than ours could not open it at 0600; who comes in is decided by what the kernel says of it.
            os.chmod(self.path, 0o600 if self._uid in (os.geteuid(), 0) else 0o666)
            listener.listen(4)
        except OSError as problem:
            listener.close()
            raise AudioFailed(f"The socket could not be made: {problem.strerror or problem}.") from None
        self._loop.add_reader(listener, self._accept)
        return listener

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        client.setblocking(False)
        if _peer_uid(client) not in (self._uid, 0):
            client.close()
            return
        self._stop_listening()
        # The kernel keeps what was not read yet, which is what the client is behind: no more than our bound.
        frame_bytes = self.spec.frame_bytes(self._line.ptime_ms, channels=self.spec.channels)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FRAMES_AHEAD * (frame_bytes + SKB_BYTES) // 2)
        self._client = client
        self._read_on()
        self._on_change(self)

    def _stop_listening(self) -> None:
        self._patience.cancel()
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            with contextlib.suppress(OSError):
                self.path.unlink()

    # --- frames -----------------------------------------------------------------------------------------------------

    def give(self, frame: CallFrame, encode: Callable[[StreamSpec, CallFrame], bytes]) -> None:
        """20 ms of the call to the client, or to nobody when it is behind."""
        client = self._client
        if client is None:
            return
        if self.spec.when_full is WhenFull.DROP:
            self._read_on()
        if self._inlet is None and self._closed_by_peer(client):
            self.close(Gone.LEFT)
            return
        if not self.spec.receives:
            return
        data = encode(self.spec, frame)
        try:
            if self._rest:
                self._rest = self._rest[client.send(self._rest) :]
            if self._rest:
                self.dropped_out += 1
                return
            self._rest = data[client.send(data) :]
            self.frames_out += 1
        except BlockingIOError:
            self.dropped_out += 1
        except OSError:
            self.close(Gone.LEFT)

    def take(self) -> bytes | None:
        """The client's next frame for the line."""
        if self._inlet is None:
            return None
        frame = self._inlet.take()
        if frame is not None:
            self.frames_in += 1
        if self._all_sent:
            if not self.spec.receives and not self._inlet.frames:
                self.close(Gone.ALL_PLAYED)
        else:
            self._read_on()
        return frame

    def flush(self) -> None:
        """Drops what the client sent and the line has not taken: call.stop means that, too."""
        if self._inlet is None or self._client is None:
            return
        with contextlib.suppress(OSError):
            for _ in range(FLUSH_BYTES // READ_BYTES):  # a client that sends all the time would never be read out
                data = self._client.recv(READ_BYTES, socket.MSG_DONTWAIT)
                if not data:
                    break
                self._inlet.feed(data)
        self._inlet.drop(self._inlet.frames)
        self._read_on()

    def close(self, why: Gone) -> None:
        """Over. What the client has not read yet it can still read. May be called again."""
        if self.gone is not None:
            return
        self.gone = why
        self._stop_listening()
        if self._client is not None:
            self._stop_reading()
            self._client.close()
            self._client = None
        self._on_change(self)

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read_on(self) -> None:
        if self._client is None or self._inlet is None or self._reading or self._all_sent:
            return
        if self._inlet.frames < FRAMES_AHEAD or self.spec.when_full is WhenFull.DROP:
            self._loop.add_reader(self._client, self._readable)
            self._reading = True

    def _stop_reading(self) -> None:
        if self._reading and self._client is not None:
            self._loop.remove_reader(self._client)
        self._reading = False

    def _readable(self) -> None:
        assert self._client is not None and self._inlet is not None
        room = FRAMES_AHEAD * self._inlet.frame_bytes
        try:
            data = self._client.recv(READ_BYTES if self.spec.when_full is WhenFull.DROP else room)
        except BlockingIOError:
            return
        except OSError:
            self.close(Gone.LEFT)
            return
        if not data:
            self._ended()
            return
        self._inlet.feed(data)
        over = self._inlet.frames - FRAMES_AHEAD
        if self.spec.when_full is WhenFull.DROP:
            self._stop_reading()  # until the next frame: one read a frame is 25 times the line's pace, and no flood
            self._inlet.drop(max(0, over))
            self.dropped_in += max(0, over)
        elif over >= 0:
            self._stop_reading()

    def _ended(self) -> None:
        """It sends no more. Whether it still listens is known when it is given the next frame."""
        assert self._inlet is not None
        self._stop_reading()
        self._inlet.end()
        self._all_sent = True
        if not self.spec.receives and not self._inlet.frames:
            self.close(Gone.ALL_PLAYED if self.frames_in else Gone.LEFT)

    def _closed_by_peer(self, client: socket.socket) -> bool:
        """Of one that only listens: whether it went away. What it sends is nothing, a little at a time."""
        try:
            return client.recv(1024, socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


def _peer_uid(peer: socket.socket) -> int:
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)
