"""The bridge as a program of its own, before the stand-in; it can be killed and started again."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from tests.vps import Vps

ROOT = Path(__file__).parent.parent.parent
START_S = 40.0
STOP_S = 30.0


class BridgeProcess:
    """Its configuration, its outbox and its log are in `folder`."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self.config, self.outbox = folder / "bridge.toml", folder / "bridge.db"
        self.log = folder / "bridge.log"
        self._socket = socket
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def rss_mib(self) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("the bridge is gone")

    @property
    def waiting(self) -> int:
        """Rows that wait in its outbox."""
        with closing(sqlite3.connect(f"file:{self.outbox}?mode=ro", uri=True, timeout=10)) as db:
            return int(db.execute("SELECT count(*) FROM rows WHERE state = 'waiting'").fetchone()[0])

    async def start(self, *, ready: bool = True) -> None:
        """ready: wait until its outbox has its place in the core's journal."""
        begun = self._lines()
        command = ["-m", "clients.cli.main", "bridge", "--config", str(self.config), "--socket", str(self._socket)]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *command, stdout=log, stderr=log, cwd=ROOT, env=os.environ | {"TERM": "dumb"}
            )
        if not ready:
            return
        async with asyncio.timeout(START_S):
            while not any("delivering to" in line for line in self.log.read_text().splitlines()[begun:]):
                assert self.running, self.log.read_text()[-3000:]
                await asyncio.sleep(0.05)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        if self.running:
            self._process.send_signal(how)
        async with asyncio.timeout(STOP_S):
            return await self._process.wait()

    def _lines(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


def bridge_toml(server: Vps, folder: Path, **keys: str) -> str:
    """keys: more lines for the tables vps, voice_config, events, brain and outbox."""
    text = server.toml + f'[brain]\n[outbox]\npath = "{folder}/bridge.db"\n'
    voice = f'ip = "10.100.0.11"\ncache = "{folder}/runtime_voice_config.json"\n'
    for table, more in ({"voice_config": ""} | keys).items():
        text = text.replace(f"[{table}]\n", f"[{table}]\n{voice if table == 'voice_config' else ''}{more}\n")
    return text


@asynccontextmanager
async def bridge_process(
    folder: Path, socket: Path, config: str, *, start: bool = True
) -> AsyncIterator[BridgeProcess]:
    made = BridgeProcess(folder, socket)
    made.config.write_text(config, encoding="utf-8")
    failed = True
    try:
        if start:
            await made.start()
        yield made
        failed = False
    finally:
        if made.running:
            try:
                await made.stop()
            except TimeoutError:
                await made.stop(signal.SIGKILL)
        if failed and made.log.exists():
            print(made.log.read_text()[-6000:])
    text = made.log.read_text() if made.log.exists() else ""
    assert "Traceback" not in text, text[-6000:]
