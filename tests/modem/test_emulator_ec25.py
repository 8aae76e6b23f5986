"""The emulator as a Quectel EC25: what it says, what of SIMCom it doesn't know, and its one port for two things."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.modem.emulated import Emulated, Host, emulated, said
from tests.modem.scripted import until

COMMANDS = {
    "AT+QCCID": "+QCCID: 898600700907A6019125",
    "AT+QPINC?": '+QPINC: "SC",3,10\r\n+QPINC: "P2",3,10',
    "AT+QNWINFO": '+QNWINFO: "FDD LTE","23415","LTE BAND 3",1850',
    "AT+QCSQ": '+QCSQ: "LTE",-77,-85,175,-9',
    "AT+QSPN": '+QSPN: "Dialtone","Dialtone","Dialtone",0,"23415"',
    "AT+QTEMP": "+QTEMP: 33,30,28",
    "AT+CBC": "+CBC: 0,80,3811",
    "AT+CGMI": "Quectel",
    "ATI": "Quectel\r\nEC25\r\nRevision: EC25EFAR06A06M4G",
    'AT+QURCCFG="urcport"': '+QURCCFG: "urcport","usbat"',
    'AT+QCFG="ims"': '+QCFG: "ims",0',
    "AT+QGPS?": "+QGPS: 0",
}
SIMCOM = (
    "AT+CPCMREG?", "AT+CPCMREG=0", "AT+CICCID", "AT+SPIC", "AT+CSPN?", "AT+CPSI?", "AT+CNSMOD?", "AT+AUTOCSQ=1,1",
    "AT+CRESET", "AT+CLCC=1", "AT+DDET=1", "AT+CATR=0", "AT+CGPS?", "AT+CPMUTEMP", "AT+CUSBPIDSWITCH?",
    "AT+CPCMBANDWIDTH=1,1", "AT+CSCLK=0",
)  # fmt: skip


@pytest.fixture
async def stick(tmp_path: Path) -> AsyncIterator[Emulated]:
    async with emulated(tmp_path, model="ec25", boot_s=0.1, reset_s=0.1, transcript=tmp_path / "wire") as made:
        yield made


async def _at(stick: Emulated) -> Host:
    at = await stick.at(init=False)
    await at.ok("ATE0", "AT+CLIP=1", 'AT+QINDCFG="ccinfo",1,0', "AT+QTONEDET=1")
    return at


@pytest.mark.parametrize("command", COMMANDS)
async def test_it_answers_what_quectel_answers(stick: Emulated, command: str) -> None:
    at = await _at(stick)
    await at.ask(command, f"\r\n{COMMANDS[command]}\r\n\r\nOK\r\n")


@pytest.mark.parametrize("command", SIMCOM)
async def test_it_does_not_know_what_simcom_alone_has(stick: Emulated, command: str) -> None:
    at = await _at(stick)
    await at.ask(command, "\r\nERROR\r\n")


async def test_a_sim7600_does_not_know_what_quectel_alone_has(tmp_path: Path) -> None:
    async with emulated(tmp_path) as simcom:
        at = await simcom.at()
        for command in (*(one for one in COMMANDS if "+Q" in one), "AT+QPCMV=1,0", "AT+QTONEDET=1", "AT+QSCLK=0"):
            await at.ask(command, "\r\nERROR\r\n")


async def test_a_call_is_told_by_qind_and_nothing_of_simcom(stick: Emulated) -> None:
    at = await _at(stick)
    await stick.control("call.incoming", number="+447700900123", ring_s=60)
    await at.expect(
        '\r\r\nRING\r\r\n\r\n+CLIP: "+447700900123",145,,,,0\r\n\r\n+QIND: "ccinfo",1,1,4,0,0,"+447700900123",145\r\n'
    )
    await at.ask("ATA", '\r\nOK\r\n\r\n+QIND: "ccinfo",1,1,0,0,0,"+447700900123",145\r\n')
    await stick.control("far.dtmf", digits="8")
    await at.until("\r\n+QTONEDET: 56\r")
    await at.until("\n")
    await at.ask("AT+CHUP", '\r\nOK\r\n\r\n+QIND: "ccinfo",1,1,-1,0,0,"+447700900123",145\r\n')
    await at.nothing_more()


async def test_unsolicited_lines_go_to_the_port_that_was_chosen(stick: Emulated) -> None:
    at, other = await _at(stick), await stick.at("if03", init=False)
    await other.ok("ATE0", "AT+CREG=1")
    await at.ok("AT+CREG=1")
    await stick.control("radio.set", registered=False)
    await at.until("+CREG: 2")
    await other.nothing_more()
    await at.ok('AT+QURCCFG="urcport","usbmodem"')
    await stick.control("radio.set", registered=True)
    await other.until("+CREG: 1")


async def test_a_reset_starts_with_the_lines_of_quectel(stick: Emulated, tmp_path: Path) -> None:
    at = await _at(stick)
    await at.ok("AT+CFUN=1,1")
    await at.hang_up()
    await until(lambda: "PB DONE" in said(tmp_path / "wire"))  # it waits for nobody: an opened port may miss its first
    lines = ("RDY", "+CFUN: 1", "+CPIN: READY", "+QUSIM: 1", "+QIND: SMS DONE", "+QIND: PB DONE")
    places = [said(tmp_path / "wire").index(f"\r\n{line}\r\n") for line in lines]
    assert places == sorted(places)


async def test_voice_and_sentences_share_a_port_until_the_sentences_are_sent_elsewhere(stick: Emulated) -> None:
    at = await _at(stick)
    assert sorted(path.name for path in stick.directory.glob("if*")) == ["if00", "if01", "if02", "if03"]
    await stick.control("call.incoming", number="+447700900123", ring_s=60)
    await at.until("ccinfo")
    await at.until("\r\n")
    at.write("ATA\r")
    await at.until('"ccinfo",1,1,0')
    await at.until("\r\n")
    voice = stick.open("if01")
    await at.ok("AT+QGPS=1", "AT+QPCMV=1,0")
    await at.ask("AT+QPCMV?", "\r\n+QPCMV: 1,0\r\n\r\nOK\r\n")
    await voice.until("$GPGGA")
    await at.ok('AT+QGPSCFG="outport","none"')
    await voice.take(len(voice.seen) + 8192)  # more than a pty holds of what was said before
    voice.seen.clear()
    assert b"$GP" not in await voice.take(16000 * 2)
    await at.ask("AT+QPCMV=0", "\r\nOK\r\n")
    await at.ask("AT+QPCMV?", "\r\n+QPCMV: 0\r\n\r\nOK\r\n")


async def test_a_host_that_writes_ahead_is_told_to_stop_and_to_go_on(stick: Emulated) -> None:
    at = await _at(stick)
    await stick.control("call.incoming", number="+447700900123", ring_s=60)
    await at.until("ccinfo")
    await at.until("\r\n")
    at.write("ATA\r")
    await at.until('"ccinfo",1,1,0')
    await at.until("\r\n")
    voice = stick.open("if01")
    await at.ok("AT+QPCMV=1,0")
    voice.write(bytes(3840))
    await at.until("\r\n+QPCMV: 0,0\r\n")
    await at.until("\r\n+QPCMV: 1,0\r\n")


async def test_a_place_is_told_in_degrees_and_without_one_its_error(stick: Emulated) -> None:
    at = await _at(stick)
    await at.ok("AT+CMEE=1")
    await at.ask("AT+QGPSLOC=2", "\r\n+CME ERROR: 505\r\n")
    await at.ok("AT+QGPS=1")
    await at.ask("AT+QGPSLOC=2", "\r\n+CME ERROR: 516\r\n")
    await stick.control("gps.set", north=-52.52, east=13.405, metres=34)
    at.write("AT+QGPSLOC=2\r")
    await at.until(",-52.52000,13.40500,0.9,34.0,3,")
    await at.until("OK\r\n")
    await at.ok("AT+QGPSEND")
