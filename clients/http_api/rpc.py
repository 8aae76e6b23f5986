"""POST /v1/rpc: JSON-RPC 2.0 over HTTP, with batches and notifications, for one request at a time."""

import asyncio
import json
from typing import Any

from aiohttp import web

import dialtone
from clients.http_api.site import Site, caller_of

BATCH_MAX = 100
CONNECTION_METHODS = ("client.hello", "$/cancelRequest", "stt.phrases", "call.attach")
CONNECTION_PREFIXES = ("events.", "brain.", "client.")
"""What belongs to a connection of one's own: many callers share one here. /v1/events has the events."""

Json = dict[str, Any]

_INVALID, _PARSE, _NOT_FOUND, _INTERNAL = -32600, -32700, -32601, -32603


def routes(site: Site) -> list[web.RouteDef]:
    async def rpc(request: web.Request) -> web.Response:
        """A reply, a list of replies, or nothing (204) for notifications alone."""
        try:
            message = json.loads(await request.read())
        except ValueError:
            return _reply(_error(None, _PARSE, "The body is not JSON.", "parse_error"))
        phone = await site.links.phone(caller_of(request).scopes)
        if not isinstance(message, list):
            answer = await _one(phone, message)
            return web.Response(status=204) if answer is None else _reply(answer)
        if not message or len(message) > BATCH_MAX:
            text = f"A batch holds 1 to {BATCH_MAX} requests."
            return _reply(_error(None, _INVALID, text, "invalid_request"))
        answers = [answer for answer in await asyncio.gather(*(_one(phone, one) for one in message)) if answer]
        return _reply(answers) if answers else web.Response(status=204)

    return [web.post("/v1/rpc", rpc)]


async def _one(phone: dialtone.Phone, message: object) -> Json | None:
    """The answer to one request; None to a notification."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0" or not isinstance(message.get("method"), str):
        return _error(None, _INVALID, "This is not a JSON-RPC 2.0 request.", "invalid_request")
    request_id, method, params = message.get("id"), message["method"], message.get("params", {})
    wanted = "id" in message
    if wanted and not isinstance(request_id, str | int | float | None):
        return _error(None, _INVALID, "An id is a string or a number.", "invalid_request")
    if not isinstance(params, dict):
        return _error(request_id, -32602, "Parameters go by name.", "invalid_params") if wanted else None
    if method in CONNECTION_METHODS or method.startswith(CONNECTION_PREFIXES):
        text = "This method belongs to a connection of its own: use the Unix socket, or /v1/events."
        return _error(request_id, _NOT_FOUND, text, "method_not_found") if wanted else None
    answer: Json
    try:
        answer = {"jsonrpc": "2.0", "id": request_id, "result": await phone.call_with(method, params)}
    except dialtone.RpcError as problem:
        data = {"kind": problem.kind, "retry": problem.retry, **problem.data}
        answer = {
            "jsonrpc": "2.0",
            "id": request_id,
            "error": {"code": problem.code, "message": problem.message, "data": data},
        }
    except dialtone.DialtoneError as problem:
        kind = "timeout" if isinstance(problem, dialtone.RequestTimeout) else "core_unreachable"
        answer = _error(request_id, _INTERNAL, f"The core did not answer: {problem}", kind)
    return answer if wanted else None


def _error(request_id: object, code: int, message: str, kind: str) -> Json:
    return {
        "jsonrpc": "2.0",
        "id": request_id,
        "error": {"code": code, "message": message, "data": {"kind": kind, "retry": False}},
    }


def _reply(value: Json | list[Json]) -> web.Response:
    return web.json_response(value)
