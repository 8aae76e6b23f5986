"""Engines that fail again and again are left alone for a while: each failure costs a caller its whole deadline."""

from dataclasses import dataclass

from core.media.stt_trouble import Trouble

COSTLY = frozenset({Trouble.CRASHED, Trouble.OUT_OF_MEMORY, Trouble.FAILED, Trouble.TIMEOUT})
"""What says something of the engine. Others say that it is loading, busy, or asked for what it doesn't have."""
FAILURES = 2
"""In a row, before it rests."""
REST_S = (20.0, 320.0)
"""The first rest, and the longest: each is twice the one before."""


@dataclass(slots=True)
class _Record:
    failures: int = 0
    until_s: float = 0.0


class Rests:
    """By name of the engine. now_s: of any clock that never goes back."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def failed(self, name: str, trouble: Trouble, now_s: float) -> None:
        if trouble not in COSTLY:
            return
        record = self._records.setdefault(name, _Record())
        record.failures += 1
        if record.failures >= FAILURES:
            first_s, most_s = REST_S
            record.until_s = now_s + min(most_s, first_s * 2 ** min(16, record.failures - FAILURES))

    def worked(self, name: str) -> None:
        self._records.pop(name, None)

    def resting(self, name: str, now_s: float) -> bool:
        record = self._records.get(name)
        return record is not None and now_s < record.until_s
