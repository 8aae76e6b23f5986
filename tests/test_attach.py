"""The raw voice of a call on its own socket: who gets in, frames both ways, bounds."""

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from core.attach import FRAMES_AHEAD, Attachment
from core.audio import LINE_FORMAT

FRAME = LINE_FORMAT.frame_bytes
STRANGER = 65534


@pytest.fixture
async def attachment() -> AsyncIterator[Attachment]:
    with tempfile.TemporaryDirectory(prefix="dt") as directory:
        os.chmod(directory, 0o755)
        made = await Attachment.open(Path(directory) / "c.pcm", LINE_FORMAT, os.getuid())
        yield made
        await made.close()


async def until(there: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 5
    while not there():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.005)


async def test_frames_go_both_ways_and_torn_ones_are_joined(attachment: Attachment) -> None:
    reader, writer = await asyncio.open_unix_connection(str(attachment.path))
    await until(lambda: attachment.connected)
    attachment.downlink(b"\1" * FRAME)
    assert await reader.readexactly(FRAME) == b"\1" * FRAME
    writer.write(b"\2" * (FRAME // 2))
    await writer.drain()
    assert attachment.uplink() is None
    writer.write(b"\2" * FRAME)
    frames: list[bytes | None] = []

    def came() -> bool:
        frames.append(attachment.uplink())
        return frames[-1] is not None

    await until(came)
    assert frames[-1] == b"\2" * FRAME
    writer.close()
    await until(lambda: not attachment.connected)


async def test_a_second_client_is_turned_away_while_one_is_there(attachment: Attachment) -> None:
    _, first = await asyncio.open_unix_connection(str(attachment.path))
    await until(lambda: attachment.connected)
    reader, second = await asyncio.open_unix_connection(str(attachment.path))
    assert await reader.read() == b""
    first.close()
    second.close()


async def test_what_comes_faster_than_the_line_takes_it_is_dropped_oldest_first(attachment: Attachment) -> None:
    _, writer = await asyncio.open_unix_connection(str(attachment.path))
    count = FRAMES_AHEAD * 3
    writer.write(b"".join(bytes([number]) * FRAME for number in range(count)))
    await until(lambda: attachment.dropped_frames == count - FRAMES_AHEAD)
    assert attachment.uplink() == bytes([count - FRAMES_AHEAD]) * FRAME
    writer.close()


async def test_a_client_that_does_not_read_costs_gaps_and_no_memory(attachment: Attachment) -> None:
    with socket.socket(socket.AF_UNIX) as sleeper:
        sleeper.connect(str(attachment.path))
        await until(lambda: attachment.connected)
        for _ in range(5000):
            attachment.downlink(b"\3" * FRAME)
        assert attachment.dropped_frames > 1000


async def test_another_user_is_turned_away(attachment: Attachment) -> None:
    other = socket.socket(socket.AF_UNIX)
    if os.geteuid() == 0:
        os.seteuid(STRANGER)
        try:
            other.connect(str(attachment.path))
        finally:
            os.seteuid(0)
    else:
        attachment._uid = os.getuid() + 1  # for want of a second user to be
        other.connect(str(attachment.path))
    other.setblocking(False)
    async with asyncio.timeout(5):
        assert await asyncio.get_running_loop().sock_recv(other, 1) == b""
    other.close()
    assert not attachment.connected


async def test_the_socket_is_gone_after_the_call(attachment: Attachment) -> None:
    await attachment.close()
    assert not attachment.path.exists()
