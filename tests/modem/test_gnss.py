"""Positioning of a line: on the emulated modem as a whole, and on scripted ports where a modem must misbehave."""

import asyncio
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import ModemOffline, ModemRefused, Unsupported
from core.line import AudioVerdict, CallState, LineEvent, LineFix, LineProgress, LineState, LineStatus
from core.modem import gnss
from core.modem.gnss import Positioning, Receiver
from core.modem.port import AtPort
from core.modem.profile import GnssProfile, load_profile
from tests.modem.line_desk import Emulator, desk, emulator
from tests.modem.scripted import OK, ScriptedModem, running, scripted_modem, until
from tests.modem.test_gnss_fix import gga, rmc

HERE = {"north": 52.52, "east": 13.405, "metres": 34.0}
START, STOP, STATE, WHERE = "AT+CGPS=1,1", "AT+CGPS=0", "AT+CGPS?", "AT+CGPSINFO"
NO = b"\r\nERROR\r\n"


def profile() -> GnssProfile:
    found = load_profile("sim7600").gnss
    assert found is not None
    return found


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path) as started:
        await started("gps.set", **HERE, stop_s=0.1, restart_s=0.1)
        yield started


def opens(path: str) -> int:
    """How often this process has that tty open."""
    device, found = os.path.realpath(path), 0
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{fd}") == device
    return found


def has_open(path: Path) -> bool:
    return opens(str(path)) > 0


# --- on the emulated modem --------------------------------------------------------------------------------------------


async def test_fixes_come_once_a_second_from_the_nmea_port(modem: Emulator) -> None:
    async with desk(modem.config()) as phone:
        assert phone.line.location is None
        await phone.line.locate(True)
        fix = await phone.hears(LineFix)
        assert (fix.latitude, fix.longitude, fix.altitude_m, fix.satellites) == (52.52, 13.405, 34.0, 8)
        assert fix.fixed_unix_s is not None
        assert abs(fix.fixed_unix_s - datetime.now(UTC).timestamp()) < 20
        began_s = time.monotonic()
        await phone.hears(LineFix, lambda _: len(phone.of(LineFix)) >= 4)
        assert time.monotonic() - began_s > 1.5
        assert phone.line.location == phone.of(LineFix)[-1]
        assert has_open(modem.folder / "if01")


async def test_while_it_is_off_no_port_is_open_and_nothing_is_asked(modem: Emulator) -> None:
    async with desk(modem.config()) as phone:
        await until(lambda: phone.line.info.operator is not None)
        assert not has_open(modem.folder / "if01")
        await phone.line.locate(True)
        await phone.hears(LineFix)
        await phone.line.locate(False)
        assert not has_open(modem.folder / "if01")
        assert phone.line.location is None
        told = len(phone.of(LineFix))
        await asyncio.sleep(1.2)
        assert len(phone.of(LineFix)) == told


def test_the_parser_of_sentences_is_not_loaded_before_it_is_needed() -> None:
    asked = "import sys, core.daemon; from core.modem.profile import load_profile; load_profile('sim7600')"
    ran = subprocess.run(
        [sys.executable, "-c", f"{asked}; print('pynmea2' in sys.modules)"], capture_output=True, check=True
    )
    assert ran.stdout.strip() == b"False"


async def test_gnss_in_the_configuration_starts_it_in_each_life(modem: Emulator) -> None:
    async with desk(modem.config(gnss=True)) as phone:
        await phone.hears(LineFix)
        await modem("modem.reset")
        await phone.is_in(LineState.RECONNECTING)
        assert phone.line.location is None
        before = len(phone.of(LineFix))
        await phone.hears(LineFix, lambda _: len(phone.of(LineFix)) > before, within_s=20)


async def test_a_wish_outlives_the_life_that_it_was_made_in(modem: Emulator) -> None:
    async with desk(modem.config()) as phone:
        await phone.line.locate(True)
        await phone.hears(LineFix)
        await modem("usb.unplug")
        await phone.is_in(LineState.RECONNECTING)
        with pytest.raises(ModemOffline):
            await phone.line.locate(True)
        before = len(phone.of(LineFix))
        await modem("usb.replug", renumber=True)
        await phone.hears(LineFix, lambda _: len(phone.of(LineFix)) > before, within_s=20)


async def test_it_can_be_switched_off_while_the_modem_is_away(modem: Emulator) -> None:
    async with desk(modem.config()) as phone:
        await phone.line.locate(True)
        await phone.hears(LineFix)
        await modem("usb.unplug")
        await phone.is_in(LineState.RECONNECTING)
        await phone.line.locate(False)
        await modem("usb.replug")
        await phone.hears(LineStatus, lambda _: phone.of(LineStatus)[-1].state is LineState.READY)
        await asyncio.sleep(1.0)
        assert phone.line.location is None


