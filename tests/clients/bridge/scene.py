"""A whole scene for the bridge: emulator, core, bridge, VPS, and whoever watches."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import dialtone
from clients.bridge.voice_config import cached, write_cache
from tests.clients.bridge.rig import Bridge, bridge, bridge_toml
from tests.clients.bridge.stand_in import Json, StandIn
from tests.station import Station, Watch, station

NUMBER = "+447700900123"
VOICE = "en-gb-x-rp+f5"


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
    if vps.config is not None:  # counts where the machine stands still for longer than a ring waits for the VPS
        write_cache(folder / "runtime_voice_config.json", cached(vps.config, with_keys=False))
    async with (
        station(f"configure_wait_s = 6\n{core}") as made,
        made.phone("*") as (phone, watch),
        bridge(folder, made.socket, config) as running,
    ):
        found = Scene(made, phone, watch, vps, running)
        await found.online("online" if up else "offline")
        yield found
