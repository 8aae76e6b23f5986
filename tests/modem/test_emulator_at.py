"""AT syntax and replies of the emulator, byte for byte. spec: SIM7600 AT manual V3.00 §1, §2 and field traces."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modem.emulator import commands_network
from core.modem.emulator.at_line import Kind, Line, LineReader, command_body, split_commands
from tests.modem.emulated import emulated
from tests.modem.scripted import until

CREG = "\r\n+CREG: 0,1\r\n"


async def test_echo_is_on_until_it_is_switched_off_for_each_port_alone(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        two, three = emulator.open("if02"), emulator.open("if03")
        await two.ask("AT", "AT\r\r\nOK\r\n")
        await two.ask("ATE0", "ATE0\r\r\nOK\r\n")
        await two.ask("AT", "\r\nOK\r\n")
        await three.ask("AT", "AT\r\r\nOK\r\n")


async def test_both_links_of_a_port_lead_to_the_same_pty(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        for number in range(5):
            links = (f"ttyUSB{number}", f"if{number:02d}")
            assert len({os.readlink(emulator.directory / link) for link in links}) == 1


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("AT+CSQ", "\r\n+CSQ: 18,99\r\n\r\nOK\r\n"),
        ("at+csq", "\r\n+CSQ: 18,99\r\n\r\nOK\r\n"),
        ("\nAT+CSQ", "\r\n+CSQ: 18,99\r\n\r\nOK\r\n"),
        ("AT+CSQ;+CREG?", "\r\n+CSQ: 18,99\r\n" + CREG + "\r\nOK\r\n"),
        ("AT+CREG?;+NOSUCH;+CSQ", CREG + "\r\nERROR\r\n"),
        ("AT+CREG=2;+CREG?", '\r\n+CREG: 2,1,"A809","0A1B2C3D"\r\n\r\nOK\r\n'),
        ("AT+CEREG=2;+CEREG?", '\r\n+CEREG: 2,1,"A809","0A1B2C3D",7\r\n\r\nOK\r\n'),
        ("ATE0V1+CMEE=1;+CMEE?", "\r\n+CMEE: 1\r\n\r\nOK\r\n"),
        ("ATV0", "0\r"),
        ("ATV0+CSQ", "+CSQ: 18,99\r\n0\r"),
        ("ATQ1", ""),
        ("AT+CGMR", "\r\n+CGMR: LE20B03SIM7600M22\r\n\r\nOK\r\n"),
        ("AT+CGMM", "\r\nSIMCOM_SIM7600G-H\r\n\r\nOK\r\n"),
        ("AT+CGSN", "\r\n862636050029311\r\n\r\nOK\r\n"),
        ("AT+CICCID", "\r\n+ICCID: 898600700907A6019125\r\n\r\nOK\r\n"),
        ("AT+CNUM", "\r\nOK\r\n"),
        ("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n"),
        ("AT+SPIC", "\r\n+SPIC: 3,10,3,10\r\n\r\nOK\r\n"),
        ("AT+COPS?", '\r\n+COPS: 0,0,"Dialtone",7\r\n\r\nOK\r\n'),
        ("AT+COPS=3,2;+COPS?", '\r\n+COPS: 0,2,"23415",7\r\n\r\nOK\r\n'),
        ("AT+CNSMOD?", "\r\n+CNSMOD: 0,8\r\n\r\nOK\r\n"),
        ("AT+CLCC", "\r\nOK\r\n"),
        ("AT+CLCC=?", "\r\n+CLCC: (0-1)\r\n\r\nOK\r\n"),
        ("AT+CLIP=1;+CLIP?", "\r\n+CLIP: 1,1\r\n\r\nOK\r\n"),
        ("AT+CPCMREG=?", "\r\n+CPCMREG: (0-1)\r\n\r\nOK\r\n"),
        ("AT+CPCMREG?", "\r\n+CPCMREG: 0\r\n\r\nOK\r\n"),
        ("AT+CPCMREG=1", "\r\nERROR\r\n"),
        ("AT+CPCMREG=0,1", "\r\nOK\r\n"),
        ("AT+CPCMBANDWIDTH=1,1;+CPCMBANDWIDTH?", "\r\n+CPCMBANDWIDTH: 1,1\r\n\r\nOK\r\n"),
        ("AT+CLVL=6", "\r\nERROR\r\n"),
        ("AT+CCLK?", '\r\n+CCLK: "80/01/06,00:05:09"\r\n\r\nOK\r\n'),
        ("AT+CHLD=?", "\r\n+CHLD: (0,1,1x,2,2x,3,4)\r\n\r\nOK\r\n"),
        ("AT+CHUP", "\r\nOK\r\n"),
        ("ATA", "\r\nNO CARRIER\r\n"),
        ("AT+VTS=1", "\r\nERROR\r\n"),
        ("AT+CEVOLTE?", "\r\nERROR\r\n"),
        ("AT+VOLTESETTING=1", "\r\nERROR\r\n"),
        ("AT+CMIC=1", "\r\nERROR\r\n"),
        ("AT+CUSBPIDSWITCH?", "\r\n+CUSBPIDSWITCH: 9001\r\n\r\nOK\r\n"),
        ("AT+CGPADDR=1", "\r\n+CGPADDR: 1,10.29.127.164\r\n\r\nOK\r\n"),
        ("AT+CGPSINFO", "\r\n+CGPSINFO: ,,,,,,,,\r\n\r\nOK\r\n"),
        ("AT+CSCS=\"UCS2\";+CSCS?", '\r\n+CSCS: "UCS2"\r\n\r\nOK\r\n'),
        ("AT+CNMI=0,2", "\r\nERROR\r\n"),
        ("AT+CPMS=\"ME\",\"ME\",\"ME\"", "\r\n+CPMS: 0,23,0,23,0,23\r\n\r\nOK\r\n"),
        ("AT+CMGR=7", "\r\n+CMS ERROR: Invalid memory index\r\n"),
        ("AT+CMEE=1;+CMGR=7", "\r\n+CMS ERROR: 321\r\n"),
        ("ATS0=0S7=60", "\r\nOK\r\n"),
        ("AT&FE0", "\r\nOK\r\n"),
        ("ATD0123", "\r\nNO CARRIER\r\n"),
        ("ATDabcdefg;", "\r\n+CME ERROR: invalid characters in dial string\r\n"),
    ],
)  # fmt: skip
async def test_a_command_answers_in_these_bytes(tmp_path: Path, command: str, reply: str) -> None:
    async with emulated(tmp_path) as emulator:
        at = emulator.open("if02")
        await at.ok("ATE0")
        await at.ask(command, reply)


async def test_cme_errors_follow_cmee_and_syntax_errors_stay_bare(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("sim.set", state="absent")
        await at.expect("\r\n+CPIN: NOT INSERTED\r\n")
        await at.ask("AT+CMEE=2;+CPIN?", "\r\n+CME ERROR: SIM not inserted\r\n")
        await at.ask("AT+CMEE=1;+CPIN?", "\r\n+CME ERROR: 10\r\n")
        await at.ask("AT+CMEE=0;+CPIN?", "\r\nERROR\r\n")
        await at.ask("AT+CMEE=2;+CLVL=9", "\r\nERROR\r\n")


async def test_a_line_of_559_characters_is_taken_and_one_more_is_an_error(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        fits = "AT" + ";" * 550 + "+CSQ"
        await at.ask(fits + ";;;", "\r\n+CSQ: 18,99\r\n\r\nOK\r\n")
        await at.ask(fits + ";;;;", "\r\nERROR\r\n")
        await at.nothing_more()


async def test_more_than_39_chained_commands_are_an_error(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await at.ask("AT" + ";".join(["+CRC=0"] * 39), "\r\nOK\r\n")
        await at.ask("AT" + ";".join(["+CRC=0"] * 40), "\r\nERROR\r\n")


async def test_lines_without_at_and_stray_control_characters_get_no_answer(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        at.write(b"hello\r\r\n\x1a\x1b\xff\xfe\r")
        await at.nothing_more()


async def test_a_sim_with_a_pin_counts_tries_down_and_asks_for_the_puk(tmp_path: Path) -> None:
    async with emulated(tmp_path, pin="4711") as emulator:
        at = await emulator.at()
        await at.ask("AT+CPIN?", "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n")
        await at.ask("AT+CREG?", "\r\n+CREG: 0,0\r\n\r\nOK\r\n")
        for left in (2, 1, 0):
            await at.ask("AT+CPIN=0000", "\r\n+CME ERROR: incorrect password\r\n")
            await at.ask("AT+SPIC", f"\r\n+SPIC: {left},10,3,10\r\n\r\nOK\r\n")
        await at.ask("AT+CPIN?", "\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n")
        await at.ask('AT+CPIN="12345678","4711"', "\r\nOK\r\n")
        await at.expect("\r\n+CPIN: READY\r\n\r\nSMS DONE\r\n\r\nPB DONE\r\n")
        await at.ask("AT+SPIC", "\r\n+SPIC: 3,10,3,10\r\n\r\nOK\r\n")


async def test_a_right_pin_unlocks_and_registers(tmp_path: Path) -> None:
    async with emulated(tmp_path, pin="4711") as emulator:
        at = await emulator.at()
        await at.ok("AT+CREG=2")
        await at.ask('AT+CPIN="4711"', "\r\nOK\r\n")
        await at.expect("\r\n+CPIN: READY\r\n\r\nSMS DONE\r\n\r\nPB DONE\r\n")
        await at.expect('\r\n+CREG: 1,"A809","0A1B2C3D"\r\n')
        await at.ask("AT+CPIN=1", "\r\n+CME ERROR: operation not allowed\r\n")


async def test_catr_sends_unsolicited_lines_to_one_port_or_to_both(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        two, three = await emulator.at("if02"), await emulator.at("if03")
        await two.ok("AT+CREG=1")
        await three.ok("AT+CREG=1")
        await emulator.control("radio.set", registered=False)
        for host in (two, three):
            await host.expect("\r\n+CREG: 2\r\n")
        await two.ok("AT+CATR=3")
        await emulator.control("radio.set", registered=True)
        await two.expect("\r\n+CREG: 1\r\n")
        await three.nothing_more()


async def test_signal_and_mode_lines_come_only_to_ports_that_asked(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        asked, other = await emulator.at("if02"), await emulator.at("if03")
        await asked.ok("AT+AUTOCSQ=1,1", "AT+CNSMOD=1")
        await emulator.control("radio.set", csq=9, registered=False)
        await asked.expect("\r\n+CSQ: 9,99\r\n\r\n+CNSMOD: 0\r\n")
        await other.nothing_more()


async def test_any_byte_aborts_a_network_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands_network, "_SCAN_S", 60.0)
    async with emulated(tmp_path) as emulator:
        at = await emulator.at(init=False)
        await at.ok("ATE0")
        at.write("AT+COPS=?\r")
        await until(lambda: emulator.modem.at[2].commands > 1)  # ATE0, and the scan is under way
        await at.ask("AT", "\r\nOK\r\n\r\nOK\r\n")


async def test_gps_refuses_a_second_start_and_an_early_restart_and_gives_nmea(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at, nmea = await emulator.at(), emulator.open("if01")
        await emulator.control("gps.set", north=52.5, east=-13.25, metres=34, stop_s=4.0, restart_s=60.0)
        await at.ask("AT+CGPS=1", "\r\nOK\r\n")
        await at.ask("AT+CGPS=1,1", "\r\nERROR\r\n")
        await at.ok("AT+CGPS?")
        at.write("AT+CGPSINFO\r")
        assert b"+CGPSINFO: 5230.000000,N,01315.000000,W," in await at.until("OK\r\n")
        assert b"$GPGGA" in await nmea.until("$GPVTG,NaN,T")
        await at.ask("AT+CGPS=0", "\r\nOK\r\n")
        await at.ask("AT+CGPS=1", "\r\nERROR\r\n")
        await at.expect("\r\n+CGPS: 0\r\n")


async def test_ussd_answers_later_in_the_coding_that_was_set(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("ussd.set", code="*101#", text="7 EUR")
        await at.ask('AT+CUSD=1,"*101#",15', "\r\nOK\r\n")
        await at.expect('\r\n+CUSD: 0,"7 EUR",15\r\n')
        await at.ok('AT+CSCS="UCS2"')
        await at.ask('AT+CUSD=1,"002A0031003000310023",15', "\r\nOK\r\n")
        await at.expect('\r\n+CUSD: 0,"00370020004500550052",72\r\n')
        await at.ask('AT+CUSD=1,"00310031",15', "\r\nOK\r\n")
        await at.expect("\r\n+CUSD: 4\r\n")


async def test_the_diag_port_is_silent(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        diag, at = emulator.open("if00"), await emulator.at()
        diag.write("AT\r")
        await at.nothing_more()
        assert bytes(diag.seen) == b""


@given(st.binary(max_size=700), st.integers(1, 7))
def test_no_bytes_make_the_reader_fail_and_any_cut_gives_the_same_lines(data: bytes, size: int) -> None:
    whole, cut = LineReader(), LineReader()
    events, echo = whole.feed(data)
    pieces = [cut.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert [event for piece in pieces for event in piece[0]] == events
    assert b"".join(piece[1] for piece in pieces) == echo
    for event in events:
        if isinstance(event, Line):
            split_commands(command_body(event.text) or "")


@given(st.lists(st.sampled_from(["+CSQ", "+CREG?", '+X="a;b,c"', "+CLCC=?", "E0", "&D0", "S0=1"]), max_size=6))
def test_chained_commands_come_apart_where_they_were_joined(parts: list[str]) -> None:
    commands = split_commands(";".join(parts))
    assert [command.name for command in commands] == [part.split("=")[0].rstrip("?01") if part[0] != "S" else "S0"
                                                     for part in parts]  # fmt: skip
    assert all(command.kind is Kind.TEST for command in commands if command.name == "+CLCC")
