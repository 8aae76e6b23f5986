"""Outgoing files to messages: each file is one sms.send with a client_ref of its own, however often we are killed.

A file moves to checked, gets a job in the ledger, and stays there until its message has an outcome. The client_ref is
made from the file itself (place, name, inode, time and content), so that also a ledger that is lost doubles nothing.
"""

import hashlib
import logging
import math
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dialtone
from clients.spool.desk import DISK_ERRORS, Desk
from clients.spool.incoming import local_time
from clients.spool.ledger import Job
from clients.spool.message_file import Header, add_headers
from clients.spool.outgoing import CallWish, Malformed, SmsWish, read_wish
from clients.spool.placer import LOCK, lock_of, sync_folder
from clients.spool.voice import VoiceCalls
from clients.spool.watch import Ready, Watch

Json = dict[str, Any]

BATCH = 50
"""Files taken before looking again, so that a message of high priority overtakes a full directory."""
RETRY_S = 10.0
MAX_RETRY_S = 600.0
HUGE_BYTES = 16 * 1024 * 1024
"""A larger file is moved to failed as it is."""
REF_PREFIX = "spool-"

SENT_STATES = frozenset({"sent", "delivered"})
FAILED_STATES = frozenset({"failed", "expired", "cancelled", "unknown"})

NOT_OF_THE_FILE = frozenset(
    {"forbidden", "method_not_found", "internal", "store_failed", "modem_busy", "modem_offline", "limit", "timeout"}
)
"""Errors that say nothing against the message: it is offered again later."""

_log = logging.getLogger("dialtone.spool")


