"""When a delivery is tried again, and what an HTTP answer means for it. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

RETRY_AFTER_MAX_S = 3600.0
"""A server that asks for more is asked again all the same: it may have been a mistake."""
TEMPORARY_4XX = (408, 425, 429)
"""Timeout (RFC 9110 §15.5.9), Too Early (RFC 8470 §5.2), Too Many Requests (RFC 6585 §4)."""


class Verdict(StrEnum):
    DELIVERED = "delivered"
    AGAIN = "again"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Schedule:
    """waits_s: after the first, second … failure, and after the last of them a dead letter. Without: from first_s,
    doubled up to cap_s, until the row has waited give_up_s. refusals: how many a row may get before it is dead."""

    first_s: float
    cap_s: float
    give_up_s: float
    refusals: int
    waits_s: tuple[float, ...] = ()

    def wait_s(self, failures: int, chance: float) -> float:
        """After that many failures (from 1). chance: 0 to 1, spreads stations that failed together."""
        if self.waits_s:
            return self.waits_s[min(failures, len(self.waits_s)) - 1] * (1 + chance / 10)
        longest = min(self.cap_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return longest * (0.5 + chance / 2)

    def is_over(self, failures: int, refusals: int, waited_s: float) -> bool:
        """Whether a row with so many failures is a dead letter."""
        if self.waits_s:
            return failures > len(self.waits_s) or refusals >= self.refusals
        return refusals >= self.refusals or waited_s >= self.give_up_s


def verdict(status: int) -> Verdict:
    """Of an HTTP status. Redirects are refusals: following one would take the body to somebody else."""
    if 200 <= status < 300:
        return Verdict.DELIVERED
    if status >= 500 or status in TEMPORARY_4XX:
        return Verdict.AGAIN
    return Verdict.REFUSED


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Retry-After (RFC 9110 §10.2.3), seconds or a date; None where it is neither."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), RETRY_AFTER_MAX_S)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(0.0, seconds), RETRY_AFTER_MAX_S)
