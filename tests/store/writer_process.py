"""A process that writes until it is killed. It says each fact that was acknowledged, one line `seq alarm` each.

With --file-limit BYTES the kernel refuses to let files grow beyond that; it then says `failed …`, lifts the limit
at the first refusal, and ends after ten more facts.
"""

import asyncio
import os
import resource
import sys
from pathlib import Path

from core.errors import StoreFailed
from core.store.store import Store
from tests.store.conftest import fact

WRITERS = 8


async def write_for_ever(store: Store, writer: int) -> None:
    count = 0
    while True:
        count += 1
        alarm = f"{os.getpid()}-{writer}-{count}"
        seq = await store.write(fact(alarm))
        say(f"{seq} {alarm}")


async def write_into_the_limit(store: Store, limit_bytes: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    left = None
    while left != 0:
        try:
            seq = await store.write(fact("x", "y" * 1000))
            say(f"{seq} x")
            left = None if left is None else left - 1
        except StoreFailed as failed:
            assert left is None, "the limit is lifted"
            kept = len(await store.facts(0, limit=100_000))  # reading goes on
            say(f"failed {failed.kind} {failed.details['sqlite']} {kept}")
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            left = 10


def say(line: str) -> None:
    os.write(1, line.encode() + b"\n")


async def main() -> None:
    store = await Store.open(Path(sys.argv[1]))
    say("open")
    if "--file-limit" in sys.argv:
        await write_into_the_limit(store, int(sys.argv[-1]))
        await store.close()
        return
    async with asyncio.TaskGroup() as group:
        for writer in range(WRITERS):
            group.create_task(write_for_ever(store, writer))


if __name__ == "__main__":
    asyncio.run(main())
