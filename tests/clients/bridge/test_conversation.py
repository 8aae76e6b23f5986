"""Callers, a real core, the bridge and a VPS: conversations."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import dialtone
from tests.clients.bridge.rig import Bridge, bridge, bridge_toml
from tests.clients.bridge.stand_in import Json, StandIn, reply, stand_in
from tests.station import Station, Watch, station

NUMBER = "+447700900123"
VOICE = "en-gb-x-rp+f5"
LOCAL = "I am the local brain."


@dataclass
class Scene:
    made: Station
    phone: dialtone.Phone
    watch: Watch
    vps: StandIn
    bridge: Bridge

    async def call_in(self, rings_s: float = 0.3) -> str:
        await self.made.ready(self.phone)
        await self.made.control("call.incoming", number=NUMBER, ring_s=rings_s)
        return str((await self.watch.wait("call.connected"))["call_id"])

    async def hears(self, text: str, **how: float) -> Json:
        return await self.watch.wait("call.spoken", lambda params: params["text"] == text, **how)  # type: ignore[arg-type]

    async def say(self, text: str = "i would like an appointment tomorrow") -> None:
        await self.made.control("far.say", text=text, voice=VOICE)

    async def online(self, state: str = "online") -> None:
        await self.watch.wait("client.state", lambda params: (params["client"], params["state"]) == ("bridge", state))


@asynccontextmanager
async def scene(
    folder: Path, vps: StandIn, *, core: str = "", extra: str = "", vps_keys: str = "", config_keys: str = "",
    up: bool = True,
) -> AsyncIterator[Scene]:  # fmt: skip
    config = bridge_toml(folder, vps, extra, vps_keys, config_keys)
    async with (
        station(core) as made,
        made.phone("*") as (phone, watch),
        bridge(folder, made.socket, config) as running,
    ):
        found = Scene(made, phone, watch, vps, running)
        await found.online("online" if up else "offline")
        yield found


async def test_what_a_caller_says_goes_to_the_vps_and_its_reply_is_heard_and_both_are_in_the_journal(
    tmp_path: Path,
) -> None:
    config = {"language": "en-GB", "welcome_message": "Welcome.", "answer_after_rings": 1, "voice_settings": {}}
    async with stand_in(config=config) as vps, scene(tmp_path, vps) as on:
        call_id = await on.call_in()
        await on.hears("Welcome.")
        await on.say()
        await on.hears("What time?")
        [(chunk_s, chunk), (end_s, end)] = vps.requests
        assert base64.b64decode(chunk.pop("audio"))[:4] == b"OggS" and chunk["metadata"].pop("timestamp") > 1.7e9
        assert chunk == {
            "call_id": call_id, "chunk_number": 1, "language": "en", "context": "bot: Welcome.", "caller_id": NUMBER,
            "end_sentence": False,
            "metadata": {"duration_ms": chunk["metadata"]["duration_ms"], "sample_rate": 8000},
        }  # fmt: skip
        assert end["metadata"].pop("timestamp") > 1.7e9 and end["metadata"].pop("silence_duration_ms") >= 600
        assert end == chunk | {"audio": None, "end_sentence": True, "metadata": {"type": "end_signal"}}
        assert len(set(vps.keys)) == 2 and None not in vps.keys
        speech = await on.watch.wait("call.speech")
        assert (speech["text"], speech["understood"], speech["engine"]) == ("tomorrow please", True, "remote")
        await on.say("at ten o'clock")
        await on.watch.wait("call.spoken", lambda params: params["text"] == "What time?", count=2)
        assert vps.ends[1]["context"] == "bot: Welcome.\ncaller: tomorrow please\nbot: What time?"
        assert on.bridge.rss_kib < 50 * 1024
        print("RSS", on.bridge.rss_kib)


async def test_the_call_ends_only_after_the_farewell_was_heard(tmp_path: Path) -> None:
    async def farewell(body: Json, before: int) -> object:
        return reply(body, text="Thank you and goodbye.", **{"continue": False})

    async with stand_in(behave=farewell) as vps, scene(tmp_path, vps) as on:
        await on.call_in()
        await on.say()
        assert (await on.hears("Thank you and goodbye."))["completed"]
        assert (await on.watch.wait("call.ended"))["reason"] == "local_hangup"
        await asyncio.sleep(0)
        assert [event.name for event in on.watch.seen if event.name in ("call.spoken", "call.ended")] == [
            "call.spoken",
            "call.ended",
        ]
