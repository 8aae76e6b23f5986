"""What of an event a session may see, by its scopes alone."""

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from core.bus import Published
from core.events import CallDtmf, EventSpec, Scope, spec_of
from core.rpc.view import EventEncoder, ScopedView, direct

DTMF = spec_of(CallDtmf)


@dataclass(frozen=True)
class Stored:
    seq: int
    at: str
    params: dict[str, Any]
    spec: EventSpec


def published(spec: EventSpec, index: int = 0, seq: int | None = 7) -> Published:
    return Published(index, spec, {"digit": "5"}, "2026-11-21T07:16:00.123Z", seq, 7)


@pytest.mark.parametrize(
    ("needed", "held", "seen"),
    [
        (Scope.OBSERVE, {Scope.OBSERVE}, True),
        (Scope.CALLS, {Scope.OBSERVE}, False),
        (Scope.CALLS, {Scope.OBSERVE, Scope.CALLS}, True),
    ],
)
def test_an_event_above_a_scope_is_not_shown_live_nor_replayed(needed: Scope, held: set[Scope], seen: bool) -> None:
    spec = replace(DTMF, scope=needed)
    view = ScopedView(EventEncoder(), frozenset(held))
    assert (view.live(published(spec)) is not None) == seen
    assert (view.stored(Stored(7, "", {"digit": "5"}, spec)) is not None) == seen


def test_live_and_replayed_look_the_same() -> None:
    for scopes in (frozenset({Scope.OBSERVE}), frozenset(Scope)):
        view = ScopedView(EventEncoder(), scopes)
        one = published(DTMF)
        assert view.live(one) == view.stored(Stored(7, one.at, one.params, DTMF))


def test_redaction_names_the_field_and_leaves_the_event_as_it_was() -> None:
    encoder = EventEncoder()
    one = published(DTMF)
    blind, seeing = ScopedView(encoder, frozenset({Scope.OBSERVE})), ScopedView(encoder, frozenset(Scope))
    for _ in range(2):
        hidden, clear = blind.live(one), seeing.live(one)
        assert hidden is not None and clear is not None
        assert json.loads(hidden)["params"] == {"seq": 7, "at": one.at, "digit": None, "redacted": ["digit"]}
        assert json.loads(clear)["params"] == {"seq": 7, "at": one.at, "digit": "5"}


def test_bytes_are_kept_for_the_newest_events_only() -> None:
    encoder = EventEncoder()
    for index in range(2000):
        encoder.live(published(DTMF, index), True)
    assert len(encoder._kept) == 256


def test_a_message_to_one_session_is_redacted_too() -> None:
    told = direct(CallDtmf(digit="5"), 3, frozenset({Scope.OBSERVE}))
    assert told is not None
    params = json.loads(told)["params"]
    assert (params["digit"], params["redacted"], params["after_seq"]) == (None, ["digit"], 3)
