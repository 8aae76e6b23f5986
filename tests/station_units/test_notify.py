"""What systemd hears of a service: core/notify.py, and its like for clients."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import clients.cli.notify
import core.notify
from tests.station_units.unit_file import manager_socket

BOTH = pytest.mark.parametrize("module", [core.notify, clients.cli.notify], ids=["core", "clients"])


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with manager_socket(tmp_path / "notify") as sock:
        yield sock


async def heard(manager: socket.socket, timeout_s: float = 30.0) -> str:
    async with asyncio.timeout(timeout_s):
        return (await asyncio.get_running_loop().sock_recv(manager, 4096)).decode()


async def last_word(manager: socket.socket) -> str:
    """What is told after the signs of life, of which a slow machine may have some more than were waited for."""
    while (told := await heard(manager)).startswith("WATCHDOG=1"):
        pass
    return told


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "notify"), **more}


@BOTH
async def test_readiness_is_told_once_and_life_twice_as_often_as_asked(
    module: ModuleType, manager: socket.socket, tmp_path: Path
) -> None:
    given = environment(tmp_path, WATCHDOG_USEC="200000", WATCHDOG_PID=str(os.getpid()))
    calls, before = 0, time.monotonic()
    with module.ServiceManager.of_environment(given).told(lambda: f"{calls} calls"):
        assert await heard(manager) == "READY=1\nWATCHDOG=1\nSTATUS=0 calls"
        calls = 3
        assert await heard(manager) == "WATCHDOG=1\nSTATUS=3 calls"
        assert await heard(manager) == "WATCHDOG=1\nSTATUS=3 calls"
        assert time.monotonic() - before >= 0.15
    assert await last_word(manager) == "STOPPING=1"
    assert given == {}, "what the service starts must not speak for it"


@BOTH
async def test_a_loop_that_hangs_is_heard_of_by_silence(
    module: ModuleType, manager: socket.socket, tmp_path: Path
) -> None:
    with module.ServiceManager.of_environment(environment(tmp_path, WATCHDOG_USEC="100000")).told(lambda: ""):
        await heard(manager)
        time.sleep(0.4)  # noqa: ASYNC251 - this is the hang
        with pytest.raises(BlockingIOError):
            manager.recv(100)
        assert "WATCHDOG=1" in await heard(manager)


@BOTH
async def test_without_a_service_manager_nothing_happens(module: ModuleType) -> None:
    for given in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}):
        manager = module.ServiceManager.of_environment(dict(given))
        loop = asyncio.get_running_loop()
        scheduled = len(loop._scheduled)  # type: ignore[attr-defined]
        with manager.told(lambda: "never asked"):
            assert len(loop._scheduled) == scheduled  # type: ignore[attr-defined]
        assert manager.address is None


@BOTH
async def test_an_abstract_socket_is_understood(module: ModuleType) -> None:
    name = f"dialtone-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.setblocking(False)
        with module.ServiceManager.of_environment({"NOTIFY_SOCKET": f"@{name}"}).told(lambda: "well"):
            assert await heard(manager) == "READY=1\nWATCHDOG=1\nSTATUS=well"


@BOTH
def test_a_watchdog_for_another_process_is_not_ours(module: ModuleType) -> None:
    given = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}
    assert module.ServiceManager.of_environment(given).every_s == module.STATUS_EVERY_S


@BOTH
async def test_readiness_that_systemd_had_no_room_for_is_told_again(
    module: ModuleType, manager: socket.socket, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as crowd:
        crowd.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                crowd.sendto(b"others", str(tmp_path / "notify"))
        with module.ServiceManager.of_environment(environment(tmp_path)).told(lambda: ""):
            async with asyncio.timeout(30):
                while "READY=1" not in await heard(manager):
                    pass


@BOTH
async def test_a_status_that_fails_does_not_stop_the_pulse(
    module: ModuleType, manager: socket.socket, tmp_path: Path
) -> None:
    def broken() -> str:
        raise ValueError("no status")

    with module.ServiceManager.of_environment(environment(tmp_path, WATCHDOG_USEC="100000")).told(broken):
        assert await heard(manager) == "READY=1\nWATCHDOG=1"
        assert await heard(manager) == "WATCHDOG=1"


@pytest.mark.parametrize("name", ["http", "spool", "receptionist", "helper"])
async def test_each_client_says_when_it_serves_and_when_it_stops(
    name: str, manager: socket.socket, tmp_path: Path
) -> None:
    """Without a core: a client is up before it."""
    words = {
        "http": ["clients.cli.main", "http", "--config", f"{tmp_path}/http.toml"],
        "spool": ["clients.cli.main", "spool", "--config", f"{tmp_path}/spool.toml", "--make-dirs"],
        "receptionist": ["clients.brains.receptionist", "--messages", f"{tmp_path}/messages"],
        "helper": ["clients.cli.main", "helper", "--for-user", str(os.getuid()), "--listen", f"{tmp_path}/h/s"],
    }[name]
    (tmp_path / "http.toml").write_text(f'tokens = "{tmp_path}/tokens.toml"\n[[listen]]\nport = 0\n')
    (tmp_path / "spool.toml").write_text(f'root = "{tmp_path}/sms"\n')
    more = environment(tmp_path, WATCHDOG_USEC="400000", DIALTONE_SOCKET=str(tmp_path / "core.sock"))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *words, env=os.environ | more, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        told = [await heard(manager), await heard(manager)]
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            code = await child.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
    assert told[0].startswith("READY=1") and told[1].startswith("WATCHDOG=1")
    assert code == 0
    assert await last_word(manager) == "STOPPING=1"


@pytest.mark.parametrize(
    ("words", "config"),
    [
        (("bridge",), '[outbox]\npath = "{0}/bridge.db"\n[[webhook]]\nname = "x"\nurl = "http://127.0.0.1:9/"\n'),
        (("http",), 'tokens = "{0}/tokens.toml"\n[[listen]]\nport = 0\nserves = ["modern"]\n'),
    ],
    ids=["bridge", "http"],
)
async def test_a_client_says_when_it_serves_and_when_it_ends(
    manager: socket.socket, tmp_path: Path, words: tuple[str, ...], config: str
) -> None:
    (tmp_path / "it.toml").write_text(config.format(tmp_path))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "clients.cli.main", *words, "--config", str(tmp_path / "it.toml"),
        "--socket", str(tmp_path / "no.sock"), env=os.environ | environment(tmp_path, WATCHDOG_USEC="30000000"),
    )  # fmt: skip
    try:
        assert (await heard(manager)).startswith("READY=1\nWATCHDOG=1\nSTATUS=")
        process.send_signal(signal.SIGTERM)
        assert await last_word(manager) == "STOPPING=1"
        async with asyncio.timeout(30):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
