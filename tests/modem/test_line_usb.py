"""A line whose modem comes from the USB: which one it takes, how it loses it, what it says of one it can't use."""

import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import ModemOffline
from core.line import CallState, EndReason, LineProgress, LineState, LineStatus
from core.modem import usb_ports
from core.modem.profile import load_profile
from core.modem.usb_sources import UsbSources
from core.modem.usb_udev import SysfsUsbSource
from tests.modem.line_desk import Desk, Emulator, desk, emulator
from tests.modem.scripted import until
from tests.modem.usb_bench import UsbBench

IMEI_2 = "862636050029329"
HERE, THERE = "1-1.3", "1-1.4"


@pytest.fixture
def usb(tmp_path: Path) -> UsbBench:
    return UsbBench(tmp_path)


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path / "one") as running:
        yield running


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path / "two", "--imei", IMEI_2) as running:
        yield running


async def _call(phone: Desk, modem: Emulator) -> int:
    """An outgoing call that was answered."""
    await modem("dial.script", outcome="answer", alert_after_s=0.05, answer_after_s=0.1)
    handle = await phone.line.dial("+447700900124")
    await phone.hears(LineProgress, lambda fact: fact.handle == handle and fact.state is CallState.ACTIVE)
    return handle


async def _ready_again(phone: Desk, before: int) -> None:
    """Ready once more, after that many facts."""
    await until(lambda: any(_is(fact, LineState.READY) for fact in phone.told[before:]), 20)


def _is(fact: object, state: LineState) -> bool:
    return isinstance(fact, LineStatus) and fact.state is state


async def test_the_only_modem_on_the_usb_is_taken_whatever_its_ports_are_called(usb: UsbBench, modem: Emulator) -> None:
    usb.plug(HERE, modem, first=7)
    async with desk(modem.config(ports_dir=None), usb=usb.source()) as phone:
        assert [status.state for status in phone.of(LineStatus)] == [LineState.STARTING, LineState.READY]
        assert phone.line.usb is not None
        assert (phone.line.usb.path, phone.line.usb.product) == (HERE, "9001")
        handle = await _call(phone, modem)
        await phone.line.hangup(handle)
        assert (await phone.released(handle)).reason is EndReason.LOCAL_HANGUP


async def test_a_modem_that_is_plugged_in_later_is_found(usb: UsbBench, modem: Emulator) -> None:
    async with desk(modem.config(ports_dir=None, lost_after_s=60), ready=False, usb=usb.source()) as phone:
        offline = await phone.is_in(LineState.OFFLINE)
        assert offline.reason is not None and "no SIMCom or Quectel device is on the USB" in offline.reason
        with pytest.raises(ModemOffline):
            await phone.line.dial("+447700900124")
        assert phone.line.usb is None
        usb.plug(HERE, modem)
        await phone.is_in(LineState.READY)


async def test_of_two_identical_sticks_each_line_has_its_own_also_when_their_numbers_change_places(
    usb: UsbBench, modem: Emulator, other: Emulator
) -> None:
    usb.plug(HERE, modem, first=0)
    usb.plug(THERE, other, first=5)
    first_config = modem.config(ports_dir=None, usb_path=HERE)
    second_config = modem.config(ports_dir=None, usb_path=THERE)
    async with desk(first_config, usb=usb.source()) as first, desk(second_config, usb=usb.source()) as second:
        assert first.line.info.imei != IMEI_2
        assert second.line.info.imei == IMEI_2
        before, before_2 = len(first.told), len(second.told)
        usb.unplug(HERE)
        usb.unplug(THERE)
        usb.plug(THERE, other, first=0)
        usb.plug(HERE, modem, first=5)
        await _ready_again(first, before)
        await _ready_again(second, before_2)
        assert first.line.info.imei != IMEI_2
        assert second.line.info.imei == IMEI_2


async def test_two_identical_sticks_and_no_choice_makes_the_line_say_how_to_choose(
    usb: UsbBench, modem: Emulator, other: Emulator
) -> None:
    usb.plug(HERE, modem, first=0)
    usb.plug(THERE, other, first=5)
    async with desk(modem.config(ports_dir=None), ready=False, usb=usb.source()) as phone:
        failed = await phone.is_in(LineState.FAILED)
        assert failed.reason is not None
        assert HERE in failed.reason and THERE in failed.reason and "usb_path = " in failed.reason
        usb.unplug(THERE)
        await phone.is_in(LineState.READY)
        assert phone.line.usb is not None and phone.line.usb.path == HERE


