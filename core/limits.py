"""How much a line may send and dial: sliding windows over what is in the store, and the pace of a minute.

Windows refuse, the pace makes the queue wait. What is on disk counts, so a restart is no way around either.
"""

import sqlite3
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from core.clock import rfc3339, unix_s
from core.config import GuardConfig
from core.errors import LimitExceeded, PublicError
from core.log import Log
from core.store import usage
from core.store.store import Store

log = Log("guard")

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
"""The day is the last 24 hours: it needs no time zone, and midnight is no moment to send two days' worth at once."""
MINUTE_S = 60.0

Kind = Literal["sms", "call"]


class LimitRule(StrEnum):
    """Keys of [guard] that refuse."""

    SMS_PER_HOUR = "sms_per_hour"
    SMS_PER_DAY = "sms_per_day"
    CALLS_PER_HOUR = "calls_per_hour"
    CALLS_PER_DAY = "calls_per_day"


@dataclass(frozen=True, slots=True)
class Usage:
    """SMS (parts of messages) and calls of one line: in the last hour, in the last 24 hours."""

    line: str
    sms_last_hour: int
    sms_last_day: int
    calls_last_hour: int
    calls_last_day: int


@dataclass(frozen=True, slots=True)
class _Limit:
    rule: LimitRule
    most: int
    window_s: float


class Limits:
    """Of all lines. Everything belongs to the loop but `over`, which runs on the store's threads."""

    def __init__(self, config: GuardConfig, store: Store) -> None:
        self._store = store
        self._per_minute = config.sms_per_minute
        windows: dict[Kind, tuple[_Limit, ...]] = {
            "sms": (
                _Limit(LimitRule.SMS_PER_HOUR, config.sms_per_hour, HOUR_S),
                _Limit(LimitRule.SMS_PER_DAY, config.sms_per_day, DAY_S),
            ),
            "call": (
                _Limit(LimitRule.CALLS_PER_HOUR, config.calls_per_hour, HOUR_S),
                _Limit(LimitRule.CALLS_PER_DAY, config.calls_per_day, DAY_S),
            ),
        }
        self._limits = {kind: tuple(limit for limit in found if limit.most) for kind, found in windows.items()}
        self._handed: dict[str, deque[float]] = {}  # monotonic seconds; bound: sms_per_minute, the oldest go
        self._dialled: dict[str, deque[float]] = {}  # monotonic seconds; bound: the greater limit, the oldest go
        self._most_calls = max((limit.most for limit in self._limits["call"]), default=0)

    def over(
        self, connection: sqlite3.Connection, kind: Kind, line: str, at_s: float, parts: int
    ) -> LimitExceeded | None:
        """Why `parts` more are too many at at_s (seconds since 1970); None when they are not."""
        used_in = usage.sms_used if kind == "sms" else usage.calls_used
        for limit in self._limits[kind]:
            used = used_in(connection, line, *_window(at_s, limit.window_s))
            if kind == "call":
                used = max(used, self._dialled_within(line, limit.window_s))
            if used + parts > limit.most:
                return _exceeded(limit, self._free_after_s(connection, kind, line, at_s, limit, parts))
        return None

    async def within(self, kind: Kind, line: str, parts: int) -> None:
        """LimitExceeded; StoreFailed when limits are set and can't be read."""
        if self._limits[kind]:
            at_s = unix_s()
            found = await self._store.read(lambda connection: self.over(connection, kind, line, at_s, parts))
            if found is not None:
                raise found

    async def usage(self, line: str) -> Usage:
        at_s = unix_s()

        def work(connection: sqlite3.Connection) -> Usage:
            hour, day = _window(at_s, HOUR_S), _window(at_s, DAY_S)
            return Usage(
                line,
                usage.sms_used(connection, line, *hour),
                usage.sms_used(connection, line, *day),
                usage.calls_used(connection, line, *hour),
                usage.calls_used(connection, line, *day),
            )

        return await self._store.read(work)

    def dialled(self, line: str, now_s: float | None) -> None:
        """A call was placed. Counted here, too: a full disk must not open the way to calls without end."""
        at_s = time.monotonic() if now_s is None else now_s
        self._dialled.setdefault(line, deque(maxlen=self._most_calls)).append(at_s)

    def pace_s(self, line: str, now_s: float | None) -> float:
        handed = self._handed.get(line)
        if not self._per_minute or handed is None or len(handed) < self._per_minute:
            return 0.0
        return max(0.0, handed[0] + MINUTE_S - (time.monotonic() if now_s is None else now_s))

    def handed(self, line: str, now_s: float | None) -> None:
        if self._per_minute:
            at_s = time.monotonic() if now_s is None else now_s
            self._handed.setdefault(line, deque(maxlen=self._per_minute)).append(at_s)

    async def recall(self) -> None:
        """What was sent in the last minute, by an earlier process."""
        if not self._per_minute:
            return
        at_s, now_s = unix_s(), time.monotonic()
        try:
            sent = await self._store.read(lambda connection: usage.sms_sent(connection, rfc3339(at_s - MINUTE_S)))
        except PublicError as problem:
            log.warning("what was sent in the last minute is not known", kind=problem.kind)
            return
        for line, at in sent:
            self.handed(line, now_s - max(0.0, at_s - _unix_s(at)))

    def _free_after_s(
        self, connection: sqlite3.Connection, kind: Kind, line: str, at_s: float, limit: _Limit, parts: int
    ) -> float | None:
        """Seconds until enough has left the window; None when it never will."""
        if parts > limit.most:
            return None
        uses_in = usage.sms_uses if kind == "sms" else usage.calls_uses
        uses = uses_in(connection, line, *_window(at_s, limit.window_s))
        left = sum(count for _, count in uses)
        for at, count in uses:
            left -= count
            if left + parts <= limit.most:
                return min(max(_unix_s(at) + limit.window_s - at_s, 1.0), limit.window_s)
        return limit.window_s

    def _dialled_within(self, line: str, window_s: float) -> int:
        now_s = time.monotonic()
        dialled = tuple(self._dialled.get(line, ()))  # copied at once, since the loop may append
        return sum(1 for at_s in dialled if now_s - at_s < window_s)


def _window(at_s: float, window_s: float) -> tuple[str, str]:
    """The stretch that counts. What lies a little ahead counts, too: a clock was set back; far ahead it was wrong."""
    return rfc3339(at_s - window_s), rfc3339(at_s + window_s)


def _unix_s(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def _exceeded(limit: _Limit, wait_s: float | None) -> LimitExceeded:
    what, _, window = limit.rule.partition("_per_")
    text = f"The limit of {limit.most} {'SMS' if what == 'sms' else what} per {window} in [guard] is reached."
    if wait_s is None:
        text = f"This message has more parts than the {limit.most} SMS per {window} that [guard] allows."
    return LimitExceeded(text, retry_after_s=None if wait_s is None else round(wait_s, 1), rule=limit.rule.value)
