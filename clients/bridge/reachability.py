"""Whether the VPS can be relied on. Pure: outcomes of requests go in, a state comes out.

Down is quick, up is slow: a call that is lost to a VPS that comes and goes is worse than one more call for the local
brain. Each time it fails soon after it came back, it has to prove itself for twice as long.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Link(StrEnum):
    UP = "up"
    SUSPECT = "suspect"  # one failure; still used, and asked at once
    DOWN = "down"
    PROBING = "probing"  # it answers again, not yet long enough


class On(StrEnum):
    OK = "ok"
    FAILED = "failed"
    FAILED_IN_CALL = "failed_in_call"  # while somebody waited: in a ring, or for the answer to a turn


NEXT: dict[tuple[Link, On], Link] = {
    (Link.UP, On.OK): Link.UP,
    (Link.UP, On.FAILED): Link.SUSPECT,
    (Link.UP, On.FAILED_IN_CALL): Link.DOWN,
    (Link.SUSPECT, On.OK): Link.UP,
    (Link.SUSPECT, On.FAILED): Link.DOWN,
    (Link.SUSPECT, On.FAILED_IN_CALL): Link.DOWN,
    (Link.DOWN, On.OK): Link.PROBING,
    (Link.DOWN, On.FAILED): Link.DOWN,
    (Link.DOWN, On.FAILED_IN_CALL): Link.DOWN,
    (Link.PROBING, On.OK): Link.PROBING,  # up after enough of them, see step
    (Link.PROBING, On.FAILED): Link.DOWN,
    (Link.PROBING, On.FAILED_IN_CALL): Link.DOWN,
}

OKS_WANTED = 2
"""Answers in a row, besides the time, before a VPS that was down is used again."""
HOLD_MAX_S = 300.0
FLAP_HOLDS = 6.0
"""Down again within so many holds after it came up: it flaps."""


@dataclass(frozen=True, slots=True)
class Reachability:
    """base_hold_s: what a VPS that came back must hold out. hold_s: the same now, doubled while it flaps.

    A bridge that has just started knows nothing yet: the first answer makes it up.
    """

    base_hold_s: float
    hold_s: float = 0.0
    link: Link = Link.DOWN
    since_s: float = 0.0
    oks: int = 0
    was_up: bool = False

    @property
    def usable(self) -> bool:
        return self.link in (Link.UP, Link.SUSPECT)


def step(reach: Reachability, on: On, now_s: float) -> Reachability:
    """The state after one outcome at now_s (monotonic)."""
    link = NEXT[reach.link, on]
    oks = reach.oks + 1 if on is On.OK else 0
    since_s = reach.since_s if link is reach.link else now_s
    if link is Link.PROBING and _proven(reach, oks, now_s - since_s):
        return replace(reach, link=Link.UP, since_s=now_s, oks=oks, was_up=True)
    if reach.usable and link is Link.DOWN:
        return replace(reach, link=link, since_s=since_s, oks=0, hold_s=_hold(reach, now_s))
    return replace(reach, link=link, since_s=since_s, oks=oks)


def _proven(reach: Reachability, oks: int, for_s: float) -> bool:
    return not reach.was_up or (oks >= OKS_WANTED and for_s >= reach.hold_s)


def _hold(reach: Reachability, now_s: float) -> float:
    flaps = reach.hold_s > 0 and now_s - reach.since_s < reach.hold_s * FLAP_HOLDS
    return min(reach.hold_s * 2, HOLD_MAX_S) if flaps else reach.base_hold_s
