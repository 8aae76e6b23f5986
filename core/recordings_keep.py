"""How long files of calls are kept: which go, decided purely, a whole call's at a time."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from core.recordings_files import CallFile

DAY_S = 86_400.0


class Because(StrEnum):
    AGE = "age"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Removal:
    """All files of one call, and why they go."""

    call_id: str
    files: tuple[CallFile, ...]
    because: Because


def to_remove(
    files: Iterable[CallFile], *, now_s: float, keep_days: int, max_bytes: int, busy: Collection[str]
) -> list[Removal]:
    """Calls older than keep_days, then the oldest until the rest has at most max_bytes; 0 is no limit.

    busy: calls that go on or whose files are being made; these stay, and count.
    """
    calls: dict[str, list[CallFile]] = {}
    for file in files:
        calls.setdefault(file.call_id, []).append(file)
    oldest_first = sorted(calls.items(), key=lambda item: max(file.modified_s for file in item[1]))
    left_bytes = sum(file.bytes for each in calls.values() for file in each)
    removals = []
    for call_id, mine in oldest_first:
        if call_id in busy:
            continue
        age_s = now_s - max(file.modified_s for file in mine)
        if keep_days and age_s > keep_days * DAY_S:
            because = Because.AGE
        elif max_bytes and left_bytes > max_bytes:
            because = Because.SIZE
        else:
            continue
        left_bytes -= sum(file.bytes for file in mine)
        removals.append(Removal(call_id, tuple(mine), because))
    return removals
