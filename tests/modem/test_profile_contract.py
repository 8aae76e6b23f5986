"""What services may expect of any modem: one suite, run for each profile on the emulator that plays its family."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import NotNow
from core.line import (
    AudioPort,
    AudioVerdict,
    CallState,
    EndReason,
    LineDtmf,
    LineFix,
    LineProgress,
    LineReleased,
    LineRing,
    LineState,
)
from core.modem.pdu import Address, Options, compose, encode_submit
from core.modem.profile import profile_names
from tests.modem.line_desk import Desk, Emulator, desk, emulator
from tests.modem.scripted import until

CALLER, CALLEE = "+447700900123", "+447700900124"
LOUD = bytes([0x00, 0x20] * 80 + [0x00, 0xE0] * 80)
"""20 ms of a 50 Hz square wave, at a quarter of full scale."""


@pytest.fixture(params=profile_names())
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def modem(tmp_path: Path, model: str) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path, "--model", model) as running:
        yield running


@pytest.fixture
async def phone(modem: Emulator, model: str) -> AsyncIterator[Desk]:
    async with desk(modem.config(modem=model), commits=True) as running:
        yield running


async def _active(phone: Desk, handle: int) -> None:
    await phone.hears(LineProgress, lambda fact: fact.handle == handle and fact.state is CallState.ACTIVE)


async def _ringing(phone: Desk, modem: Emulator) -> int:
    await modem("call.incoming", number=CALLER, ring_s=0.3)
    call = await phone.incoming()
    assert (call.number, call.withheld, call.waiting) == (CALLER, False, False)
    return call.handle


async def _answered(phone: Desk, modem: Emulator) -> int:
    handle = await _ringing(phone, modem)
    await phone.line.answer(handle)
    await _active(phone, handle)
    return handle


async def _talks_both_ways(audio: AudioPort, modem: Emulator) -> None:
    """The far end hears us, and we hear it."""
    async with asyncio.TaskGroup() as tasks:
        hearing = tasks.create_task(modem("far.wait_speech", timeout_s=30))
        speaking = tasks.create_task(modem("far.dtmf", digits="5", how="inband"))
        loudest = 0
        async with asyncio.timeout(40):
            while not (hearing.done() and speaking.done() and loudest > 1000):
                tick = await audio.read()
                samples = memoryview(tick.downlink or bytes(2)).cast("h")
                loudest = max(loudest, *samples)
                while audio.room():
                    audio.write(LOUD)


async def test_bring_up_knows_the_modem_its_card_and_its_network(phone: Desk, modem: Emulator) -> None:
    await until(lambda: phone.line.info.operator is not None and phone.line.info.signal is not None)
    info = phone.line.info
    assert None not in (info.manufacturer, info.model, info.revision, info.imei, info.imsi, info.rssi_dbm)
    assert (info.sim, info.registration, info.iccid) == ("READY", "home", "898600700907A6019125")
    assert info.signal is not None
    assert info.signal.rsrp_dbm is not None
    await until(lambda: phone.line.can_send)
    assert (await modem("modem.status"))["unknown_commands"] == []


async def test_the_report_tells_network_supply_temperature_and_tries(phone: Desk) -> None:
    await until(lambda: phone.line.info.registration == "home")
    report = await phone.line.report()
    assert (report.access_technology, report.mcc_mnc, report.creg) == ("lte", "234-15", "home")
    assert (report.voltage_v, report.temperature_c, report.pin_tries_left) == (3.811, 33.0, 3)
    assert report.rsrp_dbm is not None
    assert report.sinr_db is not None
    assert report.contexts
    assert report.carrier is not None
    assert dict(report.ports).keys() >= {"at", "voice", "pcm", "nmea"}


async def test_an_incoming_call_has_audio_both_ways_and_ends_with_the_caller(phone: Desk, modem: Emulator) -> None:
    handle = await _answered(phone, modem)
    audio = await phone.line.open_audio(handle)
    began_s = time.monotonic()
    await _talks_both_ways(audio, modem)
    while time.monotonic() - began_s < 1.3:
        await audio.read()
        if audio.room():
            audio.write(LOUD)
    await modem("far.hangup")
    released = await phone.released(handle)
    report = await phone.line.close_audio(handle)
    assert released.reason is EndReason.REMOTE_HANGUP
    assert report is not None
    assert (report.attempts, report.verdict) == (1, AudioVerdict.HEALTHY)
    status = (await modem("modem.status"))["pcm"]
    assert (status["registered"], status["early_bytes"]) == (False, 0)


async def test_an_outgoing_call_has_audio_both_ways_and_ends_when_we_hang_up(phone: Desk, modem: Emulator) -> None:
    await modem("dial.script", outcome="answer", alert_after_s=0.05, answer_after_s=0.1)
    handle = await phone.line.dial(CALLEE)
    await _active(phone, handle)
    states = [fact.state for fact in phone.of(LineProgress) if fact.handle == handle]
    assert states == [CallState.ALERTING, CallState.ACTIVE]
    await _talks_both_ways(await phone.line.open_audio(handle), modem)
    await phone.line.close_audio(handle)
    await phone.line.hangup(handle)
    assert (await phone.released(handle)).reason is EndReason.LOCAL_HANGUP
    assert (await modem("modem.status"))["calls"] == []


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [("busy", EndReason.BUSY), ("no_answer", EndReason.NO_ANSWER), ("no_carrier", EndReason.NO_CARRIER)],
)
async def test_a_call_that_nobody_takes_says_why(phone: Desk, modem: Emulator, outcome: str, reason: EndReason) -> None:
    await modem("dial.script", outcome=outcome, alert_after_s=0.05, answer_after_s=0.1)
    handle = await phone.line.dial(CALLEE)
    assert (await phone.released(handle)).reason is reason


async def test_audio_that_is_refused_at_first_is_tried_again(phone: Desk, modem: Emulator) -> None:
    handle = await _answered(phone, modem)
    await modem("fault.set", kind="cpcmreg_refused", times=2)
    await phone.line.open_audio(handle)
    report = await phone.line.close_audio(handle)
    assert report is not None
    assert (report.attempts, report.verdict) == (3, AudioVerdict.SUSPECT)


async def test_a_rejected_call_is_rejected_and_a_missed_one_missed_once(phone: Desk, modem: Emulator) -> None:
    handle = await _ringing(phone, modem)
    await phone.line.reject(handle)
    assert (await phone.released(handle)).reason is EndReason.REJECTED
    await asyncio.sleep(2.1)  # what may still come of that call is swallowed so long
    await modem("call.incoming", number=CALLER, ring_s=0.3, max_rings=2)
    missed = (await phone.incoming(2)).handle
    assert (await phone.released(missed)).reason is EndReason.MISSED
    assert [ring.ring for ring in phone.of(LineRing) if ring.handle == missed] == [1, 2]
    await asyncio.sleep(0.5)
    assert [fact.handle for fact in phone.of(LineReleased)] == [handle, missed]


async def test_a_withheld_number_is_said_to_be_withheld(phone: Desk, modem: Emulator) -> None:
    await modem("call.incoming", withheld=True, ring_s=0.3)
    call = await phone.incoming()
    assert (call.number, call.withheld) == (None, True)


async def test_a_second_call_waits_is_taken_and_swapped_and_each_ends_alone(phone: Desk, modem: Emulator) -> None:
    first = await _answered(phone, modem)
    await modem("call.incoming", number=CALLEE, ring_s=0.3)
    second = await phone.incoming(2)
    assert (second.number, second.waiting) == (CALLEE, True)
    await phone.line.answer(second.handle)
    await _active(phone, second.handle)
    await phone.hears(LineProgress, lambda fact: fact.handle == first and fact.state is CallState.HELD)
    await phone.line.swap()
    await phone.hears(LineProgress, lambda fact: fact.handle == second.handle and fact.state is CallState.HELD)
    await phone.line.hangup(second.handle)
    assert (await phone.released(second.handle)).reason is EndReason.LOCAL_HANGUP
    await modem("far.hangup")
    assert (await phone.released(first)).reason is EndReason.REMOTE_HANGUP


async def test_positions_come_while_they_are_wanted(phone: Desk, modem: Emulator) -> None:
    await modem("gps.set", north=52.52, east=13.405, metres=34, stop_s=0.1, restart_s=0.1)
    for _ in range(2):
        phone.told.clear()
        await phone.line.locate(True)
        fix = await phone.hears(LineFix)
        assert (fix.latitude, fix.longitude, fix.altitude_m) == (52.52, 13.405, 34.0)
        await phone.line.locate(False)
        assert phone.line.location is None


async def test_keys_go_in_and_out(phone: Desk, modem: Emulator) -> None:
    handle = await _answered(phone, modem)
    await modem("far.dtmf", digits="8*#A")
    await phone.hears(LineDtmf, lambda _: len(phone.of(LineDtmf)) == 4)
    assert "".join(fact.digit for fact in phone.of(LineDtmf)) == "8*#A"
    await phone.line.send_dtmf(handle, "12#")
    assert (await modem("modem.status"))["dtmf_sent"] == "12#"
    await phone.line.hangup(handle)
    await phone.released(handle)
    with pytest.raises(NotNow):
        await phone.line.send_dtmf(handle, "1")


async def test_messages_come_in_and_go_out_with_their_report(phone: Desk, modem: Emulator) -> None:
    await until(lambda: phone.line.can_send)
    await modem("sms.deliver", **{"from": CALLER, "text": "Hello"})
    await phone.receives(1)
    (submit,) = compose(Address.of(CALLEE), text="Grüße €", options=Options(report=True))
    reference = await phone.line.send_tpdu(encode_submit(submit), timeout_s=20)
    sent = (await modem("sms.sent"))["decoded"]
    assert [(one["to"], one["text"], one["reference"]) for one in sent] == [(CALLEE, "Grüße €", reference)]
    await phone.receives(2)

    async def is_empty() -> bool:
        memories = (await modem("sms.stored"))["memories"]
        return not any(memory["messages"] for memory in memories.values())

    async with asyncio.timeout(30):
        while not await is_empty():  # noqa: ASYNC110 - asks another process
            await asyncio.sleep(0.1)


async def test_a_full_memory_is_told_and_what_waited_comes(tmp_path: Path, model: str) -> None:
    async with (
        emulator(tmp_path, "--model", model, "--sms-me", "2") as modem,
        desk(modem.config(modem=model), commits=True) as phone,
    ):
        await until(lambda: phone.line.can_send)
        for number in range(6):
            await modem("sms.deliver", **{"from": CALLER, "text": f"number {number}"})
        await phone.receives(6)


async def test_codes_are_answered_in_any_alphabet(phone: Desk, modem: Emulator) -> None:
    await until(lambda: phone.line.can_send)
    await modem("ussd.set", code="*100#", text="Guthaben: 3,20 € für Ölfässer", delay_s=0.05)
    answer = await phone.line.ussd("*100#", timeout_s=20)
    assert answer.text == "Guthaben: 3,20 € für Ölfässer"


async def test_pulled_out_during_a_call_the_call_ends_and_the_line_comes_back(phone: Desk, modem: Emulator) -> None:
    handle = await _answered(phone, modem)
    await phone.line.open_audio(handle)
    await modem("usb.unplug")
    assert (await phone.released(handle)).reason is EndReason.MODEM_LOST
    phone.told.clear()
    await modem("usb.replug", renumber=True)
    await phone.is_in(LineState.READY)
    phone.told.clear()
    handle = await _answered(phone, modem)
    assert await phone.line.open_audio(handle) is not None


async def test_a_restart_brings_the_line_back_with_all_its_settings(phone: Desk, modem: Emulator) -> None:
    phone.told.clear()
    await phone.line.restart("a test")
    await phone.is_in(LineState.READY, within_s=20)
    await until(lambda: phone.line.info.restarting_s is None)
    handle = await _answered(phone, modem)
    await modem("far.dtmf", digits="7")
    assert (await phone.hears(LineDtmf)).handle == handle


async def test_the_configured_pin_opens_the_card(tmp_path: Path, model: str) -> None:
    async with (
        emulator(tmp_path, "--model", model, "--pin", "4711") as modem,
        desk(modem.config(modem=model, pin="4711")) as phone,
    ):
        assert phone.line.info.sim == "READY"


async def test_the_last_tries_of_a_card_are_not_used_up(tmp_path: Path, model: str) -> None:
    async with emulator(tmp_path, "--model", model, "--pin", "4711") as modem:
        await modem("sim.set", state="SIM PIN", pin_tries=1)
        async with desk(modem.config(modem=model, pin="4711"), ready=False) as phone:
            status = await phone.is_in(LineState.FAILED)
            assert status.reason is not None
            assert "1 tries left" in status.reason
