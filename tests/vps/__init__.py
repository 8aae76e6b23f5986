"""A VPS to test against: the endpoints of the old station's server on loopback, with every kind of trouble on demand.

    async with vps() as server:
        config.write_text(server.toml)                       # addresses for bridge.toml
        server.transcribe.behave("ok", "500", "late:10")     # one after the other; the last one stays (behaviour.py)
        server.transcribe.behave("hang", of="end")           # end signals alone
        server.phone.behave("refuse:3"); server.sms.behave("flap:0.5")
        request = await server.wait("sms", count=2)

Each request is recorded and checked against schemas/*.json, its audio decoded; at the end of the block what was not as
documented fails the test. `vps(check=False)` leaves that to `server.check()`. keys=False: facts need no
Idempotency-Key. `python -m tests.vps` is the same for programs outside of a test.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from tests.vps.conversation import DEFAULT, Mode, Turn
from tests.vps.endpoint import Endpoint, Request
from tests.vps.stand_in import Vps, described, run_weather

__all__ = ["Endpoint", "Mode", "Request", "Turn", "Vps", "described", "vps"]


@asynccontextmanager
async def vps(
    turns: Sequence[Turn] = DEFAULT,
    mode: Mode = Mode.PROCESSING,
    *,
    port: int = 0,
    check: bool = True,
    keys: bool = True,
    tell: Callable[[Request], None] = lambda request: None,
) -> AsyncIterator[Vps]:
    """Listening until the end of the block. tell: called with each request as it comes, before its answer."""
    server = Vps(turns, mode, keys=keys, tell=tell)
    tasks = asyncio.TaskGroup()
    await tasks.__aenter__()  # by hand: what fails in the block comes out as it is, in no group
    try:
        await server.open(port)
        weather = tasks.create_task(run_weather(server), name="vps.weather")
        try:
            yield server
        finally:
            weather.cancel()
        if check:
            server.check()
    finally:
        await tasks.__aexit__(None, None, None)
        await server.close()
