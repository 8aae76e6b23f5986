"""Outgoing files to messages: each file is one sms.send with a client_ref of its own, however often we are killed.

A file moves to checked, gets a job in the ledger, and stays there until its message has an outcome. The client_ref is
made from the file itself, so that also a ledger that is lost doubles nothing.
"""

import logging
import math
import secrets
import time
from datetime import UTC, datetime
from typing import Any

import dialtone
from clients.spool.checked import Checked, Content, Unreadable
from clients.spool.desk import DISK_ERRORS, Desk
from clients.spool.ledger import Job
from clients.spool.message_file import add_headers
from clients.spool.outcome import ENDED_STATES, Verdict, call_made, refusal, verdict
from clients.spool.outgoing import CallWish, Malformed, SmsWish, read_wish
from clients.spool.voice import VoiceCalls
from clients.spool.watch import Ready, Watch

Json = dict[str, Any]

BATCH = 50
"""Files taken before looking again, so that a message of high priority overtakes a full directory."""
RETRY_S = 10.0
MAX_RETRY_S = 600.0
LOST_RETRY_S = 0.5
"""After a connection that broke; while it is down nothing is tried."""

NOT_OF_THE_FILE = frozenset({"forbidden", "method_not_found", "internal", "limit"})
"""Errors that say nothing against the message, as do those with `retry`: it is offered again later."""

_log = logging.getLogger("dialtone.spool")


