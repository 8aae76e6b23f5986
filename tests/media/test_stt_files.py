"""Words of recordings: cut in pieces, with their times, behind callers, and stopped when nobody waits."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from core.config import SttConfig
from core.errors import LimitExceeded, PublicError
from core.media.stt import SttService
from core.media.stt_files import WAITING_MAX
from tests.media.callers import PHRASES, call, silence
from tests.media.engine_folder import engine_folder
from tests.media.tiny_whisper import write_model

WORD = call("what time is it", before_s=0.2, after_s=0.2)
WORD_MS = len(WORD) // 16


@pytest.fixture(autouse=True)
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "engines").mkdir()
    with engine_folder(tmp_path / "engines", monkeypatch):
        yield


@pytest.fixture
async def made() -> AsyncIterator[list[SttService]]:
    services: list[SttService] = []
    yield services
    for service in services:
        await service.close()


def service(made: list[SttService], engine: str, model: Path | None = None) -> SttService:
    made.append(SttService(SttConfig(engine=engine, fallback=(), model=str(model) if model else None, timeout_s=50)))
    return made[-1]


async def transcribe(
    stt: SttService, pcm: bytes, phrases: tuple[str, ...] = (), progress: list[int] | None = None
) -> tuple[str | None, list[int], list[int]]:
    """The text, where its stretches begin, and the progress, which is put into `progress` as it comes."""
    told: list[int] = progress if progress is not None else []
    found = await stt.files.transcribe(
        pcm, 8000, language="en", phrases=phrases, progress=lambda done_ms, all_ms: told.append(done_ms)
    )
    assert found.duration_ms == len(pcm) // 16
    return found.words.text, [part.start_ms for part in found.stretches], told


async def test_a_long_recording_is_heard_in_windows_with_times_of_the_whole(
    made: list[SttService], tmp_path: Path
) -> None:
    pytest.importorskip("pywhispercpp")
    stt = service(made, "whisper", write_model(tmp_path / "ggml-t.bin", "words"))
    pcm = silence(1.0) + WORD + silence(24.0) + WORD + silence(24.0) + WORD
    text, starts, told = await transcribe(stt, pcm)
    assert text == "words words words" and len(told) == 3 and told[-1] == len(pcm) // 16
    expected = [1000, 25_000 + WORD_MS, 49_000 + 2 * WORD_MS]
    assert all(abs(start - wanted) < 500 for start, wanted in zip(starts, expected, strict=True)), starts


async def test_phrases_are_heard_one_utterance_at_a_time(made: list[SttService]) -> None:
    stt = service(made, "phrases")
    pcm = (
        call("goodbye") + silence(2.0) + call("my cat is hungry") + silence(2.0) + call("what time is it") + silence(2)
    )
    text, starts, told = await transcribe(stt, pcm, PHRASES)
    assert text == "goodbye what time is it"
    assert len(starts) == 2 and starts == sorted(starts) and len(told) == 3


async def test_a_short_recording_is_one_utterance(made: list[SttService]) -> None:
    text, starts, told = await transcribe(service(made, "counts"), silence(2.0))
    assert (text, starts, told) == ("2000 ms", [0], [2000])


async def test_silence_and_nothing_have_no_words(made: list[SttService]) -> None:
    stt = service(made, "phrases")
    for pcm in (silence(0.01), silence(30.0)):
        text, starts, _ = await transcribe(stt, pcm, ("yes",))
        assert (text, starts) == (None, [])


async def test_a_caller_goes_before_a_recording_which_begins_its_piece_again(made: list[SttService]) -> None:
    stt = service(made, "slow")
    async with asyncio.TaskGroup() as tasks:
        first = await stt.transcribe(WORD, 8000)
        heard: list[int] = []
        recording = tasks.create_task(transcribe(stt, b"".join([WORD + silence(3.0)] * 8), progress=heard))
        for _ in range(5):
            before = len(heard)
            assert (await stt.transcribe(WORD, 8000)).text == first.text == "slow"
            assert len(heard) <= before + 1, "at most the rest of what runs goes first"
    text, starts, _ = recording.result()
    assert text == " ".join(["slow"] * 8) and len(starts) == 8


async def test_a_recording_that_nobody_waits_for_any_more_stops_the_engine(made: list[SttService]) -> None:
    stt = service(made, "slow")
    await stt.transcribe(WORD, 8000)
    async with asyncio.TaskGroup() as tasks:
        recording = tasks.create_task(transcribe(stt, b"".join([WORD + silence(3.0)] * 40)))
        await asyncio.sleep(0.5)
        recording.cancel()
    started_s = time.monotonic()
    assert (await stt.transcribe(WORD, 8000)).text == "slow"
    assert time.monotonic() - started_s < 9, "the other pieces, 12 s of them, are not heard"


async def test_only_so_many_recordings_wait(made: list[SttService]) -> None:
    stt = service(made, "hangs")
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(transcribe(stt, WORD)) for _ in range(WAITING_MAX)]
        await asyncio.sleep(0.05)
        with pytest.raises(LimitExceeded):
            await transcribe(stt, WORD)
        for task in waiting:
            task.cancel()
    started_s = time.monotonic()
    await stt.close()
    assert time.monotonic() - started_s < 20


async def test_an_engine_that_crashes_on_a_recording_is_told(made: list[SttService]) -> None:
    with pytest.raises(PublicError) as failed:
        await transcribe(service(made, "crashes"), WORD)
    assert failed.value.details == {"engine": "crashes", "reason": "crashed"}


async def test_ten_minutes_are_heard_in_bounded_memory(made: list[SttService]) -> None:
    stt = service(made, "counts")
    text, starts, told = await transcribe(stt, b"".join([WORD + silence(5.0)] * (600_000 // (WORD_MS + 5000))))
    assert len(starts) == len(told) > 50 and text
    pid = stt.worker_pid
    assert pid is not None
    assert peak_kb(pid) < 150_000, "the worker only ever has one piece"


def peak_kb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0])
