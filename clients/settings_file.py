"""The TOML file of a client: read, and turned into its types. Each client has its own (settings.py)."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class SettingsError(Exception):
    """A client's file is wrong; one line with file and key, for the person who edits it."""


def read_file(path: Path | None, default: Path, parse: Callable[[dict[str, Any], str], T]) -> T:
    """`parse` with the file's tables and its name. Without a path: the default place, or no tables at all where nothing
    is there. SettingsError."""
    if path is None:
        if not default.exists():
            return parse({}, str(default))
        path = default
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise SettingsError(f"{path}: can't be read: {problem.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise SettingsError(f"{path}: {problem}") from None
    return parse(raw, str(path))


def as_type(raw: dict[str, Any], kind: type[T], source: str) -> T:
    """Tables as a Struct; `source` names the file in errors. SettingsError."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as problem:
        raise SettingsError(f"{source}: {problem}") from None
