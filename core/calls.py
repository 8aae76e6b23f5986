"""The call service: pulls the facts of every line, follows the call table, answers the wishes of clients.

Lines never wait for clients here: a wish is a call down to the line, a fact comes up by `line.next()`. Each fact of
a call is on disk with its row before anyone hears of it.
"""

import asyncio
import time
from asyncio import TaskGroup
from collections.abc import Callable, Mapping

from core.answered import detect_answer
from core.answering import Answering
from core.bus import CAUSE
from core.call import Call, CallSettings, Handled
from core.call_book import CallBook
from core.call_care import CallCare
from core.call_fsm import Do, On, Wish, check, step
from core.call_voice import CallVoice
from core.clock import rfc3339
from core.config import Config
from core.dialable import dialable, refuse_unless_ready
from core.errors import LineBusy, ModemOffline, PublicError
from core.events import (
    CallAlerting,
    CallConnected,
    CallDtmf,
    CallHeld,
    CallRing,
)
from core.guard import Guard
from core.key_presses import DtmfSource
from core.line import (
    CallState,
    Direction,
    EndReason,
    Line,
    LineCaller,
    LineDtmf,
    LineEvent,
    LineFix,
    LineIncoming,
    LineProgress,
    LineRecovery,
    LineReleased,
    LineRing,
    LineSignal,
    LineStatus,
)
from core.lines import line_named
from core.log import Log
from core.modems import ModemService
from core.speech import SpeechService
from core.steering import Claim, Steering
from core.store.store import Store
from core.talk import Talk
from core.voicemail import VoicemailService

log = Log("calls")

KEPT_AFTER_END_S = 60.0
"""call.chunk_audio is promised until a minute after the call (design §3)."""
FILES_SETTLE_S = 1.5
"""What an orderly stop waits for files of the last calls; the rest is found at the next start."""
WISH_SETTLES_S = 5.0
"""How long a wish waits for the fact that fulfils it before it answers with the state as it is."""

_PROGRESS = {CallState.ALERTING: On.ALERTING, CallState.ACTIVE: On.CONNECTED, CallState.HELD: On.HELD}


