"""AT by hand: what is taken, what is refused and why, and that it meets nobody else's answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidParams, ModemOffline, NotNow, PublicError, TimedOut
from core.line import LineIncoming, LineState
from core.modem.raw_at import checked
from tests.modem.line_desk import Desk, Emulator, desk, emulator

TAKEN = [
    "AT", "ATI", "at+csq", "AT+CSQ", "AT+CREG?", "AT+COPS=?", "AT+CMGF?", "AT+CMGS=?", "AT+CPIN?", "AT+CLCC", "AT+CEER",
    "AT+CFUN?", "AT+CFUN=1", "AT+CFUN=0", "AT+CFUN=4,0", "AT+CNMP=38", 'AT+CGDCONT=1,"IPV4V6","a;b"', "AT+CSQ;+CREG?",
    "ATX1", "AT&W", "AT$QCRMCALL?", "AT^SYSINFO", "AT+CUSBPIDSWITCH?", 'AT+CLCK="SC",2', "AT+CLVL=3", "ATS0?",
    "AT+CUSD=2", "AT+CMGL=4",
]  # fmt: skip
REFUSED = [
    # calls, which keep to rules of their own
    "ATD112;", "atd +447700900123;", "ATA", "ATH", "AT+CHUP", "AT+CHLD=1", "ATX1D112;", "AT+CSQ;D112;", "ATP", "ATS0=1",
    # messages and data: a prompt would wait for ever
    'AT+CMGS="+1"', "AT+CMGS=20", "AT+CMSS=1", "AT+CMGW=20", "AT+CNMA=1,20", 'AT+CFTRANRX="E:/a",9', "AT+CIPSEND=0,5",
    "ATO", 'AT+CGDATA="PPP",1', "AT+CMGD=1,4",
    # other ways of talking
    "ATQ1", "ATV0", "ATE1", "ATZ", "AT&F", "AT+CMUX=0", "AT+IPR=9600", "ATS3=10", "AT+CATR=1", "AT+CLCC=0", "ATE0Q1",
    # what needs a hand at the plug, or modem.reset
    "AT+CFUN=7", "AT+CPOF", "AT+CUSBPIDSWITCH=9011,1,1", "AT+CRESET", "AT+CFUN=6", "AT+CFUN=1,1", "AT+CFUN=07",
    "AT+CFUN = 7", "AT+CFUN=1, 1", "AT+CFUN=9",
    "AT+CSQ;+CPOF", "AT+cpof",
    # PINs
    'AT+CPIN="1234"', "AT+CPIN=1234", 'AT+CPWD="SC","1234","4321"', 'AT+CLCK="SC",1,"1234"', 'AT+CSQ;+CPIN="1234"',
    # no commands
    "", "+CSQ", "A/", "ATé", "AT+CSQ\r", "AT+CSQ\nATD1;", "AT" + "X" * 600, "AT1", "AT(", "AT+",
]  # fmt: skip
SECRETS = ("1234", "4321", "+447700900123")


@pytest.mark.parametrize("command", TAKEN)
def test_questions_and_settings_are_taken(command: str) -> None:
    assert checked(command, 5.0).text.upper() == command.upper()


@pytest.mark.parametrize("command", [text for text in REFUSED if not text.endswith("\r")])
def test_what_would_take_the_modem_away_is_refused_with_its_reason(command: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        checked(command, 5.0)
    assert refused.value.details["path"] == "command"
    assert not any(secret in refused.value.message for secret in SECRETS)


def test_answers_are_told_from_what_comes_unasked() -> None:
    assert checked("AT+CSQ;+CREG?;+CLIP=1;+COPS=?", 5.0).prefixes == ("+CSQ:", "+CREG:", "+COPS:")


@given(st.lists(st.sampled_from(["+CSQ", "+CREG?", '+CGDCONT=1,"IP","a;+CPOF"', "+COPS=3,2"]), min_size=1, max_size=6))
def test_what_stands_in_quotes_is_no_command(parts: list[str]) -> None:
    checked("AT" + ";".join(parts), 5.0)


@given(
    st.lists(st.sampled_from(["+CSQ", "+CREG?", "E0", "X1"]), max_size=4).map(
        lambda parts: [part for part in parts if part != "E0"]
    ),
    st.sampled_from(["+CPOF", "+CRESET", "+CMGS=20", "+cfun=7", "D112;"]),
)
def test_nothing_refused_hides_behind_others(parts: list[str], bad: str) -> None:
    with pytest.raises(InvalidParams):
        checked("AT" + "".join(part if len(part) == 2 else part + ";" for part in parts) + bad, 5.0)


@given(st.text(max_size=40))
def test_no_text_makes_the_check_fail_in_another_way(text: str) -> None:
    with contextlib.suppress(InvalidParams):
        assert checked("AT" + text, 5.0).text.startswith("AT")


# --- on a line


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path) as found:
        yield found


@pytest.fixture
async def phone(modem: Emulator) -> AsyncIterator[Desk]:
    async with desk(modem.config(poll_s=0.2)) as found:
        yield found


async def test_lines_and_the_final_result_come_back(phone: Desk) -> None:
    assert await phone.line.raw_at("AT+CSQ", timeout_s=20) == ("+CSQ: 18,99", "OK")
    assert (await phone.line.raw_at("AT+NOSUCH", timeout_s=20))[-1] == "ERROR"
    assert (await phone.line.raw_at("ATI", timeout_s=20))[0] == "Manufacturer: SIMCOM INCORPORATED"
    assert await phone.line.raw_at("AT", timeout_s=20) == ("OK",)


async def test_many_at_once_each_get_their_own_answer(phone: Desk) -> None:
    async with asyncio.TaskGroup() as tasks:
        asked = ("AT+CSQ", "AT+CBC", "AT+CPMUTEMP", "AT+SPIC") * 6
        answers = [(text, tasks.create_task(phone.line.raw_at(text, timeout_s=20))) for text in asked]
    for text, task in answers:
        line, final = task.result()
        assert line.startswith(text[2:]) and final == "OK"


async def test_a_ring_in_the_middle_of_an_answer_still_rings(phone: Desk, modem: Emulator) -> None:
    await modem("fault.set", kind="late_reply", command="AT+CBC", delay_s=0.5, times=1)
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(phone.line.raw_at("AT+CBC", timeout_s=20))
        await modem("call.incoming", number="+447700900123")
        await phone.hears(LineIncoming)
    assert asking.result()[-1] == "OK"


async def test_a_command_without_an_answer_ends_in_its_time_and_the_port_goes_on(phone: Desk, modem: Emulator) -> None:
    await modem("fault.set", kind="no_reply", command="AT+CBC", times=1)
    with pytest.raises(TimedOut):
        await phone.line.raw_at("AT+CBC", timeout_s=1)
    assert await phone.line.raw_at("AT+CSQ", timeout_s=20) == ("+CSQ: 18,99", "OK")


async def test_without_a_modem_nothing_is_sent(phone: Desk, modem: Emulator) -> None:
    await modem("usb.unplug")
    await phone.is_in(LineState.RECONNECTING)
    with pytest.raises(ModemOffline):
        await phone.line.raw_at("AT+CSQ", timeout_s=20)


async def test_the_only_port_of_a_call_is_not_lent(modem: Emulator) -> None:
    one = str(modem.folder / "if02")
    config = modem.config(ports_dir=None, at_port=one, voice_port=one, pcm_port=str(modem.folder / "if04"))
    async with desk(config) as phone:
        await modem("call.incoming", number="+447700900123")
        handle = (await phone.incoming()).handle
        with pytest.raises(NotNow):
            await phone.line.raw_at("AT+CSQ", timeout_s=20)
        await phone.line.reject(handle)
        await phone.released(handle)
        assert (await phone.line.raw_at("AT+CSQ", timeout_s=20))[-1] == "OK"


async def test_a_refusal_reaches_no_modem(phone: Desk, modem: Emulator) -> None:
    with pytest.raises(PublicError):
        await phone.line.raw_at("AT+CPOF", timeout_s=20)
    assert (await modem("modem.status"))["plugged"]
