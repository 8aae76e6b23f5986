"""Times as people type them."""

import re
from datetime import datetime, timedelta

from clients.cli.command import UsageError

FORMS = "18:30, 2026-11-21, 2026-11-21T18:30, the same with a zone, or 15m, 2h, 7d"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str, option: str, *, ahead: bool, now: datetime | None = None) -> str:
    """RFC 3339 with a zone; without one it is that of this machine. 15m is in (ahead) or before 15 minutes, 18:30 the
    next or the last one. now: by the clock on the wall, without a zone. UsageError names the option."""
    here = now if now is not None else datetime.now().astimezone().replace(tzinfo=None)
    try:
        return _read(text.strip(), ahead, here).astimezone().isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{option} {text!r} is no time; write {FORMS}") from None


def _read(text: str, ahead: bool, here: datetime) -> datetime:
    if span := re.fullmatch(r"([0-9]{1,9})([smhd])", text):
        length = timedelta(**{_UNITS[span[2]]: int(span[1])})
        return here + length if ahead else here - length
    if clock := re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", text):
        at = here.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        if ahead and at <= here:
            return at + timedelta(days=1)
        return at if ahead or at <= here else at - timedelta(days=1)
    return datetime.fromisoformat(text)
