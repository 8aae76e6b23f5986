"""What the tables of core.toml are made of."""

from typing import Annotated

from msgspec import Meta, Struct

Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]


class ConfigError(Exception):
    """One line for the person who edits core.toml; the program then exits with 2."""


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of core.toml."""
