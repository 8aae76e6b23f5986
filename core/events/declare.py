"""What an event is: its topic, who gets it, who sees the personal part of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

Handle = Annotated[str, Meta(description="Call id: call_<unix seconds>_<4 base32>")]


class Scope(StrEnum):
    """What a peer may do. admin holds all others."""

    OBSERVE = "observe"
    MESSAGES = "messages"
    CALLS = "calls"
    ADMIN = "admin"


class Event(Struct, frozen=True, kw_only=True):
    """Base of all events. line and call_id are there where they apply."""

    line: str | None = None
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class EventSpec:
    """How one event travels."""

    topic: str
    type: type[Event]
    fact: bool
    scope: Scope
    personal: tuple[str, ...]
    summary: str


EVENTS: dict[str, EventSpec] = {}
_BY_TYPE: dict[type[Event], EventSpec] = {}
_E = TypeVar("_E", bound=Event)


def event(
    topic: str, *, fact: bool = True, scope: Scope = Scope.OBSERVE, personal: tuple[str, ...] = ()
) -> Callable[[type[_E]], type[_E]]:
    """Declares an event; its docstring's first line becomes its description in the schema."""

    def declare(cls: type[_E]) -> type[_E]:
        summary = (cls.__doc__ or "").strip().splitlines()[0]
        spec = EventSpec(topic, cls, fact, scope, personal, summary)
        EVENTS[topic] = _BY_TYPE[cls] = spec
        return cls

    return declare


def spec_of(event_or_type: Event | type[Event]) -> EventSpec:
    """The declaration of an event; KeyError for an undeclared type is a mistake of ours."""
    return _BY_TYPE[event_or_type if isinstance(event_or_type, type) else type(event_or_type)]


PERSONAL_SCOPE = {"call": Scope.CALLS, "voicemail": Scope.CALLS, "sms": Scope.MESSAGES, "ussd": Scope.MESSAGES}
"""First word of a topic to the scope that sees its personal fields; all other topics: admin."""


def personal_scope(topic: str) -> Scope:
    return PERSONAL_SCOPE.get(topic.partition(".")[0], Scope.ADMIN)


def parameters(happened: Event) -> dict[str, Any]:
    """The event's own fields as plain JSON values; line and call_id left out where they don't apply."""
    from msgspec import to_builtins

    found: dict[str, Any] = to_builtins(happened)
    return {name: value for name, value in found.items() if value is not None or name not in ("line", "call_id")}
