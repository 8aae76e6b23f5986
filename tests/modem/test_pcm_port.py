"""PcmPort on real ptys: cadence, bursts, cuts, flushing, bounds, a wrong rate."""

import asyncio
import ctypes
import os
import select
import sys
import threading
import time
from itertools import pairwise
from statistics import median

import pytest

from core.line import Tick
from core.modem.pcm import PcmPort
from tests.modem.pcm_desk import SILENCE, heard_frames, in_order, running, sleeps_of, ticks_of
from tests.modem.pcm_peer import (
    FRAME_BYTES,
    loudest_hz,
    numbered,
    pcm_peer,
    speech,
    tone,
)
from tests.modem.scripted import until

# --- cadence ---


@pytest.mark.parametrize("burst", [1, 2, 3])
async def test_uplink_leaves_frame_by_frame_however_the_downlink_is_bundled(burst: int) -> None:
    with pcm_peer(numbered, burst=burst) as peer:
        async with running(peer) as port:
            await ticks_of(port, 60)
        # The precise figures belong to bench/pcm.py; here only: single frames, about one every 20 ms.
        single = [at_s for at_s, size in peer.reads if size == FRAME_BYTES]
        assert len(single) >= 30
        assert 0.015 < median(b - a for a, b in pairwise(single)) < 0.025


async def test_downlink_of_a_burst_comes_one_frame_per_tick_in_order() -> None:
    with pcm_peer(numbered, burst=3) as peer:
        async with running(peer) as port:
            ticks = await ticks_of(port, 50)
    heard = [tick.downlink for tick in ticks if tick.downlink is not None]
    assert in_order(heard)
    assert len(heard) >= 30
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
    assert sum(tick.downlink is None for tick in paused) >= 10
    assert sum(tick.downlink is not None for tick in after) >= 10
    # 30 frames can't go out in less than real time, give or take the catching up of two.
    assert after[-1].at_s - paused[-1].at_s > 27 * 0.02


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
            began_s, pieces = time.monotonic(), 0
            while time.monotonic() < began_s + 0.5:
                os.write(peer.master, bytes(4))
                pieces += 1
                await asyncio.sleep(0.0005)
            woken, took_s = sleeps_of(thread_id), time.monotonic() - began_s
            assert port.stats().bytes_in > 0
    assert woken < took_s / 0.005 * 2.5, f"{woken} times for {pieces} pieces"


async def test_the_interpreter_is_handed_over_within_a_millisecond() -> None:
    with pcm_peer(None) as peer:
        async with running(peer):
            assert sys.getswitchinterval() <= 0.001


# --- bytes ---


async def test_what_came_before_the_start_is_thrown_away() -> None:
    with pcm_peer(numbered) as peer:
        assert peer.slave is not None
        os.write(peer.master, numbered(77) * 3 + b"\x01")
        assert select.select([peer.slave], [], [], 15)[0]
        async with running(peer) as port:
            ticks = await ticks_of(port, 10)
    heard = [tick.downlink for tick in ticks if tick.downlink is not None]
    assert heard and in_order(heard)


@pytest.mark.parametrize("piece", [1, 7, 333])
async def test_reads_cut_anywhere_give_the_same_frames(piece: int) -> None:
    with pcm_peer(numbered, piece=piece, burst=2 if piece > 1 else 1) as peer:
        async with running(peer) as port:
            ticks = await ticks_of(port, 30)
    heard = [tick.downlink for tick in ticks if tick.downlink is not None]
    assert len(heard) >= 4
    assert in_order(heard)


async def test_every_byte_value_passes_both_ways_unchanged() -> None:
    every = bytes(range(256)) + bytes(range(64))
    with pcm_peer(lambda k: every, raw=False) as peer:  # as the kernel hands it out: lines, echo, XON/XOFF
        async with running(peer) as port:
            port.write(every)
            ticks = await ticks_of(port, 15)
            await until(lambda: every in peer.frames)
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
            await heard_frames(peer, 20)
            ticks += await ticks_of(port, 10)
            stats = await port.stop(0)
        spoken = [frame for frame in peer.frames if frame != SILENCE]
    assert spoken == [numbered(1000 + k) for k in range(20)]
    told = [tick.uplink for tick in ticks if tick.uplink != SILENCE]
    assert told and in_order(told)  # of the frames that went out; ticks that nobody read in time are gone
    assert told == spoken or stats.downlink_dropped_frames
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
            began_s = time.monotonic()
            for k in range(3):
                assert port.write(numbered(1000 + k))
            flushed, took_s = port.flush(), time.monotonic() - began_s
            ticks = await ticks_of(port, 10)
        spoken = [frame for frame in peer.frames if frame != SILENCE]
    assert flushed >= 2 - took_s // 0.02  # one may have been under way
    assert spoken == [numbered(1000 + k) for k in range(3 - flushed)]
    assert ticks[-1].uplink_frames == 3 - flushed


# --- the reader ---


async def test_ticks_that_nobody_reads_go_oldest_first_and_are_counted() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            await ticks_of(port, 3)
            await asyncio.sleep(0.5)  # a busy reader, not a wait for luck
            woken_s = time.monotonic()
            late = await ticks_of(port, 1)
            age_s, stood_s = time.monotonic() - late[0].at_s, time.monotonic() - woken_s
            stats = port.stats()
    assert late[0].index > 5
    assert age_s < 0.3 + stood_s
    assert stats.downlink_dropped_frames >= 5


async def test_a_cancelled_read_loses_no_tick() -> None:
    with pcm_peer(numbered) as peer:
        async with running(peer) as port:
            ticks = await ticks_of(port, 1)
            for _ in range(5):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.001):
                        while True:
                            ticks.append(await port.read())
            ticks += await ticks_of(port, 10)
    # Where the machine stood still, ticks are missing by the handful.
    assert all(b.index == a.index + 1 or b.at_s - a.at_s > 0.1 for a, b in pairwise(ticks))


async def test_a_second_reader_is_refused() -> None:
    with pcm_peer(None) as peer:
        async with running(peer) as port, asyncio.TaskGroup() as group:
            first = group.create_task(port.read())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError):
                await port.read()
            await first


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
            ticks: list[Tick] = []
            while port.stats().measured_rate_hz is None:
                ticks += await ticks_of(port, 1)
            stats = port.stats()
    assert stats.measured_rate_hz == 8000
    assert stats.bytes_in < (ticks[-1].index + 10) * FRAME_BYTES
    # As a rule: what a machine loses that stands still never came.
    lost_s = sum(b.at_s - a.at_s for a, b in pairwise(ticks) if b.at_s - a.at_s > 0.1)
    assert abs(stats.bytes_in / (stats.duration_s - lost_s) - 16000) < 2000
