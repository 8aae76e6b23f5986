"""The call service: pulls the facts of every line, keeps the table of calls, answers the wishes of clients.

Lines never wait for clients here: a wish is a call down to the line, a fact comes up by `line.next()`. Each fact of
a call is written to the store with its row before anyone hears of it.
"""

import asyncio
import time
from asyncio import TaskGroup
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

from core.bus import CAUSE
from core.call import Call, CallSettings, audio_of
from core.call_fsm import Do, On, Wish, check, step
from core.clock import rfc3339
from core.config import Config
from core.dialable import blocked, dialable
from core.errors import AudioFailed, Claimed, LineBusy, ModemOffline, NotFound, PublicError
from core.events import (
    CallAlerting,
    CallAudioFailed,
    CallClaimed,
    CallConnected,
    CallDtmf,
    CallEnded,
    CallHeld,
    CallIncoming,
    CallMissed,
    CallRing,
    CallRinging,
    Event,
    ModemLost,
    ModemSignal,
    ModemState,
)
from core.line import (
    CallState,
    Direction,
    EndReason,
    Line,
    LineCaller,
    LineDtmf,
    LineEvent,
    LineIncoming,
    LineProgress,
    LineReleased,
    LineRing,
    LineSignal,
    LineState,
    LineStatus,
)
from core.log import Log
from core.speech import SpeechService
from core.steering import Brain, Brains, Claim, Peer
from core.store import calls as rows
from core.store.store import Store, Tx
from core.talk import Talk

log = Log("calls")

EARLY_EVENTS = 16
"""Facts of a handle that is not a call yet (ATD's own progress may overtake its answer)."""
KEPT_AFTER_END_S = 60.0
"""call.chunk_audio is promised until a minute after the call (design §3)."""
WISH_SETTLES_S = 5.0
"""How long a wish waits for the fact that fulfils it before it answers with the state as it is."""
CLOSE_AUDIO_S = 6.0
"""CPCMREG=0 and its read-back, three tries at most; a lost modem answers at once."""

_PROGRESS = {
    CallState.ALERTING: On.ALERTING,
    CallState.ACTIVE: On.CONNECTED,
    CallState.HELD: On.HELD,
}


