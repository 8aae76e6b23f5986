"""USSD on the emulated modem, and the strings of AT+CUSD."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidParams, ModemBusy, ModemOffline, ModemRefused, TimedOut
from core.line import CallState, LineProgress, LineUssd, UssdAnswer, UssdState
from core.modem.at import Command
from core.modem.pdu import gsm7
from core.modem.port import AtPort
from core.modem.profile import load_profile
from core.modem.ussd import UssdControl
from core.modem.ussd_text import decode, encode
from tests.modem.line_desk import Desk, Emulator, desk, emulator
from tests.modem.scripted import OK, running, scripted_modem, until

MENU = {
    "code": "*101#",
    "text": "1 Balance\n2 Top up",
    "then": {"1": "€3.20", "2": {"text": "Code?", "then": {"*": "Done"}}},
}


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path) as running:
        yield running


@pytest.fixture
async def phone(modem: Emulator) -> AsyncIterator[Desk]:
    async with desk(modem.config()) as running:
        await until(lambda: running.line.can_send)
        yield running


async def _heard(modem: Emulator) -> list[tuple[str, str]]:
    return [(heard["kind"], heard["text"]) for heard in (await modem("ussd.heard"))["heard"]]


async def test_a_code_is_answered(phone: Desk) -> None:
    assert await phone.line.ussd("*100#", timeout_s=20) == UssdAnswer(UssdState.DONE, "Balance: 10.00")
    assert await phone.line.ussd("*100#", timeout_s=20) == UssdAnswer(UssdState.DONE, "Balance: 10.00")
    await asyncio.sleep(0.2)
    assert phone.mail == []  # heard on both ports, and it was one


async def test_a_session_is_replied_to_until_it_ends(phone: Desk, modem: Emulator) -> None:
    await modem("ussd.set", **MENU)
    assert await phone.line.ussd("*101#", timeout_s=20) == UssdAnswer(UssdState.REPLY_WANTED, "1 Balance\n2 Top up")
    assert await phone.line.ussd("2", timeout_s=20) == UssdAnswer(UssdState.REPLY_WANTED, "Code?")
    assert await phone.line.ussd("1234", timeout_s=20) == UssdAnswer(UssdState.DONE, "Done")
    await phone.line.ussd("*101#", timeout_s=20)
    assert (await phone.line.ussd("1", timeout_s=20)).text == "€3.20"


async def test_one_request_at_a_time(phone: Desk) -> None:
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(phone.line.ussd("*100#", timeout_s=20))
        await asyncio.sleep(0.1)
        with pytest.raises(ModemBusy):
            await phone.line.ussd("*100#", timeout_s=20)
    assert first.result().state is UssdState.DONE


async def test_the_character_set_is_put_back_after_each_exchange(phone: Desk, modem: Emulator) -> None:
    await modem("ussd.set", **MENU)
    await phone.line.ussd("*101#", timeout_s=20)
    await modem("call.incoming", number="+447700900123", ring_s=0.3)  # in UCS2 its number were hexadecimal
    assert (await phone.incoming()).number == "+447700900123"
    await asyncio.sleep(0.6)  # a poll
    assert phone.line.info.operator == "Dialtone"


async def test_the_character_set_is_put_back_by_a_name_in_it_where_the_modem_wants_that() -> None:
    with scripted_modem() as modem:
        profile = load_profile("sim7600")
        modem.answers |= {'AT+CSCS="IRA"': b"\r\nERROR\r\n", 'AT+CUSD=1,"0031",15': OK + b"\r\n+CUSD: 4\r\n"}
        async with running(AtPort("at", modem.path, urcs=profile.urcs)) as port, asyncio.TaskGroup() as tasks:
            control = UssdControl(port, profile.messages, lambda fact: None)
            request = tasks.create_task(control.ask("1", timeout_s=20))
            control.on_urc("at", await port.next_urc())
            assert (await request).state is UssdState.UNSUPPORTED
            await modem.hears('AT+CSCS="004900520041"')


async def test_no_deadline_is_overrun_by_a_port_that_is_busy() -> None:
    with scripted_modem() as modem:
        profile = load_profile("sim7600")
        modem.answers["AT+SLOW"] = None
        async with running(AtPort("at", modem.path, urcs=profile.urcs)) as port, asyncio.TaskGroup() as tasks:
            control = UssdControl(port, profile.messages, lambda fact: None)
            slow = tasks.create_task(port.send(Command("AT+SLOW")))
            await modem.hears("AT+SLOW")
            with pytest.raises(TimedOut):
                await control.ask("1", timeout_s=0.2)
            modem.say(OK)
            await slow
            await modem.hears('AT+CSCS="IRA"')
            assert modem.heard[-3:] == ['AT+CSCS="UCS2"', "AT+CUSD=2", 'AT+CSCS="IRA"']


async def test_no_answer_is_a_timeout_and_the_session_is_cancelled(phone: Desk, modem: Emulator) -> None:
    await modem("ussd.set", code="*102#", text="", outcome="silent")
    started_s = time.monotonic()
    with pytest.raises(TimedOut):
        await phone.line.ussd("*102#", timeout_s=1)
    assert time.monotonic() - started_s < 15.0
    await until(lambda: phone.line.can_send)
    assert (await phone.line.ussd("*100#", timeout_s=20)).state is UssdState.DONE
    assert await _heard(modem) == [("code", "*102#"), ("cancel", ""), ("code", "*100#")]


async def test_a_caller_that_stops_waiting_ends_the_session(phone: Desk, modem: Emulator) -> None:
    await modem("ussd.set", code="*102#", text="", outcome="silent")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await phone.line.ussd("*102#", timeout_s=60)
    assert (await phone.line.ussd("*100#", timeout_s=20)).state is UssdState.DONE
    assert ("cancel", "") in await _heard(modem)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("unsupported", UssdState.UNSUPPORTED),
        ("terminated", UssdState.TERMINATED),
        ("timeout", UssdState.TIMEOUT),
    ],
)
async def test_what_the_network_does_instead_of_answering_is_told(
    phone: Desk, modem: Emulator, outcome: str, state: UssdState
) -> None:
    await modem("ussd.set", code="*102#", text="", outcome=outcome)
    assert await phone.line.ussd("*102#", timeout_s=20) == UssdAnswer(state, None)


async def test_the_network_can_begin_and_be_replied_to(phone: Desk, modem: Emulator) -> None:
    text = 'Accept "charges"?\n1 yes, 2 no'
    await modem("ussd.push", text=text, then={"1": "Thanks"})
    assert await phone.reads(LineUssd) == LineUssd(UssdState.REPLY_WANTED, text)
    assert await phone.line.ussd("1", timeout_s=20) == UssdAnswer(UssdState.DONE, "Thanks")
    assert len(phone.mail) == 1


async def test_an_open_session_that_the_network_ends_is_told(phone: Desk, modem: Emulator) -> None:
    await modem("ussd.set", **MENU)
    await phone.line.ussd("*101#", timeout_s=20)
    await modem("ussd.end", result="timeout")
    assert await phone.reads(LineUssd) == LineUssd(UssdState.TIMEOUT, None)


async def test_a_session_is_cancelled_once_and_only_when_there_is_one(phone: Desk, modem: Emulator) -> None:
    await modem("ussd.set", **MENU)
    await phone.line.ussd_cancel()
    await phone.line.ussd("*101#", timeout_s=20)
    await phone.line.ussd_cancel()
    await phone.line.ussd_cancel()
    assert await _heard(modem) == [("code", "*101#"), ("cancel", "")]
    assert phone.mail == []


async def test_cancelling_ends_a_request_that_still_waits(phone: Desk, modem: Emulator) -> None:
    await modem("ussd.set", code="*102#", text="late", delay_s=30)
    async with asyncio.TaskGroup() as tasks:
        request = tasks.create_task(phone.line.ussd("*102#", timeout_s=60))
        await asyncio.sleep(0.3)
        await phone.line.ussd_cancel()
    assert request.result() == UssdAnswer(UssdState.TERMINATED, None)


async def test_a_refusal_has_the_modems_words(phone: Desk, modem: Emulator) -> None:
    await modem("radio.set", registered=False)
    with pytest.raises(ModemRefused) as refused:
        await phone.line.ussd("*100#", timeout_s=20)
    assert refused.value.details["network_text"] == "no network service"


async def test_a_modem_that_goes_ends_the_wait(phone: Desk, modem: Emulator) -> None:
    await modem("ussd.set", code="*102#", text="late", delay_s=30)
    async with asyncio.TaskGroup() as tasks:
        request = tasks.create_task(_ask_offline(phone))
        await asyncio.sleep(0.3)
        await modem("usb.unplug")
    assert request.result()


async def _ask_offline(phone: Desk) -> bool:
    with pytest.raises(ModemOffline):
        await phone.line.ussd("*102#", timeout_s=60)
    return True


async def test_it_works_during_a_call(phone: Desk, modem: Emulator) -> None:
    await modem("dial.script", outcome="answer", alert_after_s=0.05, answer_after_s=0.1)
    handle = await phone.line.dial("+447700900124")
    await phone.hears(LineProgress, lambda fact: fact.state is CallState.ACTIVE)
    assert (await phone.line.ussd("*100#", timeout_s=20)).text == "Balance: 10.00"
    await phone.line.hangup(handle)


async def test_a_modem_without_ucs2_is_asked_in_plain_characters(phone: Desk, modem: Emulator) -> None:
    await modem("fault.set", kind="error_reply", command="AT+CSCS", text="ERROR")
    await modem("ussd.set", **MENU)
    assert (await phone.line.ussd("*101#", timeout_s=20)).text == "1 Balance\n2 Top up"
    with pytest.raises(ModemRefused):
        await phone.line.ussd("ünicode", timeout_s=20)


@pytest.mark.parametrize("text", ["", "1" * 183, "\u0416" * 81])
async def test_what_ussd_cannot_carry_is_refused_before_the_modem_is_asked(phone: Desk, text: str) -> None:
    with pytest.raises(InvalidParams):
        await phone.line.ussd(text, timeout_s=20)


async def test_septets_that_the_modem_left_packed_are_read(tmp_path: Path) -> None:
    async with emulator(tmp_path, "--ussd-packed") as modem, desk(modem.config()) as phone:
        await until(lambda: phone.line.can_send)
        await modem("ussd.push", text="Your balance is 3.20")
        assert await phone.reads(LineUssd) == LineUssd(UssdState.DONE, "Your balance is 3.20")


@pytest.mark.parametrize(
    ("text", "dcs", "charset", "wanted"),
    [
        ("Balance: 3.20", 15, "IRA", "Balance: 3.20"),
        ("Balance: 3.20", None, "IRA", "Balance: 3.20"),
        ("12345678", 15, "IRA", "12345678"),  # digits alone are no septets
        ("00420061006C", 15, "UCS2", "Bal"),
        ("00420061006C", 72, "IRA", "Bal"),
        ("00420061006C", 0x59, "IRA", "Bal"),  # general coding, UCS2, class 1
        ("0411", 72, "UCS2", "\u0411"),
        ("D83DDE00", 72, "UCS2", "\U0001f600"),
        ("12345678", 15, "UCS2", "12345678"),  # this firmware didn't convert
        ("656E0042", 0x11, "IRA", "\u656e" + "B"),  # no language in front
        ("65370042", 0x11, "IRA", "B"),  # "en" in two octets
        ("en\rHello", 0x10, "IRA", "Hello"),
        ("E8329BFD06", 15, "IRA", "hello"),
        ("C2303BEC1E971B", 15, "IRA", "Balance"),  # seven septets and a carriage return that fills (§6.1.2.3.1)
        ("48656C6C6F", 0x44, "IRA", "Hello"),  # 8-bit data
        ("48656C6C6F", 0xF5, "IRA", "Hello"),
        ("abc", 72, "UCS2", "abc"),
        ("line one\r\nline two\r", 15, "IRA", "line one\nline two"),
    ],
)  # fmt: skip
def test_a_string_is_read_by_its_coding_and_its_look(text: str, dcs: int | None, charset: str, wanted: str) -> None:
    assert decode(text, dcs, charset) == wanted


@given(st.text(), st.one_of(st.none(), st.integers(0, 255)), st.sampled_from(["IRA", "UCS2", None]))
def test_any_string_is_read_somehow(text: str, dcs: int | None, charset: str | None) -> None:
    decode(text, dcs, charset)


@given(st.text(st.sampled_from([char for char in gsm7.codes() if char not in "\r\n"]), min_size=1, max_size=90))
def test_what_goes_out_in_ucs2_reads_back_as_it_was(text: str) -> None:
    coded = encode(text, "UCS2")
    assert coded is not None
    assert decode(*coded, "UCS2") == text


@given(st.text(max_size=200))
def test_only_plain_characters_get_between_the_quotes(text: str) -> None:
    for charset in ("UCS2", "IRA"):
        coded = encode(text, charset)
        assert coded is None or (coded[0].isascii() and coded[0].isprintable() and '"' not in coded[0])
