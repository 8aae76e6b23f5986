"""The generated parts of PROTOCOL.md, by the name of their marker. Pure; the prose around them is written by hand."""

import json
import re
from collections.abc import Callable
from typing import Any

from core.rpc.openrpc import ANY_METHOD, Schema
from core.rpc.spec_python import ref_name

_MARKED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


class UnknownPart(ValueError):
    """PROTOCOL.md has a marker that nothing is generated for."""


def fill(text: str, document: dict[str, Any], diagram: str) -> str:
    """PROTOCOL.md with the parts between its markers made anew. UnknownPart for a marker of another name."""
    parts: dict[str, Callable[[], str]] = {
        "methods": lambda: _methods(document),
        "types": lambda: _types(document),
        "events": lambda: _events(document),
        "errors": lambda: _errors(document),
        "calls": lambda: diagram,
    }

    def make(found: re.Match[str]) -> str:
        if found[2] not in parts:
            raise UnknownPart(found[2])
        return f"{found[1]}{parts[found[2]]().strip()}\n{found[3]}"

    return _MARKED.sub(make, text)


def _methods(document: dict[str, Any]) -> str:
    return "\n".join(_method(method) for method in document["methods"])


def _method(method: dict[str, Any]) -> str:
    lines = [f"### `{method['name']}`", ""]
    if alias_of := method.get("x-alias-of"):
        return "\n".join([*lines, f"Another name of `{alias_of}`.", ""])
    lines += [method["summary"], ""]
    if method["params"]:
        lines += ["| parameter | type | |", "|---|---|---|"]
        lines += [_parameter(param) for param in method["params"]]
        lines.append("")
    facts = "; its result has the `seq` of the newest fact it caused" if method["x-facts"] else ""
    lines.append(f"Result: {_type(method['result']['schema'])}{facts}. Scope `{method['x-scope']}`.")
    if method["errors"]:
        lines.append(
            "Errors: " + ", ".join(f"`{error['$ref'].rpartition('/')[2]}`" for error in method["errors"]) + "."
        )
    return "\n".join([*lines, ""])


def _parameter(param: dict[str, Any]) -> str:
    schema = param["schema"]
    notes = []
    if param["required"]:
        notes.append("**required**")
    if about := schema.get("description"):
        notes.append(about)
    if (default := schema.get("default")) not in (None, [], {}):
        notes.append(f"default `{_json(default)}`")
    return f"| `{param['name']}` | {_type(schema)} | {_cell('; '.join(notes))} |"


def _types(document: dict[str, Any]) -> str:
    lines: list[str] = []
    for name, schema in document["components"]["schemas"].items():
        # Methods and types share names but for the capital, and anchors have none.
        lines += [f'### <a id="{_anchor(name)}"></a>{name}', ""]
        if about := schema.get("description"):
            lines += [about, ""]
        if "enum" in schema:
            lines += [", ".join(f"`{value}`" for value in schema["enum"]) + ".", ""]
        elif schema.get("properties"):
            lines += _fields(schema)
    return "\n".join(lines)


def _fields(schema: Schema) -> list[str]:
    optional = set(schema["properties"]) - set(schema.get("required", ()))
    rows = []
    for name, held in schema["properties"].items():
        absent = " (may be absent)" if name in optional else ""
        rows.append(f"| `{name}`{absent} | {_type(held)} | {_cell(held.get('description', ''))} |")
    return ["| field | type | |", "|---|---|---|", *rows, ""]


def _events(document: dict[str, Any]) -> str:
    lines: list[str] = []
    for event in document["x-events"]:
        lines += [f"### `{event['name']}` ({event['kind']})", "", event["summary"], ""]
        if event["personal"]:
            names = ", ".join(f"`{name}`" for name in event["personal"])
            lines += [f"Personal, null without the scope `{event['personal_scope']}`: {names}.", ""]
        own = {name: each for name, each in event["schema"]["properties"].items() if name not in _ENVELOPE}
        if own:
            lines += _fields({"properties": own, "required": list(own)})
    return "\n".join(lines)


_ENVELOPE = ("seq", "after_seq", "at", "line", "call_id", "redacted")


def _errors(document: dict[str, Any]) -> str:
    general = {error.kind for error in ANY_METHOD}
    lines = ["| code | `data.kind` | retry | |", "|---|---|---|---|"]
    for kind, error in document["components"]["errors"].items():
        anywhere = " Any method." if kind in general else ""
        retry = "yes" if error["data"]["retry"] else "no"
        lines.append(f"| {error['code']} | `{kind}` | {retry} | {_cell(error['message'])}{anywhere} |")
    return "\n".join(lines)


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = ref_name(schema)
        return f"[{name}](#{_anchor(name)})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"`{_json(value)}`" for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"array of {_type(schema.get('items') or {})}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    limits = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    return f"{kind} {', '.join(limits)}" if limits else str(kind)


def _anchor(name: str) -> str:
    return f"type-{name.lower()}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
