"""Bring-up of a line on the emulated modem: what is sent, in which order, and what happens where it goes wrong."""

import asyncio
import logging
import os
import time
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from core.config import ConfigError, parse
from core.line import CallState, LineCarrier, LineProgress, LineState, LineStatus
from core.modem import gap as gap_module
from core.modem.modem import ModemLine
from tests.modem.heard import Heard
from tests.modem.line_desk import Desk, Emulator, desk, emulator
from tests.modem.scripted import until


@pytest.fixture
def heard(tmp_path: Path) -> Heard:
    return Heard(tmp_path)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resets right after quick commands widen the gap, which is another test's business."""
    monkeypatch.setattr(gap_module, "FIRST_S", 0.005)


@asynccontextmanager
async def _line(modem: Emulator, **changes: object) -> AsyncIterator[Desk]:
    """A line that is ready, and polls seldom."""
    async with desk(modem.config(**({"poll_s": 60.0} | changes)), ready=False) as phone:
        await phone.is_in(LineState.READY, within_s=20)
        yield phone


def _carrier(line: ModemLine) -> LineCarrier | None:
    session = line._session  # what the report is made of
    return session.carrier if session is not None else None


async def _by_hand(modem: Emulator, command: str) -> None:
    """One command on a port, before the line has it. Sent anew until it is answered: a port that was closed a moment
    ago may still count as such, and gets nothing then."""
    fd = os.open(modem.folder / "if02", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    answer = b""

    def ended() -> bool:
        nonlocal answer
        with suppress(BlockingIOError):
            answer += os.read(fd, 4096)
        return b"OK\r\n" in answer or b"ERROR\r\n" in answer

    try:
        tty.setraw(fd)
        for _ in range(10):
            os.write(fd, f"{command}\r".encode())
            with suppress(TimeoutError):
                await until(ended, 1.0)
                return
        pytest.fail(f"no answer to {command}")
    finally:
        os.close(fd)


# --- how long --------------------------------------------------------------------------------------------------------


async def test_a_line_is_ready_within_three_seconds(tmp_path: Path) -> None:
    """The quickest of some: a machine that stands still for a moment does so in one of them."""
    took_s: list[float] = []
    async with emulator(tmp_path) as modem:
        while not took_s or (min(took_s) >= 3.0 and len(took_s) < 5):
            began_s = time.monotonic()
            async with _line(modem):
                took_s.append(time.monotonic() - began_s)
    assert min(took_s) < 3.0


async def test_a_modem_without_a_network_is_ready_and_the_network_is_waited_for_behind_it(
    tmp_path: Path, heard: Heard
) -> None:
    async with emulator(tmp_path, *heard.options) as modem:
        await _by_hand(modem, "AT+CGACT=0,2")
        await modem("radio.set", registered=False)
        began_s = time.monotonic()
        async with _line(modem, network_wait_s=30.0) as phone:
            assert time.monotonic() - began_s < 20.0  # it did not wait for the network
            await until(lambda: bool(heard.of("AT+CGDCONT?")))
            assert not heard.of("AT+CGACT=1")
            await modem("radio.set", registered=True)
            await until(lambda: "AT+CGACT=1,2" in heard.commands())
            await modem("call.incoming", ring_s=0.3)
            await phone.incoming()


async def test_a_network_that_comes_after_the_wait_still_gets_its_contexts(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, "--cevolte", *heard.options) as modem:
        await _by_hand(modem, "AT+CGACT=0,2")
        await modem("radio.set", registered=False)
        async with _line(modem, network_wait_s=0.2):
            await until(lambda: "AT+CEVOLTE=1,1" in heard.commands())  # goes on without it
            assert not heard.of("AT+CGACT=1")
            await modem("radio.set", registered=True)
            await until(lambda: "AT+CGACT=1,2" in heard.commands())


async def test_the_log_says_how_long_it_took_and_what_was_slow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dialtone")
    async with emulator(tmp_path) as modem, _line(modem):
        await until(lambda: any(record.getMessage() == "network set up" for record in caplog.records))
    (up,) = [record for record in caplog.records if record.getMessage() == "line brought up"]
    fields = up.fields  # type: ignore[attr-defined]
    assert fields["took_ms"] > 0
    assert fields["slowest"] in fields["steps"]


# --- carrier and contexts --------------------------------------------------------------------------------------------


async def test_contexts_are_what_the_sims_carrier_needs(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, *heard.options) as modem:
        await modem("sim.set", state="READY", imsi="226101234567890", provider="orange")
        async with _line(modem) as phone:
            carrier = _carrier(phone.line)
            assert carrier is not None
            assert (carrier.mcc_mnc, carrier.country, carrier.apn, carrier.ims_apn) == ("226-10", "RO", "net", "ims")
    assert heard.of("AT+CGDCONT=") == ['AT+CGDCONT=1,"IPV4V6","net"']  # the factory's IMS context is right already
    first_ready = heard.commands()
    assert first_ready.index("AT+CGDCONT?") < first_ready.index('AT+CGDCONT=1,"IPV4V6","net"')


async def test_what_is_set_already_is_not_set_again(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, *heard.options) as modem:
        await modem("sim.set", state="READY", imsi="226101234567890")
        async with _line(modem):
            pass
        heard.forget()
        async with _line(modem):
            await until(lambda: bool(heard.of("AT+CGACT?")))
    assert heard.of("AT+CGDCONT=") == []
    assert heard.of("AT+CGAUTH=") == []


async def test_the_configuration_stands_above_the_database(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, *heard.options) as modem:
        access = {"apn": "my.apn", "apn_auth": "chap", "apn_user": "me", "apn_password": "hush", "ims_apn": "ims.mine"}
        async with _line(modem, carrier="Mine", **access) as phone:
            carrier = _carrier(phone.line)
            assert carrier is not None
            assert (carrier.name, carrier.apn, carrier.ims_apn, carrier.source) == (
                "Mine",
                "my.apn",
                "ims.mine",
                "config",
            )
    assert heard.of("AT+CGDCONT=") == ['AT+CGDCONT=1,"IPV4V6","my.apn"', 'AT+CGDCONT=2,"IPV4V6","ims.mine"']
    assert heard.of("AT+CGAUTH=") == ['AT+CGAUTH=1,2,"hush","me"']


async def test_an_access_point_that_no_modem_takes_is_passed_over(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, *heard.options) as modem, _line(modem, apn="rac.example") as phone:
        assert _carrier(phone.line) is not None
    assert not any("rac.example" in command for command in heard.commands())


@pytest.mark.parametrize(
    ("key", "value"),
    [("apn", 'x",1;+CRESET'), ("ims_apn", "a b"), ("apn_user", 'a"b'), ("apn_password", "a\rAT"), ("apn", "")],
)
def test_what_fits_no_command_is_refused_where_it_is_written(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"line.sim.{key}"):
        parse({"line": {"sim": {key: value}}}, "core.toml")


@pytest.mark.parametrize("personal", [False, True])
async def test_credentials_stand_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture, personal: bool) -> None:
    caplog.set_level(logging.DEBUG)
    async with emulator(tmp_path) as modem:
        await modem("fault.set", kind="error_reply", command="AT+CGAUTH")
        config = modem.config(
            apn="a.b", apn_auth="pap", apn_user="Ann-3", apn_password="S3cr;et,7", wire_log=str(tmp_path / "wire")
        )
        async with desk(config, personal_wire_log=personal):
            pass
    logs = "\n".join(f"{record.getMessage()} {getattr(record, 'fields', '')}" for record in caplog.records)
    wire = (tmp_path / "wire.at").read_text(encoding="ascii") + (tmp_path / "wire.voice").read_text(encoding="ascii")
    assert "AT+CGAUTH=0" in wire
    for secret in ("S3cr", "et,7", "Ann"):
        assert secret not in logs
        assert secret not in wire


