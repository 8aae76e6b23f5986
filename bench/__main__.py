"""`python -m bench [--json FILE] [--quick] [NAME…]`: runs the benchmarks of this folder, each in a process of its own,
and prints every figure beside its target. A missed target is shown; only a benchmark that breaks makes the exit 1."""

import argparse
import ast
import asyncio
import importlib
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from bench.figures import Figure
from core.clock import rfc3339

FOLDER = Path(__file__).parent
LIMIT_S = 900.0
"""A benchmark that hangs is killed with all that it started, and counts as failed."""

MARK = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}


class Outcome(Struct, frozen=True):
    """What one benchmark gave: figures, or the last line of why not."""

    bench: str
    figures: list[Figure]
    error: str | None = None


class Machine(Struct, frozen=True):
    """Where the figures come from; without this they mean nothing."""

    cores: int
    architecture: str
    kernel: str
    python: str
    load_before: float


class Report(Struct, frozen=True):
    at: str
    quick: bool
    machine: Machine
    outcomes: list[Outcome]


def benches(folder: Path = FOLDER) -> list[str]:
    """Names of the modules with `async def run(quick)`, found without importing any."""
    return sorted(file.stem for file in folder.glob("*.py") if _has_run(file))


def run_apart(name: str, quick: bool, limit_s: float = LIMIT_S) -> Outcome:
    """One benchmark in its own process and session. Its output passes through; figures come back in a file."""
    with tempfile.TemporaryDirectory(prefix="dialtone-bench-") as directory, tempfile.TemporaryFile() as errors:
        answer = Path(directory) / "figures.json"
        command = [sys.executable, "-m", "bench", "--answer", str(answer), name, *(["--quick"] if quick else [])]
        # Errors go to a file: a pipe would stay open as long as any process that the benchmark left behind.
        process = subprocess.Popen(command, stderr=errors, start_new_session=True)
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return Outcome(name, [], f"not ready after {limit_s:.0f} s")
        finally:
            _end_session(process)
            errors.seek(0)
            text = errors.read().decode(errors="replace")
            sys.stderr.write(text)
        if process.returncode == 0 and answer.exists():
            return Outcome(name, msgspec.json.decode(answer.read_bytes(), type=list[Figure]))
        # The last line says what broke; tracebacks of exception groups are drawn in a frame.
        lines = [line.strip(" |+-") for line in text.splitlines()]
        return Outcome(name, [], next(filter(None, reversed(lines)), f"exit {process.returncode}"))


def table(outcomes: Sequence[Outcome]) -> Table:
    """Every figure beside its target."""
    made = Table(title="Dialtone, measured", title_justify="left")
    made.add_column("bench")
    made.add_column("figure")
    made.add_column("measured", justify="right")
    made.add_column("target")
    made.add_column("met")
    made.add_column("detail", style="dim")
    for outcome in outcomes:
        for figure in outcome.figures:
            detail = ", ".join(f"{name} {_short(value)}" for name, value in figure.detail.items())
            measured = f"{_short(figure.value)} {figure.unit}"
            made.add_row(outcome.bench, figure.name, measured, figure.target, MARK[figure.ok], detail)
        if outcome.error is not None:
            made.add_row(outcome.bench, "[red]failed[/]", "", "", MARK[False], outcome.error)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options().parse_args(arguments)
    if options.answer is not None:
        return _answer(options.names[0], options.quick, options.answer)
    known = benches()
    if unknown := set(options.names) - set(known):
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    machine = _machine()
    outcomes = []
    for name in options.names or known:
        print(f"{name} …", file=sys.stderr, flush=True)
        outcomes.append(run_apart(name, options.quick))
    Console(width=None if sys.stdout.isatty() else 160).print(table(outcomes))
    if options.json is not None:
        report = Report(rfc3339(), options.quick, machine, outcomes)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    return 1 if any(outcome.error is not None for outcome in outcomes) else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures Dialtone against its targets.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(benches())} (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures and facts of the machine")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: rough figures in a short time")
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)  # the process of one benchmark
    return parser


def _answer(name: str, quick: bool, answer: Path) -> int:
    figures: list[Figure] = asyncio.run(importlib.import_module(f"bench.{name}").run(quick))
    answer.write_bytes(msgspec.json.encode(figures))
    return 0


def _has_run(file: Path) -> bool:
    body = ast.parse(file.read_text("utf-8"), str(file)).body
    return any(isinstance(node, ast.AsyncFunctionDef) and node.name == "run" for node in body)


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """Whatever the benchmark left running would disturb the next one."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def _machine() -> Machine:
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        architecture=platform.machine(),
        kernel=platform.release(),
        python=platform.python_version(),
        load_before=round(os.getloadavg()[0], 2),
    )


def _short(value: object) -> str:
    """Three digits that matter, whole numbers whole."""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return str(value)


if __name__ == "__main__":
    sys.exit(main())
