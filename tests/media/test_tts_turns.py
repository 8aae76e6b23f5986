"""Whose sentence is made next, and what is made ahead gives way."""

import asyncio
import importlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import TtsConfig
from core.errors import LimitExceeded
from core.media import engines
from core.media.engines import tts_engines
from core.media.tts import PREFETCH_MAX, Ask, Priority, TtsService, collect
from core.media.tts_turns import Turns
from tests.media.engine_folder import engine_folder
from tests.media.tone_engine import CHAR_MS, SOURCES, ToneEngine, heard

LOW_ONLY = TtsConfig(engine="low", fallback=())


@pytest.fixture
def tones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with engine_folder(tmp_path, monkeypatch, **SOURCES):
        yield


def asked() -> list[str]:
    engine = tts_engines()["low"]
    assert isinstance(engine, ToneEngine)
    return [sentence.text for sentence in engine.asked]


async def until_asked(*texts: str) -> None:
    async with asyncio.timeout(30):
        while True:
            if all(text in asked() for text in texts):
                return
            await asyncio.sleep(0.005)


@settings(max_examples=60, deadline=None)
@given(
    places=st.integers(1, 3),
    wishes=st.lists(st.tuples(st.integers(-1, 1), st.booleans()), min_size=1, max_size=12),
)
def test_turns_go_by_priority_then_by_arrival_and_no_place_is_lost(places: int, wishes: list[tuple[int, bool]]) -> None:
    """Some who wait are cancelled (True)."""

    async def play() -> tuple[list[tuple[int, int]], int]:
        turns, order, most = Turns(places), [], 0
        holding = 0
        gate = asyncio.Event()

        async def one(priority: int, number: int) -> None:
            nonlocal holding, most
            mine = await turns.take(priority)
            try:
                order.append((-priority, number))
                holding += 1
                most = max(most, holding)
                await gate.wait()
            finally:
                holding -= 1
                turns.leave(mine)

        async with asyncio.TaskGroup() as group:
            blockers = [group.create_task(one(1, -number)) for number in range(places, 0, -1)]
            await asyncio.sleep(0)
            tasks = []
            for number, (priority, _) in enumerate(wishes):
                tasks.append(group.create_task(one(priority, number)))
                await asyncio.sleep(0)
            for task, (_, cancelled) in zip(tasks, wishes, strict=True):
                if cancelled:
                    task.cancel()
            await asyncio.sleep(0)
            gate.set()
            del blockers
        async with asyncio.timeout(30):
            await turns.take(-1)  # a place is free again
            assert turns.waiting == 0
        return order[places:], most

    order, most = asyncio.run(play())
    assert len(order) == sum(not cancelled for _, cancelled in wishes)
    assert all(before <= after for before, after in pairwise(order)) and most <= places


@pytest.mark.parametrize("holder_first", [True, False])
async def test_no_place_is_lost_when_all_texts_of_a_call_end_at_once(holder_first: bool) -> None:
    """As at a hang-up: who waits is cancelled, and has not noticed yet, when the place becomes free."""
    turns = Turns(1)
    mine = await turns.take(0)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(turns.take(0)) for _ in range(3)]
        await asyncio.sleep(0)
        assert turns.waiting == 3
        if holder_first:
            turns.leave(mine)
        for task in waiting:
            task.cancel()
        if not holder_first:
            turns.leave(mine)
    async with asyncio.timeout(30):
        turns.leave(await turns.take(0))


@pytest.mark.usefixtures("tones")
async def test_a_high_text_is_made_before_those_that_wait() -> None:
    service = TtsService(LOW_ONLY)
    await service.start()
    slow = {"low": "slow"}
    streams = [service.stream("The first of them all.", rate_hz=8000, style=slow)]
    await until_asked("The first of them all.")
    for text, priority in (("Low.", -1), ("Normal.", 0), ("High.", 1), ("Normal too.", 0)):
        streams.append(service.stream(text, rate_hz=8000, priority=priority))
    for stream in streams:
        await collect(stream)
    assert asked() == ["The first of them all.", "High.", "Normal.", "Normal too.", "Low."]
    await service.close()


