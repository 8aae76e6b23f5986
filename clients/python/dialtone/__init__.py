"""Client for the Dialtone phone daemon.

    async with dialtone.connect(name="my-bot") as phone:
        await phone.start("+447700900123")
        async for event in phone.events(topics=["call.*"]):
            ...

Names are loaded when first used, so that a script that only wants `dialtone.request` does not pay for asyncio.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dialtone.errors import CannotConnect as CannotConnect
    from dialtone.errors import ConnectionLost as ConnectionLost
    from dialtone.errors import DialtoneError as DialtoneError
    from dialtone.errors import RequestTimeout as RequestTimeout
    from dialtone.errors import RpcError as RpcError
    from dialtone.errors import WireError as WireError
    from dialtone.event import Event as Event
    from dialtone.link import Link as Link
    from dialtone.paths import default_socket_path as default_socket_path
    from dialtone.phone import Phone as Phone
    from dialtone.phone import connect as connect
    from dialtone.sync import request as request
    from dialtone.sync import request_with as request_with

__version__ = "0.1.0"

_HOME = {
    "CannotConnect": "errors",
    "ConnectionLost": "errors",
    "DialtoneError": "errors",
    "RequestTimeout": "errors",
    "RpcError": "errors",
    "WireError": "errors",
    "Event": "event",
    "Link": "link",
    "default_socket_path": "paths",
    "Phone": "phone",
    "connect": "phone",
    "request": "sync",
    "request_with": "sync",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'dialtone' has no attribute {name!r}")
    value = getattr(import_module(f"dialtone.{_HOME[name]}"), name)
    globals()[name] = value
    return value
