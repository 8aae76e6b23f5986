"""The bridge's deliveries in a folder of their own: in this process or as the real command, between a small daemon and
servers of their own."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

import dialtone
from clients.bridge.deliveries import Deliveries
from clients.bridge.outbox.store import Store
from clients.bridge.settings import read_settings
from tests.clients.tiny_core import Json, TinyCore

ROOT = Path(__file__).parents[3]
DEADLINE_S = 30.0
QUICK = """
[outbox]
retry_first_s = 0.02
retry_cap_s = 0.2
refusals = 3
"""
CALL = "call_1795245360_k3fz"
AT = "2026-11-21T07:16:00.123Z"


@dataclass
class Got:
    """One request as it came. at_s: monotonic."""

    path: str
    headers: dict[str, str]
    raw: bytes
    at_s: float

    @property
    def body(self) -> Json:
        found: Json = json.loads(self.raw)
        return found

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


@dataclass
class Receiver:
    """Somebody's web server. answers: (status, headers, body) of the next requests; then 200."""

    answers: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    always: int = 200
    port: int = 0

    async def __aenter__(self) -> "Receiver":
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Got(request.path, headers, await request.read(), time.monotonic()))
        status, more, body = self.answers.pop(0) if self.answers else (self.always, {}, "{}")
        return web.Response(status=status, headers=more, text=body)


class Rig:
    """toml: bridge.toml; [outbox] path is set."""

    def __init__(self, folder: Path, core: TinyCore) -> None:
        self.folder = folder
        self.core = core
        self.config = folder / "bridge.toml"
        self.db = folder / "bridge.db"
        self.log = folder / "bridge.log"
        self.child: asyncio.subprocess.Process | None = None
        self.running: asyncio.Task[None] | None = None
        core.handlers["status"] = lambda _: {"lines": [], "calls": []}

    def configure(self, toml: str, outbox: str = QUICK) -> None:
        self.config.write_text(f'{toml}\n{outbox}path = "{self.db}"\n')

    @asynccontextmanager
    async def inside(self) -> AsyncIterator[Deliveries]:
        """Running in this process until the end of the block, subscribed."""
        before = len(self.core.asked("events.subscribe"))
        deliveries = Deliveries(read_settings(self.config))

        def phone(**how: Any) -> dialtone.Phone:
            return dialtone.connect(self.core.path, **{"name": "bridge", "wait_s": None} | how)

        async with asyncio.TaskGroup() as tasks:
            running = self.running = tasks.create_task(deliveries.run(phone))
            await self.until(lambda: len(self.core.asked("events.subscribe")) > before or running.done())
            yield deliveries
            running.cancel()

    async def start(self) -> None:
        """The real command, subscribed."""
        before = self._text().count("delivering to")
        with self.log.open("ab") as log:
            self.child = await asyncio.create_subprocess_exec(
                *self._words(), stdout=log, stderr=log, cwd=ROOT, env=os.environ | {"TZ": "UTC"}
            )
        await self.until(lambda: self._text().count("delivering to") > before)

    def _text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.child is not None
        if self.child.returncode is None:
            self.child.send_signal(number)
        async with asyncio.timeout(DEADLINE_S):
            return await self.child.wait()

    async def command(self, *words: str, code: int = 0) -> str:
        """`dialtone bridge outbox …`, its output."""
        child = await asyncio.create_subprocess_exec(
            *self._words("outbox", *words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT
        )
        async with asyncio.timeout(DEADLINE_S):
            output, _ = await child.communicate()
        assert child.returncode == code, output.decode()
        return output.decode()

    def _words(self, *more: str) -> list[str]:
        start = [sys.executable, "-m", "clients.cli.main", "bridge", "--config", str(self.config)]
        return [*start, "--socket", str(self.core.path), *more]

    async def until(self, condition: Callable[[], object], timeout_s: float = DEADLINE_S) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    if condition():
                        return
                    await asyncio.sleep(0.01)
        except TimeoutError:
            text = f"it did not come to that; waiting: {self.waiting()}; log:\n{self._text()}"
            raise AssertionError(text) from None

    def stored(self) -> list[tuple[str, str, str]]:
        """(queue, event, state) of all rows."""
        with closing(Store(self.db)) as store:
            return [(row.queue, row.event, str(row.state)) for row in store.rows(None, None, 1000)]

    def waiting(self) -> int:
        return len(self.stored()) if self.db.exists() else 0

    def hold_for(self, hold_s: float) -> None:
        """What is held for a digest is so much older now."""
        with closing(sqlite3.connect(self.db, timeout=DEADLINE_S)) as db, db:
            for number, added_at in db.execute("SELECT id, added_at FROM held").fetchall():
                before = datetime.fromisoformat(added_at) - timedelta(seconds=hold_s)
                db.execute("UPDATE held SET added_at = ? WHERE id = ?", (before.isoformat(), number))

    def alarms(self) -> list[str]:
        """What the daemon was told last."""
        reports = self.core.asked("client.report_state")
        return [alarm["alarm"] for alarm in reports[-1].get("alarms", [])] if reports else []

    # --- facts

    def sms(self, text: str = "Labas", number: str | None = "+37060000000", **more: Any) -> int:
        params: Json = {"message_id": f"sms_{len(self.core.journal)}", "number": number, "text": text} | more
        return self.core.fact("sms.received", **params)

    def missed(self, number: str | None = "+37060000000") -> int:
        return self.core.fact("call.missed", call_id=CALL, number=number, withheld=number is None, rings=3)


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="dt-") as folder:
        async with TinyCore(Path(folder) / "core.sock") as core:
            made = Rig(Path(folder), core)
            try:
                yield made
            finally:
                if made.child is not None:
                    await made.stop()
