"""The journal since the last look: errors of the machine, and what became of units. Parsing is pure.

Ids of messages: sd-messages.h of systemd, as `journalctl --list-catalog` has them.
"""

import fnmatch
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from clients.station.programs import ProgramMissing, ProgramTooSlow, run

STARTED = "39f53479d3a045ac8e11786248231fbf"
STOPPED = "9d1aaa27d60140bd96365438aad20286"
JOB_FAILED = "be02cf6855d2428ba40df7e9d022f03d"
RESTART = "5eb03494b6584870a536b337290809b3"
FAILED = "d9b373ed55a64feb8242e02dbe79a49c"
HAPPENED = {
    STARTED: "started", STOPPED: "stopped", JOB_FAILED: "failed to start", RESTART: "restarted", FAILED: "failed",
}  # fmt: skip
ENTRIES = 5000
"""The newest are read; a machine in real trouble writes more."""
FIELDS = "MESSAGE,MESSAGE_ID,PRIORITY,UNIT,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER"
EXAMPLES = 5
TEXT_CHARS = 150
ERR = 3
"""syslog(3) LOG_ERR; smaller is worse."""


class JournalUnknown(Exception):
    """The journal can't be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """source: the unit or program it is of. count: how often it said so."""

    source: str
    text: str
    count: int
    first_at: str


@dataclass(frozen=True, slots=True)
class Change:
    """what: started, stopped, restarted, failed, failed to start."""

    unit: str
    what: str
    at: str


@dataclass(frozen=True, slots=True)
class Found:
    """cursor: of the last entry; None: there was none. more: there were more, older ones, than were read."""

    faults: tuple[Fault, ...] = ()
    changes: tuple[Change, ...] = ()
    cursor: str | None = None
    more: bool = False

    @property
    def errors(self) -> int:
        return sum(fault.count for fault in self.faults)

    @property
    def bad_changes(self) -> tuple[Change, ...]:
        """A start is no trouble, unless systemd had to do it."""
        return tuple(change for change in self.changes if change.what not in ("started", "stopped"))


@dataclass(slots=True)
class _Counted:
    source: str
    text: str
    first_at: str
    count: int = 0


@dataclass(slots=True)
class _Reading:
    faults: dict[tuple[str, str], _Counted] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    cursor: str | None = None
    entries: int = 0


def parse(lines: Iterable[str], watch: Sequence[str]) -> Found:
    """Of journalctl --output=json. watch: patterns of units whose changes count. A line that is no entry is skipped."""
    reading = _Reading()
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            _take(reading, entry, watch)
    faults = tuple(Fault(one.source, one.text, one.count, one.first_at) for one in reading.faults.values())
    return Found(faults, tuple(reading.changes), reading.cursor, reading.entries >= ENTRIES)


def _take(reading: _Reading, entry: dict[str, object], watch: Sequence[str]) -> None:
    reading.entries += 1
    cursor = entry.get("__CURSOR")
    reading.cursor = cursor if isinstance(cursor, str) else reading.cursor
    at, text = _at(entry.get("__REALTIME_TIMESTAMP")), _text(entry.get("MESSAGE"))
    happened, unit = HAPPENED.get(str(entry.get("MESSAGE_ID"))), entry.get("UNIT")
    if happened is not None and isinstance(unit, str):
        if any(fnmatch.fnmatchcase(unit, pattern) or unit == f"{pattern}.service" for pattern in watch):
            reading.changes.append(Change(unit, happened, at))
        return
    priority = entry.get("PRIORITY")
    if isinstance(priority, str) and priority.isdigit() and int(priority) <= ERR:
        source = entry.get("_SYSTEMD_UNIT") or entry.get("SYSLOG_IDENTIFIER") or "kernel"
        key = (str(source), text)
        reading.faults.setdefault(key, _Counted(str(source), text, at)).count += 1


def _text(message: object) -> str:
    """A field that is not UTF-8 comes as a list of bytes (systemd's JSON format)."""
    if isinstance(message, list) and all(isinstance(octet, int) and 0 <= octet < 256 for octet in message):
        message = bytes(message).decode("utf-8", "replace")
    return " ".join(str(message or "").split())[:TEXT_CHARS]


def _at(microseconds: object) -> str:
    if not isinstance(microseconds, str) or not microseconds.isdigit():
        return ""
    return datetime.fromtimestamp(int(microseconds) / 1_000_000, UTC).isoformat(timespec="seconds")


def read(cursor: str | None, since: datetime, watch: Sequence[str], timeout_s: float) -> Found:
    """All entries after the cursor, without one those since then. JournalUnknown."""
    place = f"--after-cursor={cursor}" if cursor is not None else f"--since=@{since.timestamp():.0f}"
    ids = [f"MESSAGE_ID={one}" for one in HAPPENED]
    errors = [f"PRIORITY={level}" for level in range(ERR + 1)]
    # Entries of one field are either-or; + puts the two groups beside each other (journalctl(1)).
    words = ("journalctl", "--output=json", f"--output-fields={FIELDS}", "--no-pager", f"--lines={ENTRIES}",
             place, *errors, "+", *ids)  # fmt: skip
    try:
        ran = run(words, timeout_s)
    except ProgramMissing:
        raise JournalUnknown("there is no systemd journal here (journalctl is not installed)") from None
    except ProgramTooSlow:
        raise JournalUnknown(f"the journal could not be read within {timeout_s:g} s") from None
    if "No journal files were" in ran.err:
        raise JournalUnknown("there is no systemd journal here, or you may not read it (group systemd-journal)")
    if "not seeing messages from other users" in ran.err:
        raise JournalUnknown("you may read only your own part of the journal (join the group systemd-journal)")
    if ran.code != 0:
        raise JournalUnknown(f"journalctl: {ran.last_words}")
    found = parse(ran.out.splitlines(), watch)
    if cursor is None and found.cursor is None and not _has_entries(timeout_s):
        raise JournalUnknown("the systemd journal is empty: nothing is logged to it here")
    return found


def _has_entries(timeout_s: float) -> bool:
    """An empty folder is no error to journalctl, and no errors in an empty journal are no good news."""
    try:
        return bool(run(("journalctl", "--output=json", "--no-pager", "--lines=1"), timeout_s).out.strip())
    except (ProgramMissing, ProgramTooSlow):
        return False
