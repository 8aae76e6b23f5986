"""A line that leaves one of its AT ports to PPP: everything of the phone goes on over the other one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.line import CallState, EndReason, HeldPdu, LineProgress, LineReleased, LineState, LineStatus
from core.modem.pdu import Address, compose, encode_submit
from tests.modem.emulated import Host
from tests.modem.line_desk import Desk, Emulator, desk, emulator
from tests.modem.scripted import until
from tests.modem.usb_bench import UsbBench

FRIEND = "+447700900123"
CONNECT = "\r\nCONNECT 115200\r\n"


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path / "stick") as running:
        yield running


@asynccontextmanager
async def _online(modem: Emulator, port: str) -> AsyncIterator[tuple[Host, Host]]:
    """What pppd would have: a data call on that port, and the network's end."""
    host = Host(modem.folder / port)
    network = None
    try:
        await host.ok("ATE0")
        await host.ask("ATD*99***1#", CONNECT)
        await until((modem.folder / "data").exists)
        network = Host(modem.folder / "data")
        yield host, network
    finally:
        host.close()
        if network is not None:
            network.close()


async def _phone_works(phone: Desk, modem: Emulator) -> None:
    """A call in and out, a message in and out, USSD."""
    await modem("call.incoming", number=FRIEND)
    call = await phone.incoming()
    assert call.number == FRIEND
    await phone.line.answer(call.handle)
    await phone.hears(LineProgress, lambda fact: fact.handle == call.handle and fact.state is CallState.ACTIVE)
    await phone.line.open_audio(call.handle)
    await phone.line.hangup(call.handle)
    assert (await phone.released(call.handle)).reason is EndReason.LOCAL_HANGUP
    await modem("dial.script", outcome="busy", alert_after_s=0.05)
    handle = await phone.line.dial(FRIEND)
    over: LineReleased = await phone.released(handle)
    assert over.reason is EndReason.BUSY
    (submit,) = compose(Address.of(FRIEND), text="out")
    assert 0 <= await phone.line.send_tpdu(encode_submit(submit), timeout_s=20.0) <= 255
    await modem("sms.deliver", **{"from": FRIEND, "text": "in"})
    (item,) = await phone.receives(1)
    assert isinstance(item, HeldPdu)
    assert (await phone.line.ussd("*100#", timeout_s=20.0)).text == "Balance: 10.00"


@pytest.mark.parametrize("ppp_port", ["voice", "if03"])
async def test_with_ppp_on_its_voice_port_the_phone_works_on_the_other(modem: Emulator, ppp_port: str) -> None:
    path = ppp_port if ppp_port == "voice" else str(modem.folder / ppp_port)
    async with desk(modem.config(), ppp_port=path, commits=True) as phone, _online(modem, "if03") as (host, network):
        await until(lambda: phone.line.can_send)
        await _phone_works(phone, modem)
        octets = bytes(range(256))
        network.write(octets)
        await host.expect(octets)
        host.write(octets)
        await network.expect(octets)
        assert not host.seen, "something of the phone's came over the data port"


async def test_with_ppp_on_its_first_port_the_phone_works_on_the_voice_port(modem: Emulator) -> None:
    path = str(modem.folder / "if02")
    async with desk(modem.config(), ppp_port=path) as phone, _online(modem, "if02"):
        await until(lambda: phone.line.can_send)
        await _phone_works(phone, modem)


async def test_ports_given_by_name_leave_one_to_ppp_too(modem: Emulator) -> None:
    ports = {"at_port": "if02", "voice_port": "if03", "pcm_port": "if04"}
    config = modem.config(ports_dir=None, **{key: str(modem.folder / name) for key, name in ports.items()})
    async with desk(config, ppp_port="voice") as phone, _online(modem, "if03"):
        await until(lambda: phone.line.can_send)
        await _phone_works(phone, modem)
        assert dict(phone.line.data.ports)["at"] == str(modem.folder / "if02")


async def test_a_stick_found_on_the_usb_leaves_it_to_ppp_and_still_says_where_it_is(
    tmp_path: Path, modem: Emulator
) -> None:
    usb = UsbBench(tmp_path)
    usb.plug("1-1.4", modem, first=7)
    config = modem.config(ports_dir=None)
    async with desk(config, usb=usb.source(), ppp_port="voice", commits=True) as phone, _online(modem, "if03"):
        await until(lambda: phone.line.can_send)
        assert dict(phone.line.data.ports)["voice"] == str(tmp_path / "dev/ttyUSB10")
        await _phone_works(phone, modem)


async def test_after_a_reset_the_line_comes_back_on_its_one_port(modem: Emulator) -> None:
    async with desk(modem.config(), ppp_port="voice") as phone:
        told = len(phone.told)
        await modem("modem.reset")
        await until(
            lambda: any(isinstance(one, LineStatus) and one.state is LineState.READY for one in phone.told[told:]), 20
        )
        async with _online(modem, "if03"):
            await modem("call.incoming", number=FRIEND)
            assert (await phone.incoming()).number == FRIEND
