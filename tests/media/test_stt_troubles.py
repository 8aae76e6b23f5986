"""What happens to a turn when the engine for it fails: real worker processes that crash, hang, starve and refuse."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from core.config import CallConfig, Config, MediaConfig, SttConfig
from core.errors import EngineMissing, InvalidParams, PublicError, TimedOut
from core.media import workers
from core.media.stt import SttService
from core.media.stt_rests import FAILURES, REST_S, Rests
from core.media.stt_trouble import Trouble
from tests.media.callers import call
from tests.media.engine_folder import engine_folder
from tests.media.test_workers import starts
from tests.media.tiny_whisper import write_model

YES_NO = ("yes", "no")
DEADLINE_S = 4.0
"""What hangs costs this much time, and what doesn't has it, also on a machine that stands still for a moment."""


@pytest.fixture(autouse=True)
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "engines").mkdir()
    monkeypatch.delenv("DIALTONE_MODELS", raising=False)
    with engine_folder(tmp_path / "engines", monkeypatch, broken="import nothing_of_this_name\n"):
        yield


@pytest.fixture
async def made() -> AsyncIterator[list[SttService]]:
    """Services that are closed after the test."""
    services: list[SttService] = []
    yield services
    for service in services:
        await service.close()


def service(
    made: list[SttService],
    engine: str,
    *fallback: str,
    timeout_s: float = 40.0,
    memory_mb: int | None = None,
    station: Config | None = None,
    model: str | None = None,
) -> SttService:
    config = SttConfig(engine=engine, fallback=fallback, timeout_s=timeout_s, memory_mb=memory_mb, model=model)
    made.append(SttService(config, station))
    return made[-1]


async def loaded(stt: SttService, *names: str) -> None:
    """Their processes are up: no deadline counts that time."""
    for name in names:
        host = stt._lane(name).host
        host.warm()
        async with asyncio.timeout(40):
            while not host.loaded:  # noqa: ASYNC110 - a process sets no events
                await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("engine", "problem"), [("raises", "failed"), ("crashes", "crashed"), ("starves", "out_of_memory")]
)
async def test_the_next_engine_gets_the_turn_and_the_transcript_says_whose_it_was(
    made: list[SttService], engine: str, problem: str
) -> None:
    stt = service(made, engine, "phrases", memory_mb=4000)
    found = await stt.transcribe(call("yes"), 8000, phrases=YES_NO)
    assert (found.text, found.engine, found.problem) == ("yes", "phrases", f"{engine}: {problem}")


async def test_a_hanging_engine_is_killed_at_its_deadline_and_the_next_one_hears(made: list[SttService]) -> None:
    stt = service(made, "hangs", "fine", timeout_s=DEADLINE_S)
    await loaded(stt, "hangs", "fine")
    found = await stt.transcribe(call("yes"), 8000)
    assert (found.text, found.engine, found.problem) == ("fine", "fine", "hangs: timeout")
    assert stt.worker_pid is None, "what hangs is killed"


async def test_without_another_engine_the_first_ones_error_is_told(made: list[SttService]) -> None:
    stt = service(made, "hangs", timeout_s=DEADLINE_S)
    await loaded(stt, "hangs")
    with pytest.raises(TimedOut) as late:
        await stt.transcribe(call("yes"), 8000)
    assert late.value.details == {"reason": "timeout", "engine": "hangs"}
    with pytest.raises(PublicError) as failed:
        await service(made, "raises", "crashes").transcribe(call("yes"), 8000)
    assert failed.value.details == {"reason": "failed", "engine": "raises"}
    assert "word of the caller" not in str(failed.value)


async def test_an_engine_that_needs_phrases_does_not_stand_in_without_any(made: list[SttService]) -> None:
    with pytest.raises(PublicError):
        await service(made, "raises", "phrases").transcribe(call("yes"), 8000)
    found = await service(made, "phrases").transcribe(call("yes"), 8000)
    assert (found.understood, found.problem) == (False, "phrases: no_phrases")