# --- VoLTE, LTE only, data -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("volte", "sent"), [("auto", "AT+CEVOLTE=1,1"), ("on", "AT+CEVOLTE=1,1")])
async def test_volte_is_switched_on_where_the_firmware_knows_it(
    tmp_path: Path, heard: Heard, volte: str, sent: str
) -> None:
    async with emulator(tmp_path, "--cevolte", *heard.options) as modem, _line(modem, volte=volte):
        await until(lambda: sent in heard.commands())


async def test_without_volte_there_is_no_ims_context_and_it_is_switched_off(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, "--cevolte", *heard.options) as modem:
        await _by_hand(modem, "AT+CEVOLTE=1,1")
        await _by_hand(modem, "AT+CGDCONT=2")
        heard.forget()
        async with _line(modem, volte="off"):
            await until(lambda: "AT+CEVOLTE=1,0" in heard.commands())
    assert not any('"ims"' in command for command in heard.commands())


@pytest.mark.usefixtures("narrow")
async def test_firmware_that_does_not_know_volte_is_asked_once(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, *heard.options) as modem, _line(modem, volte="on") as phone:
        await until(lambda: heard.of("AT+CEVOLTE") == ["AT+CEVOLTE?"])
        await modem("modem.reset")
        await phone.is_in(LineState.RECONNECTING)
        await until(lambda: len(heard.of("AT+CGACT?")) >= 2, 20)
        await asyncio.sleep(0.3)
        assert phone.line.info.state is LineState.READY
    assert heard.of("AT+CEVOLTE") == ["AT+CEVOLTE?"]


