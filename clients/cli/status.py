"""dialtone status: what the daemon is doing now."""

import argparse
from typing import Any

from clients.cli.command import OK
from clients.cli.output import print_json, print_table, show
from dialtone.sync import request_with

DESCRIPTION = """\
Shows the lines, calls, clients and alarms of the running daemon.

Example:
  dialtone status
  dialtone status --json | jq '.lines[].state'
"""

TABLES = (
    ("Lines", "lines", ("name", "state", "reason", "model", "operator", "registration", "rssi_dbm")),
    ("Calls", "calls", ("call_id", "line", "direction", "state", "number", "duration_s", "holder")),
    ("Clients", "clients", ("name", "brain_priority", "state", "detail")),
    ("Alarms", "alarms", ("alarm", "severity", "text", "client", "at")),
)


class StatusCommand:
    help = "lines, calls, clients and alarms of the running daemon"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """None of its own."""

    def run(self, args: argparse.Namespace) -> int:
        found: dict[str, Any] = request_with("status", {}, path=args.socket)
        if args.json:
            print_json(found)
        else:
            print_status(found)
        return OK


def print_status(found: dict[str, Any]) -> None:
    engines = found.get("engines") or {}
    print(
        f"dialtone {show(found.get('version'))}, up {_time(found.get('uptime_s'))}, event {show(found.get('seq'))}, "
        f"speech out {show(engines.get('tts'))}, speech in {show(engines.get('stt'))}"
    )
    for title, key, columns in TABLES:
        rows = found.get(key) or []
        if rows:
            print_table(title, columns, [[row.get(column) for column in columns] for row in rows])
        elif key in ("lines", "calls"):
            print(f"No {key}.")


def _time(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return "-"
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"


COMMAND = StatusCommand()
