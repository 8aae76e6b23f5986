"""Sending on the emulated modem: what was certainly sent, certainly not, or possibly; and nothing harms the rest."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import ModemOffline, PublicError, TimedOut
from core.line import (
    CallState,
    EndReason,
    LineLateReference,
    LineProgress,
    LineState,
    LineStatus,
    SendRefused,
    SendUncertain,
)
from core.modem import outgoing
from core.modem import port as port_module
from core.modem.pdu import Address, compose, encode_submit
from tests.modem.heard import Heard
from tests.modem.line_desk import Desk, Emulator, desk, emulator
from tests.modem.scripted import until

FRIEND = "+447700900123"
BARRED = "+447700900999"


@pytest.fixture
def heard(tmp_path: Path) -> Heard:
    return Heard(tmp_path)


@pytest.fixture
async def modem(tmp_path: Path, heard: Heard) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path, *heard.options) as running:
        yield running


@pytest.fixture
async def phone(modem: Emulator) -> AsyncIterator[Desk]:
    async with desk(modem.config()) as running:
        await until(lambda: running.line.can_send)
        yield running


@contextmanager
def impatient() -> Iterator[None]:
    """The wait for a prompt made short: how long it is comes from the manual and isn't what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outgoing, "PROMPT_S", 0.3)
        yield


def _tpdu(to: str = FRIEND, text: str = "Hello") -> bytes:
    (submit,) = compose(Address.of(to), text=text)
    return encode_submit(submit)


async def _send(
    phone: Desk, to: str = FRIEND, *, text: str = "Hello", timeout_s: float = 20.0, more: bool = False
) -> int:
    return await phone.line.send_tpdu(_tpdu(to, text), more=more, timeout_s=timeout_s)


async def _sent(modem: Emulator) -> list[str]:
    return [message["text"] for message in (await modem("sms.sent"))["decoded"]]


async def _active_call(phone: Desk, modem: Emulator) -> int:
    await modem("dial.script", outcome="answer", alert_after_s=0.05, answer_after_s=0.1)
    handle = await phone.line.dial("+447700900124")
    await phone.hears(LineProgress, lambda fact: fact.handle == handle and fact.state is CallState.ACTIVE)
    return handle


def _lost_nothing(phone: Desk) -> bool:
    return {status.state for status in phone.of(LineStatus)} == {LineState.STARTING, LineState.READY}


async def test_a_message_is_sent_and_its_reference_told(phone: Desk, modem: Emulator) -> None:
    references = [await _send(phone, text=f"Number {number}") for number in range(3)]
    assert references == [0, 1, 2]
    assert await _sent(modem) == ["Number 0", "Number 1", "Number 2"]


async def test_a_service_centre_of_the_senders_choice_goes_with_the_message(phone: Desk, modem: Emulator) -> None:
    await phone.line.send_tpdu(_tpdu(), smsc="+447700900777", timeout_s=20)
    assert (await modem("sms.sent"))["decoded"][0]["smsc"] == "+447700900777"


async def test_more_keeps_the_link_with_one_command_for_a_run_of_messages(
    phone: Desk, modem: Emulator, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "LINK_S", 60.0)
    for number in range(5):
        await _send(phone, more=number < 4)
    assert heard.of("AT+CMMS") == ["AT+CMMS=1"]
    assert len(await _sent(modem)) == 5


@pytest.mark.parametrize("cms", [38, 322, 500, 332])
async def test_a_refusal_has_its_number(phone: Desk, modem: Emulator, cms: int) -> None:
    await modem("sms.network", refuse={"times": 1, "cms": cms})
    with pytest.raises(SendRefused) as refused:
        await _send(phone)
    assert refused.value.cms == cms
    await _send(phone)


@pytest.mark.parametrize(("words", "cms"), [("ERROR", None), ("+CME ERROR: no network service", 331)])
async def test_a_refusal_in_other_words_is_one_too(phone: Desk, modem: Emulator, words: str, cms: int | None) -> None:
    await modem("fault.set", kind="error_reply", command="AT+CMGS", text=words, times=1)
    with pytest.raises(SendRefused) as refused:
        await _send(phone)
    assert refused.value.cms == cms


