"""Transfer of a caller to a person: the caller waits on hold, the person is called on the same line, then all three are
one conversation, of which we stay a silent part. Where that fails at any step the caller is with us again, is told so,
and may leave a message that the person gets as SMS.

The network joins the calls (multiparty, TS 22.084), or refuses to. On hold a caller hears what the network plays:
our audio goes to the active call alone, so the caller is told before what is going to happen.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from core.call import Call, Handled
from core.call_fsm import Wish, check
from core.call_message import BEEP_S, Taken, take_message, words_since
from core.calls import CallService
from core.config import CallConfig
from core.dialable import dialable
from core.errors import LineBusy, NotNow, PublicError
from core.events import CallTransfer, TransferState
from core.guard import Guard
from core.line import CallState, EndReason
from core.log import Log
from core.message_compose import SendRequest
from core.messages import MessageService
from core.transfer_person import Person, Unreached, until

log = Log("transfer")

Mode = Literal["auto", "join", "sms"]

SETTLE_S = 5.0
"""How long a hold, or its end, takes at most until the modem's list of calls shows it."""
BACK_TRIES = 5
MESSAGE_S = 60.0
WORDS_S = 10.0
"""How long the recogniser has for the caller's last words while they wait."""
SMS_TEXT_CHARS = 600
"""Of the caller's words: some four parts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for. to: dialable. announce: what the person hears before the question whether to take it."""

    to: str
    mode: Mode = "auto"
    announce: str | None = None


@dataclass(frozen=True, slots=True)
class _End:
    """The last event of a transfer, told when the core has nothing more to say. thanks: for a caller who is alone."""

    state: TransferState
    reason: str | None = None
    call_id: str | None = None
    message_id: str | None = None
    thanks: str | None = None


