"""A VpnKeeper in a process of its own, for a network namespace: `ip netns exec NAME python -m tests.net.vpn_process`.

argv: [net.vpn] as JSON. DIALTONE_HELPER names the helper's socket, DBUS_SYSTEM_BUS_ADDRESS the bus ("" for none). stdin
has commands, a line each: "roamed REASON", "internet 0", "internet 1", "internet ?", "restart", "again" (run is
cancelled and called again), "status". stdout has a line of JSON for each event, status and end of a restart.
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


async def main(config: VpnConfig) -> None:
    async def tell(event: NetVpn) -> None:
        say("event", event)

    bus = SystemBus() if os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") else None
    keeper = VpnKeeper(config, HelperClient(), bus=bus, tell=tell, come_through_s=2.0)
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
                say("status", keeper.status())
        for task in (running, *serving):
            task.cancel()


if __name__ == "__main__":
    start_logging("debug")
    asyncio.run(main(VpnConfig(**json.loads(sys.argv[1]))))  # unchecked: times shorter than core.toml may have
