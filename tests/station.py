"""A whole station for tests: the emulator and the core as processes of their own, driven over their sockets."""

import asyncio
import json
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import dialtone
from tests.rpc.schema import ProtocolSchema

ROOT = Path(__file__).parent.parent
START_S = 50.0
"""A loaded machine of two cores starts a Python process in seconds, not in tens of them."""
STOP_S = 20.0
"""The core gives a call and a mute modem some seconds; the rest is the machine's."""


class Control:
    """The emulator's control socket: one JSON-RPC request per line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def __call__(self, method: str, *, timeout_s: float = 40.0, **params: Any) -> Any:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(str(self.path), limit=1 << 20)
            try:
                request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                writer.write(json.dumps(request).encode() + b"\n")
                answer = json.loads(await reader.readline())
            finally:
                writer.close()
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]


class Watch:
    """All events of a connection, kept and checked against the schema that the core serves."""

    def __init__(self, schema: ProtocolSchema) -> None:
        self._schema = schema
        self.seen: list[dialtone.Event] = []
        self._news = asyncio.Event()

    async def follow(self, phone: dialtone.Phone, topics: list[str]) -> None:
        async for event in phone.events(topics=topics):
            self._schema.check_event({"method": event.name, "params": event.params})
            self.seen.append(event)
            self._news.set()

    def named(self, name: str) -> list[dialtone.Event]:
        return [event for event in self.seen if event.name == name]

    async def wait(
        self,
        name: str,
        matches: Callable[[dict[str, Any]], bool] = lambda params: True,
        *,
        count: int = 1,
        timeout_s: float = 20.0,
    ) -> dict[str, Any]:
        """The parameters of the count-th such event, past or to come."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    found = [event.params for event in self.named(name) if matches(event.params)]
                    if len(found) >= count:
                        return found[count - 1]
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            told = [f"{event.name} {event.params}" for event in self.seen]
            raise AssertionError(f"no {name}; there were:\n" + "\n".join(told)) from None


class Station:
    """Made by `station()`. `toml` is appended to the generated core.toml."""

    def __init__(
        self,
        directory: Path,
        toml: str,
        answer_after_rings: int,
        lines: int = 1,
        emulator_options: tuple[str, ...] = (),
    ) -> None:
        self.dir = directory
        self._emulator_options = emulator_options
        self.socket = directory / "core.sock"
        self.legacy_socket = directory / "voice.sock"
        self.lines = ["sim", *(f"sim{number}" for number in range(2, lines + 1))]
        self.controls = [Control(directory / f"{name}.ctl") for name in self.lines]
        self.control = self.controls[0]
        modems = "".join(
            f'[line.{name}]\nports_dir = "{directory}/{name}"\nlost_after_s = 1.0\n' for name in self.lines
        )
        self.config = directory / "core.toml"
        self.config.write_text(
            f"""
[[rpc.socket]]
path = "{self.socket}"
[[rpc.socket]]
path = "{self.legacy_socket}"
events = "legacy"
[store]
path = "{directory}/dialtone.db"
{modems}
[recording]
enabled = true
dir = "{directory}/recordings"
[log]
level = "debug"
[call]
answer_after_rings = {answer_after_rings}
{toml}
"""
        )
        self.core: asyncio.subprocess.Process | None = None
        self.emulators: list[asyncio.subprocess.Process] = []
        self.log = directory / "core.log"

    async def start_emulator(self) -> None:
        for name, control in zip(self.lines, self.controls, strict=True):
            ports = self.dir / name
            where = ("--dir", str(ports), "--control", str(control.path))
            process = await self._process("core.modem.emulator", *where, *self._emulator_options)
            self.emulators.append(process)
        for name, control, process in zip(self.lines, self.controls, self.emulators, strict=True):
            last_port = self.dir / name / "if04"
            await self._until(lambda c=control, p=last_port: c.path.exists() and p.exists(), process)  # type: ignore[misc]

    async def start_core(self) -> None:
        self.core = await self._process("core", "--config", str(self.config))
        await self._until(lambda: _answers(self.socket), self.core)

    async def stop_core(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.core is not None
        if self.core.returncode is None:
            self.core.send_signal(how)
        async with asyncio.timeout(STOP_S):
            return await self.core.wait()

    async def close(self) -> None:
        for process in (self.core, *self.emulators):
            if process is not None and process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    async with asyncio.timeout(STOP_S):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()

    @asynccontextmanager
    async def phone(self, *topics: str, name: str = "test") -> AsyncIterator[tuple[dialtone.Phone, Watch]]:
        """A client with all its events kept."""
        wanted = list(topics) or ["*"]
        async with (
            dialtone.connect(self.socket, name=name, topics=wanted, wait_s=10) as phone,
            asyncio.TaskGroup() as tasks,
        ):
            watch = Watch(ProtocolSchema(await phone.call("rpc.discover")))
            follower = tasks.create_task(watch.follow(phone, wanted))
            yield phone, watch
            follower.cancel()

    async def ready(self, phone: dialtone.Phone, line: str = "sim") -> None:
        """Until the line can take calls."""
        async with asyncio.timeout(START_S):
            while True:
                status = await phone.call("status")
                if any(found["name"] == line and found["state"] == "ready" for found in status["lines"]):
                    return
                await asyncio.sleep(0.05)

    async def _process(self, module: str, *arguments: str) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=os.environ | {"TERM": "dumb"},
            )

    async def _until(self, there: Callable[[], bool], process: asyncio.subprocess.Process) -> None:
        async with asyncio.timeout(START_S):
            while not there():
                if process.returncode is not None:
                    raise AssertionError(f"ended with {process.returncode}:\n{self.log.read_text()}")
                await asyncio.sleep(0.02)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        await self.close()
        if error is not None:
            print(self.log.read_text()[-8000:])


def carried(audio: dict[str, Any]) -> bool:
    """Whether a call's audio came up at once and both sides heard each other to the end. The verdict of a call is also
    suspect where the emulator got no time to take our frames; that is the machine's fault."""
    return bool(audio["attempts"] == 1) and (
        audio["verdict"] == "healthy"
        or (audio["verdict"] == "suspect" and audio["uplink_stalls"] > 0 and audio["alignment_shifts"] == 0)
    )


PORTS = range(20_000, 30_000)
"""Below those that the kernel gives out by itself."""
_taken: list[socket.socket] = []


def free_port() -> int:
    """One of TCP, for a server that is started later: as long as this process lives no other test gets it."""
    for port in random.sample(PORTS, len(PORTS)):
        mark = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe:
            try:
                mark.bind(f"\0dialtone-tests-{port}")
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
                probe.bind(("127.0.0.1", port))
            except OSError:
                mark.close()
                continue
        _taken.append(mark)
        return port
    raise AssertionError("no port is free")


def _answers(path: Path) -> bool:
    """Whether somebody listens there: a core that was killed leaves its socket behind."""
    with socket.socket(socket.AF_UNIX) as trying:
        try:
            trying.connect(str(path))
        except OSError:
            return False
    return True


@asynccontextmanager
async def station(
    toml: str = "",
    *,
    answer_after_rings: int = 1,
    emulator: bool = True,
    core: bool = True,
    lines: int = 1,
    emulator_options: tuple[str, ...] = (),
) -> AsyncIterator[Station]:
    """Both processes, up and ready; torn down whatever happens. The folder is short: socket paths have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="dt") as directory:
        async with Station(Path(directory), toml, answer_after_rings, lines, emulator_options) as made:
            if emulator:
                await made.start_emulator()
            if core:
                await made.start_core()
            yield made
