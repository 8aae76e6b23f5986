"""Keeping a VPN up, as a table. Pure: times are given, nothing is done. docs/network.md draws it, a test compares.

The keeper (core/net/vpn.py) looks, `seen` says what that means, `step` gives the new state and what has to be done. A
repair comes in two steps: first the endpoint's name is looked up again, and only if that did not help and the back-off
has passed (`repaired`) is wg-quick restarted. While the internet itself is down neither is done.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from core.config import VpnConfig
from core.events import VpnState


class On(StrEnum):
    """What was seen, or came of a repair."""

    PASSED = "passed"  # everything that was looked at works
    FAILED = "failed"  # something does not, fewer than fail_count times after each other
    FAILED_OFTEN = "failed_often"
    CUT_OFF = "cut_off"  # something does not, and the internet is down
    GONE = "gone"  # there is no such interface
    GONE_OFTEN = "gone_often"  # fail_count times after each other, with internet
    DUE = "due"  # the endpoint was not the trouble, and a restart may be made now
    NOT_DUE = "not_due"  # nor was it, and none may be made yet, or ever
    UNHELPED = "unhelped"  # restarted, or tried to, and it still does not work


class Do(StrEnum):
    REPAIR = "repair"  # look the endpoint up, then say whether a restart is due
    RESTART = "restart"


_S = VpnState
_REPAIR, _RESTART = (Do.REPAIR,), (Do.RESTART,)

TABLE: dict[tuple[VpnState, On], tuple[VpnState, tuple[Do, ...]]] = {
    (_S.OFF, On.PASSED): (_S.UP, ()),
    (_S.OFF, On.FAILED): (_S.STALE, ()),
    (_S.OFF, On.FAILED_OFTEN): (_S.STALE, _REPAIR),
    (_S.OFF, On.CUT_OFF): (_S.DOWN, ()),
    (_S.OFF, On.GONE): (_S.OFF, ()),
    (_S.OFF, On.GONE_OFTEN): (_S.OFF, _REPAIR),
    (_S.OFF, On.DUE): (_S.RESTARTING, _RESTART),
    (_S.OFF, On.NOT_DUE): (_S.OFF, ()),
    (_S.UP, On.PASSED): (_S.UP, ()),
    (_S.UP, On.FAILED): (_S.UP, ()),
    (_S.UP, On.FAILED_OFTEN): (_S.STALE, _REPAIR),
    (_S.UP, On.CUT_OFF): (_S.DOWN, ()),
    (_S.UP, On.GONE): (_S.OFF, ()),
    (_S.UP, On.GONE_OFTEN): (_S.OFF, _REPAIR),
    (_S.STALE, On.PASSED): (_S.UP, ()),
    (_S.STALE, On.FAILED): (_S.STALE, ()),
    (_S.STALE, On.FAILED_OFTEN): (_S.STALE, _REPAIR),
    (_S.STALE, On.CUT_OFF): (_S.DOWN, ()),
    (_S.STALE, On.GONE): (_S.OFF, ()),
    (_S.STALE, On.GONE_OFTEN): (_S.OFF, _REPAIR),
    (_S.STALE, On.DUE): (_S.RESTARTING, _RESTART),
    (_S.STALE, On.NOT_DUE): (_S.DOWN, ()),
    (_S.DOWN, On.PASSED): (_S.UP, ()),
    (_S.DOWN, On.FAILED): (_S.DOWN, ()),
    (_S.DOWN, On.FAILED_OFTEN): (_S.DOWN, _REPAIR),
    (_S.DOWN, On.CUT_OFF): (_S.DOWN, ()),
    (_S.DOWN, On.GONE): (_S.OFF, ()),
    (_S.DOWN, On.GONE_OFTEN): (_S.OFF, _REPAIR),
    (_S.DOWN, On.DUE): (_S.RESTARTING, _RESTART),
    (_S.DOWN, On.NOT_DUE): (_S.DOWN, ()),
    # Nothing but its own end leads out of a restart: there are never two.
    (_S.RESTARTING, On.PASSED): (_S.UP, ()),
    (_S.RESTARTING, On.UNHELPED): (_S.DOWN, ()),
    (_S.RESTARTING, On.GONE): (_S.OFF, ()),
}


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where the keeper stands. failures: after each other. restarts: since the VPN last outlived its back-off.

    not_before_s: of the monotonic clock, no restart earlier.
    """

    state: VpnState = VpnState.OFF
    failures: int = 0
    restarts: int = 0
    not_before_s: float = -math.inf


def seen(keeping: Keeping, config: VpnConfig, *, works: bool, present: bool, internet: bool | None) -> On:
    """What one look means. present: the interface exists. internet: False only when it is known to be down, None while
    the main link has failed and it is not sure yet: failures are counted then, and nothing follows from them."""
    often = keeping.failures + 1 >= config.fail_count and internet is not None
    if works and present:
        return On.PASSED
    if not present:
        return On.GONE_OFTEN if often and internet else On.GONE
    if internet is False:
        return On.CUT_OFF
    return On.FAILED_OFTEN if often else On.FAILED


def repaired(keeping: Keeping, config: VpnConfig, now_s: float, *, works: bool, allowed: bool = True) -> On:
    """What follows from a look at the endpoint. works: the VPN does so again. allowed: False where a restart would undo
    what somebody wanted."""
    if works:
        return On.PASSED
    return On.DUE if allowed and config.restart and now_s >= keeping.not_before_s else On.NOT_DUE


def restarted(*, works: bool, present: bool) -> On:
    if not present:
        return On.GONE
    return On.PASSED if works else On.UNHELPED


def step(keeping: Keeping, on: On, now_s: float, config: VpnConfig) -> tuple[Keeping, tuple[Do, ...]]:
    """The next standing, and what to do. A pair that is not in the table is a mistake of ours: KeyError."""
    state, todo = TABLE[keeping.state, on]
    after = replace(keeping, state=state, failures=_failures(keeping, on))
    if Do.RESTART in todo:
        after = replace(after, restarts=keeping.restarts + 1)
        return replace(after, not_before_s=now_s + _pause_s(after, config)), todo
    if keeping.state is VpnState.RESTARTING:  # the pause begins when a restart, which may take 30 s, has ended
        return replace(after, not_before_s=now_s + _pause_s(after, config)), todo
    if on is On.PASSED and now_s >= keeping.not_before_s:  # it lasted
        return replace(after, restarts=0), todo
    return after, todo


def roamed(keeping: Keeping) -> Keeping:
    """The way out is another one: what failed by the old one says nothing of it."""
    return replace(keeping, failures=0)


def diagram() -> str:
    """The table as a Mermaid diagram, without the steps that change and do nothing."""
    arrows = [
        f"    {before} --> {after} : {on}" + (f" / {', '.join(todo)}" if todo else "")
        for (before, on), (after, todo) in TABLE.items()
        if (after, todo) != (before, ())
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {VpnState.OFF}", *arrows, "```"])


def _failures(keeping: Keeping, on: On) -> int:
    if on in (On.PASSED, On.CUT_OFF):  # once there is internet again, the VPN gets all its looks
        return 0
    return keeping.failures + (on in (On.FAILED, On.FAILED_OFTEN, On.GONE, On.GONE_OFTEN))


def _pause_s(keeping: Keeping, config: VpnConfig) -> float:
    """Before the restart after this one. An empty retry_s is every_s."""
    if not config.retry_s:
        return config.every_s
    return config.retry_s[min(keeping.restarts, len(config.retry_s)) - 1]
