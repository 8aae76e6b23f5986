"""How often one caller may ask. Pure: the time comes from outside."""

from collections import OrderedDict
from dataclasses import dataclass

CALLERS_KEPT = 1000
"""The one that was longest quiet goes first, which only ever gives it a fresh allowance."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


class RateLimit:
    """A bucket a caller: per_minute at once, and refilled steadily."""

    def __init__(self, per_minute: int) -> None:
        self._size = float(per_minute)
        self._per_s = per_minute / 60
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str, now_s: float) -> float:
        """0 where the request may go on, else after how many seconds one may."""
        bucket = self._buckets.pop(caller, None) or _Bucket(self._size, now_s)
        self._buckets[caller] = bucket
        if len(self._buckets) > CALLERS_KEPT:
            self._buckets.popitem(last=False)
        bucket.left = min(self._size, bucket.left + (now_s - bucket.at_s) * self._per_s)
        bucket.at_s = now_s
        if bucket.left < 1:
            return (1 - bucket.left) / self._per_s
        bucket.left -= 1
        return 0.0
