"""A LinkWatch that runs in a test, with everything that it told."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from core.config import NetConfig
from core.net.types import Links
from core.net.watch import LinkWatch


class Follower:
    def __init__(self, watch: LinkWatch) -> None:
        self.watch = watch
        self.told: list[tuple[float, Links]] = []
        self._news = asyncio.Event()

    def take(self, links: Links) -> None:
        self.told.append((time.monotonic(), links))
        self._news.set()

    @property
    def links(self) -> Links:
        return self.watch.snapshot

    async def until(self, seen: Callable[[Links], object], text: str, timeout_s: float = 30.0) -> float:
        """When it was told, by time.monotonic."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.told or not seen(self.told[-1][1]):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{text}: {self.links}") from None
        return self.told[-1][0]


@asynccontextmanager
async def following(root: Path, config: NetConfig | None = None, **options: Any) -> AsyncIterator[Follower]:
    """root: a folder in place of / for /sys, /run and /etc. Begins when the first snapshot is there."""
    follower = Follower(LinkWatch(config or NetConfig(), root=root, **options))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(follower.watch.run(follower.take), name="test.links")
        await follower.until(lambda _: True, "no first snapshot")
        try:
            yield follower
        finally:
            running.cancel()


def netlink_fds() -> set[int]:
    """Descriptors of this process that are netlink sockets."""
    found: set[int] = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            copy = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with copy:
            if copy.family == socket.AF_NETLINK:
                found.add(int(name))
    return found
