"""The system bus in its own thread: real dbus-daemons, a real GLib context, python-dbusmock at the other end."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.net.bus_session import BusSession
from core.net.bus_values import ABSENT, BusFailed, Properties
from core.net.gi_import import SYSTEM_FOLDERS, import_gi
from core.net.system_bus import BusSignal, Match, SystemBus
from tests.net.netns import until
from tests.net.network_manager_bus import NAME, NetworkManagerBus, network_manager_bus
from tests.net.systemd_bus import needs_bus

pytestmark = [
    needs_bus,
    pytest.mark.skipif(import_gi() is not None, reason=import_gi() or ""),
]

DBUS = "org.freedesktop.DBus"
MANAGER = "/org/freedesktop/NetworkManager"


@asynccontextmanager
async def running(address: str) -> AsyncIterator[SystemBus]:
    bus = SystemBus(address)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bus.run(), name="test.bus")
        try:
            yield bus
        finally:
            task.cancel()


def ids(bus: BusSession) -> str:
    return str(bus.call(DBUS, "/org/freedesktop/DBus", DBUS, "GetId")[0])


async def fails(bus: SystemBus, timeout_s: float = 40.0) -> str:
    with pytest.raises(BusFailed) as failed:
        await bus.do(ids, timeout_s)
    return failed.value.name


async def test_functions_run_on_the_bus_in_a_thread_of_its_own(tmp_path: Path) -> None:
    with network_manager_bus(tmp_path, None) as there:
        async with running(there.address) as bus:
            names: list[str] = []

            def look(session: BusSession) -> str:
                names.append(threading.current_thread().name)
                return ids(session)

            assert len(await bus.do(look, 20)) == 32
            assert names == ["net-bus"]
            assert await bus.owner(DBUS) == DBUS
            assert await bus.owner("org.nobody.Here") is None
        assert not any(thread.name == "net-bus" for thread in threading.enumerate())


async def test_pydbus_proxies_work_as_their_documents_say(tmp_path: Path) -> None:
    with network_manager_bus(tmp_path) as there:
        async with running(there.address) as bus:
            found = await bus.do(lambda session: session.get(NAME, MANAGER)[NAME].Devices, 20)
            assert sorted(found) == [f"{MANAGER}/Devices/e0", f"{MANAGER}/Devices/w0"]


async def test_a_bus_that_is_not_there_is_said_at_once_and_found_when_it_comes(tmp_path: Path) -> None:
    there = NetworkManagerBus(tmp_path)
    async with running(there.address) as bus:
        started_s = time.monotonic()
        assert await fails(bus) == BusFailed.NO_BUS
        assert time.monotonic() - started_s < 20
        try:
            there.start_bus()
            await asyncio.to_thread(until, lambda: bus.connected, "the bus is not found", 45)
            assert await bus.do(ids, 20)
        finally:
            there.stop()


async def test_a_bus_that_crashes_is_found_again_and_subscriptions_with_it(tmp_path: Path) -> None:
    with network_manager_bus(tmp_path) as there:
        async with running(there.address) as bus:
            heard: asyncio.Queue[BusSignal] = asyncio.Queue()
            connected: asyncio.Queue[None] = asyncio.Queue()
            bus.on_connect(lambda: connected.put_nowait(None))
            unsubscribe = bus.subscribe(Match(NAME, NAME, "StateChanged", path=MANAGER), heard.put_nowait)
            await asyncio.wait_for(connected.get(), 20)
            before = await bus.do(ids, 20)
            there.stop()
            await asyncio.to_thread(until, lambda: not bus.connected, "its end is not seen")
            assert await fails(bus) == BusFailed.NO_BUS
            there.start_bus()
            there.start_manager()
            await asyncio.wait_for(connected.get(), 40)
            assert await bus.do(ids, 20) != before
            there.call("org.dialtone.Test.Storm", "1")
            signal = await asyncio.wait_for(heard.get(), 20)
            assert (signal.path, signal.member, signal.args) == (MANAGER, "StateChanged", (0,))
            unsubscribe()
            await bus.do(ids, 20)  # the thread has taken it in by then
            there.call("org.dialtone.Test.Storm", "1")
            await bus.do(ids, 20)
            assert heard.empty()


async def test_a_service_that_hangs_holds_nobody_beyond_the_deadline(tmp_path: Path) -> None:
    with network_manager_bus(tmp_path) as there:
        async with running(there.address) as bus:
            assert await bus.owner(NAME)
            there.freeze_manager()
            started_s = time.monotonic()
            with pytest.raises(BusFailed) as failed:
                await bus.do(lambda session: session.properties(NAME, MANAGER, NAME), 0.5)
            assert failed.value.name == BusFailed.TIMEOUT
            assert 0.4 < time.monotonic() - started_s < 20  # GDBus by itself: 25
            with pytest.raises(BusFailed) as failed:  # pydbus by itself would wait for ever
                await bus.do(lambda session: session.get(NAME, MANAGER), 0.5)
            assert failed.value.name == BusFailed.TIMEOUT
            assert await bus.do(ids, 20)  # and the thread is free again
            there.thaw_manager()


async def test_who_cancels_ends_the_call_that_is_under_way(tmp_path: Path) -> None:
    with network_manager_bus(tmp_path) as there:
        async with running(there.address) as bus:
            assert await bus.owner(NAME)
            there.freeze_manager()
            async with asyncio.TaskGroup() as group:
                hanging = group.create_task(bus.do(lambda session: session.get(NAME, MANAGER), 60))
                await asyncio.sleep(0.1)
                hanging.cancel()
            assert await bus.do(ids, 20)
            there.thaw_manager()


async def test_an_absent_service_is_named_and_never_started_by_the_bus(tmp_path: Path) -> None:
    started = tmp_path / "started"
    (tmp_path / "services").mkdir()
    service = f"[D-BUS Service]\nName={NAME}\nUser=root\nExec=/usr/bin/touch {started}\n"
    (tmp_path / "services" / f"{NAME}.service").write_text(service)
    with network_manager_bus(tmp_path, None) as there:
        async with running(there.address) as bus:
            with pytest.raises(BusFailed) as failed:
                await bus.do(lambda session: session.properties(NAME, MANAGER, NAME), 20)
            assert failed.value.name in ABSENT
            with pytest.raises(BusFailed) as failed:
                await bus.do(lambda session: session.get(NAME, MANAGER), 20)
            assert failed.value.name in ABSENT
            assert not started.exists()


async def test_a_functions_own_error_reaches_the_one_who_asked(tmp_path: Path) -> None:
    def wrong(_session: BusSession) -> None:
        raise ZeroDivisionError

    with network_manager_bus(tmp_path, None) as there:
        async with running(there.address) as bus:
            with pytest.raises(ZeroDivisionError):
                await bus.do(wrong, 20)
            assert await bus.do(ids, 20)


async def test_a_storm_of_signals_is_bounded_and_everyone_looks_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with network_manager_bus(tmp_path) as there:
        async with running(there.address) as bus:
            assert await bus.owner(NAME)
            heard: list[BusSignal] = []
            again = asyncio.Event()
            bus.on_connect(again.set)
            bus.subscribe(Match(NAME, NAME, "StateChanged"), heard.append)
            await bus.do(ids, 20)
            there.call("org.dialtone.Test.Storm", "3000")
            until(lambda: bus._dropped_count > 0, "all were kept")  # the event loop is busy with something else
            async with asyncio.timeout(30):
                await again.wait()
            assert 1000 <= len(heard) < 3000
    assert "signals of the system bus were dropped" in caplog.text


def test_what_is_missing_is_said_with_what_to_install(tmp_path: Path) -> None:
    """A program of its own each time: what is loaded stays loaded."""

    def asked(prepare: str) -> str:
        code = f"import sys\n{prepare}\nfrom core.net.system_bus import SystemBus\nprint(SystemBus.missing())"
        environment = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path / 'no-bus'}", "PATH": "/usr/bin:/bin"}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    hide = "import core.net.gi_import as g; g.import_gi.__defaults__ = ((__import__('pathlib').Path('/none'),),)"
    hide += "\nsys.modules['gi'] = None"
    assert "python3-gi" in asked(hide) and "dialtone-core[dbus]" in asked(hide)
    assert "pydbus" in asked("sys.modules['pydbus'] = None")
    assert "no system bus" in asked("")


def test_only_gi_comes_from_the_systems_folder() -> None:
    code = (
        "import sys; from core.net.gi_import import import_gi; assert import_gi() is None; import gi.repository.GLib;"
        "print([path for path in sys.path if 'dist-packages' in path]);"
        "print({m.__file__ for n, m in sys.modules.items() if 'dist-packages' in str(getattr(m, '__file__', ''))"
        " and not n.startswith('gi')})"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.split() == ["[]", "set()"], done.stderr


def test_a_gi_of_another_python_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "gi").mkdir()
    (tmp_path / "gi/__init__.py").write_text("raise SystemExit('loaded')")
    code = (
        "import sys; sys.path = [path for path in sys.path if 'dist-packages' not in path]\n"
        "from pathlib import Path; from core.net.gi_import import import_gi\n"
        f"print(import_gi((Path({str(tmp_path)!r}),)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    if not any((folder / "gi").is_dir() for folder in SYSTEM_FOLDERS) or "None" in done.stdout:
        pytest.skip("PyGObject is installed in this environment itself")
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in done.stdout, done.stdout + done.stderr


def test_values_of_another_type_are_their_types_zero() -> None:
    odd = Properties({"Id": 7, "State": "x", "Devices": "abc", "Ssid": [72, 300, "x", 105], "Data": [{"a": "b"}, 3]})
    assert (odd.text("Id"), odd.number("State"), odd.texts("Devices"), odd.path("Nothing")) == ("", 0, (), None)
    assert odd.octets("Ssid") == b"Hi"
    assert [one.text("a") for one in odd.each("Data")] == ["b"]
    assert odd.group("Data").values == {} and odd.flag("Id", True)
