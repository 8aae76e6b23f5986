"""Which line a request means: by name, or the default one."""

from collections.abc import Mapping

from core.config import Config
from core.errors import NotFound
from core.line import Line


def line_named(lines: Mapping[str, Line], default: str | None, name: str | None) -> Line:
    """The line of that name; without a name the default one, else the first. NotFound."""
    wanted = name or default or next(iter(lines), None)
    line = lines.get(wanted) if wanted is not None else None
    if line is None:
        raise NotFound("There is no such line." if name else "No line is configured; add a [line.<name>] table.")
    return line


def data_line(config: Config) -> str | None:
    """Whose SIM's data is the backup of the internet connection; None without any line."""
    return config.net.line or config.call.default_line or next(iter(config.line), None)
