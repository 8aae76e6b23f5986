"""A tunnel, dialtone-helper and a VpnKeeper, each in its own process on the host of a test's internet."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.net.namespaces import Network, network
from tests.net.netns import listens, until
from tests.net.systemd_bus import SystemdBus, systemd_bus
from tests.net.wireguard_rig import FAR, NEAR, PORT, Tunnel, tunnel
from tests.station import ROOT

NAME = f"vps.example.org:{PORT}"
QUICK: dict[str, Any] = {"every_s": 0.3, "ping_timeout_s": 2.0, "fail_count": 2, "retry_s": [1.0, 2.0]}
"""Two failures take longer than a busy machine keeps an end of the tunnel waiting."""
COME_THROUGH_S, LONG_S = 2.0, 20.0
"""A peer that is heard ends it: the long one is for tests in which it has to be, on however busy a machine."""


class KeptVpn:
    """events: what was told so far, each with at_s (monotonic). bus: None where there is no systemd."""

    def __init__(self, net: Network, vpn: Tunnel, folder: Path) -> None:
        self.net = net
        self.vpn = vpn
        self.bus: SystemdBus | None = None
        self.events: list[dict[str, Any]] = []
        self._folder = folder
        self._statuses: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._restarted: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._changed = asyncio.Condition()
        self._keeper: asyncio.subprocess.Process | None = None
        self._helper: asyncio.subprocess.Process | None = None

    @property
    def states(self) -> list[str]:
        return [event["state"] for event in self.events]

    def reasons(self, state: str) -> list[str]:
        return [event["reason"] for event in self.events if event["state"] == state]

    async def wait(self, state: str, *, count: int = 1, timeout_s: float = 50.0) -> dict[str, Any]:
        """The count-th event of that state."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events if event["state"] == state][count - 1 : count]

        await self._until(lambda: bool(found()), f"{state} {count}", timeout_s)
        return found()[0]

    async def wait_for(self, words: str, timeout_s: float = 50.0) -> dict[str, Any]:
        """The first event whose reason has these words."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events if words in event["reason"]][:1]

        await self._until(lambda: bool(found()), words, timeout_s)
        return found()[0]

    def say(self, command: str) -> None:
        """roamed REASON, internet 0, internet 1, restart, again."""
        assert self._keeper is not None and self._keeper.stdin is not None
        self._keeper.stdin.write(f"{command}\n".encode())

    async def status(self) -> dict[str, Any]:
        self.say("status")
        async with asyncio.timeout(30):
            return await self._statuses.get()

    async def restarted(self) -> dict[str, Any]:
        """The end of a restart that somebody asked for: trouble, text."""
        async with asyncio.timeout(50):
            return await self._restarted.get()

    async def looks(self, times: int) -> None:
        """Until the keeper has looked at least so many times more."""
        looked_s = (await self.status())["looked_s"]
        for _ in range(times):
            before_s = looked_s
            status = await self.status_until(lambda status, before_s=before_s: status["looked_s"] != before_s)  # type: ignore[misc]
            looked_s = status["looked_s"]

    async def status_until(self, done: Callable[[dict[str, Any]], bool], timeout_s: float = 50.0) -> dict[str, Any]:
        deadline_s = time.monotonic() + timeout_s
        while not done(status := await self.status()):
            assert time.monotonic() < deadline_s, status
            await asyncio.sleep(0.05)
        return status

    async def start_helper(self) -> None:
        words = (
            "clients.cli.main",
            "helper",
            "--for-user",
            str(os.getuid()),
            "--listen",
            str(self._folder / "helper.sock"),
        )
        # An empty root: on a machine with systemd the helper would ask that one, which knows nothing of our namespace.
        options = (
            "--root",
            str(self._folder / "root"),
            "--state",
            str(self._folder / "helper.json"),
            "--vpn",
            self.vpn.interface,
        )
        self._helper = await self._within(*words, *options)
        await asyncio.to_thread(until, lambda: listens(self._folder / "helper.sock"), "the helper did not start", 40)

    async def start_keeper(self, config: dict[str, Any], come_through_s: float, env: Mapping[str, str]) -> None:
        words = ("tests.net.vpn_process", json.dumps(config), str(come_through_s))
        self._keeper = await self._within(*words, env=env)

    async def read(self) -> None:
        """Until the keeper has ended."""
        assert self._keeper is not None and self._keeper.stdout is not None
        while line := await self._keeper.stdout.readline():
            found = json.loads(line)
            if (kind := found.pop("kind")) != "event":
                (self._statuses if kind == "status" else self._restarted).put_nowait(found)
                continue
            async with self._changed:
                self.events.append(found)
                self._changed.notify_all()

    async def close(self) -> None:
        for process in (self._keeper, self._helper):
            if process is not None and process.returncode is None:
                process.terminate()
                await process.wait()

    async def _until(self, done: Callable[[], bool], text: str, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(done)
        except TimeoutError:
            logs = "\n".join(log.read_text()[-3000:] for log in self._folder.glob("*.log"))
            raise AssertionError(f"no {text} within {timeout_s} s: {self.events}\n{logs}") from None

    async def _within(self, *module: str, env: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
        env = os.environ | dict(env or {}) | {"DIALTONE_HELPER": str(self._folder / "helper.sock")}
        env["DBUS_SYSTEM_BUS_ADDRESS"] = self.bus.address if self.bus else ""
        pipe = asyncio.subprocess.PIPE
        words = ("ip", "netns", "exec", self.net.host.name, sys.executable, "-m", *module)
        log = (self._folder / f"{module[0]}.log").open("ab")
        with log:
            return await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=log, cwd=ROOT, env=env)


class Connection:
    """A TCP connection through the tunnel that says something every 20 ms and hears it again (tests/net/stream.py)."""

    def __init__(self, client: asyncio.subprocess.Process) -> None:
        self._client = client

    async def since(self) -> dict[str, Any]:
        """said, heard, longest_pause_s (since it was asked before), error."""
        self._client.send_signal(signal.SIGUSR1)
        return await self._line()

    async def goes_on(self, timeout_s: float = 40.0) -> float:
        """Waits until half a second's worth more was heard. The longest pause since it was asked before, in seconds."""
        found = await self.since()
        enough, pause_s = found["heard"] + 20, found["longest_pause_s"]
        deadline_s = time.monotonic() + timeout_s
        while found["heard"] < enough:
            assert time.monotonic() < deadline_s and found["error"] is None, found
            await asyncio.sleep(0.05)
            found = await self.since()
            pause_s = max(pause_s, found["longest_pause_s"])
        return float(pause_s)

    async def end(self) -> dict[str, Any]:
        self._client.terminate()
        return await self._line()

    async def _line(self) -> dict[str, Any]:
        assert self._client.stdout is not None
        async with asyncio.timeout(30):
            found: dict[str, Any] = json.loads(await self._client.stdout.readline())
            return found


