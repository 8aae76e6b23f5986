"""The bridge's brain before a tiny core: real sockets and a real VPS stand-in, and calls that the test makes up."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dialtone
from clients.bridge.brain import Brain
from clients.bridge.settings import parse_settings
from tests.clients.bridge.stand_in import StandIn
from tests.clients.tiny_core import Json, TinyCore

CALL = "call_1795246560_k2fq"
NUMBER = "+447700900123"
DEADLINE_S = 20.0
TICK_S = 0.02


@dataclass
class Awake:
    """Time as this process has had it: of a machine that stood still for seconds it counts one tick. For promises of
    what happens soon, where core, VPS and bridge are all in this process."""

    now_s: float = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.now_s += TICK_S


@dataclass
class Small:
    core: TinyCore
    vps: StandIn
    brain: Brain
    awake: Awake

    def ring(self, call_id: str = CALL, holder: str = "bridge") -> None:
        self.core.fact("call.incoming", call_id=call_id, number=NUMBER)
        self.core.moment("call.claimed", call_id=call_id, holder=holder)

    def connect(self, call_id: str = CALL) -> None:
        self.core.fact("call.connected", call_id=call_id, direction="in", number=NUMBER)

    async def call(self, call_id: str = CALL) -> None:
        """Rings, is configured, is up."""
        self.ring(call_id)
        await self.core.wait_asked("call.configure", len(self.core.asked("call.configure")) + 1, DEADLINE_S)
        self.connect(call_id)

    def cut(self, turn: int = 1, chunk: int = 1, call_id: str = CALL) -> None:
        self.core.moment("call.turn_start", call_id=call_id, turn=turn, at_ms=0)
        self.core.moment("call.chunk", call_id=call_id, turn=turn, chunk=chunk, duration_ms=1200)

    def end(self, turn: int = 1, chunks: int = 1, call_id: str = CALL) -> None:
        self.core.moment("call.turn_end", call_id=call_id, turn=turn, chunks=chunks, silence_ms=800)

    async def turn(self, number: int = 1, call_id: str = CALL) -> None:
        """A chunk that arrived, and its end."""
        before = len(self.vps.requests)
        self.cut(number, number, call_id)
        await self.vps.wait(lambda: len(self.vps.requests) > before)
        self.end(number, 1, call_id)

    def said(self) -> list[str]:
        return [str(params["text"]) for params in self.core.asked("call.speak")]

    async def says(self, *texts: str, timeout_s: float = DEADLINE_S) -> None:
        """Everything that was said so far, in order."""
        await self.core.wait_asked("call.speak", len(texts), timeout_s)
        assert self.said() == list(texts)

    async def state(self, state: str) -> None:
        await self.core.wait_for(
            lambda: bool(told := self.core.asked("client.report_state")) and told[-1]["state"] == state, DEADLINE_S
        )


@asynccontextmanager
async def small(
    folder: Path, stand_in: StandIn, /, *, others: tuple[str, ...] = ("receptionist",), up: bool = True, **tables: Json
) -> AsyncIterator[Small]:
    """others: brains that are registered besides. tables: of bridge.toml, over the defaults of these tests."""
    raw: dict[str, Any] = {
        "vps": {"transcribe_url": f"{stand_in.base}/api/transcribe", "probe_every_s": 0.1, "hold_s": 0.2}
        | {"probe_timeout_s": DEADLINE_S},  # a machine that stands still is no VPS that is gone
        "voice_config": {
            "url": f"{stand_in.base}/voice_config",
            "ip": "10.100.0.11",
            "cache": str(folder / "kept.json"),
            "apply_within_s": 1.9,
        },
        "brain": {},
    }
    for name, table in tables.items():
        raw[name] = raw.get(name, {}) | table
    brain = Brain(parse_settings(raw, "test"))
    async with TinyCore(folder / "s") as core:
        _behave(core, others)

        def connect(**how: Any) -> dialtone.Phone:
            return dialtone.connect(core.path, **{"wait_s": None} | how)

        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(brain.run(connect))
            made = Small(core, stand_in, brain, Awake())
            ticking = tasks.create_task(made.awake.run())
            try:
                await made.state("online" if up else "offline")
                await core.wait_for(lambda: any(peer.subscribed for peer in core.peers), DEADLINE_S)
                yield made
            finally:
                running.cancel()
                ticking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running


def _behave(core: TinyCore, others: tuple[str, ...]) -> None:
    clients = [{"name": name, "connected": True, "brain_priority": 0} for name in others]
    core.handlers["state.get"] = lambda _: {"seq": len(core.journal), "calls": [], "lines": [], "clients": clients}
    core.handlers["brain.register"] = lambda params: {"priority": params["priority"], "calls": []}
    core.handlers["brain.withdraw"] = lambda _: {"calls": []}
    core.handlers["client.report_state"] = lambda _: {}
    core.handlers["call.claim"] = lambda params: {"call_id": params["call_id"], "token": "t"}
    core.handlers["call.configure"] = lambda params: {"call_id": params["call_id"]}
    core.handlers["call.speak"] = lambda _: {"utterance": 1}
    core.handlers["call.hangup"] = lambda params: {"call_id": params["call_id"]}
    core.handlers["stt.result"] = lambda _: {}
    core.handlers["call.chunk_audio"] = lambda params: {
        "audio": base64.b64encode(b"OggS chunk %d" % params["chunk"]).decode(),
        "format": "ogg",
        "rate_hz": 8000,
        "duration_ms": 1200,
    }
