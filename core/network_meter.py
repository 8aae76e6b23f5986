"""Counts the SIM's data while it is up, and keeps the count on disk."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic

from core.clock import unix_s
from core.config import NetConfig
from core.log import Log
from core.net.budget import MB, Budget, Level, load, save

LOOK_S = 60.0
LOOK_LIMITED_S = 10.0
"""With a limit: LTE takes 50 MB in so long."""
LOOK_LEAST_S = 2.0
LIVELY_BYTES_PER_S = 100_000
"""What is expected of somebody who begins to use it, near the limit."""
SAVE_S = 60.0

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
Counters = Callable[[str], Awaitable[tuple[int, int] | None]]

_log = Log("net.data")


class Meter:
    """on_level: the first level, and each that it changes to. counters: received and sent bytes of an interface."""

    def __init__(self, config: NetConfig, path: Path, counters: Counters, on_level: Callable[[Level], None]) -> None:
        self.budget = Budget(config.data_mb_per_day * MB, config.warn_at, load(path))
        self._path = path
        self._counters = counters
        self._on_level = on_level
        self._interface: str | None = None
        self._boot = ""
        self._level: Level | None = None
        self._wake = asyncio.Event()
        self._looking = asyncio.Lock()
        """Two readings that cross would look like a counter that began anew."""
        self._saved_s = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        last_bytes, last_s = self.budget.spent_bytes, monotonic()
        while True:
            await self.look()
            spent_bytes, now_s = self.budget.spent_bytes, monotonic()
            rate = (spent_bytes - last_bytes) / max(0.1, now_s - last_s)
            last_bytes, last_s = spent_bytes, now_s
            try:
                async with asyncio.timeout(self._pause_s(rate)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    def _pause_s(self, bytes_per_s: float) -> float:
        """Shorter as the limit comes nearer, so that it is not passed by much."""
        left = self.budget.left_bytes
        if left is None or self._interface is None:
            return LOOK_S
        return max(LOOK_LEAST_S, min(LOOK_LIMITED_S, left / (2 * max(bytes_per_s, LIVELY_BYTES_PER_S))))

    def spent(self) -> bool:
        """Before anything is counted: whether the day's data is used up already."""
        self.budget.today(unix_s())
        return self.budget.level is Level.SPENT

    async def begins(self, interface: str | None) -> None:
        """The SIM's data is about to come up: what that interface counted before is not ours."""
        if interface is not None and (found := await self._read(interface)) is not None:
            self.budget.mark(*found)

    async def up(self, interface: str) -> None:
        self._interface = interface
        await self.look()
        self._wake.set()

    async def down(self) -> None:
        """It is about to go down."""
        await self.look(keep=True)
        self._interface = None

    async def look(self, *, keep: bool = False) -> None:
        """Counts now. keep: it is written down at once."""
        async with self._looking:
            await self._look(keep)

    async def _look(self, keep: bool) -> None:
        self.budget.today(unix_s())
        before = self.budget.spent_bytes
        if self._interface is not None and (found := await self._read(self._interface)) is not None:
            self.budget.count(*found)
        level = self.budget.level
        changed, self._level = level is not self._level, level
        if changed:
            self._on_level(level)
        due = self.budget.spent_bytes != before and monotonic() >= self._saved_s + SAVE_S
        if keep or changed or due:
            await self._save()

    async def _read(self, interface: str) -> tuple[str, int] | None:
        """This existence of the interface, and the bytes of both directions."""
        counted = await self._counters(interface)
        if counted is None:
            return None
        if not self._boot:
            self._boot = await asyncio.to_thread(_boot_id)
        try:
            index = socket.if_nametoindex(interface)
        except OSError:
            return None
        return f"{interface}/{index}/{self._boot}", sum(counted)

    async def _save(self) -> None:
        self._saved_s = monotonic()
        try:
            await asyncio.to_thread(save, self._path, self.budget.ledger)
        except OSError as problem:
            _log.error("the day's data was not written down", reason=problem.strerror)


def _boot_id() -> str:
    """Indexes of interfaces begin anew with each boot."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"
