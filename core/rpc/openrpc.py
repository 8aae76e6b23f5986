"""The OpenRPC document: methods, events and errors with their JSON Schemas, made from the declarations alone.

rpc.discover serves it; PROTOCOL.md and both SDKs' types are written from it. Schemas are JSON Schema 2020-12.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct, UnsetType, inspect

from core.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Cancelled,
    Forbidden,
    InvalidParams,
    LimitExceeded,
    PublicError,
    error_table,
)
from core.events import EVENTS, EventSpec, personal_scope
from core.rpc.methods import MethodSpec, Registry

OPENRPC = "1.3.2"
PROTOCOL = "0.1"
"""Version of the protocol: the minor number grows with what is added, the major with what is removed."""

Schema = dict[str, Any]

ANY_METHOD: tuple[type[PublicError], ...] = (InvalidParams, Forbidden, LimitExceeded, Cancelled)
"""Errors that every method can answer with; besides them those of JSON-RPC itself."""

_STANDARD = (
    (PARSE_ERROR, "parse_error", "The message is not JSON."),
    (INVALID_REQUEST, "invalid_request", "The message is JSON but no JSON-RPC 2.0 request."),
    (METHOD_NOT_FOUND, "method_not_found", "There is no such method; rpc.discover lists all."),
    (INTERNAL_ERROR, PublicError.kind, PublicError.summary),
)
_REF = "#/components/schemas/{name}"


def document(methods: Registry) -> dict[str, Any]:
    """The whole document, plain JSON values. ValueError where two Structs share one name."""
    specs = [methods[name] for name in sorted(methods)]
    _check_names(
        [cls for spec in specs for cls in (spec.params, spec.result)] + [spec.type for spec in EVENTS.values()]
    )
    schemas = _Schemas([spec.result for spec in specs], [spec.params for spec in specs])
    described = [_method(spec, schemas) for spec in specs]
    events = [_event(EVENTS[topic]) for topic in sorted(EVENTS)]
    schemas.add_events([EVENTS[topic].type for topic in sorted(EVENTS)])
    return {
        "openrpc": OPENRPC,
        "info": {
            "title": "Dialtone",
            "version": PROTOCOL,
            "description": "A SIM card as a programmable phone. Events are JSON-RPC notifications, listed in x-events.",
            "license": {"name": "GPL-3.0-or-later"},
        },
        "methods": described,
        "components": {"schemas": schemas.used(described, events), "errors": _errors()},
        "x-events": events,
    }


def _check_names(types: list[type[Struct]]) -> None:
    """A name is a type's whole identity in the document and in the SDKs."""
    named: dict[str, type[Struct]] = {}
    for cls in _structs_in(types):
        if named.setdefault(cls.__name__, cls) is not cls:
            raise ValueError(f"two types of the protocol share a name: {cls.__name__}")