@asynccontextmanager
async def connection(net: Network, *, from_vps: bool = False) -> AsyncIterator[Connection]:
    """from_vps: the VPS talks and the host answers."""
    pipe, ends = asyncio.subprocess.PIPE, []
    near, far = (net.internet, net.host) if from_vps else (net.host, net.internet)
    address = NEAR if from_vps else FAR
    try:
        for where, role in ((far, "server"), (near, "client")):
            words = ("ip", "netns", "exec", where.name, sys.executable, "-m", "tests.net.stream", role, address, "7007")
            end = await asyncio.create_subprocess_exec(*words, stdout=pipe, cwd=ROOT)
            ends.append(end)
            assert end.stdout is not None
            async with asyncio.timeout(40):
                await end.stdout.readline()
        yield Connection(ends[1])
    finally:
        for end in ends:
            if end.returncode is None:
                end.kill()
            await end.wait()


@asynccontextmanager
async def kept_vpn(
    *,
    helper: bool = True,
    systemd: bool = False,
    named: bool = False,
    keepalive_s: int = 25,
    up: bool = True,
    silent: bool = False,
    command: Sequence[str] | None = None,
    ping_sockets: bool = True,
    keeper_env: Mapping[str, str] | None = None,
    config: dict[str, Any] | None = None,
    come_through_s: float = COME_THROUGH_S,
) -> AsyncIterator[KeptVpn]:
    """All of it. silent: the peer has heard nothing yet. systemd: on a private bus, and its restarts run wg-quick, or
    `command`. named: the endpoint is a name, for wg-quick and for the keeper. config: more of [net.vpn]."""
    async with AsyncExitStack() as stack:
        net = stack.enter_context(network(wwan_up=True, ping_sockets=ping_sockets))
        vpn = stack.enter_context(
            tunnel(net, **({"endpoint": NAME} if named else {}), keepalive_s=keepalive_s, up=False)
        )
        vpn.silence(silent)
        if up:
            vpn.up()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dtv")))
        made = KeptVpn(net, vpn, folder)
        stack.push_async_callback(made.close)
        if systemd:
            script = f"wg-quick down {vpn.interface}; wg-quick up {vpn.interface}"
            command = command or ("ip", "netns", "exec", net.host.name, "sh", "-c", script)
            made.bus = stack.enter_context(systemd_bus(folder / "bus", command=command))
        if helper:
            await made.start_helper()
        wanted = QUICK | {"interface": vpn.interface, "ping": FAR} | ({"endpoint": NAME} if named else {})
        wanted |= config or {}
        told = {name: value for name, value in wanted.items() if value is not None}
        await made.start_keeper(told, come_through_s, keeper_env or {})
        group = await stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(made.read())
        stack.push_async_callback(made.close)
        yield made
