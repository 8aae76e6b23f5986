"""PcmPort on real ptys: cadence, bursts, cuts, stalls, loss, flushing, bounds, stopping, a wrong rate."""

import asyncio
import ctypes
import fcntl
import os
import select
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from core.audio import PcmFormat
from core.line import AudioClosed, Tick
from core.modem.pcm import PcmPort
from core.modem.pcm_uplink import STUCK_STALLS
from tests.modem.pcm_peer import (
    FRAME_BYTES,
    PcmPeer,
    loudest_hz,
    number_of,
    numbered,
    pcm_peer,
    speech,
    tone,
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
    async with asyncio.timeout(count * 0.02 * 2 + 3):
        return [await port.read() for _ in range(count)]


async def until_closed(port: PcmPort) -> None:
    with pytest.raises(AudioClosed):
        async with asyncio.timeout(2):
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
    for _ in range(200):
        if sum(frame != SILENCE for frame in peer.frames) >= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"fewer than {count} frames were heard")


def threads() -> int:
    return sum(thread.name == "modem.pcm" for thread in threading.enumerate())


# --- cadence ---


@pytest.mark.parametrize("burst", [1, 2, 3])
async def test_uplink_leaves_frame_by_frame_however_the_downlink_is_bundled(burst: int) -> None:
    with pcm_peer(numbered, burst=burst) as peer:
        async with running(peer) as port:
            await ticks_of(port, 60)
        # The precise figures belong to bench/pcm.py; here only: single frames, about one every 20 ms.
        single = [at_s for at_s, size in peer.reads if size == FRAME_BYTES]
        assert len(single) >= 50
        assert 0.015 < median(b - a for a, b in pairwise(single)) < 0.025


async def test_downlink_of_a_burst_comes_one_frame_per_tick_in_order() -> None:
    with pcm_peer(numbered, burst=3) as peer:
        async with running(peer) as port:
            ticks = await ticks_of(port, 50)
    heard = [number_of(tick.downlink) for tick in ticks if tick.downlink is not None]
    assert heard == list(range(len(heard)))
    assert len(heard) >= 40
    assert [tick.index for tick in ticks] == sorted({tick.index for tick in ticks})


async def test_uplink_flows_as_silence_when_no_downlink_ever_comes() -> None:
    with pcm_peer(None) as peer:
        async with running(peer) as port:
            ticks = await ticks_of(port, 20)
            stats = await port.stop(0)
    assert all(tick.downlink is None and tick.uplink == SILENCE for tick in ticks)
    assert stats.bytes_in == 0
    assert stats.bytes_out == stats.uplink_silence_frames * FRAME_BYTES > 0


async def test_ticks_go_on_through_a_pause_of_the_downlink_and_nothing_is_sent_in_a_hurry_after_it() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            await ticks_of(port, 20)
            peer.sending = False
            paused = await ticks_of(port, 30)
            peer.sending = True
            after = await ticks_of(port, 30)
    assert sum(tick.downlink is None for tick in paused) >= 20
    assert sum(tick.downlink is not None for tick in after) >= 20
    # 31 frames can't go out in less than real time, give or take the catching up of two.
    assert after[-1].at_s - paused[-1].at_s > 28 * 0.02


async def test_ticks_keep_the_time_of_the_call_when_the_process_stood_still() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            before = (await ticks_of(port, 10))[-1]
            ctypes.PyDLL(None).usleep(200_000)  # holds the interpreter: no thread of ours runs
            after = (await ticks_of(port, 20))[-1]
    assert after.index - before.index > 24
    assert abs((after.at_s - before.at_s) / 0.02 - (after.index - before.index)) < 3


async def test_a_port_that_dribbles_does_not_wake_the_thread_for_each_byte() -> None:
    with pcm_peer(None) as peer:
        async with running(peer) as port:
            (thread_id,) = [thread.native_id for thread in threading.enumerate() if thread.name == "modem.pcm"]
            until_s, pieces = time.monotonic() + 0.5, 0
            while time.monotonic() < until_s:
                os.write(peer.master, bytes(4))
                pieces += 1
                await asyncio.sleep(0.0005)
            woken = sleeps_of(thread_id)
            assert port.stats().bytes_in > 0
    assert woken < 0.5 / 0.005 * 2.5, f"{woken} times for {pieces} pieces"


