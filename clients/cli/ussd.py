"""dialtone ussd: codes such as *100# for the balance."""

import argparse
from typing import Any

from clients.cli.command import OK, UsageError
from clients.cli.output import print_json, printable
from clients.cli.verbs import add_verb
from dialtone.sync import request_with

DESCRIPTION = """\
Sends codes to the network, and shows what it answers.

Example:
  dialtone ussd send '*100#'
  dialtone ussd reply 1
"""
SPARE_S = 15.0
"""What the core gets beyond the network's own time, before we give up on it."""
LONGEST_S = 300.0


class UssdCommand:
    help = "send codes such as *100# to the network"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        send = add_verb(verbs, "send", "send a code and show the answer", "dialtone ussd send '*100#'")
        send.add_argument("code", metavar="CODE", help="such as *100#, in quotes")
        reply = add_verb(verbs, "reply", "answer a menu that is open", "dialtone ussd reply 1")
        reply.add_argument("text", metavar="TEXT", help="what to answer")
        cancel = add_verb(verbs, "cancel", "close what is open", "dialtone ussd cancel")
        for verb in (send, reply, cancel):
            verb.add_argument("--line", metavar="NAME", help="which line")
        for verb in (send, reply):
            verb.add_argument("--timeout", type=float, metavar="S", help="how long to wait for the network")

    def run(self, args: argparse.Namespace) -> int:
        params: dict[str, Any] = {"line": args.line} if args.line else {}
        timeout_s = LONGEST_S
        if args.verb == "send":
            params["code"] = args.code
        elif args.verb == "reply":
            params["text"] = args.text
        if getattr(args, "timeout", None) is not None:
            if not 1 <= args.timeout <= LONGEST_S:
                raise UsageError(f"--timeout must be 1 to {LONGEST_S:.0f}")
            params["timeout_s"] = timeout_s = args.timeout
        found = request_with(f"ussd.{args.verb}", params, path=args.socket, timeout_s=timeout_s + SPARE_S)
        (print_json if args.json else _print_answer)(found)
        return OK


def _print_answer(found: Any) -> None:
    if "state" not in found:
        print("ok")
        return
    for line in (found.get("text") or "(no text)").splitlines():
        print(printable(line))
    if found["state"] == "reply_wanted":
        print("The network waits for an answer: dialtone ussd reply TEXT")


COMMAND = UssdCommand()
