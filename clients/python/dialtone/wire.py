"""JSON-RPC 2.0 messages, one JSON text per line. Pure: bytes in, messages out."""

import json
from dataclasses import dataclass
from typing import Any

from dialtone.errors import RpcError, WireError

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""The daemon's own limit is 10 MiB unless configured; a longer line is garbage, not a message."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of request `id`."""

    id: int
    result: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of request `id`; id is None where the daemon could not tell which request it was."""

    id: int | None
    error: RpcError


@dataclass(frozen=True, slots=True)
class Notification:
    """An event, or any other message that wants no answer."""

    method: str
    params: dict[str, Any]


Message = Reply | Failure | Notification


def encode(method: str, params: dict[str, Any], request_id: int | None = None) -> bytes:
    """One request (or, without request_id, one notification) as a line. TypeError for what JSON can't hold."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    if request_id is not None:
        message["id"] = request_id
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


class Decoder:
    """Bytes of a stream, cut anywhere, to messages."""

    def __init__(self, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._max = max_message_bytes

    def feed(self, data: bytes) -> list[Message]:
        """Complete messages so far. WireError for anything that is no JSON-RPC message of a server."""
        self._buffer += data
        found: list[Message] = []
        while (end := self._buffer.find(b"\n", self._searched)) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._searched = 0
            if line.strip():
                found += decode(line)
        self._searched = len(self._buffer)
        if self._searched > self._max:
            raise WireError(f"a message is longer than {self._max} bytes")
        return found


def decode(line: bytes) -> list[Message]:
    """One line: a message, or a batch of them."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise WireError("a line is not JSON") from None
    items = value if isinstance(value, list) else [value]
    return [_message(item) for item in items]


def _message(item: object) -> Message:
    if not isinstance(item, dict):
        raise WireError("a message is not a JSON object")
    if isinstance(method := item.get("method"), str):
        params = item.get("params")
        return Notification(method, params if isinstance(params, dict) else {})
    request_id = item.get("id")
    known_id = request_id if isinstance(request_id, int) and not isinstance(request_id, bool) else None
    if "error" in item:
        return Failure(known_id, _error(item["error"]))
    if "result" in item and known_id is not None:
        return Reply(known_id, item["result"])
    raise WireError("a message is neither reply, error nor event")


def _error(error: object) -> RpcError:
    if not isinstance(error, dict):
        raise WireError("an error is not a JSON object")
    code, data = error.get("code"), error.get("data")
    return RpcError(
        code if isinstance(code, int) else -32603,
        str(error.get("message") or "The daemon gave no reason."),
        data if isinstance(data, dict) else None,
    )
