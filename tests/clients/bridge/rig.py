"""The bridge as a process of its own, before a core and a VPS."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.bridge.stand_in import StandIn


@dataclass
class Bridge:
    process: asyncio.subprocess.Process
    cache: Path
    log: list[str] = field(default_factory=list)

    @property
    def rss_kib(self) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("the bridge is gone")


def bridge_toml(folder: Path, vps: StandIn, extra: str = "", vps_keys: str = "", config_keys: str = "") -> Path:
    path = folder / "bridge.toml"
    path.write_text(
        f"""
{extra}
[vps]
transcribe_url = "{vps.base}/api/transcribe"
probe_every_s = 0.2
probe_timeout_s = 10
hold_s = 0.5
{vps_keys}
[voice_config]
url = "{vps.base}/voice_config"
ip = "10.100.0.11"
cache = "{folder}/runtime_voice_config.json"
{config_keys}
"""
    )
    return path


@asynccontextmanager
async def bridge(folder: Path, socket: Path, config: Path) -> AsyncIterator[Bridge]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "clients.cli.main", "bridge", "--verbose", "--config", str(config),
        "--socket", str(socket), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    made = Bridge(process, folder / "runtime_voice_config.json")
    failed = True
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_read(process.stderr, made.log))
        try:
            yield made
            failed = False
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            async with asyncio.timeout(30):
                await process.wait()
                await reading
            if failed:
                print("".join(made.log[-80:]))
    assert process.returncode == 0, "".join(made.log[-40:])
    assert "Traceback" not in "".join(made.log)


async def _read(stream: asyncio.StreamReader, log: list[str]) -> None:
    while line := await stream.readline():
        log.append(line.decode())
