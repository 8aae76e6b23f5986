"""Worker processes, with real engines in them: crashes, hangs, deadlines, cancellation, what they inherit."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from core.errors import EngineMissing, PublicError, TimedOut
from core.media import workers
from core.media.worker_child import Child
from core.media.worker_protocol import Open, Prepare, Transcribe
from core.media.workers import MAX_WAITING, WorkerHost
from tests.media.callers import PHRASES, call
from tests.media.tiny_whisper import write_model

FEW = PHRASES[:4]
STALL_S = 20.0
"""No machine stands still for so long; what hangs does so for ever."""
PATIENT_S = 90.0
"""For an engine that computes for a second, niced, on a machine with more to do."""


def _settings(engine: str = "phrases", model: str | None = None) -> Open:
    return Open(engine=engine, model=model, threads=1, threshold=None)


def _said(text: str, phrases: tuple[str, ...] = FEW) -> Callable[[int], Transcribe]:
    return lambda number: Transcribe(id=number, pcm=call(text), rate_hz=8000, language="en", phrases=phrases)


async def _until(condition: Callable[[], bool], limit_s: float = STALL_S) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - other processes set no events
            await asyncio.sleep(0.01)


def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The engine of each process that is started from now on."""
    told: list[str] = []
    start = Child.start

    def noted(settings: Open) -> Child:
        told.append(settings.engine)
        return start(settings)

    monkeypatch.setattr(Child, "start", noted)
    return told


@pytest.fixture
async def host() -> AsyncIterator[WorkerHost]:
    made = WorkerHost(_settings())
    yield made
    await made.close()


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[WorkerHost]:
    """An engine that computes for a second or so and can hardly be interrupted."""
    pytest.importorskip("pywhispercpp")
    made = WorkerHost(_settings("whisper", str(write_model(tmp_path / "slow.bin", "slow", state=256, layers=4))))
    yield made
    await made.close()


async def test_nothing_runs_before_the_first_request(host: WorkerHost) -> None:
    assert host.pid is None
    assert (await host.call(_said("yes"), 40)).text == "yes"
    assert host.pid is not None


async def test_the_worker_is_a_niced_fresh_process_without_files_of_core(host: WorkerHost, tmp_path: Path) -> None:
    with socket.socket() as listening, (tmp_path / "open").open("w"):
        listening.bind(("127.0.0.1", 0))
        os.set_inheritable(listening.fileno(), True)
        await host.call(_said("yes"), 40)
        process = Path(f"/proc/{host.pid}")
        targets = [os.readlink(link) for link in (process / "fd").iterdir()]
    assert len([target for target in targets if target.startswith("socket:")]) == 1
    assert not [target for target in targets if str(tmp_path) in target]
    assert [target for target in targets if target == "/dev/null"]
    assert int((process / "stat").read_text().rpartition(")")[2].split()[16]) == 10
    assert "worker_main" in (process / "cmdline").read_text()


async def test_memory_is_bounded_and_the_kernel_takes_the_worker_before_the_core() -> None:
    host = WorkerHost(Open(engine="phrases", model=None, threads=1, threshold=None, memory_bytes=3 << 30))
    await host.call(_said("yes"), 40)
    limits, score = (_proc(host, name) for name in ("limits", "oom_score_adj"))
    assert f"Max address space         {3 << 30}" in limits and int(score) == 500
    await host.close()


def _proc(host: WorkerHost, name: str) -> str:
    return Path(f"/proc/{host.pid}/{name}").read_text()


async def test_an_engine_that_is_warmed_is_there_before_the_first_request(host: WorkerHost) -> None:
    host.warm()
    await _until(lambda: host.loaded)
    warmed = host.pid
    host.warm()
    assert (await host.call(_said("yes"), 40)).text == "yes"
    assert host.pid == warmed


async def test_a_killed_worker_is_started_again(host: WorkerHost) -> None:
    await host.call(_said("yes"), 40)
    first = host.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with pytest.raises(PublicError) as failed:
        await host.call(_said("no"), 40)
    assert failed.value.kind == "internal"
    assert (await host.call(_said("no"), 40)).text == "no"
    assert host.pid not in (None, first)


async def test_a_hanging_worker_is_killed_at_the_deadline(host: WorkerHost) -> None:
    await host.call(_said("yes"), 40)
    first = host.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    started_s = time.monotonic()
    with pytest.raises(TimedOut):
        await host.call(_said("yes"), 2.0)
    assert time.monotonic() - started_s < STALL_S
    await _until(lambda: not _alive(first))
    assert (await host.call(_said("yes"), 40)).text == "yes"


