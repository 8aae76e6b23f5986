"""A VPS that goes away under a real core with a local brain: the caller is not left alone."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.clients.bridge.scene import scene
from tests.clients.bridge.stand_in import stand_in
from tests.station import ROOT, Station

TAKEOVER = "I am sorry for the wait."
GREETING = "Hello, this is the workshop. How can I help you?"


@asynccontextmanager
async def receptionist(made: Station, folder: Path) -> AsyncIterator[None]:
    """The local brain, as a process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "clients.brains.receptionist", "--socket", str(made.socket),
        "--messages", str(folder / "messages"), cwd=ROOT, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.timeout(240)
async def test_the_local_brain_goes_on_with_a_call_gets_the_next_one_and_hands_back(tmp_path: Path) -> None:
    config = {"language": "en", "welcome_message": "Welcome.", "answer_after_rings": 1}
    async with stand_in(config=config) as vps, scene(tmp_path, vps) as on, receptionist(on.made, tmp_path):
        await on.watch.wait("client.state", lambda params: params["client"] == "receptionist")
        call_id = await on.call_in()
        await on.hears("Welcome.")
        await on.say()
        await on.hears("What time?")
        await vps.stop()
        await on.say()
        await on.watch.wait(
            "call.claimed", lambda params: (params["call_id"], params["holder"]) == (call_id, "receptionist")
        )
        await on.watch.wait("call.speaking", lambda params: str(params["text"]).startswith(TAKEOVER))
        await on.online("offline")
        await on.say("where are you")
        await on.watch.wait("call.speech", lambda params: params["engine"] == "phrases")
        await on.phone.hangup(call_id)
        await on.watch.wait("call.ended")

        await on.made.control("call.incoming", number="+447700900124", ring_s=0.3)
        await on.watch.wait("call.connected", count=2)
        await on.watch.wait("call.speaking", lambda params: params["text"] == GREETING)
        await on.phone.hangup()
        await on.watch.wait("call.ended", count=2)

        await vps.start()
        await on.watch.wait(
            "client.state", lambda params: (params["client"], params["state"]) == ("bridge", "online"), count=2
        )
        await on.made.control("call.incoming", number="+447700900125", ring_s=0.3)
        await on.watch.wait(
            "call.claimed", lambda params: params["holder"] == "bridge" and params["call_id"] != call_id
        )
        await on.watch.wait("call.connected", count=3)
        await on.watch.wait("call.speaking", lambda params: params["text"] == "Welcome.", count=2)
        status = await on.phone.status()
        [told] = [client for client in status["clients"] if client["name"] == "bridge"]
        assert (told["state"], told["brain_priority"]) == ("online", 10)


async def test_a_station_that_is_not_to_answer_does_not(tmp_path: Path) -> None:
    async with stand_in(config={"answer_after_rings": -1, "language": "en"}) as vps, scene(tmp_path, vps) as on:
        await on.made.ready(on.phone)
        await on.made.control("call.incoming", number="+447700900123", ring_s=0.5)
        assert (await on.watch.wait("call.ended"))["reason"] == "rejected"
        assert on.watch.named("call.connected") == []
