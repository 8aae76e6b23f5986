"""JSON-RPC 2.0 messages as bytes, and the check of a request's shape. Pure.

Shape is checked here, in front of jsonrpcserver, whose own validation against a JSON Schema takes two thirds of its
time (60 µs of 100, measured). What is not JSON is -32700, what is no request -32600.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from core.errors import INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, InvalidParams, LimitExceeded, PublicError
from core.rpc.methods import RequestId

_encoder = msgspec.json.Encoder()
encode_json = _encoder.encode
"""UTF-8 JSON without spaces. Structs, enums and dates are fine; TypeError for anything that is not JSON."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One well-formed element of a message. answered: it has an id (null counts: JSON-RPC 2.0 §4)."""

    method: str
    params: dict[str, Any]
    id: RequestId
    answered: bool
    positional: bool = False


@dataclass(frozen=True, slots=True)
class Malformed:
    """An element that is no request; `reply` is what it gets."""

    reply: bytes


def parse_json(message: bytes) -> object:
    """The JSON value of a message. ValueError for what is not JSON, or not UTF-8, or nested beyond all reason."""
    try:
        return msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise ValueError(str(problem)) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_element(element: object) -> Wanted | Malformed:
    """Checks one element of a message against JSON-RPC 2.0 §4: version, method, params, id."""
    if not isinstance(element, dict):
        return Malformed(invalid_request("a request is a JSON object"))
    identity = element.get("id")
    if isinstance(identity, bool) or not isinstance(identity, str | int | float | None):
        return Malformed(invalid_request("id must be a string, a number or null"))
    if element.get("jsonrpc") != "2.0":
        return Malformed(invalid_request('jsonrpc must be "2.0"', identity))
    name = element.get("method")
    if not isinstance(name, str):
        return Malformed(invalid_request("method must be a string", identity))
    params = element.get("params", {})
    if isinstance(params, list):
        # An empty array says as little as no params at all; jayson sends one with every request.
        return Wanted(name, {}, identity, "id" in element, positional=bool(params))
    if not isinstance(params, dict):
        return Malformed(invalid_request("params must be an object", identity))
    return Wanted(name, params, identity, "id" in element)


def result_reply(identity: RequestId, result: object) -> bytes:
    return encode_json({"jsonrpc": "2.0", "id": identity, "result": result})


def error_reply(identity: RequestId, code: int, message: str, data: dict[str, object]) -> bytes:
    return encode_json({"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": message, "data": data}})


def public_error(identity: RequestId, problem: PublicError) -> bytes:
    return error_reply(identity, problem.code, problem.message, problem.data())


def parse_error(reason: str) -> bytes:
    return error_reply(None, PARSE_ERROR, f"This is not JSON: {reason}", {"kind": "parse_error", "retry": False})


def invalid_request(reason: str, identity: RequestId = None) -> bytes:
    data: dict[str, object] = {"kind": "invalid_request", "retry": False}
    return error_reply(identity, INVALID_REQUEST, f"This is no JSON-RPC 2.0 request: {reason}.", data)


def unknown_method(identity: RequestId) -> bytes:
    data: dict[str, object] = {"kind": "method_not_found", "retry": False}
    return error_reply(identity, METHOD_NOT_FOUND, "There is no such method; rpc.discover lists all.", data)


def positional_params(identity: RequestId) -> bytes:
    problem = InvalidParams("Parameters go by name: make params an object.", path="")
    return public_error(identity, problem)


def over_limit(identity: RequestId, limit: int) -> bytes:
    problem = LimitExceeded(
        "Too many requests of this connection are unanswered. Wait for some.", retry_after_s=1.0, limit=limit
    )
    return public_error(identity, problem)


def notification(topic: str, params: dict[str, Any]) -> bytes:
    return encode_json({"jsonrpc": "2.0", "method": topic, "params": params})


def batch(replies: list[bytes]) -> bytes:
    return b"[" + b",".join(replies) + b"]"