async def test_more_requests_than_fit_wait_and_time_out(host: WorkerHost) -> None:
    await host.call(_said("yes"), 40)
    assert host.pid is not None
    os.kill(host.pid, signal.SIGSTOP)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(_outcome(host.call(_said("yes"), 1.0))) for _ in range(MAX_WAITING + 3)]
        started_s = time.monotonic()
    assert [task.result() for task in waiting] == [TimedOut] * len(waiting)
    assert time.monotonic() - started_s < STALL_S


async def test_requests_are_answered_in_turn_while_the_loop_goes_on(host: WorkerHost) -> None:
    await host.call(_said("yes"), 40)
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.002)
            turns += 1

    async with asyncio.TaskGroup() as tasks:
        watcher = tasks.create_task(watch())
        said = [tasks.create_task(host.call(_said(phrase), 40)) for phrase in FEW * 3]
        for task, phrase in zip(said, FEW * 3, strict=True):
            assert (await task).text == phrase
        watcher.cancel()
    assert turns > 5  # some in each request; a loop that waits for an answer has one


@pytest.mark.timeout(300)
async def test_a_cancelled_request_stops_the_engine_and_the_next_is_answered(slow: WorkerHost) -> None:
    assert (await slow.call(_said("hello"), PATIENT_S)).text == "slow"
    first = slow.pid
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(slow.call(_said("hello"), PATIENT_S))
        await asyncio.sleep(0.05)
        asked.cancel()
    assert (await slow.call(_said("hello"), PATIENT_S)).text == "slow"
    assert slow.pid == first


@pytest.mark.timeout(300)
async def test_an_engine_too_slow_for_its_deadline_does_not_hold_the_caller(slow: WorkerHost) -> None:
    await slow.call(_said("hello"), PATIENT_S)
    started_s = time.monotonic()
    with pytest.raises(TimedOut):
        await slow.call(_said("hello"), 0.2)
    assert time.monotonic() - started_s < STALL_S
    assert (await slow.call(_said("hello"), PATIENT_S)).text == "slow"


async def test_a_file_that_is_no_model_is_an_engine_missing_and_not_tried_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pywhispercpp")
    monkeypatch.setattr(workers, "BACKOFF_S", (60.0, 60.0))
    tried = starts(monkeypatch)
    (tmp_path / "bad.bin").write_bytes(b"no model at all" * 100)
    host = WorkerHost(_settings("whisper", str(tmp_path / "bad.bin")))
    with pytest.raises(EngineMissing):
        await host.call(_said("hello"), 30)
    with pytest.raises(EngineMissing):
        await host.call(_said("hello"), 30)
    assert tried == ["whisper"]
    await host.close()


async def test_posted_work_makes_way_for_a_request(host: WorkerHost) -> None:
    await host.call(_said("yes"), 40)
    many = tuple(f"phrase number {number} of a long list" for number in range(200))
    assert not await host.post(lambda number: Prepare(id=number, phrases=many, language="en"), 0.05, 60)
    started_s = time.monotonic()
    assert (await host.call(_said("yes"), 40)).text == "yes"
    assert time.monotonic() - started_s < 8, "all of them take more than ten seconds"


async def test_posted_work_is_waited_for_when_it_is_quick(host: WorkerHost) -> None:
    assert await host.post(lambda number: Prepare(id=number, phrases=FEW, language="en"), 20, 60)


async def test_closing_ends_the_process_and_what_waits(host: WorkerHost) -> None:
    await host.call(_said("yes"), 40)
    pid = host.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(_outcome(host.call(_said("yes"), 40))) for _ in range(2)]
        await asyncio.sleep(0.05)
        started_s = time.monotonic()
        await host.close()
    assert time.monotonic() - started_s < STALL_S
    assert not _alive(pid)
    assert all(issubclass(task.result(), PublicError) for task in asked)
    assert (await host.call(_said("yes"), 40)).text == "yes"


async def test_a_worker_dies_with_its_core() -> None:
    program = """
import asyncio
from core.config import SttConfig
from core.media.stt import SttService
async def main():
    service = SttService(SttConfig(engine="phrases"))
    await service.prepare(("yes",), "en")
    print(service.worker_pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    async with asyncio.timeout(40):
        worker = int(await parent.stdout.readline())
    assert _alive(worker)
    parent.kill()
    await parent.wait()
    await _until(lambda: not _alive(worker))


def _alive(pid: int) -> bool:
    """A zombie isn't: in a container the first process may not reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def _outcome(request: Awaitable[object]) -> type[BaseException]:
    try:
        await request
    except PublicError as problem:
        return type(problem)
    raise AssertionError("it was answered")