async def test_a_line_for_one_family_leaves_the_other_alone(usb: UsbBench, modem: Emulator, other: Emulator) -> None:
    usb.plug(THERE, other, first=5, usb_id="2c7c:0125")
    async with desk(modem.config(ports_dir=None, lost_after_s=60), ready=False, usb=usb.source()) as phone:
        offline = await phone.is_in(LineState.OFFLINE)
        assert offline.reason is not None and "EC25" in offline.reason
        usb.plug(HERE, modem, first=0)
        await phone.is_in(LineState.READY)
        assert phone.line.usb is not None and phone.line.usb.path == HERE
        assert (await other("modem.status"))["commands"] == 0


async def test_a_call_on_one_stick_feels_nothing_of_another_that_comes_and_goes(
    usb: UsbBench, modem: Emulator, other: Emulator
) -> None:
    usb.plug(HERE, modem, first=0)
    source = usb.source()
    async with desk(modem.config(ports_dir=None), usb=source) as phone:
        handle = await _call(phone, modem)
        told = len(phone.of(LineStatus))
        usb.plug(THERE, other, first=5)
        await until(lambda: len(source.devices()) == 2)
        usb.unplug(THERE)
        await until(lambda: len(source.devices()) == 1)
        assert len(phone.of(LineStatus)) == told
        await phone.line.hangup(handle)
        assert (await phone.released(handle)).reason is EndReason.LOCAL_HANGUP


async def test_a_replug_under_new_numbers_ends_the_call_at_once_and_is_found_again(
    usb: UsbBench, modem: Emulator
) -> None:
    usb.plug(HERE, modem, first=0)
    async with desk(modem.config(ports_dir=None, lost_after_s=60), usb=usb.source()) as phone:
        handle = await _call(phone, modem)
        before = len(phone.told)
        await modem("usb.unplug")
        usb.unplug(HERE)
        assert (await phone.released(handle)).reason is EndReason.MODEM_LOST
        away = await phone.is_in(LineState.RECONNECTING)
        assert away.reason is not None and "no answer" not in away.reason  # it was not waited for
        await modem("usb.replug")
        usb.plug(HERE, modem, first=5)
        await _ready_again(phone, before)
        assert not any(status.lost for status in phone.of(LineStatus))
        assert phone.line.usb is not None and phone.line.usb.ports[2].endswith("ttyUSB7")
        await phone.line.hangup(await _call(phone, modem))


async def test_a_stick_that_leaves_the_usb_without_hanging_up_its_ports_is_lost_as_well(
    usb: UsbBench, modem: Emulator
) -> None:
    usb.plug(HERE, modem)
    async with desk(modem.config(ports_dir=None), usb=usb.source()) as phone:
        handle = await _call(phone, modem)
        usb.unplug(HERE)
        assert (await phone.released(handle)).reason is EndReason.MODEM_LOST
        gone = await phone.is_in(LineState.RECONNECTING)
        assert gone.reason == f"unplugged from USB {HERE}"
        await phone.hears(LineStatus, lambda status: status.lost)


async def test_another_enumeration_ends_the_life_even_if_all_names_are_as_before(
    usb: UsbBench, modem: Emulator
) -> None:
    usb.plug(HERE, modem)
    async with desk(modem.config(ports_dir=None), usb=usb.source()) as phone:
        before = len(phone.told)
        usb.renumber(HERE)
        gone = await phone.is_in(LineState.RECONNECTING)
        assert gone.reason == f"plugged in anew at USB {HERE}"
        await _ready_again(phone, before)


async def test_a_stick_that_is_back_and_being_configured_is_not_lost_until_it_goes_again(
    usb: UsbBench, modem: Emulator
) -> None:
    config = modem.config(ports_dir=None, lost_after_s=6.0, at_gap_s=0.6)  # bringing it up takes longer so
    async with desk(config, ready=False, usb=usb.source()) as phone:
        await phone.is_in(LineState.OFFLINE)
        gone_s = time.monotonic()
        usb.plug(HERE, modem)
        await phone.is_in(LineState.STARTING)
        await until(lambda: time.monotonic() > gone_s + 6.8)
        assert [status.state for status in phone.of(LineStatus)] == [LineState.OFFLINE, LineState.STARTING]
        usb.unplug(HERE)
        lost = await phone.hears(LineStatus, lambda status: status.lost, within_s=5.5)  # not only after 6 s more
        assert lost.state is LineState.OFFLINE