async def test_it_can_send_only_while_the_network_takes_messages(phone: Desk, modem: Emulator) -> None:
    await modem("radio.set", registered=False)
    await until(lambda: not phone.line.can_send)
    with pytest.raises(SendRefused) as refused:
        await _send(phone)
    assert refused.value.cms == 331
    await modem("radio.set", registered=True)
    await until(lambda: phone.line.can_send)
    await modem("usb.unplug")
    await until(lambda: not phone.line.can_send)
    with pytest.raises(ModemOffline):
        await _send(phone)


@pytest.mark.parametrize("sent", [True, False])
async def test_a_message_without_an_answer_costs_its_own_deadline_only(
    phone: Desk, modem: Emulator, sent: bool
) -> None:
    await modem("sms.network", lose_answer={"times": None, "sent": sent, "to": BARRED})
    for _ in range(4):  # more than a port takes of other commands
        started_s = time.monotonic()
        with pytest.raises(SendUncertain):
            await _send(phone, BARRED, timeout_s=0.3)
        await _send(phone)
        assert time.monotonic() - started_s < 10.0
    assert len(await _sent(modem)) == (8 if sent else 4)
    assert _lost_nothing(phone)


async def test_a_call_goes_on_beside_a_modem_that_is_deaf_over_a_message(
    phone: Desk, modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_module, "STUCK_S", 0.1)  # it would be lost at once, were it not for the call
    handle = await _active_call(phone, modem)
    await modem("sms.network", late_answer_s=60, late_answer_times=1)
    with pytest.raises(SendUncertain):
        await _send(phone, timeout_s=0.3)
    assert not phone.line.can_send
    started_s = time.monotonic()
    await phone.line.send_dtmf(handle, "5")
    await phone.line.hangup(handle)
    assert time.monotonic() - started_s < 20
    assert (await phone.released(handle)).reason is EndReason.LOCAL_HANGUP


async def test_a_late_answer_is_told_and_the_next_message_gets_its_own(phone: Desk, modem: Emulator) -> None:
    await modem("sms.network", late_answer_s=5.0, late_answer_times=1)
    with pytest.raises(SendUncertain):
        await _send(phone, timeout_s=0.3)
    assert not phone.line.can_send
    assert await _send(phone, text="Second") == 1
    assert await phone.reads(LineLateReference) == LineLateReference(0)
    assert await _sent(modem) == ["Hello", "Second"]
    assert phone.line.can_send
    assert _lost_nothing(phone)


async def test_a_deaf_modem_without_a_call_is_lost_in_the_end(
    phone: Desk, modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_module, "STUCK_S", 0.1)
    monkeypatch.setattr(port_module, "STUCK_PROBE_S", 0.2)
    await modem("sms.network", late_answer_s=60, late_answer_times=1)
    with pytest.raises(SendUncertain):
        await _send(phone, timeout_s=0.3)
    await phone.is_in(LineState.RECONNECTING)


async def test_a_prompt_that_does_not_come_means_certainly_not_sent(phone: Desk, modem: Emulator) -> None:
    await modem("sms.network", no_prompt={"times": 1})
    with pytest.raises(TimedOut), impatient():
        await _send(phone)
    await _send(phone, text="Second")
    assert await _sent(modem) == ["Second"]


async def test_a_prompt_that_comes_late_swallows_nothing(phone: Desk, modem: Emulator) -> None:
    await modem("sms.network", prompt_s=4.0)
    with pytest.raises(TimedOut), impatient():
        await _send(phone)
    await modem("sms.network", prompt_s=0)
    await _send(phone, text="Second")
    assert await _sent(modem) == ["Second"]
    assert _lost_nothing(phone)


