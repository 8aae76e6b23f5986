"""dialtone net: the internet connection, its backup over the SIM, the VPN, Wi-Fi (internet_monitor.py and its kin)."""

import argparse
import getpass
import sys
from typing import Any

import dialtone
from clients.cli.command import FAILED, OK, UsageError
from clients.cli.output import print_json
from clients.cli.verbs import Verbs, add_verb
from clients.station.common import Context, add_options, ask, context
from clients.station.internet_check import add_watch_file, watch_file
from clients.station.net_show import leads_out, print_check, print_connections, print_networks, print_status, print_vpn

DESCRIPTION = """\
Shows the internet connection of the station, and steers its backup over the SIM. Exit codes: 0 done, and with
status something leads out; 1 with status nothing does, with vpn it is not up, or the core refused; 3 the core does not
answer.

Example:
  dialtone net status
  dialtone net check --reason "incoming call"
  dialtone net failover on
"""
ASK_S = 30.0
CHECK_S = 60.0
VPN_S = 60.0
"""wg-quick may take 30 s each way through the helper."""
WIFI_S = 90.0
"""NetworkManager gives up after a minute."""
MAX_PRIORITY = 999

Json = dict[str, Any]


class NetCommand:
    help = "the internet connection: status, backup, VPN, Wi-Fi"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        add_verb(verbs, "status", "main link, backup, data used, VPN", "dialtone net status")
        check = add_verb(verbs, "check", "look at the main link now", 'dialtone net check --reason "incoming call"')
        check.add_argument("--reason", metavar="TEXT", default="manual", help="for the log (default: manual)")
        failover = add_verb(
            verbs, "failover", "use the SIM's data now, never by itself, or by the rules", "dialtone net failover on"
        )
        failover.add_argument("mode", choices=("on", "off", "auto"), help="until the core is restarted")
        vpn = add_verb(verbs, "vpn", "how the VPN is", "dialtone net vpn --restart")
        vpn.add_argument("--restart", action="store_true", help="restart wg-quick first")
        wifi = add_verb(verbs, "wifi", "Wi-Fi through NetworkManager", "dialtone net wifi list")
        more = wifi.add_subparsers(dest="wifi", metavar="VERB", required=True)
        _add_wifi(more)
        add_watch_file(verbs)
        for verb in (*verbs.choices.values(), *more.choices.values()):
            add_options(verb)

    def run(self, args: argparse.Namespace) -> int:
        if args.verb == "watch-file":
            return watch_file(args.socket, args.file)
        about = context(args)
        try:
            return _wifi(about, args) if args.verb == "wifi" else VERBS[args.verb](about, args)
        except dialtone.RpcError as problem:
            if problem.kind != "method_not_found":
                raise
            return _too_old(args)


def _add_wifi(verbs: Verbs) -> None:
    found = add_verb(verbs, "list", "networks in reach", "dialtone net wifi list --rescan")
    found.add_argument("--rescan", action="store_true", help="look first, up to 12 s")
    add_verb(verbs, "saved", "what NetworkManager keeps", "dialtone net wifi saved")
    priority = add_verb(verbs, "priority", "which one is tried first", "dialtone net wifi priority UUID 10")
    priority.add_argument("uuid", metavar="UUID", help="as wifi saved shows it")
    priority.add_argument("priority", metavar="N", type=int, help="-999 to 999; the higher is tried first")
    connect = add_verb(verbs, "connect", "connect to a network", 'dialtone net wifi connect "Home" < password.txt')
    connect.add_argument("network", metavar="NAME", help="of a network in reach, or UUID of a saved one")
    connect.add_argument("--open", action="store_true", help="ask for no password: saved, or a network without one")


# --- verbs


def _status(about: Context, args: argparse.Namespace) -> int:
    found: Json = ask(about, "net.status", {}, ASK_S)
    (print_json if args.json else print_status)(found)
    return OK if leads_out(found) else FAILED


def _check(about: Context, args: argparse.Namespace) -> int:
    found: Json = ask(about, "net.check", {"reason": args.reason}, CHECK_S)
    (print_json if args.json else print_check)(found)
    return OK


def _failover(about: Context, args: argparse.Namespace) -> int:
    found: Json = ask(about, "net.failover", {"mode": args.mode}, ASK_S)
    (print_json if args.json else print_status)(found)
    return OK


def _vpn(about: Context, args: argparse.Namespace) -> int:
    found: Json = ask(about, "net.vpn", {"restart": True} if args.restart else {}, VPN_S)
    (print_json if args.json else print_vpn)(found)
    return OK if found.get("state") == "up" else FAILED


VERBS = {"status": _status, "check": _check, "failover": _failover, "vpn": _vpn}


def _wifi(about: Context, args: argparse.Namespace) -> int:
    match args.wifi:
        case "list":
            found = ask(about, "net.wifi.list", {"rescan": True} if args.rescan else {}, WIFI_S)
            (print_json if args.json else print_networks)(found)
        case "saved":
            found = ask(about, "net.wifi.saved", {}, ASK_S)
            (print_json if args.json else print_connections)(found)
        case "priority":
            if abs(args.priority) > MAX_PRIORITY:
                raise UsageError(f"N must be -{MAX_PRIORITY} to {MAX_PRIORITY}")
            found = ask(about, "net.wifi.set_priority", {"uuid": args.uuid, "priority": args.priority}, ASK_S)
            (print_json if args.json else print_connections)(found)
        case _:
            secret = {} if args.open else {"password": _password()}
            found = ask(about, "net.wifi.connect", {"network": args.network} | secret, WIFI_S)
            if args.json:
                print_json(found)
            else:
                print(f"connected to {args.network}")
    return OK


def _password() -> str:
    """From the terminal without echo, else the next line of stdin: in an argument others could read it. It never
    stands in a message."""
    text = getpass.getpass("Password: ", sys.stderr) if sys.stdin.isatty() else sys.stdin.readline()
    text = text.removesuffix("\n")
    if not 1 <= len(text) <= 64:
        raise UsageError("a password has 1 to 64 characters; nothing was sent (--open asks for none)")
    return text


def _too_old(args: argparse.Namespace) -> int:
    method = f"net.wifi.{args.wifi}" if args.verb == "wifi" else f"net.{args.verb}"
    missing = f"this core has no internet failover: it does not know {method}. Nothing was looked at"
    if args.json:
        print_json({"ok": False, "error": missing})
    else:
        print(f"dialtone: {missing}.", file=sys.stderr)
    return FAILED


COMMAND = NetCommand()
