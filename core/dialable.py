"""Which strings may reach ATD, and when: data, never part of a command (TS 27.007 §6.2, TS 22.030 for MMI)."""

import re

from core.config import CallConfig
from core.errors import EmergencyDenied, ModemOffline, ModemRestarting, NotDialable
from core.line import Line, LineState

_NUMBER = re.compile(r"\+?[0-9]{1,20}")
"""E.164 allows 15 digits; private and carrier-select prefixes are longer in practice."""
_SHORT_CODE = re.compile(r"[0-9][0-9*#]{0,5}")
_SEPARATORS = re.compile("[ ().\\-/\u00a0\u2009\u202f\u2010-\u2015\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What people and address books put between digits: also spaces that don't break, all hyphens, and direction marks."""

RETRY_S = 2.0
"""A client that is told to come back later waits this long at least."""

EMERGENCY = frozenset({"112", "911", "999", "000", "110", "118", "119", "08", "15", "17", "18", "061", "091"})
"""Codes that a phone treats as emergency without asking its SIM (TS 22.101 §10.1.1) and widespread national ones."""


def compact(text: str) -> str:
    """Without visual separators."""
    return _SEPARATORS.sub("", text)


def dialable(text: str, config: CallConfig) -> str:
    """The number as ATD gets it: + and digits, or a short code; visual separators are dropped.

    NotDialable for anything that could end or extend an AT command and for MMI strings (**21*…#, *#06#), which are
    supplementary-service commands, not calls. EmergencyDenied by policy.
    """
    number = compact(text)
    if not (_NUMBER.fullmatch(number) or _SHORT_CODE.fullmatch(number)):
        raise NotDialable()
    if config.emergency == "deny" and number.lstrip("+") in EMERGENCY:
        raise EmergencyDenied()
    return number


def refuse_unless_ready(line: Line) -> None:
    """ModemRestarting, with retry_after_s, while the line heals its modem; ModemOffline with its reason otherwise."""
    info = line.info
    if info.restarting_s is not None:
        raise ModemRestarting(retry_after_s=round(max(info.restarting_s, RETRY_S), 1))
    if info.state is not LineState.READY:
        raise ModemOffline(f"Line {line.name} is {info.state}: {info.reason or 'no modem'}.")


def blocked(number: str | None, withheld: bool, patterns: tuple[str, ...]) -> bool:
    """Whether the inbound block list holds this caller: exact numbers, a prefix with *, or the word withheld."""
    for pattern in patterns:
        if pattern == "withheld":
            if withheld:
                return True
        elif number is not None and (
            number.startswith(pattern[:-1]) if pattern.endswith("*") else number == compact(pattern)
        ):
            return True
    return False
