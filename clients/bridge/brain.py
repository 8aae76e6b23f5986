"""The bridge as a brain: which calls are its own, what it does while they ring, and when it steps aside.

While the VPS can be reached the bridge is registered with the highest priority. When it can't, the bridge withdraws at
once: calls that ring and calls that are up go to the local brain.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import dialtone
from clients.bridge.live_call import Desk, LiveCall
from clients.bridge.main import PhoneFactory
from clients.bridge.reachability import Link, On, Reachability, step
from clients.bridge.settings import Settings
from clients.bridge.texts import Texts
from clients.bridge.voice_config import VoiceConfig, VoiceConfigs
from clients.bridge.vps import Vps, VpsError

NAME = "bridge"
TOPICS = (
    "call.incoming",
    "call.claimed",
    "call.connected",
    "call.turn_start",
    "call.chunk",
    "call.turn_resumed",
    "call.turn_end",
    "call.speaking",
    "call.spoken",
    "call.ended",
)
CALLS_KNOWN = 32
"""More than modems; the oldest go."""
SUSPECT_PROBE_S = 0.2
CORE_S = 5.0
"""For a request that makes no call wait."""

_log = logging.getLogger("dialtone.bridge")


@dataclass(slots=True)
class Known:
    """A live call, ours or not. rings: it is not answered yet."""

    number: str | None
    rings: bool


class Brain:
    """One station. `run` is a part of the bridge."""

    def __init__(self, settings: Settings, heard_of: Callable[[], None] | None = None) -> None:
        """heard_of: called when the VPS answers again."""
        self._settings = settings
        self._heard_of = heard_of
        self._reach = Reachability(settings.vps.hold_s)
        self._trouble: VpsError | None = None
        self._changed = asyncio.Event()  # something that registering or withdrawing may depend on
        self._moved = asyncio.Event()  # the link's state
        self._known: dict[str, Known] = {}
        self._ours: dict[str, LiveCall] = {}
        self._registered = False

    async def run(self, connect: PhoneFactory) -> None:
        async with Vps(self._settings.vps) as vps, connect(name=NAME, topics=TOPICS) as phone:
            self._vps, self._phone = vps, phone
            self._configs = VoiceConfigs(self._settings.voice_config, self._settings.cache_path, vps)
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._desk = Desk(
                    phone, vps, self._settings, Texts(self._settings.brain.texts), tasks, self._outcome, self._gave_up
                )
                phone.on_connect(self._reconnected)
                with suppress(dialtone.ConnectionLost):  # then the hook is called again
                    await self._reconnected(phone)
                tasks.create_task(self._watch_link(), name="bridge.link")
                if self._settings.vps.transcribe_url is not None:
                    tasks.create_task(self._probe_while_needed(), name="bridge.probe")
                async for event in phone.events():
                    self._take(event)

    # --- events

    def _take(self, event: dialtone.Event) -> None:
        call_id, params = event.call_id, event.params
        if call_id is None:
            if event.name == "events.lagged":
                _log.warning("events were missed")
            return
        known, ours = self._known.get(call_id), self._ours.get(call_id)
        match event.name:
            case "call.incoming" if known is None:
                self._meet(call_id, params.get("number"), rings=True)
                self._tasks.create_task(self._ring_unclaimed(call_id), name="bridge.ring")
            case "call.claimed":
                self._claimed(call_id, params.get("holder"))
            case "call.connected":
                self._connected(call_id, params.get("number"))
            case "call.ended":
                self._over(call_id)
            case _ if ours is not None:
                ours.event(event)

    def _meet(self, call_id: str, number: Any, *, rings: bool) -> Known:
        known = self._known[call_id] = Known(number if isinstance(number, str) else None, rings)
        while len(self._known) > CALLS_KNOWN:
            self._known.pop(next(iter(self._known)))
        return known

    def _claimed(self, call_id: str, holder: Any) -> None:
        if holder == NAME and call_id not in self._ours:
            self._take_call(call_id)
        elif holder != NAME and (ours := self._ours.pop(call_id, None)) is not None:
            ours.hand_over()
            self._tasks.create_task(ours.close(), name="bridge.close")

    def _connected(self, call_id: str, number: Any) -> None:
        known = self._known.get(call_id) or self._meet(call_id, number, rings=False)
        known.rings = False
        known.number = number if isinstance(number, str) else known.number
        if (ours := self._ours.get(call_id)) is not None:
            ours.connected, ours.number = True, known.number

    def _over(self, call_id: str) -> None:
        self._known.pop(call_id, None)
        if (ours := self._ours.pop(call_id, None)) is not None:
            self._tasks.create_task(self._close(ours), name="bridge.close")
        self._changed.set()

    async def _close(self, call: LiveCall) -> None:
        await call.close()
        call.hand_over()

    async def _reconnected(self, phone: dialtone.Phone) -> None:
        """Calls came and went meanwhile."""
        calls = {call["call_id"]: call for call in (await phone.state())["calls"]}
        for call_id in [call_id for call_id in self._known if call_id not in calls]:
            self._over(call_id)
        for call_id, call in calls.items():
            rings = call["state"] == "incoming"
            if call_id not in self._known:
                self._meet(call_id, call["number"], rings=rings)
            self._claimed(call_id, call["holder"])
            if not rings:
                self._connected(call_id, call["number"])

    # --- a call of ours

    def _take_call(self, call_id: str) -> None:
        if self._settings.vps.transcribe_url is None:
            return
        known = self._known.get(call_id) or self._meet(call_id, None, rings=True)
        call = self._ours[call_id] = LiveCall(self._desk, call_id, known.number)
        call.config = self._configs.known
        call.connected = not known.rings
        work = self._ring(call) if known.rings else self._go_on(call)
        self._tasks.create_task(work, name="bridge.ring")

    async def _ring(self, call: LiveCall) -> None:
        """Within the core's 2 s: whether the VPS is there, and how this call is to be answered."""
        try:
            await self._phone.claim(call.call_id, speakers=self._settings.brain.speakers)
        except dialtone.DialtoneError as problem:
            _log.warning("the call was not claimed, call_id=%s: %s", call.call_id, problem)
        fetch = self._tasks.create_task(self._fetch(), name="bridge.voice_config")
        probe = self._tasks.create_task(self._probe(in_call=True), name="bridge.probe")
        await asyncio.wait({fetch, probe}, timeout=self._settings.voice_config.apply_within_s)
        in_time = fetch.done()
        if self._ours.get(call.call_id) is not call:
            return  # we have stepped aside
        call.config = self._configs.known
        await self._configure(call.call_id, call.config, remote=self._reach.usable, call=call)
        if not in_time and (late := await fetch) is not None and self._still_rings(call):
            call.config = late
            await self._configure(call.call_id, late, remote=self._reach.usable, call=call)

    async def _go_on(self, call: LiveCall) -> None:
        """A call that was up before it was ours."""
        await self._configure(call.call_id, call.config, remote=True, call=call)

    async def _fetch(self) -> VoiceConfig | None:
        """A fresh voice configuration. The ring goes on with it while it is written down."""
        found = await self._configs.try_fetch()
        if found is not None:
            self._tasks.create_task(self._configs.keep(), name="bridge.keep")
        return found

    def _still_rings(self, call: LiveCall) -> bool:
        known = self._known.get(call.call_id)
        return known is not None and known.rings and self._ours.get(call.call_id) is call

    async def _ring_unclaimed(self, call_id: str) -> None:
        """While the VPS is down and no brain is there, the voice configuration still decides whether and when a call
        is answered. A brain has ways of its own."""
        if self._reach.usable or self._settings.voice_config.url is None:
            return
        fetch = self._tasks.create_task(self._fetch(), name="bridge.voice_config")
        await asyncio.wait({fetch}, timeout=self._settings.voice_config.apply_within_s)
        if call_id in self._known and call_id not in self._ours:
            await self._configure(call_id, self._configs.known, remote=False, call=None)

    async def _configure(self, call_id: str, config: VoiceConfig, *, remote: bool, call: LiveCall | None) -> None:
        """What the core's engines refuse is left out step by step: rings and greeting count for more than a voice."""
        base: dict[str, Any] = {"stt_engine": "remote" if remote else "local"} if call is not None else {}
        if (known := self._known.get(call_id)) is not None and known.rings:
            if config.answer_after_rings is not None:
                base["answer_after_rings"] = config.answer_after_rings
            base |= self._welcome(config, call, remote=remote)
        for step_params in config.steps():
            params = base | step_params
            if not params:
                return
            try:
                await self._phone.call("call.configure", timeout_s=CORE_S, call_id=call_id, **params)
            except dialtone.RpcError as problem:
                if problem.kind not in ("invalid_params", "engine_missing"):
                    _log.info("the call was not configured, call_id=%s: %s", call_id, problem)
                    return
                _log.warning("the voice configuration is taken in part, call_id=%s: %s", call_id, problem)
            except dialtone.DialtoneError as problem:
                _log.warning("the call was not configured, call_id=%s: %s", call_id, problem)
                return
            else:
                return

    def _welcome(self, config: VoiceConfig, call: LiveCall | None, *, remote: bool) -> dict[str, str]:
        """The local brain has a greeting of its own."""
        if config.welcome is None or call is None or not remote:
            return {}
        match self._settings.voice_config.welcome:
            case "at_answer":
                return {"greeting": config.welcome}
            case "after_caller":
                call.dialogue.welcome = config.welcome
        return {}

    # --- whether the VPS is there

    def _outcome(self, problem: VpsError | None, in_call: bool) -> None:
        """Of any request to the VPS."""
        if problem is None:
            on = On.OK
        else:
            on, self._trouble = (On.FAILED_IN_CALL if in_call else On.FAILED), problem
        before, self._reach = self._reach, step(self._reach, on, asyncio.get_running_loop().time())
        if before.link is not self._reach.link:
            _log.info("the VPS is %s", self._reach.link)
            self._changed.set()
            self._moved.set()
            if problem is None and self._heard_of is not None:
                self._heard_of()

    def _gave_up(self, call: LiveCall, problem: VpsError) -> None:
        # A VPS that answers nonsense is there, and yet of no use when it does so twice.
        self._outcome(problem, problem.is_down or call.dialogue.lost > 1)
        if self._reach.usable:
            call.stay()
        else:
            self._tasks.create_task(self._after_giving_up(call), name="bridge.gave_up")

    async def _after_giving_up(self, call: LiveCall) -> None:
        if await self._another_brain():
            self._changed.set()
        elif self._ours.get(call.call_id) is call:
            call.stay()

    async def _probe(self, *, in_call: bool) -> None:
        table = self._settings.vps
        if table.transcribe_url is None:
            return
        parts = urlsplit(table.transcribe_url)
        url = table.health_url or f"{parts.scheme}://{parts.netloc}/"
        try:
            await self._vps.probe(url, table.probe_timeout_s)
        except VpsError as problem:
            self._outcome(problem, in_call)
        else:
            self._outcome(None, in_call)

    async def _probe_while_needed(self) -> None:
        """The first time at once; then only while it is not up."""
        while True:
            self._moved.clear()
            await self._probe(in_call=False)
            match self._reach.link:
                case Link.UP:
                    await self._moved.wait()
                case Link.SUSPECT:
                    await asyncio.sleep(SUSPECT_PROBE_S)
                case _:
                    await asyncio.sleep(self._settings.vps.probe_every_s * random.uniform(0.8, 1.2))

    async def _watch_link(self) -> None:
        """Registers and withdraws. One at a time, and again until it is done."""
        while True:
            self._changed.clear()
            try:
                await self._follow_link()
            except dialtone.DialtoneError as problem:
                _log.warning("the core did not take it: %s", problem)
                await self._phone.wait_connected()
                if not isinstance(problem, dialtone.ConnectionLost):
                    await asyncio.sleep(CORE_S)
                continue
            await self._changed.wait()

    async def _follow_link(self) -> None:
        usable = self._reach.usable
        if usable and not self._registered:
            await self._phone.register_brain(self._settings.brain.priority)
            self._registered = True
        elif not usable and self._registered and await self._may_withdraw():
            await self._step_aside()
        wanted = self._settings.vps.transcribe_url is not None
        await self._phone.report_state("online" if usable or not wanted else "offline", self._detail())

    async def _may_withdraw(self) -> bool:
        """Without another brain a caller is better served by us, who can at least ask for patience."""
        return not any(call.connected for call in self._ours.values()) or await self._another_brain()

    async def _another_brain(self) -> bool:
        with suppress(dialtone.DialtoneError):
            clients = (await self._phone.state())["clients"]
            return any(one["brain_priority"] is not None and one["name"] != NAME for one in clients)
        return False

    async def _step_aside(self) -> None:
        for call in list(self._ours.values()):
            self._ours.pop(call.call_id, None)
            await call.results_told()
            call.hand_over()
            known = self._known.get(call.call_id)
            config = self._configs.known if known is not None and known.rings else VoiceConfig()
            await self._configure(call.call_id, config, remote=False, call=call)
            self._tasks.create_task(call.close(), name="bridge.close")
        await self._phone.withdraw_brain()
        self._registered = False

    def _detail(self) -> str:
        if self._settings.vps.transcribe_url is None:
            return "no transcribe_url is configured"
        if self._reach.usable:
            return "the VPS answers"
        return f"the VPS: {self._trouble}" if self._trouble is not None else "the VPS was not reached yet"
