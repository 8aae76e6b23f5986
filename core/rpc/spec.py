"""`python -m core.rpc.spec --check | --write | --print`: what is written from the declarations.

PROTOCOL.md (the parts between its markers), clients/python/dialtone/protocol.py and clients/node/protocol.d.ts.
--check exits with 1 and a diff when they differ; --print gives the OpenRPC document.
"""

import argparse
import difflib
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from core.rpc import spec_markdown, spec_python, spec_typescript
from core.rpc.methods import load
from core.rpc.openrpc import document

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL_MD = "PROTOCOL.md"


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(prog="python -m core.rpc.spec", description=__doc__)
    wish = parser.add_mutually_exclusive_group(required=True)
    wish.add_argument("--check", action="store_true", help="fail with a diff when a file differs")
    wish.add_argument("--write", action="store_true", help="write the files")
    wish.add_argument("--print", action="store_true", dest="show", help="print the OpenRPC document")
    options = parser.parse_args(arguments)
    described = document(load())
    if options.show:
        print(json.dumps(described, indent=2, ensure_ascii=False))
        return 0
    wanted = generate(described, (root / PROTOCOL_MD).read_text(encoding="utf-8"))
    return _check(wanted, root) if options.check else _write(wanted, root)


def generate(described: dict[str, Any], protocol_md: str) -> dict[str, str]:
    """Every generated file by its path in the repository."""
    return {
        PROTOCOL_MD: spec_markdown.fill(protocol_md, described, call_diagram()),
        "clients/python/dialtone/protocol.py": spec_python.render(described),
        "clients/node/protocol.d.ts": spec_typescript.render(described),
    }


def call_diagram() -> str:
    """The states of a call as a Mermaid diagram, from the table that decides them."""
    try:
        table: dict[tuple[Any, Any], Any] = importlib.import_module("core.call_fsm").TRANSITIONS
    except (ImportError, AttributeError):
        return "(There is no table of call states in this build.)"
    arrows = [f"    {_state(before)} --> {_state(_target(after))}: {on}" for (before, on), after in table.items()]
    final = [
        f"    {state} --> [*]"
        for state in sorted({_state(_target(after)) for after in table.values()})
        if state == "ended"
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, *final, "```"])


def _target(after: Any) -> Any:
    """The table's value is the new state, or a tuple of it and what has to be done."""
    return after[0] if isinstance(after, tuple) else after


def _state(state: Any) -> str:
    return "[*]" if state is None else str(state)


def _check(wanted: dict[str, str], root: Path) -> int:
    differs = False
    for name, text in wanted.items():
        path = root / name
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        if found != text:
            differs = True
            lines = difflib.unified_diff(found.splitlines(True), text.splitlines(True), name, f"{name} (declared)", n=1)
            sys.stdout.writelines(lines)
    if differs:
        print("The files above are not what the code declares. Run: python -m core.rpc.spec --write", file=sys.stderr)
    return int(differs)


def _write(wanted: dict[str, str], root: Path) -> int:
    for name, text in wanted.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
