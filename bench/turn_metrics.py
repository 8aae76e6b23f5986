"""What turn taking costs both sides: callers cut off in a pause, and dead air after they are done.

As eot-bench (github.com/livekit/eot-bench, eot_harness/metrics.py) counts it: each pause of 200 ms to 5 s inside a turn
is one chance for a false cut-off, the silence after the turn is what dead air is measured in. A policy is swept, and
the best of its settings within a budget counts: the fewest cut-offs with a mean dead air of at most 300 or 600 ms, the
least mean dead air with at most 5 % of the pauses cut off.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.media.turn_hints import Hint

STEP_MS = 20
GRID_MS = tuple(range(100, 3600, STEP_MS))
COARSE_MS = tuple(range(200, 3600, 100))
HOLD_MS = (200, 5000)
NEVER_MS = 4000
"""Dead air of a turn whose end was not noticed at all, as long as the material goes on."""

Curve = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Silence:
    """One true pause as a detector saw it. run_ms: the longest silence it saw there. fires_ms: when, from the true
    beginning of the pause on, its silence was as long as each time of the grid; inf: never."""

    last: bool
    hint: Hint | None
    run_ms: int
    fires_ms: Curve


@dataclass(frozen=True, slots=True)
class Point:
    """One setting: silence until the end with a complete phrase, without a hint, in a number."""

    complete_ms: int
    plain_ms: int
    number_ms: int
    cut_share: float
    dead_air_ms: float


def silence(
    speech: Sequence[bool], begin_ms: int, until_ms: int, *, last: bool, length_ms: int, hint: Hint | None
) -> Silence | None:
    """speech: the detector's word on each frame of the turn. until_ms: where the next speech is over at the latest.
    None for a pause that doesn't count."""
    if not last and not HOLD_MS[0] <= length_ms <= HOLD_MS[1]:
        return None
    fires = np.full(len(GRID_MS), np.inf)
    begin, run, longest = begin_ms // STEP_MS, 0, 0
    for place in range(begin - 1, -1, -1):  # what the end of the speech was already missing
        if speech[place]:
            break
        run += 1
    known = 0
    for place in range(begin, min(len(speech), until_ms // STEP_MS)):
        run = 0 if speech[place] else run + 1
        if speech[place] and not last and place * STEP_MS >= begin_ms + length_ms:
            break
        longest = max(longest, run)
        while known < len(GRID_MS) and run * STEP_MS >= GRID_MS[known]:
            fires[known] = (place + 1) * STEP_MS - begin_ms
            known += 1
    return Silence(last, hint, longest * STEP_MS, fires)


@dataclass(frozen=True, slots=True)
class Curves:
    """Sums over all pauses of one kind of hint, by the silence that ends a turn."""

    cut: Curve
    dead_air_ms: Curve
    pauses: int
    ends: int


def curves(silences: Iterable[Silence]) -> dict[Hint | None, Curves]:
    found = {}
    kept = list(silences)
    grid = np.array(GRID_MS)
    for hint in (None, Hint.COMPLETE, Hint.NUMBER):
        holds = [one for one in kept if one.hint is hint and not one.last]
        ends = [one for one in kept if one.hint is hint and one.last]
        cut = np.sum([one.run_ms >= grid for one in holds], axis=0) if holds else np.zeros(len(grid))
        dead = np.sum([np.clip(one.fires_ms, 0, NEVER_MS) for one in ends], axis=0) if ends else np.zeros(len(grid))
        found[hint] = Curves(cut.astype(float), dead, len(holds), len(ends))
    return found


def point(found: dict[Hint | None, Curves], complete_ms: int, plain_ms: int, number_ms: int) -> Point:
    """What one setting costs."""
    pairs = [(found[Hint.COMPLETE], complete_ms), (found[None], plain_ms), (found[Hint.NUMBER], number_ms)]
    at = [(curve, (time_ms - GRID_MS[0]) // STEP_MS) for curve, time_ms in pairs]
    pauses = max(1, sum(curve.pauses for curve, _ in at))
    ends = max(1, sum(curve.ends for curve, _ in at))
    cut = sum(float(curve.cut[place]) for curve, place in at) / pauses
    dead = sum(float(curve.dead_air_ms[place]) for curve, place in at) / ends
    return Point(complete_ms, plain_ms, number_ms, cut, dead)


def timers(found: dict[Hint | None, Curves]) -> list[Point]:
    """All settings of a fixed timer."""
    return [point(found, time_ms, time_ms, time_ms) for time_ms in GRID_MS]


def adaptive(found: dict[Hint | None, Curves], after_ms: int) -> list[Point]:
    """All settings with hints; the words are known after_ms after the first threshold, which is never under 100 ms."""
    return [
        point(found, complete, plain, number)
        for complete in COARSE_MS
        if complete >= 100 + after_ms
        for plain in COARSE_MS
        if plain >= complete
        for number in COARSE_MS
        if number >= plain
    ]


def cut_at(points: Iterable[Point], dead_air_ms: float) -> float:
    """The lowest share of pauses cut off within a budget of dead air, 0 to 1; 1 where nothing keeps it."""
    return min((one.cut_share for one in points if one.dead_air_ms <= dead_air_ms), default=1.0)


def dead_air_at(points: Iterable[Point], cut_share: float) -> float:
    """The least dead air, ms, within a budget of cut-offs."""
    return min((one.dead_air_ms for one in points if one.cut_share <= cut_share), default=float(NEVER_MS))
