"""PcmPort on real ptys when things end: stalls, a stuck endpoint, loss, stopping."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from core.line import AudioClosed
from core.modem import pcm, pcm_pump
from core.modem.pcm import PcmPort
from core.modem.pcm_uplink import STUCK_STALLS
from tests.modem.pcm_desk import SILENCE, exclusive, heard_frames, running, threads, ticks_of, until_closed
from tests.modem.pcm_peer import (
    FRAME_BYTES,
    numbered,
    pcm_peer,
)
from tests.modem.scripted import until

# --- stalls ---


async def test_a_port_that_takes_nothing_is_given_up_and_still_read() -> None:
    with pcm_peer(numbered, reading=False) as peer:
        filled = peer.fill()
        async with running(peer) as port:
            stuck_after_s = time.monotonic()
            while not port.stats().stuck:
                await ticks_of(port, 1)
                assert time.monotonic() - stuck_after_s < 30
            stuck_after_s = time.monotonic() - stuck_after_s
            written = port.stats().bytes_out
            later = await ticks_of(port, 15)
            stats = port.stats()
            assert port.write(numbered(7))
            went = await ticks_of(port, 5)
            peer.reading = True
            await ticks_of(port, 10)
        assert len(peer.heard) < filled  # what nobody wanted to hear is gone from the kernel
    assert stuck_after_s >= 0.9
    assert stats.uplink_stalls == STUCK_STALLS
    assert written == stats.bytes_out < 2 * FRAME_BYTES  # some kernels find room for a few bytes; none after giving up
    assert sum(tick.downlink is not None for tick in later) >= 5
    # Nobody who waits for his frames to go waits for ever; they were not heard, and the tick says so.
    assert went[-1].uplink_frames > 0
    assert all(tick.uplink == SILENCE for tick in went)


async def test_a_frame_taken_in_part_is_completed_before_anything_else() -> None:
    with pcm_peer(numbered, reading=False) as peer:
        filled = peer.fill(leave=100)
        async with running(peer) as port:
            for k in range(3):
                port.write(numbered(1000 + k))
            await ticks_of(port, 4)
            assert 0 < port.stats().bytes_out < FRAME_BYTES  # torn now
            await ticks_of(port, 8)
            stalled = port.stats()
            peer.reading = True
            ticks = await ticks_of(port, 20)
            stats = port.stats()
        after = bytes(peer.heard[filled:])
    assert stalled.uplink_stalls >= 1
    assert not stalled.stuck
    frames = [after[at : at + FRAME_BYTES] for at in range(0, len(after) // FRAME_BYTES * FRAME_BYTES, FRAME_BYTES)]
    assert [frame for frame in frames if frame != SILENCE] == [numbered(1000 + k) for k in range(3)]
    # The record of the call has each frame where it went out, the late one too.
    told = [tick.uplink for tick in ticks if tick.uplink != SILENCE]
    assert told == [numbered(1000 + k) for k in range(3)] or stats.downlink_dropped_frames  # ticks that nobody read


async def test_stop_completes_a_frame_that_is_half_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcm_pump, "TEAR_GRACE_S", 20.0)  # the far end reads again before it is over, on any machine
    monkeypatch.setattr(pcm, "STOP_GRACE_S", 30.0)
    with pcm_peer(numbered, reading=False) as peer:
        peer.fill(leave=100)
        async with running(peer) as port:
            await ticks_of(port, 4)
            torn = port.stats().bytes_out
            asyncio.get_running_loop().call_later(0.015, setattr, peer, "reading", True)
            stats = await port.stop(0)
    assert torn % FRAME_BYTES
    assert stats.bytes_out % FRAME_BYTES == 0


async def test_stop_waits_for_a_frame_that_the_port_has_yet_to_take() -> None:
    with pcm_peer(numbered, reading=False) as peer:
        peer.fill()
        async with running(peer) as port:
            port.write(numbered(1000))
            while port.room() < 3:
                await ticks_of(port, 1)
            stalls = port.stats().uplink_stalls
            asyncio.get_running_loop().call_later(0.01, setattr, peer, "reading", True)
            stats = await port.stop(200)
    # Written once the port had room; on a machine that is late by a frame its time may be over before.
    assert stats.bytes_out >= FRAME_BYTES or stats.uplink_stalls > stalls


async def test_single_stalls_lose_frames_but_never_a_part_of_one() -> None:
    with pcm_peer(numbered, reading=False) as peer:
        filled = peer.fill()
        async with running(peer) as port:
            for k in range(3):
                port.write(numbered(1000 + k))
            await ticks_of(port, 6)
            peer.reading = True
            await ticks_of(port, 20)
            stats = await port.stop(0)
        after = bytes(peer.heard[filled:])
    assert stats.uplink_stalls >= 1
    assert not stats.stuck
    for at in range(0, len(after) - FRAME_BYTES, FRAME_BYTES):
        assert len(set(after[at : at + FRAME_BYTES : 2])) == 1  # one number throughout


# --- loss ---


async def test_an_unplugged_stick_ends_the_audio_at_once() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            await ticks_of(port, 5)
            unplugging = asyncio.get_running_loop().run_in_executor(None, peer.unplug)
            await until_closed(port)
            await unplugging
            stats = await port.stop()
            assert stats.lost
            assert not port.write(SILENCE)
            assert port.room() == 0
            await until(lambda: threads() == 0)


async def test_a_waiting_reader_hears_of_the_loss() -> None:
    with pcm_peer(None) as peer:
        async with running(peer) as port:
            await ticks_of(port, 2)
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(until_closed(port))
                await asyncio.get_running_loop().run_in_executor(None, peer.unplug)
                await waiting


async def test_a_port_that_is_gone_or_no_tty_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "none", tmp_path / "file"):
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError):
            PcmPort(str(path)).open()
        assert len(os.listdir("/proc/self/fd")) == before


# --- stopping ---


async def test_stop_says_what_is_queued_and_leaves_nothing_behind() -> None:
    with pcm_peer(numbered) as peer:
        before = set(os.listdir("/proc/self/fd"))
        async with running(peer) as port:
            await ticks_of(port, 5)
            for k in range(3):
                assert port.write(numbered(1000 + k))
            stats = await port.stop(drain_ms=20_000)  # it is over with the last frame
            with pytest.raises(AudioClosed):
                await port.read()
            await until(lambda: threads() == 0)
            assert set(os.listdir("/proc/self/fd")) == before
            assert await port.stop() == stats
        await heard_frames(peer, 3)
        assert not stats.lost


async def test_stop_without_drain_leaves_what_is_queued_unsaid() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            await ticks_of(port, 5)
            began_s = time.monotonic()
            for k in range(3):
                port.write(numbered(1000 + k))
            took_s = time.monotonic() - began_s
            await port.stop(0)
        assert sum(frame != SILENCE for frame in peer.frames) <= 1 + took_s // 0.02


async def test_stops_at_the_same_time_agree() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            await ticks_of(port, 3)
            one, two = await asyncio.gather(port.stop(), port.stop())
    assert one == two


async def test_a_stuck_port_stops_in_time() -> None:
    with pcm_peer(numbered, reading=False) as peer:
        peer.fill(leave=100)
        async with running(peer) as port:
            await ticks_of(port, 5)
            begun_s = time.monotonic()
            await port.stop(100)
            assert time.monotonic() - begun_s < 15.0  # closing it would take 30 s
            await until(lambda: threads() == 0)


async def test_a_port_that_was_never_started_stops_and_frees_the_tty() -> None:
    with pcm_peer(numbered) as peer:
        port = PcmPort(peer.path)
        port.open()
        assert (await port.stop()).bytes_in == 0
        assert port.room() == 0
        with pytest.raises(AudioClosed):
            await port.read()
        async with running(peer) as again:
            await ticks_of(again, 2)


async def test_a_tty_has_one_port_at_a_time() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer):
            with pytest.raises(OSError):
                PcmPort(peer.path).open()
            assert exclusive(peer)
        await until(lambda: not exclusive(peer))
        second = PcmPort(peer.path)
        second.open()
        await second.stop()
