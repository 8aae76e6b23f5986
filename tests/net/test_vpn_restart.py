"""wg-quick restarted through systemd, on a private system bus with systemd's stand-in."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.net.system_bus import SystemBus
from core.net.systemd_unit import SystemdUnit, UnitFailed
from tests.net import systemd_bus

pytestmark = systemd_bus.needs_bus
UNIT = "wg-quick@wg0.service"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[systemd_bus.SystemdBus]:
    with systemd_bus.systemd_bus(tmp_path / "bus") as bus:
        yield bus


@asynccontextmanager
async def unit(systemd: systemd_bus.SystemdBus, name: str = UNIT) -> AsyncIterator[SystemdUnit]:
    bus = SystemBus(systemd.address)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(bus.run())
        try:
            yield SystemdUnit(bus, name)
        finally:
            running.cancel()


async def test_a_restart_ends_when_systemd_says_that_its_job_is_done(tmp_path: Path) -> None:
    slow = ["sh", "-c", f"sleep 0.5; echo done >>{tmp_path}/ran"]
    with systemd_bus.systemd_bus(tmp_path / "bus", command=slow) as systemd:
        async with unit(systemd) as ours:
            await ours.restart()
            assert (tmp_path / "ran").read_text() == "done\n"
            await ours.restart()
    assert [name for _, name in systemd.restarts()] == [UNIT, UNIT]


async def test_two_units_at_once_each_wait_for_their_own_job(systemd: systemd_bus.SystemdBus) -> None:
    async with unit(systemd) as ours, unit(systemd, "wg-quick@wg1.service") as other, asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(ours.restart(40))
            group.create_task(other.restart(40))
    assert len(systemd.restarts()) == 10


@pytest.mark.parametrize("result", ["failed", "canceled", "timeout", "dependency", "skipped"])
async def test_a_job_that_was_not_done_is_a_failure_and_not_tried_in_another_way(
    systemd: systemd_bus.SystemdBus, result: str
) -> None:
    systemd.answer(result)
    async with unit(systemd) as ours:
        with pytest.raises(UnitFailed, match=f"could not restart {UNIT}: {result}") as problem:
            await ours.restart()
    assert not problem.value.elsewhere


@pytest.mark.parametrize("answer", ["refused", "denied", "unknown"])
async def test_what_polkit_refuses_may_be_done_in_another_way(systemd: systemd_bus.SystemdBus, answer: str) -> None:
    systemd.answer(answer)
    async with unit(systemd) as ours:
        with pytest.raises(UnitFailed, match=UNIT) as problem:
            await ours.restart()
    assert problem.value.elsewhere
    assert "org.freedesktop" not in problem.value.text


async def test_a_job_that_never_ends_is_waited_for_no_longer_than_said(systemd: systemd_bus.SystemdBus) -> None:
    systemd.answer("never")
    async with unit(systemd) as ours:
        began_s = time.monotonic()
        with pytest.raises(UnitFailed, match=r"within 0\.5 s") as problem:
            await ours.restart(0.5)
        assert time.monotonic() - began_s < 20  # and not for the 30 s that it has otherwise
        assert not problem.value.elsewhere
        systemd.answer(None)
        await ours.restart()


async def test_a_bus_without_systemd_and_no_bus_at_all_are_told_so(tmp_path: Path) -> None:
    with systemd_bus.systemd_bus(tmp_path / "bus", systemd=False) as systemd:
        async with unit(systemd) as ours:
            with pytest.raises(UnitFailed) as problem:
                await ours.restart()
            assert problem.value.elsewhere
    async with unit(systemd) as ours:
        with pytest.raises(UnitFailed) as problem:
            await ours.restart()
        assert problem.value.elsewhere
        with pytest.raises(UnitFailed):
            await ours.active_state()


async def test_it_is_known_whether_somebody_stopped_the_unit_or_it_failed(systemd: systemd_bus.SystemdBus) -> None:
    async with unit(systemd) as ours:
        assert await ours.active_state() == "inactive"
        for state in ("active", "failed", "inactive"):
            systemd.set_active(UNIT, state)
            assert await ours.active_state() == state