class CallService:
    """All calls of all lines."""

    def __init__(self, config: Config, store: Store, speech: SpeechService, lines: Mapping[str, Line]) -> None:
        self._config = config
        self._store = store
        self._bus = store.bus
        self._lines = dict(lines)
        self._calls: dict[str, Call] = {}
        self._by_handle: dict[tuple[str, int], Call] = {}
        self._early: dict[tuple[str, int], deque[LineEvent]] = {}
        self._tasks: TaskGroup | None = None
        self._dialing: set[str] = set()
        self.brains = Brains()
        self.talk = Talk(config, store, speech, self._drop)

    # --- life ---------------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Closes the calls that a killed core left open, as core_restarted."""
        left = await self._store.read(rows.open_calls)

        def work(tx: Tx) -> None:
            for row in left:
                reason, at = EndReason.CORE_RESTARTED, rfc3339()
                rows.update_call(tx, row.call_id, state=CallState.ENDED.value, ended_at=at, reason=reason.value)
                tx.fact(
                    CallEnded(
                        line=row.line,
                        call_id=row.call_id,
                        direction=Direction(row.direction),
                        reason=reason,
                        number=row.number,
                        recording=row.recording,
                    )
                )

        if left:
            await self._store.write(work)
            log.warning("calls were open when the core stopped", calls=len(left))

    async def run(self) -> None:
        """Serves until cancelled. One line's failure never ends another."""
        async with TaskGroup() as tasks:
            self._tasks = tasks
            for line in self._lines.values():
                tasks.create_task(self._keep_running(line), name=f"line.{line.name}")
                tasks.create_task(self._follow(line), name=f"line.{line.name}.facts")

    async def hang_up_all(self, timeout_s: float) -> None:
        """For an orderly stop: every call is hung up and written as ended, within the deadline."""
        live = [call for call in self._calls.values() if call.live]
        try:
            async with asyncio.timeout(timeout_s):
                for call in live:
                    call.end_hint = call.end_hint or EndReason.LOCAL_HANGUP
                    await self._lines[call.line].hangup(call.handle)
                for call in live:
                    await call.over.wait()
        except (TimeoutError, PublicError):
            for call in live:
                if not call.over.is_set():
                    await self._finish(call, LineReleased(call.handle, EndReason.LOCAL_HANGUP))

    async def _keep_running(self, line: Line) -> None:
        """A line that fails by a mistake of ours is started again; the others never feel it."""
        pause_s = 1.0
        while True:
            try:
                await line.run()
            except Exception:  # the outermost guard of a line
                log.exception("a line failed and starts again", line=line.name, pause_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 30.0)

    async def _follow(self, line: Line) -> None:
        while True:
            happened = await line.next()
            try:
                await self._line_event(line, happened)
            except Exception:  # one bad fact must not stop the next one
                log.exception("a fact of a line was not handled", line=line.name, fact=type(happened).__name__)

    # --- facts of lines ------------------------------------------------------------------------------------------

    async def _line_event(self, line: Line, happened: LineEvent) -> None:
        match happened:
            case LineStatus():
                await self._line_status(line, happened)
            case LineSignal():
                self._bus.moment(ModemSignal(line=line.name, rssi_dbm=happened.rssi_dbm))
            case LineIncoming():
                await self._incoming(line, happened)
            case _:
                call = self._by_handle.get((line.name, happened.handle))
                if call is None:
                    early = self._early.setdefault((line.name, happened.handle), deque(maxlen=EARLY_EVENTS))
                    early.append(happened)
                    if len(self._early) > EARLY_EVENTS:
                        self._early.pop(next(iter(self._early)))
                else:
                    await self._call_event(call, happened)

    async def _call_event(self, call: Call, happened: LineEvent) -> None:
        match happened:
            case LineRing():
                self._ring(call, happened.ring)
            case LineCaller():
                await self._caller(call, happened)
            case LineProgress():
                if (on := _PROGRESS.get(happened.state)) is not None:
                    await self._happened(call, on)
            case LineReleased():
                await self._happened(call, On.RELEASED, happened)
            case LineDtmf():
                await self.dtmf_heard(call, happened.digit)

    async def _line_status(self, line: Line, status: LineStatus) -> None:
        def work(tx: Tx) -> None:
            tx.fact(ModemState(line=line.name, state=status.state, reason=status.reason))
            if status.lost:
                tx.fact(ModemLost(line=line.name, reason=status.reason))

        await self._store.write(work)

    async def _incoming(self, line: Line, incoming: LineIncoming) -> None:
        settings = CallSettings.of(self._config.call)
        call = Call(line.name, incoming.handle, Direction.IN, settings, CallState.INCOMING, incoming.number)
        call.withheld, call.waiting = incoming.withheld, incoming.waiting
        await self._announce(call)
        self._assign(call)
        if blocked(call.number, call.withheld, self._config.call.block):
            call.settings = call.settings.changed(answer_after_rings=-1, reject_by="hangup")
            call.policy_ready = True
        self._spawn(self._policy_timer(call), "call.policy")
        for early in self._early.pop((line.name, incoming.handle), ()):
            await self._call_event(call, early)

    async def _announce(self, call: Call) -> None:
        self._calls[call.call_id] = call
        self._by_handle[call.line, call.handle] = call
        names = {"line": call.line, "call_id": call.call_id, "number": call.number}
        event: Event = (
            CallIncoming(**names, withheld=call.withheld, waiting=call.waiting)
            if call.direction is Direction.IN
            else CallRinging(**names)
        )
        row = rows.CallRow(
            call_id=call.call_id,
            line=call.line,
            direction=call.direction.value,
            number=call.number,
            withheld=call.withheld,
            state=call.state.value,
            rings=0,
            started_at=call.started_at,
            connected_at=None,
            ended_at=None,
            duration_s=None,
            reason=None,
            network_text=None,
            recording=None,
            audio=None,
        )

        def work(tx: Tx) -> None:
            rows.insert_call(tx, row)
            tx.fact(event)

        await self._store.write(work)

    async def _caller(self, call: Call, caller: LineCaller) -> None:
        if call.number is not None or not call.live:
            return
        call.number, call.withheld = caller.number, caller.withheld
        await self._store.write(
            lambda tx: rows.update_call(tx, call.call_id, number=call.number, withheld=call.withheld)
        )
        if blocked(call.number, call.withheld, self._config.call.block) and call.state is CallState.INCOMING:
            call.settings = call.settings.changed(answer_after_rings=-1, reject_by="hangup")
            call.policy_ready = True
            self._policy(call)

    def _ring(self, call: Call, ring: int) -> None:
        call.rings = ring
        call.waiting = False
        self._bus.moment(CallRing(line=call.line, call_id=call.call_id, ring=ring, number=call.number))
        self._policy(call)

    async def _happened(self, call: Call, on: On, released: LineReleased | None = None) -> None:
        """One transition of the table, with its effects in order."""
        found = step(call.state, on)
        if found is None:
            return
        call.state, todo = found
        call.changed.set()
        for do in todo:
            match do:
                case Do.TELL_ALERTING:
                    await self._tell(call, CallAlerting(line=call.line, call_id=call.call_id))
                case Do.TELL_CONNECTED:
                    await self._connected(call)
                case Do.OPEN_AUDIO:
                    self._spawn(self._converse(call), "call.conversation")
                case Do.SUSPEND_AUDIO:
                    self.talk.suspend(call)
                    await self._tell(call, CallHeld(line=call.line, call_id=call.call_id, held=True))
                case Do.RESUME_AUDIO:
                    self.talk.unsuspend(call)
                    await self._tell(call, CallHeld(line=call.line, call_id=call.call_id, held=False))
                case Do.FINISH if released is not None:
                    self._spawn(self._finish(call, released), "call.finish")

    async def _connected(self, call: Call) -> None:
        call.connected_at, call.connected_s = rfc3339(), time.monotonic()
        event = CallConnected(line=call.line, call_id=call.call_id, direction=call.direction, number=call.number)
        await self._tell(call, event, connected_at=call.connected_at, rings=call.rings)
        self._spawn(self._limit(call), "call.limit")

    async def _tell(self, call: Call, event: Event, **columns: Any) -> None:
        """The fact and the row in one transaction, on behalf of the request that wished for it."""

        def work(tx: Tx) -> None:
            rows.update_call(tx, call.call_id, state=call.state.value, **columns)
            tx.fact(event)

        with self._on_behalf(call):
            await self._store.write(work)

    async def dtmf_heard(self, call: Call, digit: str) -> None:
        if call.live and not self.talk.dtmf_is_repeat(call, digit):
            await self._store.write(lambda tx: tx.fact(CallDtmf(line=call.line, call_id=call.call_id, digit=digit)))

    # --- answer policy -----------------------------------------------------------------------------------------------

    async def _policy_timer(self, call: Call) -> None:
        """Own policy counts once the brain has configured the call, or has had its time."""
        if call.claim is not None and not call.policy_ready:
            try:
                async with asyncio.timeout(self._config.call.configure_wait_s):
                    await call.configured.wait()
            except TimeoutError:
                pass
        call.policy_ready = True
        self._policy(call)

    def _policy(self, call: Call) -> None:
        if call.state is not CallState.INCOMING or call.answering or not call.policy_ready:
            return
        wanted = call.settings.answer_after_rings
        if wanted == -1:
            call.answering = True
            call.end_hint = EndReason.REJECTED
            if call.settings.reject_by == "hangup":
                self._spawn(self._guarded(call, self._lines[call.line].reject), "call.reject")
        elif call.rings >= wanted and not call.waiting and not self._has_other(call):
            call.answering = call.watched = True
            self._spawn(self._guarded(call, self._lines[call.line].answer), "call.answer")

    def _has_other(self, call: Call) -> bool:
        return any(other is not call and other.live and other.line == call.line for other in self._calls.values())

    async def _guarded(self, call: Call, act: Callable[[int], Any]) -> None:
        """A policy's own act: nobody waits for it, so its failure is logged; the next ring tries again."""
        try:
            await act(call.handle)
        except PublicError as problem:
            log.warning("the line refused", call_id=call.call_id, kind=problem.kind)
            if call.state is CallState.INCOMING:
                call.answering = False

    # --- an active call --------------------------------------------------------------------------------------------

    async def _converse(self, call: Call) -> None:
        """Opens the audio and talks until it closes; a failure is told and never leaves the caller for ever."""
        line = self._lines[call.line]
        try:
            for other in self._calls.values():
                if other is not call and other.line == call.line and other.conversation is not None:
                    await self._close_audio(other)
            port = await line.open_audio(call.handle)
        except AudioFailed as problem:
            await self._no_audio(call, problem)
            return
        except PublicError:
            return  # the call or the modem went meanwhile; its own fact says so
        await self.talk.run(call, port, self._greeting(call), self._quiet, self.dtmf_heard)

    def _greeting(self, call: Call) -> str | None:
        return call.settings.greeting if call.direction is Direction.IN else None

    async def _no_audio(self, call: Call, problem: AudioFailed) -> None:
        attempts = problem.details.get("attempts")
        event = CallAudioFailed(
            line=call.line,
            call_id=call.call_id,
            reason=problem.message,
            attempts=attempts if isinstance(attempts, int) else 0,
        )
        if not call.live:
            return
        await self._tell(call, event)
        await self._wait_over(call, self._config.call.silence_limit_s)
        if call.live:
            call.end_hint = EndReason.ERROR
            await self._guarded(call, self._lines[call.line].hangup)

    async def _limit(self, call: Call) -> None:
        if not await self._wait_over(call, self._config.call.max_duration_s):
            call.end_hint = EndReason.LIMIT
            await self._guarded(call, self._lines[call.line].hangup)

    async def _wait_over(self, call: Call, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await call.over.wait()
        except TimeoutError:
            return False
        return True

    async def _quiet(self, call: Call) -> None:
        """Neither side was heard for silence_limit_s: somebody has to say something."""
        if not call.watched or not call.live:
            return
        steered = call.claim is not None and call.claim.session is not None
        if steered and not call.reminded:
            call.reminded = True
            self.talk.speak(call, self._config.call.silence_text)
        else:
            await self._fallback(call)

    async def _fallback(self, call: Call) -> None:
        """Nobody steers this call any more: say so, and let the caller go."""
        if call.state is not CallState.ACTIVE:
            return
        log.warning("nobody steers the call; the fallback speaks", call_id=call.call_id)
        await self.talk.speak_and_wait(call, self._config.call.fallback_text)
        if call.live:
            call.end_hint = EndReason.LOCAL_HANGUP
            await self._guarded(call, self._lines[call.line].hangup)

    async def _close_audio(self, call: Call) -> None:
        await self.talk.close(call)
        try:
            async with asyncio.timeout(CLOSE_AUDIO_S):
                report = await self._lines[call.line].close_audio(call.handle)
        except (TimeoutError, PublicError):
            report = None
        if report is not None:
            call.audio = audio_of(report)

    async def _finish(self, call: Call, released: LineReleased) -> None:
        """Exactly once per call: audio closed, the row and call.ended written, then forgotten after a minute."""
        call.ended_s = call.ended_s or time.monotonic()
        call.state = CallState.ENDED
        await self._close_audio(call)
        if call.over.is_set():
            return
        never_answered = call.direction is Direction.IN and call.connected_s is None
        reason = call.end_hint or released.reason
        if never_answered and reason in (EndReason.REMOTE_HANGUP, EndReason.NO_CARRIER):
            reason = EndReason.MISSED
        call.reason, call.network_text = reason, released.network_text
        turns = self.talk.turns(call)

        def work(tx: Tx) -> None:
            names = {"line": call.line, "call_id": call.call_id}
            rows.update_call(
                tx,
                call.call_id,
                state=CallState.ENDED.value,
                ended_at=rfc3339(),
                duration_s=call.duration_s,
                reason=reason.value,
                rings=call.rings,
                network_text=released.network_text,
                recording=call.recording,
                audio=call.audio,
            )
            if never_answered and reason in (EndReason.MISSED, EndReason.MODEM_LOST):
                tx.fact(CallMissed(**names, number=call.number, withheld=call.withheld, rings=call.rings))
            tx.fact(
                CallEnded(
                    **names,
                    direction=call.direction,
                    reason=reason,
                    number=call.number,
                    network_text=released.network_text,
                    duration_s=call.duration_s,
                    turns=turns,
                    recording=call.recording,
                    audio=call.audio,
                )
            )

        with self._on_behalf(call):
            await self._store.write(work)
        call.over.set()
        call.changed.set()
        self._by_handle.pop((call.line, call.handle), None)
        self._spawn(self._forget_later(call), "call.forget")

    async def _forget_later(self, call: Call) -> None:
        await asyncio.sleep(KEPT_AFTER_END_S)
        self._calls.pop(call.call_id, None)

    async def _drop(self, call: Call) -> None:
        """Talk's way to give a call up after a mistake of ours."""
        call.end_hint = EndReason.ERROR
        await self._guarded(call, self._lines[call.line].hangup)

    # --- what clients read -------------------------------------------------------------------------------------------

    @property
    def lines(self) -> Mapping[str, Line]:
        return self._lines

    def live(self) -> list[Call]:
        return [call for call in self._calls.values() if call.live]

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

    def line_named(self, name: str | None) -> Line:
        wanted = name or self._config.call.default_line or next(iter(self._lines), None)
        line = self._lines.get(wanted) if wanted is not None else None
        if line is None:
            raise NotFound("There is no such line." if name else "No line is configured; add a [line.<name>] table.")
        return line

    # --- wishes ------------------------------------------------------------------------------------------------------

    async def start(self, number: str, line_name: str | None, *, hide_number: bool, session: int) -> Call:
        """Dials. Answers once the modem took it; refuses at once while the modem is away."""
        wanted = dialable(number, self._config.call)
        line = self.line_named(line_name)
        if line.info.state is not LineState.READY:
            raise ModemOffline(f"Line {line.name} is {line.info.state}: {line.info.reason or 'no modem'}.")
        busy = [call for call in self.live() if call.line == line.name and call.state is not CallState.HELD]
        if busy or line.name in self._dialing:
            raise LineBusy()
        self._dialing.add(line.name)
        try:
            handle = await line.dial(wanted, hide_number=hide_number)
        finally:
            self._dialing.discard(line.name)
        settings = CallSettings.of(self._config.call)
        call = Call(line.name, handle, Direction.OUT, settings, CallState.DIALING, wanted)
        brain = self.brains.get(session)
        if brain is not None:
            call.claim = Claim(session, brain.name, is_brain=True)
            call.watched = True
        await self._announce(call)
        for early in self._early.pop((line.name, handle), ()):
            await self._call_event(call, early)
        return call

    async def wish(self, call: Call, wish: Wish) -> Call:
        """accept, reject, hangup, hold or resume_held; waits for the fact that fulfils it."""
        check(wish, call.state)
        line = self._lines[call.line]
        call.cause = CAUSE.get()
        try:
            match wish:
                case Wish.ACCEPT:
                    call.answering = True
                    await line.answer(call.handle)
                    await self._settles(call, lambda: call.state is not CallState.INCOMING)
                case Wish.REJECT:
                    call.answering, call.end_hint = True, EndReason.REJECTED
                    await line.reject(call.handle)
                    await self._settles(call, call.over.is_set)
                case Wish.HANGUP:
                    never = call.direction is Direction.IN and call.connected_s is None
                    call.end_hint = call.end_hint or (EndReason.REJECTED if never else EndReason.LOCAL_HANGUP)
                    await line.hangup(call.handle)
                    await self._settles(call, call.over.is_set)
                case Wish.HOLD:
                    await line.hold(call.handle)
                    await self._settles(call, lambda: call.state is not CallState.ACTIVE)
                case Wish.RESUME_HELD:
                    await line.resume_held(call.handle)
                    await self._settles(call, lambda: call.state is not CallState.HELD)
        finally:
            call.cause = None
        return call

    async def swap(self, line_name: str | None) -> None:
        await self.line_named(line_name).swap()

    async def dtmf(self, call: Call, digits: str) -> None:
        check(Wish.DTMF, call.state)
        await self._lines[call.line].send_dtmf(call.handle, digits)

    async def _settles(self, call: Call, done: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(WISH_SETTLES_S):
                while not done():
                    call.changed.clear()
                    await call.changed.wait()
        except TimeoutError:
            log.warning("the line did not confirm in time", call_id=call.call_id, state=call.state)

    # --- who steers ------------------------------------------------------------------------------------------------

    def may(self, call: Call, wish: Peer, *, session: int, name: str | None, token: str | None, admin: bool) -> None:
        """Claimed, where another client steers this call."""
        if call.claim is not None and not call.claim.allows(
            wish, session=session, name=name, token=token, admin=admin
        ):
            raise Claimed(holder=call.claim.name)

    def register_brain(self, session: int, name: str, priority: int, lines: list[str]) -> Brain:
        """A brain that came back within the grace gets its calls again; unanswered ones go to the best brain."""
        brain = self.brains.register(session, name, priority, lines)
        for call in self.live():
            claim = call.claim
            if claim is not None and claim.session is None and claim.name == name and claim.is_brain:
                claim.session = session
                self._tell_claim(call)
            elif call.state is CallState.INCOMING and (claim is None or claim.is_brain):
                self._assign(call)
        return brain

    def claim(self, call: Call, session: int, name: str, speakers: list[str]) -> Claim:
        """Takes a free call, or one that is not answered yet and only assigned to a brain."""
        held = call.claim
        if held is not None and held.session != session:
            unanswered = call.connected_s is None and held.is_brain
            if held.session is not None and not unanswered:
                raise Claimed(holder=held.name)
        is_brain = self.brains.get(session) is not None
        call.claim = Claim(session, name, speakers=frozenset(speakers), is_brain=is_brain)
        self._tell_claim(call)
        return call.claim

    def release(self, call: Call) -> None:
        call.claim = None
        self._tell_claim(call)

    def session_closed(self, session: int) -> None:
        """A connection is gone: its calls keep running, and their holder has the grace to come back."""
        self.brains.forget(session)
        for call in self.live():
            if call.claim is not None and call.claim.session == session:
                call.claim.session = None
                self._spawn(self._grace(call, call.claim), "call.grace")

    async def _grace(self, call: Call, claim: Claim) -> None:
        if call.connected_s is not None:
            await self._wait_over(call, self._config.call.claim_grace_s)
        if not call.live or call.claim is not claim or claim.session is not None:
            return
        self._assign(call)
        if call.claim is None and call.watched:
            await self._fallback(call)

    def _assign(self, call: Call) -> None:
        best = self.brains.best(call.line)
        if best is None and call.claim is None:
            return
        if best is not None and call.claim is not None and call.claim.session == best.session:
            return
        call.claim = Claim(best.session, best.name, is_brain=True) if best is not None else None
        self._tell_claim(call)

    def _tell_claim(self, call: Call) -> None:
        holder = call.claim.name if call.claim else None
        self._bus.moment(CallClaimed(line=call.line, call_id=call.call_id, holder=holder))

    # --- tools -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _on_behalf(self, call: Call) -> Any:
        token = CAUSE.set(call.cause)
        try:
            yield
        finally:
            CAUSE.reset(token)

    def _spawn(self, work: Any, name: str) -> None:
        if self._tasks is None:
            raise RuntimeError("the call service is not running")
        self._tasks.create_task(self._kept(work, name), name=name)

    async def _kept(self, work: Any, name: str) -> None:
        """The guard around each task of a call: its failure is logged and stays its own."""
        CAUSE.set(None)
        try:
            await work
        except Exception:  # the outermost guard of a call's task
            log.exception("a task of a call failed", task=name)