async def test_lte_only_is_set_where_it_is_wanted_and_not_so_already(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, *heard.options) as modem:
        async with _line(modem):
            await until(lambda: bool(heard.of("AT+CEVOLTE?")))
        assert heard.of("AT+CNMP") == []
        async with _line(modem, lte_only=True):
            await until(lambda: heard.of("AT+CNMP") == ["AT+CNMP?", "AT+CNMP=38"])
        heard.forget()
        async with _line(modem, lte_only=True):
            await until(lambda: bool(heard.of("AT+CNMP?")))
        assert heard.of("AT+CNMP=") == []


async def test_the_data_context_is_activated_only_where_it_is_wanted(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, *heard.options) as modem:
        await _by_hand(modem, "AT+CGACT=0,1,2")
        heard.forget()
        async with _line(modem):
            await until(lambda: bool(heard.of("AT+CEVOLTE?")))
        assert heard.of("AT+CGACT=") == ["AT+CGACT=1,2"]
        heard.forget()
        async with _line(modem, activate_data=True):
            await until(lambda: heard.of("AT+CGACT=") == ["AT+CGACT=1,1"])


async def test_a_modem_that_refuses_all_of_it_can_still_call(tmp_path: Path) -> None:
    async with emulator(tmp_path) as modem:
        for command in ("CSPN", "CGDCONT", "CGAUTH", "CGACT", "CEVOLTE", "CNMP", "CFUN", "SPIC", "CICCID"):
            await modem("fault.set", kind="error_reply", command=f"AT+{command}")
        async with _line(
            modem, lte_only=True, activate_data=True, apn_auth="pap", apn_user="u", ramp=True, ramp_pause_s=0.1
        ) as phone:
            await modem("dial.script", outcome="answer", alert_after_s=0.05, answer_after_s=0.1)
            handle = await phone.line.dial("+447700900124")
            await phone.hears(LineProgress, lambda fact: fact.handle == handle and fact.state is CallState.ACTIVE)


async def test_a_modem_that_is_silent_over_a_context_is_ready_nevertheless(tmp_path: Path) -> None:
    async with emulator(tmp_path) as modem:
        await modem("fault.set", kind="no_reply", command="AT+CGDCONT?", times=1)
        async with _line(modem) as phone:
            await until(lambda: phone.line.can_send)


# --- the ramp --------------------------------------------------------------------------------------------------------


async def test_the_ramp_is_off_pause_on_pause_before_anything_else_is_set(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, *heard.options) as modem:
        began_s = time.monotonic()
        async with _line(modem, ramp=True, ramp_pause_s=0.4):
            assert 0.8 <= time.monotonic() - began_s < 20.0
    commands = heard.commands()
    assert [command for command in commands if command.startswith("AT+CFUN")] == ["AT+CFUN=0", "AT+CFUN=1"]
    assert commands.index("AT+CFUN=1") < commands.index("AT+CMEE=2")


