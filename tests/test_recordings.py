"""Recordings after the call: encoded and verified, kept as long as wanted, finished after a crash."""

import asyncio
import os
import subprocess
import sys
import threading
import time
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.clock import rfc3339, unix_s
from core.config import RecordingConfig
from core.forget import remove_recordings
from core.line import CallState, Direction, EndReason
from core.recordings import Recordings
from core.recordings_files import CallFile, FileKind, files_in, owner, unfinished_in, write_whole
from core.recordings_keep import Because, to_remove
from core.recordings_ogg import GivenUp, NotVerified, side_to_ogg, stereo_to_ogg
from core.store import calls as rows
from core.store.erase import Erased
from core.store.recordings import recordings_of
from core.store.store import Store

CALL = "call_1795246560_k2fq"
DAY_S = 86_400.0


def wav(path: Path, seconds: float, *, rate_hz: int = 8000) -> Path:
    """Stereo: a low tone left, a high one right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    at = np.arange(int(rate_hz * seconds)) / rate_hz
    both = np.stack([8000 * np.sin(2 * np.pi * 440 * at), 4000 * np.sin(2 * np.pi * 1200 * at)], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(both.astype("<i2").tobytes())
    return path


def pitch_hz(samples: "np.ndarray[tuple[int], np.dtype[np.float64]]", rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate_hz / len(samples))


# --- OGG ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize("seconds", [0.0, 0.02, 7.3])
def test_an_ogg_has_both_sides_and_all_of_the_length(tmp_path: Path, rate_hz: int, seconds: float) -> None:
    source = wav(tmp_path / "a.wav", seconds, rate_hz=rate_hz)
    stereo_to_ogg(source, tmp_path / "a.ogg", lambda: False)
    found = soundfile.info(str(tmp_path / "a.ogg"))
    assert (found.format, found.subtype, found.channels) == ("OGG", "OPUS", 2)
    assert abs(found.duration - seconds) < 0.1
    assert (tmp_path / "a.ogg").stat().st_mode & 0o777 == 0o600 and source.exists()
    if seconds > 1:
        samples, made_hz = soundfile.read(str(tmp_path / "a.ogg"))
        assert abs(pitch_hz(samples[:, 0], made_hz) - 440) < 3 and abs(pitch_hz(samples[:, 1], made_hz) - 1200) < 3


@pytest.mark.parametrize(("channel", "hz"), [(0, 440), (1, 1200)])
def test_one_side_alone_is_that_side(tmp_path: Path, channel: int, hz: float) -> None:
    side_to_ogg(wav(tmp_path / "a.wav", 3), tmp_path / "a.ogg", channel, lambda: False)
    samples, rate_hz = soundfile.read(str(tmp_path / "a.ogg"))
    assert samples.ndim == 1 and abs(pitch_hz(samples, rate_hz) - hz) < 3


def test_an_encoding_that_is_told_to_stop_leaves_nothing_but_its_wav(tmp_path: Path) -> None:
    source = wav(tmp_path / "a.wav", 60)
    looks = iter(range(100))
    with pytest.raises(GivenUp):
        stereo_to_ogg(source, tmp_path / "a.ogg", lambda: next(looks) > 3)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_what_is_no_audio_is_said_so_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF" + b"nonsense" * 100)
    with pytest.raises(NotVerified):
        stereo_to_ogg(tmp_path / "a.wav", tmp_path / "a.ogg", lambda: False)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_a_recording_that_is_removed_meanwhile_does_not_come_back(tmp_path: Path) -> None:
    source = wav(tmp_path / "a.wav", 20)

    def forgetting() -> bool:
        source.unlink(missing_ok=True)  # Linux: the open file is read on
        return False

    with pytest.raises(FileNotFoundError):
        stereo_to_ogg(source, tmp_path / "a.ogg", forgetting)
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from core.recordings_ogg import stereo_to_ogg
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
try:
    stereo_to_ogg(Path(sys.argv[1]), Path(sys.argv[2]), lambda: False)
except OSError as problem:
    print(problem.errno)
"""


def test_a_disk_that_takes_no_more_is_told_as_what_it_is(tmp_path: Path) -> None:
    source = wav(tmp_path / "a.wav", 30)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(source), str(tmp_path / "a.ogg")], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("27\n", "")  # EFBIG, for want of a disk to fill
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


# --- names ----------------------------------------------------------------------------------------