async def test_a_life_ends_with_one_of_its_own_ports_and_not_with_another(usb: UsbBench, modem: Emulator) -> None:
    usb.plug(HERE, modem)
    source = usb.source()
    async with desk(modem.config(ports_dir=None), usb=source) as phone:
        told = len(phone.of(LineStatus))
        usb.tree.dev.joinpath("ttyUSB0").unlink()  # DIAG
        await until(lambda: 0 not in source.devices()[0].ports)
        seen = source.scans
        await until(lambda: source.scans > seen + 5)
        assert len(phone.of(LineStatus)) == told
        before = len(phone.told)
        usb.tree.dev.joinpath("ttyUSB4").unlink()
        lost = await phone.is_in(LineState.RECONNECTING)
        assert lost.reason is not None and "changed" in lost.reason
        (usb.tree.dev / "ttyUSB4").symlink_to((modem.folder / "if04").resolve())
        await _ready_again(phone, before)


async def test_a_stick_without_all_its_ports_is_waited_for_and_then_explained(
    usb: UsbBench, modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usb_ports, "MOST_S", 1.0)
    started_s = time.monotonic()
    usb.plug(HERE, modem, interfaces=(0, 1, 2, 3))
    async with desk(modem.config(ports_dir=None, lost_after_s=60), ready=False, usb=usb.source()) as phone:
        failed = await phone.is_in(LineState.FAILED)
        assert failed.reason is not None
        assert "Ports missing: pcm" in failed.reason and "no kernel driver took it" in failed.reason
        assert time.monotonic() - started_s > 1.0
        usb.add(HERE, 4, "ttyUSB4", modem)
        await phone.is_in(LineState.READY)


async def test_where_there_is_no_usb_at_all_the_line_waits_and_nothing_is_complained_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = SysfsUsbSource(str(tmp_path / "no-sys"), str(tmp_path / "no-dev"), monitor=lambda: None, rescan_s=0.01)
    config = Emulator(tmp_path).config(ports_dir=None, lost_after_s=60)
    async with desk(config, ready=False, usb=source) as phone:
        await phone.is_in(LineState.OFFLINE)
        await until(lambda: source.scans > 5)
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_without_events_a_replug_under_the_same_names_is_not_taken_for_the_stick_before_it(
    usb: UsbBench, modem: Emulator
) -> None:
    usb.plug(HERE, modem)
    source = SysfsUsbSource(str(usb.tree.root), str(usb.tree.dev), monitor=lambda: None, rescan_s=3600)
    async with desk(modem.config(ports_dir=None), usb=source) as phone:
        first = phone.line.usb
        before = len(phone.told)
        await modem("usb.unplug")
        await phone.is_in(LineState.RECONNECTING)
        await modem("usb.replug")
        usb.replug(HERE, modem)
        await _ready_again(phone, before)
        assert first is not None and phone.line.usb is not None
        assert not phone.line.usb.same_plug(first)


async def test_ports_given_by_name_are_found_again_after_a_replug(modem: Emulator) -> None:
    names = {"at_port": "if02", "voice_port": "if03", "pcm_port": "if04"}
    ports = {key: str(modem.folder / link) for key, link in names.items()}
    async with desk(modem.config(ports_dir=None, **ports)) as phone:
        assert phone.line.usb is None
        before = len(phone.told)
        await modem("usb.unplug")
        await phone.is_in(LineState.RECONNECTING)
        await modem("usb.replug")
        await _ready_again(phone, before)


async def test_a_killed_emulator_that_left_its_links_is_found_when_it_is_there_again(tmp_path: Path) -> None:
    folder = tmp_path / "ports"
    async with emulator(folder) as first, desk(first.config()) as phone:
        await first.end(signal.SIGKILL)
        await phone.is_in(LineState.RECONNECTING)
        before = len(phone.told)
        (folder / "control.sock").unlink(missing_ok=True)
        async with emulator(folder):
            await _ready_again(phone, before)


def test_the_lines_of_a_daemon_share_one_look_at_the_usb_and_one_at_each_folder(tmp_path: Path) -> None:
    sources, profile = UsbSources(), load_profile("sim7600")
    config = Emulator(tmp_path).config
    usb = [sources.for_line(config(ports_dir=None, usb_path=path), profile) for path in (HERE, THERE)]
    assert usb[0] is usb[1] is not None
    folders = [sources.for_line(config(ports_dir=f"{tmp_path}/{name}"), profile) for name in ("a", "a/", "b")]
    assert folders[0] is folders[1] is not folders[2]
    named = config(ports_dir=None, at_port="/dev/a", voice_port="/dev/b", pcm_port="/dev/c")
    assert sources.for_line(named, profile) is None