async def test_a_restart_waits_until_the_receiver_has_stopped(modem: Emulator) -> None:
    await modem("gps.set", stop_s=1.5, restart_s=1.5)
    async with desk(modem.config()) as phone:
        await phone.line.locate(True)
        began_s = time.monotonic()
        await phone.line.locate(False)
        await phone.line.locate(True)
        assert 1.2 < time.monotonic() - began_s < 20
        await phone.hears(LineFix)


async def test_a_restart_that_is_refused_is_tried_again(modem: Emulator) -> None:
    await modem("gps.set", stop_s=0.1, restart_s=2.0)
    async with desk(modem.config()) as phone:
        await phone.line.locate(True)
        await phone.line.locate(False)
        await phone.line.locate(True)
        await phone.hears(LineFix)


async def test_a_receiver_that_runs_already_is_taken_over(modem: Emulator) -> None:
    async with desk(modem.config()) as phone:
        await phone.line.locate(True)
        await phone.hears(LineFix)
    async with desk(modem.config()) as phone:  # the modem was not told that the first one ended
        await phone.line.locate(True)
        await phone.hears(LineFix)


async def test_what_was_left_running_can_be_switched_off(modem: Emulator) -> None:
    async with desk(modem.config()) as phone:
        await phone.line.locate(True)
    async with desk(modem.config()) as phone:
        await phone.line.locate(False)
        await modem("gps.set", restart_s=0.0)
        await phone.line.locate(True)
        await phone.hears(LineFix)


async def test_switching_on_twice_and_off_twice_is_no_error(modem: Emulator) -> None:
    async with desk(modem.config()) as phone:
        for on in (False, True, True, False, False):
            await phone.line.locate(on)


async def test_the_loss_of_a_fix_is_told_once(modem: Emulator) -> None:
    async with desk(modem.config()) as phone:
        await phone.line.locate(True)
        await phone.hears(LineFix)
        await modem("gps.set", north=None)
        await phone.hears(LineFix, lambda fix: fix.latitude is None)
        told = len(phone.of(LineFix))
        await asyncio.sleep(2.2)
        assert len(phone.of(LineFix)) == told
        assert phone.line.location is not None and phone.line.location.latitude is None
        await modem("gps.set", **HERE)
        await phone.hears(LineFix, lambda _: len(phone.of(LineFix)) > told)


async def test_without_an_nmea_port_the_modem_is_asked(modem: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gnss, "POLL_S", 0.3)
    ports = {
        name: str(modem.folder / link)
        for name, link in (("at_port", "if02"), ("voice_port", "if03"), ("pcm_port", "if04"))
    }
    async with desk(modem.config(ports_dir=None, **ports)) as phone:
        await phone.line.locate(True)
        fix = await phone.hears(LineFix)
        assert (fix.latitude, fix.longitude, fix.altitude_m) == (52.52, 13.405, 34.0)
        assert not has_open(modem.folder / "if01")


async def test_when_nothing_comes_from_the_nmea_port_the_modem_is_asked(
    modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gnss, "POLL_S", 0.3)
    monkeypatch.setattr(gnss, "SILENT_S", 0.5)
    await modem("gps.set", silent=True)
    async with desk(modem.config()) as phone:
        await phone.line.locate(True)
        await phone.hears(LineFix)
        assert has_open(modem.folder / "if01")


