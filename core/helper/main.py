"""dialtone-helper: the few things that need root, as a closed list of verbs on a socket of its own.

It runs as root and imports nothing of the rest. A request is one line of JSON, {"verb": "usb_reset", "path": "1-1.4"};
the answer one line, {"ok": true, …} or {"error": "…", "trouble": "a stable word"}. Verbs: docs/network.md.
"""

import argparse
import fcntl
import json
import os
import pwd
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.helper import context, programs
from core.helper.refused import Refused, Trouble
from core.helper.server import Server
from core.helper.undo import go_on, sweep
from core.helper.verbs import Desk

SOCKET = "/run/dialtone-helper/helper.sock"
RECOVER_S = 20.0


def _serve(args: argparse.Namespace) -> int:
    name = args.for_user
    try:
        uid = int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
    except KeyError:
        print(f"dialtone helper: there is no user {name!r}", file=sys.stderr)
        return 2
    try:
        _make_folder(args.listen.parent)
        with _only_one(_state(args)):
            desk = _desk(args)
            go_on(desk.context)
            Server(desk, args.listen, uid).run()
    except OSError as problem:
        print(f"dialtone helper: {args.listen}: {problem.strerror}", file=sys.stderr)
        return 1
    except Refused as refused:
        print(f"dialtone helper: {refused.text}", file=sys.stderr)
        return 1
    return 0


def _make_folder(folder: Path) -> None:
    """Of the socket, where systemd has not made it: who may ask has to get there."""
    old = os.umask(0o022)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    finally:
        os.umask(old)


@contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """Two would write one state file, and each would take the other's socket away. The lock goes with the process, and
    unlike flock(2)'s not to its children (fcntl(2))."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
    with os.fdopen(os.open(state.with_name(f"{state.name}.lock"), flags, 0o600), "w") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise Refused(Trouble.BUSY, f"another helper has {state}") from None
        yield


def _state(args: argparse.Namespace) -> Path:
    return Path(args.state or args.listen.with_name("state.json"))


def _desk(args: argparse.Namespace) -> Desk:
    patterns = context.Patterns(
        tuple(args.interface or context.INTERFACES), tuple(args.vpn or context.VPNS), tuple(args.tty or context.TTYS)
    )
    return Desk(context.make_context(args.root, patterns, _state(args), args.path))


def _recover(args: argparse.Namespace) -> int:
    """By the helper that runs; by this process when none does and it is root's. Nothing to do is no failure."""
    path = Path(os.environ.get("DIALTONE_HELPER") or args.listen)
    try:
        undone, left = _asked(path)
    except (FileNotFoundError, ConnectionRefusedError):
        if os.geteuid() != 0:
            print(f"dialtone helper: none serves {path}; it undid everything when it ended", file=sys.stderr)
            return 0
        return _recover_here(args)
    except (OSError, ValueError) as problem:
        print(f"dialtone helper: {path}: {problem}", file=sys.stderr)
        return 1
    for text in left:
        print(f"dialtone helper: not undone: {text}", file=sys.stderr)
    return _told(undone, left)


def _recover_here(args: argparse.Namespace) -> int:
    try:
        _make_folder(_state(args).parent)
        with _only_one(_state(args)):
            desk = _desk(args)
            undone, left = desk.undo()  # which says itself what is left
            sweep(desk.context)
    except (Refused, OSError) as problem:
        print(f"dialtone helper: {problem}", file=sys.stderr)
        return 1
    return _told(undone, left)


def _told(undone: list[str], left: list[str]) -> int:
    print(f"undone: {', '.join(undone) or 'nothing'}")
    return 1 if left else 0


def _asked(path: Path) -> tuple[list[str], list[str]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as helper:
        helper.settimeout(RECOVER_S)
        helper.connect(str(path))
        helper.sendall(b'{"verb": "recover"}\n')
        with helper.makefile("rb") as answer:
            found = json.loads(answer.readline() or b"{}")
    if not isinstance(found, dict) or found.get("ok") is not True:
        raise ValueError(found.get("error") if isinstance(found, dict) else "no answer")
    return [str(each) for each in found.get("undone", ())], [str(each) for each in found.get("left", ())]


class HelperCommand:
    help = "the small root process that does for the core what needs root"
    description = (
        "Runs as root; serves the user of the core on a socket of its own. What it may do is a closed list, on the"
        " interfaces and ports named here alone; it undoes all of it when it ends, or with --recover."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--for-user", metavar="USER", help="who may ask: the user of dialtone core")
        what.add_argument("--recover", action="store_true", help="undo what was changed in the network, and end")
        parser.add_argument("--listen", type=Path, default=Path(SOCKET), metavar="PATH")
        parser.add_argument("--state", type=Path, metavar="PATH", help="default: state.json beside the socket")
        for name, patterns in (
            ("--interface", context.INTERFACES), ("--vpn", context.VPNS), ("--tty", context.TTYS),
        ):  # fmt: skip
            parser.add_argument(
                name, action="append", metavar="PATTERN", help=f"may come several times; default: {' '.join(patterns)}"
            )
        parser.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)
        parser.add_argument("--path", default=programs.PATH, help=argparse.SUPPRESS)

    def run(self, args: argparse.Namespace) -> int:
        os.umask(0o077)
        return _recover(args) if args.recover else _serve(args)


COMMAND = HelperCommand()


def main() -> int:
    """python -m core.helper.main, without the rest of the command line."""
    parser = argparse.ArgumentParser(prog="dialtone helper", description=COMMAND.description)
    COMMAND.add_arguments(parser)
    return COMMAND.run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
