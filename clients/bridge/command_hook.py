"""[command] sms: a program of this computer for each received message. No shell; its output goes nowhere."""

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dialtone
from clients.bridge.outbox.backoff import Schedule
from clients.bridge.outbox.rows import DeliveryFailed, Draft, Row, encode
from clients.bridge.outbox.store import Store

QUEUE = "command.sms"
TOPICS = ("sms.received",)
EX_TEMPFAIL = 75
"""sysexits.h: try again later. All else but 0 counts as a refusal."""
INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""What a program needs; the rest of our environment may hold secrets."""
ENV_TEXT_CHARS = 10_000
"""Linux takes 128 KiB in one variable; the whole text is on stdin."""
KILL_S = 5.0


@dataclass(frozen=True, slots=True)
class CommandHook:
    def __call__(self, event: dialtone.Event, store: Store) -> list[Draft]:
        if event.name not in TOPICS or event.params.get("silent"):
            return []
        return [Draft(QUEUE, event.name, encode(event.params))]


def environment(row: Row) -> dict[str, str]:
    """What the program gets besides stdin, which is the event's parameters as JSON."""
    params: dict[str, Any] = json.loads(row.body)
    ours = {
        "DIALTONE_EVENT": row.event,
        "DIALTONE_KEY": row.key,
        "DIALTONE_AT": row.at or "",
        "DIALTONE_LINE": params.get("line") or "",
        "DIALTONE_MESSAGE_ID": params.get("message_id") or "",
        "DIALTONE_FROM": params.get("number") or "",
        "DIALTONE_TEXT": (params.get("text") or "")[:ENV_TEXT_CHARS],
    }
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return kept | {name: value.replace("\0", "") for name, value in ours.items()}


@dataclass(slots=True, eq=False)
class CommandChannel:
    """The same program is never run twice at once. One that was running at a crash runs again, with the same key."""

    words: Sequence[str]
    deadline_s: float
    schedule: Schedule
    queue: str = QUEUE

    async def deliver(self, row: Row) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self.words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment(row),
                start_new_session=True,
            )
        except OSError as problem:
            raise DeliveryFailed(problem.strerror or type(problem).__name__, refused=True) from None
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # it need not read
                await process.communicate(row.body)
            code = await process.wait()
        finally:
            await _end(process)
        if code != 0:
            raise DeliveryFailed(f"exit code {code}", refused=code != EX_TEMPFAIL)


async def _end(process: asyncio.subprocess.Process) -> None:
    """What it started and left behind in its session ends with it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(KILL_S):
            await process.wait()
