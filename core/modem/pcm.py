"""The voice of one call as the rest of the core sees it: an AudioPort on the modem's PCM tty.

Owner's order (spec 3.5, 3.6): open, flush_input, AT+CPCMREG=1 until it reads back 1, start; at the end stop, then
AT+CPCMREG=0. Nothing is written before start. The work is done by a thread: core/modem/pcm_pump.py.
"""

import asyncio
import contextlib
import sys
import threading
import time

from core.audio import LINE_FORMAT, PcmFormat
from core.lazy import load_numpy
from core.line import AudioClosed, Tick
from core.modem import pcm_tty
from core.modem.pcm_pump import PcmPump, PcmStats
from core.modem.pcm_rings import UplinkRing

GIL_SWITCH_S = 0.001
"""The interpreter lets a busy thread run for 5 ms before another gets its turn: the whole tolerance of a tick. It is a
setting of the process and stays once a call has had audio; what it costs others can't be measured."""
STOP_GRACE_S = 0.5
"""Beyond the drain. A thread that is in the kernel for longer is left there: closing a wedged tty can take 30 s."""

__all__ = ["PcmPort", "PcmStats"]


class PcmPort:
    """One call on one tty (or pty); used once. All methods are for the loop's thread."""

    def __init__(self, path: str, pcm_format: PcmFormat = LINE_FORMAT) -> None:
        self._path = path
        self._format = pcm_format
        self._uplink = UplinkRing(pcm_format)
        self._fd: int | None = None
        self._pump: PcmPump | None = None
        self._thread: threading.Thread | None = None
        self._ended = asyncio.Event()
        self._stopped = False

    @property
    def format(self) -> PcmFormat:
        """What read() gives and write() takes, whatever rate the modem really uses."""
        return self._format

    def open(self) -> None:
        """Takes the tty for itself. OSError: gone, busy or not a tty; RuntimeError when opened before."""
        if self._fd is not None or self._pump is not None or self._stopped:
            raise RuntimeError("a PCM port is opened once")
        self._fd = pcm_tty.open_pcm(self._path)

    def flush_input(self) -> None:
        """Throws away what came before; only between open and start. OSError when the tty has gone."""
        pcm_tty.flush_input(self._unstarted_fd())

    def start(self) -> None:
        """Audio flows from now on. On the loop; RuntimeError unless open and not yet started."""
        fd = self._unstarted_fd()
        load_numpy()  # the thread's first frames must not wait for it
        pump = PcmPump(fd, self._format, self._uplink, asyncio.get_running_loop(), self._ended)
        thread = threading.Thread(target=pump.run, name="modem.pcm", daemon=True)
        sys.setswitchinterval(min(sys.getswitchinterval(), GIL_SWITCH_S))
        thread.start()
        self._fd, self._pump, self._thread = None, pump, thread

    def hold(self, on: bool) -> None:
        """The modem wants nothing more for a moment, or goes on. Nothing is lost: room() stays at 0 meanwhile."""
        if self._pump is not None:
            self._pump.hold(on)

    async def read(self) -> Tick:
        """The next tick. AudioClosed at once after stop() or when the modem goes, even if older ticks were left."""
        if self._pump is None:
            raise AudioClosed if self._stopped else RuntimeError("the PCM port was not started")
        return await self._pump.ticks.read()

    def room(self) -> int:
        """Frames that write() takes now: 0 to 3, and 0 for good once closed."""
        return self._uplink.room()

    def write(self, frame: bytes) -> bool:
        """Queues one frame; False when full or closed, ValueError when it isn't one whole frame."""
        return self._uplink.write(frame)

    def flush(self) -> int:
        """Drops what has not gone out; gives how many frames. After it at most the frame under way is still sent."""
        return self._uplink.flush()

    @property
    def ailment(self) -> str | None:
        """What is wrong with it while it is open; None while both directions carry."""
        return None if self._pump is None or self._stopped else self._pump.ailment

    def stats(self) -> PcmStats:
        """So far; after stop() for good."""
        return PcmStats() if self._pump is None else self._pump.stats()

    async def stop(self, drain_ms: int = 100) -> PcmStats:
        """Says what is queued for at most drain_ms, closes the tty, ends the thread. Never fails, may be repeated."""
        self._stopped = True
        self._uplink.close()
        if self._fd is not None:
            fd, self._fd = self._fd, None
            pcm_tty.close_pcm(fd)  # nothing was ever written: the kernel has nothing to wait for
        if self._pump is None or self._thread is None:
            return PcmStats()
        began_s = time.monotonic()
        self._pump.stop(drain_ms / 1000)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_ms / 1000 + STOP_GRACE_S):
                await self._ended.wait()
        if self._ended.is_set():
            # Its last act was to set the event, so this takes microseconds.
            self._thread.join(max(0.0, began_s + STOP_GRACE_S - time.monotonic()))
        else:
            self._pump.ticks.close()
        return self._pump.stats()

    def _unstarted_fd(self) -> int:
        if self._fd is None:
            raise RuntimeError("the PCM port is not open, or has been started")
        return self._fd
