"""Events of alarms, clients and the event stream itself."""

from core.events.declare import Event, event


@event("alarm.raised", personal=("text",))
class AlarmRaised(Event, frozen=True, kw_only=True):
    """Something wants a person. alarm is a stable name, text is for people; client says who raised it."""

    alarm: str
    severity: str = "warning"
    text: str | None = None
    client: str | None = None


@event("alarm.cleared")
class AlarmCleared(Event, frozen=True, kw_only=True):
    """An alarm is over."""

    alarm: str
    client: str | None = None


@event("client.state")
class ClientState(Event, frozen=True, kw_only=True):
    """A client reported its own state with client.report_state."""

    client: str
    state: str
    detail: str | None = None


@event("events.lagged", fact=False)
class EventsLagged(Event, frozen=True, kw_only=True):
    """You missed events from_seq to to_seq: read them again with events.subscribe {since}, or call state.get."""

    from_seq: int
    to_seq: int
    cause: str


@event("events.displaced", fact=False)
class EventsDisplaced(Event, frozen=True, kw_only=True):
    """A newer connection took over your consumer name; this one gets no more events."""

    consumer: str
