"""The recording: both directions in time, and a valid file at every moment."""

import asyncio
import os
import resource
import signal
import stat
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.audio import LINE_FORMAT, PcmFormat
from core.line import Tick
from core.media.recorder import QUEUE_TICKS, Recorder

WRITER = """
import sys, time
from pathlib import Path
from core.audio import LINE_FORMAT
from core.line import Tick
from core.media.recorder import Recorder

recorder = Recorder(Path(sys.argv[1]), LINE_FORMAT)
for index in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000):
    value = (index % 30000 + 1).to_bytes(2, "little")
    recorder.tick(Tick(index, value * 160, value * 160, index, 0.0))
    time.sleep(0.0005)
    if index % 50 == 0:
        print(index, recorder.problem, flush=True)
time.sleep(600)
"""


def level(value: int, samples: int = 160) -> bytes:
    return value.to_bytes(2, "little", signed=True) * samples


def tick(index: int, downlink: int | None = 1, uplink: int = 2) -> Tick:
    return Tick(index, None if downlink is None else level(downlink), level(uplink), index, index / 50)


def channels(path: Path) -> "np.ndarray[tuple[int, int], np.dtype[np.int16]]":
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
        assert len(samples) == file.getnframes()
    also, rate_hz = soundfile.read(str(path), dtype="int16", always_2d=True)
    assert rate_hz == 8000
    assert np.array_equal(also, samples)
    return samples


def ticks_in(path: Path) -> int:
    """Of a file that may still grow."""
    if not path.exists():
        return 0
    with wave.open(str(path)) as file:
        return int(file.getnframes()) // 160


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """What the recorder's own thread does."""
    deadline_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


async def test_the_far_end_is_left_and_we_are_right(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.wav", LINE_FORMAT)
    for index in range(100):
        recorder.tick(tick(index, downlink=100 + index, uplink=-index))
    report = await recorder.close()
    assert (report.path, report.duration_s, report.problem) == (tmp_path / "call.wav", 2.0, None)
    samples = channels(report.path)
    assert samples[::160, 0].tolist() == [100 + index for index in range(100)]
    assert samples[::160, 1].tolist() == [-index for index in range(100)]


async def test_only_the_daemon_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        recorder = Recorder(tmp_path / "new" / "call.wav", LINE_FORMAT)
        await recorder.close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "call.wav").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


