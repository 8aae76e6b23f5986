"""dialtone net: the connection to the internet, looked at now (trigger_internet_check.sh)."""

import argparse
import sys
from typing import Any

import dialtone
from clients.cli.command import FAILED, OK
from clients.cli.output import print_json, print_table
from clients.cli.verbs import add_verb
from clients.station.common import add_options, ask, context

DESCRIPTION = """\
Has the core look at the internet connection at once instead of at its next round. Exit code: 0 it was looked at,
1 this core has no failover, or refused, 3 the core does not answer.

Example:
  dialtone net check --reason "incoming call"
"""
CHECK_S = 60.0


class NetCommand:
    help = "look at the internet connection now"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        check = add_verb(verbs, "check", "look now", 'dialtone net check --reason "incoming call"')
        check.add_argument("--reason", metavar="TEXT", default="manual", help="for the log (default: manual)")
        add_options(check)

    def run(self, args: argparse.Namespace) -> int:
        about = context(args)
        try:
            found: dict[str, Any] = ask(about, "net.check", {"reason": args.reason}, CHECK_S)
        except dialtone.RpcError as problem:
            if problem.kind != "method_not_found":
                raise
            missing = "this core has no internet failover: it does not know net.check. Nothing was looked at"
            if args.json:
                print_json({"ok": False, "error": missing})
            else:
                print(f"dialtone: {missing}.", file=sys.stderr)
            return FAILED
        if args.json:
            print_json(found)
        else:
            print_table("Internet", ("what", "value"), list(found.items()))
        return OK


COMMAND = NetCommand()
