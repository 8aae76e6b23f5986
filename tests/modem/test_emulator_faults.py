"""Faults on the AT ports, USB comings and goings, restarts, and short messages of the emulator."""

import asyncio
import errno
import fcntl
import os
import struct
import termios
import time
from pathlib import Path

import pytest

from core.modem.emulator.faults import Fault, FaultKind, Faults
from core.modem.emulator.sms_store import Message, SmsStore, Status, pdu_is_sound
from tests.modem.emulated import ControlFailed, Emulated, Host, emulated, in_call, said
from tests.modem.scripted import until

OK = "\r\nOK\r\n"
DELIVER = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07"
"""A textbook SMS-DELIVER, SMSC field first."""
DELIVER_OCTETS = len(DELIVER) // 2 - 8
SUBMIT = "0001000B911346610089F60000041234ABCD"
_TIOCGEXCL = 0x80045440


async def test_a_late_reply_comes_whole_after_its_delay(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("fault.set", kind="late_reply", command="AT+CSQ", delay_s=0.3, times=1)
        began = time.monotonic()
        await at.ask("AT+CSQ", "\r\n+CSQ: 18,99\r\n" + OK)
        assert time.monotonic() - began >= 0.3
        assert (await emulator.control("modem.status"))["faults"] == []
        await at.ask("AT+CSQ", "\r\n+CSQ: 18,99\r\n" + OK)


async def test_a_lost_reply_is_a_command_not_done_unless_it_says_so(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("fault.set", kind="no_reply", command="+CLVL=2", times=1)
        at.write("AT+CLVL=2\r")
        await at.ask("AT+CLVL?", "\r\n+CLVL: 4\r\n" + OK)
        await emulator.control("fault.set", kind="no_reply", command="+CLVL=2", times=1, executed=True)
        at.write("AT+CLVL=2\r")
        await at.ask("AT+CLVL?", "\r\n+CLVL: 2\r\n" + OK)
        assert (await emulator.control("modem.status"))["faults"] == []


async def test_an_unsolicited_line_falls_between_information_and_ok(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("fault.set", kind="urc_in_reply", urc="RING", command="+CSQ", times=1)
        await at.ask("AT+CSQ", "\r\n+CSQ: 18,99\r\n\r\r\nRING\r\r\n" + OK)
        await at.ask("AT+CSQ", "\r\n+CSQ: 18,99\r\n" + OK)


async def test_garbage_comes_before_a_reply(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("fault.set", kind="garbage", bytes_hex="ff00aa", times=1)
        at.write("AT\r")
        await at.expect(b"\xff\x00\xaa\r\nOK\r\n")
        await emulator.control("fault.set", kind="garbage", times=1)
        at.write("AT\r")
        assert len(await at.until(OK)) > len(OK)


async def test_a_command_can_be_made_to_fail_with_any_text(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("fault.set", kind="error_reply", command="+CPIN", text="+CME ERROR: SIM busy", times=2)
        await at.ask("AT+CPIN?", "\r\n+CME ERROR: SIM busy\r\n")
        await at.ask("AT+CSQ", "\r\n+CSQ: 18,99\r\n" + OK)
        await at.ask("AT+CPIN?", "\r\n+CME ERROR: SIM busy\r\n")
        await at.ask("AT+CPIN?", "\r\n+CPIN: READY\r\n" + OK)


async def test_cleared_faults_no_longer_strike(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("fault.set", kind="no_reply")
        await emulator.control("fault.set", kind="error_reply")
        await emulator.control("fault.clear", kind="no_reply")
        await at.ask("AT", "\r\nERROR\r\n")
        await emulator.control("fault.clear")
        await at.ask("AT", OK)


@pytest.mark.parametrize(
    ("named", "command", "hits"),
    [
        ("AT+CSQ", "+CSQ", True),
        ("csq", "+CSQ", True),
        ("+CPCMREG", "+CPCMREG=1", True),
        ("+CPCMREG=1", "+CPCMREG=1", True),
        ("+CPCMREG=1", "+CPCMREG=0", False),
        ("+CREG", "+CREGX", False),
        ("ATD", "D+491701", True),
        ("ATA", "A", True),
        ("ATD", "+DDET=1", False),
        (None, "anything", True),
    ],
)
def test_a_fault_knows_the_commands_it_is_meant_for(named: str | None, command: str, hits: bool) -> None:
    assert Fault(FaultKind.NO_REPLY, command=named).hits(command) is hits


def test_a_fault_with_times_strikes_that_often_and_one_without_for_ever() -> None:
    faults = Faults()
    faults.add(Fault(FaultKind.NO_REPLY, times=2))
    faults.add(Fault(FaultKind.ECHO))
    assert [faults.strike(FaultKind.NO_REPLY) is not None for _ in range(4)] == [True, True, False, False]
    assert [faults.strike(FaultKind.ECHO) is not None for _ in range(4)] == [True] * 4


# --- USB ---


async def links(emulator: Emulated) -> list[str]:
    return sorted(path.name for path in await asyncio.to_thread(lambda: list(emulator.directory.iterdir())))


async def test_unplugging_takes_links_away_hangs_up_and_drops_the_call(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at, pcm = await emulator.at(), emulator.open("if04")
        await in_call(emulator, at)
        await emulator.control("usb.unplug")
        await at.hang_up()
        await pcm.hang_up()
        assert await links(emulator) == []
        assert (await emulator.control("call.wait", state="ended"))["reason"] == "unplugged"
        status = await emulator.control("modem.status")
        assert (status["plugged"], status["calls"]) == (False, [])
        with pytest.raises(ControlFailed):
            await emulator.control("usb.unplug")
        with pytest.raises(ControlFailed):
            await emulator.control("call.incoming")


async def test_a_replug_may_renumber_but_interfaces_stay(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        interfaces = [f"if{number:02d}" for number in range(5)]
        for first, renumber in ((5, True), (5, False), (0, True)):
            await emulator.control("usb.unplug")
            await emulator.control("usb.replug", renumber=renumber)
            assert await links(emulator) == interfaces + [f"ttyUSB{number}" for number in range(first, first + 5)]
        with pytest.raises(ControlFailed):
            await emulator.control("usb.replug")


async def test_after_a_replug_the_modem_boots_and_its_volatile_settings_are_gone(tmp_path: Path) -> None:
    async with emulated(tmp_path, boot_s=60.0) as emulator:
        at = await emulator.at()
        await at.ok("AT+CVHU=0;+CLVL=1;+CPCMFRM=1;+CREG=1")
        await emulator.control("usb.unplug")
        await emulator.control("usb.replug")
        at = emulator.open("if02")
        await at.ask("ATE0", "ATE0\r" + OK)
        await at.ask("AT+CMEE=2;+CPIN?", "\r\n+CME ERROR: SIM busy\r\n")
        await at.ask("AT+CVHU?;+CLVL?;+CPCMFRM?", "\r\n+CVHU: 1\r\n\r\n+CLVL: 1\r\n\r\n+CPCMFRM: 0\r\n" + OK)


async def test_a_boot_tells_its_steps_in_their_order(tmp_path: Path) -> None:
    async with emulated(tmp_path, boot_s=0.1, transcript=tmp_path / "wire") as emulator:
        await emulator.control("usb.unplug")
        await emulator.control("usb.replug")
        await until(lambda: "PB DONE" in said(tmp_path / "wire"))
        steps = "\r\nRDY\r\n\r\n+CPIN: READY\r\n\r\nSMS DONE\r\n\r\nPB DONE\r\n"
        assert said(tmp_path / "wire") == steps


async def test_creset_answers_ok_then_leaves_the_bus_and_comes_back(tmp_path: Path) -> None:
    async with emulated(tmp_path, reset_s=4.0, boot_s=0.1, transcript=tmp_path / "wire") as emulator:
        at = await emulator.at()
        await at.ask("AT+CRESET", OK)
        await at.hang_up()
        assert await links(emulator) == []
        await until(lambda: "PB DONE\r\n" in said(tmp_path / "wire"))
        assert len(await links(emulator)) == 10
        await emulator.open("if02").ok("AT")


async def test_a_locked_sim_asks_again_after_a_restart(tmp_path: Path) -> None:
    async with emulated(tmp_path, boot_s=0.1, pin="4711", transcript=tmp_path / "wire") as emulator:
        at = await emulator.at()
        at.write("AT+CPIN=4711\r")
        await at.until("PB DONE\r\n")
        await emulator.control("usb.unplug")
        await emulator.control("usb.replug")
        await until(lambda: said(tmp_path / "wire").endswith("+CPIN: SIM PIN\r\n"))


async def test_a_port_forgets_what_was_sent_while_nobody_had_it_open(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        kept, other = await emulator.at("if02"), await emulator.at("if03")
        other.close()
        await emulator.control("call.incoming")
        await kept.until("+CLCC: 1,1,4")
        await emulator.control("far.hangup")
        await kept.until("MISSED_CALL")
        again = emulator.open("if03")
        await again.ask("AT", OK)


@pytest.mark.parametrize("link", ["if02", "if04"])
@pytest.mark.parametrize("quickly", [False, True])
async def test_a_port_left_exclusively_locked_can_be_opened_by_the_next_program(
    tmp_path: Path, link: str, quickly: bool
) -> None:
    """Root may open it anyway, so the lock itself is looked at; others see EBUSY until the emulator has noticed."""
    async with emulated(tmp_path) as emulator:
        witness = await emulator.at("if03")
        fd = os.open(emulator.directory / link, os.O_RDWR | os.O_NOCTTY)
        fcntl.ioctl(fd, termios.TIOCEXCL)
        if not quickly:
            await witness.ask("AT", OK)
        os.close(fd)
        async with asyncio.timeout(20):
            while is_locked(emulator.directory / link):
                await witness.ask("AT", OK)


def is_locked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        assert error.errno == errno.EBUSY
        return True
    try:
        return bool(struct.unpack("i", fcntl.ioctl(fd, _TIOCGEXCL, bytes(4)))[0])
    finally:
        os.close(fd)


# --- short messages ---


async def sms_host(emulator: Emulated) -> Host:
    at = await emulator.at()
    await at.ok("AT+CMGF=0", 'AT+CPMS="ME","ME","ME"', "AT+CNMI=2,1,0,2,0")
    return at


async def test_a_message_is_announced_listed_read_and_deleted(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        for index in range(2):
            assert (await emulator.control("sms.deliver", pdu=DELIVER))["index"] == index
            await at.expect(f'\r\n+CMTI: "ME",{index}\r\n')
        entry = f"0,,{DELIVER_OCTETS}\r\n{DELIVER}\r\n"
        await at.ask("AT+CMGL=0", f"\r\n+CMGL: 0,{entry}+CMGL: 1,{entry}{OK}")
        await at.ask("AT+CMGL=0", OK)
        await at.ask("AT+CMGR=1", f"\r\n+CMGR: 1,,{DELIVER_OCTETS}\r\n{DELIVER}\r\n{OK}")
        await at.ask("AT+CMGD=0", OK)
        await at.ask("AT+CMGD=1,4", OK)
        await at.ask("AT+CPMS?", '\r\n+CPMS: "ME",0,23,"ME",0,23,"ME",0,23\r\n' + OK)


async def test_a_message_is_sent_through_the_prompt(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        octets = len(SUBMIT) // 2 - 1
        for reference in range(2):
            await at.ask(f"AT+CMGS={octets}", "\r\n> ")
            at.write(SUBMIT + "\x1a")
            await at.expect(f"\r\n+CMGS: {reference}\r\n{OK}")
        assert (await emulator.control("sms.sent"))["messages"] == [SUBMIT, SUBMIT]


async def test_escape_gives_a_message_up_and_a_wrong_length_is_refused(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        await at.ask("AT+CMGS=17", "\r\n> ")
        at.write(SUBMIT + "\x1b")
        await at.expect(OK)
        await at.ask("AT+CMGS=18", "\r\n> ")
        at.write(SUBMIT + "\x1a")
        await at.expect("\r\n+CMS ERROR: Invalid PDU mode parameter\r\n")
        assert (await emulator.control("sms.sent"))["messages"] == []


async def test_a_call_rings_through_an_open_prompt(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        await at.ask("AT+CMGS=17", "\r\n> ")
        await emulator.control("call.incoming")
        await at.until("+CLCC: 1,1,4")
        await at.until("\r\n")
        at.write(SUBMIT + "\x1a")
        await at.expect(f"\r\n+CMGS: 0\r\n{OK}")


async def test_text_mode_sends_what_is_typed(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await at.ok("AT+CMGF=1")
        await at.ask('AT+CMGS="+49170"', "\r\n> ")
        at.write("two\rlines\x1a")
        await at.expect(f"\r\n+CMGS: 0\r\n{OK}")
        assert (await emulator.control("sms.sent"))["messages"] == ["two\rlines"]


async def test_direct_delivery_goes_to_the_port_that_asked(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        direct, stored = await emulator.at("if02"), await emulator.at("if03")
        await direct.ok("AT+CNMI=2,2")
        await emulator.control("sms.deliver", pdu=DELIVER)
        await direct.expect(f"\r\n+CMT: ,{DELIVER_OCTETS}\r\n{DELIVER}\r\n")
        await stored.ask("AT+CPMS?", '\r\n+CPMS: "SM",0,50,"SM",0,50,"SM",0,50\r\n' + OK)


async def test_a_full_memory_says_so_and_takes_nothing(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        for _ in range(23):
            await emulator.control("sms.deliver", pdu=DELIVER)
        assert (await emulator.control("sms.deliver", pdu=DELIVER))["index"] is None
        await at.until('+CMTI: "ME",22\r\n')
        await at.expect("\r\n+SMS FULL\r\n")
        at.write("AT+CMGL=4\r")
        assert (await at.until(OK)).count(b"+CMGL:") == 23


def test_deleting_by_flag_keeps_what_the_flag_spares() -> None:
    for flag, left in ((1, [0, 2, 3]), (2, [0, 2]), (3, [0]), (4, [])):
        store = SmsStore()
        for status in (Status.UNREAD, Status.READ, Status.UNSENT, Status.SENT):
            store.add("SM", Message(DELIVER, status))
        store.delete(0, flag)
        assert sorted(store.slots["SM"]) == left


def test_a_pdu_is_sound_only_with_the_length_that_was_announced() -> None:
    assert pdu_is_sound(DELIVER, DELIVER_OCTETS)
    for pdu, octets in ((DELIVER, DELIVER_OCTETS + 1), (DELIVER[:-1], DELIVER_OCTETS), ("", 0), ("zz", 1)):
        assert not pdu_is_sound(pdu, octets)
