"""The network's time, as the modem tells it unasked (+CTZV, +NITZ): offered to whoever asks, never set anywhere."""

import time
from datetime import datetime, timedelta

from core.modem.lines_report import ctzv, nitz


class NetworkTime:
    """Keeps the last time heard, and goes on counting from there."""

    def __init__(self) -> None:
        self._heard: tuple[datetime, float] | None = None

    def take(self, line: str) -> bool:
        """Whether the line was one that tells the time; one that does so in vain counts, too."""
        if not line.startswith(("+CTZV:", "+NITZ:")):
            return False
        found = ctzv(line) or nitz(line)
        if found is not None:
            self._heard = found, time.monotonic()
        return True

    @property
    def now(self) -> datetime | None:
        """With the zone of the place where the modem is; None while the network has not told it."""
        if self._heard is None:
            return None
        told, at_s = self._heard
        return (told + timedelta(seconds=time.monotonic() - at_s)).replace(microsecond=0)
