"""Engines that failed are put aside for a growing time, so that not every call waits for them again. Pure."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from core.media.engines import Failure, SpeechFailed

FIRST_S, MOST_S = 5.0, 300.0
RETRY_AFTER_MOST_S = 3600.0
"""A service may ask for more; then it is asked again after an hour."""
KEPT = 256

_OF_KEYS = frozenset({Failure.AUTH, Failure.RATE_LIMITED, Failure.REFUSED, Failure.MISSING})
"""What another customer's keys may cure."""


@dataclass(frozen=True, slots=True)
class Who:
    """An engine as one call uses it. keys: a fingerprint."""

    engine: str
    voice: str
    keys: int


@dataclass(slots=True)
class _Out:
    until_s: float
    failures: int
    reason: Failure


class Aside:
    """Times are those of one monotonic clock, in s."""

    def __init__(self) -> None:
        self._out: OrderedDict[tuple[str, str, int], _Out] = OrderedDict()

    def reason(self, who: Who, now_s: float) -> Failure | None:
        """Why it is not asked now; None: it may be."""
        for place in _places(who):
            out = self._out.get(place)
            if out is not None and now_s < out.until_s:
                return out.reason
        return None

    def trying(self, who: Who, now_s: float, patience_s: float) -> bool:
        """Whether it is asked again after a failure: others don't ask it until that is decided."""
        failed = [out for place in _places(who) if (out := self._out.get(place)) is not None]
        for out in failed:
            out.until_s = max(out.until_s, now_s + patience_s)
        return bool(failed)

    def failed(self, who: Who, problem: SpeechFailed, now_s: float) -> float:
        """For how many s it is out. A first refusal may be the text's fault and costs nothing."""
        place = _place(who, problem.reason)
        out = self._out.setdefault(place, _Out(now_s, 0, problem.reason))
        out.failures, out.reason = out.failures + 1, problem.reason
        growth_s = min(FIRST_S * 2.0 ** min(out.failures - 1, 10), MOST_S)
        if problem.reason is Failure.REFUSED and out.failures == 1:
            growth_s = 0.0
        out_s = max(growth_s, min(problem.retry_after_s or 0.0, RETRY_AFTER_MOST_S))
        out.until_s = now_s + out_s
        self._out.move_to_end(place)
        while len(self._out) > KEPT:
            self._out.popitem(last=False)
        return out_s

    def worked(self, who: Who) -> None:
        for place in _places(who):
            self._out.pop(place, None)

    def listed(self, now_s: float) -> dict[str, Failure]:
        """Engines that are out, whatever for."""
        return {place[0]: out.reason for place, out in self._out.items() if now_s < out.until_s}


def _place(who: Who, reason: Failure) -> tuple[str, str, int]:
    if reason is Failure.NO_VOICE:
        return (who.engine, who.voice, 0)
    return (who.engine, "", who.keys if reason in _OF_KEYS else 0)


def _places(who: Who) -> Iterable[tuple[str, str, int]]:
    return {(who.engine, "", 0), (who.engine, "", who.keys), (who.engine, who.voice, 0)}
