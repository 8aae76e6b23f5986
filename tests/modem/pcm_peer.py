"""The modem's end of a PCM port: the master of a pty, paced by a thread that sends downlink and keeps what comes up."""

import os
import pty
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np

FRAME_BYTES = 320
FRAME_S = 0.02
HURRY_S = 0.1


class PcmPeer:
    """Sends `voice(k)` for frame k, `burst` frames at a time, in pieces of `piece` bytes; reads while `reading`."""

    def __init__(
        self,
        voice: Callable[[int], bytes] | None = None,
        *,
        burst: int = 1,
        piece: int = 65536,
        reading: bool = True,
        first: bytes = b"",
        raw: bool = True,
    ) -> None:
        self.master, slave = pty.openpty()
        if raw:
            tty.setraw(slave)
        self.path = os.ttyname(slave)
        # Kept, so that the pty lives between two openers as the tty of a stick does.
        self.slave: int | None = slave
        os.set_blocking(self.master, False)
        self.voice = voice
        self.reading = reading
        self.sending = True
        self.heard = bytearray()
        self.reads: list[tuple[float, int]] = []
        self._first = first
        self._rest = b""
        self._burst = burst
        self._piece = piece
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pcm.peer", daemon=True)

    @property
    def frames(self) -> list[bytes]:
        """What the far end heard, in whole frames."""
        whole = len(self.heard) // FRAME_BYTES * FRAME_BYTES
        return [bytes(self.heard[at : at + FRAME_BYTES]) for at in range(0, whole, FRAME_BYTES)]

    def begin(self) -> None:
        self._thread.start()

    def unplug(self) -> None:
        """The stick is gone: both ends of the pty that are ours are closed."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(2)
        if self.slave is not None:
            os.close(self.slave)
            os.close(self.master)
            self.slave = None

    def fill(self, leave: int = 0) -> int:
        """Fills the pty from the host's side up to its bound, less `leave` bytes; gives how many it took."""
        assert self.slave is not None
        return _fill(self.slave, _capacity() - leave)

    def _run(self) -> None:
        start_s, k = time.monotonic(), 0
        self._send(self._first)
        while not self._over.is_set():
            due_s = start_s + k * FRAME_S
            if time.monotonic() - due_s > HURRY_S:
                start_s += time.monotonic() - due_s  # the machine stood still: nobody gets its frames all at once
            elif not self._collect(due_s):
                return
            if self.voice is not None and self.sending:
                self._send(b"".join(self.voice(k + extra) for extra in range(self._burst)))
            k += self._burst

    def _send(self, pcm: bytes) -> None:
        """What finds no room is lost, by whole frames."""
        self._rest = self._rest[self._write(self._rest) :]
        if self._rest:
            return
        for at in range(0, len(pcm), self._piece):
            piece = pcm[at : at + self._piece]
            sent = at + self._write(piece)
            if sent < at + len(piece):
                self._rest = pcm[sent : -(-sent // FRAME_BYTES) * FRAME_BYTES]
                return
            if at % (self._piece * 16) == 0:
                time.sleep(0.0001)  # so that the host sees pieces

    def _write(self, data: bytes) -> int:
        try:
            return os.write(self.master, data)
        except BlockingIOError:
            return 0

    def _collect(self, until_s: float) -> bool:
        while (left_s := until_s - time.monotonic()) > 0:
            if not self.reading:
                time.sleep(min(left_s, 0.005))
            elif select.select([self.master], [], [], min(left_s, 0.05))[0]:
                with suppress(BlockingIOError):
                    data = os.read(self.master, 65536)
                    self.heard += data
                    self.reads.append((time.monotonic(), len(data)))
            if self._over.is_set():
                return False
        return True


@contextmanager
def pcm_peer(
    voice: Callable[[int], bytes] | None = None,
    *,
    burst: int = 1,
    piece: int = 65536,
    reading: bool = True,
    first: bytes = b"",
    raw: bool = True,
) -> Iterator[PcmPeer]:
    peer = PcmPeer(voice, burst=burst, piece=piece, reading=reading, first=first, raw=raw)
    try:
        yield peer
    finally:
        peer.unplug()


def numbered(k: int) -> bytes:
    """Frame k, recognisable: its number in every sample."""
    return np.full(FRAME_BYTES // 2, k, "<i2").tobytes()


def number_of(frame: bytes) -> int:
    return int(np.frombuffer(frame, "<i2")[0])


def speech(seconds: float, rate_hz: int = 8000, seed: int = 1) -> bytes:
    """Something like a vowel: harmonics of 120 Hz that fall by 1/n, in syllables, with some noise."""
    at_s = np.arange(round(seconds * rate_hz)) / rate_hz
    voice = sum(np.sin(2 * np.pi * 120 * n * at_s + n) / n for n in range(1, 12))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * at_s)
    noise = np.random.default_rng(seed).normal(0, 60, len(at_s))
    return (voice * syllables * 4000 + noise).astype("<i2").tobytes()


def tone(seconds: float, hz: float, rate_hz: int) -> bytes:
    at_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (10000 * np.sin(2 * np.pi * hz * at_s)).astype("<i2").tobytes()


def loudest_hz(pcm: bytes, rate_hz: int) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


def _capacity() -> int:
    """Bytes that a pty takes from its slave before it takes no more, on this kernel."""
    master, slave = pty.openpty()
    try:
        tty.setraw(slave)
        return _fill(slave, 1 << 20)
    finally:
        os.close(master)
        os.close(slave)


def _fill(slave: int, bound: int) -> int:
    """The kernel moves bytes on to the master's side by and by, so full is only what stays full."""
    os.set_blocking(slave, False)
    taken, full = 0, 0
    while taken < bound and full < 3:
        try:
            taken += os.write(slave, bytes(min(FRAME_BYTES, bound - taken)))
            full = 0
        except BlockingIOError:
            full += 1
            time.sleep(0.01)
    return taken
