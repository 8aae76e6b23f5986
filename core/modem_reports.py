"""Reports of lines, kept for a moment: pages that look every second cost the modem nothing."""

import time
from dataclasses import dataclass

from core.clock import unix_s
from core.errors import PublicError
from core.line import Line, LineReport

AGE_S = 10.0
"""A report this old is good enough for who doesn't want it fresh."""


@dataclass(frozen=True, slots=True)
class DatedReport:
    """asked_unix_s: when the modem was asked, UTC."""

    report: LineReport
    asked_unix_s: float


class ReportBook:
    """The last report of each line."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[DatedReport, float]] = {}

    async def report(self, line: Line, *, fresh: bool) -> DatedReport | None:
        """fresh: asked now, or PublicError. Otherwise the last one while it is young; None where there is no modem to
        ask, or none that has time."""
        kept = self._last.get(line.name)
        if not fresh and kept is not None and time.monotonic() - kept[1] < AGE_S:
            return kept[0]
        try:
            found = DatedReport(await line.report(), unix_s())
        except PublicError:
            self.forget(line.name)
            if fresh:
                raise
            return None
        self._last[line.name] = found, time.monotonic()
        return found

    def forget(self, name: str) -> None:
        """The line changed: what its modem said holds no more."""
        self._last.pop(name, None)
