"""The version of this program, as packaged."""

from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as packaged


@cache
def version() -> str:
    """ "0.1.0"; "0+unknown" when run from a tree that was never installed."""
    try:
        return packaged("dialtone-core")
    except PackageNotFoundError:
        return "0+unknown"
