"""USSD on the emulator: codes, menus, sessions that the network begins and ends, and codings. TS 27.007 §7.15."""

import time
from pathlib import Path

import pytest

from core.modem.emulator import ussd
from tests.modem.emulated import ControlFailed, Emulated, emulated

OK = "\r\nOK\r\n"
MENU = {
    "text": "1 Balance\n2 Top up", "delay_s": 0.01,
    "then": {"1": {"text": "7 EUR", "delay_s": 0.01}, "2": {"text": "Code?", "delay_s": 0.01, "then": {"*": "Thanks"}}},
}  # fmt: skip


async def heard(emulator: Emulated) -> list[tuple[str, str]]:
    return [(each["kind"], each["text"]) for each in (await emulator.control("ussd.heard"))["heard"]]


async def test_a_menu_is_walked_to_its_end(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("ussd.set", code="*101#", **MENU)
        await at.ask('AT+CUSD=1,"*101#",15', OK)
        await at.expect('\r\n+CUSD: 1,"1 Balance\n2 Top up",15\r\n')
        await at.ask('AT+CUSD=1,"2",15', OK)
        await at.expect('\r\n+CUSD: 1,"Code?",15\r\n')
        await at.ask('AT+CUSD=1,"4711"', OK)
        await at.expect('\r\n+CUSD: 0,"Thanks",15\r\n')
        assert (await emulator.control("ussd.heard"))["in_session"] is False
        assert await heard(emulator) == [("code", "*101#"), ("answer", "2"), ("answer", "4711")]


async def test_an_answer_that_the_menu_does_not_know_ends_the_session(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("ussd.set", code="*101#", **MENU)
        await at.ask('AT+CUSD=1,"*101#",15', OK)
        await at.until("15\r\n")
        await at.ask('AT+CUSD=1,"9",15', OK)
        await at.expect("\r\n+CUSD: 2\r\n")


async def test_a_session_is_cancelled_by_the_host(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("ussd.set", code="*101#", **MENU)
        await at.ask('AT+CUSD=1,"*101#",15', OK)
        await at.until("15\r\n")
        await at.ask("AT+CUSD=2", OK)
        assert (await emulator.control("ussd.heard"))["in_session"] is False
        assert (await heard(emulator))[-1] == ("cancel", "")
        await at.ask('AT+CUSD=1,"1",15', OK)
        await at.expect("\r\n+CUSD: 4\r\n")


@pytest.mark.parametrize(
    ("outcome", "line"), [("unsupported", "+CUSD: 4"), ("timeout", "+CUSD: 5"), ("terminated", "+CUSD: 2")]
)
async def test_the_network_fails_in_its_ways(tmp_path: Path, outcome: str, line: str) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("ussd.set", code="*1#", outcome=outcome, delay_s=0.01)
        await at.ask('AT+CUSD=1,"*1#",15', OK)
        await at.expect(f"\r\n{line}\r\n")


async def test_a_silent_network_never_answers_and_a_busy_one_refuses_a_second_code(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("ussd.set", code="*1#", outcome="silent", delay_s=4.0)
        await at.ask('AT+CUSD=1,"*1#",15', OK)
        await at.ask('AT+CUSD=1,"*1#",15', "\r\n+CME ERROR: operation not allowed\r\n")
        started = time.monotonic()
        await emulator.control("ussd.set", code="*2#", text="here", delay_s=0)
        while (await heard(emulator))[-1] != ("code", "*2#"):
            assert time.monotonic() - started < 20
            at.write('AT+CUSD=1,"*2#",15\r')
            await at.until_any("OK\r\n", "not allowed\r\n")
        await at.until('+CUSD: 0,"here",15\r\n')


async def test_the_network_begins_and_ends_sessions(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("ussd.push", text="unheard", delay_s=0)
        await at.nothing_more()
        await at.ask("AT+CUSD=1", OK)
        await emulator.control("ussd.push", text="Accept?", reply_wanted=True, then={"1": "Thanks"}, delay_s=0)
        await at.expect('\r\n+CUSD: 1,"Accept?",15\r\n')
        await emulator.control("ussd.end", result="timeout")
        await at.expect("\r\n+CUSD: 5\r\n")
        with pytest.raises(ControlFailed):
            await emulator.control("ussd.end")
        await emulator.control("ussd.push", text="Hurry", reply_wanted=True, delay_s=0, wait_s=0.05)
        await at.expect('\r\n+CUSD: 1,"Hurry",15\r\n\r\n+CUSD: 2\r\n')


async def test_nothing_is_pushed_to_a_modem_that_the_network_can_not_reach(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("radio.set", registered=False)
        with pytest.raises(ControlFailed):
            await emulator.control("ussd.push", text="x")
        await at.ask('AT+CUSD=1,"*100#",15', "\r\n+CME ERROR: no network service\r\n")


@pytest.mark.parametrize(
    ("charset", "code", "text", "shown"),
    [
        ("IRA", '"*1#",15', "7 EUR", '"7 EUR",15'),
        ("IRA", '"*1#",15', "7 €", '"7 ?",15'),
        ("GSM", '"*1#",15', "@", '"\x00",15'),
        ("IRA", '"*1#",15', "Баланс", '"04110430043B0430043D0441",72'),
        ("IRA", '"002A00310023",72', "7 EUR", '"7 EUR",15'),
        ("UCS2", '"002A00310023",15', "7 EUR", '"00370020004500550052",72'),
    ],
)
async def test_texts_come_in_the_coding_that_was_set(
    tmp_path: Path, charset: str, code: str, text: str, shown: str
) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("ussd.set", code="*1#", text=text, delay_s=0)
        await at.ok(f'AT+CSCS="{charset}"')
        await at.ask(f"AT+CUSD=1,{code}", OK)
        await at.expect(f"\r\n+CUSD: 0,{shown}\r\n".encode("latin-1"))


async def test_a_firmware_that_packs_takes_and_shows_septets(tmp_path: Path) -> None:
    async with emulated(tmp_path, ussd_packed=True) as emulator:
        at = await emulator.at()
        await emulator.control("ussd.set", code="*100#", text="*100#", delay_s=0)
        await at.ask('AT+CUSD=1,"AA180C3602",15', OK)
        await at.expect('\r\n+CUSD: 0,"AA180C3602",15\r\n')
        await emulator.control("ussd.set", code="*100#", text="Баланс", dcs=0x11, delay_s=0)
        await at.ask('AT+CUSD=1,"AA180C3602",15', OK)
        await at.expect('\r\n+CUSD: 0,"04110430043B0430043D0441",17\r\n')


@pytest.mark.parametrize("text", ["", "*100#", "seven77", "eight888", "abcdefghijklmno", "7 €"])
def test_packed_texts_are_read_as_they_were_written(text: str) -> None:
    assert ussd.read(ussd.shown(text, "IRA", 15, packed=True), "IRA", 15, packed=True) == text


async def test_broken_hexadecimal_is_an_error(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await at.ask('AT+CUSD=1,"2A3",72', "\r\nERROR\r\n")