@pytest.mark.parametrize(
    ("network", "expected"), [({"prompt_s": 30}, ModemOffline), ({"prompt_s": 0, "delay_s": 30}, SendUncertain)]
)
async def test_a_modem_lost_before_the_prompt_sent_nothing_and_after_it_perhaps(
    phone: Desk,
    modem: Emulator,
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
    network: dict[str, float],
    expected: type[Exception],
) -> None:
    monkeypatch.setattr(outgoing, "PROMPT_S", 20.0)
    await modem("sms.network", **network)
    last = "\x1a" if expected is SendUncertain else f"AT+CMGS={len(_tpdu())}"
    async with asyncio.TaskGroup() as tasks:
        message = tasks.create_task(_failure(_send(phone, timeout_s=20)))
        await until(lambda: any(command.endswith(last) for command in heard.commands()))
        await modem("usb.unplug")
    assert isinstance(message.result(), expected)


async def _failure(work: Awaitable[int]) -> Exception | None:
    try:
        await work
    except (PublicError, SendRefused, SendUncertain) as problem:
        return problem
    return None


async def test_a_sender_that_stopped_waiting_before_the_hand_over_sends_nothing(phone: Desk, modem: Emulator) -> None:
    await modem("sms.network", prompt_s=4.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await _send(phone, text="Nobody waits")
    await modem("sms.network", prompt_s=0)
    await _send(phone, text="Second")
    assert await _sent(modem) == ["Second"]


async def test_messages_are_sent_and_received_at_once(modem: Emulator) -> None:
    async with desk(modem.config(), commits=True) as phone:
        await until(lambda: phone.line.can_send)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(modem("sms.flood", count=100))
            slowest_s = 0.0
            for number in range(100):
                started_s = time.monotonic()
                await _send(phone, text=str(number))
                slowest_s = max(slowest_s, time.monotonic() - started_s)
        assert len(await phone.receives(100, within_s=40)) == 100
        assert await _sent(modem) == [str(number) for number in range(100)]
        assert slowest_s < 10.0


async def test_a_message_comes_and_one_goes_during_a_call(phone: Desk, modem: Emulator) -> None:
    handle = await _active_call(phone, modem)
    await modem("sms.deliver", **{"from": FRIEND, "text": "Are you there?"})
    await phone.receives(1)
    await _send(phone)
    await phone.line.hangup(handle)
    assert (await phone.released(handle)).reason is EndReason.LOCAL_HANGUP


async def test_on_a_single_port_a_hang_up_goes_before_a_message_that_waits_for_its_prompt(
    modem: Emulator, heard: Heard
) -> None:
    ports = {"ports_dir": None, "at_port": str(modem.folder / "if03"), "voice_port": str(modem.folder / "if03")}
    async with desk(modem.config(**ports, pcm_port=str(modem.folder / "if04"))) as phone:
        await until(lambda: phone.line.can_send)
        handle = await _active_call(phone, modem)
        await modem("sms.network", prompt_s=2.0)
        async with asyncio.TaskGroup() as tasks:
            messages = [tasks.create_task(_send(phone, text=f"Number {number}")) for number in range(3)]
            await until(lambda: bool(heard.of("AT+CMGS=")))  # the first one is waiting for its prompt
            await phone.line.hangup(handle)
            assert not any(message.done() for message in messages)
        assert await _sent(modem) == ["Number 0", "Number 1", "Number 2"]
        assert (await phone.released(handle)).reason is EndReason.LOCAL_HANGUP


async def test_a_modem_left_at_a_prompt_by_a_core_that_died_is_freed(modem: Emulator, heard: Heard) -> None:
    port = os.open(modem.folder / "if02", os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(port, b"AT+CMGS=20\r")
        await until(lambda: "if02 < '\\r\\n> '" in heard.text)
        os.write(port, b"0001000C91")
        await until(lambda: "0001000C91" in heard.text)
    finally:
        os.close(port)
    async with desk(modem.config()) as phone:
        await until(lambda: phone.line.can_send)
        await _send(phone)
    assert await _sent(modem) == ["Hello"]