async def test_a_ramp_that_makes_the_ports_vanish_is_a_re_enumeration_and_no_loop(tmp_path: Path, heard: Heard) -> None:
    async with (
        emulator(tmp_path, "--cfun-drops", "--reset-s", "0.3", "--boot-s", "0.3", *heard.options) as modem,
        _line(modem, ramp=True, ramp_pause_s=0.5) as phone,
    ):
        assert heard.of("AT+CFUN=0") == ["AT+CFUN=0"]
        assert not any(status.state is LineState.FAILED for status in phone.of(LineStatus))
        assert phone.line.info.reason is None  # the gap did not widen over it


@pytest.mark.usefixtures("narrow")
async def test_a_ramp_that_never_ends_well_is_left_out_in_the_end(tmp_path: Path, heard: Heard) -> None:
    async with (
        emulator(tmp_path, "--cfun-drops", "--reset-s", "0.2", "--boot-s", "0.2", *heard.options) as modem,
        _line(modem, ramp=True, ramp_pause_s=0.3) as phone,
    ):
        for times in (2, 3, 4):
            await modem("modem.reset")
            await until(lambda: phone.line.info.state is not LineState.READY)
            await until(lambda: phone.line.info.state is LineState.READY, 20)
            assert len(heard.of("AT+CFUN=0")) == min(times, 2)


async def test_a_radio_that_was_left_off_is_switched_on(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, *heard.options) as modem:
        await _by_hand(modem, "AT+CFUN=4")
        heard.forget()
        async with _line(modem) as phone:
            assert heard.of("AT+CFUN=") == ["AT+CFUN=1"]
            await until(lambda: phone.line.info.registration == "home")


# --- after a reset, and the gap --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("narrow")
async def test_volatile_settings_come_again_on_each_port_after_a_reset(tmp_path: Path, heard: Heard) -> None:
    volatile = {"ATE0", "AT+CMEE=2", "AT+CLIP=1", "AT+CLCC=1", "AT+CREG=2", "AT+CEREG=2"}
    once = {"AT+CVHU=0", "AT+CPCMBANDWIDTH=1,1", "AT+CPCMFRM=0", "AT+DDET=1"}
    async with (
        emulator(tmp_path, "--reset-s", "0.3", "--boot-s", "0.3", *heard.options) as modem,
        _line(modem) as phone,
    ):
        heard.forget()
        await modem("modem.reset")
        await phone.is_in(LineState.RECONNECTING)
        await until(lambda: phone.line.info.state is LineState.READY, 20)
    for port in ("if02", "if03"):
        assert volatile <= set(heard.commands(port))
    assert once <= set(heard.commands("if03"))


async def test_the_configured_gap_holds_from_the_first_command_on(tmp_path: Path) -> None:
    async with emulator(tmp_path) as modem:
        began_s = time.monotonic()
        async with _line(modem, at_gap_s=0.05):
            took_s = time.monotonic() - began_s
        commands = int((await modem("modem.status"))["commands"])
    assert took_s > 20 * 0.05
    assert commands >= 20


async def test_a_stick_that_drops_off_the_bus_in_bring_up_gets_its_commands_further_apart_and_it_is_said(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gap_module, "LOST_WITHIN_S", 30.0)  # right after the last command, on any machine
    async with emulator(tmp_path, *heard.options) as modem, desk(modem.config(lost_after_s=60), ready=False) as phone:
        for _ in range(2):  # once may be a hand
            await until(lambda: bool(heard.of("AT+CLIP=1")))
            await modem("usb.unplug")
            heard.forget()
            await modem("usb.replug")
        ready = await phone.hears(
            LineStatus, lambda status: status.state is LineState.READY and status.reason is not None, within_s=20
        )
        assert "0.1 s apart" in (ready.reason or "")
        assert phone.line.info.reason == ready.reason
