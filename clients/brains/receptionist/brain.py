"""The receptionist at work: events of the daemon to steps of the rules, and their actions to requests."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import dialtone
from clients.brains.receptionist.book import Book
from clients.brains.receptionist.messages import save_message
from clients.brains.receptionist.rules import Action, Do, On, Say, Talk, step
from clients.brains.receptionist.sounds import tone_wav
from dialtone.methods import Json

if TYPE_CHECKING:
    from dialtone.protocol import CallInfo

NAME = "receptionist"
TOPICS = (
    "call.claimed",
    "call.connected",
    "call.speaking",
    "call.chunk",
    "call.speech",
    "call.dtmf",
    "call.ended",
)
HOLDERS_KNOWN = 64
"""More calls than a station has lines; the oldest go."""
WAITING_EVENTS = 64
"""Events of one call that wait while an action runs. A caller who says more is ahead of us: the newest go."""
GOODBYE_S = 2.0
REMEMBERED_CALLBACKS = 20
"""The alarm's text names the latest; the calls themselves stand in the daemon's list."""

_log = logging.getLogger("receptionist")


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a call for its worker. turn is set for speech."""

    on: On
    turn: int = 0


@dataclass(slots=True)
class LiveCall:
    """chunks: numbers of the audio chunks of each turn. greeted: somebody has said something to the caller."""

    call_id: str
    number: str | None
    events: "asyncio.Queue[Happened]" = field(default_factory=lambda: asyncio.Queue(WAITING_EVENTS))
    chunks: dict[int, list[int]] = field(default_factory=dict)
    greeted: bool = False
    worker: "asyncio.Task[None] | None" = None


