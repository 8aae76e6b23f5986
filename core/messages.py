"""The message service: takes messages for sending, receives, reports, and answers what clients ask about them.

An answer to sms.send means that the message is on disk. Each line has a send queue and an inbox of its own, so that
neither a slow line nor a bad recipient holds up another.
"""

import asyncio
from asyncio import TaskGroup
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from core.clock import rfc3339, unix_s
from core.config import Config
from core.errors import LimitExceeded, ModemBusy, NotNow, PublicError, StoreFailed
from core.events import SmsState, UssdReceived
from core.guard import Guard
from core.line import Line, LineLateReference, LineLateRefusal, UssdAnswer, UssdState
from core.lines import line_named
from core.log import Log
from core.message_compose import Composer, SendRequest
from core.message_fsm import On
from core.message_inbox import Inbox, tell_incomplete
from core.message_queue import SendQueue
from core.message_steps import known_sent, left_behind, move, resend, take_out
from core.modem.pdu import (
    encode_submit,
)
from core.numbers import peer_key, sms_address
from core.registry import ClientRegistry
from core.store import messages as rows
from core.store.message_reads import MessageRow, get_message
from core.store.retention import prune_messages
from core.store.store import Store, Tx

log = Log("messages")

MAX_QUEUED = 100_000
"""Messages of a line that wait. When full: limit. At 10 a minute that is a week."""

PRUNE_EVERY_S = 3600.0
GROUPS_AGAIN_S = 60.0
PRUNE_CHUNKS = 1000
RECIPIENT_BACKOFF = "recipient_backoff"


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """For sms.queue."""

    line: str
    queued: int
    sending: int
    unknown: int
    sent_today: int
    failed_today: int
    can_send: bool
    blocked_for_s: float
    duplicates: int
    memories: tuple[tuple[str, int, int], ...]
    smsc: str | None


@dataclass(slots=True)
class _Mailbox:
    """What belongs to one line."""

    queue: SendQueue
    inbox: Inbox
    ussd: asyncio.Lock = field(default_factory=asyncio.Lock)
    session: bool = False
    """Whether the network waits for ussd.reply."""


