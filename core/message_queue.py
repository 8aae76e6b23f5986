"""The send queue of one line: what goes next, and what became of what went, one write to disk per step.

Before a part reaches the modem it stands as `handed` in the store; after a crash in between nobody can know whether
it was sent, and the message is `unknown`. That mark shares its transaction with the outcome of the part before, so a
message costs one fsync beside that of its acceptance.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from core.clock import rfc3339, unix_s
from core.config import SmsConfig
from core.errors import ModemBusy, ModemOffline, PublicError, StoreFailed, TimedOut
from core.events import SmsState
from core.line import Line, LineLateReference, LineLateRefusal, SendRefused, SendUncertain
from core.log import Log
from core.message_errors import Refusal, reason, refusal
from core.message_fsm import On, step
from core.message_reports import book_early
from core.message_steps import finish, known_sent, move, resend, take_out
from core.modem.pdu import decode_from_mobile, encode_submit
from core.store import messages as rows
from core.store.store import Store, Tx

log = Log("messages")

LINE_LOOK_S = 1.0
"""While messages wait for a line that can't send: how often it is asked. An empty queue asks nothing."""

LINE_BACK_OFF_S = (5.0, 10.0, 30.0, 60.0, 120.0)
"""After refusals that concern the whole line; the last one goes on."""

MAX_RESENDS = 3
"""How often on_unknown = "resend" may repeat a part whose answer was lost."""

AFTER_MISTAKE_S = 5.0
STORE_RETRY_S = (0.5, 1.0, 2.0, 5.0)


class Pacer(Protocol):
    """Of the guard: how fast this line may send."""

    def pace(self, line: str) -> float:
        """Seconds until the next message may go."""

    def handed(self, line: str) -> None:
        """One is going."""


@dataclass(frozen=True, slots=True)
class Job:
    """One part that stands as handed in the store. more: another part of the message follows at once."""

    message_id: str
    part: int
    tpdu: bytes
    smsc: str | None
    more: bool


@dataclass(frozen=True, slots=True)
class Taken:
    job: Job
    reference: int


@dataclass(frozen=True, slots=True)
class Refused:
    job: Job
    cms: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    job: Job
    reason: str = "no_answer"


@dataclass(frozen=True, slots=True)
class NotGiven:
    """The modem was certainly not given it."""

    job: Job