class CallService:
    """All calls of all lines."""

    def __init__(
        self,
        config: Config,
        store: Store,
        speech: SpeechService,
        lines: Mapping[str, Line],
        guard: Guard,
        modems: ModemService,
    ) -> None:
        self.lines: Mapping[str, Line] = dict(lines)
        self._guard = guard
        self._modems = modems
        self.book = CallBook(store)
        self.talk = Talk(config, store, speech)
        self.care = CallCare(config.call, self.book, self.talk, self.lines)
        self.steering = Steering(self.book, config.call.claim_grace_s, self.care.fallback)
        self._answering = Answering(config.call, self.book, self.lines)
        self._config = config.call
        self._dialing: set[str] = set()
        self._voice = CallVoice(
            config.call, self.book, self.talk, self.lines, self.care.hang_up, self.care.quiet, self.dtmf_heard
        )
        self.voicemail = VoicemailService(config, store, speech, self.book, self.talk, self.care)
        self.care.to_voicemail = self.voicemail.fallback
        self._stopping = False

    # --- life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serves until cancelled. One line's failure never ends another."""
        try:
            if left := await self.book.recover():
                log.warning("calls were open when the core stopped", calls=left)
        except PublicError as problem:
            log.error("calls left open by the last run are not closed", kind=problem.kind)
        async with TaskGroup() as tasks:
            self.book.tasks = tasks
            tasks.create_task(self.talk.recordings.run(self._live_ids), name="recordings")
            tasks.create_task(self.voicemail.run(), name="voicemail")
            for line in self.lines.values():
                tasks.create_task(_keep_running(line), name=f"line.{line.name}")
                tasks.create_task(self._follow(line), name=f"line.{line.name}.facts")

    async def hang_up_all(self, timeout_s: float) -> None:
        """For an orderly stop: every call is hung up and written as ended, within the deadline."""
        self._stopping = True
        async with TaskGroup() as tasks:
            for call in self.book.live():
                tasks.create_task(self._stop(call, timeout_s), name="call.stop")
        await self.talk.recordings.settle(FILES_SETTLE_S)

    def _live_ids(self) -> list[str]:
        return [call.call_id for call in self.book.live()]

    async def _stop(self, call: Call, timeout_s: float) -> None:
        """A modem that does not answer must not keep the daemon: its call is written as ended without it."""
        if call.end_hint is None:
            unanswered = call.direction is Direction.IN and call.connected_s is None
            call.end_hint = EndReason.MISSED if unanswered else EndReason.LOCAL_HANGUP
        try:
            async with asyncio.timeout(timeout_s):
                await self.lines[call.line].hangup(call.handle)
                await call.over.wait()
        except (TimeoutError, PublicError) as problem:
            log.warning("a call was not hung up in time", call_id=call.call_id, problem=type(problem).__name__)
            if not call.over.is_set():
                call.ended_s = call.ended_s or time.monotonic()
                call.state = CallState.ENDED
                await self.book.end(call, call.end_hint, None, self.talk.turns(call))

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
            case LineStatus() | LineSignal() | LineRecovery() | LineFix():
                await self._modems.line_fact(line, happened)
            case LineIncoming():
                await self._incoming(line, happened)
            case _:
                call = self.book.by_handle(line.name, happened.handle)
                if call is None:
                    self.book.keep_early(line.name, happened.handle, happened)
                else:
                    await self._call_event(call, happened)

    async def _incoming(self, line: Line, incoming: LineIncoming) -> None:
        settings = CallSettings.of(self._config)
        call = Call(line.name, incoming.handle, Direction.IN, settings, CallState.INCOMING, incoming.number)
        call.withheld, call.waiting = incoming.withheld, incoming.waiting
        self.talk.warm()
        await self.book.announce(call)
        self.steering.assign(call)
        self._answering.begin(call)
        await self._take_early(call)

    async def _take_early(self, call: Call) -> None:
        for early in self.book.take_early(call.line, call.handle):
            await self._call_event(call, early)

    async def _call_event(self, call: Call, happened: LineEvent) -> None:
        match happened:
            case LineRing():
                call.rings, call.waiting = happened.ring, False
                ring = CallRing(line=call.line, call_id=call.call_id, ring=happened.ring, number=call.number)
                self.book.bus.moment(ring)
                self._answering.consider(call)
            case LineCaller() if call.number is None and call.live:
                call.number, call.withheld = happened.number, happened.withheld
                await self.book.tell(call, number=call.number, withheld=call.withheld)
                self._answering.caller_known(call)
            case LineProgress() if happened.state in _PROGRESS:
                await self._happened(call, _PROGRESS[happened.state])
            case LineReleased():
                await self._happened(call, On.RELEASED, happened)
            case LineDtmf():
                await self.dtmf_heard(call, happened.digit, DtmfSource.URC)

    async def _happened(self, call: Call, on: On, released: LineReleased | None = None) -> None:
        """One transition of the table, with its effects in order."""
        found = step(call.state, on)
        if found is None:
            return
        call.state, todo = found
        call.changed.set()
        names = {"line": call.line, "call_id": call.call_id}
        for do in todo:
            match do:
                case Do.TELL_ALERTING:
                    await self.book.tell(call, CallAlerting(**names))
                case Do.TELL_CONNECTED:
                    await self._connected(call)
                case Do.OPEN_AUDIO:
                    self.book.spawn(self._voice.converse(call), "call.conversation")
                case Do.SUSPEND_AUDIO:
                    self.talk.suspend(call)
                    await self.book.tell(call, CallHeld(**names, held=True))
                case Do.RESUME_AUDIO:
                    self.talk.unsuspend(call)
                    self.book.spawn(self._voice.converse(call), "call.conversation")
                    await self.book.tell(call, CallHeld(**names, held=False))
                case Do.FINISH if released is not None:
                    self.book.spawn(self._finish(call, released), "call.finish")

    async def _connected(self, call: Call) -> None:
        call.connected_at, call.connected_s = rfc3339(), time.monotonic()
        call.end_hint = None  # a rejection that a client overruled
        event = CallConnected(line=call.line, call_id=call.call_id, direction=call.direction, number=call.number)
        await self.book.tell(call, event, connected_at=call.connected_at, rings=call.rings)
        self.book.spawn(self.care.limits(call), "call.limit")
        if call.direction is Direction.OUT and call.settings.detect:
            self.book.spawn(detect_answer(call, self.book, self.talk, self._config), "call.answered_by")
        self.voicemail.connected(call)

    async def dtmf_heard(self, call: Call, digit: str, source: DtmfSource) -> None:
        """A key, from the modem's URC or from our own detector; one press is one fact."""
        if call.live and self.talk.is_new_press(call, digit, source):
            if call.on_key is not None:
                call.on_key(digit)
            await self.book.tell(call, CallDtmf(line=call.line, call_id=call.call_id, digit=digit))

    # --- the end -----------------------------------------------------------------------------------------------------

    async def _finish(self, call: Call, released: LineReleased) -> None:
        """The call is over; a minute later it is only in the log."""
        await self._end(call, released)
        await asyncio.sleep(KEPT_AFTER_END_S)
        self.book.forget(call)

    async def _end(self, call: Call, released: LineReleased) -> None:
        """Audio closed, recording closed, call.ended written: once, whoever comes first."""
        if call.ended_s is not None:
            await call.over.wait()
            return
        call.ended_s = time.monotonic()
        call.state = CallState.ENDED
        try:
            await self._voice.close(call)
            await self.talk.finish(call)
        except Exception:  # whatever is wrong with the audio, the call is over and has to be said so
            log.exception("the audio was not closed", call_id=call.call_id)
        reason = call.end_hint or released.reason
        unanswered = call.direction is Direction.IN and call.connected_s is None
        if unanswered and reason in (EndReason.REMOTE_HANGUP, EndReason.NO_CARRIER, EndReason.NO_ANSWER):
            reason = EndReason.MISSED
        await self.book.end(call, reason, released.network_text, self.talk.turns(call))

    # --- wishes ------------------------------------------------------------------------------------------------------

    def line_named(self, name: str | None) -> Line:
        """NotFound where there is none of that name, or none at all."""
        return line_named(self.lines, self._config.default_line, name)

    async def start(
        self,
        number: str,
        line_name: str | None,
        *,
        hide_number: bool = False,
        session: int | None = None,
        detect: bool | None = None,
        handled: Handled | None = None,
    ) -> Call:
        """Dials. Answers once the modem took it; refuses at once while the modem is away.

        What the guard refuses is refused in any state of the line. A call that the modem did not take is not counted.
        session: whose call it is, if that is a brain's. handled: the service of ours whose call it is.
        """
        wanted = dialable(number, self._config)
        line = self.line_named(line_name)
        await self._guard.permit("call", wanted, line.name)
        if self._stopping:
            raise ModemOffline("The daemon is stopping.")
        refuse_unless_ready(line)
        busy = [call for call in self.book.on_line(line.name) if call.state is not CallState.HELD]
        if busy or line.name in self._dialing:
            raise LineBusy()
        self._dialing.add(line.name)
        try:  # one dials at a time on a line, so that nobody else can take the last slot of a limit
            await self._guard.within_limits("call", wanted, line.name)
            handle = await line.dial(wanted, hide_number=hide_number)
            self._guard.dialled(line.name)
            self.talk.warm()
        finally:
            self._dialing.discard(line.name)
        settings = CallSettings.of(self._config).changed(detect=detect)
        call = Call(line.name, handle, Direction.OUT, settings, CallState.DIALING, wanted)
        call.handled = handled
        brain = self.steering.brains.get(session) if session is not None else None
        if brain is not None:
            call.claim = Claim(session, brain.name, is_brain=True)
            call.watched = True
        await self.book.announce(call)
        self.book.spawn(self.care.ring_limit(call, self._config.ring_timeout_s), "call.ring_limit")
        await self._take_early(call)
        return call

    async def wish(self, call: Call, wish: Wish) -> None:
        """accept, reject, hangup, hold or resume_held; waits for the fact that fulfils it."""
        check(wish, call.state)
        line = self.lines[call.line]
        before, answering, hint, watched = call.state, call.answering, call.end_hint, call.watched
        talks = wish in (Wish.ACCEPT, Wish.RESUME_HELD)
        displaced = [other for other in self.book.on_line(line.name) if talks and other.state is CallState.ACTIVE]
        call.cause = CAUSE.get()
        try:
            match wish:
                case Wish.ACCEPT:
                    call.answering = True
                    call.watched = call.claim is not None and call.claim.is_brain
                    await line.answer(call.handle)
                case Wish.REJECT:
                    call.answering, call.end_hint = True, EndReason.REJECTED
                    await line.reject(call.handle)
                case Wish.HANGUP:
                    unanswered = call.direction is Direction.IN and call.connected_s is None
                    call.end_hint = call.end_hint or (EndReason.REJECTED if unanswered else EndReason.LOCAL_HANGUP)
                    await line.hangup(call.handle)
                case Wish.HOLD:
                    await line.hold(call.handle)
                case Wish.RESUME_HELD:
                    await line.resume_held(call.handle)
            ends = wish in (Wish.REJECT, Wish.HANGUP)
            await _settles(call, call.over.is_set if ends else lambda: call.state is not before)
            for other in displaced:
                await _settles(other, lambda other=other: other.state is not CallState.ACTIVE)  # type: ignore[misc]
        except PublicError:
            call.answering, call.end_hint, call.watched = answering, hint, watched  # nothing came of it
            raise
        finally:
            call.cause = None

    async def to_voicemail(self, call: Call) -> None:
        """Takes an active call there, or answers one that rings for it. NotNow."""
        if call.state is not CallState.INCOMING:
            self.voicemail.take(call)
            return
        call.mailbox = True
        try:
            await self.wish(call, Wish.ACCEPT)
        except PublicError:
            call.mailbox = False
            raise

    async def farewell(self, call: Call, text: str | None) -> None:
        """Before a hang-up: what is being said is said to its end, and then text."""
        check(Wish.HANGUP, call.state)
        await self.care.farewell(call, text)

    async def swap(self, line_name: str | None) -> None:
        """Waits for the facts that fulfil it."""
        line = self.line_named(line_name)
        both = [call for call in self.book.on_line(line.name) if call.state in (CallState.ACTIVE, CallState.HELD)]
        before = [call.state for call in both]
        for call in both:
            call.cause = CAUSE.get()
        try:
            await line.swap()
            for call, state in zip(both, before, strict=True):
                await _settles(call, lambda call=call, state=state: call.state is not state)  # type: ignore[misc]
        finally:
            for call in both:
                call.cause = None

    async def dtmf(self, call: Call, digits: str) -> None:
        check(Wish.DTMF, call.state)
        await self.lines[call.line].send_dtmf(call.handle, digits)

    def configure(self, call: Call, settings: CallSettings) -> None:
        """The brain's word on a call; before the answer it lets the policy count at once."""
        call.settings = settings
        call.configured.set()
        self._answering.consider(call)


async def _keep_running(line: Line) -> None:
    """A line that fails by a mistake of ours is started again; the others never feel it."""
    pause_s = 1.0
    while True:
        try:
            await line.run()
        except Exception:  # the outermost guard of a line
            log.exception("a line failed and starts again", line=line.name, pause_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 30.0)


async def _settles(call: Call, done: Callable[[], bool]) -> None:
    try:
        async with asyncio.timeout(WISH_SETTLES_S):
            while not done():
                call.changed.clear()
                await call.changed.wait()
    except TimeoutError:
        log.warning("the line did not confirm in time", call_id=call.call_id, state=call.state)