class TransferService:
    """Transfers of all calls; each is a task of its caller's call."""

    def __init__(self, config: CallConfig, calls: CallService, messages: MessageService, guard: Guard) -> None:
        self._config, self._calls, self._messages, self._guard = config, calls, messages, guard
        self._book, self._talk, self._care = calls.book, calls.talk, calls.care

    async def begin(self, call: Call, to: str, mode: Mode, announce: str | None) -> None:
        """Answers once it is clear that it may be tried; call.transfer tells the rest. NotNow, NotDialable,
        EmergencyDenied, GuardRefused, LimitExceeded, LineBusy."""
        check(Wish.SPEAK, call.state)
        if call.handled is not None:
            raise NotNow(f"The call is in the hands of {call.handled}.")
        plan = Plan(dialable(to, self._config), mode, announce)
        if mode == "sms":
            await self._guard.permit("sms", plan.to, call.line)
        else:
            if len(self._book.on_line(call.line)) > 1:
                raise LineBusy("The line has another call beside this one.")
            await self._guard.permit("call", plan.to, call.line)
            await self._guard.within_limits("call", plan.to, call.line)
        check(Wish.SPEAK, call.state)
        if call.handled is not None:
            raise NotNow("Another transfer was faster.")
        call.handled = Handled.TRANSFER
        call.changed.set()
        self._book.spawn(self._run(call, plan), "call.transfer")

    async def _run(self, call: Call, plan: Plan) -> None:
        """Whatever happens, the caller is not left on hold, or on a silent line."""
        person = Person(self._calls, self._config, plan.to, call)
        try:
            end = await self._transfer(call, plan, person)
        except Exception as problem:  # a mistake of ours is no reason to leave a caller alone
            log.exception("a transfer failed", call_id=call.call_id)
            await person.hang_up()
            if await self._back(call):
                await self._talk.speak_and_wait(call, self._config.transfer_failed_text)
            end = _End(TransferState.FAILED, type(problem).__name__)
        call.handled, call.reminded = None, False  # before it is told: a brain speaks at once
        await self._tell(call, plan, end.state, end.reason, call_id=end.call_id, message_id=end.message_id)
        if call.live and self._alone(call):
            await self._care.say_goodbye(call, end.thanks)

    async def _transfer(self, call: Call, plan: Plan, person: Person) -> _End:
        with suppress(PublicError):  # without audio a caller can still be joined
            await self._talk.take_over(call)
        reason: str | None = None
        if plan.mode != "sms":
            await self._talk.speak_and_wait(call, self._config.transfer_text)
            reason = await self._try_to_join(call, plan, person)
            if reason is None:
                return await self._together(call, person)
            await person.hang_up()
            if not await self._back(call):
                return _End(TransferState.FAILED, "caller_left")
            await self._tell(call, plan, TransferState.RETURNED, reason)
        if plan.mode == "join":
            await self._talk.speak_and_wait(call, self._config.transfer_failed_text)
            return _End(TransferState.FAILED, reason)
        return await self._message(call, plan, reason)

    # --- to the person -----------------------------------------------------------------------------------------------

    async def _try_to_join(self, call: Call, plan: Plan, person: Person) -> str | None:
        """None: they talk. Else why not."""
        try:
            await self._hold(call)
            await self._tell(call, plan, TransferState.HELD)
            await person.call()
            await self._tell(call, plan, TransferState.DIALING, call_id=person.call_id)
            await person.answered()
            await self._tell(call, plan, TransferState.ANSWERED, call_id=person.call_id)
            if plan.announce is not None:
                await person.accepts(plan.announce)
            await person.told_of_recording()
            await self._join(call, person)
        except Unreached as why:
            return why.reason
        except PublicError as problem:
            log.warning("a step of a transfer was refused", call_id=call.call_id, kind=problem.kind)
            return problem.kind
        await self._tell(call, plan, TransferState.JOINED, call_id=person.call_id)
        return None

    async def _hold(self, call: Call) -> None:
        await self._calls.lines[call.line].hold(call.handle)
        if not await until(lambda: call.state is CallState.HELD, call, SETTLE_S):
            raise Unreached("caller_left" if not call.live else "not_held")

    async def _join(self, call: Call, person: Person) -> None:
        """One conversation of both; its voice is that of the caller's call, and we neither hear nor speak in it."""
        person.joined(True)
        try:
            await self._calls.lines[call.line].join()
        except PublicError as problem:
            person.joined(False)
            log.warning("the network did not join the calls", call_id=call.call_id, kind=problem.kind)
            raise Unreached("refused_by_network") from None
        if not await until(lambda: call.state is CallState.ACTIVE, call, SETTLE_S):
            raise Unreached("caller_left" if not call.live else "refused_by_network")
        try:
            conversation = await self._talk.ready(call)
            await conversation.recording.told()
            conversation.suspend()
        except PublicError:  # they hear each other without us
            log.warning("a joined call has no audio here", call_id=call.call_id)

    async def _together(self, call: Call, person: Person) -> _End:
        """Until one of them leaves: a caller without the person is with us again."""
        while call.live and person.live:
            await call.ended_within(0.25)
        if not call.live:
            await person.hang_up()
            return _End(TransferState.ENDED, "caller_left", call_id=person.call_id)
        self._talk.unsuspend(call)
        thanks = self._config.voicemail_thanks
        return _End(TransferState.ENDED, "person_left", call_id=person.call_id, thanks=thanks)

    # --- back to the caller ------------------------------------------------------------------------------------------

    async def _back(self, call: Call) -> bool:
        """The caller is with us again, and can be spoken to. A call that can't be taken back is ended, not left on
        hold for ever."""
        for _ in range(BACK_TRIES):
            if not call.live or call.state is CallState.ACTIVE:
                break
            try:
                await self._calls.lines[call.line].resume_held(call.handle)
            except PublicError as problem:
                log.warning("the caller was not taken back", call_id=call.call_id, kind=problem.kind)
            await until(lambda: call.state is CallState.ACTIVE, call, SETTLE_S)
        if call.live and call.state is not CallState.ACTIVE:
            call.end_hint = EndReason.ERROR
            await self._care.hang_up(call)
        if not call.live:
            return False
        try:
            await self._talk.ready(call)
        except PublicError:
            return call.live
        self._talk.unsuspend(call)
        return True

    async def _message(self, call: Call, plan: Plan, reason: str | None) -> _End:
        """A message for the person, by SMS."""
        await self._tell(call, plan, TransferState.TAKING_MESSAGE, reason)
        try:
            conversation = await self._talk.ready(call)
            sorry = [self._config.transfer_failed_text] if reason is not None else []
            await self._talk.speak_and_wait(call, " ".join([*sorry, self._config.transfer_ask_text]))
            taken = await take_message(call, conversation, max_s=MESSAGE_S, silence_s=self._config.voicemail_silence_s)
            text = await self._text(call, taken)
            if text is None:
                raise Unreached("nothing_said")
            sent = await self._messages.send(SendRequest(to=plan.to, text=text, line=call.line))
        except (PublicError, Unreached) as problem:
            why = problem.reason if isinstance(problem, Unreached) else problem.kind
            await self._talk.speak_and_wait(call, self._config.transfer_unsent_text)
            return _End(TransferState.FAILED, why)
        await self._talk.speak_and_wait(call, self._config.transfer_sent_text)
        return _End(TransferState.MESSAGE_SENT, message_id=sent.message_id)

    async def _text(self, call: Call, taken: Taken) -> str | None:
        """None where the person could not do anything with it: no number, no words."""
        words = await self._words(call, taken) if taken.spoken else None
        number = taken.digits or call.number
        if number is None and words is None:
            return None
        return (
            self._config.transfer_sms_text.replace("{number}", number or "-")
            .replace("{text}", (words or "")[:SMS_TEXT_CHARS])
            .strip()
        )

    async def _words(self, call: Call, taken: Taken) -> str | None:
        """What was understood of the message by then, or for as long as a caller can wait."""
        conversation = call.conversation
        if conversation is not None and call.live:
            await until(
                lambda: not (conversation.hearing.in_turn or conversation.hearing.words.thinking), call, WORDS_S
            )
            await conversation.facts_written(BEEP_S)
        words, _ = await words_since(self._book.store, call.call_id, taken.started_ms)
        return words

    # --- within ------------------------------------------------------------------------------------------------------

    def _alone(self, call: Call) -> bool:
        """No brain and no client would say another word to this caller."""
        return call.watched and (call.claim is None or call.claim.session is None)

    async def _tell(
        self,
        call: Call,
        plan: Plan,
        state: TransferState,
        reason: str | None = None,
        *,
        call_id: str | None = None,
        message_id: str | None = None,
    ) -> None:
        log.info("transfer", call_id=call.call_id, state=state, reason=reason)
        event = CallTransfer(
            line=call.line,
            call_id=call.call_id,
            state=state,
            to=plan.to,
            reason=reason,
            transfer_call_id=call_id,
            message_id=message_id,
        )
        await self._book.tell(call, event)
