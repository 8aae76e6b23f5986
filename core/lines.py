"""Which line a request means: by name, or the default one."""

from collections.abc import Mapping

from core.errors import NotFound
from core.line import Line


def line_named(lines: Mapping[str, Line], default: str | None, name: str | None) -> Line:
    """The line of that name; without a name the default one, else the first. NotFound."""
    wanted = name or default or next(iter(lines), None)
    line = lines.get(wanted) if wanted is not None else None
    if line is None:
        raise NotFound("There is no such line." if name else "No line is configured; add a [line.<name>] table.")
    return line
