"""A modem on the USB that can't be used as it is: another composition, or a port that somebody else has."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.line import LineState, LineStatus
from core.modem import modem as line_modem
from core.modem import port, usb_lock, usb_switch
from core.modem.usb_holder import PortHeld, lock_name
from core.modem.usb_lock import PortLock
from core.modem.usb_roles import SWITCH_TO_9001
from tests.modem.line_desk import Desk, Emulator, desk, emulator
from tests.modem.scripted import ScriptedModem, scripted_modem, until
from tests.modem.usb_bench import UsbBench

HERE = "1-1.3"
RNDIS_AT = 4
"""The AT interface of 1e0e:9011; the second one is 5."""

HOLDS = """
import fcntl, os, sys
open("/proc/self/comm", "w").write(sys.argv[2])
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
fcntl.flock(fd, fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def usb(tmp_path: Path) -> UsbBench:
    return UsbBench(tmp_path)


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path / "one") as running:
        yield running


@pytest.fixture
async def rndis() -> AsyncIterator[ScriptedModem]:
    with scripted_modem() as scripted:
        yield scripted


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lock files of our own: those of the machine are for real modems."""
    folder = tmp_path / "lock"
    folder.mkdir()
    monkeypatch.setattr(usb_lock, "LOCK_FOLDERS", (str(folder),))
    return folder


@contextmanager
def holder(tty: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """A program of that name that has the tty open and locked, as another daemon would."""
    command = [sys.executable, "-c", HOLDS, str(tty), name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.stdin.close()


@contextmanager
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A living program that has nothing open."""
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            yield process
        finally:
            process.kill()


def _pids(locks: Path) -> dict[str, int]:
    """What the lock files say."""
    return {path.name: int(path.read_text()) for path in locks.iterdir()}


async def _failed(phone: Desk, text: str) -> str:
    """The reason of a failure that says that."""
    status = await phone.hears(LineStatus, lambda fact: fact.state is LineState.FAILED and text in (fact.reason or ""))
    assert status.reason is not None
    return status.reason


# --- another composition ---------------------------------------------------------------------------------------------


async def test_another_composition_is_explained_and_left_alone_unless_configured(
    usb: UsbBench, modem: Emulator, rndis: ScriptedModem
) -> None:
    usb.plug_as(HERE, "9011", {RNDIS_AT: rndis.path})
    source = usb.source()
    async with desk(modem.config(ports_dir=None), ready=False, usb=source) as phone:
        reason = await _failed(phone, "RNDIS")
        assert HERE in reason and SWITCH_TO_9001 in reason and "switch_composition = true" in reason
        seen = source.scans
        await until(lambda: source.scans > seen + 10)
        assert rndis.heard == []


async def test_a_composition_without_a_way_back_is_explained_without_offering_one(
    usb: UsbBench, modem: Emulator, rndis: ScriptedModem
) -> None:
    usb.plug_as(HERE, "9206", {RNDIS_AT: rndis.path})
    config = modem.config(ports_dir=None, switch_composition=True)
    async with desk(config, ready=False, usb=usb.source()) as phone:
        reason = await _failed(phone, "can't make calls over USB")
        assert "switch_composition" not in reason
        assert rndis.heard == []


async def test_a_configured_switch_is_sent_once_said_and_the_modem_is_taken_when_it_is_back(
    usb: UsbBench, modem: Emulator, rndis: ScriptedModem
) -> None:
    usb.plug_as(HERE, "9011", {RNDIS_AT: rndis.path})
    config = modem.config(ports_dir=None, switch_composition=True)
    async with desk(config, ready=False, usb=usb.source()) as phone:
        await _failed(phone, "Dialtone is switching it now")
        reason = await _failed(phone, "it restarts; waiting for it to come back as 1e0e:9001")
        assert "ttyUSB0" in reason
        assert rndis.heard.count(SWITCH_TO_9001) == 1
        rndis.unplug()
        usb.unplug(HERE)
        await phone.is_in(LineState.RECONNECTING)
        usb.plug(HERE, modem)
        await phone.is_in(LineState.READY)
    assert rndis.heard.count(SWITCH_TO_9001) == 1


async def test_a_modem_that_comes_back_as_it_was_is_not_switched_in_circles(
    usb: UsbBench, modem: Emulator, rndis: ScriptedModem, monkeypatch: pytest.MonkeyPatch
) -> None:
    usb.plug_as(HERE, "9011", {RNDIS_AT: rndis.path})
    source = usb.source()
    config = modem.config(ports_dir=None, switch_composition=True)
    async with desk(config, ready=False, usb=source) as phone:
        await _failed(phone, "it restarts; waiting")
        usb.unplug(HERE)
        await phone.is_in(LineState.RECONNECTING)
        before = len(phone.told)
        with scripted_modem() as again:
            usb.plug_as(HERE, "9011", {RNDIS_AT: again.path})
            await until(lambda: len(phone.told) > before)
            seen = source.scans
            await until(lambda: source.scans > seen + 10)
            assert again.heard == []
            assert "waiting for it to come back" in (phone.line.info.reason or "")
            monkeypatch.setattr(usb_switch, "AGAIN_S", 0.0)  # five minutes later
            usb.tree.interface(HERE, 7, "option")  # anything that makes it look
            await again.hears(SWITCH_TO_9001)


