"""Checks whatever goes over the wire against the schema that the program itself serves. For all tests with clients.

schema = ProtocolSchema.of(methods)      # or ProtocolSchema(document from rpc.discover)
schema.check_request("call.start", {"number": "+447700900123"})
schema.check_reply("call.start", reply)
schema.check_event(notification)
"""

from typing import Any

import jsonschema

from core.rpc.methods import Registry
from core.rpc.openrpc import document


class SchemaMismatch(AssertionError):
    """Something on the wire is not what the schema says."""


class ProtocolSchema:
    def __init__(self, openrpc: dict[str, Any]) -> None:
        self._components = openrpc["components"]
        self._methods = {method["name"]: method for method in openrpc["methods"]}
        self._events = {event["name"]: event for event in openrpc["x-events"]}
        self._kinds = {kind: error["code"] for kind, error in self._components["errors"].items()}

    @classmethod
    def of(cls, methods: Registry) -> "ProtocolSchema":
        return cls(document(methods))

    def check_request(self, name: str, params: dict[str, Any]) -> None:
        """What our own clients send must be valid; tests of wrong requests go around this."""
        described = self._methods[name]["params"]
        schema = {
            "type": "object",
            "properties": {param["name"]: param["schema"] for param in described},
            "required": [param["name"] for param in described if param["required"]],
            "additionalProperties": False,
        }
        self._check(f"params of {name}", params, schema)

    def check_reply(self, name: str, reply: dict[str, Any]) -> None:
        if "error" in reply:
            self.check_error(name, reply["error"])
            return
        schema = self._methods[name]["result"]["schema"]
        self._check(f"result of {name}", reply["result"], schema)
        self._no_extras(f"result of {name}", reply["result"], schema)

    def check_error(self, name: str | None, error: dict[str, Any]) -> None:
        """Code and kind belong together, and the method has declared that it can fail so."""
        kind = error["data"]["kind"]
        if self._kinds.get(kind) != error["code"] or not isinstance(error["data"]["retry"], bool):
            raise SchemaMismatch(f"error {error} is not in the table")
        if name is None or name not in self._methods:
            return
        declared = {ref["$ref"].rpartition("/")[2] for ref in self._methods[name]["errors"]}
        general = {"parse_error", "invalid_request", "internal", "invalid_params", "forbidden", "limit", "cancelled"}
        if kind not in declared | general:
            raise SchemaMismatch(f"{name} failed with {kind}, which it does not declare")

    def check_event(self, notification: dict[str, Any]) -> None:
        topic = notification["method"]
        if topic not in self._events:
            raise SchemaMismatch(f"{topic} is no declared event")
        schema = self._events[topic]["schema"]
        self._check(topic, notification["params"], schema)
        self._no_extras(topic, notification["params"], schema)

    def _check(self, what: str, value: object, schema: dict[str, Any]) -> None:
        whole = schema | {"components": self._components}
        try:
            jsonschema.Draft202012Validator(whole).validate(value)
        except jsonschema.ValidationError as problem:
            raise SchemaMismatch(f"{what}: {problem.message} at {problem.json_path}") from None

    def _no_extras(self, what: str, value: object, schema: dict[str, Any]) -> None:
        """Fields that the schema does not know: allowed to clients of later versions, a mistake within one."""
        if ref := schema.get("$ref"):
            schema = self._components["schemas"][ref.rpartition("/")[2]]
        if isinstance(value, dict) and "properties" in schema:
            if extra := set(value) - set(schema["properties"]):
                raise SchemaMismatch(f"{what} has fields that the schema does not know: {sorted(extra)}")
            for name, held in value.items():
                self._no_extras(f"{what}.{name}", held, schema["properties"][name])
        elif isinstance(value, list) and isinstance(schema.get("items"), dict):
            for held in value:
                self._no_extras(f"{what}[]", held, schema["items"])
