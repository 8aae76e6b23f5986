"""How much of the SIM's data a day has taken, from an interface's counters. Pure, but for `load` and `save`.

A day is a calendar day of the host's own time zone: that is what contracts, bills and people count by.
"""

import contextlib
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec.structs import replace

MB = 1_000_000
CLOCK_DAYS = 2
"""A host without a battery-backed clock wakes up hours or a day too early: so far back is no other day, and what was
counted stays counted. Further back the day on record was the wrong one, unless the clock comes back to it: a host
without any clock begins in 1970, until it has asked somebody."""


class Level(StrEnum):
    FREE = "free"
    WARN = "warn"
    SPENT = "spent"


class Ledger(msgspec.Struct, frozen=True):
    """What is kept on disk. day: "2026-11-21". life and seen_bytes: which counter was read last, and what it said.
    before: the day on record when the clock went far back; it may be today after all."""

    day: str = ""
    spent_bytes: int = 0
    life: str = ""
    seen_bytes: int = 0
    before: str = ""


@dataclass(slots=True)
class Budget:
    """limit_bytes 0: no limit. warn_at: the part of it from which `level` is WARN."""

    limit_bytes: int
    warn_at: float
    ledger: Ledger

    @property
    def spent_bytes(self) -> int:
        return self.ledger.spent_bytes

    @property
    def left_bytes(self) -> int | None:
        return max(0, self.limit_bytes - self.ledger.spent_bytes) if self.limit_bytes else None

    @property
    def level(self) -> Level:
        if not self.limit_bytes or self.ledger.spent_bytes < self.limit_bytes * self.warn_at:
            return Level.FREE
        return Level.SPENT if self.ledger.spent_bytes >= self.limit_bytes else Level.WARN

    def mark(self, life: str, counter_bytes: int) -> None:
        """Before the SIM's data comes up: what the interface has counted so far was not ours, unless we counted on the
        same one before. life: names one existence of an interface; another life's counter began at 0."""
        if life != self.ledger.life:
            self.ledger = replace(self.ledger, life=life, seen_bytes=counter_bytes)

    def count(self, life: str, counter_bytes: int) -> int:
        """What the interface's counter says now; gives what is new of it. Bytes of an interface that was made anew are
        all new, and so are those of a counter that began anew."""
        before = self.ledger.seen_bytes if life == self.ledger.life else 0
        new_bytes = counter_bytes - before if counter_bytes >= before else counter_bytes
        spent_bytes = self.ledger.spent_bytes + new_bytes
        self.ledger = replace(self.ledger, spent_bytes=spent_bytes, life=life, seen_bytes=counter_bytes)
        return new_bytes

    def today(self, at_unix_s: float) -> bool:
        """Whether another day has begun, on which nothing is spent yet. To be called before counting."""
        now = datetime.fromtimestamp(at_unix_s, UTC).astimezone().date()
        known = _day(self.ledger.day)
        if known is None:
            self.ledger = replace(self.ledger, day=now.isoformat())
            return False
        if now > known:
            again = now.isoformat() == self.ledger.before
            spent_bytes = self.ledger.spent_bytes if again else 0
            self.ledger = replace(self.ledger, day=now.isoformat(), spent_bytes=spent_bytes, before="")
            return not again
        if (known - now).days > CLOCK_DAYS:
            self.ledger = replace(self.ledger, day=now.isoformat(), before=self.ledger.day)
        return False


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def load(path: Path) -> Ledger:
    """What was kept; an empty ledger where there is none, or one that can't be read."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(path.read_bytes(), type=Ledger)
    return Ledger()


def save(path: Path, ledger: Ledger) -> None:
    """Whole or not at all, whenever the power goes. OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(ledger))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
