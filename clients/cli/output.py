"""What queries print: JSON for programs, tables for people."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any


def print_json(value: Any) -> None:
    """Indented for a person's terminal, one line for a pipe."""
    print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None), flush=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Drawn on a terminal; plain aligned columns, never cut to a width, everywhere else."""
    texts = [[show(cell) for cell in row] for row in rows]
    if on_terminal():
        _print_rich(title, columns, texts)
        return
    widths = [max(len(line[at]) for line in [list(columns), *texts]) for at in range(len(columns))]
    print(f"{title}:")
    for line in [list(columns), *texts]:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def on_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def show(value: object) -> str:
    """A cell: nothing is a dash, yes and no are words."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return printable(str(value))


def printable(text: str) -> str:
    """Text of other people without control characters, which could steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _print_rich(title: str, columns: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for line in texts:
        table.add_row(*[Text(cell) for cell in line])
    Console().print(table)
