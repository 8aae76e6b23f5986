"""A bearer that is cancelled or killed at any moment leaves nothing in the modem that the next step can't give back."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from core.net.types import DataAccess
from tests.net.qmi_desk import NO_QMICLI, QmiDesk, be_patient, qmi_desk

ACCESS = DataAccess("internet")
KILLS = 24


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[QmiDesk]:
    async with qmi_desk(tmp_path, real=NO_QMICLI is None) as made:
        yield made


async def _becomes_clean(desk: QmiDesk, text: str) -> None:
    await _becomes(desk.is_clean, f"something is left {text}")


async def _becomes(done: Callable[[], bool], text: str) -> None:
    """The last word of a qmicli that was ended, the release of its id, may reach the modem after its end."""
    try:
        async with asyncio.timeout(20):
            while not done():  # noqa: ASYNC110 - a thread's and other processes' doing
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(text) from None


class CancelledAt(Awaitable[bool]):
    """Runs a coroutine and cancels its task when it waits for the `at`-th time. True: it came to that."""

    def __init__(self, work: Coroutine[Any, Any, object], at: int) -> None:
        self._work = work
        self._at = at

    def __await__(self) -> Generator[Any, None, bool]:
        steps = self._work.__await__()
        waits = count()
        cancelled = False
        try:
            future = next(steps)
            while True:
                if next(waits) == self._at:
                    task = asyncio.current_task()
                    assert task is not None
                    task.cancel()
                    cancelled = True
                try:
                    yield future
                except BaseException as thrown:
                    future = steps.throw(thrown)
                else:
                    future = next(steps)
        except StopIteration:
            return cancelled
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            return True


async def test_up_that_is_cancelled_where_it_waits_leaves_nothing_that_down_does_not_take_back(desk: QmiDesk) -> None:
    for at in count():
        bearer = desk.bearer()
        cancelled = await CancelledAt(bearer.up(ACCESS), at)
        await bearer.down()
        await _becomes_clean(desk, f"cancelled at its wait {at}")
        if not cancelled:
            break
    assert at >= 8
    assert desk.peer.syncs == 0


async def test_up_that_is_cancelled_leaves_nothing_that_the_next_up_does_not_take_back(desk: QmiDesk) -> None:
    bearer = desk.bearer()
    for at in count():
        if not await CancelledAt(bearer.up(ACCESS), at):
            break
        await _becomes(lambda: len(desk.peer.clients) <= 1, f"ids are left, cancelled at its wait {at}")
    await bearer.down()
    await _becomes_clean(desk, "")


async def test_down_that_is_cancelled_is_done_by_the_next_one(desk: QmiDesk) -> None:
    for at in count():
        bearer = desk.bearer()
        await bearer.up(ACCESS)
        cancelled = await CancelledAt(bearer.down(), at)
        await bearer.down()
        await _becomes_clean(desk, f"cancelled at its wait {at}")
        if not cancelled:
            break
    assert at > 3


@pytest.mark.timeout(240)
@pytest.mark.parametrize("part", range(2))
async def test_a_kill_at_any_moment_leaves_no_id_that_the_next_life_does_not_release(desk: QmiDesk, part: int) -> None:
    """Killed at times spread over the whole of `up`; a qmicli that goes on alone ends, and its id is found."""
    words = (str(desk.tree.folder), str(desk.helper.socket), str(desk.state), desk.peer.program)
    for kill in range(KILLS // 2):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.net.bearer_process", *words, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"begin\n"
        await asyncio.sleep((2 * kill + part) * 0.003)
        process.send_signal(signal.SIGKILL)
        await process.communicate()
        assert len(desk.peer.clients) <= 1
        await desk.bearer().down()
        await _becomes(lambda: not desk.peer.clients, f"an id is left of kill {kill}")
        assert not (desk.state / "net/qmi.json").exists()
    assert desk.peer.syncs == 0