async def test_who_fails_again_and_again_is_left_out_for_a_while(made: list[SttService]) -> None:
    stt = service(made, "hangs", "fine", timeout_s=DEADLINE_S)
    for _ in range(FAILURES):
        await loaded(stt, "hangs", "fine")
        await stt.transcribe(call("yes"), 8000)
    assert [info.resting for info in stt.engines() if info.name == "hangs"] == [True]
    found = await stt.transcribe(call("yes"), 8000)
    assert (found.text, found.problem) == ("fine", "hangs: resting")
    assert stt.worker_pid is None, "the caller does not wait for it any more: it is not even started"


async def test_who_rests_is_asked_when_nobody_else_can_hear(made: list[SttService]) -> None:
    stt = service(made, "raises", "phrases")
    for _ in range(FAILURES + 1):
        with pytest.raises(PublicError) as failed:
            await stt.transcribe(call("yes"), 8000)
    assert failed.value.details["reason"] == "failed"


def test_rests_grow_end_and_are_forgotten_after_a_success() -> None:
    rests = Rests()
    rests.failed("a", Trouble.TIMEOUT, 0.0)
    assert not rests.resting("a", 0.0)
    for _ in range(20):
        rests.failed("a", Trouble.BUSY, 0.0)
    assert not rests.resting("a", 0.0), "being busy says nothing of the engine"
    rests.failed("a", Trouble.CRASHED, 10.0)
    assert rests.resting("a", 10.0 + REST_S[0] - 0.1) and not rests.resting("a", 10.0 + REST_S[0])
    assert not rests.resting("b", 10.0)
    for _ in range(40):
        rests.failed("a", Trouble.CRASHED, 100.0)
    assert rests.resting("a", 100.0 + REST_S[1] - 1) and not rests.resting("a", 100.0 + REST_S[1])
    rests.worked("a")
    assert not rests.resting("a", 100.0)


async def test_a_language_that_the_first_does_not_know_goes_to_the_next(made: list[SttService]) -> None:
    found = await service(made, "fine", "phrases").transcribe(call("yes"), 8000, language="en", phrases=YES_NO)
    assert (found.engine, found.problem) == ("fine", None)
    with pytest.raises(InvalidParams) as refused:
        await service(made, "phrases").transcribe(call("yes"), 8000, language="xx", phrases=YES_NO)
    assert refused.value.details["reason" if "reason" in refused.value.details else "path"] == "language"


async def test_where_nobody_knows_the_language_one_that_can_guess_does(made: list[SttService]) -> None:
    found = await service(made, "fine", "phrases").transcribe(call("yes"), 8000, language="xx", phrases=YES_NO)
    assert (found.text, found.language, found.problem) == ("fine", "auto", "fine: language")
    assert not service(made, "phrases").knows("xx") and service(made, "phrases").knows("de")


async def test_a_file_that_is_no_model_costs_nothing_and_is_told(made: list[SttService], tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"garbage" * 1000)
    stt = service(made, "auto", "phrases", model=str(path))
    found = await stt.transcribe(call("yes"), 8000, phrases=YES_NO)
    assert (found.text, found.engine, found.problem) == ("yes", "phrases", "whisper: missing")
    with pytest.raises(EngineMissing, match="no whole ggml file"):
        await service(made, "whisper", model=str(path)).transcribe(call("yes"), 8000)


