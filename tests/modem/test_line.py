"""ModemLine on the emulated modem, a process of its own: whole calls, both ways, as services see them."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import InvalidParams, LineBusy, ModemOffline, ModemRefused, NotDialable, NotNow
from core.line import (
    CallState,
    EndReason,
    LineDtmf,
    LineEvent,
    LineFix,
    LineIncoming,
    LineProgress,
    LineRecovery,
    LineReleased,
    LineRing,
    LineSignal,
    LineState,
    LineStatus,
)
from tests.modem.line_desk import Desk, Emulator, desk, emulator, quiet
from tests.modem.scripted import until

CALLER = "+447700900123"
CALLEE = "+447700900124"


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path) as running:
        yield running


@pytest.fixture
async def phone(modem: Emulator) -> AsyncIterator[Desk]:
    async with desk(modem.config()) as running:
        yield running


async def _active(phone: Desk, handle: int) -> None:
    await phone.hears(LineProgress, lambda fact: fact.handle == handle and fact.state is CallState.ACTIVE)


async def _outgoing(phone: Desk, modem: Emulator, number: str = CALLEE) -> int:
    """A call of ours that was answered."""
    await modem("dial.script", outcome="answer", alert_after_s=0.05, answer_after_s=0.1)
    handle = await phone.line.dial(number)
    await _active(phone, handle)
    return handle


async def _incoming(phone: Desk, modem: Emulator) -> int:
    """A call to us that we answered."""
    before = len(phone.of(LineIncoming))
    await modem("call.incoming", number=CALLER, ring_s=0.3)
    call = await phone.incoming(before + 1)
    await phone.line.answer(call.handle)
    await _active(phone, call.handle)
    return call.handle


async def test_bring_up_tells_what_the_modem_is(phone: Desk) -> None:
    assert [status.state for status in phone.of(LineStatus)] == [LineState.STARTING, LineState.READY]
    await until(lambda: phone.line.info.operator is not None)
    info = phone.line.info
    assert (info.state, info.sim, info.manufacturer) == (LineState.READY, "READY", "SIMCOM INCORPORATED")
    assert info.model is not None
    assert info.imei is not None
    assert info.imsi is not None
    assert info.iccid is not None
    assert info.registration == "home"
    assert info.rssi_dbm is not None


async def test_bring_up_asks_nothing_that_the_modem_does_not_know(phone: Desk, modem: Emulator) -> None:
    await until(lambda: phone.line.info.operator is not None)
    assert (await modem("modem.status"))["unknown_commands"] == []


async def test_an_answered_call_from_ring_to_the_far_ends_hang_up(phone: Desk, modem: Emulator) -> None:
    await modem("call.incoming", number=CALLER, ring_s=0.2)
    call = await phone.incoming()
    assert (call.number, call.withheld, call.waiting) == (CALLER, False, False)
    await phone.hears(LineRing, lambda ring: ring.ring == 3)
    began_s = time.monotonic()
    await phone.line.answer(call.handle)
    await _active(phone, call.handle)
    await asyncio.sleep(1.1)
    await modem("far.hangup")
    released = await phone.released(call.handle)
    assert released.reason is EndReason.REMOTE_HANGUP
    assert released.duration_s is not None and 1 <= released.duration_s < time.monotonic() - began_s
    assert released.network_text is not None
    rings = [ring.ring for ring in phone.of(LineRing)]
    assert rings == list(range(1, len(rings) + 1))
    assert len(phone.of(LineIncoming)) == 1


async def test_rings_on_both_ports_count_once(phone: Desk, modem: Emulator) -> None:
    started_s = time.monotonic()
    await modem("call.incoming", number=CALLER, ring_s=0.5)
    await phone.hears(LineRing, lambda ring: ring.ring == 3)
    assert time.monotonic() - started_s > 0.9


async def test_a_withheld_number_is_said_to_be_withheld(phone: Desk, modem: Emulator) -> None:
    await modem("call.incoming", withheld=True, ring_s=0.3)
    call = await phone.incoming()
    assert (call.number, call.withheld) == (None, True)


async def test_a_caller_who_gives_up_is_missed_once(phone: Desk, modem: Emulator) -> None:
    await modem("call.incoming", number=CALLER, ring_s=0.2, max_rings=2)
    call = await phone.incoming()
    assert (await phone.released(call.handle)).reason is EndReason.MISSED
    await asyncio.sleep(0.5)
    assert len(phone.of(LineIncoming)) == len(phone.of(LineReleased)) == 1


async def test_a_rejected_call_is_rejected(phone: Desk, modem: Emulator) -> None:
    await modem("call.incoming", number=CALLER, ring_s=0.3)
    call = await phone.incoming()
    await phone.line.reject(call.handle)
    assert (await phone.released(call.handle)).reason is EndReason.REJECTED
    assert (await modem("modem.status"))["calls"] == []
    await asyncio.sleep(0.5)
    assert len(phone.of(LineIncoming)) == 1


async def test_a_modem_that_says_missed_after_a_reject_is_not_believed(tmp_path: Path) -> None:
    async with emulator(tmp_path, "--missed-after-reject", "--ok-before-end") as modem, desk(modem.config()) as phone:
        await modem("call.incoming", number=CALLER, ring_s=0.3)
        call = await phone.incoming()
        await phone.line.reject(call.handle)
        assert (await phone.released(call.handle)).reason is EndReason.REJECTED
        await asyncio.sleep(0.5)
        assert len(phone.of(LineReleased)) == 1


async def test_an_outgoing_call_rings_is_answered_and_hung_up(phone: Desk, modem: Emulator) -> None:
    await modem("dial.script", outcome="answer", alert_after_s=0.1, answer_after_s=0.3)
    handle = await phone.line.dial(CALLEE)
    await _active(phone, handle)
    await phone.line.hangup(handle)
    assert (await modem("modem.status"))["calls"] == []
    assert (await phone.released(handle)).reason is EndReason.LOCAL_HANGUP
    states = [fact.state for fact in phone.of(LineProgress)]
    assert states == [CallState.ALERTING, CallState.ACTIVE]


async def test_no_fact_of_a_call_comes_before_dial_has_returned(phone: Desk, modem: Emulator) -> None:
    await modem("dial.script", outcome="answer", alert_after_s=0, answer_after_s=0)
    before = len(phone.told)
    handle = await phone.line.dial(CALLEE)
    assert [fact for fact in phone.told[before:] if not isinstance(fact, LineSignal)] == []
    await _active(phone, handle)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("busy", EndReason.BUSY),
        ("no_answer", EndReason.NO_ANSWER),
        ("no_carrier", EndReason.NO_CARRIER),
    ],
)
async def test_a_failed_call_says_why(phone: Desk, modem: Emulator, outcome: str, reason: EndReason) -> None:
    await modem("dial.script", outcome=outcome, alert_after_s=0.05, end_after_s=0.2)
    handle = await phone.line.dial(CALLEE)
    released = await phone.released(handle)
    assert released.reason is reason
    assert released.duration_s is None


async def test_the_networks_own_words_stand_beside_the_reason(phone: Desk, modem: Emulator) -> None:
    await modem("dial.script", outcome="no_carrier", end_after_s=0.1, ceer="User busy")
    handle = await phone.line.dial(CALLEE)
    released = await phone.released(handle)
    assert (released.reason, released.network_text) == (EndReason.BUSY, "User busy")


async def test_a_call_is_given_up_before_it_is_answered(phone: Desk, modem: Emulator) -> None:
    await modem("dial.script", outcome="answer", alert_after_s=0.05, answer_after_s=60)
    handle = await phone.line.dial(CALLEE)
    await phone.hears(LineProgress, lambda fact: fact.state is CallState.ALERTING)
    await phone.line.hangup(handle)
    assert (await phone.released(handle)).reason is EndReason.LOCAL_HANGUP


async def test_hanging_up_a_call_that_is_gone_is_no_error(phone: Desk, modem: Emulator) -> None:
    handle = await _outgoing(phone, modem)
    await modem("far.hangup")
    await phone.released(handle)
    await phone.line.hangup(handle)
    await phone.line.hangup(999)


async def test_what_is_no_number_is_not_dialled(phone: Desk, modem: Emulator) -> None:
    for number in ("", "+", "112;ATH", "0800 1", "*21*0800#", "##002#", "1" * 21, "+49\r", "\u0661"):
        with pytest.raises(NotDialable):
            await phone.line.dial(number)
    assert (await modem("modem.status"))["calls"] == []


async def test_a_modem_that_refuses_to_dial_says_its_words(phone: Desk, modem: Emulator) -> None:
    await modem("fault.set", kind="error_reply", command="ATD", text="+CME ERROR: no network service", times=1)
    with pytest.raises(ModemRefused) as refused:
        await phone.line.dial(CALLEE)
    assert refused.value.details["network_text"] == "no network service"
    await _outgoing(phone, modem)  # and the line is as good as before


async def test_a_second_call_on_a_busy_line_is_refused(phone: Desk, modem: Emulator) -> None:
    await _outgoing(phone, modem)
    with pytest.raises(LineBusy):
        await phone.line.dial(CALLER)


async def test_a_waiting_call_is_announced_and_refused_alone(phone: Desk, modem: Emulator) -> None:
    handle = await _outgoing(phone, modem)
    await modem("call.incoming", number=CALLER)
    waiting = await phone.incoming()
    assert (waiting.number, waiting.waiting) == (CALLER, True)
    await phone.line.reject(waiting.handle)
    assert (await phone.released(waiting.handle)).reason is EndReason.REJECTED
    assert [call["stat"] for call in (await modem("modem.status"))["calls"]] in ([0], ["active"])
    await phone.line.hangup(handle)
    await phone.released(handle)


async def test_a_waiting_call_is_taken_swapped_and_each_is_hung_up_alone(phone: Desk, modem: Emulator) -> None:
    first = await _outgoing(phone, modem)
    await modem("call.incoming", number=CALLER)
    second = (await phone.incoming()).handle
    await phone.line.answer(second)
    await phone.hears(LineProgress, lambda fact: fact.handle == first and fact.state is CallState.HELD)
    await _active(phone, second)
    with pytest.raises(NotNow):
        await phone.line.hold(second)
    await phone.line.swap()
    await phone.hears(LineProgress, lambda fact: fact.handle == second and fact.state is CallState.HELD)
    await phone.line.hangup(first)
    assert (await phone.released(first)).reason is EndReason.LOCAL_HANGUP
    assert [fact.handle for fact in phone.of(LineReleased)] == [first]
    await phone.line.hangup(second)
    assert (await phone.released(second)).reason is EndReason.LOCAL_HANGUP


async def test_a_call_is_held_another_is_placed_and_the_first_is_taken_back(phone: Desk, modem: Emulator) -> None:
    first = await _outgoing(phone, modem)
    await phone.line.hold(first)
    await phone.hears(LineProgress, lambda fact: fact.handle == first and fact.state is CallState.HELD)
    second = await _outgoing(phone, modem, CALLER)
    await modem("far.hangup", index=2)
    await phone.released(second)
    await phone.line.resume_held(first)
    await until(lambda: phone.of(LineProgress)[-1] == LineProgress(first, CallState.ACTIVE))


async def test_keys_go_out_and_come_in(phone: Desk, modem: Emulator) -> None:
    handle = await _outgoing(phone, modem)
    await phone.line.send_dtmf(handle, "12#a")
    assert (await modem("modem.status"))["dtmf_sent"] == "12#A"
    await modem("far.dtmf", digits="55*", how="urc")
    await until(lambda: len(phone.of(LineDtmf)) >= 3)
    await asyncio.sleep(0.2)
    assert phone.of(LineDtmf) == [LineDtmf(handle, digit) for digit in "55*"]
    with pytest.raises(InvalidParams):
        await phone.line.send_dtmf(handle, "1;ATH")


async def test_what_does_not_fit_the_call_is_not_now(phone: Desk, modem: Emulator) -> None:
    handle = await _outgoing(phone, modem)
    for wish in (phone.line.answer, phone.line.reject, phone.line.resume_held):
        with pytest.raises(NotNow):
            await wish(handle)
    with pytest.raises(NotNow):
        await phone.line.swap()
    await phone.line.hangup(handle)
    await phone.released(handle)
    for wish in (phone.line.answer, phone.line.hold, phone.line.resume_held):
        with pytest.raises(NotNow):
            await wish(handle)
    with pytest.raises(NotNow):
        await phone.line.send_dtmf(handle, "1")


@pytest.fixture
async def patient(modem: Emulator) -> AsyncIterator[Desk]:
    """For which a modem is not lost where the machine stood still."""
    async with desk(modem.config(lost_after_s=60.0)) as running:
        yield running


async def test_unplugging_ends_the_call_at_once_and_the_line_comes_back(patient: Desk, modem: Emulator) -> None:
    phone = patient
    handle = await _incoming(phone, modem)
    await modem("usb.unplug")
    assert (await phone.released(handle)).reason is EndReason.MODEM_LOST
    away = await phone.is_in(LineState.RECONNECTING)
    assert away.reason is not None and "no answer" not in away.reason  # it was not waited for
    with pytest.raises(ModemOffline):
        await phone.line.dial(CALLEE)
    await phone.line.hangup(handle)
    ready = len([status for status in phone.of(LineStatus) if status.state is LineState.READY])
    await modem("usb.replug", renumber=True)
    await until(lambda: phone.of(LineStatus)[-1].state is LineState.READY and len(phone.of(LineStatus)) > ready, 20)
    assert not any(status.lost for status in phone.of(LineStatus))
    second = await _incoming(phone, modem)
    assert second > handle


async def test_a_modem_that_stays_away_is_lost_once(phone: Desk, modem: Emulator) -> None:
    await modem("usb.unplug")
    await phone.hears(LineStatus, lambda status: status.lost)
    await asyncio.sleep(0.5)
    states = [(status.state, status.lost) for status in phone.of(LineStatus)]
    assert states[2:] == [(LineState.RECONNECTING, False), (LineState.OFFLINE, True)]
    await modem("usb.replug")
    await until(lambda: phone.line.info.state is LineState.READY, 20)


async def test_a_modem_that_is_back_in_time_is_not_lost(modem: Emulator) -> None:
    async with desk(modem.config(lost_after_s=6.0)) as phone:
        await modem("usb.unplug")
        await phone.is_in(LineState.RECONNECTING)
        gone_s = time.monotonic()
        await modem("usb.replug")
        await until(lambda: phone.line.info.state is LineState.READY)
        await until(lambda: time.monotonic() > gone_s + 6.2)
        assert phone.line.info.state is LineState.READY
        assert not any(status.lost for status in phone.of(LineStatus))


async def test_a_reset_of_the_modem_is_survived(phone: Desk, modem: Emulator) -> None:
    await modem("modem.reset")
    await phone.is_in(LineState.RECONNECTING)
    await until(lambda: phone.line.info.state is LineState.READY, 20)
    await _incoming(phone, modem)


async def test_a_modem_that_was_never_there_is_offline_and_dialling_fails_at_once(tmp_path: Path) -> None:
    config = Emulator(tmp_path).config()
    async with desk(config, ready=False) as phone:
        await phone.is_in(LineState.OFFLINE)
        with pytest.raises(ModemOffline):
            async with asyncio.timeout(15):
                await phone.line.dial(CALLEE)
        await phone.hears(LineStatus, lambda status: status.lost)
        assert phone.line.info.state is LineState.OFFLINE


async def test_a_sim_that_wants_its_pin_makes_the_line_say_so(tmp_path: Path) -> None:
    async with emulator(tmp_path, "--pin", "1234") as modem, desk(modem.config(), ready=False) as phone:
        failed = await phone.is_in(LineState.FAILED)
        assert failed.reason is not None
        assert failed.reason.startswith("SIM: SIM PIN: ")
        await modem("sim.set", state="READY")
        await phone.is_in(LineState.READY)
        await _incoming(phone, modem)


async def test_the_signal_is_told_when_it_changes_by_more_than_a_step(phone: Desk, modem: Emulator) -> None:
    await until(lambda: len(phone.of(LineSignal)) >= 1)
    await modem("radio.set", csq=31)
    await phone.hears(LineSignal, lambda signal: signal.rssi_dbm == -51)
    await modem("radio.set", csq=30)
    await until(lambda: phone.line.info.rssi_dbm == -53)
    await modem("radio.set", csq=99)
    await phone.hears(LineSignal, lambda signal: signal.rssi_dbm is None)
    assert all(signal.rssi_dbm != -53 for signal in phone.of(LineSignal))


async def test_idle_costs_no_commands_but_the_status_poll(modem: Emulator) -> None:
    async with desk(modem.config(poll_s=60.0)) as phone:
        await until(lambda: phone.line.info.operator is not None)
        await quiet(modem, 1.5)


async def test_urcs_inside_an_answer_do_no_harm(phone: Desk, modem: Emulator) -> None:
    await modem("fault.set", kind="urc_in_reply", urc='+CMTI: "SM",1', times=20)
    handle = await _incoming(phone, modem)
    await phone.line.hangup(handle)
    assert (await phone.released(handle)).reason is EndReason.LOCAL_HANGUP


async def test_garbage_on_the_wire_does_no_harm(phone: Desk, modem: Emulator) -> None:
    await modem("fault.set", kind="garbage", times=5)
    handle = await _incoming(phone, modem)
    await modem("far.hangup")
    assert (await phone.released(handle)).reason is EndReason.REMOTE_HANGUP


async def test_one_at_port_is_enough(modem: Emulator) -> None:
    config = modem.config(
        ports_dir=None,
        at_port=str(modem.folder / "if02"),
        voice_port=str(modem.folder / "if02"),
        pcm_port=str(modem.folder / "if04"),
    )
    async with desk(config) as phone:
        handle = await _incoming(phone, modem)
        await phone.line.hangup(handle)
        assert (await phone.released(handle)).reason is EndReason.LOCAL_HANGUP


async def test_a_call_of_an_earlier_life_is_hung_up(modem: Emulator) -> None:
    async with desk(modem.config()) as phone:
        await _outgoing(phone, modem)
    assert (await modem("modem.status"))["calls"] != []
    async with desk(modem.config()) as phone:
        assert (await modem("modem.status"))["calls"] == []
        assert phone.of(LineReleased) == []
        await _incoming(phone, modem)


async def test_two_programs_do_not_share_a_modem(phone: Desk, modem: Emulator) -> None:
    async with desk(modem.config(), ready=False) as second:
        failed = await second.is_in(LineState.FAILED)
        assert failed.reason is not None
        assert "two lines of core.toml take the same modem" in failed.reason
        with pytest.raises(ModemOffline):
            await second.line.dial(CALLEE)
    await _incoming(phone, modem)


async def test_every_fact_of_many_calls_comes_in_order(phone: Desk, modem: Emulator) -> None:
    for _ in range(5):
        handle = await _incoming(phone, modem)
        await modem("far.hangup")
        await phone.released(handle)
    calls: dict[int, list[type[LineEvent]]] = {}
    for fact in phone.told:
        if not isinstance(fact, LineStatus | LineSignal | LineRing | LineRecovery | LineFix):
            calls.setdefault(fact.handle, []).append(type(fact))
    assert list(calls) == sorted(calls)
    assert list(calls.values()) == [[LineIncoming, LineProgress, LineReleased]] * 5


async def test_the_wire_log_of_a_call_holds_no_number(modem: Emulator, tmp_path: Path) -> None:
    async with desk(modem.config(wire_log=str(tmp_path / "wire"))) as phone:
        handle = await _incoming(phone, modem)
        await modem("far.hangup")
        await phone.released(handle)
        await _outgoing(phone, modem)
    for port in ("voice", "at"):
        text = (tmp_path / f"wire.{port}").read_text(encoding="ascii")
        assert "> ATE0" in text
        assert CALLER.lstrip("+") not in text
        assert CALLEE.lstrip("+") not in text
        assert "+CLCC: 1,1,4,0,0" in text