@pytest.mark.usefixtures("tones")
async def test_a_text_made_ahead_gives_way_in_mid_sentence_and_is_made_again_as_a_whole() -> None:
    service = TtsService(LOW_ONLY)
    await service.start()
    ahead = "This sentence is made ahead, slowly, while nobody waits for it."
    ask = Ask(ahead, 8000, style={"low": "slow"})
    assert await service.prefetch([ask]) == 0
    await until_asked(ahead)
    await asyncio.sleep(0.15)
    pcm, _ = await collect(service.stream("A caller waits for this.", rate_hz=8000))
    assert heard(pcm)["low"] > 0
    assert asked() == [ahead, "A caller waits for this."], "it did not wait for the other's end"
    async with asyncio.timeout(30):
        while await service.prefetch([ask]) == 0:  # noqa: ASYNC110 - it is what a client would do
            await asyncio.sleep(0.05)
    assert asked() == [ahead, "A caller waits for this.", ahead]
    pcm, _ = await collect(service.stream(ahead, rate_hz=8000, style={"low": "slow"}))
    assert heard(pcm)["low"] == pytest.approx(len(ahead) * CHAR_MS, abs=40), "the part of before is not in it"
    await service.close()


@pytest.mark.usefixtures("tones")
async def test_what_a_caller_already_hears_does_not_give_way() -> None:
    service = TtsService(LOW_ONLY)
    await service.start()
    text = "A text of low priority that somebody hears."
    low = service.stream(text, rate_hz=8000, style={"low": "slow"}, priority=Priority.LOW)
    await anext(low)
    high = service.stream("Quick now.", rate_hz=8000, priority=Priority.HIGH)
    await collect(high)
    await collect(low)
    assert asked() == [text, "Quick now."], "not begun again"
    await service.close()


@pytest.mark.usefixtures("tones")
async def test_a_cancelled_text_stops_its_engine_and_lets_the_next_go_on() -> None:
    service = TtsService(LOW_ONLY)
    await service.start()
    stream = service.stream("This would take a very long time to say.", rate_hz=8000, style={"low": "hang||100"})
    await anext(stream)
    await stream.close()
    async with asyncio.timeout(30):
        assert heard((await collect(service.stream("The next.", rate_hz=8000)))[0])["low"] > 0
    engine = tts_engines()["low"]
    assert isinstance(engine, ToneEngine) and engine.ended == 2
    await service.close()


@pytest.mark.usefixtures("tones")
async def test_the_list_of_texts_to_be_made_ahead_is_bounded_and_knows_doubles() -> None:
    service = TtsService(LOW_ONLY)
    await service.start()
    asks = [Ask(f"Text number {number}.", 8000, style={"low": "hang"}) for number in range(PREFETCH_MAX)]
    assert await service.prefetch(asks) == 0
    assert await service.prefetch(asks) == 0
    with pytest.raises(LimitExceeded):
        await service.prefetch([Ask("One more.", 8000)])
    await service.close()


GATED = """
import asyncio
from core.media.engines import EnginePiece, Failure, SpeechFailed
from tests.media.tone_engine import ToneEngine

GATE = asyncio.Event()

class Gated(ToneEngine):
    async def speak(self, sentence, keys):
        self.asked.append(sentence)
        yield self._piece(sentence, 0, 500, None)
        if "second" in sentence.text:
            await GATE.wait()
            raise SpeechFailed(Failure.UNREACHABLE)

ENGINE = Gated("gated", 500, 8000)
"""


async def test_a_sentence_that_fails_while_it_gives_way_takes_nothing_of_those_before_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine_folder(tmp_path, monkeypatch, gated=GATED, **SOURCES):
        service = TtsService(TtsConfig(engine="gated", fallback=("high",)))
        await service.start()
        low = service.stream("Here is the first. Here is the second.", rate_hz=8000, priority=Priority.LOW)
        async with asyncio.timeout(30):
            while low.unread_pieces < 6:  # noqa: ASYNC110 - both have begun
                await asyncio.sleep(0.01)
        gate = importlib.import_module(f"{engines.__name__}.gated").GATE
        asyncio.get_running_loop().call_soon(gate.set)  # the engine fails just when it is asked to give way
        urgent = service.stream("Now.", rate_hz=8000, priority=Priority.HIGH)
        await collect(urgent)
        pcm, _ = await collect(low)
        assert heard(pcm)["low"] == pytest.approx(500, abs=40), "the whole first sentence, nothing of the second"
        assert heard(pcm)["high"] > 300
        await service.close()
