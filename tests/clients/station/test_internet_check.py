"""The old signal file: what it makes the core do, and that nothing in a world-writable directory makes it do more."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.station.internet_check import MOST_CHARS, NO_REASON, SignalFile, reason_in
from tests.clients.tiny_core import Json, TinyCore
from tests.station_units.unit_file import BIN, ROOT, TEST_UID, unprivileged


@pytest.fixture
def folder() -> Iterator[Path]:
    """As /tmp: anyone may write, only owners may remove. Short, since sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="dts") as name:
        path = Path(name)
        path.chmod(0o1777)
        yield path


def _written(path: Path, text: str = "incoming call\n") -> None:
    path.write_text(text)


def test_a_file_counts_once_and_is_gone(folder: Path) -> None:
    file = SignalFile(folder / "signal")
    now_s = time.clock_gettime(time.CLOCK_REALTIME)
    assert file.take(now_s) is None
    _written(file.path)
    found = file.take(now_s)
    assert found is not None and found.reason == "incoming call" and found.age_s < 60
    assert not file.path.exists() and file.take(now_s) is None


@pytest.mark.parametrize("make", ["link", "dangling", "pipe", "folder", "socket"])
def test_what_is_no_regular_file_is_neither_read_nor_followed_nor_removed(folder: Path, make: str) -> None:
    path = folder / "signal"
    target = folder / "target"
    target.write_text("not for you")
    makers: dict[str, Callable[[], object]] = {
        "link": lambda: path.symlink_to(target),
        "dangling": lambda: path.symlink_to(folder / "nothing"),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "socket": lambda: os.mknod(path, 0o140666),
    }
    makers[make]()
    assert SignalFile(path).take(0.0) is None
    assert os.path.lexists(path) and target.read_text() == "not for you"
    assert not (folder / "nothing").exists()


def test_a_directory_that_is_a_link_or_gone_is_survived(folder: Path) -> None:
    assert SignalFile(folder / "no" / "signal").take(0.0) is None


@given(st.binary(max_size=3000))
def test_whatever_is_written_one_short_printable_line_comes_of_it(content: bytes) -> None:
    reason = reason_in(content)
    assert 0 < len(reason) <= MOST_CHARS and reason.isprintable() and reason == " ".join(reason.split())


def test_a_huge_file_is_read_in_part_and_an_empty_one_has_a_reason_of_ours(folder: Path) -> None:
    file = SignalFile(folder / "signal")
    with file.path.open("wb") as made:
        made.truncate(1 << 34)
    huge = file.take(0.0)
    assert huge is not None and huge.reason == NO_REASON
    file.path.touch()
    empty = file.take(0.0)
    assert empty is not None and empty.reason == NO_REASON


DEADLINE_S = 30.0
TAKER = """
import sys
from pathlib import Path
from clients.station.internet_check import SignalFile
file = SignalFile(Path(sys.argv[1]))
print("ready", flush=True)
for _ in sys.stdin:
    found = file.take(0.0)
    print(found.reason if found is not None else "-", flush=True)
"""


