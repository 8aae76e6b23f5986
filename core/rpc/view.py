"""Events as one session may see them: by its scopes, with personal fields in the clear or nulled."""

from collections import OrderedDict
from typing import Any

from core.bus import Published
from core.clock import rfc3339
from core.events import Event, EventSpec, Scope, parameters, personal_scope, spec_of
from core.rpc.feed import Fact
from core.rpc.replies import notification

_ENCODED_KEPT = 256
"""Events whose bytes are kept: all sessions that keep up want the same few, and JSON is made once for all of them."""


class EventEncoder:
    """One per server: an event becomes bytes once in the clear and once redacted, not once per client."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, bool], bytes] = OrderedDict()

    def live(self, published: Published, clear: bool) -> bytes:
        key = (published.index, clear)
        message = self._kept.get(key)
        if message is None:
            message = self._kept[key] = notification(published.spec.topic, live_params(published, clear))
            if len(self._kept) > _ENCODED_KEPT:
                self._kept.popitem(last=False)
        return message


class ScopedView:
    """What a session with these scopes sees."""

    def __init__(self, encoder: EventEncoder, scopes: frozenset[Scope]) -> None:
        self._encoder, self._scopes = encoder, scopes

    def narrow(self, scopes: frozenset[Scope]) -> None:
        self._scopes = scopes

    def live(self, published: Published) -> bytes | None:
        if published.spec.scope not in self._scopes:
            return None
        return self._encoder.live(published, in_clear(published.spec, self._scopes))

    def stored(self, fact: Fact) -> bytes | None:
        if fact.spec.scope not in self._scopes:
            return None
        clear = in_clear(fact.spec, self._scopes)
        return notification(fact.spec.topic, {"seq": fact.seq, "at": fact.at} | visible(fact.spec, fact.params, clear))


def in_clear(spec: EventSpec, scopes: frozenset[Scope]) -> bool:
    """Whether these scopes cover the event's personal fields."""
    return not spec.personal or personal_scope(spec.topic) in scopes


def visible(spec: EventSpec, params: dict[str, Any], clear: bool) -> dict[str, Any]:
    """The fields; where not in the clear, personal ones are null and named in `redacted`, whether they held
    something or not."""
    if clear:
        return params
    return params | dict.fromkeys(spec.personal) | {"redacted": list(spec.personal)}


def live_params(published: Published, clear: bool) -> dict[str, Any]:
    """An event's params on the wire: a fact carries its seq, a moment the seq of the newest fact before it."""
    head = {"after_seq": published.after_seq} if published.seq is None else {"seq": published.seq}
    return head | {"at": published.at} | visible(published.spec, published.params, clear)


def direct(happened: Event, after_seq: int, scopes: frozenset[Scope]) -> bytes | None:
    """A moment for one session alone; None when its scopes don't allow it."""
    spec = spec_of(happened)
    if spec.scope not in scopes:
        return None
    fields = visible(spec, parameters(happened), in_clear(spec, scopes))
    return notification(spec.topic, {"after_seq": after_seq, "at": rfc3339()} | fields)
