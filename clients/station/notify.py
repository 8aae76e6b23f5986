"""dialtone notify: a message to the VPS, of one's own or about the station (pi_send_message.sh)."""

import argparse
import sys
from dataclasses import asdict

from clients.cli.command import UsageError
from clients.cli.output import print_json, printable
from clients.station.common import OK, PROBLEM, Context, add_options, context
from clients.station.delivery import GOOD, Delivery, Outcome, deliver
from clients.station.reports import ACTIONS, SEVERITIES, Report, service

DESCRIPTION = """\
Sends a notification to the VPS that bridge.toml names: through the bridge's outbox where there is one, so that it
arrives however long the link is down, else at once. An action looks first: vpn, system, system-full, service NAME,
network, modem (also sim7600, ec25) or test. custom, or anything else, is a text of yours; - reads it from stdin.
Exit code: 0 sent or queued, 1 not.

Example:
  dialtone notify "Backup completed"
  dialtone notify custom "Disk space low" warning
  dialtone notify system-full
  dialtone notify service smstools
  df -h / | dialtone notify - info
"""
SHOWN = {
    Outcome.QUEUED: "queued: the bridge delivers it",
    Outcome.SENT: "sent",
    Outcome.DRY_RUN: "not sent: --dry-run",
    Outcome.DUPLICATE: "not sent",
    Outcome.FAILED: "not delivered",
    Outcome.NOWHERE: "not delivered",
}
MOST_CHARS = 20_000


class NotifyCommand:
    help = "send a notification to the VPS: a text, or how the station is"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("action", metavar="ACTION|TEXT", help=f"{', '.join(ACTIONS)}, service, custom, or a text")
        parser.add_argument("words", nargs="*", metavar="...", help="of service: NAME; of custom: TEXT; then SEVERITY")
        parser.add_argument("--severity", choices=SEVERITIES, help="of a text (default info)")
        add_options(parser)

    def run(self, args: argparse.Namespace) -> int:
        about = context(args)
        return send(about, report_for(about, args.action, args.words, args.severity), as_json=args.json)


def report_for(about: Context, action: str, words: list[str], severity: str | None) -> Report:
    """What is to be sent. UsageError."""
    if action in ACTIONS:
        _no_more(action, words)
        return ACTIONS[action](about)
    if action == "service":
        if not words:
            raise UsageError("service: which one? dialtone notify service NAME")
        _no_more("service NAME", words[1:])
        if words[0].startswith("-"):
            raise UsageError("a service's name does not begin with -")
        return service(about, words[0])
    if action == "custom":
        if not words:
            raise UsageError('custom: what? dialtone notify custom "TEXT" [SEVERITY]')
        action, words = words[0], words[1:]
    _no_more("TEXT SEVERITY", words[1:])
    return Report(known_severity(severity or (words[0] if words else "info")), _text(action))


def known_severity(word: str) -> str:
    """Any other word is info, as before."""
    return word if word in SEVERITIES else "info"


def send(about: Context, report: Report, *, as_json: bool, looked: int = OK) -> int:
    """Delivers, prints, and gives the exit code. looked: what it is when the delivery went well."""
    done = deliver(about, report.severity, report.message)
    if as_json:
        print_json({"severity": report.severity, "message": report.message, **asdict(done)})
    else:
        show(report, done)
    return looked if done.outcome in GOOD else PROBLEM


def show(report: Report, done: Delivery) -> None:
    for line in report.message.splitlines():
        print(printable(line))
    because = f" ({done.detail})" if done.detail else ""
    stream = sys.stdout if done.outcome in GOOD else sys.stderr
    print(f"[{report.severity}] {SHOWN[done.outcome]}{because}", file=stream)


def _text(word: str) -> str:
    text = sys.stdin.read(MOST_CHARS).removesuffix("\n") if word == "-" else word
    if not text.strip():
        raise UsageError("there is no text to send")
    return text[:MOST_CHARS]


def _no_more(what: str, words: list[str]) -> None:
    if words:
        raise UsageError(f"{what} takes no more words; put a text in quotes")


COMMAND = NotifyCommand()
