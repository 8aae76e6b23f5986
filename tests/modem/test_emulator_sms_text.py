"""Text mode of the emulator in its character sets, byte for byte. TS 27.005 §3, §4."""

from pathlib import Path

import pytest

from tests.modem.emulated import Emulated, Host, emulated
from tests.modem.sms_desk import CALLER, OK

STAMP = '"26/02/07,09:44:29+08"'
UCS2_CALLER = CALLER.encode("utf-16-be").hex().upper()


async def text_host(emulator: Emulated, *commands: str) -> Host:
    at = await emulator.at()
    await at.ok("AT+CMGF=1", "AT+CNMI=1,1,0,1,0", *commands)
    return at


async def arrive(emulator: Emulated, at: Host, text: str) -> None:
    await emulator.control("sms.deliver", **{"from": CALLER, "text": text, "at": "2026-02-07T09:44:29+02:00"})
    await at.until("+CMTI: ")
    await at.until("\r\n")


@pytest.mark.parametrize(
    ("charset", "party", "text", "shown"),
    [
        ("IRA", CALLER, "Two @ 8?", "Two @ 8?"),
        ("GSM", CALLER, "Two @ 8? é", "Two \x00 8? \x05"),
        ("UCS2", UCS2_CALLER, "é", "00E9"),
        ("HEX", "2B343437373030393030313233", "@A", "0041"),
        ("IRA", CALLER, "Ж", "0416"),
        ("GSM", CALLER, "Ж", "0416"),
    ],
)
async def test_a_message_is_listed_and_read_in_the_character_set(
    tmp_path: Path, charset: str, party: str, text: str, shown: str
) -> None:
    async with emulated(tmp_path) as emulator:
        at = await text_host(emulator, f'AT+CSCS="{charset}"')
        await arrive(emulator, at, text)
        await at.ask('AT+CMGL="ALL"', f'\r\n+CMGL: 0,"REC UNREAD","{party}",,{STAMP}\r\n{shown}\r\n{OK}')
        await at.ask("AT+CMGR=0", f'\r\n+CMGR: "REC READ","{party}",,{STAMP}\r\n{shown}\r\n{OK}')
        await at.ask('AT+CMGL="REC UNREAD"', OK)
        await at.ask('AT+CMGL="SOME"', "\r\n+CMS ERROR: Invalid text mode parameter\r\n")