async def test_an_nmea_port_that_another_program_has_costs_nothing_else(
    modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gnss, "POLL_S", 0.3)
    fd = os.open(modem.folder / "if01", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        async with desk(modem.config()) as phone:
            await phone.line.locate(True)
            await phone.hears(LineFix)
            assert opens(str(modem.folder / "if01")) == 1
            assert phone.of(LineStatus)[-1].state is LineState.READY
    finally:
        os.close(fd)


async def test_a_modem_without_a_receiver_refuses_and_the_line_stays_as_it_was(modem: Emulator) -> None:
    await modem("fault.set", kind="error_reply", command="CGPS", text="ERROR")
    async with desk(modem.config()) as phone:
        with pytest.raises(ModemRefused):
            await phone.line.locate(True)
        assert phone.line.location is None
        assert [status.state for status in phone.of(LineStatus)] == [LineState.STARTING, LineState.READY]
        await modem("fault.clear")
        await phone.line.locate(True)
        await phone.hears(LineFix)


async def test_a_call_is_not_disturbed(modem: Emulator) -> None:
    async with desk(modem.config()) as phone:
        await phone.line.locate(True)
        await phone.hears(LineFix)
        await modem("dial.script", outcome="answer", alert_after_s=0.05, answer_after_s=0.1)
        handle = await phone.line.dial("+447700900124")
        await phone.hears(LineProgress, lambda fact: fact.state is CallState.ACTIVE)
        audio = await phone.line.open_audio(handle)
        before = len(phone.of(LineFix))
        async with asyncio.timeout(30):
            while len(phone.of(LineFix)) < before + 2:
                await audio.read()
            await phone.line.locate(False)
            await phone.line.locate(True)
        report = await phone.line.close_audio(handle)
        await phone.line.hangup(handle)
        assert report is not None and report.attempts == 1
        assert report.verdict in (AudioVerdict.HEALTHY, AudioVerdict.SUSPECT)
        await phone.released(handle)


# --- on scripted ports ------------------------------------------------------------------------------------------------


@dataclass
class Rig:
    """Positioning on one AT port and one NMEA port, both with a person at the other end."""

    at: ScriptedModem
    nmea: ScriptedModem
    positioning: Positioning
    told: list[LineEvent]
    link: Path
    in_call: bool = False

    @property
    def listens(self) -> bool:
        """Whether the NMEA port is open; the far end of a pty has it open as well."""
        return opens(self.nmea.path) > 1

    def fixes(self) -> list[LineFix]:
        return [fact for fact in self.told if isinstance(fact, LineFix)]

    def unplug_nmea(self) -> None:
        self.link.unlink()  # first: somebody else may get the same pty a moment later
        self.nmea.unplug()

    def say(self, *sentences: str) -> None:
        self.nmea.say("".join(f"{one}\r\n" for one in sentences).encode())


@asynccontextmanager
async def rig(gnss_profile: GnssProfile | None = None, *, on: bool = False, shared: bool = False) -> AsyncIterator[Rig]:
    told: list[LineEvent] = []
    positioning = Positioning(gnss_profile or profile(), told.append, on=on)
    with scripted_modem() as at, scripted_modem() as nmea, tempfile.TemporaryDirectory() as folder:
        at.answers[WHERE] = b"\r\n+CGPSINFO: ,,,,,,,,\r\n" + OK
        made = Rig(at, nmea, positioning, told, Path(folder, "if01"))
        made.link.symlink_to(nmea.path)
        async with running(AtPort("at", at.path, urcs=("+CGPS:",))) as port, asyncio.TaskGroup() as tasks:
            ready = asyncio.Event()
            ready.set()
            receiver = Receiver(port, str(made.link), lambda: made.in_call, shared=shared)

            async def pump() -> None:
                while True:
                    positioning.on_urc(await port.next_urc())

            working = [tasks.create_task(work) for work in (positioning.serve(receiver, ready), pump())]
            await asyncio.sleep(0)
            try:
                yield made
            finally:
                for task in working:
                    task.cancel()


async def test_a_receiver_of_ten_hertz_is_told_once_a_second() -> None:
    async with rig() as made:
        await made.positioning.switch(True)
        await until(lambda: made.listens)
        for tenth in range(20):
            at = f"12000{tenth // 10}.{tenth % 10}"
            made.say(gga(at), rmc(at))
            await asyncio.sleep(0.06)
        await until(lambda: len(made.fixes()) == 2)
        first, second = (fix.fixed_unix_s for fix in made.fixes())
        assert first is not None and second is not None and second - first == pytest.approx(1.0)


async def test_sentences_may_come_in_pieces_and_among_rubbish() -> None:
    async with rig() as made:
        await made.positioning.switch(True)
        await until(lambda: made.listens)
        made.nmea.say(b"\xff\x00" * 2000 + b"\n$GPVTG,NaN,T,,M,0.0,N*11\r\n$GPGGA,cut")
        whole = f"\r\n{gga()}\r\n{rmc()}\r\n".encode()
        for at in range(0, len(whole), 7):
            made.nmea.say(whole[at : at + 7])
            await asyncio.sleep(0.001)
        await until(lambda: bool(made.fixes()))
        assert made.fixes()[0].latitude == 52.52


async def test_a_lost_nmea_port_ends_nothing_and_the_modem_is_asked_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gnss, "POLL_S", 0.1)
    async with rig() as made:
        await made.positioning.switch(True)
        await until(lambda: made.listens)
        made.at.answers[WHERE] = b"\r\n+CGPSINFO: 5231.2,N,01324.3,E,211126,120000.0,34.0,0.0,0\r\n" + OK
        made.unplug_nmea()
        await until(lambda: bool(made.fixes()))
        assert made.fixes()[0].latitude == 52.52


async def test_a_place_that_nothing_confirms_any_more_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gnss, "POLL_S", 0.1)
    monkeypatch.setattr(gnss, "STALE_S", 0.8)
    async with rig() as made:
        made.at.answers[WHERE] = NO
        await made.positioning.switch(True)
        await until(lambda: made.listens)
        made.say(gga(), rmc())
        await until(lambda: bool(made.fixes()))
        await until(lambda: made.fixes()[-1].latitude is None)


