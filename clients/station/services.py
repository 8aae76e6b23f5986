"""dialtone services: the station's services as systemd has them (list_all_services.sh)."""

import argparse
import sys
from dataclasses import asdict

from clients.cli.output import print_json, print_table
from clients.station.common import CANNOT_LOOK, OK, PROBLEM, Context, add_options, context
from clients.station.notify import send
from clients.station.reports import Report
from clients.station.units import Unit, UnitsUnknown, units_of

DESCRIPTION = """\
Lists dialtone's services and those of station.toml ([services] units) with state, restarts and time since they were
started, as systemd on D-Bus has them. Exit code: 0 all well, 1 one failed or is started again and again, 3 systemd
can't be asked.

Example:
  dialtone services
  dialtone services --json | jq '.services[] | select(.active_state == "failed").name'
  dialtone services --notify          # also to the VPS
"""
COLUMNS = ("service", "state", "since", "restarts", "enabled", "description")


class ServicesCommand:
    help = "the station's systemd services and their state"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--notify", action="store_true", help="send the list as a notification")
        add_options(parser)

    def run(self, args: argparse.Namespace) -> int:
        about = context(args)
        try:
            units = units_of(about.settings.services)
        except UnitsUnknown as problem:
            return cannot_look(about, str(problem), as_json=args.json, notify=args.notify)
        looked = OK if all(unit.is_well for unit in units) else PROBLEM
        if args.notify:
            return send(about, report(units), as_json=args.json, looked=looked)
        if args.json:
            print_json({"ok": looked == OK, "services": [asdict(unit) for unit in units]})
        else:
            print_table("Services", COLUMNS, [_row(unit) for unit in units])
        return looked


def cannot_look(about: Context, text: str, *, as_json: bool, notify: bool) -> int:
    """Says what is missing; 3."""
    if notify:
        send(about, Report("warning", text), as_json=as_json)
    elif as_json:
        print_json({"ok": None, "error": text})
    else:
        print(f"dialtone: {text}", file=sys.stderr)
    return CANNOT_LOOK


def report(units: list[Unit]) -> Report:
    """As the VPS's page shows it."""
    running = sum(unit.active_state == "active" for unit in units)
    ill = [unit for unit in units if not unit.is_well]
    lines = ["**SERVICES STATUS REPORT**"]
    for unit in units:
        state, since = _state(unit).upper(), f" ({since_text(unit.up_s)})" if unit.up_s is not None else ""
        what = f" - {unit.description}" if unit.description else ""
        text = f"{unit.name.removesuffix('.service')}: {state}{since}{what}"
        lines.append(text if unit.is_well else f"<red>{text}</red>")
    lines.append(f"**SUMMARY:** {running} running | {len(units) - running - len(ill)} not running | {len(ill)} failed")
    return Report("error" if ill else "info", "\n".join(lines))


def since_text(seconds: float | None) -> str:
    """The largest unit that fits: 3 d, 5 h, 12 m, 8 s."""
    if seconds is None:
        return "-"
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{int(seconds)}s"


def _state(unit: Unit) -> str:
    if unit.load_state == "not-found":
        return "not installed"
    if unit.active_state == "active" and unit.sub_state in ("running", "exited", "listening", "waiting", "active"):
        return unit.sub_state
    return f"{unit.active_state} ({unit.sub_state})" if unit.sub_state else unit.active_state


def _row(unit: Unit) -> tuple[object, ...]:
    name = unit.name.removesuffix(".service")
    return name, _state(unit), since_text(unit.up_s), unit.restarts, unit.enabled, unit.description


COMMAND = ServicesCommand()
