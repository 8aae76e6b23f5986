"""A line whose modem misbehaves, and callers who stop waiting: no call is left without anyone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import ModemRefused, PublicError
from core.line import CallState, EndReason, LineIncoming, LineProgress, LineReleased, LineState, LineStatus
from core.modem import call_table, port, voice
from core.modem.at import Command
from tests.modem.heard import Heard
from tests.modem.line_desk import Desk, Emulator, desk, emulator
from tests.modem.scripted import until


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path) as running:
        yield running


@pytest.fixture
async def phone(modem: Emulator) -> AsyncIterator[Desk]:
    async with desk(modem.config()) as running:
        yield running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of patience made short: how long it is comes from the manual and isn't what is tested."""
    monkeypatch.setattr(voice, "LIST", Command("AT+CLCC", 0.5))
    monkeypatch.setattr(port, "SYNC_GAP_S", 0.1)


async def _outgoing(phone: Desk, modem: Emulator) -> int:
    await modem("dial.script", outcome="answer", alert_after_s=0.05, answer_after_s=0.1)
    handle = await phone.line.dial("+447700900124")
    await phone.hears(LineProgress, lambda fact: fact.handle == handle and fact.state is CallState.ACTIVE)
    return handle


async def _calls(modem: Emulator) -> int:
    return len((await modem("modem.status"))["calls"])