async def test_the_interpreter_is_handed_over_within_a_millisecond() -> None:
    with pcm_peer(None) as peer:
        async with running(peer):
            assert sys.getswitchinterval() <= 0.001


# --- bytes ---


async def test_what_came_before_the_start_is_thrown_away() -> None:
    with pcm_peer(numbered) as peer:
        assert peer.slave is not None
        os.write(peer.master, numbered(77) * 3 + b"\x01")
        assert select.select([peer.slave], [], [], 2)[0]
        async with running(peer) as port:
            ticks = await ticks_of(port, 10)
    heard = [tick.downlink for tick in ticks if tick.downlink is not None]
    assert heard == [numbered(k) for k in range(len(heard))]


@pytest.mark.parametrize("piece", [1, 7, 333])
async def test_reads_cut_anywhere_give_the_same_frames(piece: int) -> None:
    with pcm_peer(numbered, piece=piece, burst=2 if piece > 1 else 1) as peer:
        async with running(peer) as port:
            ticks = await ticks_of(port, 30)
    heard = [tick.downlink for tick in ticks if tick.downlink is not None]
    assert len(heard) >= 4
    assert heard == [numbered(k) for k in range(len(heard))]


async def test_every_byte_value_passes_both_ways_unchanged() -> None:
    every = bytes(range(256)) + bytes(range(64))
    with pcm_peer(lambda k: every, raw=False) as peer:  # as the kernel hands it out: lines, echo, XON/XOFF
        async with running(peer) as port:
            port.write(every)
            ticks = await ticks_of(port, 15)
        assert every in peer.frames
    assert any(tick.downlink == every for tick in ticks)
    assert any(tick.uplink == every for tick in ticks)


async def test_a_call_shifted_by_one_byte_is_put_right() -> None:
    voice = speech(6.0)
    with pcm_peer(lambda k: voice[k * 320 :][:320], first=b"\x55") as peer:
        async with running(peer) as port:
            ticks = await ticks_of(port, 100)
            stats = await port.stop(0)
    assert stats.alignment_shifts == 1
    heard = [tick.downlink for tick in ticks if tick.downlink is not None]
    # Once right, the bytes are those that were sent, at an even place: samples, not halves of two.
    at = voice.find(heard[-1])
    assert at >= 0
    assert at % 2 == 0


# --- uplink ---


async def test_frames_go_out_in_order_and_are_counted_when_they_have_gone() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            sent = 0
            ticks: list[Tick] = []
            while sent < 20:
                sent += port.write(numbered(1000 + sent))
                if not port.room():
                    ticks += await ticks_of(port, 1)
            ticks += await ticks_of(port, 10)
            stats = await port.stop(0)
        spoken = [frame for frame in peer.frames if frame != SILENCE]
    assert spoken == [numbered(1000 + k) for k in range(20)]
    assert [tick.uplink for tick in ticks if tick.uplink != SILENCE] == spoken
    counts = [tick.uplink_frames for tick in ticks]
    assert counts == sorted(counts)
    assert counts[-1] == 20
    assert stats.uplink_silence_frames >= 5


async def test_the_uplink_ring_takes_three_frames_and_refuses_the_fourth() -> None:
    with pcm_peer(numbered) as peer:
        port = PcmPort(peer.path)
        assert port.room() == 3
        assert [port.write(SILENCE) for _ in range(4)] == [True, True, True, False]
        assert port.room() == 0


async def test_what_is_not_a_whole_frame_is_refused() -> None:
    with pcm_peer(numbered) as peer, pytest.raises(ValueError, match="320"):
        PcmPort(peer.path).write(bytes(318))


async def test_flushed_frames_are_never_heard() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            await ticks_of(port, 5)
            for k in range(3):
                assert port.write(numbered(1000 + k))
            flushed = port.flush()
            ticks = await ticks_of(port, 10)
        spoken = [frame for frame in peer.frames if frame != SILENCE]
    assert flushed >= 2  # one may have been under way
    assert spoken == [numbered(1000 + k) for k in range(3 - flushed)]
    assert ticks[-1].uplink_frames == 3 - flushed


# --- stalls ---


