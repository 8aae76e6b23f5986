"""Clients as the core knows them: names, states they report, alarms they raise."""

import asyncio
from dataclasses import dataclass, field

from core.clock import rfc3339
from core.events import AlarmCleared, AlarmRaised, ClientState
from core.store.store import Store, Tx


@dataclass(frozen=True, slots=True)
class Alarm:
    alarm: str
    severity: str
    text: str | None
    client: str
    at: str


@dataclass(slots=True)
class ClientEntry:
    name: str
    state: str | None = None
    detail: str | None = None
    alarms: dict[str, Alarm] = field(default_factory=dict)


CLIENTS_KEPT = 200
"""Names are chosen by clients, so the table has a bound; the entries without alarms go first, then the oldest."""


CORE = "core"
"""Whose alarms are the daemon's own."""


class ClientRegistry:
    """Reported states and alarms by client name; they outlive a connection, not the core."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: dict[str, ClientEntry] = {}
        self._core_turn = asyncio.Lock()
        """Several parts of the core have alarms; each time the whole set is written."""

    @property
    def alarms(self) -> list[Alarm]:
        return sorted((a for e in self._entries.values() for a in e.alarms.values()), key=lambda alarm: alarm.at)

    def entry(self, name: str) -> ClientEntry | None:
        return self._entries.get(name)

    async def report(self, name: str, state: str | None, detail: str | None, alarms: list[Alarm] | None) -> None:
        """Keeps the state and journals what changed. alarms: the full set that the client has now; None: as before.
        state None: it has none to speak of."""
        entry = self._entries.get(name) or ClientEntry(name)
        before = entry.alarms
        after = before if alarms is None else {alarm.alarm: alarm for alarm in alarms}
        raised = [a for key, a in after.items() if key not in before or before[key].text != a.text]
        cleared = [key for key in before if key not in after]
        changed = (entry.state, entry.detail) != (state, detail)

        def work(tx: Tx) -> None:
            if changed and state is not None:
                tx.fact(ClientState(client=name, state=state, detail=detail))
            for alarm in raised:
                tx.fact(AlarmRaised(alarm=alarm.alarm, severity=alarm.severity, text=alarm.text, client=name))
            for key in cleared:
                tx.fact(AlarmCleared(alarm=key, client=name))

        if changed or raised or cleared:
            await self._store.write(work)
        entry.state, entry.detail, entry.alarms = state, detail, dict(after)
        self._entries[name] = entry
        self._trim()

    async def core_alarm(self, alarm: str, text: str | None, severity: str = "warning") -> None:
        """Raises an alarm of the core's own, or clears it with text None."""
        async with self._core_turn:
            held = self._entries.get(CORE)
            alarms = dict(held.alarms) if held is not None else {}
            if text is None:
                if alarms.pop(alarm, None) is None:
                    return
            else:
                alarms[alarm] = new_alarm(alarm, severity, text, CORE)
            await self.report(CORE, None, None, list(alarms.values()))

    def _trim(self) -> None:
        if len(self._entries) > CLIENTS_KEPT:
            quiet = (name for name, entry in self._entries.items() if not entry.alarms)
            del self._entries[next(quiet, next(iter(self._entries)))]


def new_alarm(alarm: str, severity: str, text: str | None, client: str) -> Alarm:
    """An alarm as of now."""
    return Alarm(alarm, severity, text, client, rfc3339())
