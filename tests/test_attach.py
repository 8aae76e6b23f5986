"""The raw voice of a call on sockets of its own: who gets in, frames both ways, bounds, and that nobody disturbs it."""

import asyncio
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from core.attach import FRAMES_AHEAD, READ_BYTES, Attachment, Gone
from core.attach_format import Coding, Mix, Outlets, StreamSpec, WhenFull
from core.audio import LINE_FORMAT, PcmFormat
from core.taps import CallFrame

FRAME = LINE_FORMAT.frame_bytes
STRANGER = 65534

OUTLETS: dict[Attachment, Outlets] = {}

Changes = list[tuple[bool, Gone | None]]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dt") as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


class Made:
    """One attachment, closed at the end of its test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changes: Changes = []
        self.all: list[Attachment] = []

    def __call__(
        self, spec: StreamSpec | None = None, uid: int | None = None, line: PcmFormat = LINE_FORMAT
    ) -> Attachment:
        path = self.folder / f"c{len(self.all)}.pcm"
        made = Attachment(path, spec or StreamSpec(), line, os.getuid() if uid is None else uid, self._changed)
        self.all.append(made)
        return made

    def _changed(self, attachment: Attachment) -> None:
        self.changes.append((attachment.connected, attachment.gone))


@pytest.fixture
async def attach(folder: Path) -> AsyncIterator[Made]:
    made = Made(folder)
    yield made
    for attachment in made.all:
        attachment.close(Gone.CALL_ENDED)


async def until(there: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not there():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.005)


def heard(downlink: int, uplink: int = 0, line: PcmFormat = LINE_FORMAT) -> CallFrame:
    def level(value: int) -> bytes:
        return np.full(line.frame_samples, value, "<i2").tobytes()

    return CallFrame(level(downlink), level(uplink), False, 0)


def give(attachment: Attachment, frame: CallFrame) -> None:
    """As the call does it: streams that go on have outlets that go on."""
    attachment.give(frame, OUTLETS.setdefault(attachment, Outlets(LINE_FORMAT)).encode)


async def join(attachment: Attachment) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    streams = await asyncio.open_unix_connection(str(attachment.path))
    await until(lambda: attachment.connected)
    return streams


async def test_frames_go_both_ways_and_torn_ones_are_joined(attach: Made) -> None:
    attachment = attach()
    reader, writer = await join(attachment)
    give(attachment, heard(257))
    assert await reader.readexactly(FRAME) == b"\1" * FRAME
    writer.write(b"\2" * (FRAME // 2))
    await writer.drain()
    assert attachment.take() is None
    writer.write(b"\2" * FRAME)
    frames: list[bytes | None] = []

    def came() -> bool:
        frames.append(attachment.take())
        return frames[-1] is not None

    await until(came)
    assert frames[-1] == b"\2" * FRAME
    writer.close()


async def test_the_socket_is_for_one_client_and_gone_once_it_is_in(attach: Made) -> None:
    attachment = attach()
    assert attachment.path.is_socket() and not attachment.connected
    _, writer = await join(attachment)
    assert not attachment.path.exists()
    writer.close()
    assert attach.changes == [(True, None)]


async def test_a_socket_of_our_own_user_is_open_to_nobody_else(attach: Made) -> None:
    assert attach().path.stat().st_mode & 0o777 == 0o600


async def test_another_user_is_turned_away_and_the_right_one_still_gets_in(attach: Made) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to be two users")
    attachment = attach(uid=STRANGER)
    os.seteuid(STRANGER - 1)
    try:
        other = socket.socket(socket.AF_UNIX)
        other.connect(str(attachment.path))
    finally:
        os.seteuid(0)
    other.setblocking(False)
    async with asyncio.timeout(20):
        assert await asyncio.get_running_loop().sock_recv(other, 1) == b""
    other.close()
    assert not attachment.connected
    os.seteuid(STRANGER)
    try:
        right = socket.socket(socket.AF_UNIX)
        right.connect(str(attachment.path))
    finally:
        os.seteuid(0)
    await until(lambda: attachment.connected)
    right.close()


async def test_who_never_comes_is_not_waited_for_for_ever(attach: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.attach.COME_WITHIN_S", 0.05)
    attachment = attach()
    await until(lambda: attachment.gone is not None)
    assert attachment.gone is Gone.NEVER_CAME and not attachment.path.exists()


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 48000])
@pytest.mark.parametrize("mix", list(Mix))
@pytest.mark.parametrize("coding", list(Coding))
async def test_each_rate_coding_and_mix_is_20_ms_a_frame(attach: Made, rate_hz: int, mix: Mix, coding: Coding) -> None:
    spec = StreamSpec(talker=False, sends=False, rate_hz=rate_hz, mix=mix, coding=coding)
    attachment = attach(spec)
    reader, writer = await join(attachment)
    for _ in range(3):
        give(attachment, heard(8000, 2000))
    size = rate_hz // 50 * (2 if coding is Coding.PCM_S16LE else 1) * (2 if mix is Mix.STEREO else 1)
    data = await reader.readexactly(3 * size)
    if coding is Coding.PCM_S16LE:
        last = np.frombuffer(data[-size:], "<i2")
        wanted = {Mix.DOWNLINK: [8000], Mix.UPLINK: [2000], Mix.MIXED: [10_000], Mix.STEREO: [8000, 2000]}[mix]
        for channel, value in enumerate(wanted):
            assert np.abs(last[channel :: len(wanted)].astype(int) - value).max() < 40
    writer.close()


async def test_a_mix_that_is_too_loud_is_clipped_not_wrapped(attach: Made) -> None:
    attachment = attach(StreamSpec(talker=False, sends=False, mix=Mix.MIXED))
    reader, writer = await join(attachment)
    give(attachment, heard(30_000, 30_000))
    assert set(np.frombuffer(await reader.readexactly(FRAME), "<i2")) == {32767}
    writer.close()


@pytest.mark.parametrize("coding", list(Coding))
@pytest.mark.parametrize("rate_hz", [8000, 24000, 48000])
async def test_what_a_talker_sends_comes_out_at_the_lines_rate(attach: Made, rate_hz: int, coding: Coding) -> None:
    from core.media.g711 import compress

    attachment = attach(StreamSpec(rate_hz=rate_hz, coding=coding))
    _, writer = await join(attachment)
    samples = np.full(rate_hz // 50, 5000, np.int16)
    data = (
        samples.tobytes()
        if coding is Coding.PCM_S16LE
        else compress(samples, "ulaw" if coding is Coding.ULAW else "alaw")
    )
    writer.write(data * 4)
    await until(lambda: attachment._inlet is not None and attachment._inlet.frames == 4)
    frames = [attachment.take() for _ in range(4)]
    assert all(frame is not None and len(frame) == FRAME for frame in frames) and attachment.take() is None
    assert np.abs(np.frombuffer(frames[-1] or b"", "<i2").astype(int) - 5000).max() < 150
    writer.close()


async def test_a_writer_is_paced_by_the_line_and_nothing_is_lost(attach: Made) -> None:
    attachment = attach()
    with socket.socket(socket.AF_UNIX) as writer:
        writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        writer.connect(str(attachment.path))
        await until(lambda: attachment.connected)
        writer.setblocking(False)
        sent = 0
        frames: list[bytes] = []
        data = b"".join(number.to_bytes(2, "little") * (FRAME // 2) for number in range(500))
        deadline_s = time.monotonic() + 30
        while len(frames) < 500:
            assert time.monotonic() < deadline_s
            try:
                sent += writer.send(data[sent : sent + FRAME])
            except BlockingIOError:
                ahead = sent // FRAME - len(frames)
                assert ahead < 60, "the line's pace holds the writer back"
            await asyncio.sleep(0)
            if (frame := attachment.take()) is not None:
                frames.append(frame)
        assert b"".join(frames) == data and attachment.dropped_in == 0 and attachment.frames_in == 500


async def test_a_live_source_is_never_more_than_200_ms_ahead_the_oldest_goes(attach: Made) -> None:
    attachment = attach(StreamSpec(when_full=WhenFull.DROP))
    _, writer = await join(attachment)
    count = FRAMES_AHEAD * 3
    writer.write(b"".join(bytes([number]) * FRAME for number in range(count)))
    await until(lambda: attachment.dropped_in == count - FRAMES_AHEAD)
    assert attachment.take() == bytes([count - FRAMES_AHEAD]) * FRAME
    writer.close()


@pytest.mark.parametrize(("rate_hz", "mix"), [(8000, Mix.DOWNLINK), (48000, Mix.STEREO)])
async def test_a_client_that_does_not_read_costs_gaps_and_is_never_far_behind(
    attach: Made, rate_hz: int, mix: Mix
) -> None:
    attachment = attach(StreamSpec(talker=False, sends=False, rate_hz=rate_hz, mix=mix))
    with socket.socket(socket.AF_UNIX) as sleeper:
        sleeper.connect(str(attachment.path))
        await until(lambda: attachment.connected)
        for _ in range(1000):
            give(attachment, heard(3))
        assert attachment.dropped_out + attachment.frames_out == 1000
        assert 5 <= attachment.frames_out <= 2 * FRAMES_AHEAD, "what lies in the kernel is what the client is behind"
        sleeper.setblocking(False)
        size = rate_hz // 50 * 2 * (2 if mix is Mix.STEREO else 1)
        data = b""
        for _ in range(200):
            try:
                data += sleeper.recv(1 << 16)
            except BlockingIOError:
                give(attachment, heard(3))
        assert len(data) % 2 == 0 and attachment.gone is None
        assert len(data) // size >= attachment.frames_out - 1, "whole frames, one behind the other"


async def test_a_listener_that_leaves_is_noticed_with_the_next_frame(attach: Made) -> None:
    attachment = attach(StreamSpec(talker=False, sends=False))
    _, writer = await join(attachment)
    writer.close()

    def noticed() -> bool:
        give(attachment, heard(1))
        return attachment.gone is Gone.LEFT

    await until(noticed)
    assert attach.changes == [(True, None), (False, Gone.LEFT)]


async def test_a_listener_that_sends_is_not_heard_and_not_in_the_way(attach: Made) -> None:
    attachment = attach(StreamSpec(talker=False, sends=False))
    reader, writer = await join(attachment)
    writer.write(b"\7" * 100_000)
    for _ in range(3):
        give(attachment, heard(1))
        await reader.readexactly(FRAME)
    assert attachment.take() is None and attachment.gone is None
    writer.close()


async def test_who_only_talks_is_over_when_its_last_frame_was_taken(attach: Made) -> None:
    attachment = attach(StreamSpec(receives=False))
    reader, writer = await join(attachment)
    writer.write(b"\5" * (FRAME * 3 + 10))
    writer.write_eof()
    await until(lambda: attachment._all_sent)
    frames = [attachment.take() for _ in range(4)]
    assert frames[2] == b"\5" * FRAME and frames[3] == b"\5" * 10 + bytes(FRAME - 10), "the cut one is filled up"
    assert attachment.gone is Gone.ALL_PLAYED
    assert await reader.read() == b"", "and its client is told by the end of the socket"
    writer.close()


async def test_a_talker_that_sends_no_more_still_hears(attach: Made) -> None:
    attachment = attach()
    reader, writer = await join(attachment)
    writer.write_eof()
    await until(lambda: attachment._all_sent)
    give(attachment, heard(257))
    assert await reader.readexactly(FRAME) == b"\1" * FRAME
    assert attachment.talks
    writer.close()


async def test_flush_drops_what_was_sent_and_not_yet_taken(attach: Made) -> None:
    attachment = attach()
    with socket.socket(socket.AF_UNIX) as writer:
        writer.connect(str(attachment.path))
        await until(lambda: attachment.connected)
        writer.sendall(b"\1" * FRAME * 100)
        await until(lambda: attachment._inlet is not None and attachment._inlet.frames >= FRAMES_AHEAD)
        attachment.flush()
        writer.sendall(b"\2" * FRAME)
        frames: list[bytes | None] = []

        def came() -> bool:
            frames.append(attachment.take())
            return frames[-1] is not None

        await until(came)
        assert frames[-1] == b"\2" * FRAME


@contextmanager
def flood(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A client that never stops sending."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        with subprocess.Popen(["head", "-c", "500M", "/dev/zero"], stdout=client.fileno()) as sending:
            yield sending
            sending.kill()


async def test_a_flood_keeps_flush_no_longer_than_what_lies_in_the_socket(attach: Made) -> None:
    attachment = attach()
    with flood(attachment.path) as sending:
        await until(lambda: attachment._inlet is not None and attachment._inlet.frames >= FRAMES_AHEAD)
        attachment.flush()
        assert sending.poll() is None, "the writer is held back, and not read out to its end"
        assert attachment._inlet is not None and attachment._inlet.frames == 0


async def test_a_flood_that_is_dropped_costs_one_read_a_frame(attach: Made) -> None:
    attachment = attach(StreamSpec(when_full=WhenFull.DROP))
    with flood(attachment.path) as sending:
        for ticks in range(1, 6):
            give(attachment, heard(0))
            await until(lambda: attachment.dropped_in > 0)
            await asyncio.sleep(0.05)
            dropped_bytes = attachment.dropped_in * FRAME
            assert dropped_bytes < (ticks + 2) * READ_BYTES and sending.poll() is None


async def test_at_the_end_of_the_call_the_last_frames_can_still_be_read(attach: Made) -> None:
    attachment = attach()
    reader, writer = await join(attachment)
    give(attachment, heard(257))
    attachment.close(Gone.CALL_ENDED)
    assert await reader.read() == b"\1" * FRAME
    writer.close()
