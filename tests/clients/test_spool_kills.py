"""kill -9 of the spool, at every line that places a file and at random moments of its work."""

import asyncio
import os
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from clients.spool.ledger import Ledger
from clients.spool.message_file import read_message
from clients.spool.placer import Placer
from tests.clients.spool_rig import Rig, rig

KILLS = 12
TRACED = ("clients/spool/placer.py", "clients/spool/ledger.py")


@pytest.fixture
async def spool() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield made


def run_and_die(work: Callable[[], object], line: int) -> bool:
    """Does the work in a process that dies by SIGKILL before its line-th line in the traced files; True if it did."""
    child = os.fork()
    if child == 0:
        left = line

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal left
            if not frame.f_code.co_filename.endswith(TRACED):
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def place_once(folder: Path, content: bytes, taken: list[bytes] | None = None) -> None:
    """What the spool does at its start and when the event comes again. taken: by a reader who removes what he reads."""
    ledger = Ledger(folder / "spool.db")
    placer = Placer(ledger, 0o644)
    placer.recover()
    if taken is not None:
        taken += [_take(path) for path in (folder / "incoming").glob("GSM1.*")]
    placer.place("in:1", content, folder / "incoming" / "GSM1.abcdef", source=folder / "source", argv=("RECEIVED", "x"))
    ledger.close()


def _take(path: Path) -> bytes:
    content = path.read_bytes()
    path.unlink()
    return content


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    """Memory where there is some: a kill is no loss of power, so that nothing is missed without a disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        yield Path(folder)


def test_a_kill_at_any_line_of_placing_leaves_one_whole_file_and_one_handler_run(fast_folder: Path) -> None:
    content = b"From: 1\n\n" + b"x" * 5000
    line = died = 0
    while True:
        line += 1
        folder = fast_folder / str(line)
        (folder / "incoming").mkdir(parents=True)
        (folder / "source").write_bytes(b"in checked")
        if not run_and_die(lambda folder=folder: place_once(folder, content), line):  # type: ignore[misc]
            break
        died += 1
        taken = [_take(path) for path in (folder / "incoming").glob("GSM1.*")]  # its reader was quick
        place_once(folder, content, taken)
        taken += [_take(path) for path in (folder / "incoming").glob("GSM1.*")]
        assert taken == [content], line
        assert not (folder / "source").exists()
        assert [path.name for path in (folder / "incoming").iterdir()] == [], line
        ledger = Ledger(folder / "spool.db")
        run = ledger.next_handler()
        assert run is not None and run.argv == ["RECEIVED", "x"] and ledger.next_handler() is None
        ledger.close()
    assert died > 40


@pytest.mark.timeout(240)
async def test_random_kills_send_each_file_once_and_lose_none(spool: Rig) -> None:
    rng = random.Random(1)
    await spool.running()
    for kill in range(KILLS):
        for number in range(4):
            spool.put(f"file{kill}_{number}", f"To: 37060000000\n\n{kill} {number}")
        spool.put(f"bad{kill}", "no header")
        await asyncio.sleep(rng.uniform(0.0, 0.08))
        await spool.kill()
        await spool.running()
    await spool.until(lambda: len(spool.files("sent")) == KILLS * 4 and len(spool.files("failed")) == KILLS)
    texts = [request["text"] for request in spool.messages.requests()]
    assert sorted(texts) == sorted(f"{kill} {number}" for kill in range(KILLS) for number in range(4))
    await spool.until(lambda: spool.files("outgoing") == spool.files("checked") == [])
    runs = [run[1] for run in spool.handler_runs()]
    assert len(runs) == len(set(runs))


@pytest.mark.timeout(240)
async def test_random_kills_make_each_received_message_one_file(spool: Rig) -> None:
    rng = random.Random(2)
    await spool.running()
    texts: list[str] = []
    taken: list[str] = []
    for kill in range(KILLS):
        for number in range(4):
            texts.append(f"{kill} {number}")
            spool.messages.receive(texts[-1])
        await asyncio.sleep(rng.uniform(0.0, 0.08))
        await spool.kill()
        taken += take_all(spool)
        await spool.running()
    await spool.until(lambda: len(taken) + len(spool.files("incoming")) >= len(texts))
    await spool.until(lambda: spool.core.acks["spool"] == len(spool.core.journal))
    taken += take_all(spool)
    assert sorted(taken) == sorted(texts)


def take_all(spool: Rig) -> list[str]:
    """What a station's own script does: reads the files and removes them."""
    return [read_message(_take(spool.spool / "incoming" / name)).body.decode() for name in spool.files("incoming")]


async def test_a_lost_ledger_sends_nothing_twice(spool: Rig) -> None:
    spool.messages.outcome = None
    await spool.running()
    spool.put("one", "To: 37060000000\n\nHello")
    await spool.until(lambda: spool.messages.kept)
    await spool.kill()
    for path in (spool.spool / ".dialtone").glob("spool.db*"):
        path.unlink()
    await spool.running()
    await spool.core.wait_asked("sms.send", times=2)
    spool.messages.become("sms_1", "sent")
    await spool.arrived("sent", "one")
    assert len(spool.messages.requests()) == 1


async def test_another_default_after_a_kill_does_not_change_what_was_asked(spool: Rig) -> None:
    spool.messages.outcome = None
    await spool.running()
    spool.core.handlers["sms.send"] = lambda params: asyncio.sleep(60)
    spool.put("one", "To: 37060000000\n\nHello")
    await spool.core.wait_asked("sms.send")
    await spool.kill()
    spool.core.handlers["sms.send"] = spool.messages.send
    await spool.running("request_report = true\nautosplit = 1")
    first, second = spool.core.asked("sms.send")[0], await spool.core.wait_asked("sms.send", times=2)
    assert first == second


async def test_files_left_in_checked_by_smsd_are_sent(spool: Rig) -> None:
    (spool.spool / "checked").mkdir(parents=True)
    (spool.spool / "checked/old").write_text("To: 37060000000\n\nfrom before")
    (spool.spool / "checked/gone.LOCK").write_text("1")
    await spool.running()
    await spool.arrived("sent", "old")
    assert spool.messages.requests() == [{"to": "+37060000000", "text": "from before"}]
    await spool.until(lambda: spool.files("checked") == [])


async def test_an_accepted_message_needs_its_included_file_no_more(spool: Rig) -> None:
    spool.messages.outcome = None
    include = spool.folder / "include"
    include.mkdir()
    (include / "text").write_text("\nincluded")
    await spool.running(f'include = ["{include}"]')
    spool.put("one", "To: 37060000000\nInclude: text\n\n")
    await spool.until(lambda: spool.messages.kept)
    await spool.kill()
    (include / "text").unlink()
    await spool.running()
    spool.messages.become("sms_1", "sent")
    await spool.arrived("sent", "one")


def test_a_file_like_one_that_was_sent_is_a_new_message(tmp_path: Path) -> None:
    """On file systems with coarse times and used inodes two files can look the same."""
    ledger = Ledger(tmp_path / "spool.db")
    placer = Placer(ledger, 0o644)
    refs = []
    for _ in range(3):
        job = ledger.open_job(b"name", "spool-1", "hash", {"to": "+1"})
        refs.append(job.ref)
        placer.place(f"job:{job.ref}", b"", tmp_path / "sent", ref=job.ref)
    assert refs == ["spool-1", "spool-1-2", "spool-1-3"]
    ledger.close()
