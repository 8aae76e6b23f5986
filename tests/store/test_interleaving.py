"""The law of the journal: however writes are mixed, numbers grow by one, and disk and bus tell the same story."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from core.bus import CAUSE, Cause
from core.store.store import Store, Tx
from tests.store.conftest import published, raised


@dataclass(frozen=True)
class Step:
    facts: int
    fails: bool
    cancelled: bool
    turns_before: int
    """Turns of the event loop between the write before and this one."""


steps = st.builds(Step, st.integers(0, 3), st.booleans(), st.booleans(), st.integers(0, 3))


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, max_size=25))
def test_any_mix_of_writes_gives_growing_numbers_in_the_order_of_the_bus(mix: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(check(Path(directory) / "dialtone.db", mix))


async def check(path: Path, mix: list[Step]) -> None:
    store = await Store.open(path)
    answers: dict[int, list[int]] = {}
    causes = [Cause() for _ in mix]

    async def write(index: int, step: Step) -> None:
        def work(tx: Tx) -> list[int]:
            seqs = [tx.fact(raised(f"{index}.{part}")) for part in range(step.facts)]
            if step.fails:
                raise LookupError
            return seqs

        CAUSE.set(causes[index])
        try:
            answers[index] = await store.write(work)
        except LookupError:
            assert step.fails
        assert causes[index].seqs == answers.get(index, [])

    async with asyncio.TaskGroup() as group:
        for index, step in enumerate(mix):
            for _ in range(step.turns_before):
                await asyncio.sleep(0)
            task = group.create_task(write(index, step))
            await asyncio.sleep(0)  # it has called write now
            if step.cancelled:
                task.cancel()
    await store.close()

    expected = [f"{index}.{part}" for index, step in enumerate(mix) if not step.fails for part in range(step.facts)]
    assert published(store) == list(enumerate(expected, 1)), "in the order of the calls, cancelled or not"
    again = await Store.open(path)
    assert [(found.seq, found.params["alarm"]) for found in await again.facts(0)] == published(store)
    assert again.head_seq == store.head_seq == len(expected)
    await again.close()
    for index, step in enumerate(mix):
        assert len(causes[index].seqs) == (0 if step.fails else step.facts)
