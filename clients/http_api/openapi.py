"""GET /v1/openapi.json: this service as an OpenAPI 3.1 document; the methods come from the core's own description."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from clients.http_api.site import Site, need

Json = dict[str, Any]
PathItems = Mapping[str, Json]

_ERROR = {
    "description": "What went wrong",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/HttpError"}}},
}
_BEARER: list[Json] = [{"bearer": []}, {}]
_TEXT = {"type": "string"}


def routes(site: Site, others: PathItems) -> list[web.RouteDef]:
    """others: path items of the old APIs."""
    ready: dict[str, Json] = {}
    asking = asyncio.Lock()

    async def described(request: web.Request) -> web.Response:
        """Asked of the core once."""
        need(request, "observe")
        async with asking:
            if "document" not in ready:
                phone = await site.links.phone(frozenset({"observe"}))
                ready["document"] = document(await phone.call("rpc.discover"), others)
        return web.json_response(ready["document"])

    return [web.get("/v1/openapi.json", described)]


def document(openrpc: Json, others: PathItems | None = None) -> Json:
    """openrpc: what rpc.discover gave. others: path items of the old APIs. OpenAPI Specification 3.1.0."""
    schemas = dict(openrpc["components"]["schemas"])
    for method in openrpc["methods"]:
        schemas[_request_name(method)] = _request(method)
    schemas |= {"RpcRequest": _any_request(openrpc["methods"]), "RpcReply": _REPLY, "HttpError": _HTTP_ERROR}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dialtone over HTTP",
            "version": openrpc["info"]["version"],
            "description": "JSON-RPC, events and health of a phone line. PROTOCOL.md has the methods in prose.",
            "license": openrpc["info"]["license"],
        },
        "paths": {**_PATHS, **(others or {})},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _request_name(method: Json) -> str:
    words = str(method["name"]).replace("$/", "").replace("/", ".").split(".")
    return "Call" + "".join(part[:1].upper() + part[1:] for word in words for part in word.split("_")) + "Request"


def _request(method: Json) -> Json:
    params = {param["name"]: param["schema"] for param in method["params"]}
    required = [param["name"] for param in method["params"] if param.get("required")]
    fields: Json = {"type": "object", "properties": params, "additionalProperties": False}
    if required:
        fields["required"] = required
    return {
        "type": "object",
        "description": method.get("summary") or method.get("description") or method["name"],
        "properties": {
            "jsonrpc": {"const": "2.0"},
            "id": {"type": ["string", "integer"]},
            "method": {"const": method["name"]},
            "params": fields,
        },
        "required": ["jsonrpc", "method", *(["params"] if required else [])],
    }


def _any_request(methods: list[Json]) -> Json:
    return {
        "oneOf": [{"$ref": f"#/components/schemas/{_request_name(method)}"} for method in methods],
        "discriminator": {
            "propertyName": "method",
            "mapping": {method["name"]: f"#/components/schemas/{_request_name(method)}" for method in methods},
        },
    }


def operation(summary: str, answers: Json, **more: Any) -> Json:
    """One operation with the errors that any may give."""
    errors = {status: _ERROR for status in ("401", "429", "500", "503") if status not in answers}
    return {"summary": summary, "responses": answers | errors, "security": _BEARER, **more}


def content(schema: Json, text: str = "Done", media_type: str = "application/json") -> Json:
    """A response, or with `required` a request body, of one media type."""
    return {"description": text, "content": {media_type: {"schema": schema}}}


_REPLY: Json = {
    "type": "object",
    "properties": {
        "jsonrpc": {"const": "2.0"},
        "id": {"type": ["string", "integer", "number", "null"]},
        "result": True,
        "error": {
            "type": "object",
            "properties": {"code": {"type": "integer"}, "message": _TEXT, "data": {"type": "object"}},
            "required": ["code", "message"],
        },
    },
    "required": ["jsonrpc", "id"],
}
_HTTP_ERROR: Json = {
    "type": "object",
    "properties": {
        "error": {"type": "object", "properties": {"kind": _TEXT, "message": _TEXT}, "required": ["kind", "message"]}
    },
    "required": ["error"],
}
_STATUS: Json = {"type": "object", "properties": {"status": _TEXT}, "required": ["status"]}
_BATCH_OF = {"type": "array", "minItems": 1, "maxItems": 100}


def _query(name: str, text: str, where: str = "query") -> Json:
    return {"name": name, "in": where, "required": False, "description": text, "schema": _TEXT}


_PATHS: Json = {
    "/v1/rpc": {
        "post": operation(
            "One JSON-RPC 2.0 request, or a batch",
            {
                "200": content(
                    {
                        "oneOf": [
                            {"$ref": "#/components/schemas/RpcReply"},
                            _BATCH_OF | {"items": {"$ref": "#/components/schemas/RpcReply"}},
                        ]
                    },
                    "The reply or replies; errors of methods are replies, too",
                ),
                "204": {"description": "Notifications alone have no reply"},
            },
            requestBody={
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "oneOf": [
                                {"$ref": "#/components/schemas/RpcRequest"},
                                _BATCH_OF | {"items": {"$ref": "#/components/schemas/RpcRequest"}},
                            ]
                        }
                    }
                },
            },
        )
    },
    "/v1/events": {
        "get": operation(
            "Events as server-sent events",
            {"200": content(_TEXT, "A stream without an end", "text/event-stream"), "400": _ERROR},
            parameters=[
                _query("topics", "Names such as call.ended or call.*, with commas; default: all facts"),
                _query("since", "Facts after this number first"),
                _query("Last-Event-ID", "As since: what an EventSource sends when it comes back", "header"),
            ],
        )
    },
    "/v1/health/live": {"get": operation("Whether this service answers", {"200": content(_STATUS)})},
    "/v1/health/ready": {
        "get": operation("Whether calls can be taken", {"200": content(_STATUS), "503": content(_STATUS)})
    },
    "/v1/openapi.json": {"get": operation("This document", {"200": content({"type": "object"})})},
    "/metrics": {"get": operation("Figures for Prometheus", {"200": content(_TEXT, "Text format", "text/plain")})},
}