async def test_csdh_shows_the_rest_of_the_header(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await text_host(emulator, "AT+CSDH=1")
        await arrive(emulator, at, "abc")
        await at.ask('AT+CMGL="ALL"', f'\r\n+CMGL: 0,"REC UNREAD","{CALLER}",,{STAMP},145,3\r\nabc\r\n{OK}')
        head = f'"REC READ","{CALLER}",,{STAMP},145,4,0,0,"+447700900000",145,3'
        await at.ask("AT+CMGR=0", f"\r\n+CMGR: {head}\r\nabc\r\n{OK}")
        await at.ask("AT+CMGRD=0", f"\r\n+CMGRD: {head}\r\nabc\r\n{OK}")
        await at.ask('AT+CMGL="ALL"', OK)


async def test_messages_and_reports_come_directly_as_text(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await text_host(emulator, "AT+CNMI=1,2,0,1,0")
        await emulator.control("sms.deliver", **{"from": CALLER, "text": "abc", "at": "2026-02-07T09:44:29+02:00"})
        await at.expect(f'\r\n+CMT: "{CALLER}",,{STAMP}\r\nabc\r\n')
        await emulator.control("sms.report", reference=9, to=CALLER, status=0)
        line = (await at.until(",0\r\n")).decode().strip()
        assert line.startswith(f'+CDS: 6,9,"{CALLER}",145,"')


@pytest.mark.parametrize(
    ("commands", "party", "typed", "text"),
    [
        ((), CALLER, b"two\rlines @", "two\nlines @"),
        (('AT+CSCS="GSM"',), CALLER, b"\x00 at", "@ at"),
        (('AT+CSCS="UCS2"',), UCS2_CALLER, "nö".encode("utf-16-be").hex().encode(), "nö"),
        (('AT+CSCS="UCS2"', "AT+CSMP=17,167,0,8"), UCS2_CALLER, "Ж".encode("utf-16-be").hex().encode(), "Ж"),
        (("AT+CSMP=,,,8",), CALLER, b"04160436", "Жж"),
    ],
)
async def test_what_is_typed_is_sent(
    tmp_path: Path, commands: tuple[str, ...], party: str, typed: bytes, text: str
) -> None:
    async with emulated(tmp_path) as emulator:
        at = await text_host(emulator, *commands)
        await at.ask(f'AT+CMGS="{party}"', "\r\n> ")
        at.write(typed + b"\x1a")
        await at.expect(f"\r\n+CMGS: 0\r\n{OK}")
        sent = await emulator.control("sms.sent")
        assert (sent["decoded"][0]["to"], sent["decoded"][0]["text"]) == (CALLER, text)
        assert sent["messages"] == [typed.decode("latin-1").strip()]


@pytest.mark.parametrize(
    "message", ["0040038121430000000000000000000001FF", "0006", "000403812143000000000000000000A0"]
)
async def test_what_can_not_be_read_is_shown_as_it_came(tmp_path: Path, message: str) -> None:
    async with emulated(tmp_path) as emulator:
        at = await text_host(emulator, "AT+CNMI=2,1,0,2,0")
        await emulator.control("sms.deliver", pdu=message)
        await at.until('"SM",0\r\n')
        at.write('AT+CMGL="ALL"\r')
        assert message.encode() in await at.until(OK)
        at.write("AT+CMGR=0\r")
        assert message.encode() in await at.until(OK)
        await at.ok("AT+CNMI=1,2,0,1,0")
        await emulator.control("sms.deliver", pdu=message)
        assert message.encode() in await at.until(message)


async def test_a_report_is_asked_for_by_csmp(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        await emulator.control("sms.network", report={"delay_s": 0})
        at = await text_host(emulator, "AT+CSMP=49,167,0,0")
        await at.ask(f'AT+CMGS="{CALLER}"', "\r\n> ")
        at.write("with report\x1a")
        await at.until("+CDS: 6,0,")


@pytest.mark.parametrize(
    ("party", "typed"), [(CALLER, b"x" * 161), ("not a number at all", b"x"), (CALLER, b"\x00" * 2000)]
)
async def test_a_text_that_can_not_be_sent_is_refused(tmp_path: Path, party: str, typed: bytes) -> None:
    async with emulated(tmp_path) as emulator:
        at = await text_host(emulator)
        await at.ask(f'AT+CMGS="{party}"', "\r\n> ")
        at.write(typed + b"\x1a")
        await at.expect("\r\n+CMS ERROR: Invalid text mode parameter\r\n")
        await at.ask("AT+CMGS", "\r\nERROR\r\n")
        await at.ask('AT+CMGS=""', "\r\n+CMS ERROR: Invalid text mode parameter\r\n")


async def test_a_text_is_written_to_memory_and_listed(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await text_host(emulator)
        await at.ask(f'AT+CMGW="{CALLER}"', "\r\n> ")
        at.write("draft\x1a")
        await at.expect(f"\r\n+CMGW: 0\r\n{OK}")
        await at.ask('AT+CMGL="STO UNSENT"', f'\r\n+CMGL: 0,"STO UNSENT","{CALLER}",,\r\ndraft\r\n{OK}')
        await at.ask("AT+CMGR=0", f'\r\n+CMGR: "STO UNSENT","{CALLER}",\r\ndraft\r\n{OK}')
        await at.ask("AT+CMSS=0", f"\r\n+CMSS: 0\r\n{OK}")


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("AT+CSCA?", f'\r\n+CSCA: "+447700900000",145\r\n{OK}'),
        ('AT+CSCA="4477",129;+CSCA?', f'\r\n+CSCA: "4477",129\r\n{OK}'),
        ('AT+CSCA="x"', "\r\n+CMS ERROR: Invalid PDU mode parameter\r\n"),
        ('AT+CSCS="UCS2";+CSCA?', f'\r\n+CSCA: "{"+447700900000".encode("utf-16-be").hex().upper()}",145\r\n{OK}'),
        ('AT+CPMS="SR"', f"\r\n+CPMS: 0,10,0,50,0,50\r\n{OK}"),
        (
            'AT+CPMS="MT","ME","SM";+CPMS?',
            f'\r\n+CPMS: 0,23,0,23,0,50\r\n\r\n+CPMS: "MT",0,23,"ME",0,23,"SM",0,50\r\n{OK}',
        ),
        ('AT+CPMS="ME","SR"', "\r\n+CMS ERROR: Operation not allowed\r\n"),
        ('AT+CPMS="XX"', "\r\n+CMS ERROR: Operation not allowed\r\n"),
        ("AT+CSMP=49,,,;+CSMP?", f"\r\n+CSMP: 49,167,0,0\r\n{OK}"),
        ("AT+CSMP=1,2,3,4,5", "\r\nERROR\r\n"),
        ("AT+CMMS=2;+CMMS?", f"\r\n+CMMS: 2\r\n{OK}"),
        ("AT+CGSMS?", f"\r\n+CGSMS: 3\r\n{OK}"),
        ("AT+CNMA=?", f"\r\n+CNMA: (0-2)\r\n{OK}"),
    ],
)
async def test_settings_answer_in_these_bytes(tmp_path: Path, command: str, reply: str) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await at.ask(command, reply)
