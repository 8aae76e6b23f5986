"""Facts of one conversation on their way to disk: in the order in which they happened, without the talker waiting."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from core.call import Call
from core.errors import PublicError
from core.events import Event
from core.log import Log
from core.store import calls as rows
from core.store.store import Store, Tx

log = Log("outbox")

FACTS_WAITING = 64
"""A call makes a fact every few seconds; this many waiting means that the disk hangs. Then the newest is dropped and
the log says so: the 20 ms clock is not stopped for it."""


@dataclass(frozen=True, slots=True)
class _Entry:
    event: Event | None
    row: rows.TurnRow | None = None
    columns: dict[str, object] = field(default_factory=dict)


class Outbox:
    """One writer per call, so that turns keep their order on disk and on the socket."""

    def __init__(self, call: Call, store: Store) -> None:
        self._call, self._store = call, store
        self._queue: asyncio.Queue[_Entry] = asyncio.Queue(FACTS_WAITING)
        self._ordinal = 0
        self._watchers: list[Callable[[Event], None]] = []

    def watch(self, watcher: Callable[[Event], None]) -> None:
        """Shows every event of this call to somebody in the core, as it happens. It must not wait."""
        self._watchers.append(watcher)

    def moment(self, event: Event) -> None:
        """Live only, told at once."""
        self._store.bus.moment(event)
        self._show(event)

    def fact(self, event: Event, row: rows.TurnRow | None = None) -> None:
        """Queues a fact and the turn it speaks of; they are committed together."""
        if row is not None:
            self._ordinal += 1
            row = replace(row, ordinal=self._ordinal)
        self._put(_Entry(event, row))
        self._show(event)

    def columns(self, **columns: object) -> None:
        """Sets columns of the call's row, in order with its facts."""
        self._put(_Entry(None, columns=columns))

    def _show(self, event: Event) -> None:
        for watcher in tuple(self._watchers):
            try:
                watcher(event)
            except Exception:  # whoever watches must not stop the call
                log.exception("a watcher of a call failed and is taken off", call_id=self._call.call_id)
                self._watchers.remove(watcher)

    def _put(self, entry: _Entry) -> None:
        try:
            self._queue.put_nowait(entry)
        except asyncio.QueueFull:
            log.error("a fact is lost: the disk does not answer", call_id=self._call.call_id)

    async def run(self) -> None:
        """Writes for ever; cancelled by the conversation once `drained`."""
        while True:
            entry = await self._queue.get()
            try:
                await self._store.write(_work(self._call.call_id, entry))
            except PublicError as problem:
                log.error("a fact was not written", call_id=self._call.call_id, kind=problem.kind)
            except Exception:  # whatever the disk has, the call goes on
                log.exception("a fact was not written", call_id=self._call.call_id)
            finally:
                self._queue.task_done()

    async def drained(self) -> None:
        await self._queue.join()


def _work(call_id: str, entry: _Entry) -> Callable[[Tx], None]:
    def work(tx: Tx) -> None:
        # The row of a call that began on a full disk is not there: its facts are told all the same.
        known = rows.get_call(tx.connection, call_id) is not None
        if entry.row is not None and known:
            rows.add_turn(tx, entry.row)
        if entry.columns and known:
            rows.update_call(tx, call_id, **entry.columns)
        if entry.event is not None:
            tx.fact(entry.event)

    return work
