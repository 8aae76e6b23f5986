"""Declarations of methods: one decorator, and the registry that the folder core/rpc/api fills.

    @method("call.start", scope=Scope.CALLS, errors=(LineBusy, ModemOffline), facts=True)
    async def start(request: Request, params: StartParams) -> CallInfo:
        '''Place a call; answers once the modem took it, before the far end rings.'''

The types of `params` and of the result make the JSON Schemas, PROTOCOL.md and the SDKs' types; the first paragraph of
the docstring is the summary. A new file in core/rpc/api is found by itself.
"""

import importlib
import pkgutil
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import msgspec
from msgspec import Struct

from core.bus import CAUSE, Cause
from core.errors import Forbidden, InvalidParams, PublicError
from core.events import Scope

if TYPE_CHECKING:
    from core.rpc.context import Core
    from core.rpc.session import Session

RequestId = str | int | float | None


@dataclass(frozen=True, slots=True)
class Request:
    """What a method knows of who asks. id is None for a notification and for `"id": null`."""

    core: "Core"
    session: "Session"
    cause: Cause
    id: RequestId = None


P = TypeVar("P", bound=Struct)
R = TypeVar("R", bound=Struct)
Handler = Callable[[Request, P], Awaitable[R]]


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """One declared method. alias_of names the method that this one is another name of."""

    name: str
    handler: Callable[[Request, Any], Awaitable[Struct]]
    params: type[Struct]
    result: type[Struct]
    scope: Scope
    errors: tuple[type[PublicError], ...]
    since: str
    facts: bool
    summary: str
    alias_of: str | None = None


Registry = dict[str, MethodSpec]

METHODS: Registry = {}


def method(
    name: str,
    *,
    scope: Scope = Scope.OBSERVE,
    errors: tuple[type[PublicError], ...] = (),
    since: str = "0.1",
    facts: bool = False,
    aliases: tuple[str, ...] = (),
    into: Registry = METHODS,
) -> Callable[[Handler[P, R]], Handler[P, R]]:
    """Declares a method. facts=True: its result gains `seq`, that of the newest fact the request caused.

    ValueError at import for a name declared twice, or params that are no keyword Struct: mistakes of ours.
    """

    def declare(handler: Handler[P, R]) -> Handler[P, R]:
        hints = get_type_hints(handler)
        params, result = hints["params"], hints["return"]
        _check_struct(name, params)
        summary = " ".join((handler.__doc__ or "").strip().split("\n\n")[0].split())
        if not summary:
            raise ValueError(f"{name}: give it a docstring, it is its description in the schema")
        for each in (name, *aliases):
            if each in into:
                raise ValueError(f"method {each} is declared twice")
            alias_of = name if each != name else None
            into[each] = MethodSpec(
                each, handler, params, result, scope, errors, since, facts, summary, alias_of=alias_of
            )
        return handler

    return declare


def load() -> Registry:
    """All methods of core/rpc/api, found by listing the folder."""
    from core.rpc import api

    for module in sorted(pkgutil.iter_modules(api.__path__), key=lambda found: found.name):
        importlib.import_module(f"{api.__name__}.{module.name}")
    return METHODS


async def invoke(spec: MethodSpec, request: Request, params: dict[str, Any]) -> object:
    """Checks scope and params, runs the method and gives its result, ready for JSON. PublicError for the client.

    The request's Cause is in CAUSE while it runs, so that facts which it writes are known as its own.
    """
    if spec.scope not in request.session.scopes:
        raise Forbidden(f"This needs the scope {spec.scope}, which your user or group does not have.", scope=spec.scope)
    typed = convert_params(spec.params, params)
    CAUSE.set(request.cause)
    result = await spec.handler(request, typed)
    if not spec.facts or not request.cause.seqs:
        return result
    return msgspec.to_builtins(result) | {"seq": max(request.cause.seqs)}


def convert_params(wanted: type[P], params: dict[str, Any]) -> P:
    """Params as their Struct. InvalidParams with `path`, e.g. "number" or "alarms[0].alarm", and no value in it."""
    try:
        return msgspec.convert(params, wanted)
    except msgspec.ValidationError as problem:
        text, path = _explain(str(problem))
        raise InvalidParams(f"{path}: {text}" if path else text, path=path) from None


_AT = " - at `"
_MISSING = re.compile(r"Object missing required field `(.*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


def _explain(problem: str) -> tuple[str, str]:
    """msgspec's "Expected `int`, got `str` - at `$.a[0].b`" as its text and the path "a[0].b"."""
    text, _, where = problem.partition(_AT)
    path = where.removesuffix("`").removeprefix("$").removeprefix(".")
    dot = "." if path else ""
    if missing := _MISSING.fullmatch(text):
        return "is required", f"{path}{dot}{missing[1]}"
    if unknown := _UNKNOWN.fullmatch(text):
        # The name is the client's own text: cut, so that a mistaken paste is not copied into answers and logs.
        return "is not a parameter of this method", f"{path}{dot}{unknown[1][:64]}"
    if text.startswith("Invalid enum value"):
        return "is none of the allowed values", path
    return text, path


def _check_struct(name: str, params: object) -> None:
    if not (isinstance(params, type) and issubclass(params, Struct)):
        raise ValueError(f"{name}: params must be a msgspec Struct")
    if not params.__struct_config__.forbid_unknown_fields:
        raise ValueError(f"{name}: {params.__name__} must have forbid_unknown_fields")