class Receptionist:
    """One phone. Each call has a task of its own, so that a farewell being said holds nobody else up.

    Only calls that it holds, or nobody, are answered. One that another brain hands over goes on here.
    """

    def __init__(self, phone: dialtone.Phone, book: Book, messages: Path) -> None:
        self._phone = phone
        self._book = book
        self._messages = messages
        self._tone = tone_wav()
        self._calls: dict[str, LiveCall] = {}
        self._holders: dict[str, str | None] = {}
        self._callbacks: list[str] = []

    async def run(self, priority: int = 0) -> None:
        """Registers and answers until cancelled."""
        calls = await self._introduce(priority)
        self._phone.on_connect(self._reconnected)
        async with asyncio.TaskGroup() as tasks:
            self._adopt(tasks, calls)
            async for event in self._phone.events():
                self._take(tasks, event)

    async def _introduce(self, priority: int) -> Sequence["CallInfo"]:
        """Gives the calls that are up. The daemon may go away meanwhile; then once more."""
        phone = self._phone
        while True:
            try:
                await phone.expect_phrases(self._book.phrases, self._book.language)
                await phone.report_state("ready")
                await phone.register_brain(priority)
                return (await phone.state())["calls"]
            except dialtone.ConnectionLost:
                await phone.wait_connected()

    async def _reconnected(self, phone: dialtone.Phone) -> None:
        """Who steers what is told live only."""
        for call in (await phone.state())["calls"]:
            self._claimed(call["call_id"], call.get("holder"))

    def _adopt(self, tasks: asyncio.TaskGroup, calls: Sequence["CallInfo"]) -> None:
        """Calls that were up before we were: they have been greeted, or will be answered when they speak."""
        for call in calls:
            self._holders[call["call_id"]] = call.get("holder")
            if call["state"] in ("active", "held"):
                self._begin(tasks, call["call_id"], call["number"]).greeted = True

    def _take(self, tasks: asyncio.TaskGroup, event: dialtone.Event) -> None:
        if event.name == "events.lagged":
            _log.warning("events were missed")
        call_id, params = event.call_id, event.params
        if call_id is None:
            return
        if event.name == "call.claimed":
            self._claimed(call_id, params.get("holder"))
        elif event.name == "call.connected":
            call = self._begin(tasks, call_id, params.get("number"))
            self._tell(call, Happened(On.CONNECTED))
        elif event.name == "call.ended":
            self._end(call_id)
        elif (known := self._calls.get(call_id)) is None:
            return
        elif event.name == "call.speaking":
            known.greeted = True
        elif event.name == "call.chunk":
            known.chunks.setdefault(int(params["turn"]), []).append(int(params["chunk"]))
        elif event.name == "call.speech":
            on = self._book.heard(params.get("text")) if params.get("understood") else On.UNKNOWN
            self._tell(known, Happened(on, int(params["turn"])))
        elif event.name == "call.dtmf":
            self._tell(known, Happened(On.KEY_ZERO if params.get("digit") == "0" else On.KEY_OTHER))

    def _claimed(self, call_id: str, holder: str | None) -> None:
        """Another brain stepped aside in mid-call: the caller waits for somebody to go on."""
        before, self._holders[call_id] = self._holders.get(call_id), holder
        while len(self._holders) > HOLDERS_KNOWN:
            del self._holders[next(iter(self._holders))]
        call = self._calls.get(call_id)
        if call is not None and holder == NAME and before != NAME:
            self._tell(call, Happened(On.TAKEN_OVER if call.greeted else On.CONNECTED))

    def _begin(self, tasks: asyncio.TaskGroup, call_id: str, number: str | None) -> LiveCall:
        if call_id not in self._calls:
            call = self._calls[call_id] = LiveCall(call_id, number)
            call.worker = tasks.create_task(self._serve(call), name=f"receptionist.{call_id}")
        return self._calls[call_id]

    def _end(self, call_id: str) -> None:
        self._holders.pop(call_id, None)
        call = self._calls.pop(call_id, None)
        if call is not None and call.worker is not None:
            call.worker.cancel()

    def _tell(self, call: LiveCall, happened: Happened) -> None:
        if self._holders.get(call.call_id) not in (None, NAME):
            return
        try:
            call.events.put_nowait(happened)
        except asyncio.QueueFull:
            _log.warning("a caller is too fast, call_id=%s", call.call_id)

    async def _serve(self, call: LiveCall) -> None:
        talk = Talk()
        while True:
            happened = await call.events.get()
            try:
                talk = await self._carry_out(call, talk, happened)
            except dialtone.DialtoneError as problem:
                # The call is over, or the daemon went away and comes back; its next event is a new chance.
                _log.warning("an answer failed, call_id=%s: %s", call.call_id, problem)

    async def _carry_out(self, call: LiveCall, talk: Talk, happened: Happened) -> Talk:
        talk, actions = step(talk, happened.on)
        for action in actions:
            if action is Do.SAVE:
                return await self._carry_out(call, talk, Happened(await self._save(call, happened.turn)))
            await self._do(call, action, last_words=actions[-1] is Do.HANG_UP)
        return talk

    async def _do(self, call: LiveCall, action: Action, *, last_words: bool) -> None:
        phone = self._phone
        if isinstance(action, Say):
            await phone.speak(
                self._book.texts[action],
                call_id=call.call_id,
                language=self._book.language,
                replace=True,
                wait="spoken" if last_words else "accepted",
            )
        elif action is Do.TONE:
            await phone.play(self._tone, call_id=call.call_id)
        elif action is Do.HANG_UP:
            # People hang up themselves after a goodbye; then call.ended cancels this worker.
            await asyncio.sleep(GOODBYE_S)
            await phone.hangup(call.call_id)
        elif action is Do.TELL_OWNER:
            await self._tell_owner(call)

    async def _save(self, call: LiveCall, turn: int) -> On:
        chunks = call.chunks.get(turn, [])
        try:
            written = await save_message(self._phone, call.call_id, turn, chunks, self._messages)
        except (dialtone.DialtoneError, OSError) as problem:
            _log.error("a message was not saved, call_id=%s: %s", call.call_id, problem)
            return On.NOT_SAVED
        _log.info("message saved, call_id=%s files=%s", call.call_id, len(written))
        return On.SAVED if written else On.NOT_SAVED

    async def _tell_owner(self, call: LiveCall) -> None:
        who = call.number or f"a withheld number ({call.call_id})"
        self._callbacks = [*(other for other in self._callbacks if other != who), who][-REMEMBERED_CALLBACKS:]
        alarm: Json = {
            "alarm": "callback_wanted",
            "severity": "warning",
            "text": f"Please call back: {', '.join(self._callbacks)}",
        }
        await self._phone.report_state("ready", alarms=[alarm])
