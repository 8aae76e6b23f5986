"""What was acknowledged is there after kill -9, and no number is given twice."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from core.store.store import Store
from tests.store.conftest import fact

REPOSITORY = Path(__file__).parents[2]


async def killed_after(path: Path, lines: int) -> dict[int, str]:
    """Starts a writing process, kills it when it has acknowledged so many facts; gives all that it acknowledged."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.writer_process", str(path), stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    assert process.stdout is not None
    said: list[bytes] = []
    try:
        async with asyncio.timeout(50):
            assert await process.stdout.readline() == b"open\n"
            while len(said) < lines:
                said.append(await process.stdout.readline())
            process.kill()
            said += [line for line in (await process.stdout.read()).splitlines(keepends=True) if line.endswith(b"\n")]
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return {int(seq): alarm for seq, alarm in (line.decode().split() for line in said)}


async def check_after_kill(path: Path, acknowledged: dict[int, str], before: dict[int, str]) -> dict[int, str]:
    store = await Store.open(path)
    stored = {found.seq: found.params["alarm"] for found in await store.facts(0, limit=10_000_000)}
    assert acknowledged.items() <= stored.items(), "an acknowledged fact is gone, or another has its number"
    assert before.items() <= stored.items()
    assert list(stored) == list(range(1, len(stored) + 1)), "holes"
    assert min(acknowledged) > max(before, default=0), "a number was given again"
    assert len(set(stored.values())) == len(stored), "a fact stands twice"
    assert store.head_seq == len(stored)
    stored[await store.write(fact("after"))] = "after"
    assert store.head_seq == len(stored)
    await store.write(lambda tx: tx.execute("UPDATE journal SET params = json_set(params, '$.alarm', 'after ' || seq) "
                                            "WHERE json_extract(params, '$.alarm') = 'after'"))  # fmt: skip
    stored[store.head_seq] = f"after {store.head_seq}"
    assert (await store.read(lambda db: db.execute("PRAGMA integrity_check").fetchone())) == ("ok",)
    await store.close()
    return stored


async def test_every_acknowledged_fact_is_there_after_kill_9(path: Path) -> None:
    before: dict[int, str] = {}
    for lines in (1, 37, 400):
        acknowledged = await killed_after(path, lines)
        before = await check_after_kill(path, acknowledged, before)


@pytest.mark.proof
@pytest.mark.timeout(600)
async def test_every_acknowledged_fact_is_there_after_a_hundred_kills(path: Path) -> None:
    before: dict[int, str] = {}
    for round_ in range(100):
        acknowledged = await killed_after(path, 1 + (round_ * 53) % 700)
        before = await check_after_kill(path, acknowledged, before)
