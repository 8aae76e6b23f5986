"""numpy when it is first used: an idle daemon, which hears and says nothing, does without its 12 MB and 60 ms."""

from importlib import import_module
from typing import Any


class Lazy:
    """Stands for a module. What was once used is kept here, so that it costs no more than an attribute. From any
    thread: the import system has its own lock."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self.__dict__["_name"]), attribute)
        self.__dict__[attribute] = value
        return value


np = Lazy("numpy")
"""`if TYPE_CHECKING: import numpy as np` beside `else: from core.lazy import np`. Nothing at the top level of such a
module may touch it."""


def load_numpy() -> None:
    """Before something begins that may not wait for it: 60 ms once, nothing afterwards."""
    import_module("numpy")
