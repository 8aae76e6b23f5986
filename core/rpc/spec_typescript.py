"""clients/node/protocol.d.ts from the OpenRPC document: one interface a type, and Methods and Events by name. Pure."""

import re
from typing import Any

from core.rpc.openrpc import Schema
from core.rpc.spec_python import event_name, params_name, params_schema, ref_name

_HEAD = """// Types of the Dialtone protocol. Written by `python -m core.rpc.spec --write`; changes here are lost.
// Params, results and events by name. A fact carries `seq`, a moment `after_seq`.
"""
_SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def render(document: dict[str, Any]) -> str:
    """The whole declaration file."""
    schemas: dict[str, Schema] = document["components"]["schemas"]
    methods, events = document["methods"], document["x-events"]
    errors: dict[str, Any] = document["components"]["errors"]
    own = {method["name"]: method for method in methods}
    parts = [_HEAD]
    parts += [_declared(name, schema) for name, schema in schemas.items()]
    parts += [_declared(params_name(each), params_schema(each)) for each in methods if "x-alias-of" not in each]
    parts += [_declared(event_name(each), each["schema"] | {"description": each["summary"]}) for each in events]
    parts.append("/** Every method: what it takes and what it gives. */\nexport interface Methods {\n")
    for method in methods:
        named = own[method.get("x-alias-of", method["name"])]
        result = _type(method["result"]["schema"])
        parts[-1] += f"  {_quoted(method['name'])}: {{ params: {params_name(named)}; result: {result} }};\n"
    parts[-1] += "}\n"
    parts.append("/** Every event: its params. */\nexport interface Events {\n")
    parts[-1] += "".join(f"  {_quoted(event['name'])}: {event_name(event)};\n" for event in events) + "}\n"
    for name, kind in (("Fact", "fact"), ("Moment", "moment")):
        parts.append(_union(name, [event["name"] for event in events if event["kind"] == kind]))
    parts.append(_union("ErrorKind", list(errors)))
    parts.append(
        "/** The `data` of a JSON-RPC error object; kind is what to go by. */\n"
        "export interface ErrorData {\n  kind: ErrorKind;\n  retry: boolean;\n  retry_after_s?: number;\n"
        "  path?: string;\n  [detail: string]: unknown;\n}\n"
    )
    return "\n".join(parts)


def _declared(name: str, schema: Schema) -> str:
    head = _comment(schema.get("description"), "")
    if "enum" in schema:
        return head + _union(name, schema["enum"])
    lines = [f"export interface {name} {{"]
    required = set(schema.get("required", ()))
    for key, held in schema.get("properties", {}).items():
        if comment := _comment(held.get("description"), "  "):
            lines.append(comment.rstrip("\n"))
        lines.append(f"  {_key(key)}{'' if key in required else '?'}: {_type(held)};")
    return head + "\n".join([*lines, "}"]) + "\n"


def _comment(text: str | None, indent: str) -> str:
    flat = " ".join((text or "").split()).replace("*/", "* /")
    return f"{indent}/** {flat} */\n" if flat else ""


def _union(name: str, values: list[str]) -> str:
    return f"export type {name} =\n" + "\n".join(f"  | {_quoted(value)}" for value in values) + ";\n"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return ref_name(schema)
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(_quoted(value) if isinstance(value, str) else str(value) for value in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"Array<{_type(schema.get('items') or {})}>"
    if kind == "object":
        held = schema.get("additionalProperties")
        return f"Record<string, {_type(held) if isinstance(held, dict) else 'unknown'}>"
    return _SIMPLE.get(str(kind), "unknown")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else _quoted(name)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
