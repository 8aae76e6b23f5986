"""The least time between two AT commands of one modem, over all its ports; outlives the modem's lives.

One station's stick dropped off the bus when commands came faster than one a second: its hub was short of power (field
report). What the configuration says is the least; a stick that is lost right after quick commands widens it.
"""

import asyncio
import re
import time
from collections.abc import Callable

FIRST_S = 0.1
MOST_S = 2.0
"""Twice what that station needed."""

LOST_WITHIN_S = 0.5
"""After a command. A stick that goes later went for another reason: a hand, a cable."""

FORGET_S = 86_400.0
"""A day without trouble; then the configured gap holds again."""

TWICE_WITHIN_S = 3600.0
"""Once may be a hand that pulled the stick just then: only a second such loss within the hour widens the gap."""

RESET_S = 60.0
"""How long after a command that resets the modem its loss is expected."""

_RESETS = re.compile(r"AT(\+CRESET|\+CFUN=|\+CPOF|\+CUSBPIDSWITCH=|\+CNMP=|\+QPOWD)", re.IGNORECASE)


class GapRule:
    """How wide the gap is. Pure: times are handed in, in seconds of any one clock."""

    def __init__(self, least_s: float) -> None:
        self._least_s = least_s
        self._width_s = least_s
        self._trouble_s = float("-inf")
        self._sent_s = float("-inf")
        self._spacing_s = float("inf")  # between the last two commands
        self._reset_s = float("-inf")
        self._suspected_s = float("-inf")

    def width_s(self, now_s: float) -> float:
        if self._width_s > self._least_s and now_s - self._trouble_s >= FORGET_S:
            self._width_s = self._least_s
        return self._width_s

    def widened(self, now_s: float) -> bool:
        return self.width_s(now_s) > self._least_s

    def sent(self, text: str, now_s: float) -> None:
        """A command goes out."""
        self._spacing_s, self._sent_s = now_s - self._sent_s, now_s
        if _RESETS.match(text):
            self._reset_s = now_s

    def due_s(self) -> float:
        """When the next command may go out."""
        return self._sent_s + self._width_s

    def lost(self, now_s: float) -> bool:
        """The modem is off the bus. Whether the gap is wider now.

        Only where a wider gap could have helped: the last command was fresh, came faster behind the one before than the
        wider gap allows, none of late asked for a reset, and it is not the first time. Both ports of a modem go at once
        and count as one.
        """
        wider_s = min(MOST_S, max(FIRST_S, self.width_s(now_s) * 2))
        fresh = now_s - self._sent_s <= LOST_WITHIN_S
        if not fresh or self._spacing_s >= wider_s or now_s - self._reset_s <= RESET_S:
            return False
        self._spacing_s = float("inf")
        suspected_s, self._suspected_s = self._suspected_s, now_s
        if now_s - suspected_s > TWICE_WITHIN_S and not self.widened(now_s):
            return False
        wider = wider_s > self._width_s
        self._width_s, self._trouble_s = max(wider_s, self._least_s), now_s
        return wider


class Gap:
    """The rule on the machine's clock, and the turns of the ports. One per line."""

    def __init__(self, least_s: float = 0.0) -> None:
        self._rule = GapRule(least_s)
        self._urgent: list[Callable[[], bool]] = []

    @property
    def widened_s(self) -> float | None:
        """The width, when it is more than configured: for people to read."""
        now_s = time.monotonic()
        return self._rule.width_s(now_s) if self._rule.widened(now_s) else None

    async def turn(self, urgent: Callable[[], bool] = lambda: False) -> None:
        """Waits until a command may go out. Hang-up waits for one gap at most: other ports let it go first."""
        self._urgent.append(urgent)
        try:
            while (left_s := self._left_s(urgent)) > 0:  # noqa: ASYNC110 - time itself is waited for
                await asyncio.sleep(left_s)
        finally:
            self._urgent.remove(urgent)

    def sent(self, text: str) -> None:
        self._rule.sent(text, time.monotonic())

    def lost(self) -> bool:
        return self._rule.lost(time.monotonic())

    def _left_s(self, urgent: Callable[[], bool]) -> float:
        width_s = self._rule.width_s(now_s := time.monotonic())
        if width_s <= 0:
            return 0.0
        left_s = self._rule.due_s() - now_s
        yields = not urgent() and any(other() for other in self._urgent if other is not urgent)
        return max(left_s, 0.0) + width_s if yields else left_s
