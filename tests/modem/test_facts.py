"""The queue of a line's facts: order, its bound, and what goes when nobody reads."""

import asyncio

from core.line import CallState, LineEvent, LineIncoming, LineProgress, LineReleased, LineRing, LineSignal
from core.line import EndReason as Reason
from core.modem.facts import FactQueue


async def _all(queue: FactQueue[LineEvent], count: int) -> list[LineEvent]:
    async with asyncio.timeout(15):
        return [await queue.get() for _ in range(count)]


async def test_facts_come_in_the_order_they_were_put() -> None:
    queue = FactQueue[LineEvent]("sim")
    facts: list[LineEvent] = [LineIncoming(1, None), LineRing(1, 1), LineReleased(1, Reason.MISSED)]
    for fact in facts:
        queue.put(fact)
    assert await _all(queue, 3) == facts


async def test_a_reader_that_waits_gets_the_next_fact() -> None:
    queue = FactQueue[LineEvent]("sim")
    async with asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(queue.get())
        await asyncio.sleep(0)
        queue.put(LineSignal(-70))
    assert reader.result() == LineSignal(-70)


async def test_rings_and_signals_make_room_for_the_facts_of_calls() -> None:
    queue = FactQueue[LineEvent]("sim", limit=4)
    queue.put(LineIncoming(1, None))
    queue.put(LineRing(1, 1))
    queue.put(LineSignal(-70))
    queue.put(LineRing(1, 2))
    queue.put(LineProgress(1, CallState.ACTIVE))
    assert await _all(queue, 2) == [LineIncoming(1, None), LineProgress(1, CallState.ACTIVE)]


async def test_with_nobody_reading_the_newest_facts_are_kept() -> None:
    queue = FactQueue[LineEvent]("sim", limit=3)
    for handle in range(10):
        queue.put(LineReleased(handle, Reason.MISSED))
    assert await _all(queue, 3) == [LineReleased(handle, Reason.MISSED) for handle in (7, 8, 9)]
