"""Recordings of all calls after they were made: encoded, told as a fact, kept as long as [recording] says.

One niced thread does what blocks, one job after the other; what a crash left is found on the disk at the next start.
"""

import asyncio
import errno
import os
import sqlite3
import threading
from asyncio import TaskGroup
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from core.call import Call
from core.call_files_text import transcription
from core.clock import rfc3339, unix_s
from core.config import RecordingConfig, state_dir
from core.errors import NotFound, PublicError
from core.events import CallRecorded
from core.line import EndReason
from core.log import Log
from core.media.recorder import RecordingReport
from core.recordings_files import CallFile, FileKind, files_in, unfinished_in, write_whole
from core.recordings_keep import Because, to_remove
from core.recordings_ogg import GivenUp, NotVerified, duration_s, side_to_ogg, stereo_to_ogg
from core.store import calls as rows
from core.store.recordings import RecordingRow, keep_recording, known_parts, mark_removed
from core.store.store import Store, Tx

log = Log("recordings")

JOBS_WAITING = 256
"""Recordings and files of calls that wait for the thread. Full: the newest is dropped and the log says so; a recording
is then finished after the next start."""
NICENESS = 10
KEEP_LOOK_S = 3600.0

T = TypeVar("T")
Job = Callable[[], Awaitable[None]]