class Sender:
    """One task. `settled` is called by the receiver with each sms.status."""

    def __init__(self, desk: Desk, watch: Watch, calls: VoiceCalls) -> None:
        self._desk = desk
        self._watch = watch
        self._calls = calls
        self._checked = Checked(desk.settings)
        self._retry_at_s: dict[str, float] = {}
        self._unknown_until_s: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        for name in await self._desk.insist("checked", self._checked.left):
            await self._open(name)
        while True:
            next_s = await self._turn()
            await self._watch.wait(next_s)

    async def settled(self, event: Json) -> None:
        """An sms.status: the file of a message that has its outcome leaves checked."""
        ref, message_id = event.get("client_ref"), event.get("message_id")
        if not isinstance(ref, str) or not isinstance(message_id, str):
            return
        job = self._desk.ledger.job_of_ref(ref)
        if job is None or event["state"] not in ENDED_STATES:
            return
        if job.message_id is None:  # the event was faster than the answer
            await self._desk.insist("state", lambda: self._desk.ledger.accepted(job, message_id))
        if event["state"] == "unknown":
            self._wait_for_news(job)
        else:
            await self._finish(job, event, str(event.get("at")))

    def ask_again(self) -> None:
        """Events were missed: what became of the messages is asked for."""
        now_s = time.monotonic()
        for job in self._desk.ledger.jobs():
            if job.message_id is not None:
                self._retry_at_s[job.ref] = now_s
        self._watch.changed.set()

    # --- taking files

    async def _turn(self) -> float | None:
        """Everything that can be done now; gives in how many seconds there is more."""
        if not self._desk.phone.connected:
            return None  # on_connect wakes us
        waits = [await self._offer_again()]
        try:
            ready, next_s = self._watch.look()
        except DISK_ERRORS as problem:
            await self._desk.tell("outgoing", str(problem))
            return waits[0]
        waits += [next_s, await self._take_some(ready)]
        return min((wait for wait in waits if wait is not None), default=None)

    async def _take_some(self, ready: list[Ready]) -> float | None:
        """A batch of files; 0 where there are more. A second file of one name waits until the first is through."""
        taken, trouble = 0, None
        for one in ready:
            try:
                if self._checked.take(self._watch.path(one.name)):
                    taken += 1
                    await self._open(one.name)
            except DISK_ERRORS as problem:  # of this file; the others have their turn
                trouble = str(problem)
            if taken >= BATCH:
                return 0.0
        await self._desk.tell("outgoing", trouble)
        return None

    async def _open(self, name: bytes) -> None:
        """A file in checked: its job, made where there is none, is begun."""
        try:
            content = self._checked.read(name)
        except Unreadable as problem:
            return await self._fail_unread(name, str(problem))
        job = self._desk.ledger.job(name)
        if job is not None and job.content_hash == content.hash and job.request:
            return await self._offer(job)
        try:
            wish = self._wish(content)
        except Malformed as problem:
            return await self._fail(name, content, str(problem))
        if job is None or job.content_hash != content.hash:
            request = wish.params if isinstance(wish, SmsWish) else {}
            job = await self._desk.insist(
                "state", lambda: self._desk.ledger.open_job(name, content.ref, content.hash, request)
            )
        return await (self._dial(job, wish) if isinstance(wish, CallWish) else self._offer(job))

    def _wish(self, content: Content) -> SmsWish | CallWish:
        settings = self._desk.settings
        if len(content.octets) > settings.max_file_bytes:
            raise Malformed(f"The file is larger than {settings.max_file_bytes} bytes")
        return read_wish(content.octets, settings, self._checked.read_include)

    # --- offering messages

    async def _offer_again(self) -> float | None:
        """Jobs whose turn has come again; gives in how many seconds the next one is due."""
        now_s = time.monotonic()
        for job in self._desk.ledger.jobs() if self._retry_at_s else []:
            if self._retry_at_s.get(job.ref, math.inf) <= now_s:
                del self._retry_at_s[job.ref]
                await self._offer(job)
        return max(0.0, min(self._retry_at_s.values()) - time.monotonic()) if self._retry_at_s else None

    async def _offer(self, job: Job) -> None:
        """sms.send, or for a message that was accepted before: what became of it."""
        try:
            info = await self._ask(job)
        except dialtone.RpcError as problem:
            if problem.retry or problem.kind in NOT_OF_THE_FILE:
                return self._later(job, problem.retry_after_s or RETRY_S, problem)
            if job.message_id is None:
                return await self._refused(job, f"{problem.message} ({problem.kind})")
            info = {"state": "unknown", "reason": "the daemon does not know it any more", "updated_at": _now()}
            return await self._finish(job, info, _now())
        except dialtone.DialtoneError as problem:
            return self._later(job, LOST_RETRY_S, problem)
        if self._desk.ledger.job_of_ref(job.ref) is None:
            return None  # its events were faster
        if job.message_id is None:
            message_id = str(info["message_id"])
            await self._desk.insist("state", lambda: self._desk.ledger.accepted(job, message_id))
        if info["state"] == "unknown" and time.monotonic() < self._unknown_until_s.get(job.ref, math.inf):
            return self._wait_for_news(job)
        if info["state"] in ENDED_STATES:
            await self._finish(job, info, str(info.get("sent_at") or info["updated_at"]))
        return None

    async def _ask(self, job: Job) -> Json:
        found: Json
        if job.message_id is None:
            found = await self._desk.phone.call_with("sms.send", {**job.request, "client_ref": job.ref})
        else:
            found = await self._desk.phone.call("sms.get", message_id=job.message_id)
        return found

    def _wait_for_news(self, job: Job) -> None:
        """Unknown may become known yet: a late answer, a report, a resend that was allowed. Then it is looked at."""
        until_s = self._unknown_until_s.setdefault(job.ref, time.monotonic() + self._desk.settings.unknown_wait_s)
        self._retry_at_s[job.ref] = until_s
        self._watch.changed.set()

    def _later(self, job: Job, wait_s: float, problem: Exception) -> None:
        wait_s = min(wait_s, MAX_RETRY_S)
        self._retry_at_s[job.ref] = time.monotonic() + wait_s
        _log.warning("message %d is offered again in %g s: %s", job.number, wait_s, problem)

    # --- outcomes

    async def _finish(self, job: Job, outcome: Json, at: str) -> None:
        device = await self._desk.device(outcome.get("line"))
        await self._close(job, verdict(job, outcome, at, device, self._desk.settings))

    async def _refused(self, job: Job, reason: str) -> None:
        await self._close(job, refusal(reason, _now(), self._desk.settings))

    async def _close(self, job: Job, found: Verdict) -> None:
        """To sent or failed, with the headers that tell of it."""
        source, kind = self._checked.path(job.name), "sent" if found.sent else "failed"
        target = self._desk.folders[kind] / source.name
        argv = self._desk.argv(kind.upper(), target, found.number)

        def place() -> None:
            try:
                octets = source.read_bytes()
            except FileNotFoundError:
                octets = b""  # somebody took it away; what became of it is told all the same
            whole = add_headers(octets, found.headers)
            self._desk.placer.place(f"job:{job.ref}", whole, target, source=source, ref=job.ref, argv=argv)

        await self._desk.insist(kind, place)
        self._retry_at_s.pop(job.ref, None)
        self._unknown_until_s.pop(job.ref, None)
        self._desk.handlers.due.set()
        self._watch.changed.set()  # a file of the same name may wait
        _log.info("message %d: %s", job.number, kind)

    async def _fail(self, name: bytes, content: Content, reason: str) -> None:
        """A file that never became a message."""
        source = self._checked.path(name)
        target = self._desk.folders["failed"] / source.name
        whole = add_headers(content.octets, refusal(reason, _now(), self._desk.settings).headers)
        argv = self._desk.argv("FAILED", target)
        key = f"refused:{secrets.token_hex(8)}"
        await self._desk.insist("failed", lambda: self._desk.placer.place(key, whole, target, source=source, argv=argv))
        self._desk.handlers.due.set()
        _log.warning("a file in outgoing was refused: %s", reason)

    async def _fail_unread(self, name: bytes, reason: str) -> None:
        """A file that can't be read goes to failed as it is."""
        source = self._checked.path(name)
        target = self._desk.folders["failed"] / source.name
        argv = self._desk.argv("FAILED", target)
        key = f"unread:{secrets.token_hex(8)}"
        await self._desk.insist("failed", lambda: self._desk.placer.move(key, source, target, argv=argv))
        self._desk.handlers.due.set()
        _log.error("%a from outgoing %s; it was moved to failed as it is", name, reason)

    # --- voice calls

    async def _dial(self, job: Job, wish: CallWish) -> None:
        """A call that was dialled before we were killed may have been made; nobody is called twice."""
        if job.dialled:
            await self._refused(job, "Interrupted: the call may have been made")
        elif not self._calls.begin(job, wish, self._call_begins, self._call_ended):
            await self._refused(job, "Too many voice calls wait")

    async def _call_begins(self, job: Job) -> None:
        await self._desk.insist("state", lambda: self._desk.ledger.dialled(job))

    async def _call_ended(self, job: Job, line: str | None, problem: str | None) -> None:
        device, settings = await self._desk.device(line), self._desk.settings
        made = problem is None
        await self._close(
            job,
            call_made(job, _now(), device, settings) if made else refusal(str(problem), _now(), settings, device),
        )


def _now() -> str:
    return datetime.now(UTC).isoformat()
