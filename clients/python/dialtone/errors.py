"""What can go wrong, as the caller of the SDK sees it."""

from typing import Any


class DialtoneError(Exception):
    """Base of everything this package raises."""


class ConnectionLost(DialtoneError):
    """The connection broke (or is down) before the answer came. Whether the daemon acted on the request is unknown."""


class CannotConnect(ConnectionLost):
    """Nobody listens on the socket, or it may not be opened by this user."""


class RequestTimeout(DialtoneError, TimeoutError):
    """No answer within timeout_s. The daemon was told to stop waiting ($/cancelRequest)."""


class WireError(DialtoneError):
    """The other side sent something that is no JSON-RPC; the connection is of no more use."""


class RpcError(DialtoneError):
    """The daemon said no.

    kind: stable name of the error, what programs decide by. code: its JSON-RPC number. retry: whether the same
    request can succeed later; retry_after_s: how long to wait, where known. data: everything else the daemon said.
    """

    def __init__(self, code: int, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data: dict[str, Any] = data or {}
        self.kind: str = str(self.data.get("kind") or _KINDS.get(code, "internal"))
        self.retry: bool = self.data.get("retry") is True
        after = self.data.get("retry_after_s")
        self.retry_after_s: float | None = float(after) if isinstance(after, int | float) else None

    def __str__(self) -> str:
        return f"{self.message} ({self.kind})"


_KINDS = {
    -32700: "parse_error",
    -32600: "invalid_request",
    -32601: "method_not_found",
    -32602: "invalid_params",
    -32603: "internal",
    -32800: "cancelled",
}
"""JSON-RPC 2.0 §5.1: for errors that came without data.kind."""
