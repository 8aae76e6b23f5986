"""dialtone doctor: what a beginner gets wrong, found and explained."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import dialtone
from clients.cli.command import FAILED, OK
from clients.cli.output import print_json, print_table
from clients.doctor import host, station
from clients.doctor.finding import Finding, Verdict, ok, problem, skipped
from clients.doctor.internet import internet
from dialtone.sync import request_with

DESCRIPTION = """\
Looks at USB, drivers, permissions, power, and at the running daemon: SIM, network, voice, messages,
internet. Prints what is wrong and what to do. Exit code 0: nothing is; 1: there is a problem.

Example:
  dialtone doctor
  sudo dialtone doctor --json | jq '.[] | select(.verdict == "problem")'
"""

MARK = {Verdict.OK: "ok", Verdict.WARNING: "WARNING", Verdict.PROBLEM: "PROBLEM", Verdict.SKIPPED: "skipped"}


class DoctorCommand:
    help = "find out what is wrong with this station, and what to do"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--no-usb", action="store_true", help="leave out USB and its ports (with the emulator)")

    def run(self, args: argparse.Namespace) -> int:
        findings = [*examine_host(usb=not args.no_usb), *examine_daemon(args.socket)]
        if args.json:
            print_json([asdict(finding) for finding in findings])
        else:
            print_table(
                "Doctor", ("", "check", "what", "what to do"),
                [[MARK[each.verdict], each.check, each.text, each.advice] for each in findings],
            )  # fmt: skip
        return FAILED if any(each.verdict is Verdict.PROBLEM for each in findings) else OK


def examine_host(*, usb: bool = True, root: Path = Path("/")) -> Iterator[Finding]:
    if usb:
        yield from host.usb(root)
        yield from host.permissions(root)
    yield from host.takers(root)
    yield from host.power(root)
    yield from host.disk(_state_dir())


def examine_daemon(path: str | None) -> Iterator[Finding]:
    """Nothing but one problem when there is no daemon."""
    ask = partial(request_with, path=path)
    try:
        status: dict[str, Any] = ask("status", {})
    except dialtone.DialtoneError as error:
        yield problem(
            "daemon", f"The daemon does not answer: {error}", "Start it: dialtone core, or systemctl start dialtone."
        )
        return
    yield ok("daemon", f"dialtone {status['version']} answers.")
    yield from station.lines(status)
    for line in status["lines"]:
        if line["state"] in ("ready", "failed"):
            yield from _guarded("modem", partial(station.modem, ask, line["name"]))
    yield from _guarded("audio", partial(station.audio, ask))
    yield from _guarded("sms", partial(station.messages, ask))
    yield from _guarded("engine", partial(station.notes, ask))
    yield from _guarded("net", partial(internet, ask))
    yield station.brains(status)
    yield from station.alarms(status)


def _guarded(check: str, look: "partial[Iterator[Finding]]") -> Iterator[Finding]:
    """A check that the daemon refuses (scope, modem away) is no reason to stop."""
    try:
        yield from list(look())
    except dialtone.DialtoneError as error:
        yield skipped(check, str(error))


def _state_dir() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/dialtone")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "dialtone"


COMMAND = DoctorCommand()
