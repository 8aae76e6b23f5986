"""The message classes of pyroute2, without the rest of it.

`import pyroute2` loads all of the library: 15 MiB and 0.3 s, most of it for things that nobody here asks for. Its
message classes alone take 4 MiB. A package's own __init__ runs before its parts, so a bare package stands in its place
while the parts are imported; afterwards `import pyroute2` works for anybody who wants the whole.
"""

import importlib
import sys
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

_PACKAGE = "pyroute2"


@dataclass(frozen=True, slots=True)
class Classes:
    """Classes of pyroute2's netlink messages; untyped there."""

    link: Any
    address: Any
    route: Any


@cache
def message_classes() -> Classes:
    """ImportError when pyroute2 is not installed."""
    if _PACKAGE in sys.modules:
        return _import()
    spec = PathFinder.find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named {_PACKAGE!r}", name=_PACKAGE)
    bare = ModuleType(_PACKAGE)
    bare.__path__ = list(spec.submodule_search_locations)
    sys.modules[_PACKAGE] = bare
    try:
        return _import()
    finally:
        if sys.modules.get(_PACKAGE) is bare:
            del sys.modules[_PACKAGE]


def _import() -> Classes:
    rtnl = f"{_PACKAGE}.netlink.rtnl"
    return Classes(
        link=importlib.import_module(f"{rtnl}.ifinfmsg").ifinfmsg,
        address=importlib.import_module(f"{rtnl}.ifaddrmsg").ifaddrmsg,
        route=importlib.import_module(f"{rtnl}.rtmsg").rtmsg,
    )
