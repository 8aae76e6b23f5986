"""Stand-in programs, a configuration, a VPS that takes notifications, and the command as a process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.clients.station.programs import Programs
from tests.clients.test_cli import DEADLINE_S, DIALTONE, Ran


@dataclass
class Vps:
    """What came to /api/send. held: nothing is answered until `go_on` is set."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    held: bool = False
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        status = self.status  # as it was when this came
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        self.news.set()
        if self.held:
            await self.go_on.wait()
        return web.json_response({"success": status == 200}, status=status)

    async def wait(self, count: int) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.bodies) < count:
                self.news.clear()
                await self.news.wait()
        return self.bodies[count - 1]


@asynccontextmanager
async def a_vps() -> AsyncIterator[Vps]:
    made = Vps()
    app = web.Application()
    app.router.add_post("/api/send", made.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/send"
    try:
        yield made
    finally:
        await runner.cleanup()


@pytest.fixture
async def vps() -> AsyncIterator[Vps]:
    async with a_vps() as made:
        yield made


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


@dataclass
class Desk:
    """Runs commands with station.toml and bridge.toml of a test, and with its programs."""

    folder: Path
    programs: Programs

    def __post_init__(self) -> None:
        self.station = self.folder / "station.toml"
        self.bridge = self.folder / "bridge.toml"
        self.configure()
        self.bridge_config()

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def configure(self, toml: str = "") -> None:
        self.station.write_text(f'state = "{self.state}"\n{toml}')

    def bridge_config(self, notify_url: str | None = None, toml: str = "") -> None:
        url = f'notify_url = "{notify_url}"' if notify_url else ""
        path = self.folder / "bridge.db"
        self.bridge.write_text(f'station = "gateway-a"\n[outbox]\npath = "{path}"\n[events]\n{url}\n{toml}')

    async def run(self, *words: str, socket: Path | None = None, stdin: bytes = b"") -> Ran:
        pipe = asyncio.subprocess.PIPE
        options = ("--config", str(self.station), "--bridge-config", str(self.bridge))
        env = self.programs.env | {"DIALTONE_SOCKET": str(socket or self.folder / "nobody.sock")}
        child = await asyncio.create_subprocess_exec(
            *DIALTONE, *words, *options, stdin=pipe, stdout=pipe, stderr=pipe, env=env
        )
        try:
            async with asyncio.timeout(DEADLINE_S):
                out, err = await child.communicate(stdin)
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        assert child.returncode is not None
        return Ran(child.returncode, out.decode(), err.decode())


@pytest.fixture
def desk(tmp_path: Path, programs: Programs) -> Desk:
    return Desk(tmp_path, programs)