async def test_a_modem_that_refuses_to_switch_is_said_to_and_not_asked_on_its_other_port(
    usb: UsbBench, modem: Emulator, rndis: ScriptedModem
) -> None:
    rndis.answers[SWITCH_TO_9001] = b"\r\nERROR\r\n"
    with scripted_modem() as second:
        usb.plug_as(HERE, "9011", {RNDIS_AT: rndis.path, RNDIS_AT + 1: second.path})
        config = modem.config(ports_dir=None, switch_composition=True)
        async with desk(config, ready=False, usb=usb.source()) as phone:
            reason = await _failed(phone, "it refused (ERROR)")
            assert "the next try is in 5 minutes" in reason
            assert second.heard == []


async def test_a_port_with_anothers_lock_file_is_not_used_for_the_switch(
    usb: UsbBench, modem: Emulator, rndis: ScriptedModem, locks: Path
) -> None:
    usb.plug_as(HERE, "9011", {RNDIS_AT: rndis.path})
    config = modem.config(ports_dir=None, switch_composition=True)
    with bystander() as program:
        (locks / lock_name(rndis.path)).write_text(f"{program.pid:10d}\n")
        async with desk(config, ready=False, usb=usb.source()) as phone:
            await _failed(phone, f"sleep (process {program.pid}) has port ttyUSB0")
            assert rndis.heard == []


async def test_a_port_that_does_not_answer_or_is_held_leaves_the_switch_to_the_next_one(
    usb: UsbBench, modem: Emulator, rndis: ScriptedModem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "SYNC_GAP_S", 0.05)
    with scripted_modem() as silent, scripted_modem() as taken:
        silent.otherwise = None
        with holder(Path(taken.path), "smsd") as program:
            # No map is known of 9025: all but the lowest are tried.
            ports = {0: silent.path, 1: silent.path, 2: taken.path, 3: rndis.path}
            usb.plug_as(HERE, "9025", ports)
            config = modem.config(ports_dir=None, switch_composition=True)
            async with desk(config, ready=False, usb=usb.source()) as phone:
                reason = await _failed(phone, "it restarts; waiting")
                assert "Port ttyUSB1 did not answer AT." in reason
                assert f"smsd (process {program.pid}) has port ttyUSB2" in reason
                assert "systemctl disable --now smstools" in reason
                assert f"{SWITCH_TO_9001} went to port ttyUSB3" in reason


# --- a port that somebody has --------------------------------------------------------------------------------


async def test_a_port_that_modem_manager_has_is_told_with_the_fix_and_taken_when_it_is_free(
    usb: UsbBench, modem: Emulator
) -> None:
    usb.plug(HERE, modem)
    with holder(modem.folder / "if02", "ModemManager") as program:
        async with desk(modem.config(ports_dir=None), ready=False, usb=usb.source()) as phone:
            reason = await _failed(phone, "ModemManager")
            assert f"ModemManager (process {program.pid}) has port ttyUSB2" in reason
            assert 'ENV{ID_MM_DEVICE_IGNORE}="1"' in reason
            program.kill()
            await phone.is_in(LineState.READY)


async def test_a_replug_ends_the_wait_for_a_port_that_somebody_had(
    usb: UsbBench, modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_modem, "LOOK_S", 15.0)  # so that the pause is 30 s from the first time on
    usb.plug(HERE, modem)
    with holder(modem.folder / "if02", "minicom") as program:
        async with desk(modem.config(ports_dir=None), ready=False, usb=usb.source()) as phone:
            await _failed(phone, "Leave minicom")
            program.kill()
            program.wait()
            usb.unplug(HERE)
            usb.plug(HERE, modem, first=5)
            await phone.is_in(LineState.READY, within_s=25)


async def test_ports_are_locked_while_they_are_used_and_free_afterwards(
    usb: UsbBench, modem: Emulator, locks: Path
) -> None:
    usb.plug(HERE, modem)
    names = [lock_name(str(modem.folder / link)) for link in ("if02", "if03", "if04")]
    async with desk(modem.config(ports_dir=None), usb=usb.source()) as phone:
        assert _pids(locks) == dict.fromkeys(names, os.getpid())
        usb.unplug(HERE)
        await phone.is_in(LineState.RECONNECTING)
        await until(lambda: _pids(locks) == {})


async def test_a_lock_file_of_a_living_program_keeps_the_line_from_its_ports(
    usb: UsbBench, modem: Emulator, locks: Path
) -> None:
    usb.plug(HERE, modem)
    with bystander() as program:
        lock = locks / lock_name(str(modem.folder / "if03"))
        lock.write_text(f"{program.pid:10d}\n")
        async with desk(modem.config(ports_dir=None), ready=False, usb=usb.source()) as phone:
            reason = await _failed(phone, "sleep")
            assert f"sleep (process {program.pid}) has port ttyUSB3" in reason
            assert (await modem("modem.status"))["commands"] == 0
            assert lock.exists()
            program.kill()
            program.wait()
            await phone.is_in(LineState.READY)


def test_of_several_locks_none_is_kept_when_one_is_refused(tmp_path: Path, locks: Path) -> None:
    with bystander() as program:
        free, held = tmp_path / "a", tmp_path / "b"
        (locks / lock_name(str(held))).write_text(f"{program.pid:10d}\n")
        with pytest.raises(PortHeld), usb_lock.locked([str(free), str(held)]):
            pass
        with PortLock(str(free)) as lock:
            assert lock.file is not None