class Sender:
    """One task. `settled` is called by the receiver with each sms.status."""

    def __init__(self, desk: Desk, watch: Watch, calls: VoiceCalls) -> None:
        self._desk = desk
        self._watch = watch
        self._calls = calls
        self._retry_at_s: dict[str, float] = {}
        self._unknown_until_s: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        await self._adopt()
        while True:
            next_s = await self._turn()
            await self._watch.wait(next_s)

    async def settled(self, event: Json) -> None:
        """An sms.status: the file of a message that has its outcome leaves checked."""
        ref, message_id = event.get("client_ref"), event.get("message_id")
        if not isinstance(ref, str) or not isinstance(message_id, str):
            return
        job = self._desk.ledger.job_of_ref(ref)
        if job is None or event["state"] not in SENT_STATES | FAILED_STATES:
            return
        if job.message_id is None:  # the event was faster than the answer
            await self._desk.insist("state", lambda: self._desk.ledger.accepted(job, message_id))
        if event["state"] == "unknown":
            self._wait_for_news(job)
        else:
            await self._finish(job, event, str(event.get("at")))

    # --- taking files

    async def _adopt(self) -> None:
        """Files that lie in checked from before: those with a job go on, the others get one."""
        folder = self._desk.folders["checked"]
        names = await self._desk.insist("checked", lambda: sorted(os.listdir(os.fsencode(folder))))
        for name in names:
            if name.endswith(os.fsencode(LOCK)) or name.startswith(b"."):
                if name.endswith(os.fsencode(LOCK)) and name[: -len(LOCK)] not in names:
                    with suppress(OSError):
                        (folder / os.fsdecode(name)).unlink()
                continue
            if (folder / os.fsdecode(name)).is_file():
                await self._desk.insist("checked", lambda name=name: self._lock(name))  # type: ignore[misc]
                await self._open(name)
        there = set(names)
        for job in self._desk.ledger.jobs():
            if job.name not in there:
                _log.warning("the file of message %d was taken away from checked", job.number)

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
        """A batch of files; 0 where there are more of them."""
        taken, trouble = 0, None
        for one in ready:
            try:
                taken += await self._take(one)
            except DISK_ERRORS as problem:  # of this file; the others have their turn
                trouble = str(problem)
            if taken >= BATCH:
                return 0.0
        await self._desk.tell("outgoing", trouble)
        return None

    async def _take(self, ready: Ready) -> bool:
        """Moves one file to checked and offers it. A second file of the same name waits until the first is through."""
        source, checked = self._watch.path(ready.name), self._path(ready.name)
        if checked.exists():
            return False
        self._lock(ready.name)
        try:
            os.rename(source, checked)
        except OSError:
            lock_of(checked).unlink(missing_ok=True)
            raise
        sync_folder(checked.parent)
        sync_folder(source.parent)
        if ready.readable:
            await self._open(ready.name)
        else:
            await self._fail_unread(ready.name, "can't be read")
        return True

    def _lock(self, name: bytes) -> None:
        """smsd's own lock, so that no smsd on the same directories takes what is ours."""
        lock_of(self._path(name)).write_text(f"{os.getpid()}\n")

    async def _open(self, name: bytes) -> None:
        """A file in checked: its job, made where there is none, is offered to the daemon."""
        try:
            read = _read(self._path(name))
        except OSError as problem:
            return await self._fail_unread(name, problem.strerror or "can't be read")
        if read is None:
            return await self._fail_unread(name, "is too large")
        content, ref = read
        known = self._desk.ledger.job(name)
        content_hash = hashlib.sha256(content).hexdigest()
        if known is not None and known.content_hash == content_hash:
            return await self._offer(known)
        try:
            if len(content) > self._desk.settings.max_file_bytes:
                raise Malformed(f"The file is larger than {self._desk.settings.max_file_bytes} bytes")
            wish = read_wish(content, self._desk.settings, self._read_include)
        except Malformed as problem:
            return await self._fail(name, ref, content, str(problem))
        request = wish.params if isinstance(wish, SmsWish) else {}
        job = await self._desk.insist("state", lambda: self._desk.ledger.open_job(name, ref, content_hash, request))
        return await (self._offer(job) if isinstance(wish, SmsWish) else self._dial(job, wish))

    def _read_include(self, name: str) -> bytes:
        """Only regular files really below one of the configured directories."""
        for folder in self._desk.settings.include:
            base = Path(os.path.realpath(self._desk.settings.folder(folder)))
            real = Path(os.path.realpath(base / name))
            if real.is_relative_to(base) and real.is_file():
                try:
                    read = _read(real)
                except OSError:
                    break
                if read is not None and len(read[0]) <= self._desk.settings.max_file_bytes:
                    return read[0]
        raise Malformed("The included file is not below a directory of `include`, or can't be read")

    # --- offering messages

    async def _offer_again(self) -> float | None:
        """Jobs whose turn has come again; gives in how many seconds the next one is due."""
        now_s = time.monotonic()
        for job in self._desk.ledger.jobs() if self._retry_at_s else []:
            if self._retry_at_s.get(job.ref, now_s + 1) <= now_s:
                del self._retry_at_s[job.ref]
                await self._offer(job)
        return max(0.0, min(self._retry_at_s.values()) - time.monotonic()) if self._retry_at_s else None

    async def _offer(self, job: Job) -> None:
        """sms.send, or for one that was accepted before: what became of it."""
        if job.dialled or not job.request:
            return await self._reopen_call(job)
        try:
            if job.message_id is None:
                info = await self._desk.phone.call_with("sms.send", {**job.request, "client_ref": job.ref})
            else:
                info = await self._desk.phone.call("sms.get", message_id=job.message_id)
        except dialtone.RpcError as problem:
            if problem.kind in NOT_OF_THE_FILE or problem.retry:
                return self._later(job, problem.retry_after_s, problem)
            return await self._refused(job, f"{problem.message} ({problem.kind})")
        except dialtone.DialtoneError as problem:
            return self._later(job, 0.5, problem)
        if self._desk.ledger.job_of_ref(job.ref) is None:
            return None  # its events were faster
        message_id = str(info["message_id"])
        if job.message_id is None:
            await self._desk.insist("state", lambda: self._desk.ledger.accepted(job, message_id))
        if info["state"] == "unknown" and time.monotonic() < self._unknown_until_s.get(job.ref, math.inf):
            self._wait_for_news(job)
        elif info["state"] in SENT_STATES | FAILED_STATES:
            await self._finish(job, info, str(info.get("sent_at") or info["updated_at"]))
        return None

    def _wait_for_news(self, job: Job) -> None:
        """Unknown may become known yet: a late answer, a report, a resend that was allowed. Then it is looked at."""
        until_s = time.monotonic() + self._desk.settings.unknown_wait_s
        self._unknown_until_s[job.ref] = self._retry_at_s[job.ref] = until_s
        self._watch.changed.set()

    def _later(self, job: Job, after_s: float | None, problem: Exception) -> None:
        wait_s = min(after_s or RETRY_S, MAX_RETRY_S)
        self._retry_at_s[job.ref] = time.monotonic() + wait_s
        _log.warning("message %d is offered again in %g s: %s", job.number, wait_s, problem)

    # --- outcomes

    async def _finish(self, job: Job, outcome: Json, at: str) -> None:
        """To sent or failed, with the headers that tell of it."""
        sent = outcome["state"] in SENT_STATES
        device = await self._desk.device(outcome.get("line"))
        wants_id = job.request.get("report") is True
        message_id = [("Message_id", str(job.number))] if wants_id else []
        known = [(name, value) for name, value in (("IMSI", device.imsi), ("IMEI", device.imei)) if value]
        headers: list[Header] = [("Modem", device.name)]
        when = local_time(at, self._desk.settings)
        if sent:
            headers += [("Sent", when), ("Sending_time", str(_seconds_since(job.taken_at, at))), *message_id, *known]
            number: int | None = job.number
        else:
            maybe_sent = outcome["state"] == "unknown" or (outcome.get("parts_sent") or 0) > 0
            headers += [*(message_id if maybe_sent else []), *known]
            headers += [("Fail_reason", fail_reason(outcome)), ("Failed", when)]
            number = job.number if maybe_sent else None
        await self._close(job, headers, sent=sent, number=number)

    async def _refused(self, job: Job, reason: str, extra: tuple[Header, ...] = ()) -> None:
        now = local_time(datetime.now(UTC).isoformat(), self._desk.settings)
        await self._close(job, [*extra, ("Fail_reason", reason), ("Failed", now)], sent=False, number=None)

    async def _close(self, job: Job, headers: list[Header], *, sent: bool, number: int | None) -> None:
        source = self._path(job.name)
        target = self._desk.folders["sent" if sent else "failed"] / source.name
        argv = self._desk.argv("SENT" if sent else "FAILED", target, number)

        def place() -> None:
            try:
                content = source.read_bytes()
            except FileNotFoundError:
                content = b""  # somebody took it away; what became of it is told all the same
            self._desk.placer.place(
                f"job:{job.ref}", add_headers(content, headers), target, source=source, ref=job.ref, argv=argv
            )

        await self._desk.insist("sent" if sent else "failed", place)
        self._retry_at_s.pop(job.ref, None)
        self._unknown_until_s.pop(job.ref, None)
        self._desk.handlers.due.set()
        self._watch.changed.set()  # a file of the same name may wait
        _log.info("message %d: %s", job.number, "sent" if sent else "failed")

    async def _fail(self, name: bytes, ref: str, content: bytes, reason: str) -> None:
        """A file that never became a message."""
        source = self._path(name)
        target = self._desk.folders["failed"] / source.name
        now = local_time(datetime.now(UTC).isoformat(), self._desk.settings)
        whole = add_headers(content, [("Fail_reason", reason), ("Failed", now)])
        argv = self._desk.argv("FAILED", target)
        key = f"refused:{ref}:{time.time_ns()}"
        await self._desk.insist("failed", lambda: self._desk.placer.place(key, whole, target, source=source, argv=argv))
        self._desk.handlers.due.set()
        _log.warning("a file in outgoing was refused: %s", reason)

    async def _fail_unread(self, name: bytes, reason: str) -> None:
        """A file that can't be read, or only at the cost of all memory, goes to failed as it is."""
        source = self._path(name)
        target = self._desk.folders["failed"] / source.name
        argv = self._desk.argv("FAILED", target)
        key = f"unread:{time.time_ns()}"
        await self._desk.insist("failed", lambda: self._desk.placer.move(key, source, target, argv=argv))
        self._desk.handlers.due.set()
        _log.error("%a from outgoing %s; it was moved to failed as it is", name, reason)

    # --- voice calls

    async def _dial(self, job: Job, wish: CallWish) -> None:
        await self._desk.insist("state", lambda: self._desk.ledger.dialled(job))
        if not self._calls.begin(job, wish, self._call_ended):
            await self._refused(job, "Too many voice calls wait")

    async def _reopen_call(self, job: Job) -> None:
        """We were killed around this call; whether it was made can't be told, and nobody is called twice."""
        if job.dialled:
            await self._refused(job, "Interrupted: the call may have been made")
        else:
            await self._refused(job, "Interrupted before the call was made")

    async def _call_ended(self, job: Job, line: str | None, problem: str | None) -> None:
        device = await self._desk.device(line)
        if problem is not None:
            return await self._refused(job, problem, (("Modem", device.name),))
        now = datetime.now(UTC).isoformat()
        sent = ("Sent", local_time(now, self._desk.settings))
        spent = ("Sending_time", str(_seconds_since(job.taken_at, now)))
        return await self._close(job, [("Modem", device.name), sent, spent, ("Result", "OK")], sent=True, number=None)

    # ---

    def _path(self, name: bytes) -> Path:
        return self._desk.folders["checked"] / os.fsdecode(name)


def fail_reason(outcome: Json) -> str:
    """Fail_reason of a message's outcome; +CMS ERROR as smsd writes it."""
    state, reason = outcome["state"], outcome.get("reason") or "no reason was given"
    if state == "unknown":
        return f"Unknown: it may have been sent, once ({reason})"
    if state == "expired":
        return f"Expired: it could not be sent in time ({reason})"
    if state == "cancelled":
        return f"Cancelled ({reason})"
    text = outcome.get("network_text")
    if outcome.get("cms") is not None:
        return f"+CMS ERROR: {outcome['cms']}" + (f" ({text})" if text else "")
    return f"{reason} ({text})" if text else str(reason)


def _seconds_since(start: str, end: str) -> int:
    spent_s = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return max(0, round(spent_s.total_seconds()))


def _read(path: Path) -> tuple[bytes, str] | None:
    """Content of a regular file and the client_ref that it makes; None for a huge one. OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        content = file.read(HUGE_BYTES + 1)
    if len(content) > HUGE_BYTES:
        return None
    identity = f"{path}\0{found.st_ino}\0{found.st_mtime_ns}\0".encode(errors="surrogateescape")
    return content, REF_PREFIX + hashlib.sha256(identity + content).hexdigest()[:40]