def camel(name: str) -> str:
    """ "call.chunk_audio" as "CallChunkAudio"."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", name))


class _Schemas:
    """Components by name. What we send holds all its fields, what we take may leave out those with a default."""

    def __init__(self, sent: Iterable[type[Struct]], taken: Iterable[type[Struct]]) -> None:
        self._sent = list(sent)
        self.components = _components([*self._sent, *taken])
        for cls in _structs_in(self._sent):
            _require_all(self.components[cls.__name__], cls)

    def add_events(self, events: list[type[Struct]]) -> None:
        """The types that events hold; the events themselves stand in x-events with their envelope."""
        components = _components(events)
        own = {cls.__name__ for cls in events}
        for cls in _structs_in(events):
            _require_all(components[cls.__name__], cls)
        for name, schema in components.items():
            if name not in own:
                self.components.setdefault(name, schema)

    def of(self, cls: type[Struct]) -> Schema:
        found: Schema = self.components[cls.__name__]
        return found

    def used(self, *documents: object) -> dict[str, Schema]:
        """The components that are referred to, directly or not."""
        wanted: set[str] = set()
        texts = [json.dumps(document) for document in documents]
        while texts:
            for name in re.findall(r'"#/components/schemas/([^"]+)"', texts.pop()):
                if name not in wanted:
                    wanted.add(name)
                    texts.append(json.dumps(self.components[name]))
        return {name: self.components[name] for name in sorted(wanted)}


def _components(types: Iterable[type[Struct]]) -> dict[str, Schema]:
    unique = list(dict.fromkeys(types))
    _, components = msgspec.json.schema_components(unique, ref_template=_REF)
    for schema in components.values():
        for field in schema.get("properties", {}).values():
            _lift(field)
    return components


def _lift(schema: Schema) -> None:
    """`X | None` with a description on X: it describes the field. And that null is the default is said by `anyOf`."""
    for member in schema.get("anyOf", ()):
        if "description" in member and "description" not in schema:
            schema["description"] = member["description"]
        member.pop("description", None)
    if schema.get("default", ...) is None:
        del schema["default"]


def _structs_in(types: Iterable[type[Struct]]) -> set[type[Struct]]:
    """These Structs and all that they hold."""
    found: set[type[Struct]] = set()
    for cls in types:
        _collect(inspect.type_info(cls), found)
    return found


def _collect(info: object, found: set[type[Struct]]) -> None:
    if isinstance(info, inspect.StructType):
        if info.cls not in found:
            found.add(info.cls)
            for each in info.fields:
                _collect(each.type, found)
    elif isinstance(info, inspect.UnionType):
        for member in info.types:
            _collect(member, found)
    else:
        for inner in ("item_type", "key_type", "value_type", "type"):
            if (held := getattr(info, inner, None)) is not None:
                _collect(held, found)
        for held in getattr(info, "item_types", ()):
            _collect(held, found)


def _require_all(schema: Schema, cls: type[Struct]) -> None:
    """msgspec calls a field with a default optional; on the way out it is always there, unless it may be unset."""
    if cls.__struct_config__.omit_defaults:
        return
    optional = {each.encode_name for each in msgspec.structs.fields(cls) if _may_be_unset(each.type)}
    schema["required"] = [name for name in schema.get("properties", {}) if name not in optional]


def _may_be_unset(declared: Any) -> bool:
    return declared is UnsetType or UnsetType in getattr(declared, "__args__", ())


def _method(spec: MethodSpec, schemas: _Schemas) -> dict[str, Any]:
    params = schemas.of(spec.params)
    required = set(params.get("required", ()))
    described: dict[str, Any] = {
        "name": spec.name,
        "summary": spec.summary,
        "paramStructure": "by-name",
        "params": [
            {"name": name, "required": name in required, "schema": schema}
            for name, schema in params.get("properties", {}).items()
        ],
        "result": {"name": spec.result.__name__, "schema": _result(spec, schemas)},
        "errors": [{"$ref": f"#/components/errors/{error.kind}"} for error in spec.errors],
        "x-scope": str(spec.scope),
        "x-since": spec.since,
        "x-facts": spec.facts,
    }
    if spec.alias_of is not None:
        described["x-alias-of"] = spec.alias_of
    return described


def _result(spec: MethodSpec, schemas: _Schemas) -> Schema:
    """A reference to the result's type; where the server adds `seq` to a type without one, to a type that has it."""
    name = spec.result.__name__
    plain = schemas.of(spec.result)
    if spec.facts and "seq" not in plain.get("properties", {}):
        name += "WithSeq"
        seq = {"type": "integer", "minimum": 1, "description": "The newest fact that this request caused"}
        properties = plain.get("properties", {}) | {"seq": seq}
        schemas.components[name] = plain | {"title": name, "properties": properties}
    return {"$ref": _REF.format(name=name)}


def _event(spec: EventSpec) -> dict[str, Any]:
    (declared,) = (_components([spec.type])[spec.type.__name__],)
    number = (
        {"seq": {"type": "integer", "minimum": 1, "description": "Number of this fact; grows for ever"}}
        if spec.fact
        else {"after_seq": {"type": "integer", "minimum": 0, "description": "Number of the newest fact before it"}}
    )
    fields: dict[str, Schema] = declared.get("properties", {})
    properties = number | {"at": {"type": "string", "format": "date-time", "description": "RFC 3339, UTC, ms"}} | fields
    always = [name for name in properties if name not in ("line", "call_id")]
    if spec.personal:
        properties["redacted"] = {
            "type": "array",
            "items": {"enum": list(spec.personal)},
            "description": "Personal fields that are null because your scopes don't cover them",
        }
    described: dict[str, Any] = {
        "name": spec.topic,
        "summary": spec.summary,
        "kind": "fact" if spec.fact else "moment",
        "scope": str(spec.scope),
        "personal": list(spec.personal),
        "schema": {"type": "object", "title": camel(spec.topic), "properties": properties, "required": always},
    }
    if spec.personal:
        described["personal_scope"] = str(personal_scope(spec.topic))
    return described


def _errors() -> dict[str, Any]:
    """Every kind by name. An error object is {code, message, data: {kind, retry, …}}."""
    found: dict[str, Any] = {}
    for code, kind, summary in _STANDARD:
        found[kind] = _error(code, kind, summary, retry=False)
    for error in error_table():
        found[error.kind] = _error(error.code, error.kind, error.summary, retry=error.retry)
    return found


def _error(code: int, kind: str, summary: str, *, retry: bool) -> dict[str, Any]:
    return {"code": code, "message": summary, "data": {"kind": kind, "retry": retry}}