Outcome = Taken | Refused | Unanswered | NotGiven


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of the queue: the next job, or when to look again (RFC 3339; None: when woken)."""

    job: Job | None
    next_at: str | None = None


class SendQueue:
    """`run` in a task; `wake` after anything that may have put a message into the queue."""

    def __init__(
        self, config: SmsConfig, store: Store, line: Line, pacer: Pacer, on_alarm: Callable[[str | None], None]
    ) -> None:
        """on_alarm: called with what a person has to mend ("smsc_missing"), and with None once it is mended."""
        self._config = config
        self._store = store
        self._line = line
        self._pacer = pacer
        self._woken = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._stopping = False
        self._blocked_until_s = 0.0
        self._blocks = 0
        self._on_alarm = on_alarm
        self._alarmed: str | None = None
        self.unanswered: Job | None = None
        """The last part whose answer did not come: a late one can only be its own."""

    @property
    def blocked_for_s(self) -> float:
        """How long the line still holds back after a refusal that concerned all of it."""
        return max(0.0, self._blocked_until_s - time.monotonic())

    def wake(self) -> None:
        self._woken.set()

    async def stop(self, timeout_s: float) -> None:
        """Takes no further message; waits until the part that is out has its outcome on disk."""
        self._stopping = True
        self._woken.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._quiet.wait()

    async def run(self) -> None:
        """Sends for ever. First it finds out what a crash has left behind."""
        await self._insist(self._recover)
        outcome: Outcome | None = None
        while True:
            self._woken.clear()
            self._quiet.clear()
            turn = await self._turn(outcome)
            outcome = None
            if turn.job is None:
                self._quiet.set()
                await self._wait(turn.next_at)
                continue
            outcome = NotGiven(turn.job) if self._stopping else await self._hand_over(turn.job)

    async def late(self, answer: LineLateReference | LineLateRefusal) -> None:
        """The answer to the last part that got none comes after its deadline. StoreFailed; then it stays unknown."""
        job, self.unanswered = self.unanswered, None
        if job is not None:
            await self._store.write(lambda tx: self._late(tx, job, answer))
            self.wake()

    def _late(self, tx: Tx, job: Job, answer: LineLateReference | LineLateRefusal) -> None:
        at = rfc3339()
        if job.part not in rows.parts_in(tx, job.message_id, "unknown"):
            return  # resolved meanwhile
        message = rows.outgoing(tx, job.message_id)
        if message.state not in (SmsState.UNKNOWN, SmsState.QUEUED):
            return
        if isinstance(answer, LineLateReference):
            known_sent(tx, job.message_id, at, answer.reference)
            book_early(tx, message, message.send_at or message.created_at, at)
            return
        why = {"reason": reason(answer.cms), "cms": answer.cms, "network_text": answer.text[:160]}
        if refusal(answer.cms) is Refusal.PERMANENT:
            rows.update_part(tx, job.message_id, job.part, state="failed")
            move(tx, job.message_id, On.KNOWN_FAILED, at, next_try_at=None, **why)
        elif refusal(answer.cms) is not Refusal.UNCERTAIN:
            rows.update_part(tx, job.message_id, job.part, state="waiting")
            if message.state is SmsState.UNKNOWN:
                resend(tx, job.message_id, at, next_try_at=self._next_try(message), **why)

    # --- handing over --------------------------------------------------------------------------------------------

    async def _hand_over(self, job: Job) -> Outcome:
        self._pacer.handed(self._line.name)
        try:
            reference = await self._line.send_tpdu(
                job.tpdu, smsc=job.smsc, more=job.more, timeout_s=self._config.answer_timeout_s
            )
        except SendRefused as refused:
            self._after_refusal(refused.cms)
            if refusal(refused.cms) is Refusal.UNCERTAIN:
                return Unanswered(job, "network_timeout")
            return Refused(job, refused.cms, refused.text)
        except SendUncertain:
            self.unanswered = job
            return Unanswered(job)
        except (ModemOffline, ModemBusy, TimedOut):
            self._block()
            return NotGiven(job)
        except PublicError as problem:
            return Refused(job, None, problem.kind)
        self._blocks = 0
        self.unanswered = None
        self._alarm(None)
        return Taken(job, reference)

    def _after_refusal(self, cms: int | None) -> None:
        self._alarm("smsc_missing" if cms == 330 else None)
        if refusal(cms) is Refusal.LINE:
            self._block()
        else:
            self._blocks = 0

    def _alarm(self, what: str | None) -> None:
        if what != self._alarmed:
            self._alarmed = what
            self._on_alarm(what)

    def _block(self) -> None:
        wait_s = LINE_BACK_OFF_S[min(self._blocks, len(LINE_BACK_OFF_S) - 1)]
        self._blocks += 1
        self._blocked_until_s = time.monotonic() + wait_s

    async def _wait(self, next_at: str | None) -> None:
        wait_s = None
        if next_at is not None:
            wait_s = max(0.0, (datetime.fromisoformat(next_at).timestamp() - unix_s()))
            if wait_s == 0.0:  # it could go if the line could
                wait_s = max(self.blocked_for_s, self._pacer.pace(self._line.name)) or LINE_LOOK_S
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._woken.wait()

    # --- the store -----------------------------------------------------------------------------------------------

    async def _turn(self, outcome: Outcome | None) -> Turn:
        may_pick = (
            not self._stopping
            and self._line.can_send
            and not self.blocked_for_s
            and self._pacer.pace(self._line.name) <= 0
        )
        try:
            return await self._insist(lambda tx, again: self._work(tx, outcome, may_pick, again))
        except Exception:  # a row that is not as it should be must stop neither the queue nor the daemon
            log.exception("a step of the send queue failed", line=self._line.name)
            return Turn(None, rfc3339(unix_s() + AFTER_MISTAKE_S))

    async def _insist(self, work: "Work") -> Turn:
        """A write that has to happen: what was sent is sent, whether the disk is full or not.

        Of a disk that did not answer in time nobody knows whether the write happened; then `again` is True.
        """
        tries = 0
        while True:
            try:
                return await self._store.write(lambda tx, again=tries > 0: work(tx, again))  # type: ignore[misc]
            except StoreFailed as problem:
                if tries == 0:
                    log.error("the send queue can't write", line=self._line.name, problem=problem.message)
                await asyncio.sleep(STORE_RETRY_S[min(tries, len(STORE_RETRY_S) - 1)])
                tries += 1

    def _work(self, tx: Tx, outcome: Outcome | None, may_pick: bool, again: bool) -> Turn:
        at = rfc3339()
        if again:
            outcome = self._after_doubt(tx, outcome, at)
        if outcome is not None:
            job = self._apply(tx, outcome, at)
            if job is not None:
                return Turn(job)
        for message_id in rows.due_to_expire(tx, self._line.name, at):
            take_out(tx, message_id, On.EXPIRED, at, reason="too_late")
        message = rows.next_due(tx, self._line.name, at) if may_pick else None
        if message is None:
            return Turn(None, rows.next_time(tx, self._line.name, at))
        part = self._first_part(tx, message)
        if part is None:  # resolved by hand to nothing left
            move(tx, message.message_id, On.PICKED, at)
            finish(tx, message.message_id, at)
            return Turn(None, at)
        move(tx, message.message_id, On.PICKED, at, attempts=message.attempts + 1, next_try_at=None, reason=None)
        return Turn(self._hand(tx, message, part))

    def _after_doubt(self, tx: Tx, outcome: Outcome | None, at: str) -> Outcome | None:
        """Undoes what an earlier write, of which only the failure was told, has handed to nobody; the outcome unless it
        stands there already."""
        job = None if outcome is None else outcome.job
        for message in rows.open_with(tx, self._line.name, SmsState.SENDING):
            for part in rows.parts_in(tx, message.message_id, "handed"):
                if job is None or (job.message_id, job.part) != (message.message_id, part):
                    rows.update_part(tx, message.message_id, part, state="waiting")
                    move(tx, message.message_id, On.RETRY, at, attempts=max(0, message.attempts - 1))
        written = job is not None and rows.state_of_part(tx, job.message_id, job.part) != "handed"
        return None if written else outcome

    def _first_part(self, tx: Tx, message: rows.Outgoing) -> rows.Part | None:
        """Until here an answer or a report could have cleared up what is sent again now."""
        for part in rows.parts_in(tx, message.message_id, "unknown"):
            rows.update_part(tx, message.message_id, part, state="waiting")
        return rows.next_waiting(tx, message.message_id)

    def _hand(self, tx: Tx, message: rows.Outgoing, part: rows.Part) -> Job:
        tpdu = part.tpdu if message.expires_at is None else _lasting_until(tx, message, part.tpdu)
        rows.update_part(tx, part.message_id, part.part, state="handed", pdu=tpdu.hex().upper())
        return Job(part.message_id, part.part, tpdu, message.smsc, more=part.part < message.parts)

    def _apply(self, tx: Tx, outcome: Outcome, at: str) -> Job | None:
        """Writes an outcome, and what reports have said already; the job of the same message that follows it."""
        message = rows.outgoing(tx, outcome.job.message_id)
        since = rows.changed_at(tx, message.message_id)
        following = self._apply_alone(tx, message, outcome, at)
        book_early(tx, message, since, at)
        return following

    def _apply_alone(self, tx: Tx, message: rows.Outgoing, outcome: Outcome, at: str) -> Job | None:
        job = outcome.job
        match outcome:
            case Taken():
                rows.update_part(tx, job.message_id, job.part, state="sent", reference=outcome.reference, sent_at=at)
                rows.release(tx, message.line, message.peer)
                following = rows.next_waiting(tx, job.message_id)
                if following is None:
                    finish(tx, job.message_id, at)
                elif self._stopping:
                    move(tx, job.message_id, On.RETRY, at)
                else:
                    step(message.state, On.PART_TAKEN)
                    return self._hand(tx, message, following)
            case Unanswered():
                self._in_doubt(tx, message, [job.part], outcome.reason, at)
            case NotGiven():
                rows.update_part(tx, job.message_id, job.part, state="waiting")
                move(tx, job.message_id, On.RETRY, at, reason="waiting_for_line", attempts=message.attempts - 1)
            case Refused():
                self._refused(tx, message, outcome, at)
        return None

    def _in_doubt(self, tx: Tx, message: rows.Outgoing, parts: list[int], why: str, at: str) -> None:
        """Whether these parts were sent is unknown, unless a report has come before the doubt."""
        since = rows.changed_at(tx, message.message_id)
        for part in parts:
            rows.update_part(tx, message.message_id, part, state="unknown")
        move(tx, message.message_id, On.NO_ANSWER, at, reason=why)
        book_early(tx, message, since, at)
        allowed = message.on_unknown == "resend" and message.attempts <= MAX_RESENDS
        if allowed and rows.outgoing(tx, message.message_id).state is SmsState.UNKNOWN:
            resend(tx, message.message_id, at, next_try_at=self._next_try(message))

    def _refused(self, tx: Tx, message: rows.Outgoing, refused: Refused, at: str) -> None:
        kind = refusal(refused.cms)
        why = {"reason": reason(refused.cms), "cms": refused.cms, "network_text": refused.text[:160]}
        next_try_at = self._next_try(message) if kind is Refusal.RECIPIENT else None
        if kind is Refusal.PERMANENT or self._too_old(message, next_try_at or at):
            rows.update_part(tx, message.message_id, refused.job.part, state="failed")
            move(tx, message.message_id, On.REFUSED, at, next_try_at=None, **why)
            return
        rows.update_part(tx, message.message_id, refused.job.part, state="waiting")
        move(tx, message.message_id, On.RETRY, at, next_try_at=next_try_at, **why)
        if next_try_at is not None:
            rows.back_off(tx, message.line, message.peer, next_try_at)

    def _next_try(self, message: rows.Outgoing) -> str:
        delays = self._config.retry_s or (60.0,)
        return rfc3339(unix_s() + delays[min(max(message.attempts, 1), len(delays)) - 1])

    def _too_old(self, message: rows.Outgoing, at: str) -> bool:
        begun = datetime.fromisoformat(message.send_at or message.created_at)
        return datetime.fromisoformat(at) > begun + timedelta(seconds=self._config.give_up_after_s)

    def _recover(self, tx: Tx, again: bool) -> Turn:
        """After a crash: what was handed over may have been sent; what was not, goes on from where it stood."""
        at = rfc3339()
        for message in rows.open_with(tx, self._line.name, SmsState.SENDING):
            handed = rows.parts_in(tx, message.message_id, "handed")
            if not handed:
                move(tx, message.message_id, On.RETRY, at)
                continue
            self._in_doubt(tx, message, handed, "core_restarted", at)
        return Turn(None)


class Work(Protocol):
    def __call__(self, tx: Tx, again: bool, /) -> Turn: ...


def _lasting_until(tx: Tx, message: rows.Outgoing, tpdu: bytes) -> bytes:
    """The part with a validity period that ends with expires_at: it may have waited here for most of its time."""
    if message.expires_at is None or rows.asked_validity(tx, message.message_id) is not None:
        return tpdu
    left_s = datetime.fromisoformat(message.expires_at).timestamp() - unix_s()
    return encode_submit(replace(decode_from_mobile(tpdu), validity=timedelta(seconds=max(300, int(left_s)))))
