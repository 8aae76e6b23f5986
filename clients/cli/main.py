"""The `dialtone` command: finds the subcommand, imports it alone, runs it, and turns errors into one line each."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint

from clients.cli.command import CANNOT_CONNECT, FAILED, INTERRUPTED, OK, USAGE, Command, UsageError, find_commands
from dialtone.errors import CannotConnect, DialtoneError, RpcError

START_HINT = "is the core running? start it with: dialtone core"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 ok, 1 the daemon said no or it failed, 2 usage, 3 cannot connect, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has seen enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _dispatch(words: list[str]) -> int:
    commands = find_commands()
    place = _command_place(words)
    if place is None:
        if "--version" in words:
            return _print_version()
        _print_help(commands)
        return OK if "-h" in words or "--help" in words else USAGE
    name = words.pop(place)
    if name not in commands:
        return _unknown(name, commands)
    return _run(name, commands[name].load(), words)


def _run(name: str, command: Command, words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog=f"dialtone {name}",
        description=command.description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        conflict_handler="resolve",  # a command may give --json or --socket a meaning of its own
    )
    parser.add_argument("--socket", metavar="PATH", help="the daemon's socket (DIALTONE_SOCKET, else the usual place)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text for people")
    command.add_arguments(parser)
    args = parser.parse_args(words)
    try:
        return command.run(args)
    except UsageError as problem:
        return _complain(str(problem), USAGE)
    except RpcError as problem:
        path = problem.data.get("path")
        return _complain(f"{problem}{f' at {path}' if path else ''}", FAILED)
    except CannotConnect as problem:
        return _complain(f"{problem}; {START_HINT}", CANNOT_CONNECT)
    except DialtoneError as problem:
        return _complain(str(problem), FAILED)


def _command_place(words: Sequence[str]) -> int | None:
    """Where the command stands: the first word that is no option; --socket takes the word after it."""
    skip = False
    for place, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--socket":
            skip = True
        elif not word.startswith("-"):
            return place
    return None


def _print_help(commands: dict[str, EntryPoint]) -> None:
    print("usage: dialtone COMMAND [--socket PATH] [--json] ...\n")
    print("A SIM card as a programmable phone. Commands:\n")
    for name, entry in commands.items():
        print(f"  {name:<10} {_help_of(entry)}")
    print("\n`dialtone COMMAND --help` shows the command's options and an example, such as:")
    print("  dialtone status")


def _help_of(entry: EntryPoint) -> str:
    try:
        command: Command = entry.load()
    except (ImportError, AttributeError) as problem:
        return f"(not available here: {problem})"
    return command.help


def _print_version() -> int:
    from importlib.metadata import version

    print(f"dialtone {version('dialtone-core')}")
    return OK


def _unknown(name: str, commands: dict[str, EntryPoint]) -> int:
    from difflib import get_close_matches

    near = get_close_matches(name, commands, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(commands)}"
    return _complain(f"no command {name!r}; {advice}", USAGE)


def _complain(text: str, code: int) -> int:
    print(f"dialtone: {' '.join(text.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
