"""The table of calls: which ones there are, and their rows and facts on disk, always in one transaction."""

from asyncio import Task, TaskGroup
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from msgspec import to_builtins

from core.bus import CAUSE
from core.call import Call
from core.clock import rfc3339
from core.errors import NotFound, PublicError
from core.events import CallEnded, CallIncoming, CallMissed, CallRinging, Event
from core.line import CallState, Direction, EndReason, LineEvent
from core.log import Log
from core.store import calls as rows
from core.store.store import Store, Tx

log = Log("calls")

EARLY_HANDLES = 16
EARLY_EVENTS = 16
"""Facts of a handle that is not a call yet: ATD's own progress may overtake its answer. The oldest go first."""


class CallBook:
    """Calls by id and by the line's handle; owns the tasks that belong to calls."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.bus = store.bus
        self.tasks: TaskGroup | None = None
        self._calls: dict[str, Call] = {}
        self._by_handle: dict[tuple[str, int], Call] = {}
        self._early: dict[tuple[str, int], deque[LineEvent]] = {}

    # --- reading ---------------------------------------------------------------------------------------------------

    def live(self) -> list[Call]:
        return [call for call in self._calls.values() if call.live]

    def on_line(self, line: str) -> list[Call]:
        return [call for call in self.live() if call.line == line]

    def find(self, call_id: str | None, *, ended: bool = False) -> Call:
        """The call by id, or the only live one. NotFound says which of the two it was."""
        if call_id is not None:
            call = self._calls.get(call_id)
            if call is None or not (call.live or ended):
                raise NotFound("There is no live call with this id.")
            return call
        live = self.live()
        if len(live) != 1:
            raise NotFound("There is no live call." if not live else "There is more than one call; name its call_id.")
        return live[0]

    def by_handle(self, line: str, handle: int) -> Call | None:
        return self._by_handle.get((line, handle))

    # --- facts that came before their call ---------------------------------------------------------------------------

    def keep_early(self, line: str, handle: int, happened: LineEvent) -> None:
        self._early.setdefault((line, handle), deque(maxlen=EARLY_EVENTS)).append(happened)
        if len(self._early) > EARLY_HANDLES:
            self._early.pop(next(iter(self._early)))

    def take_early(self, line: str, handle: int) -> list[LineEvent]:
        return list(self._early.pop((line, handle), ()))

    # --- writing -----------------------------------------------------------------------------------------------------

    async def announce(self, call: Call) -> None:
        """A new call: its row, and call.incoming or call.ringing."""
        self._calls[call.call_id] = call
        self._by_handle[call.line, call.handle] = call
        event: Event
        if call.direction is Direction.IN:
            event = CallIncoming(
                line=call.line,
                call_id=call.call_id,
                number=call.number,
                withheld=call.withheld,
                waiting=call.waiting,
            )
        else:
            event = CallRinging(line=call.line, call_id=call.call_id, number=call.number)
        row = rows.CallRow(
            call_id=call.call_id,
            line=call.line,
            direction=call.direction,
            number=call.number,
            withheld=call.withheld,
            state=call.state,
            started_at=call.started_at,
        )

        def work(tx: Tx) -> None:
            rows.insert_call(tx, row)
            tx.fact(event)

        await self._write(call, work)
        log.info("call", call_id=call.call_id, line=call.line, direction=call.direction, pii_number=call.number)

    async def tell(self, call: Call, *events: Event, **columns: object) -> None:
        """Facts and row of a call, on behalf of the request that wished for them."""
        columns = {"state": call.state} | columns

        def work(tx: Tx) -> None:
            with suppress(NotFound):  # a call that began on a full disk has no row; its facts are told all the same
                rows.update_call(tx, call.call_id, **columns)
            for event in events:
                tx.fact(event)

        with self._on_behalf(call):
            await self._write(call, work)

    async def _write(self, call: Call, work: Callable[[Tx], None]) -> None:
        """A full or failing disk costs the log of a call, never the call: the caller is still answered."""
        try:
            await self.store.write(work)
        except PublicError as problem:
            log.error("a fact of a call was not written", call_id=call.call_id, kind=problem.kind)

    async def end(self, call: Call, reason: EndReason, network_text: str | None, turns: int) -> None:
        """call.missed where nobody answered, and call.ended: exactly once per call."""
        never_answered = call.direction is Direction.IN and call.connected_s is None
        call.reason, call.network_text = reason, network_text
        events: list[Event] = []
        if never_answered and reason in (EndReason.MISSED, EndReason.MODEM_LOST):
            events.append(
                CallMissed(
                    line=call.line,
                    call_id=call.call_id,
                    number=call.number,
                    withheld=call.withheld,
                    rings=call.rings,
                )
            )
        events.append(
            CallEnded(
                line=call.line,
                call_id=call.call_id,
                direction=call.direction,
                reason=reason,
                number=call.number,
                network_text=network_text,
                duration_s=call.duration_s,
                turns=turns,
                recording=call.recording,
                audio=call.audio,
            )
        )
        await self.tell(
            call,
            *events,
            ended_at=rfc3339(),
            duration_s=call.duration_s,
            reason=call.reason,
            rings=call.rings,
            network_text=call.network_text,
            recording=call.recording,
            audio=to_builtins(call.audio) if call.audio is not None else None,
        )
        log.info(
            "call ended",
            call_id=call.call_id,
            reason=call.reason,
            duration_s=call.duration_s,
            audio=call.audio.verdict if call.audio is not None else "none",
            network=call.network_text,
        )
        call.over.set()
        call.changed.set()
        self._by_handle.pop((call.line, call.handle), None)

    def forget(self, call: Call) -> None:
        self._calls.pop(call.call_id, None)

    async def recover(self) -> int:
        """Closes the calls that a killed core left open, as core_restarted; gives how many."""
        left = await self.store.read(rows.open_calls)

        def work(tx: Tx) -> None:
            for row in left:
                reason = EndReason.CORE_RESTARTED
                rows.update_call(tx, row.call_id, state=CallState.ENDED, ended_at=rfc3339(), reason=reason)
                if row.direction is Direction.IN and row.connected_at is None:
                    tx.fact(
                        CallMissed(
                            line=row.line,
                            call_id=row.call_id,
                            number=row.number,
                            withheld=row.withheld,
                            rings=row.rings,
                        )
                    )
                tx.fact(
                    CallEnded(
                        line=row.line,
                        call_id=row.call_id,
                        direction=row.direction,
                        reason=reason,
                        number=row.number,
                        recording=row.recording,
                    )
                )

        if left:
            await self.store.write(work)
        return len(left)

    @contextmanager
    def _on_behalf(self, call: Call) -> Iterator[None]:
        token = CAUSE.set(call.cause)
        try:
            yield
        finally:
            CAUSE.reset(token)

    # --- tasks -------------------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> Task[None]:
        """A task that belongs to a call: its failure is logged and stays its own."""
        if self.tasks is None:
            work.close()
            raise RuntimeError("the call service is not running")
        return self.tasks.create_task(_kept(work, name), name=name)


async def _kept(work: Coroutine[Any, Any, None], name: str) -> None:
    CAUSE.set(None)
    try:
        await work
    except Exception:  # the outermost guard of a call's task
        log.exception("a task of a call failed", task=name)
