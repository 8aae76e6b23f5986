"""A VpnKeeper in a process of its own, for a network namespace: `ip netns exec NAME python -m tests.net.vpn_process`.

argv: [net.vpn] as JSON, and the seconds that a peer has to come through. DIALTONE_HELPER names the helper's socket,
DBUS_SYSTEM_BUS_ADDRESS the bus ("" for none). stdin has commands, a line each: "roamed REASON", "internet 0",
"internet 1", "internet ?", "restart", "again" (run is cancelled and called again), "status". stdout has a line of JSON
for each event, status (with looked_s, the time of the last look) and end of a restart.
"""

import asyncio
import json
import os
import sys
import time

import msgspec

from core.config import VpnConfig
from core.events import NetVpn
from core.log import start_logging
from core.net.helper_client import HelperClient
from core.net.system_bus import SystemBus
from core.net.vpn import RestartFailed, VpnKeeper


def say(kind: str, found: object) -> None:
    line = {"kind": kind, "at_s": time.monotonic()} | msgspec.to_builtins(found)
    print(msgspec.json.encode(line).decode(), flush=True)


async def by_hand(keeper: VpnKeeper) -> None:
    try:
        await keeper.restart()
    except RestartFailed as failed:
        say("restarted", {"trouble": failed.trouble, "text": failed.text})
    else:
        say("restarted", {"trouble": None})


async def main(config: VpnConfig, come_through_s: float) -> None:
    async def tell(event: NetVpn) -> None:
        say("event", event)

    bus = SystemBus() if os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") else None
    keeper = VpnKeeper(config, HelperClient(), bus=bus, tell=tell, come_through_s=come_through_s)
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(keeper.run())
        serving = [group.create_task(bus.run())] if bus is not None else []
        while line := (await commands.readline()).decode().strip():
            word, _, rest = line.partition(" ")
            if word == "roamed":
                keeper.roamed(rest)
            elif word == "internet":
                keeper.internet(None if rest == "?" else rest == "1")
            elif word == "restart":
                group.create_task(by_hand(keeper))
            elif word == "again":
                running.cancel()
                await asyncio.wait([running])
                running = group.create_task(keeper.run())
            else:
                say("status", msgspec.to_builtins(keeper.status()) | {"looked_s": keeper._looked_s})
        for task in (running, *serving):
            task.cancel()


if __name__ == "__main__":
    start_logging("debug")
    # unchecked: times shorter than core.toml may have
    asyncio.run(main(VpnConfig(**json.loads(sys.argv[1])), float(sys.argv[2])))
