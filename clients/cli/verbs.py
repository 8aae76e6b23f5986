"""Verbs of a command, such as `start` of `dialtone call start`: each has a help of its own with an example."""

import argparse
from typing import Any

Verbs = Any
"""What argparse's add_subparsers gives; its class is private to argparse."""


def add_verb(verbs: Verbs, word: str, text: str, example: str) -> argparse.ArgumentParser:
    """A verb that takes --json and --socket like its command. text: what it does, beginning with a small letter."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        word,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.\n\nExample:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # SUPPRESS: what was given before the verb stays as it is.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    parser.add_argument("--socket", metavar="PATH", default=argparse.SUPPRESS, help="the daemon's socket")
    return parser
