"""For scripts: one request, one answer, no event loop."""

import socket
import time
from os import PathLike, fspath
from typing import Any

from dialtone.errors import CannotConnect, ConnectionLost, RequestTimeout
from dialtone.paths import default_socket_path
from dialtone.wire import Decoder, Failure, Reply, encode


def request(method: str, /, *, path: str | PathLike[str] | None = None, timeout_s: float = 30.0, **params: Any) -> Any:
    """Connects, asks, answers with the result. RpcError, CannotConnect, ConnectionLost or RequestTimeout.

    For a parameter that is itself called path or timeout_s use request_with.
    """
    return request_with(method, params, path=path, timeout_s=timeout_s)


def request_with(
    method: str, params: dict[str, Any], *, path: str | PathLike[str] | None = None, timeout_s: float = 30.0
) -> Any:
    """The same with the parameters as a dict."""
    where = fspath(path) if path is not None else default_socket_path()
    until_s = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        try:
            peer.settimeout(timeout_s)
            peer.connect(where)
        except OSError as problem:
            raise CannotConnect(f"{where}: {problem.strerror or problem}") from None
        try:
            peer.sendall(encode(method, params, 1))
            return _answer(peer, until_s)
        except TimeoutError:
            raise RequestTimeout(f"{method}: no answer within {timeout_s:g} s") from None
        except OSError as problem:
            raise ConnectionLost(f"the connection broke: {problem.strerror or problem}") from None


def _answer(peer: socket.socket, until_s: float) -> Any:
    decoder = Decoder()
    while True:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        peer.settimeout(left_s)
        data = peer.recv(65536)
        if not data:
            raise ConnectionLost("the daemon closed the connection")
        for message in decoder.feed(data):
            if isinstance(message, Reply) and message.id == 1:
                return message.result
            if isinstance(message, Failure):
                raise message.error
