"""What the tests of the PCM port share: a port that runs on a peer, and waiting with a deadline."""

import asyncio
import fcntl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.audio import PcmFormat
from core.line import AudioClosed, Tick
from core.modem.pcm import PcmPort
from tests.modem.pcm_peer import (
    FRAME_BYTES,
    PcmPeer,
    number_of,
    numbered,
)

SILENCE = bytes(FRAME_BYTES)


@asynccontextmanager
async def running(peer: PcmPeer, pcm_format: PcmFormat | None = None) -> AsyncIterator[PcmPort]:
    """A started port on that peer. The peer begins with it."""
    port = PcmPort(peer.path, pcm_format or PcmFormat())
    port.open()
    port.flush_input()
    peer.begin()
    port.start()
    try:
        yield port
    finally:
        await port.stop(0)


async def ticks_of(port: PcmPort, count: int) -> list[Tick]:
    async with asyncio.timeout(count * 0.02 * 2 + 15):
        return [await port.read() for _ in range(count)]


async def until_closed(port: PcmPort) -> None:
    with pytest.raises(AudioClosed):
        async with asyncio.timeout(15):
            while True:
                await port.read()


def exclusive(peer: PcmPeer) -> bool:
    """TIOCGEXCL, which termios does not name."""
    assert peer.slave is not None
    return fcntl.ioctl(peer.slave, 0x80045440, bytes(4)) != bytes(4)


def sleeps_of(thread_id: int | None) -> int:
    """How often that thread has gone to sleep, by the kernel's count."""
    status = Path(f"/proc/self/task/{thread_id}/status").read_text()
    return int(status.split("voluntary_ctxt_switches:")[1].split()[0])


async def heard_frames(peer: PcmPeer, count: int) -> None:
    """Until the far end has heard that many frames that aren't silence."""
    for _ in range(1500):
        if sum(frame != SILENCE for frame in peer.frames) >= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"fewer than {count} frames were heard")


def in_order(frames: list[bytes]) -> bool:
    """Whole `numbered` frames in their order; a machine that stands still may cost some."""
    numbers = [number_of(frame) for frame in frames]
    return numbers == sorted(set(numbers)) and frames == [numbered(number) for number in numbers]


def threads() -> int:
    return sum(thread.name == "modem.pcm" for thread in threading.enumerate())
