"""The processes of the demo: a modem emulator, the daemon and a brain, each as anyone would start it."""

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dialtone

START_S = 20.0
"""Everything is up within 2 s on an idle machine."""
STOP_S = 5.0
SOCKET_PATH_BYTES = 100
"""sun_path holds 108 bytes with its final zero (unix(7)); the longest name below the folder is known."""

BRAINS = Path(__file__).parent.parent / "brains"


class DemoFailed(Exception):
    """The demo can't go on; one line for the person who runs it."""


@dataclass(frozen=True, slots=True)
class Places:
    """Everything that the processes share, below one short temporary folder; logs and messages go to `out`."""

    base: Path
    ports: Path
    out: Path

    @property
    def socket(self) -> Path:
        return self.base / "core.sock"

    @property
    def control(self) -> Path:
        return self.base / "modem.sock"

    @property
    def recordings(self) -> Path:
        return self.base / "recordings"

    @property
    def messages(self) -> Path:
        return self.out / "messages"

    @property
    def config(self) -> Path:
        return self.base / "core.toml"


def core_toml(places: Places) -> str:
    """The daemon's configuration: one line on the emulator, answered after two rings, recorded."""
    return f"""\
[[rpc.socket]]
path = "{places.socket}"
mode = "0600"
[store]
path = "{places.base / "dialtone.db"}"
[line.sim]
ports_dir = "{places.ports}"
[call]
answer_after_rings = 2
[recording]
enabled = true
dir = "{places.recordings}"
"""


def brain_command(brain: str, places: Places) -> list[str]:
    """How the brain is started. DemoFailed where Node is missing."""
    options = ["--socket", str(places.socket), "--messages", str(places.messages)]
    if brain == "python":
        return [sys.executable, "-m", "clients.brains.receptionist", *options]
    node = shutil.which("node")
    if node is None:
        raise DemoFailed("node is not installed; take --brain python, or install Node 18 or newer")
    return [node, str(BRAINS / "node/brain.js"), *options]


class Process:
    """One child. Its stderr (and, but for the emulator's greeting, stdout) goes to a log file."""

    def __init__(self, name: str, child: asyncio.subprocess.Process, log: Path) -> None:
        self.name, self.child, self.log = name, child, log

    @classmethod
    async def start(cls, name: str, command: Sequence[str], log: Path, *, talks: bool = False) -> "Process":
        with log.open("wb") as file:
            child = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if talks else file,
                stderr=file,
                start_new_session=True,  # Ctrl-C is ours: we stop the children in order
            )
        return cls(name, child, log)

    def check(self) -> None:
        """DemoFailed, with the end of its log, when it has ended."""
        if self.child.returncode is not None:
            lines = self.log.read_text(errors="replace").strip().splitlines()[-3:]
            raise DemoFailed(f"{self.name} ended with {self.child.returncode}: {' | '.join(lines) or 'no log'}")

    async def stop(self) -> None:
        if self.child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.child.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self.child.wait()
        except TimeoutError:
            self.child.kill()
            await self.child.wait()


@contextlib.contextmanager
def temporary_places(out: Path, ports: Path | None) -> Iterator[Places]:
    """A short folder below the system's temporary one, gone afterwards."""
    base = Path(tempfile.mkdtemp(prefix="dialtone-"))
    if len(bytes(base)) > SOCKET_PATH_BYTES - len("/modem.sock"):
        base.rmdir()
        base = Path(tempfile.mkdtemp(prefix="dialtone-", dir="/tmp"))
    try:
        yield Places(base, ports or base / "ports", out)
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextlib.asynccontextmanager
async def stage(places: Places, brain: str) -> AsyncIterator[tuple[Process, ...]]:
    """All three running and the line ready; all three gone afterwards, whatever happens."""
    places.ports.mkdir(parents=True, exist_ok=True)
    places.config.write_text(core_toml(places), encoding="utf-8")
    command = brain_command(brain, places)
    running: list[Process] = []
    try:
        async with asyncio.timeout(START_S):
            running.append(await _start_emulator(places))
            core = [sys.executable, "-m", "core", "--config", str(places.config)]
            running.append(await Process.start("core", core, places.out / "core.log"))
            running.append(await Process.start("brain", command, places.out / "brain.log"))
            await _wait_ready(places, running)
    except TimeoutError:
        await _stop(running)
        raise DemoFailed(f"not ready within {START_S:g} s; see the logs in {places.out}") from None
    except BaseException:
        await _stop(running)
        raise
    try:
        yield tuple(running)
    finally:
        await _stop(running)


async def _stop(running: Sequence[Process]) -> None:
    for process in reversed(running):
        await process.stop()


async def _start_emulator(places: Places) -> Process:
    module = [sys.executable, "-m", "core.modem.emulator"]
    options = ["--dir", str(places.ports), "--control", str(places.control)]
    emulator = await Process.start("emulator", [*module, *options], places.out / "emulator.log", talks=True)
    assert emulator.child.stdout is not None
    for _ in ("ports", "control"):  # its two lines say that both are there
        if not await emulator.child.stdout.readline():
            await emulator.child.wait()
            emulator.check()
    return emulator


async def _wait_ready(places: Places, running: Sequence[Process]) -> None:
    """The line is ready, and the brain has registered."""
    while True:
        for process in running:
            process.check()
        with contextlib.suppress(dialtone.ConnectionLost):
            async with dialtone.connect(places.socket, name="demo-wait") as phone:
                status = await phone.status()
                lines = [line["state"] for line in status["lines"]]
                brains = [client for client in status["clients"] if client["brain_priority"] is not None]
                if lines == ["ready"] and brains:
                    return
        await asyncio.sleep(0.1)