@pytest.mark.skipif(not unprivileged(), reason="only root can be two users")
def test_somebody_else_s_file_that_can_not_be_removed_counts_once_each_time_it_is_written(folder: Path) -> None:
    path = folder / "signal"
    command = [*unprivileged(), sys.executable, "-c", TAKER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as taker:
        assert taker.stdin is not None and taker.stdout is not None

        def take() -> str:
            assert taker.stdin is not None and taker.stdout is not None
            print("take", file=taker.stdin, flush=True)
            return taker.stdout.readline().strip()

        assert taker.stdout.readline() == "ready\n"
        _written(path, "first")  # root's
        path.chmod(0o644)
        assert [take(), take()] == ["first", "-"] and path.exists()
        _written(path, "second")
        os.utime(path, ns=(1, 1))
        assert [take(), take()] == ["second", "-"]
        path.chmod(0o600)
        os.utime(path, ns=(2, 2))
        assert [take(), take()] == [NO_REASON, "-"]  # kept to himself; the wish counts all the same
        path.unlink()
        _written(path, "own")
        os.chown(path, TEST_UID, TEST_UID)
        assert take() == "own" and not path.exists()
        taker.stdin.close()


@asynccontextmanager
async def _watching(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    command = [
        str(BIN / "dialtone"),
        "net",
        "watch-file",
        "--file",
        str(folder / "signal"),
        "--socket",
        str(folder / "s"),
    ]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, cwd=ROOT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 0
        assert process.stderr is not None
        await process.stderr.read()


async def _until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not there():  # noqa: ASYNC110 - another process acts
            await asyncio.sleep(0.01)


def _put(path: Path, text: str) -> None:
    """Whole at once: nobody reads it before its words are in it."""
    aside = path.with_name("aside")
    aside.write_text(text)
    aside.rename(path)


def _core(folder: Path) -> TinyCore:
    def check(params: Json) -> Json:
        return {"verdict": "ok", "state": "primary"}

    return TinyCore(folder / "s", handlers={"net.check": check})


def _checks(core: TinyCore) -> list[str]:
    return [params["reason"] for method, params in core.requests if method == "net.check"]


async def test_the_core_is_asked_as_soon_as_the_file_is_there(folder: Path) -> None:
    _written(folder / "signal", "left by a script")
    async with _core(folder) as core, _watching(folder):
        await _until(lambda: _checks(core) == ["left by a script"])
        (folder / "new").write_text("RING")
        (folder / "new").rename(folder / "signal")
        await _until(lambda: _checks(core)[1:] == ["RING"])
        assert not (folder / "signal").exists()
        script = await asyncio.create_subprocess_exec("sh", "-c", f"echo call > {folder}/signal")
        assert await script.wait() == 0
        await _until(lambda: _checks(core)[2:] == ["call"])


async def test_a_script_that_writes_all_the_time_makes_one_request_a_second(folder: Path) -> None:
    async with _core(folder) as core, _watching(folder):
        began_s = time.monotonic()
        for number in range(200):
            _written(folder / "signal", f"{number}")
            await asyncio.sleep(0.01)
        await _until(lambda: not (folder / "signal").exists() and bool(_checks(core)))
        assert len(_checks(core)) <= 2 + (time.monotonic() - began_s)


async def test_a_core_that_is_away_is_asked_when_it_is_back_and_other_files_are_nothing_to_it(folder: Path) -> None:
    async with _watching(folder) as process:
        _written(folder / "other")
        _put(folder / "signal", "while it was away")
        await _until(lambda: not (folder / "signal").exists())
        async with _core(folder) as core:
            await _until(lambda: _checks(core) == ["while it was away"])
        assert process.returncode is None and (folder / "other").exists()


async def test_what_is_old_is_cleared_away_and_not_acted_on(folder: Path) -> None:
    _written(folder / "signal", "of yesterday")
    os.utime(folder / "signal", (1_000_000_000, 1_000_000_000))
    async with _core(folder) as core, _watching(folder):
        await _until(lambda: not (folder / "signal").exists())
        _put(folder / "signal", "of now")
        await _until(lambda: _checks(core) == ["of now"])


async def test_a_flood_of_old_files_and_odd_names_fills_no_log_and_the_next_call_is_heard(folder: Path) -> None:
    """Anyone can put these into /tmp, thousands a second."""
    async with _core(folder) as core, _watching(folder) as process:
        _put(folder / "signal", "first")
        await _until(lambda: _checks(core) == ["first"])
        began_s = time.monotonic()
        for number in range(500):
            _written(folder / "old", f"{number}")
            os.utime(folder / "old", (1_000_000_000, 1_000_000_000))
            (folder / "old").rename(folder / "signal")
            _written(folder / os.fsdecode(b"\xff\xfe\n"), "odd")
            await asyncio.sleep(0.005)
        await _until(lambda: not (folder / "signal").exists())
        _put(folder / "signal", "last")
        await _until(lambda: _checks(core)[1:] == ["last"])
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        lines = (await process.stderr.read()).decode().splitlines()
        await process.wait()
        told = [line for line in lines if "not acted on" in line]
        assert len(told) <= 2 + (time.monotonic() - began_s), "one a second"


async def test_a_folder_that_goes_and_comes_is_watched_again(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    command = [
        str(BIN / "dialtone"),
        "net",
        "watch-file",
        "--file",
        str(inner / "signal"),
        "--socket",
        str(folder / "s"),
    ]
    async with _core(folder) as core:
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL, cwd=ROOT)
        try:
            _put(inner / "signal", "one")
            await _until(lambda: _checks(core) == ["one"])
            inner.rename(folder / "away")
            (folder / "away/signal").symlink_to("/etc/passwd")
            await asyncio.sleep(0.1)
            inner.mkdir()
            _put(inner / "signal", "two")
            await _until(lambda: _checks(core)[1:] == ["two"])
        finally:
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