async def test_a_call_whose_dialler_stopped_waiting_is_hung_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_table, "STRANGER_S", 1.0)
    heard = Heard(tmp_path)
    async with emulator(tmp_path, *heard.options) as modem, desk(modem.config()) as phone:
        await modem("fault.set", kind="late_reply", command="ATD", delay_s=0.5, times=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await phone.line.dial("+447700900124")
        await until(lambda: bool(heard.of("AT+CHUP")))
        assert len(heard.of("ATD")) == 1
        async with asyncio.timeout(20):
            while await _calls(modem):  # noqa: ASYNC110 - the emulator is another process
                await asyncio.sleep(0.05)
        assert phone.of(LineReleased) == []  # nobody was told of it
        await _outgoing(phone, modem)


async def test_hanging_up_does_not_wait_for_a_dial_under_way(phone: Desk, modem: Emulator) -> None:
    first = await _outgoing(phone, modem)
    await phone.line.hold(first)
    await modem("fault.set", kind="late_reply", command="ATD", delay_s=8.0, times=1)
    async with asyncio.TaskGroup() as tasks:
        dialling = tasks.create_task(phone.line.dial("+447700900125"))
        async with asyncio.timeout(20):
            while await _calls(modem) < 2:  # noqa: ASYNC110 - the emulator is another process
                await asyncio.sleep(0.05)
        await phone.line.hangup(first)
        assert not dialling.done()
    assert (await phone.released(first)).reason is EndReason.LOCAL_HANGUP
    await phone.line.hangup(dialling.result())


async def test_hanging_up_takes_the_port_that_is_free_first_where_both_are_in_long_exchanges(
    tmp_path: Path,
) -> None:
    heard = Heard(tmp_path)
    async with emulator(tmp_path, *heard.options) as modem, desk(modem.config()) as phone:
        first = await _outgoing(phone, modem)
        await phone.line.hold(first)
        await modem("fault.set", kind="late_reply", command="ATD", delay_s=12.0, times=1)
        await modem("fault.set", kind="late_reply", command="AT+CPSI", delay_s=1.0)
        async with asyncio.TaskGroup() as tasks:
            dialling = tasks.create_task(phone.line.dial("+447700900125"))
            await until(lambda: len(heard.of("ATD")) == 2)
            tasks.create_task(phone.line.raw_at("AT+CPSI?", timeout_s=30.0))
            await until(lambda: bool(heard.of("AT+CPSI?")))
            async with asyncio.timeout(20):
                while await _calls(modem) < 2:  # noqa: ASYNC110 - the emulator is another process
                    await asyncio.sleep(0.05)
            await phone.line.hangup(first)
            assert not dialling.done()
        await phone.line.hangup(dialling.result())


async def test_a_hang_up_that_gets_no_answer_goes_out_on_the_other_port(
    phone: Desk, modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice, "HANG_UP", Command("AT+CHUP", 4.0))
    handle = await _outgoing(phone, modem)
    await modem("fault.set", kind="no_reply", command="AT+CHUP", times=1)
    await phone.line.hangup(handle)
    assert (await phone.released(handle)).reason is EndReason.LOCAL_HANGUP
    assert await _calls(modem) == 0


async def test_a_hang_up_that_is_refused_once_is_sent_again(
    phone: Desk, modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice, "VERIFY_S", 0.3)
    handle = await _outgoing(phone, modem)
    await modem("fault.set", kind="error_reply", command="AT+CHUP", text="ERROR", times=1)
    await phone.line.hangup(handle)
    assert (await phone.released(handle)).reason is EndReason.LOCAL_HANGUP


async def test_a_call_that_does_not_end_is_said_to_go_on(
    phone: Desk, modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice, "VERIFY_S", 0.3)
    handle = await _outgoing(phone, modem)
    await modem("fault.set", kind="error_reply", command="AT+CHUP", text="ERROR")
    with pytest.raises(ModemRefused):
        await phone.line.hangup(handle)
    assert phone.of(LineReleased) == []
    await modem("fault.clear")
    await modem("far.hangup")
    assert (await phone.released(handle)).reason is EndReason.REMOTE_HANGUP  # not by us, after all


async def test_a_caller_gone_before_we_answer_is_missed(phone: Desk, modem: Emulator) -> None:
    await modem("call.incoming", number="+447700900123", ring_s=0.3)
    call = await phone.incoming()
    await modem("far.hangup")
    with pytest.raises(PublicError):
        await phone.line.answer(call.handle)
    assert (await phone.released(call.handle)).reason is EndReason.MISSED


async def test_the_end_is_told_without_the_networks_words_when_they_do_not_come(phone: Desk, modem: Emulator) -> None:
    handle = await _outgoing(phone, modem)
    await modem("fault.set", kind="no_reply", command="AT+CEER", times=1)
    await modem("far.hangup")
    released = await phone.released(handle)
    assert (released.reason, released.network_text) == (EndReason.REMOTE_HANGUP, None)
    assert phone.line.info.state is LineState.READY
    assert LineState.RECONNECTING not in [status.state for status in phone.of(LineStatus)]


@pytest.mark.usefixtures("quick")
async def test_a_line_with_a_silent_modem_reconnects_when_it_speaks_again(phone: Desk, modem: Emulator) -> None:
    handle = await _outgoing(phone, modem)
    await modem("fault.set", kind="no_reply")
    await phone.is_in(LineState.RECONNECTING)
    assert (await phone.released(handle)).reason is EndReason.MODEM_LOST
    await modem("fault.clear")
    await until(lambda: phone.line.info.state is LineState.READY, 30)
    await _outgoing(phone, modem)


async def test_the_emulator_ending_and_starting_again_is_a_replug(tmp_path: Path) -> None:
    async with emulator(tmp_path) as first, desk(first.config()) as phone:
        handle = await _outgoing(phone, first)
        await first("modem.status")
        await first.end()
        assert (await phone.released(handle)).reason is EndReason.MODEM_LOST
        async with emulator(tmp_path) as second:
            await until(lambda: phone.line.info.state is LineState.READY, 20)
            await second("call.incoming", number="+447700900123", ring_s=0.3)
            assert (await phone.hears(LineIncoming)).handle > handle


@pytest.mark.usefixtures("quick")
async def test_an_answer_that_comes_late_ends_nothing(phone: Desk, modem: Emulator) -> None:
    handle = await _outgoing(phone, modem)
    await modem("fault.set", kind="late_reply", command="AT+CLCC", delay_s=0.8, times=1)
    await asyncio.sleep(3.0)
    assert phone.of(LineReleased) == []
    assert phone.line.info.state is LineState.READY
    await phone.line.hangup(handle)
    await phone.released(handle)
