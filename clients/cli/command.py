"""What a subcommand is, and how they are found: entry points in the group `dialtone.commands`.

Each entry point is an object with these members. Any package can add one; only the chosen one is imported.
"""

import argparse
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

GROUP = "dialtone.commands"

OK = 0
FAILED = 1
USAGE = 2
CANNOT_CONNECT = 3
INTERRUPTED = 130
"""128 + SIGINT, as a shell reports it."""


class Command(Protocol):
    """help: one line for the list. description: the text of --help, with an example."""

    help: str
    description: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


class UsageError(Exception):
    """The command line is wrong in a way that argparse could not see; one line, exit code 2."""


def find_commands() -> dict[str, EntryPoint]:
    """Names of subcommands to their entry points, none of them imported."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}
