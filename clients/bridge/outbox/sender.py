"""Delivers the rows of one queue, one after the other: a later one never before an earlier one."""

import asyncio
import logging
import random
from typing import Protocol

from clients.bridge.outbox.backoff import Schedule
from clients.bridge.outbox.box import Outbox
from clients.bridge.outbox.rows import DeliveryFailed, Row
from clients.bridge.outbox.store import Store

MOMENT_GIVE_UP_S = 60.0
"""A moment that could not be told for so long interests nobody."""
FAILING_TRIES = 3
"""One request that is lost is no state worth telling."""

_log = logging.getLogger("dialtone.bridge")


class Channel(Protocol):
    """Where the rows of a queue go. deadline_s: of one delivery."""

    queue: str
    schedule: Schedule

    @property
    def deadline_s(self) -> float: ...

    async def deliver(self, row: Row) -> None:
        """DeliveryFailed. It may be cancelled at any time, and what it began may then come again."""
        ...


class Sender:
    """One queue and its channel."""

    def __init__(self, outbox: Outbox, channel: Channel) -> None:
        self._outbox = outbox
        self._channel = channel
        self._wake = outbox.waker(channel.queue)
        self._failed: tuple[int, int] | None = None
        self._not_before_s = 0.0
        self._hurried = False  # since the delivery that is going on began
        self.is_failing = False
        """It has failed more than by chance."""

    @property
    def queue(self) -> str:
        return self._channel.queue

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            row = await self._outbox.insist(Store.head, self._channel.queue)
            wait_s = None if row is None else self._wait_s(row)
            if row is not None and wait_s is not None and wait_s <= 0:
                await self._deliver(row)
            else:
                await self._sleep(wait_s)

    def hurry(self) -> None:
        """Whoever is there has just been heard of: what waits is tried now."""
        self._failed, self._hurried = None, True
        self._wake.set()

    def _wait_s(self, row: Row) -> float:
        """Until this row may be tried. One that was replayed meanwhile has another number of tries."""
        if self._failed != (row.id, row.tries):
            return 0.0
        return self._not_before_s - asyncio.get_running_loop().time()

    async def _sleep(self, wait_s: float | None) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _deliver(self, row: Row) -> None:
        started_s = asyncio.get_running_loop().time()
        self._hurried = False
        try:
            async with asyncio.timeout(self._channel.deadline_s):
                await self._channel.deliver(row)
        except TimeoutError:
            problem = DeliveryFailed(f"not ready within {self._channel.deadline_s:g} s")
        except DeliveryFailed as failed:
            problem = failed
        else:
            if self.is_failing:
                _log.info("%s: delivered again", self._channel.queue)
            self.is_failing, self._failed = False, None
            await self._outbox.insist(Store.delivered, row)
            return
        await self._again(row, problem, asyncio.get_running_loop().time() - started_s)

    async def _again(self, row: Row, problem: DeliveryFailed, took_s: float) -> None:
        schedule, failures = self._channel.schedule, row.tries + 1
        refusals = row.refusals + problem.refused
        wait_s = max(schedule.wait_s(failures, random.random()), problem.retry_after_s or 0.0)
        give_up = row.disposable and row.waited_s + took_s >= MOMENT_GIVE_UP_S
        self.is_failing = self.is_failing or failures >= FAILING_TRIES
        if give_up or schedule.is_over(failures, refusals, row.waited_s + took_s):
            _log.warning("%s: given up after %d tries: %s; row %d", self._channel.queue, failures, problem, row.id)
            await self._outbox.insist(Store.buried, row, str(problem))
            return
        if failures & (failures - 1) == 0:  # 1, 2, 4, 8 …: an hour without the VPS is a dozen lines
            text = "%s: not delivered: %s; try %d, the next in %.0f s"
            _log.warning(text, self._channel.queue, problem, failures, wait_s)
        await self._outbox.insist(Store.failed, row, str(problem), refused=problem.refused, waits_s=took_s + wait_s)
        if not self._hurried:  # else whoever is there was heard of after this try had begun
            self._failed = row.id, failures
            self._not_before_s = asyncio.get_running_loop().time() + wait_s