async def test_half_a_model_is_tried_once_and_again_when_it_is_whole(
    made: list[SttService], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pywhispercpp")
    tried = starts(monkeypatch)
    monkeypatch.setattr(workers, "BACKOFF_S", (5.0, 30.0))
    path = write_model(tmp_path / "whole.bin", "now it works", state=64)
    half = tmp_path / "ggml-half.bin"
    half.write_bytes(path.read_bytes()[:3_000_000])
    stt = service(made, "auto", "phrases", model=str(half))
    found = await stt.transcribe(call("yes"), 8000, phrases=YES_NO, timeout_s=50)
    assert (found.text, found.engine, found.problem) == ("yes", "phrases", "whisper: missing")
    again = await stt.transcribe(call("yes"), 8000, phrases=YES_NO)
    assert (again.text, again.problem, tried) == ("yes", "whisper: missing", ["whisper", "phrases"])
    half.write_bytes(path.read_bytes())
    async with asyncio.timeout(30):
        while (found := await stt.transcribe(call("what time is it"), 8000, phrases=YES_NO)).engine != "whisper":  # noqa: ASYNC110
            await asyncio.sleep(0.2)  # its process has a pause between two tries
    assert (found.text, found.problem) == ("now it works", None)


async def test_whisper_without_memory_leaves_the_turn_to_the_phrases(made: list[SttService], tmp_path: Path) -> None:
    pytest.importorskip("pywhispercpp")
    path = write_model(tmp_path / "ggml-big.bin", "big", state=384, layers=4)
    stt = service(made, "whisper", "phrases", model=str(path), memory_mb=320, timeout_s=50)
    found = await stt.transcribe(call("yes"), 8000, phrases=YES_NO)
    assert (found.text, found.engine) == ("yes", "phrases")
    assert found.problem in ("whisper: out_of_memory", "whisper: missing", "whisper: crashed"), (
        "as its allocator takes it"
    )


async def test_the_models_folder_is_used_and_english_models_hear_english_alone(
    made: list[SttService], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pywhispercpp")
    write_model(tmp_path / "ggml-tiny.en.bin", "out of the folder")
    stt = service(made, "auto", "phrases", timeout_s=50, station=Config(media=MediaConfig(models_dir=str(tmp_path))))
    assert stt.engine_name == "whisper"
    assert (await stt.transcribe(call("yes"), 8000, phrases=YES_NO)).text == "out of the folder"
    found = await stt.transcribe(call("ja", "de"), 8000, language="de", phrases=("ja", "nein"))
    assert (found.text, found.engine, found.problem) == ("ja", "phrases", "whisper: language")
    german = Config(call=CallConfig(language="de"), media=MediaConfig(models_dir=str(tmp_path)))
    assert service(made, "auto", station=german).engine_name == "phrases"


async def test_a_call_that_comes_loads_the_model_and_the_first_words_do_not_wait(
    made: list[SttService], tmp_path: Path
) -> None:
    pytest.importorskip("pywhispercpp")
    stt = service(made, "whisper", model=str(write_model(tmp_path / "ggml-x.bin", "warm", state=128)), timeout_s=50)
    stt.warm()
    async with asyncio.timeout(30):
        while not next(info.loaded for info in await asyncio.to_thread(stt.engines) if info.name == "whisper"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # a process sets no events
    warmed = stt.worker_pid
    assert warmed is not None
    assert (await stt.transcribe(call("what time is it"), 8000)).text == "warm"
    assert stt.worker_pid == warmed, "it is not loaded again"


async def test_warming_what_is_not_there_is_no_error(made: list[SttService]) -> None:
    stt = service(made, "whisper", "phrases")
    stt.warm()
    service(made, "none").warm()
    service(made, "phrases").warm()
    await asyncio.sleep(0.3)
    assert stt.worker_pid is None


async def test_a_model_that_loads_too_long_does_not_hold_the_caller(made: list[SttService], tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    waits = f"import time\ndef wait():\n    while not os.path.exists({str(go_on)!r}): time.sleep(0.05)\n"
    fine = (tmp_path / "engines/fine.py").read_text()
    (tmp_path / "engines/fine.py").write_text(waits + fine.replace("threshold): return", "threshold): wait(); return"))
    stt = service(made, "fine", "deaf", timeout_s=DEADLINE_S)
    await loaded(stt, "deaf")
    first = await stt.transcribe(call("yes"), 8000)
    assert (first.engine, first.problem) == ("deaf", "fine: loading")
    go_on.touch()
    async with asyncio.timeout(40):
        while (await stt.transcribe(call("yes"), 8000)).text != "fine":
            pass


def test_what_there_is_is_listed_with_what_is_missing(made: list[SttService]) -> None:
    listed = {info.name: info for info in service(made, "fine", "phrases").engines()}
    assert listed["fine"].active and listed["fine"].available and not listed["fine"].loaded
    assert listed["phrases"].available and listed["phrases"].needs_phrases and not listed["phrases"].active
    assert not listed["whisper"].available and listed["whisper"].reason
    assert "broken" not in listed, "a file that can't be imported takes no other with it"


def test_a_name_that_is_no_engines_is_found_without_importing_any(made: list[SttService]) -> None:
    assert service(made, "fine", "phrases").unknown_engines() == []
    assert service(made, "auto", "deepspeech").unknown_engines() == ["deepspeech"]
    assert service(made, "remote").unknown_engines() == service(made, "none").unknown_engines() == []
