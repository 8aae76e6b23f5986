"""The modem's calls, driven by +CLCC lists. Pure: lines' contents and times go in, facts of core.line come out.

RING, +CLIP, VOICE CALL:, NO CARRIER and the rest are hints: `wants_list` then asks for an AT+CLCC at once. The first
sign of an end (END, NO CARRIER, +CLCC 6) makes a call end; the others, up to 2 s later, must not end the next one.
A call that ends stays for one more exchange (AT+CEER) until `finish` releases it, exactly once.
Field reports behind the rules stand in the reference of the modem, §2.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count

from core.line import (
    CallState,
    EndReason,
    LineCaller,
    LineDtmf,
    LineEvent,
    LineIncoming,
    LineProgress,
    LineReleased,
    LineRing,
)
from core.modem.call_state import STATES, Entry, Intent
from core.modem.lines import CallEnd, CallerId, ListedCall, MissedCall, Stat

SWALLOW_S = 2.0
"""END, NO CARRIER and +CLCC 6 of one call come within this time, in any order and often all three."""

CALLER_S = 0.4
"""How long a first RING waits for its number, so that call.incoming has it; +CLIP follows within milliseconds."""

EMPTY_GAP_S = 0.3
"""Two empty lists count only this far apart: right after ATD the modem's list is empty for a moment."""

STRANGER_S = 3.0
"""A listed call that we don't know (an end reported too early, a call of an earlier life) is hung up after this."""