class MessageService:
    """All messages of all lines."""

    def __init__(
        self, config: Config, store: Store, lines: Mapping[str, Line], guard: Guard, clients: ClientRegistry
    ) -> None:
        self._config = config
        self._store = store
        self._lines = dict(lines)
        self._guard = guard
        self._clients = clients
        self._grouped = asyncio.Event()
        self._tasks: TaskGroup | None = None
        self._composer = Composer(config.sms, dry_run=guard.dry_run)
        self._boxes = {name: self._mailbox(line) for name, line in self._lines.items()}

    def _mailbox(self, line: Line) -> _Mailbox:
        queue = SendQueue(
            self._config.sms, self._store, line, self._guard, on_alarm=lambda what: self._smsc(line.name, what)
        )
        inbox = Inbox(
            self._store,
            line,
            region=lambda: self.region(line.name),
            on_group=self._grouped.set,
            on_report=queue.wake,
            on_memory=lambda full: self._memory(line.name, full),
            on_late=lambda answer: self._late(line.name, answer),
            on_ussd=lambda state: self._session(line.name, state),
        )
        return _Mailbox(queue, inbox)

    # --- life ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serves until cancelled."""
        await self._guard.ready()  # keys of numbers are needed from the first message on
        async with TaskGroup() as tasks:
            self._tasks = tasks
            for name, box in self._boxes.items():
                tasks.create_task(box.queue.run(), name=f"messages.{name}.send")
                tasks.create_task(box.inbox.run(), name=f"messages.{name}.receive")
            tasks.create_task(self._look_for_lost_lines(), name="messages.lost_lines")
            tasks.create_task(self._watch_groups(), name="messages.groups")
            tasks.create_task(self._prune(), name="messages.prune")

    async def stop(self, timeout_s: float) -> None:
        """For an orderly stop: what is on its way to the network gets its outcome written, within the deadline."""
        async with TaskGroup() as tasks:
            for box in self._boxes.values():
                tasks.create_task(box.queue.stop(timeout_s), name="messages.stop")

    async def _look_for_lost_lines(self) -> None:
        """Messages of lines that were taken out of the configuration wait for ever, unless somebody is told."""

        def work(tx: Tx) -> dict[str, int]:
            lost = {line: count for line, count in rows.lines_waited_for(tx).items() if line not in self._boxes}
            for line in lost:
                left_behind(tx, line, rfc3339())
            return lost

        try:
            lost = await self._store.write(work)
        except PublicError as problem:
            log.error("messages of lines that are gone were not looked at", problem=problem.message)
            return
        for line, count in lost.items():
            log.warning("messages wait for a line that is not configured", line=line, messages=count)
            text = f"{count} messages wait for line {line}, which is not in core.toml. Cancel them or bring it back."
            await self._alarm(f"line_not_configured.{line}", text)

    async def _watch_groups(self) -> None:
        """Tells of messages whose missing parts did not come in time."""
        while True:
            self._grouped.clear()
            try:
                before = rfc3339(unix_s() - self._config.sms.incomplete_after_s)
                oldest = await self._store.write(lambda tx, before=before: tell_incomplete(tx, before))  # type: ignore[misc]
                wait_s = None if oldest is None else self._until_due(oldest)
            except PublicError as problem:
                log.error("messages with missing parts were not looked at", problem=problem.message)
                wait_s = GROUPS_AGAIN_S
            except Exception:  # a row that is not as it should be must not end the daemon
                log.exception("messages with missing parts could not be told")
                wait_s = GROUPS_AGAIN_S
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._grouped.wait()

    def _until_due(self, first_at: str) -> float:
        due_s = datetime.fromisoformat(first_at).timestamp() + self._config.sms.incomplete_after_s
        return max(0.05, due_s - unix_s())

    async def _prune(self) -> None:
        while True:
            try:
                await self._prune_all()
            except PublicError as problem:
                log.warning("old messages were not pruned", kind=problem.kind)
            await asyncio.sleep(PRUNE_EVERY_S)

    async def _prune_all(self) -> None:
        days = self._config.sms.keep_days
        for _ in range(PRUNE_CHUNKS):  # each is a short write of its own, so that others get in between
            if not await self._store.write(lambda tx: prune_messages(tx, days)):
                return

    def _memory(self, line: str, full: bool) -> None:
        text = f"The message memory of line {line} is full: the network holds messages back." if full else None
        self._raise(f"sms_memory_full.{line}", text)

    def _smsc(self, line: str, what: str | None) -> None:
        text = (
            f"Line {line} knows no service centre, so nothing can be sent. Set it with smsc of sms.send, or on the SIM."
        )
        self._raise(f"smsc_missing.{line}", text if what is not None else None)

    def _raise(self, alarm: str, text: str | None) -> None:
        if self._tasks is not None:
            self._tasks.create_task(self._alarm(alarm, text), name="messages.alarm")

    def _session(self, line: str, state: UssdState) -> None:
        self._boxes[line].session = state is UssdState.REPLY_WANTED

    async def _alarm(self, alarm: str, text: str | None) -> None:
        try:
            await self._clients.core_alarm(alarm, text)
        except PublicError as problem:
            log.warning("an alarm was not written", alarm=alarm, kind=problem.kind)

    async def _late(self, line: str, answer: LineLateReference | LineLateRefusal) -> None:
        """An answer that came after its deadline."""
        await self._boxes[line].queue.late(answer)

    # --- sending ---------------------------------------------------------------------------------------------------

    def line_named(self, name: str | None) -> Line:
        return line_named(self._lines, self._config.call.default_line, name)

    def region(self, line: str) -> str | None:
        """ISO country of the numbers that come without a country code: configured, else that of the SIM."""
        return self._guard.region(line)

    def peer(self, number: str, line: str | None = None) -> str:
        """The party key under which messages of this number are kept."""
        name = line or self._config.call.default_line or next(iter(self._lines), "")
        return peer_key(number, self._guard.region(name) if name in self._lines else self._config.guard.region)

    async def send(self, request: SendRequest) -> MessageRow:
        """Accepts a message: it is on disk when this answers. See sms.send for the errors."""
        digest = request.digest()
        try:
            row, tpdus = await self._prepared(request, digest)
        except PublicError:  # its time is over, a list or the configuration has changed: that is no matter for a repeat
            known = await self._store.write(lambda tx: _known(tx, request, digest))
            if known is None:
                raise
            return known

        def work(tx: Tx) -> MessageRow:
            return _known(tx, request, digest) or self._accept(tx, row, tpdus)

        try:
            return await self._store.write(work)
        finally:  # after a StoreFailed it may be written as well, only later
            self._boxes[row.line].queue.wake()

    async def _prepared(self, request: SendRequest, digest: str) -> tuple[rows.NewMessage, list[bytes]]:
        """The row and its parts, when the message may be sent at all."""
        line = self.line_named(request.line)
        await self._guard.ready()
        address = sms_address(
            request.to, request.number_type, self.region(line.name), emergency=self._config.call.emergency
        )
        await self._guard.permit("sms", address.text, line.name)
        submits = self._composer.submits(request, address)
        row = self._composer.row(request, digest, line.name, self.region(line.name), address, submits)
        return row, [encode_submit(each) for each in submits]

    def _accept(self, tx: Tx, row: rows.NewMessage, tpdus: list[bytes]) -> MessageRow:
        """In one transaction: within the limits, written."""
        if row.state is SmsState.QUEUED:
            self._guard.limit_work(tx, "sms", row.line, unix_s(), row.parts, number=row.number)
            if rows.queued(tx, row.line) >= MAX_QUEUED:
                raise LimitExceeded("Too many messages wait on this line.", retry_after_s=60.0)
            wait_until = rows.backed_off_until(tx, row.line, row.peer, row.created_at)
            if wait_until is not None:
                row = msgspec.structs.replace(row, next_try_at=wait_until, reason=RECIPIENT_BACKOFF)
        rows.insert(tx, row)
        rows.add_parts(tx, row.message_id, tpdus)
        rows.tell(tx, row.message_id)
        return _found(tx, row.message_id)

    # --- deciding --------------------------------------------------------------------------------------------------

    async def cancel(self, message_id: str) -> MessageRow:
        """Takes a queued message out. NotNow once it is on its way."""

        def work(tx: Tx) -> MessageRow:
            if rows.outgoing(tx, message_id).parts_sent:
                raise NotNow("A part of this message has been sent already.")
            take_out(tx, message_id, On.CANCEL, rfc3339(), reason="by_client")
            return _found(tx, message_id)

        return await self._store.write(work)

    async def resolve(self, message_id: str, outcome: str) -> MessageRow:
        """A person's decision about an unknown message (outcome: resend, sent or failed), or resend of a failed one."""

        def work(tx: Tx) -> MessageRow:
            at = rfc3339()
            message = rows.outgoing(tx, message_id)
            if outcome == "resend":
                if message.expires_at is not None and message.expires_at <= at:
                    raise NotNow("The message expired meanwhile.")
                resend(tx, message_id, at, reason=None, next_try_at=None, expires_at=message.expires_at)
            elif message.state is not SmsState.UNKNOWN:
                raise NotNow(f"The message is {message.state}: its outcome is known.", state=str(message.state))
            elif outcome == "sent":
                known_sent(tx, message_id, at)
            else:
                move(tx, message_id, On.KNOWN_FAILED, at, reason="by_client")
            return _found(tx, message_id)

        if outcome == "resend":
            await self._permitted(message_id)
        row = await self._store.write(work)
        if row.line in self._boxes:
            self._boxes[row.line].queue.wake()
        return row

    async def _permitted(self, message_id: str) -> None:
        """Lists may have changed since it was accepted, and a message that failed counts for no limit any more."""
        found = await self._store.read(lambda db: get_message(db, message_id))
        if found is not None and found.direction == "out" and found.number:
            await self._guard.permit("sms", found.number, found.line)
            if found.state is SmsState.FAILED:
                await self._guard.within_limits("sms", found.number, found.line, found.parts)

    # --- looking ---------------------------------------------------------------------------------------------------

    async def queues(self, name: str | None) -> list[QueueStatus]:
        """One entry a line; with a name only that one's."""
        lines = [self.line_named(name)] if name is not None else list(self._lines.values())
        since = rfc3339(unix_s() - 86_400)
        counts = await self._store.read(lambda db: {line.name: rows.counts(db, line.name, since) for line in lines})
        return [self._queue_status(line, counts[line.name]) for line in lines]

    def _queue_status(self, line: Line, counts: rows.Counts) -> QueueStatus:
        box, info = self._boxes[line.name], line.info
        return QueueStatus(
            line.name, counts.queued, counts.sending, counts.unknown, counts.sent_today, counts.failed_today,
            line.can_send, round(box.queue.blocked_for_s, 1), box.inbox.duplicates,
            tuple((memory.name, memory.used, memory.total) for memory in info.memories), info.smsc,
        )  # fmt: skip

    # --- USSD ------------------------------------------------------------------------------------------------------

    async def ussd(self, text: str, name: str | None, timeout_s: float | None, *, reply: bool = False) -> UssdAnswer:
        """One exchange; the answer is journalled as ussd.received, too. ModemBusy while another one waits, NotNow for
        a reply without a session."""
        line = self.line_named(name)
        box = self._boxes[line.name]
        if box.ussd.locked():
            raise ModemBusy("Another USSD request of this line waits for the network.")
        if reply and not box.session:
            raise NotNow("No USSD session is open on this line.")
        async with box.ussd:
            box.session = False
            answer = await line.ussd(text, timeout_s=timeout_s or self._config.sms.ussd_timeout_s)
            box.session = answer.state is UssdState.REPLY_WANTED
        event = UssdReceived(line=line.name, text=answer.text, state=answer.state)
        try:
            await self._store.write(lambda tx: tx.fact(event))
        except StoreFailed as problem:  # the network says it once; who asked shall have it
            log.error("an answer to a USSD code was not written", line=line.name, problem=problem.message)
        return answer

    async def ussd_cancel(self, name: str | None) -> None:
        line = self.line_named(name)
        self._boxes[line.name].session = False
        await line.ussd_cancel()


def _known(tx: Tx, request: SendRequest, digest: str) -> MessageRow | None:
    """The message that was accepted under the client_ref of this request before. RefTaken when it was another one."""
    if request.client_ref is None or request.dry_run:
        return None
    message_id = rows.known_ref(tx, request.client_ref, digest)
    return None if message_id is None else _found(tx, message_id)


def _found(tx: Tx, message_id: str) -> MessageRow:
    row = get_message(tx.connection, message_id)
    assert row is not None
    return row