def test_files_of_calls_are_known_by_their_names_and_others_are_nobodys(tmp_path: Path) -> None:
    ours = {
        f"{CALL}.wav": FileKind.RECORDING,
        f"{CALL}.2.ogg": FileKind.RECORDING,
        f"{CALL}_incoming_raw_1795246560.ogg": FileKind.INCOMING,
        f"{CALL}_outgoing_tts_1795246560.ogg": FileKind.OUTGOING,
        f"{CALL}_vad_chunk_3_1795246570.ogg": FileKind.CHUNK,
        f"{CALL}_vad_chunk_3_1795246570.wav.txt": FileKind.CHUNK_TEXT,
        f"{CALL}_transcription.txt": FileKind.TRANSCRIPTION,
        f"timing_analysis/{CALL}.json": FileKind.TIMING,
    }
    others = [f"{CALL}.mp3", f"my_{CALL}.wav", f"{CALL}x.wav", "latest.json", f"{CALL}.json", f"{CALL}.wav.part"]
    for name in (*ours, *others):
        write_whole(tmp_path / name, b"x")
    (tmp_path / f"{CALL}.3.wav").symlink_to(tmp_path / f"{CALL}.wav")
    assert {file.name: file.kind for file in files_in(tmp_path)} == ours
    assert {file.part for file in files_in(tmp_path) if file.kind is FileKind.RECORDING} == {1, 2}
    assert unfinished_in(tmp_path) == [tmp_path / f"{CALL}.wav.part"]
    assert all(file.call_id == CALL == owner(file.path.name) for file in files_in(tmp_path))
    assert owner("latest.json") is None


# --- how long -------------------------------------------------------------------------------------


def kept(call_id: str, age_days: float, size: int = 100, name: str | None = None) -> CallFile:
    name = name or f"{call_id}.wav"
    return CallFile(call_id, FileKind.RECORDING, name, Path(name), size, 1000 * DAY_S - age_days * DAY_S)


def gone(files: list[CallFile], **limits: int) -> list[tuple[str, Because]]:
    found = to_remove(
        files,
        now_s=1000 * DAY_S,
        keep_days=limits.get("keep_days", 0),
        max_bytes=limits.get("max_bytes", 0),
        busy={"busy"},
    )
    return [(removal.call_id, removal.because) for removal in found]


def test_nothing_goes_without_a_limit() -> None:
    assert gone([kept("old", 900)]) == []


def test_what_is_too_old_goes_and_all_files_of_a_call_go_together() -> None:
    files = [
        kept("old", 31),
        kept("old", 31, name="t.txt"),
        kept("new", 29),
        kept("both", 40),
        kept("both", 1, name="x"),
    ]
    assert gone(files, keep_days=30) == [("old", Because.AGE)]


def test_when_it_is_too_much_the_oldest_go_until_it_is_not() -> None:
    files = [kept("c", 1), kept("a", 3), kept("b", 2)]
    assert gone(files, max_bytes=300) == []
    assert gone(files, max_bytes=299) == [("a", Because.SIZE)]
    assert gone(files, max_bytes=100) == [("a", Because.SIZE), ("b", Because.SIZE)]
    assert gone(files, max_bytes=1) == [("a", Because.SIZE), ("b", Because.SIZE), ("c", Because.SIZE)]


def test_a_call_that_goes_on_keeps_its_files_and_they_count() -> None:
    files = [kept("busy", 50, 1000), kept("a", 3)]
    assert gone(files, keep_days=10, max_bytes=500) == [("a", Because.SIZE)]


# --- the service ----------------------------------------------------------------------------------


@asynccontextmanager
async def recordings(tmp_path: Path, config: RecordingConfig) -> AsyncIterator[tuple[Recordings, Store]]:
    store = await Store.open(tmp_path / "s.db")
    made = Recordings(config, store)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(made.run(list))
            yield made, store
            running.cancel()
    finally:
        await store.close()


async def known_call(tmp_path: Path, call_id: str, reason: EndReason) -> None:
    store = await Store.open(tmp_path / "s.db")
    row = rows.CallRow(
        call_id=call_id,
        line="sim",
        direction=Direction.IN,
        state=CallState.ENDED,
        started_at=rfc3339(),
        connected_at=rfc3339(),
        ended_at=rfc3339(),
        reason=reason,
        recording=str(tmp_path / "r" / f"{call_id}.wav"),
    )
    turn = rows.TurnRow(call_id=call_id, ordinal=1, turn=1, role="caller", text="hello there", at_ms=100)
    await store.write(lambda tx: rows.insert_call(tx, row))
    await store.write(lambda tx: rows.add_turn(tx, turn))
    await store.close()


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - of files and threads there is no event
            await asyncio.sleep(0.01)


async def test_what_a_crash_left_is_encoded_told_and_written_down_at_the_next_start(tmp_path: Path) -> None:
    await known_call(tmp_path, CALL, EndReason.CORE_RESTARTED)
    left = wav(tmp_path / "r" / f"{CALL}.wav", 4)
    stranger = wav(tmp_path / "r" / "call_1_aaaa.wav", 1)
    (tmp_path / "r" / f"{CALL}.ogg.part").write_bytes(b"half")
    config = RecordingConfig(dir=str(tmp_path / "r"), format="ogg", legacy_files=True)
    async with recordings(tmp_path, config) as (_, store):
        bus, ogg = store.bus, tmp_path / "r" / f"{CALL}.ogg"
        await eventually(lambda: bus.head_seq == 1)
        event = bus.get(bus.next_index - 1)
        assert event is not None and event.spec.topic == "call.recorded"
        assert event.params["problem"] == "core_restarted" and event.params["path"] == str(ogg)
        assert abs(event.params["duration_s"] - 4) < 0.1 and event.params["bytes"] == ogg.stat().st_size
        call = await store.read(lambda connection: rows.get_call(connection, CALL))
        assert call is not None and call.recording == str(ogg)
    assert not left.exists() and stranger.exists(), "only calls that are in the log are touched"
    names = {file.kind for file in files_in(tmp_path / "r") if file.call_id == CALL}
    assert names == {FileKind.RECORDING, FileKind.INCOMING, FileKind.OUTGOING, FileKind.TRANSCRIPTION}
    assert unfinished_in(tmp_path / "r") == []
    async with recordings(tmp_path, config) as (made, store):
        await made.settle(5)
        await asyncio.sleep(0.1)
        assert store.bus.head_seq == 1, "it is told once"


