"""Voicecall files: dial, wait for the answer, press the tones, hang up. One call at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import dialtone
from clients.spool.ledger import Job
from clients.spool.outgoing import CallWish

ANSWER_S = 60.0
TONE_PAUSE_S = 0.5
"""Between repetitions."""
WAITING_CALLS = 1000
"""Files of calls that wait. When full the newest are refused."""

Begins = Callable[[Job], Awaitable[None]]
"""Told before the number is dialled."""
Ended = Callable[[Job, str | None, str | None], Awaitable[None]]
"""Told with the job, the line, and what went wrong (None: the tones were played)."""

_log = logging.getLogger("dialtone.spool")


@dataclass(slots=True)
class _Live:
    """The call that is up. over: its reason, once it has ended."""

    connected: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""


class VoiceCalls:
    """One task makes the calls; the receiver tells it of call.connected and call.ended."""

    def __init__(self, phone: dialtone.Phone) -> None:
        self._phone = phone
        self._waiting: asyncio.Queue[tuple[Job, CallWish, Begins, Ended]] = asyncio.Queue(WAITING_CALLS)
        self._live: dict[str, _Live] = {}

    def begin(self, job: Job, wish: CallWish, begins: Begins, ended: Ended) -> bool:
        """Queues the call; False when too many wait."""
        try:
            self._waiting.put_nowait((job, wish, begins, ended))
        except asyncio.QueueFull:
            return False
        return True

    def happened(self, event: dialtone.Event) -> None:
        """call.connected or call.ended of any call."""
        live = self._live.get(event.call_id or "")
        if live is None:
            return
        if event.name == "call.ended":
            live.reason = str(event.params.get("reason"))
            live.ended.set()
        else:
            live.connected.set()

    async def run(self) -> None:
        while True:
            job, wish, begins, ended = await self._waiting.get()
            problem: str | None = None
            await begins(job)
            try:
                await self._make(wish)
            except CallFailed as failure:
                problem = str(failure)
            except dialtone.RpcError as failure:
                problem = f"{failure.message} ({failure.kind})"
            except dialtone.DialtoneError as failure:
                problem = f"The connection to the daemon broke: {failure}"
            await ended(job, wish.line, problem)

    async def _make(self, wish: CallWish) -> None:
        where = {"line": wish.line} if wish.line else {}
        info = await self._phone.call_with("call.start", {"number": wish.number, **where})
        call_id = str(info["call_id"])
        live = self._live[call_id] = _Live()
        if info.get("state") == "active":
            live.connected.set()
        try:
            await self._talk(call_id, live, wish)
        finally:
            if not live.ended.is_set():
                await self._hang_up(call_id)
            del self._live[call_id]

    async def _talk(self, call_id: str, live: _Live, wish: CallWish) -> None:
        answered = await _first(live.connected, live.ended, wish.ring_s or ANSWER_S)
        if not answered and not live.ended.is_set():
            if wish.ring_s is None:
                raise CallFailed("No answer")
            return  # TIME: is over; ringing was all that was wanted
        if live.ended.is_set():
            raise CallFailed(f"The call ended before it was answered: {live.reason}")
        for _ in range(wish.repeats):
            if live.ended.is_set():
                return
            await self._phone.call("call.dtmf", call_id=call_id, digits=wish.tones)
            await asyncio.sleep(TONE_PAUSE_S)

    async def _hang_up(self, call_id: str) -> None:
        try:
            await self._phone.call("call.hangup", call_id=call_id)
        except dialtone.DialtoneError as problem:
            _log.info("hanging up a voice call: %s", problem)


class CallFailed(Exception):
    """Its text is the Fail_reason."""


async def _first(wanted: asyncio.Event, other: asyncio.Event, timeout_s: float) -> bool:
    """Whether `wanted` came, before `other` and the timeout."""
    try:
        async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as tasks:
            waits = [tasks.create_task(one.wait(), name="spool.call") for one in (wanted, other)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
    except TimeoutError:
        pass
    return wanted.is_set()
