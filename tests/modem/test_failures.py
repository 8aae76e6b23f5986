"""A stick that loses its power at each step of its bring-up and of a call: the line is up again by itself, each call of
it ends exactly once, and a call on another line of the same daemon is not disturbed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from core.errors import PublicError
from core.line import AudioVerdict, LineIncoming, LineProgress, LineReleased, LineState, LineStatus
from core.modem import port as port_module
from tests.modem.healing_desk import QUICK, incoming, settled, steps, talk, well
from tests.modem.line_desk import Desk, Emulator, desk, emulator
from tests.modem.scripted import until

BRING_UP = (
    "ATE0", "AT+CMEE=2", "AT+CLIP=1", "AT+CEREG=2", "AT+CVHU", "AT+CPCMBANDWIDTH", "ATI", "AT+CPIN?", "AT+CIMI",
    "AT+CLCC", "AT+CGDCONT", "AT+CMGF", "AT+CNMI", "AT+CPMS", "AT+CMGL", "AT+CSQ", "AT+CREG?", "AT+CCWA", "AT+AUTOCSQ",
)  # fmt: skip
"""One or two of each part of it."""

INCOMING = ("ATA", "AT+CPCMREG=1", "AT+CPCMREG?", "AT+CHUP", "AT+CPCMREG=0")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_module, "SYNC_GAP_S", 0.1)


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path, "--reset-s", "0.1", "--boot-s", "0.1") as running:
        yield running


@asynccontextmanager
async def a_call_elsewhere(folder: Path) -> AsyncIterator[None]:
    """Another line, on which somebody listens all the time; nothing of that may be missing in the end."""
    folder.mkdir()  # noqa: ASYNC240 - at the start of a test
    async with emulator(folder) as modem, desk(modem.config(poll_s=60), healing=QUICK) as phone:
        handle = await incoming(phone, modem)
        audio = await phone.line.open_audio(handle)
        statuses = len(phone.of(LineStatus))

        async def listen() -> None:
            while True:
                await audio.read()

        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(listen())
            yield
            listening.cancel()
        assert phone.of(LineReleased) == [] and len(phone.of(LineStatus)) == statuses and steps(phone) == []
        await phone.line.hangup(handle)
        report = await phone.line.close_audio(handle)
        assert report is not None
        # A machine that stands still costs some seconds of it; what disturbs a call would do so at each loss of power.
        assert report.verdict in (AudioVerdict.HEALTHY, AudioVerdict.SUSPECT)
        assert report.downlink_dropped_frames < 250


async def _fell(modem: Emulator) -> bool:
    return "brownout" not in (await modem("modem.status"))["faults"]


async def _falls(modem: Emulator) -> None:
    async with asyncio.timeout(25):
        while not await _fell(modem):  # noqa: ASYNC110 - the emulator is another process
            await asyncio.sleep(0.02)


@pytest.mark.timeout(180)
async def test_power_lost_at_each_step_of_bring_up_is_a_delay_and_no_more(modem: Emulator, tmp_path: Path) -> None:
    async with a_call_elsewhere(tmp_path / "other"):
        for command in BRING_UP:
            await modem("fault.set", kind="brownout", command=command, times=1)
            async with desk(modem.config(poll_s=60, recovery=False), ready=False, healing=QUICK) as phone:
                await _falls(modem)
                try:
                    await well(phone, within_s=25)
                except TimeoutError:
                    raise AssertionError(f"not up again after {command}: {phone.line.info}") from None
                assert phone.of(LineReleased) == [], command


@pytest.mark.timeout(180)
async def test_power_lost_at_each_step_of_a_call_ends_it_once(modem: Emulator, tmp_path: Path) -> None:
    async with a_call_elsewhere(tmp_path / "other"):
        for command in INCOMING:
            async with desk(modem.config(poll_s=60, recovery=False), healing=QUICK) as phone:
                await settled(phone, modem)
                await modem("fault.set", kind="brownout", command=command, times=1)
                with suppress(PublicError, TimeoutError):
                    await _whole_call(phone, modem)
                await _falls(modem)
                await until(lambda phone=phone: len(phone.of(LineReleased)) == 1, 25)  # type: ignore[misc]
                await well(phone)
                await talk(phone, modem)
                calls = [fact.handle for fact in phone.of(LineIncoming)]
                assert sorted(fact.handle for fact in phone.of(LineReleased)) == calls, command


async def _whole_call(phone: Desk, modem: Emulator) -> None:
    await modem("call.incoming", number="+447700900123", ring_s=0.3)
    handle = (await phone.incoming()).handle
    await phone.line.answer(handle)
    async with asyncio.timeout(10):
        await phone.hears(LineProgress, lambda fact: fact.handle == handle)
        audio = await phone.line.open_audio(handle)
        for _ in range(10):
            await audio.read()
    await phone.line.hangup(handle)
    await phone.line.close_audio(handle)


async def test_power_lost_while_dialling_is_told_to_the_dialler_and_no_call_stays(
    modem: Emulator, tmp_path: Path
) -> None:
    async with a_call_elsewhere(tmp_path / "other"), desk(modem.config(poll_s=60), healing=QUICK) as phone:
        await settled(phone, modem)
        await modem("fault.set", kind="brownout", command="ATD", times=1)
        with pytest.raises(PublicError):
            await phone.line.dial("+447700900124")
        await phone.is_in(LineState.RECONNECTING)
        await well(phone)
        assert phone.of(LineReleased) == []
        handle = await phone.line.dial("+447700900124")
        await phone.line.hangup(handle)
        assert (await phone.released(handle)).handle == handle


@pytest.mark.timeout(180)
async def test_a_port_that_stops_answering_is_no_matter_of_the_other_lines(modem: Emulator, tmp_path: Path) -> None:
    async with a_call_elsewhere(tmp_path / "other"), desk(modem.config(), healing=QUICK) as phone:
        await settled(phone, modem)
        await modem("fault.set", kind="no_reply", until="reset")
        await until(lambda: ("human", "started") in steps(phone), 60)
        assert phone.line.info.reason is not None and "no answer to AT" in phone.line.info.reason
        await modem("usb.unplug")
        await modem("usb.replug")
        await until(lambda: ("human", "succeeded") in steps(phone), 30)
        await well(phone)


async def test_a_daemon_that_stops_just_when_a_stick_is_pulled_does_stop(modem: Emulator) -> None:
    """Cancelled in the very step in which a life fails: the two must not cancel each other out."""
    for _ in range(5):
        async with asyncio.timeout(40):
            async with desk(modem.config(poll_s=60), healing=QUICK) as phone:
                await settled(phone, modem)
                await modem("fault.set", kind="brownout", command="ATD", times=1)
                with pytest.raises(PublicError):
                    await phone.line.dial("+447700900124")  # fails first; its life, and this line, end right after it
            await _falls(modem)
