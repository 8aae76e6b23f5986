"""A TCP connection from the station's host to the VPS inside the tunnel, with both ends as processes (stream.py)."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.net.namespaces import Network
from tests.net.wireguard_rig import FAR
from tests.station import ROOT

PORT = "7007"


class Talking:
    """A connection to the VPS inside the tunnel (tests/net/stream.py)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def heard_more(self, beats: int = 1, timeout_s: float = 30.0) -> dict[str, Any]:
        """Until so many more have come back; what it saw since it was asked last."""
        found = await self.so_far()
        wanted, longest = found["heard"] + beats, found["longest_pause_s"]
        async with asyncio.timeout(timeout_s):
            while found["heard"] < wanted:
                await asyncio.sleep(0.05)
                found = await self.so_far()
                longest = max(longest, found["longest_pause_s"])
        return found | {"longest_pause_s": longest}

    async def so_far(self) -> dict[str, Any]:
        """What it saw since it was asked last."""
        self._process.send_signal(signal.SIGUSR1)
        return await self._told()

    async def end(self) -> dict[str, Any]:
        if self._process.returncode is None:
            self._process.terminate()
        return await self._told()

    async def _told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(15):
            found: dict[str, Any] = json.loads(await self._process.stdout.readline())
            return found


@asynccontextmanager
async def talking(net: Network) -> AsyncIterator[Talking]:
    """Both ends; they are ended whatever happens."""
    module = (sys.executable, "-m", "tests.net.stream")
    pipe = asyncio.subprocess.PIPE
    ends = []
    try:
        for where, role, word in ((net.internet, "server", b"listening"), (net.host, "client", b"connected")):
            words = ("ip", "netns", "exec", where.name, *module, role, FAR, PORT)
            end = await asyncio.create_subprocess_exec(*words, stdout=pipe, cwd=ROOT)
            ends.append(end)
            assert end.stdout is not None
            async with asyncio.timeout(20):
                assert (await end.stdout.readline()).strip() == word
        yield Talking(ends[1])
    finally:
        for end in ends:
            if end.returncode is None:
                end.kill()
            await end.wait()