async def test_a_port_that_takes_nothing_is_given_up_and_still_read() -> None:
    with pcm_peer(numbered, reading=False) as peer:
        filled = peer.fill()
        async with running(peer) as port:
            stuck_after_s = time.monotonic()
            while not port.stats().stuck:
                await ticks_of(port, 1)
                assert time.monotonic() - stuck_after_s < 5
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
    assert sum(tick.downlink is not None for tick in later) >= 10
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
        after = bytes(peer.heard[filled:])
    assert stalled.uplink_stalls >= 1
    assert not stalled.stuck
    frames = [after[at : at + FRAME_BYTES] for at in range(0, len(after) // FRAME_BYTES * FRAME_BYTES, FRAME_BYTES)]
    assert [frame for frame in frames if frame != SILENCE] == [numbered(1000 + k) for k in range(3)]
    # The record of the call has each frame where it went out, the late one too.
    assert [tick.uplink for tick in ticks if tick.uplink != SILENCE] == [numbered(1000 + k) for k in range(3)]


async def test_stop_completes_a_frame_that_is_half_out() -> None:
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


# --- the reader ---


async def test_ticks_that_nobody_reads_go_oldest_first_and_are_counted() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            await ticks_of(port, 3)
            await asyncio.sleep(0.5)  # a busy reader, not a wait for luck
            late = await ticks_of(port, 1)
            age_s = time.monotonic() - late[0].at_s
            stats = port.stats()
    assert late[0].index > 5
    assert age_s < 0.3
    assert stats.downlink_dropped_frames >= 5


async def test_a_cancelled_read_loses_no_tick() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            first = (await ticks_of(port, 1))[0].index
            for _ in range(5):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.001):
                        while True:
                            first = (await port.read()).index
            indexes = [tick.index for tick in await ticks_of(port, 10)]
    assert indexes == list(range(first + 1, first + 11))


async def test_a_second_reader_is_refused() -> None:
    with pcm_peer(None) as peer:
        async with running(peer) as port, asyncio.TaskGroup() as group:
            first = group.create_task(port.read())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError):
                await port.read()
            await first


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
            assert threads() == 0


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
            stats = await port.stop(drain_ms=200)
            with pytest.raises(AudioClosed):
                await port.read()
            assert threads() == 0
            assert set(os.listdir("/proc/self/fd")) == before
            assert await port.stop() == stats
        await heard_frames(peer, 3)
        assert not stats.lost


async def test_stop_without_drain_leaves_what_is_queued_unsaid() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            await ticks_of(port, 5)
            for k in range(3):
                port.write(numbered(1000 + k))
            await port.stop(0)
        assert sum(frame != SILENCE for frame in peer.frames) <= 1


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
            assert time.monotonic() - begun_s < 1.0
            assert threads() == 0


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
        assert not exclusive(peer)
        second = PcmPort(peer.path)
        second.open()
        await second.stop()


# --- rate ---


async def test_16_khz_on_an_8_khz_call_is_noticed_and_both_sides_stay_intelligible() -> None:
    voice = tone(8.0, 1000, 16000)
    said = tone(4.0, 500, 8000)
    with pcm_peer(lambda k: voice[k * 640 :][:640]) as peer:
        async with running(peer) as port:
            while port.stats().measured_rate_hz is None:
                await ticks_of(port, 1)
            await ticks_of(port, 15)
            heard_before = len(peer.heard)
            ticks: list[Tick] = []
            for k in range(40):
                port.write(said[k * 320 :][:320])
                ticks += await ticks_of(port, 1)
            stats = await port.stop(0)
        spoken = bytes(peer.heard[heard_before:])
    assert stats.measured_rate_hz == 16000
    heard = b"".join(tick.downlink for tick in ticks[5:] if tick.downlink is not None)
    assert abs(loudest_hz(heard, 8000) - 1000) < 20
    assert abs(loudest_hz(spoken[6400:19200], 16000) - 500) < 20
    assert {len(tick.uplink) for tick in ticks} == {320}


async def test_8_khz_is_measured_as_8_khz() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            ticks = await ticks_of(port, 110)
            stats = port.stats()
    assert stats.measured_rate_hz == 8000
    assert abs(stats.bytes_in - len(ticks) * FRAME_BYTES) < 10 * FRAME_BYTES
    assert abs(stats.bytes_in / stats.duration_s - 16000) < 2000
