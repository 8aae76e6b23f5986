"""clients/python/dialtone/protocol.py from the OpenRPC document: TypedDicts and Literals, nothing but typing.

The output is what `ruff format` would make of it, so that the repository's own check leaves it alone. Pure.
"""

import keyword
import textwrap
from typing import Any

from core.rpc.openrpc import Schema, camel

WIDTH = 120
_HEAD = '''"""Types of the Dialtone protocol. Written by `python -m core.rpc.spec --write`; changes here are lost.

Params, results and events by name, as TypedDicts. A fact carries `seq`, a moment `after_seq`.
"""

from typing import Any, Literal, NotRequired, TypedDict
'''
_SIMPLE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def render(document: dict[str, Any]) -> str:
    """The whole module."""
    schemas: dict[str, Schema] = document["components"]["schemas"]
    methods, events = document["methods"], document["x-events"]
    facts = [event["name"] for event in events if event["kind"] == "fact"]
    moments = [event["name"] for event in events if event["kind"] == "moment"]
    errors: dict[str, Any] = document["components"]["errors"]
    parts = [
        _HEAD,
        _literal("Method", [method["name"] for method in methods]),
        _literal("Fact", facts),
        _literal("Moment", moments),
        "Topic = Fact | Moment",
        _literal("ErrorKind", list(errors)),
        _mapping("ERROR_CODES: dict[ErrorKind, int]", {kind: error["code"] for kind, error in errors.items()}),
    ]
    parts += [_literal(name, schema["enum"]) for name, schema in schemas.items() if "enum" in schema]
    parts += [_typed_dict(name, schemas[name]) for name in _in_order(schemas) if "enum" not in schemas[name]]
    parts += [
        _typed_dict(params_name(method), params_schema(method)) for method in methods if "x-alias-of" not in method
    ]
    parts += [_typed_dict(event_name(event), event["schema"] | {"description": event["summary"]}) for event in events]
    return _spaced(parts)


def params_name(method: dict[str, Any]) -> str:
    """ "CallStartParams" for call.start."""
    return camel(method["name"]) + "Params"


def event_name(event: dict[str, Any]) -> str:
    """ "CallIncomingEvent" for call.incoming."""
    return camel(event["name"]) + "Event"


def params_schema(method: dict[str, Any]) -> Schema:
    """A method's parameters as one object."""
    return {
        "type": "object",
        "description": f"{method['name']}: {method['summary']}",
        "properties": {param["name"]: param["schema"] for param in method["params"]},
        "required": [param["name"] for param in method["params"] if param["required"]],
    }


def ref_name(schema: Schema) -> str:
    name: str = schema["$ref"].rpartition("/")[2]
    return name


def _spaced(parts: list[str]) -> str:
    """Classes stand two lines apart from everything, plain statements one line or none."""
    text = parts[0]
    before_is_class = False
    for part in parts[1:]:
        is_class = part.startswith("class ")
        text += ("\n\n" if is_class or before_is_class else "\n" if text == parts[0] else "") + part + "\n"
        before_is_class = is_class
    return text


def _in_order(schemas: dict[str, Schema]) -> list[str]:
    """Names so that each stands after those that it uses."""
    found: list[str] = []

    def visit(name: str) -> None:
        if name in found:
            return
        for used in _refs(schemas[name]):
            if used != name:
                visit(used)
        found.append(name)

    for name in sorted(schemas):
        visit(name)
    return found


def _refs(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [ref_name(value)] if "$ref" in value else []
        return own + [name for held in value.values() for name in _refs(held)]
    return [name for held in value for name in _refs(held)] if isinstance(value, list) else []


def _literal(name: str, values: list[str]) -> str:
    one_line = f"{name} = Literal[{', '.join(_quoted(value) for value in values)}]"
    if len(one_line) <= WIDTH:
        return one_line
    return f"{name} = Literal[\n" + "".join(f"    {_quoted(value)},\n" for value in values) + "]"


def _mapping(head: str, values: dict[str, int]) -> str:
    return f"{head} = {{\n" + "".join(f"    {_quoted(key)}: {value},\n" for key, value in values.items()) + "}"


def _typed_dict(name: str, schema: Schema) -> str:
    properties: dict[str, Schema] = schema.get("properties", {})
    required = set(schema.get("required", ()))
    types = {key: _type(each) if key in required else f"NotRequired[{_type(each)}]" for key, each in properties.items()}
    if any(not key.isidentifier() or keyword.iskeyword(key) for key in types):
        body = "".join(f"        {_quoted(key)}: {held},\n" for key, held in types.items())
        return f"{name} = TypedDict(\n    {_quoted(name)},\n    {{\n{body}    }},\n)"
    lines = [f"class {name}(TypedDict):"]
    if about := schema.get("description"):
        lines.append(_docstring(about))
    for key, held in types.items():
        if described := properties[key].get("description"):
            lines += [
                "    " + line
                for line in textwrap.wrap(described, WIDTH - 6, initial_indent="# ", subsequent_indent="# ")
            ]
        lines.append(f"    {key}: {held}")
    if types and about:
        lines.insert(2, "")
    return "\n".join(lines if len(lines) > 1 else [*lines, "    pass"])


def _docstring(about: str) -> str:
    flat = " ".join(about.split())
    if len(flat) <= WIDTH - 10:
        return f'    """{flat}"""'
    wrapped = textwrap.wrap(flat, WIDTH - 20)  # always two lines or more: ruff pulls a lone one together
    return '    """' + "\n    ".join(wrapped) + '\n    """'


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return ref_name(schema)
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if "enum" in schema:
        values = [_quoted(value) if isinstance(value, str) else repr(value) for value in schema["enum"]]
        return f"Literal[{', '.join(values)}]"
    kind = schema.get("type")
    if kind == "array":
        return f"list[{_type(schema.get('items') or {})}]"
    if kind == "object":
        held = schema.get("additionalProperties")
        return f"dict[str, {_type(held)}]" if isinstance(held, dict) else "dict[str, Any]"
    return _SIMPLE.get(str(kind), "Any")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