class CallTable:
    """`emit` gets each fact, in order. `handles` outlives the table, so that no handle repeats."""

    def __init__(self, emit: Callable[[LineEvent], None], handles: Iterator[int] | None = None) -> None:
        self.wants_list = False
        self._emit = emit
        self._handles = handles or count(1)
        self._entries: dict[int, Entry] = {}
        self._swallow_until_s = float("-inf")
        self._swallowed: set[tuple[str, str]] = set()
        self._released: deque[tuple[float, Entry]] = deque(maxlen=8)
        self._strangers_since_s: float | None = None
        self._list_empty = True

    # --- what it knows ---------------------------------------------------------------------------------------------

    def live(self) -> list[Entry]:
        """Calls that have not begun to end."""
        return [entry for entry in self._entries.values() if entry.ending_since_s is None]

    def ending(self) -> list[Entry]:
        """Calls that wait for `finish`; one whose ATD is under way waits for that first."""
        return [entry for entry in self._ended() if entry.pending is None]

    def find(self, handle: int) -> Entry | None:
        """The live call of that handle."""
        entry = self._entries.get(handle)
        return entry if entry is not None and entry.ending_since_s is None else None

    def was_held(self, handle: int) -> bool:
        """Whether that call, of now or just over, has been on hold."""
        entries = (*self._entries.values(), *(entry for _, entry in self._released))
        return any(entry.was_held for entry in entries if entry.handle == handle)

    def needs_poll(self) -> bool:
        """While a call exists here or in the modem."""
        return bool(self._entries) or not self._list_empty

    def strangers(self, at_s: float) -> bool:
        """Whether the modem has had a call that isn't ours for too long."""
        return self._strangers_since_s is not None and at_s - self._strangers_since_s >= STRANGER_S

    def deadline_s(self) -> float | None:
        """When `tick` must be called at the latest."""
        waits = [entry.since_s + CALLER_S for entry in self.live() if not entry.announced]
        return min(waits, default=None)

    # --- our own doings --------------------------------------------------------------------------------------------

    def dialling(self, number: str, at_s: float) -> int:
        """ATD is about to be sent. Facts about this call wait for `dialled`."""
        entry = self._add(False, CallState.DIALING, at_s)
        entry.caller = CallerId(number, False)
        entry.pending = deque()
        return entry.handle

    def dialled(self, handle: int) -> None:
        """ATD was taken: the facts held back go out."""
        entry = self._entries.get(handle)
        if entry is not None and entry.pending is not None:
            held, entry.pending = entry.pending, None
            for fact in held:
                self._emit(fact)
            self.wants_list = True

    def forget(self, handle: int) -> None:
        """ATD was refused: there never was such a call."""
        self._entries.pop(handle, None)

    def intend(self, handle: int, intent: Intent) -> None:
        """We are about to end it, or (NONE) the modem refused to."""
        if (entry := self.find(handle)) is not None:
            entry.intent = intent

    # --- what the modem says ---------------------------------------------------------------------------------------

    def on_ring(self, port: str, at_s: float) -> None:
        """RING on one port. Each port counts for itself, so that the same ring on two ports is one."""
        self.wants_list = True
        entry = self._ringing_entry(None, at_s)
        if entry is None or entry.waiting:
            return
        entry.rings[port] = entry.rings.get(port, 0) + 1
        if not entry.announced and entry.rings[port] > 1:
            self._announce(entry)
        self._say_rings(entry)

    def on_caller(self, caller: CallerId, at_s: float, *, waiting: bool = False) -> None:
        """+CLIP, or +CCWA for a waiting call."""
        self.wants_list = True
        entry = self._ringing_entry(caller, at_s, waiting=waiting)
        if entry is not None:
            self._learn(entry, caller)
            self._announce(entry)

    def on_end(self, port: str, end: CallEnd, at_s: float) -> None:
        """VOICE CALL: END."""
        self.wants_list = True
        for entry in self._ended():  # +CLCC 6 came first: only the duration is news
            if entry.duration_s is None:
                entry.duration_s = end.duration_s
        if (live := self._only_live("end", port, at_s)) is not None:
            live.duration_s = end.duration_s
            self._end(live, at_s, by=("end", port))

    def on_no_carrier(self, port: str, at_s: float) -> None:
        """NO CARRIER, and whatever else only says that something is over."""
        self.wants_list = True
        if (entry := self._only_live("carrier", port, at_s)) is not None:
            self._end(entry, at_s, by=("carrier", port))

    def on_failure(self, port: str, reason: EndReason, at_s: float) -> None:
        """BUSY or NO ANSWER, about an outgoing call that was not answered."""
        self.wants_list = True
        for entry in self._entries.values():
            if not entry.incoming and not entry.answered and entry.failure is None:
                entry.failure = reason
        live = self._only_live("failure", port, at_s)
        if live is not None and not live.incoming and not live.answered:
            self._end(live, at_s, by=("failure", port))

    def on_missed(self, port: str, missed: MissedCall, at_s: float) -> None:
        """MISSED_CALL. It may come minutes late, so it ends only a call that rings, and never makes a new one."""
        self.wants_list = True
        entry = self._only_live("missed", port, at_s)
        if entry is not None and entry.ringing:
            if entry.number is None and missed.number is not None:
                self._learn(entry, CallerId(missed.number, False))
            self._end(entry, at_s, by=("missed", port))

    def on_key(self, port: str, key: str) -> None:
        """+RXDTMF. Counted by port as rings are."""
        entry = next((entry for entry in self.live() if entry.state is CallState.ACTIVE), None)
        if entry is None:
            return
        entry.keys[port] = entry.keys.get(port, 0) + 1
        if entry.keys[port] > entry.keys_said:
            entry.keys_said = entry.keys[port]
            self._say(entry, LineDtmf(entry.handle, key))

    def on_listed(self, call: ListedCall, at_s: float) -> None:
        """One +CLCC as a URC. It tells of this call only: a call that isn't in it may be in the next line."""
        if call.voice:
            self._list_empty = False
            self._update(call, at_s)

    def on_list(self, calls: Iterable[ListedCall], at_s: float) -> bool:
        """A whole list that ended in OK. False when it has a call that isn't ours."""
        self.wants_list = False
        latest = {call.index: call for call in calls if call.voice}  # a URC in between is the older news of an index
        self._list_empty = all(call.stat is Stat.DISCONNECTED for call in latest.values())
        known = [self._update(call, at_s) for call in latest.values()]
        if all(known):
            self._strangers_since_s = None
        elif self._strangers_since_s is None:
            self._strangers_since_s = at_s
        for entry in self.live():
            if entry.index not in latest:
                self._missing(entry, at_s)
        return all(known)

    def tick(self, at_s: float) -> None:
        """Announces calls whose number doesn't come."""
        for entry in self.live():
            if not entry.announced and at_s >= entry.since_s + CALLER_S:
                self._announce(entry)

    # --- ends ------------------------------------------------------------------------------------------------------

    def finish(self, handle: int, network_text: str | None, at_s: float) -> None:
        """Releases a call that is ending. Nothing is said about it afterwards."""
        entry = self._entries.get(handle)
        if entry is None or entry.ending_since_s is None or entry.pending is not None:
            return
        del self._entries[handle]
        self._announce(entry)
        self._released.append((at_s, entry))
        self._emit(LineReleased(handle, entry.reason(network_text), network_text, entry.duration_s))

    def lose(self) -> None:
        """The modem went: every call of it is over."""
        for entry in list(self._entries.values()):
            del self._entries[entry.handle]
            if entry.pending is not None:
                continue  # `dial` says so itself
            self._announce(entry)
            over = entry.ending_since_s is not None  # before the modem went
            reason = entry.reason(None) if over else EndReason.MODEM_LOST
            self._emit(LineReleased(entry.handle, reason, None, entry.duration_s))
        self._list_empty = True

    # --- inside ----------------------------------------------------------------------------------------------------

    def _ended(self) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.ending_since_s is not None]

    def _add(self, incoming: bool, state: CallState, at_s: float) -> Entry:
        entry = Entry(next(self._handles), incoming, state, at_s, announced=not incoming)
        self._entries[entry.handle] = entry
        return entry

    def _say(self, entry: Entry, fact: LineEvent) -> None:
        if entry.pending is None:
            self._emit(fact)
        else:
            entry.pending.append(fact)  # a handful at most: it lasts as long as one ATD

    def _announce(self, entry: Entry) -> None:
        if entry.announced:
            return
        entry.announced = True
        caller = entry.caller or CallerId(None, True)
        self._say(entry, LineIncoming(entry.handle, caller.number, caller.withheld, entry.waiting))
        self._say_rings(entry)

    def _say_rings(self, entry: Entry) -> None:
        while entry.announced and entry.rings_said < max(entry.rings.values(), default=0):
            entry.rings_said += 1
            self._say(entry, LineRing(entry.handle, entry.rings_said))

    def _learn(self, entry: Entry, caller: CallerId) -> None:
        known = entry.caller
        if known is not None and (known.number is not None or caller.number is None):
            return
        entry.caller = caller
        if entry.announced and caller.number is not None:
            self._say(entry, LineCaller(entry.handle, caller.number, caller.withheld))

    def _ringing_entry(self, caller: CallerId | None, at_s: float, *, waiting: bool = False) -> Entry | None:
        """The call that a RING, +CLIP or +CCWA is about; a new one unless it is the echo of one just ended."""
        for entry in self.live():
            if entry.ringing and (not waiting or entry.waiting):
                return entry
        if self._just_ended(None, caller.number if caller else None, at_s):
            return None
        entry = self._add(True, CallState.INCOMING, at_s)
        entry.waiting = waiting or len(self.live()) > 1
        return entry

    def _just_ended(self, index: int | None, number: str | None, at_s: float) -> bool:
        """Whether a call that rang, ended within the last 2 s and could be meant by these; None matches any."""
        recent = [entry for released_s, entry in self._released if at_s - released_s < SWALLOW_S]
        return any(
            (index is None or entry.index is None or entry.index == index)
            and (number is None or entry.number is None or entry.number == number)
            for entry in recent + self._ended()
            if entry.ringing or index is not None
        )

    def _only_live(self, sign: str, port: str, at_s: float) -> Entry | None:
        """The call that a sign without an index is about; None when it can't be told, or is of the call just ended.

        Each port brings each sign once a call: the second NO CARRIER of a port within the 2 s is the next call's.
        """
        if at_s < self._swallow_until_s and (sign, port) not in self._swallowed:
            self._swallowed.add((sign, port))
            return None
        live = self.live()
        if len(live) != 1:
            return None
        return live[0]

    def _end(self, entry: Entry, at_s: float, *, by: tuple[str, str] | None = None) -> None:
        if entry.ending_since_s is None:
            entry.ending_since_s = at_s
            self._swallow_until_s = at_s + SWALLOW_S
            self._swallowed = set() if by is None else {by}

    def _missing(self, entry: Entry, at_s: float) -> None:
        """Not in a whole list: gone if we ended it, else when the next list says so too."""
        if entry.pending is not None:
            return
        if entry.intent is not Intent.NONE:
            self._end(entry, at_s)
        elif entry.missing_since_s is None:
            entry.missing_since_s = at_s
        elif at_s - entry.missing_since_s >= EMPTY_GAP_S:
            self._end(entry, at_s)

    def _match(self, call: ListedCall) -> Entry | None:
        """By index; else a call of that direction whose index isn't known yet."""
        for entry in self._entries.values():
            if entry.index == call.index and entry.incoming == call.incoming:
                return entry
        for entry in self.live():
            if entry.index is None and entry.incoming == call.incoming and (not call.incoming or entry.ringing):
                return entry
        return None

    def _update(self, call: ListedCall, at_s: float) -> bool:
        """One listed call. False when it is none of ours."""
        entry = self._match(call)
        if entry is not None and entry.ending_since_s is not None:
            return True
        if entry is not None and self._index_used_again(entry, call, at_s):
            self._end(entry, at_s)
            entry = None
        if call.stat is Stat.DISCONNECTED:
            if entry is not None:
                self._end(entry, at_s)
            return True
        if entry is None:
            return self._first_seen(call, at_s)
        entry.index, entry.missing_since_s = call.index, None
        entry.waiting = entry.waiting and call.stat is not Stat.INCOMING  # the other call ended: now it rings
        if entry.incoming:
            self._learn_from_list(entry, call)
        self._move(entry, STATES[call.stat], at_s)
        return True

    def _first_seen(self, call: ListedCall, at_s: float) -> bool:
        if self._just_ended(call.index, call.number, at_s):
            return True
        if call.stat not in (Stat.INCOMING, Stat.WAITING):
            return False
        entry = self._add(True, CallState.INCOMING, at_s)
        entry.index, entry.waiting = call.index, call.stat is Stat.WAITING
        self._learn_from_list(entry, call)
        return True

    def _learn_from_list(self, entry: Entry, call: ListedCall) -> None:
        """A number announces the call; without one +CLIP may still say more, and `tick` ends that wait."""
        if call.number is not None:
            self._learn(entry, CallerId(call.number, False))
            self._announce(entry)

    @staticmethod
    def _index_used_again(entry: Entry, call: ListedCall, at_s: float) -> bool:
        """An answered call that rings again is a new one in its place, whose end we missed.

        Right after the answer it is only a line that the other port brought late.
        """
        if entry.active_since_s is None or at_s - entry.active_since_s < SWALLOW_S:
            return False
        return entry.incoming and call.stat in (Stat.INCOMING, Stat.WAITING)

    def _move(self, entry: Entry, state: CallState, at_s: float) -> None:
        if entry.state is state or state in (CallState.DIALING, CallState.INCOMING):
            return
        if entry.answered and state is CallState.ALERTING:
            return
        if entry.incoming:
            self._announce(entry)
        entry.state = state
        entry.was_held = entry.was_held or state is CallState.HELD
        if state is CallState.ACTIVE:
            entry.answered = True
            entry.active_since_s = at_s if entry.active_since_s is None else entry.active_since_s
        self._say(entry, LineProgress(entry.handle, state))
