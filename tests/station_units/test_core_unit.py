"""The daemon as dialtone-core.service starts it: its command, user and environment, below a folder of its own."""

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

import dialtone
from core.config import Config, default_socket_path, state_dir
from tests.station_units.unit_file import BIN, SYSTEMD, TEST_UID, manager_socket, read_unit, unprivileged

CORE = read_unit(SYSTEMD / "dialtone-core.service")
START_S = 30.0


@dataclass
class Service:
    """root stands before /run, /var and /etc, which are the machine's."""

    root: Path
    process: asyncio.subprocess.Process
    manager: socket.socket
    log: Path

    async def heard(self, timeout_s: float = START_S) -> str:
        async with asyncio.timeout(timeout_s):
            return (await asyncio.get_running_loop().sock_recv(self.manager, 4096)).decode()


@pytest.fixture
def root() -> Iterator[Path]:
    """Short: a socket's path has 107 bytes. Its parents are open to the user that the daemon runs as."""
    with tempfile.TemporaryDirectory(prefix="dtu") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@asynccontextmanager
async def started(root: Path, *, watchdog_s: float, config: str | None = None) -> AsyncIterator[Service]:
    """What systemd does for the unit, as far as a test may: folders, environment, user, notify socket."""
    drop = unprivileged()
    owner = TEST_UID if drop else os.getuid()
    folders = {"run": CORE.one("RuntimeDirectory"), "var/lib": CORE.one("StateDirectory")}
    for parent, name in folders.items():
        (root / parent / name).mkdir(parents=True)
        os.chown(root / parent / name, owner, -1)
    (root / "etc/dialtone").mkdir(parents=True)
    written = (SYSTEMD / "etc/core.toml").read_text() if config is None else config
    # The group dialtone is not on this machine; that of the daemon stands in.
    written = written.replace("/run/", f"{root}/run/").replace('group = "dialtone"', f'group = "{owner}"')
    if owner == 0 and "[store]" not in written:  # root's state is the machine's, wherever XDG_STATE_HOME points
        written += f'\n[store]\npath = "{root}/var/lib/dialtone/dialtone.db"\n'
    (root / "etc/dialtone/core.toml").write_text(written)
    environment = {key: value.replace("/run/", f"{root}/run/") for key, value in CORE.environment.items()}
    environment["XDG_STATE_HOME"] = f"{root}{environment['XDG_STATE_HOME']}"
    environment |= {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": f"{root}/n", "HOME": "/nonexistent"}
    environment |= {"WATCHDOG_USEC": str(int(watchdog_s * 1e6))}
    program, *arguments = CORE.command
    words = [str(BIN / Path(program).name), *(word.replace("/etc/", f"{root}/etc/") for word in arguments)]
    log = root / "log"
    with manager_socket(root / "n") as manager, log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(*drop, *words, env=environment, cwd="/", stderr=stderr)
        try:
            yield Service(root, process, manager, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def test_the_unit_starts_a_core_that_is_ready_is_fed_and_stops_in_time(root: Path) -> None:
    async with started(root, watchdog_s=1.0) as service:
        first = await service.heard()
        assert first.startswith("READY=1\nWATCHDOG=1\nSTATUS=sim "), (first, service.log.read_text())
        assert first.endswith("; 0 calls")
        async with dialtone.connect(
            root / "run/dialtone/core.sock", wait_s=20
        ) as phone:  # ready means: it may be asked
            assert [line["name"] for line in (await phone.call("status"))["lines"]] == ["sim"]
        at_s = []
        for _ in range(5):
            assert (await service.heard()).startswith("WATCHDOG=1\nSTATUS=sim ")
            at_s.append(time.monotonic())
        # The shortest of them: a machine that stands still for a moment makes any of the others longer.
        assert min(after - before for before, after in pairwise(at_s)) < 1.0, "as often as the watchdog of 1 s asks"
        assert (root / "var/lib/dialtone/dialtone.db").stat().st_uid == (TEST_UID if unprivileged() else os.getuid())
        service.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(CORE.seconds("TimeoutStopSec")):
            while "STOPPING=1" not in await service.heard():
                pass
            assert await service.process.wait() == 0
        assert not (root / "run/dialtone/core.sock").exists()


async def test_a_configuration_that_cannot_be_used_ends_it_for_good(root: Path) -> None:
    never_again = int(CORE.one("RestartPreventExitStatus"))
    for wrong in ("[line.sim]\nmodem = 'unheard-of'\n", "[nothing]\n"):
        async with started(root / str(len(wrong)), watchdog_s=5, config=wrong) as service, asyncio.timeout(START_S):
            assert await service.process.wait() == never_again


async def test_what_may_be_well_the_next_time_is_tried_again(root: Path) -> None:
    file = root / "not-a-folder"
    file.write_text("")
    async with started(root, watchdog_s=5, config=f'[store]\npath = "{file}/db"\n') as service:
        async with asyncio.timeout(START_S):
            assert await service.process.wait() not in (0, int(CORE.one("RestartPreventExitStatus")))
        assert "Traceback" not in service.log.read_text()


async def test_a_core_that_hangs_leaves_its_stack_in_the_journal(root: Path) -> None:
    """SIGABRT is what the watchdog sends, systemd.service(5) WatchdogSignal."""
    async with started(root, watchdog_s=5) as service:
        await service.heard()
        service.process.send_signal(signal.SIGABRT)
        async with asyncio.timeout(START_S):
            assert await service.process.wait() == -signal.SIGABRT
        assert "Fatal Python error: Aborted" in service.log.read_text()
        assert "most recent call first" in service.log.read_text()


def test_the_units_folders_are_where_the_core_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: TEST_UID)
    for key, value in CORE.environment.items():
        monkeypatch.setenv(key, value)
    assert state_dir() == Path("/var/lib") / CORE.one("StateDirectory")
    assert default_socket_path() == Path("/run") / CORE.one("RuntimeDirectory") / "core.sock"
    assert Config().store.path is None
