"""The HTTP service as a process of its own, before a tiny core or a real one."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from clients.http_api.auth import Tokens

START_S = 40.0
_SERVING = re.compile(rb"serving (\S+) on (http://\S+), auth (\w+)")


@dataclass
class Service:
    """bases: URL by what is served there ("modern+phone", "monitor"). session has no token."""

    process: asyncio.subprocess.Process
    bases: dict[str, str]
    session: aiohttp.ClientSession
    tokens: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return next(iter(self.bases.values()))

    def bearer(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    async def rpc(self, method: str, *, headers: Mapping[str, str] | None = None, **params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.session.post(f"{self.base}/v1/rpc", json=body, headers=headers) as answer:
            return await answer.json()


@asynccontextmanager
async def http_service(
    folder: Path, socket: Path, config: str = "", tokens: Mapping[str, tuple[str, ...]] | None = None
) -> AsyncIterator[Service]:
    """config: http.toml; without [[listen]] one open address on loopback with a free port."""
    secrets = _tokens(folder / "tokens.toml", tokens or {})
    listen = "" if "[[listen]]" in config else '\n[[listen]]\nport = 0\nserves = ["modern"]\n'
    (folder / "http.toml").write_text(f'tokens = "{folder}/tokens.toml"\n{config}\n{listen}')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "clients.cli.main", "http", "--config", str(folder / "http.toml"),
        "--socket", str(socket), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    wanted = (folder / "http.toml").read_text().count("[[listen]]")
    bases: dict[str, str] = {}
    log: list[str] = []
    async with asyncio.timeout(START_S):
        while len(bases) < wanted:
            line = await process.stderr.readline()
            assert line, "".join(log)
            log.append(line.decode())
            if (found := _SERVING.search(line)) is not None:
                bases[found[1].decode()] = found[2].decode()
    async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as session:
        reading = tasks.create_task(_read(process.stderr, log))
        try:
            yield Service(process, bases, session, secrets, log)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            await reading


def _tokens(path: Path, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    made = Tokens({})
    secrets = {name: made.add(name, scopes) for name, scopes in wanted.items()}  # type: ignore[arg-type]
    made.write(path)
    return secrets


async def _read(stream: asyncio.StreamReader, log: list[str]) -> None:
    while line := await stream.readline():
        log.append(line.decode())
