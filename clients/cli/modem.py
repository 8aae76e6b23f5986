"""dialtone modem: what the modem says of itself, and what is done to it by hand."""

import argparse
import getpass
import re
import sys
from typing import Any

from clients.cli.command import FAILED, OK, UsageError
from clients.cli.modem_show import print_at, print_carrier, print_done, print_history, print_signal, print_status
from clients.cli.output import print_json
from clients.cli.verbs import Verbs, add_verb
from dialtone.errors import RpcError
from dialtone.sync import request_with

DESCRIPTION = """\
Shows what a modem, its SIM and its network say, and enters the SIM's PIN.

Example:
  dialtone modem status
  dialtone modem unlock
"""
VERBS = ("status", "signal", "carrier", "history", "unlock", "reset", "at")
ASK_S = 30.0
SLOW_S = 90.0
"""A SIM takes seconds over its PIN, and a hub short of power wants pauses between commands."""

SPARE_S = 15.0
"""What the core gets beyond the modem's own time, before we give up on it."""

PRINTERS = {
    "status": print_status, "signal": print_signal, "carrier": print_carrier, "history": print_history,
    "unlock": print_done, "reset": print_done,
}  # fmt: skip

Json = dict[str, Any]


class ModemCommand:
    help = "the modem: its state, signal, SIM and history"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        status = add_verb(
            verbs, "status", "everything about the modem, its SIM and its network", "dialtone modem status"
        )
        status.add_argument("--fresh", action="store_true", help="ask the modem now, or fail")
        add_verb(verbs, "signal", "strength and quality as last heard", "dialtone modem signal")
        add_verb(verbs, "carrier", "the SIM's carrier and its access points", "dialtone modem carrier")
        _add_history(verbs)
        _add_unlock(verbs)
        reset = add_verb(verbs, "reset", "restart the modem", 'dialtone modem reset --reason "no audio"')
        reset.add_argument("--reason", metavar="TEXT", help="for the history")
        _add_at(verbs)
        for verb in verbs.choices.values():
            verb.add_argument("--line", metavar="NAME", help="which line")

    def run(self, args: argparse.Namespace) -> int:
        params: Json = {"line": args.line} if args.line else {}
        if args.verb == "at":
            return _at(args, params)
        params |= _params(args)
        timeout_s = SLOW_S if args.verb in ("unlock", "reset") else ASK_S
        found = request_with(f"modem.{args.verb}", params, path=args.socket, timeout_s=timeout_s)
        (print_json if args.json else PRINTERS[args.verb])(found)
        return OK


def _add_history(verbs: Verbs) -> None:
    history = add_verb(
        verbs, "history", "what happened to the modem, newest first", "dialtone modem history --limit 10"
    )
    history.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default 20)")


def _add_unlock(verbs: Verbs) -> None:
    """No argument for the PIN: others could read it in the list of processes, and the shell would keep it."""
    unlock = add_verb(
        verbs, "unlock", "enter the SIM's PIN, asked for or read from stdin", "dialtone modem unlock < pin.txt"
    )
    unlock.add_argument("--puk", action="store_true", help="enter the PUK first, then a new PIN")


def _add_at(verbs: Verbs) -> None:
    at = add_verb(
        verbs, "at", "send AT commands by hand, where core.toml has raw_at = true", "dialtone modem at AT+CSQ"
    )
    at.add_argument("command", metavar="COMMAND", nargs="?", help="such as AT+CSQ; without it, lines of stdin")
    at.add_argument("--timeout", type=float, default=10.0, metavar="S", help="how long to wait for the modem")


def _params(args: argparse.Namespace) -> Json:
    match args.verb:
        case "status":
            return {"fresh": True} if args.fresh else {}
        case "history":
            if not 1 <= args.limit <= 500:
                raise UsageError("--limit must be 1 to 500")
            return {"limit": args.limit}
        case "reset":
            return {"reason": args.reason} if args.reason else {}
        case "unlock":
            puk = {"puk": _secret("PUK", "[0-9]{8}", "8 digits")} if args.puk else {}
            return puk | {"pin": _new_pin() if args.puk else _secret("PIN", "[0-9]{4,8}", "4 to 8 digits")}
        case _:
            return {}


def _new_pin() -> str:
    pin = _secret("New PIN", "[0-9]{4,8}", "4 to 8 digits")
    if sys.stdin.isatty() and _secret("New PIN again", "[0-9]{4,8}", "4 to 8 digits") != pin:
        raise UsageError("the two new PINs differ; nothing was sent")
    return pin


def _secret(name: str, form: str, words: str) -> str:
    """From the terminal without echo, else the next line of stdin. It never stands in a message."""
    text = getpass.getpass(f"{name}: ", sys.stderr) if sys.stdin.isatty() else sys.stdin.readline()
    if not re.fullmatch(form, text.strip()):
        raise UsageError(f"the {name} must have {words}; nothing was sent")
    return text.strip()


def _at(args: argparse.Namespace, params: Json) -> int:
    if not 1 <= args.timeout <= 180:
        raise UsageError("--timeout must be 1 to 180")
    if args.command is not None:
        return _send(args, params | {"command": args.command, "timeout_s": args.timeout})
    code = OK
    while (command := _next_line()) is not None:
        if command:
            try:
                code = _send(args, params | {"command": command, "timeout_s": args.timeout})
            except RpcError as problem:
                if problem.kind not in ("invalid_params", "modem_offline", "modem_busy", "timeout", "not_now"):
                    raise
                print(f"dialtone: {problem}", file=sys.stderr)
                code = FAILED
    return code


def _next_line() -> str | None:
    """None at the end of stdin."""
    if sys.stdin.isatty():
        try:
            return input("AT> ").strip()
        except EOFError:
            print()
            return None
    line = sys.stdin.readline()
    return line.strip() if line else None


def _send(args: argparse.Namespace, params: Json) -> int:
    found = request_with("modem.at", params, path=args.socket, timeout_s=args.timeout + SPARE_S)
    (print_json if args.json else print_at)(found)
    return OK if found["final"] == "OK" else FAILED


COMMAND = ModemCommand()
