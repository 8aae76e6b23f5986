"""Draws the tables of core/net into docs/network.md, between their markers: `python -m core.net.draw [--check]`."""

import importlib
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs/network.md"

TABLES = {"failover": "core.net.failover_table", "vpn": "core.net.vpn_fsm"}
"""Name in the marker, and the module whose diagram() it is."""

_MARKED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str) -> str:
    """The document with our parts drawn anew; those of other names stay."""

    def draw(found: re.Match[str]) -> str:
        if found[2] not in TABLES:
            return found[0]
        diagram: str = importlib.import_module(TABLES[found[2]]).diagram()
        return f"{found[1]}{diagram}\n{found[3]}"

    return _MARKED.sub(draw, text)


def main(words: list[str], docs: Path = DOCS) -> int:
    """1 when --check finds a difference."""
    found = docs.read_text(encoding="utf-8")
    wanted = fill(found)
    if words == ["--check"]:
        return int(found != wanted)
    docs.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
