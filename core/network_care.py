"""Keeps the parts of the network service running: each in a task of its own, restarted when it breaks."""

import asyncio
from asyncio import TaskGroup
from collections.abc import Awaitable, Callable

from core.log import Log

BACK_OFF_S = (1.0, 2.0, 5.0, 15.0, 60.0)
STABLE_S = 30.0
"""What has run so long is well again."""

_log = Log("net")


class Care:
    """trouble(name, text): a part broke; None: it is well again."""

    def __init__(self, tasks: TaskGroup, trouble: Callable[[str, str | None], None]) -> None:
        self._tasks = tasks
        self._trouble = trouble

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Until the group is cancelled, or `work` returns by itself."""
        self._tasks.create_task(self._kept(name, work), name=f"net.{name}.care")

    async def _kept(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            # A task of its own for each life: a group that fails in a loop breaks asyncio.timeout on 3.11 and 3.12.
            life = self._tasks.create_task(_life(name, work), name=f"net.{name}")
            await asyncio.wait({life}, timeout=STABLE_S)
            if not life.done():
                self._trouble(name, None)
                failures = 0
            problem = await life
            if problem is None:
                return
            self._trouble(name, problem)
            await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            failures += 1


async def _life(name: str, work: Callable[[], Awaitable[None]]) -> str | None:
    """What it died of, for people."""
    try:
        await work()
    except Exception as problem:
        _log.exception("a part of the network service broke and is started again", part_name=name)
        return f"{name} broke ({type(problem).__name__}) and is started again"
    return None