async def test_too_old_files_go_with_a_word_in_the_calls_row(tmp_path: Path) -> None:
    await known_call(tmp_path, CALL, EndReason.REMOTE_HANGUP)
    config = RecordingConfig(dir=str(tmp_path / "r"), keep_days=30)
    path = wav(tmp_path / "r" / f"{CALL}.wav", 1)
    write_whole(tmp_path / "r" / f"{CALL}_transcription.txt", b"x")
    async with recordings(tmp_path, config) as (_, store):
        await eventually(lambda: store.bus.head_seq == 1)  # it is a call of the log, and known from now on
    for file in files_in(tmp_path / "r"):
        os.utime(file.path, (unix_s() - 31 * DAY_S,) * 2)
    async with recordings(tmp_path, config) as (_, store):
        await eventually(lambda: not path.exists())
        async with asyncio.timeout(20):
            while True:
                (row,) = await store.read(lambda connection: recordings_of(connection, CALL))
                if row.removed_at is not None:
                    break
        assert (row.removed_because, row.path) == ("age", None)
        call = await store.read(lambda connection: rows.get_call(connection, CALL))
        assert call is not None and call.recording is None
    assert files_in(tmp_path / "r") == []


def test_forgetting_a_call_takes_all_its_files_and_nobody_elses(tmp_path: Path) -> None:
    other = "call_1795246561_aaaa"
    for call_id in (CALL, other):
        for name in (
            ".wav",
            ".2.ogg",
            "_incoming_raw_1.ogg",
            "_vad_chunk_1_1.wav.txt",
            "_transcription.txt",
            ".ogg.part",
        ):
            write_whole(tmp_path / f"{call_id}{name}", b"x")
        write_whole(tmp_path / "timing_analysis" / f"{call_id}.json", b"x")
    write_whole(tmp_path / "timing_analysis/latest.json", b'{"call_id": "%s"}' % CALL.encode())
    erased = Erased(0, 1, 0, (CALL,), (), scrubbed=True)
    assert remove_recordings(tmp_path, erased) == 8
    assert {file.call_id for file in files_in(tmp_path)} == {other} and len(files_in(tmp_path)) == 6
    assert len(unfinished_in(tmp_path)) == 1 and not (tmp_path / "timing_analysis/latest.json").exists()


async def test_a_stop_in_mid_encoding_is_quick_and_the_next_start_finishes_it(tmp_path: Path) -> None:
    await known_call(tmp_path, CALL, EndReason.REMOTE_HANGUP)
    left = wav(tmp_path / "r" / f"{CALL}.wav", 400)
    config = RecordingConfig(dir=str(tmp_path / "r"), format="ogg")
    async with recordings(tmp_path, config) as (made, store):
        await eventually(lambda: unfinished_in(tmp_path / "r") != [])
        before_s = time.monotonic()
        await made.settle(0.1)
    assert time.monotonic() - before_s < 5
    await eventually(lambda: unfinished_in(tmp_path / "r") == [])
    assert left.exists() and not left.with_suffix(".ogg").exists()
    os.truncate(left, 44 + 8000 * 4)  # a shorter one will do for the second half; readers stop at the end of the file
    async with recordings(tmp_path, config) as (_, store):
        await eventually(lambda: store.bus.head_seq == 1)
    assert left.with_suffix(".ogg").exists() and not left.exists()


async def test_forgetting_waits_for_the_job_that_is_done_and_what_waits_is_not_done_any_more(tmp_path: Path) -> None:
    config = RecordingConfig(dir=str(tmp_path / "r"))
    began, go = threading.Event(), threading.Event()
    async with recordings(tmp_path, config) as (made, _):

        async def writes(name: str, wait: bool) -> None:
            def work() -> None:
                if wait:
                    began.set()
                    assert go.wait(30)
                write_whole(tmp_path / "r" / name, b"x")

            await made.in_thread(work)

        made.later(CALL, lambda: writes(f"{CALL}.wav", True))
        made.later(CALL, lambda: writes(f"{CALL}_transcription.txt", False))
        await eventually(began.is_set)

        def remove() -> int:
            files = files_in(tmp_path / "r")
            for file in files:
                file.path.unlink()
            return len(files)

        async with asyncio.TaskGroup() as tasks:
            forgetting = tasks.create_task(made.forget([CALL], remove))
            await asyncio.sleep(0.05)
            go.set()
        await made.settle(5)
        assert forgetting.result() == 1 and files_in(tmp_path / "r") == []
