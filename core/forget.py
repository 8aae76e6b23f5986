"""Forgetting everything about one number: what the store holds of it, and the recordings of its calls."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.calls import CallService
from core.config import RecordingConfig, state_dir
from core.dialable import compact
from core.errors import InvalidParams, NotFound, NotNow
from core.events import SmsState
from core.guard import Guard
from core.log import Log
from core.messages import MessageService
from core.numbers import peer_key
from core.recordings_files import LATEST, TIMING_DIR, UNFINISHED, files_in, owner, unfinished_in
from core.store.erase import Erased, Judge, erase
from core.store.message_reads import open_messages
from core.store.store import Store

log = Log("messages")

UNREADABLE = "unknown"
"""The party of messages that can't be decoded. No number has this key."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much went. recordings: calls that had one; files: what was removed for them."""

    messages: int
    calls: int
    facts: int
    recordings: int
    files: int
    scrubbed: bool


async def forget(
    number: str, *, store: Store, calls: CallService, messages: MessageService, guard: Guard, config: RecordingConfig
) -> Forgotten:
    """InvalidParams for no number at all; NotNow while a call with it goes on or a message to it is on its way."""
    if not compact(number):
        raise InvalidParams("Say which number.", path="number")
    judge = judge_of(number, guard)
    for call in calls.book.live():
        if call.number is not None and judge(call.number, call.line):
            raise NotNow("A call with this number is going on. Hang it up first.")
    await _take_back(store, messages, judge)
    voicemails = await calls.voicemail.forget(judge)
    erased = await erase(store, judge)
    directory = Path(config.dir) if config.dir else state_dir() / "recordings"
    files = await calls.talk.recordings.forget(frozenset(erased.call_ids), lambda: remove_recordings(directory, erased))
    files += voicemails
    log.info("a party was forgotten", messages=erased.messages, calls=erased.calls, facts=erased.facts, files=files)
    return Forgotten(erased.messages, erased.calls, erased.facts, len(erased.recordings), files, erased.scrubbed)


def judge_of(number: str, guard: Guard) -> Judge:
    """Knows all spellings of the number. Those without + are read as on the line that they were seen on."""

    @cache
    def wanted(line: str) -> str:
        return peer_key(number, guard.region(line))

    def judge(seen: str, line: str) -> bool:
        return seen != UNREADABLE and (seen == number or peer_key(seen, guard.region(line)) == wanted(line))

    return judge


def remove_recordings(directory: Path, erased: Erased) -> int:
    """Deletes what belongs to these calls, recordings, transcriptions and all, in this directory alone; gives how many
    files went. Recordings that an older configuration put elsewhere are left."""
    call_ids = frozenset(erased.call_ids)
    removed = 0
    files = [file.path for file in files_in(directory) if file.call_id in call_ids]
    latest = directory / TIMING_DIR / LATEST
    for file in [*files, *unfinished_in(directory), *([latest] if _speaks_of(latest, call_ids) else [])]:
        if file.suffix == UNFINISHED and owner(file.stem) not in call_ids:
            continue
        try:
            file.unlink()
            removed += 1
        except OSError as problem:
            log.error("a recording could not be removed", problem=problem.strerror)
    return removed


def _speaks_of(latest: Path, call_ids: frozenset[str]) -> bool:
    """The newest timing file is a copy of some call's."""
    try:
        text = latest.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return any(f'"{call_id}"' in text for call_id in call_ids)


async def _take_back(store: Store, messages: MessageService, judge: Judge) -> None:
    """What waits is cancelled first, so that its sender is told."""
    found = await store.read(open_messages)
    mine = await asyncio.to_thread(lambda: [each for each in found if judge(each.peer, each.line)])
    if any(each.state is SmsState.SENDING for each in mine):
        raise NotNow("A message to this number is on its way to the network. Ask again when it is over.")
    for each in mine:
        if each.state is SmsState.QUEUED:
            with suppress(NotFound, NotNow):  # it went meanwhile, or some of its parts did
                await messages.cancel(each.message_id)
