"""dialtone rpc: any method of the protocol by hand."""

import argparse
import json
import sys
from typing import Any

from clients.cli.command import OK, UsageError
from clients.cli.output import print_json
from dialtone.sync import request_with

DESCRIPTION = """\
Sends one request to the daemon and prints its result as JSON. PARAMS is a JSON object; - reads it from stdin.

Example:
  dialtone rpc call.speak '{"text": "Good morning", "wait": "spoken"}'
  dialtone rpc rpc.discover | jq '.methods[].name'
"""


class RpcCommand:
    help = "send any request of the protocol"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("method", metavar="METHOD", help="such as status or call.start")
        parser.add_argument("params", metavar="PARAMS", nargs="?", default="{}", help="a JSON object (default {})")
        parser.add_argument("--timeout", metavar="S", type=float, default=30.0, help="seconds to wait (default 30)")

    def run(self, args: argparse.Namespace) -> int:
        text = sys.stdin.read() if args.params == "-" else args.params
        print_json(request_with(args.method, _params(text), path=args.socket, timeout_s=args.timeout))
        return OK


def _params(text: str) -> dict[str, Any]:
    try:
        params = json.loads(text)
    except ValueError as problem:
        raise UsageError(f"PARAMS is not JSON: {problem}") from None
    if not isinstance(params, dict):
        raise UsageError('PARAMS must be a JSON object, such as \'{"text": "hello"}\'')
    return params


COMMAND = RpcCommand()