class Recordings:
    """One per core. Until `run` nothing is worked on; what is given before waits."""

    def __init__(self, config: RecordingConfig, store: Store) -> None:
        self.config = config
        self.directory = Path(config.dir) if config.dir else state_dir() / "recordings"
        self._store = store
        self._jobs: asyncio.Queue[tuple[str, Job]] = asyncio.Queue(JOBS_WAITING)
        self._waiting: dict[str, int] = {}
        self._stopping = threading.Event()
        self._forgotten: set[str] = set()
        self._thread: ThreadPoolExecutor | None = None
        self._busy: Callable[[], Collection[str]] = lambda: ()

    @property
    def keeps_files(self) -> bool:
        """Whether there is more to write of a call than its recording."""
        return self.config.legacy_files or self.config.timing

    # --- life ---------------------------------------------------------------------------------------------------

    async def run(self, live: Callable[[], Collection[str]]) -> None:
        """Works until cancelled. live: the calls that go on."""
        self._busy = lambda: {*live(), *self._waiting}
        try:
            await self._guarded(self._after_crash)
            async with TaskGroup() as tasks:
                tasks.create_task(self._keep_looking(), name="recordings.keep")
                while True:
                    call_id, job = await self._jobs.get()
                    if call_id not in self._forgotten:
                        await self._guarded(job)
                    self._waiting[call_id] -= 1
                    if not self._waiting[call_id]:
                        del self._waiting[call_id]
                        self._forgotten.discard(call_id)
                    self._jobs.task_done()
        finally:
            self._stopping.set()
            if self._thread is not None:
                self._thread.shutdown(wait=False, cancel_futures=True)

    async def settle(self, timeout_s: float) -> None:
        """For an orderly stop: what is quickly done is done; an encoding goes on after the next start."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._jobs.join()

    def later(self, call_id: str, job: Job) -> bool:
        """Queues a job about a call, whose files are left alone meanwhile; False where too much waits."""
        try:
            self._jobs.put_nowait((call_id, job))
        except asyncio.QueueFull:
            log.error("too much waits to be written; something of a call is not", call_id=call_id)
            return False
        self._waiting[call_id] = self._waiting.get(call_id, 0) + 1
        return True

    async def files(self, call_id: str | None) -> list[CallFile]:
        """What is kept of one call, or of all."""
        found = await asyncio.to_thread(files_in, self.directory)
        return [file for file in found if call_id is None or file.call_id == call_id]

    async def forget(self, call_ids: Collection[str], remove: Callable[[], int]) -> int:
        """Removes files of calls behind the job that is being done; what waits for these calls is not done any more."""
        self._forgotten |= {call_id for call_id in call_ids if call_id in self._waiting}
        return await self.in_thread(remove)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Runs what blocks, in the niced thread."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "recordings", initializer=_be_nice)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _guarded(self, job: Job) -> None:
        try:
            await job()
        except GivenUp:
            log.info("an encoding goes on after the next start")
        except PublicError as problem:
            log.warning("a job on recordings failed", kind=problem.kind)
        except Exception:  # one call's files must not stop those of the next
            log.exception("a job on recordings failed")

    # --- one recording ----------------------------------------------------------------------------------------------

    def closed(self, call: Call, part: int, report: RecordingReport) -> None:
        """A recording is over; what remains to be done with it happens later."""
        line, call_id = call.line, call.call_id

        self.later(call_id, lambda: self._finish(line, call_id, part, report.path, report.problem))

    def refused(self, call: Call, problem: str) -> None:
        """There is no recording though one was wanted."""
        line, call_id = call.line, call.call_id
        self.later(call_id, lambda: self._tell(line, call_id, 0, None, 0.0, problem))

    async def _finish(self, line: str | None, call_id: str, part: int, wav: Path, problem: str | None) -> None:
        """From the WAV to what is kept. The WAV goes only when an OGG took its place."""
        seconds = await self.in_thread(lambda: duration_s(wav))
        if self.config.legacy_files:
            problem = await self._sides(call_id, wav, seconds) or problem
        path = wav
        if self.config.format == "ogg" and wav.suffix == ".wav":
            ogg = wav.with_suffix(".ogg")
            failed = await self._try(call_id, lambda: stereo_to_ogg(wav, ogg, self._stopping.is_set))
            if failed is None:
                path = ogg
                await self.in_thread(lambda: wav.unlink(missing_ok=True))
            problem = problem or failed
        await self._tell(line, call_id, part, path, seconds, problem)
        await self._keep()

    async def transcribe(self, call_id: str) -> None:
        """`<call_id>_transcription.txt`, of what the store has of the call."""
        call = await self._store.read(lambda connection: rows.get_call(connection, call_id))
        turns = await self._store.read(lambda connection: rows.turns(connection, call_id))
        if call is None or call.connected_at is None or not turns:
            return
        text = transcription(call.connected_at, turns)
        path = self.directory / f"{call_id}_transcription.txt"
        await self.in_thread(lambda: write_whole(path, text.encode()))

    async def _sides(self, call_id: str, wav: Path, seconds: float) -> str | None:
        """Each direction alone, under its old name, with the time at which the recording began."""
        began_s = int(await self.in_thread(lambda: wav.stat().st_mtime) - seconds)
        for channel, name in ((0, "incoming_raw"), (1, "outgoing_tts")):
            ogg = wav.with_name(f"{call_id}_{name}_{began_s}.ogg")

            def make(ogg: Path = ogg, channel: int = channel) -> None:
                side_to_ogg(wav, ogg, channel, self._stopping.is_set)

            if (failed := await self._try(call_id, make)) is not None:
                return failed
        return None

    async def _try(self, call_id: str, make: Callable[[], None]) -> str | None:
        """What was wrong, or None."""
        try:
            await self.in_thread(make)
        except NotVerified as problem:
            log.warning("an encoded recording is not as it should be", call_id=call_id, problem=str(problem))
            return "not_encoded"
        except OSError as problem:
            log.warning("a recording was not encoded", call_id=call_id, problem=problem.strerror)
            return "disk_full" if problem.errno in (errno.ENOSPC, errno.EDQUOT) else "not_encoded"
        return None

    async def _tell(
        self, line: str | None, call_id: str, part: int, path: Path | None, seconds: float, problem: str | None
    ) -> None:
        """The row and call.recorded, in one transaction."""
        if call_id in self._forgotten:
            return
        size = await self.in_thread(lambda: path.stat().st_size if path is not None and path.exists() else 0)
        where = str(path) if path is not None and size else None
        row = RecordingRow(
            call_id=call_id,
            part=part,
            path=where,
            format=path.suffix.removeprefix(".") if path is not None else self.config.format,
            duration_s=round(seconds, 3),
            bytes=size,
            problem=problem,
            made_at=rfc3339(),
        )
        event = CallRecorded(
            line=line,
            call_id=call_id,
            path=where,
            format=row.format,
            duration_s=row.duration_s,
            bytes=size,
            problem=problem,
        )

        def work(tx: Tx) -> None:
            with suppress(NotFound, sqlite3.IntegrityError):  # a call that began on a full disk has no row
                keep_recording(tx, row)
                if where is not None:
                    rows.update_call(tx, call_id, recording=where)
            tx.fact(event)

        await self._store.write(work)
        log.info("recorded", call_id=call_id, duration_s=row.duration_s, bytes=size, problem=problem)

    # --- after a crash ------------------------------------------------------------------------------------------------

    async def _after_crash(self) -> None:
        """Half-written files go; recordings without a row are finished."""
        for path in await self.in_thread(lambda: unfinished_in(self.directory)):
            await self.in_thread(lambda path=path: path.unlink(missing_ok=True))  # type: ignore[misc]
        known = await self._store.read(known_parts)
        files = await self.in_thread(lambda: files_in(self.directory))
        found = {(file.call_id, file.part): file for file in files if file.kind is FileKind.RECORDING}
        for key, file in found.items():  # of a WAV and its OGG the WAV comes last, and is encoded once more
            if key not in known and file.call_id not in self._busy():
                await self._guarded(lambda file=file: self._finish_left(file))  # type: ignore[misc]

    async def _finish_left(self, file: CallFile) -> None:
        call = await self._store.read(lambda connection: rows.get_call(connection, file.call_id))
        if call is None:
            return
        if self.config.legacy_files:
            await self._guarded(lambda: self.transcribe(file.call_id))
        problem = str(EndReason.CORE_RESTARTED) if call.reason is EndReason.CORE_RESTARTED else None
        log.info("a recording is finished after a crash", call_id=file.call_id)
        await self._finish(call.line, file.call_id, file.part, file.path, problem)

    # --- keeping ------------------------------------------------------------------------------------------------------

    async def _keep_looking(self) -> None:
        while True:
            await self._guarded(self._keep)
            await asyncio.sleep(KEEP_LOOK_S)

    async def _keep(self) -> None:
        """Removes what is too old or too much."""
        if not (self.config.keep_days or self.config.max_bytes):
            return
        files = await self.in_thread(lambda: files_in(self.directory))
        removals = to_remove(
            files,
            now_s=unix_s(),
            keep_days=self.config.keep_days,
            max_bytes=self.config.max_bytes,
            busy=self._busy(),
        )
        for because in Because:
            gone = [removal for removal in removals if removal.because is because]
            if not gone:
                continue
            paths = [file.path for removal in gone for file in removal.files]
            await self.in_thread(lambda paths=paths: _remove(paths))  # type: ignore[misc]
            call_ids = [removal.call_id for removal in gone]
            await self._store.write(
                lambda tx, ids=call_ids, why=because: mark_removed(tx, ids, rfc3339(), why)  # type: ignore[misc]
            )
            for removal in gone:
                log.info(
                    "files of a call are removed", call_id=removal.call_id, because=because, files=len(removal.files)
                )


def _remove(paths: list[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as problem:
            log.error("a file of a call could not be removed", problem=problem.strerror)


def _be_nice() -> None:
    """On Linux niceness belongs to a thread, setpriority(2)."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
