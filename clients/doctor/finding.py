"""What one check found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, but not as well as it could
    PROBLEM = "problem"  # something does not work
    SKIPPED = "skipped"  # could not be looked at; the text says why


@dataclass(frozen=True, slots=True)
class Finding:
    """check: a stable name. text: what was seen. advice: what to do, a command where there is one."""

    check: str
    verdict: Verdict
    text: str
    advice: str | None = None


def ok(check: str, text: str) -> Finding:
    return Finding(check, Verdict.OK, text)


def warning(check: str, text: str, advice: str) -> Finding:
    return Finding(check, Verdict.WARNING, text, advice)


def problem(check: str, text: str, advice: str) -> Finding:
    return Finding(check, Verdict.PROBLEM, text, advice)


def skipped(check: str, text: str) -> Finding:
    return Finding(check, Verdict.SKIPPED, text)
