"""dialtone logs: errors in the journal and restarts of services since the last check (log_monitor.sh)."""

import argparse
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from clients.cli.output import print_json, print_table
from clients.cli.verbs import add_verb
from clients.station import kept
from clients.station.common import OK, PROBLEM, Context, add_options, context
from clients.station.journal import EXAMPLES, Found, JournalUnknown, read
from clients.station.notify import send
from clients.station.reports import Report
from clients.station.services import cannot_look

DESCRIPTION = """\
Reads the systemd journal from where the last check ended: what was logged as an error, and which services were started
again or failed. Exit code: 0 nothing, 1 something, 3 the journal can't be read.

Example:
  dialtone logs check
  dialtone logs check --notify        # also to the VPS, for a timer
  dialtone logs check --keep-place    # look without counting it as a check
"""
STATE = "logs-check.json"


class LogsCommand:
    help = "errors and restarts since the last check"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        check = add_verb(verbs, "check", "what went wrong since the last check", "dialtone logs check")
        check.add_argument("--notify", action="store_true", help="send what was found as a notification")
        check.add_argument("--keep-place", action="store_true", help="the next check reads the same again")
        add_options(check)

    def run(self, args: argparse.Namespace) -> int:
        about = context(args)
        logs, place = about.settings.logs, about.state / STATE
        before, now = kept.load(place), datetime.now(UTC)
        cursor, checked = before.get("cursor"), before.get("checked_at")
        since = _since(checked, now, logs.first_h)
        try:
            found = read(cursor if isinstance(cursor, str) else None, since, logs.watch, logs.timeout_s)
        except JournalUnknown as problem:
            return cannot_look(about, str(problem), as_json=args.json, notify=args.notify)
        code = _tell(args, about, found, since)
        if not args.keep_place and not (args.notify and about.dry_run):
            _keep(about, found, cursor, now)
        return code


def _since(checked: object, now: datetime, first_h: float) -> datetime:
    """The last check, where it is known and not in the future."""
    try:
        last = datetime.fromisoformat(checked) if isinstance(checked, str) else None
    except ValueError:
        last = None
    usable = last is not None and last.tzinfo is not None and last <= now
    return last if usable and last is not None else now - timedelta(hours=first_h)


def _keep(about: Context, found: Found, cursor: object, now: datetime) -> None:
    try:
        kept.keep(about.state / STATE, {"cursor": found.cursor or cursor, "checked_at": now.isoformat()})
    except OSError as problem:
        text = f"the place could not be kept: {problem.strerror}; the next check reads the same again"
        print(f"dialtone: {text}", file=sys.stderr)


def _tell(args: argparse.Namespace, about: Context, found: Found, since: datetime) -> int:
    looked = PROBLEM if found.faults or found.bad_changes else OK
    if args.notify:
        return send(about, report(found, since), as_json=args.json, looked=looked)
    if args.json:
        print_json({"ok": looked == OK, "since": since.isoformat(timespec="seconds")} | asdict(found))
        return looked
    print(f"Since {since.astimezone().isoformat(sep=' ', timespec='seconds')}:")
    if found.faults:
        rows = [(fault.first_at, fault.source, fault.count, fault.text) for fault in found.faults]
        print_table("Errors", ("first", "source", "times", "text"), rows)
    if found.changes:
        print_table("Services", ("at", "unit", "what"), [(one.at, one.unit, one.what) for one in found.changes])
    if not found.faults and not found.changes:
        print("No errors, and no service was started or stopped.")
    elif found.more:
        print("There was more; these are the newest.")
    return looked


def report(found: Found, since: datetime) -> Report:
    """error: a service failed; warning: errors, or restarts."""
    failed = [change for change in found.bad_changes if change.what.startswith("failed")]
    severity = "error" if failed else "warning" if found.faults or found.bad_changes else "info"
    lines = ["**Log Monitor Status**", f"Since: {since.isoformat(sep=' ', timespec='seconds')}"]
    if severity == "info":
        lines.append("**Result:** no errors, no service trouble")
    if found.faults:
        lines.append(f"**Result:** {found.errors} error(s)")
        lines += [f"- {fault.source}: {fault.text} ({fault.count}x)" for fault in found.faults[:EXAMPLES]]
    if found.bad_changes:
        lines.append(f"**Services:** {len(found.bad_changes)} restarted or failed")
        lines += [f"- {change.unit} {change.what} {change.at}" for change in found.bad_changes[:EXAMPLES]]
    return Report(severity, "\n".join(lines))


COMMAND = LogsCommand()