async def test_ticks_that_never_came_are_silence_on_both_sides(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.wav", LINE_FORMAT)
    for index in (5, 6, 10, 200):
        recorder.tick(tick(index))
    report = await recorder.close()
    samples = channels(report.path)[::160]
    assert report.silence_ticks == 192
    assert report.duration_s == 196 * 0.02
    assert np.flatnonzero(samples[:, 0]).tolist() == np.flatnonzero(samples[:, 1]).tolist() == [0, 1, 5, 195]


async def test_a_frame_that_the_far_end_did_not_send_is_silence_on_its_side(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.wav", LINE_FORMAT)
    recorder.tick(tick(0, downlink=None))
    recorder.tick(tick(1))
    samples = channels((await recorder.close()).path)
    assert samples[::160].tolist() == [[0, 2], [1, 2]]


async def test_a_tick_that_comes_twice_or_late_is_left_out(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.wav", LINE_FORMAT)
    for index in (0, 1, 1, 0, 2):
        recorder.tick(tick(index, downlink=index))
    samples = channels((await recorder.close()).path)
    assert samples[::160, 0].tolist() == [0, 1, 2]


async def test_a_line_of_16_khz_is_recorded_at_16_khz(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.wav", PcmFormat(16000))
    for index in range(50):
        recorder.tick(Tick(index, level(1, 320), level(2, 320), index, 0.0))
    assert (await recorder.close()).duration_s == 1.0
    assert soundfile.info(str(tmp_path / "call.wav")).samplerate == 16000


async def test_a_recording_without_a_tick_is_an_empty_valid_file(tmp_path: Path) -> None:
    report = await Recorder(tmp_path / "call.wav", LINE_FORMAT).close()
    assert report.duration_s == 0
    assert len(channels(report.path)) == 0


async def test_the_file_is_valid_whenever_it_is_read_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    recorder = Recorder(path, LINE_FORMAT)
    until(path.exists)
    lengths = []
    for index in range(1500):
        recorder.tick(tick(index))
        if index % 10 == 0:
            await asyncio.sleep(0.001)
            with wave.open(str(path)) as file:
                lengths.append(file.getnframes())
                assert len(file.readframes(10**9)) == lengths[-1] * 4
    await recorder.close()
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 2


def test_kill_9_at_any_moment_leaves_a_valid_file(tmp_path: Path) -> None:
    for attempt in range(3):
        path = tmp_path / f"call{attempt}.wav"
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            while int(child.stdout.readline().split()[0]) < 500 + 73 * attempt:
                pass
            until(path.exists)
            os.kill(child.pid, signal.SIGKILL)
        as_written(path)


def test_kill_9_costs_the_last_half_second_at_most(tmp_path: Path) -> None:
    for fed in (500, 573, 649):
        path = tmp_path / f"call{fed}.wav"
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(fed)], stdout=subprocess.PIPE) as child:
            until(lambda path=path, fed=fed: ticks_in(path) >= fed - 25)  # type: ignore[misc]
            os.kill(child.pid, signal.SIGKILL)
        assert as_written(path) >= fed - 25, "a batch of 25 ticks"


def as_written(path: Path) -> int:
    """How many ticks of WRITER are in the file, all of them whole and in order."""
    samples = channels(path)[::160]
    assert samples[:, 0].tolist() == samples[:, 1].tolist() == [i % 30000 + 1 for i in range(len(samples))]
    return len(samples)


def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the kernel cuts the write short and refuses the next."""
    path = tmp_path / "call.wav"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_001, 100_001))

    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, preexec_fn=limit) as child:
        assert child.stdout is not None
        words = [b"0", b"None"]
        while words[1] == b"None":
            words = child.stdout.readline().split()
        later = child.stdout.readline().split()
        child.kill()
    assert words[1] == b"too_large"
    assert int(later[0]) > int(words[0]), "the call goes on"
    assert path.stat().st_size == 100_001
    samples = channels(path)[::160, 0]
    assert 100 <= len(samples) <= 156, "whole batches; the one that was cut is left out"
    assert samples.tolist() == [index + 1 for index in range(len(samples))]


async def test_an_existing_recording_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"precious")
    recorder = Recorder(path, LINE_FORMAT)
    recorder.tick(tick(0))
    report = await recorder.close()
    assert (report.problem, report.duration_s) == ("file_exists", 0)
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == [path.name]


async def test_a_directory_that_cannot_be_made_is_a_problem_of_the_recording_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    recorder = Recorder(tmp_path / "file" / "deeper" / "call.wav", LINE_FORMAT)
    until(lambda: recorder.problem is not None)
    recorder.tick(tick(0))
    assert (await recorder.close()).problem == "Not a directory"


async def test_the_size_that_a_wav_can_count_ends_the_recording(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.wav", LINE_FORMAT, max_bytes=40_000)
    for index in range(200):
        recorder.tick(tick(index))
        if index == 24:  # a batch that is larger than all of it would leave nothing
            until(lambda: ticks_in(tmp_path / "call.wav") > 0)
    report = await recorder.close()
    assert report.problem == "too_large"
    assert 0 < len(channels(report.path)) * 4 <= 40_000


async def test_a_disk_that_hangs_costs_ticks_that_are_counted_but_never_memory(tmp_path: Path) -> None:
    """The writer's own lock stands for the disk: while it is held, nothing leaves the queue."""
    recorder = Recorder(tmp_path / "call.wav", LINE_FORMAT)
    with recorder._changed:
        for index in range(QUEUE_TICKS + 100):
            recorder.tick(tick(index))
    recorder.tick(tick(QUEUE_TICKS + 100))
    report = await recorder.close()
    assert report.dropped_ticks in (100, 101)
    assert len(channels(report.path)) >= QUEUE_TICKS * 160


async def test_closing_twice_gives_the_same_report(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.wav", LINE_FORMAT)
    recorder.tick(tick(0))
    assert await recorder.close() == await recorder.close()
    recorder.tick(tick(1))
    assert recorder.duration_s == 0.02


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_disk_without_space_is_named(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=64k none "$1" && exec "$2" -c "$3" "$1/call.wav"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(disk), sys.executable, WRITER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        words = [b"0", b"None"]
        while len(words) == 2 and words[1] == b"None":
            words = child.stdout.readline().split()
        child.kill()
    if not words:
        pytest.skip("this machine lets nobody mount")
    assert words[1] == b"disk_full"
