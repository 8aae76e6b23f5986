"""How long a line has been without its modem, and when that makes it lost."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from core.line import LineState


class Absence:
    """`began` when the modem goes, `note` for each state of the line, `run` as a task: it calls `lost` once for each
    absence, after_s from its beginning, but not while the modem answers and is being configured."""

    def __init__(self, after_s: float, lost: Callable[[], None]) -> None:
        self._after_s = after_s
        self._lost = lost
        self._since_s: float | None = None
        self._told = False
        self._answers = False
        self._changed = asyncio.Event()

    def began(self) -> None:
        """Again and again is once."""
        if self._since_s is None:
            self._since_s, self._told = time.monotonic(), False
            self._changed.set()

    def note(self, state: LineState) -> None:
        self._answers = state is LineState.STARTING
        if state in (LineState.READY, LineState.FAILED) or (self._answers and self._told):
            self._since_s = None  # what was told of is over as soon as it answers
        self._changed.set()

    async def run(self) -> None:
        while True:
            left_s = self._left_s()
            if left_s is not None and left_s <= 0:
                self._told = True
                self._lost()
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            self._changed.clear()

    def _left_s(self) -> float | None:
        """Until it counts as lost; None while it doesn't come to that."""
        if self._since_s is None or self._told or self._answers:
            return None
        return self._since_s + self._after_s - time.monotonic()