async def test_a_receiver_that_stops_by_itself_is_started_again() -> None:
    async with rig() as made:
        await made.positioning.switch(True)
        made.at.say(b"\r\n+CGPS: 0\r\n")
        await made.at.hears(START, times=2)
        await until(lambda: made.positioning.fix is not None)


async def test_a_start_is_not_sent_before_the_earlier_stop_is_over() -> None:
    async with rig() as made:
        await made.positioning.switch(True)
        await made.positioning.switch(False)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.positioning.switch(True))
            await asyncio.sleep(0.3)
            assert made.at.heard.count(START) == 1
            made.at.say(b"\r\n+CGPS: 0\r\n")
        assert made.at.heard.count(START) == 2


async def test_who_waits_for_a_slow_restart_is_answered_in_time_and_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig() as made:
        await made.positioning.switch(True)
        await made.positioning.switch(False)
        monkeypatch.setattr(gnss, "ANSWER_S", 0.2)
        await made.positioning.switch(True)
        assert made.positioning.fix is None
        made.at.say(b"\r\n+CGPS: 0\r\n")
        await until(lambda: made.positioning.fix is not None)


async def test_a_later_wish_overrules_one_that_still_waits() -> None:
    async with rig() as made:
        await made.positioning.switch(True)
        await made.positioning.switch(False)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.positioning.switch(True))
            await asyncio.sleep(0.05)
            await made.positioning.switch(False)
        assert made.at.heard.count(START) == 1
        assert made.positioning.fix is None


async def test_a_command_without_an_answer_costs_the_start_and_not_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = profile()
    quick = replace(slow, start=replace(slow.start, timeout_s=0.3))
    monkeypatch.setattr(gnss, "START_GAP_S", 0.1)
    async with rig(quick) as made:
        made.at.answers[START] = None
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.positioning.switch(True))
            await made.at.hears(START, times=2)
            made.at.answers[START] = OK
        assert made.positioning.fix is not None


async def test_what_is_refused_to_a_client_is_not_tried_on_and_what_is_configured_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gnss, "REFUSED_S", 0.1)
    async with rig() as made:
        made.at.answers |= {START: NO, STATE: NO}
        with pytest.raises(ModemRefused):
            await made.positioning.switch(True)
        tried = made.at.heard.count(START)
        await asyncio.sleep(0.4)
        assert made.at.heard.count(START) == tried
    async with rig(on=True) as made:
        made.at.answers |= {START: NO, STATE: NO}
        await made.at.hears(START, times=3)
        made.at.answers[START] = OK
        await until(lambda: made.positioning.fix is not None)


async def test_a_stop_that_is_refused_while_the_receiver_runs_is_told() -> None:
    async with rig() as made:
        await made.positioning.switch(True)
        made.at.answers |= {STOP: NO, STATE: b"\r\n+CGPS: 1,1\r\n" + OK}
        with pytest.raises(ModemRefused):
            await made.positioning.switch(False)


async def test_on_the_only_at_port_nothing_is_switched_during_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gnss, "START_GAP_S", 0.1)
    async with rig(shared=True) as made:
        made.in_call = True
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.positioning.switch(True))
            await asyncio.sleep(0.4)
            assert made.at.heard.count(START) == 0
            made.in_call = False
        assert made.at.heard.count(START) == 1


async def test_a_port_that_calls_need_is_let_go_of_and_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gnss, "POLL_S", 0.1)
    async with rig(replace(profile(), yields_to_calls=True)) as made:
        await made.positioning.switch(True)
        await until(lambda: made.listens)
        made.in_call = True
        made.positioning.let_go()
        await until(lambda: not made.listens)  # at once, unless it was just being opened
        await made.at.hears(WHERE, times=2)  # meanwhile
        assert not made.listens
        made.in_call = False
        await until(lambda: made.listens)


async def test_a_port_that_calls_do_not_need_stays_open() -> None:
    async with rig() as made:
        await made.positioning.switch(True)
        await until(lambda: made.listens)
        made.positioning.let_go()
        assert made.listens


async def test_a_family_without_a_receiver_says_so() -> None:
    positioning = Positioning(None, lambda _: None, on=True)
    with pytest.raises(Unsupported):
        await positioning.switch(True)
    assert positioning.fix is None


async def test_a_life_that_ends_fails_those_who_wait() -> None:
    made_switch: list[BaseException] = []
    async with asyncio.TaskGroup() as tasks:

        async def wish(positioning: Positioning) -> None:
            try:
                await positioning.switch(True)
            except ModemOffline as offline:
                made_switch.append(offline)

        async with rig() as made:
            made.at.answers[START] = None
            tasks.create_task(wish(made.positioning))
            await made.at.hears(START)
    assert len(made_switch) == 1
