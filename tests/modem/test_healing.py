"""A line that falls ill heals itself, rung by rung, says so, and keeps calls and messages off a modem that restarts."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import ModemOffline, ModemRestarting, NotNow
from core.line import AudioVerdict, LineRecovery, LineState, LineStatus
from core.modem import healing, pcm_pump, voice
from core.modem import port as port_module
from core.modem.at import Command
from core.modem.healing import HealingTimes
from core.modem.pdu import Address, compose, encode_submit
from core.modem.profiles import sim7600
from core.modem.recovery import Rung, RungTimes
from tests.modem.healing_desk import (
    HASTY,
    QUICK,
    SYMPTOMS,
    UsbSwitch,
    incoming,
    is_well,
    power_switch,
    settled,
    step,
    steps,
    talk,
    well,
)
from tests.modem.line_desk import Emulator, desk, emulator
from tests.modem.scripted import until

RESET = [("reset", "started"), ("reset", "succeeded")]


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path, "--reset-s", "0.3", "--boot-s", "0.2") as running:
        yield running


@pytest.fixture
def deaf_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of patience with a silent port made short: how long it is comes from the manual and isn't what is
    tested. Together they are still longer than a machine stands still."""
    monkeypatch.setattr(voice, "LIST", Command("AT+CLCC", 0.5))
    monkeypatch.setattr(port_module, "SYNC_GAP_S", 0.3)
    monkeypatch.setattr(port_module, "PROBE_S", 0.2)
    monkeypatch.setattr(port_module, "STUCK_PROBE_S", 0.2)
    _, *others = Command.__init__.__defaults__ or ()
    monkeypatch.setattr(Command.__init__, "__defaults__", (0.6, *others))  # of commands without a time of their own
    bring_up = replace(sim7600.PROFILE.bring_up, iccid=Command("AT+CICCID", prefixes=("+ICCID:",)))
    monkeypatch.setattr(sim7600, "PROFILE", replace(sim7600.PROFILE, bring_up=bring_up))
    monkeypatch.setattr(healing, "AT", Command("AT", 0.3))


def _slow_to_settle() -> HealingTimes:
    return replace(QUICK, settle_s=4.0)


def _impatient() -> HealingTimes:
    """A rung that doesn't help is given up soon."""
    times = dict(QUICK.rungs) | {rung: RungTimes(0.1, 1.5) for rung in (Rung.RESYNC, Rung.OTHER_PORT, Rung.RADIO)}
    return replace(QUICK, rungs=times | {Rung.RESET: RungTimes(0.1, 3.0)}, symptoms=HASTY)


def _tpdu() -> bytes:
    (submit,) = compose(Address.of("+447700900124"), text="Hello")
    return encode_submit(submit)


# --- audio ---------------------------------------------------------------------------------------------------------


async def test_a_call_that_went_badly_is_followed_by_a_reset_and_the_next_one_is_good(modem: Emulator) -> None:
    async with desk(modem.config(), healing=QUICK) as phone:
        await modem("fault.set", kind="degrading", healthy_calls=1, refusals=1)
        assert (await talk(phone, modem)).verdict is AudioVerdict.HEALTHY
        assert (await talk(phone, modem)).verdict is AudioVerdict.SUSPECT
        with pytest.raises(ModemRestarting) as refused:
            await phone.line.dial("+447700900124")
        assert refused.value.retry_after_s is not None and 2.0 <= refused.value.retry_after_s <= 10.0
        assert not phone.line.can_send
        done = await step(phone, "reset", "succeeded")
        assert done.duration_s is not None and "suspect" in done.reason
        await well(phone)
        await until(lambda: phone.line.can_send)
        assert (await talk(phone, modem)).verdict is AudioVerdict.HEALTHY
        assert steps(phone) == RESET
        assert (await phone.line.report()).resets_last_hour == 1


async def test_the_new_life_sets_everything_anew(modem: Emulator) -> None:
    async with desk(modem.config(), healing=QUICK) as phone:
        await modem("fault.set", kind="cpcmreg_refused", times=1)
        await talk(phone, modem)
        await step(phone, "reset", "succeeded")
        await well(phone)
        handle = await incoming(phone, modem)  # told with its number: AT+CLIP=1 is volatile
        await phone.line.hangup(handle)
        await modem("sms.deliver", **{"from": "+447700900123", "text": "after the reset"})
        await phone.receives(1)


async def test_nothing_is_reset_where_the_owner_does_not_want_it(modem: Emulator) -> None:
    async with desk(modem.config(audio_reset="never"), healing=QUICK) as phone:
        await modem("fault.set", kind="cpcmreg_refused", times=1)
        assert (await talk(phone, modem)).verdict is AudioVerdict.SUSPECT
        await asyncio.sleep(1.0)
        assert is_well(phone) and steps(phone) == []


async def test_a_reset_follows_every_call_where_that_is_wanted(modem: Emulator) -> None:
    async with desk(modem.config(audio_reset="after_every_call", resets_per_hour=1), healing=QUICK) as phone:
        assert (await talk(phone, modem)).verdict is AudioVerdict.HEALTHY
        await step(phone, "reset", "succeeded")
        await well(phone)
        await talk(phone, modem)
        await asyncio.sleep(1.0)
        assert steps(phone) == RESET  # the limit holds, and a healthy call is no reason to call anybody


async def test_with_the_limit_used_up_a_person_is_called_and_told_when_it_is_over(modem: Emulator) -> None:
    async with desk(modem.config(resets_per_hour=1), healing=QUICK) as phone:
        for _ in range(2):
            await modem("fault.set", kind="cpcmreg_refused", times=1)
            await talk(phone, modem)
            await until(lambda: len(steps(phone)) >= 2, 20)
            await well(phone)
        called = await step(phone, "human", "started")
        assert "suspect" in called.reason and "Unplug it" in called.reason
        assert steps(phone) == [*RESET, ("reset", "skipped"), ("human", "started")]
        assert (await talk(phone, modem)).verdict is AudioVerdict.HEALTHY  # the line goes on meanwhile
        await step(phone, "human", "succeeded")


async def test_an_uplink_that_gets_stuck_is_told_during_the_call_and_healed_after_it(modem: Emulator) -> None:
    async with desk(modem.config(), healing=QUICK) as phone:
        handle = await incoming(phone, modem)
        await modem("fault.set", kind="uplink_stuck", after_bytes=8000)
        audio = await phone.line.open_audio(handle)
        assert audio.ailment is None
        async with asyncio.timeout(20):
            while audio.ailment is None:
                await audio.read()
        assert "doesn't hear us" in audio.ailment
        assert steps(phone) == []
        await phone.line.hangup(handle)
        report = await phone.line.close_audio(handle)
        assert report is not None and report.verdict is AudioVerdict.ONE_WAY
        await step(phone, "reset", "succeeded")
        await well(phone)
        assert (await talk(phone, modem)).verdict is AudioVerdict.HEALTHY


async def test_a_downlink_that_stops_is_told_and_the_call_is_not_called_healthy(
    modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcm_pump, "DEAF_S", 1.0)
    async with desk(modem.config(), healing=QUICK) as phone:
        handle = await incoming(phone, modem)
        audio = await phone.line.open_audio(handle)
        for _ in range(80):
            await audio.read()
        await modem("fault.set", kind="downlink_mute", stop=True)
        async with asyncio.timeout(20):
            while audio.ailment is None:
                await audio.read()
        assert "don't hear the far end" in audio.ailment
        await phone.line.hangup(handle)
        report = await phone.line.close_audio(handle)
        assert report is not None and report.verdict is AudioVerdict.ONE_WAY
        await step(phone, "reset", "succeeded")


async def test_a_call_that_comes_while_a_reset_is_due_puts_it_off(modem: Emulator) -> None:
    async with desk(modem.config(), healing=_slow_to_settle()) as phone:
        await modem("fault.set", kind="cpcmreg_refused", times=1)
        await talk(phone, modem)
        handle = await incoming(phone, modem)  # answered: it is not turned away for a reset that can wait
        await asyncio.sleep(4.5)
        assert steps(phone) == []
        await phone.line.hangup(handle)
        await step(phone, "reset", "succeeded")


async def test_a_message_on_its_way_holds_the_reset_up(modem: Emulator) -> None:
    async with desk(modem.config(), healing=QUICK) as phone:
        await settled(phone, modem)
        await modem("sms.network", late_answer_s=8.0, late_answer_times=1)
        await modem("fault.set", kind="cpcmreg_refused", times=1)
        handle = await incoming(phone, modem)
        await phone.line.open_audio(handle)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(phone.line.send_tpdu(_tpdu(), timeout_s=30))
            await asyncio.sleep(0.3)
            await phone.line.hangup(handle)
            await phone.line.close_audio(handle)
            await asyncio.sleep(0.7)
            assert not sending.done() and steps(phone) == []
        assert 0 <= sending.result() <= 255
        await step(phone, "reset", "succeeded")


async def test_an_open_ussd_session_holds_the_reset_up(modem: Emulator) -> None:
    async with desk(modem.config(), healing=QUICK) as phone:
        await settled(phone, modem)
        await modem("ussd.push", text="Accept charges?", reply_wanted=True)
        await modem("fault.set", kind="cpcmreg_refused", times=1)
        await talk(phone, modem)
        await asyncio.sleep(1.0)
        assert steps(phone) == []
        await phone.line.ussd_cancel()
        await step(phone, "reset", "succeeded")


# --- by hand -------------------------------------------------------------------------------------------------------


async def test_a_restart_by_hand_is_told_counted_and_not_limited(modem: Emulator) -> None:
    async with desk(modem.config(resets_per_hour=0), healing=QUICK) as phone:
        await phone.line.restart("somebody asked")
        with pytest.raises(ModemRestarting):
            await phone.line.dial("+447700900124")
        done = await step(phone, "reset", "succeeded")
        assert (done.reason, done.attempt) == ("somebody asked", 1)
        await well(phone)
        assert (await phone.line.report()).resets_last_hour == 1
        assert steps(phone) == RESET


async def test_no_restart_by_hand_in_a_call_or_without_a_modem(modem: Emulator) -> None:
    async with desk(modem.config(), healing=QUICK) as phone:
        handle = await incoming(phone, modem)
        with pytest.raises(NotNow):
            await phone.line.restart("somebody asked")
        await phone.line.hangup(handle)
        await phone.released(handle)
        await modem("usb.unplug")
        await phone.is_in(LineState.RECONNECTING)
        with pytest.raises(ModemOffline):
            await phone.line.restart("somebody asked")
        assert steps(phone) == []


# --- ports ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("deaf_soon")
@pytest.mark.parametrize("port", ["if02", "if03"])
async def test_a_line_goes_on_with_one_port_and_is_reset_when_that_suits(modem: Emulator, port: str) -> None:
    async with desk(modem.config(), healing=QUICK) as phone:
        await settled(phone, modem)
        await modem("fault.set", kind="no_reply", port=port, until="reset")
        await step(phone, "other_port", "succeeded")
        alone = await step(phone, "reset", "succeeded")
        assert "one of its two AT ports" in alone.reason
        await well(phone)
        assert (await talk(phone, modem)).verdict is AudioVerdict.HEALTHY
        assert ("resync", "failed") in steps(phone)


@pytest.mark.usefixtures("deaf_soon")
async def test_a_port_that_is_only_out_of_step_is_taken_up_again(modem: Emulator) -> None:
    async with desk(modem.config(), healing=QUICK) as phone:
        await settled(phone, modem)
        await modem("fault.set", kind="no_reply", port="if03", times=3)  # a probe of ours, and two AT
        done = await step(phone, "resync", "succeeded")
        assert done.attempt == 1
        assert is_well(phone)
        assert LineState.RECONNECTING not in [status.state for status in phone.of(LineStatus)]


@pytest.mark.usefixtures("deaf_soon")
@pytest.mark.parametrize("port", ["if03", pytest.param("if02", marks=pytest.mark.proof)])
async def test_a_port_that_goes_deaf_in_a_call_does_not_cost_the_call(modem: Emulator, port: str) -> None:
    async with desk(modem.config(), healing=QUICK) as phone:
        await settled(phone, modem)
        handle = await incoming(phone, modem)
        await modem("fault.set", kind="no_reply", port=port, until="reset")
        await asyncio.sleep(6.0)  # by then the port is known to be deaf
        assert phone.line.info.state is LineState.READY
        started_s = time.monotonic()
        await phone.line.hangup(handle)
        await phone.released(handle)
        assert time.monotonic() - started_s < 20.0
        await step(phone, "reset", "succeeded", within_s=30)
        await well(phone)


@pytest.mark.usefixtures("deaf_soon")
async def test_commands_that_time_out_again_and_again_bring_a_radio_cycle(modem: Emulator) -> None:
    async with desk(modem.config(poll_s=0.2), healing=QUICK) as phone:
        await settled(phone, modem)
        for _ in range(QUICK.symptoms.resyncs):
            await modem("fault.set", kind="no_reply", port="if03", times=3)
            count = steps(phone).count(("resync", "succeeded"))
            await until(lambda count=count: steps(phone).count(("resync", "succeeded")) > count, 20)  # type: ignore[misc]
        cycled = await step(phone, "radio", "succeeded", within_s=40)
        assert "no answer again and again" in cycled.reason
        await well(phone)


# --- SIM, network, power -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "rung"), [("radio", "radio"), ("reset", "reset")])
async def test_a_sim_that_is_busy_for_ever_is_waked_up(modem: Emulator, fault: str, rung: str) -> None:
    async with desk(modem.config(), healing=_impatient()) as phone:
        await modem("fault.set", kind="sim_hung", until=fault)
        done = await step(phone, rung, "succeeded", within_s=30)
        assert "busy" in done.reason
        await well(phone)


async def test_a_network_that_denies_is_asked_again_and_a_person_called_when_it_stays_so(modem: Emulator) -> None:
    async with desk(modem.config(resets_per_hour=9), healing=_impatient()) as phone:
        await modem("fault.set", kind="network_stuck", denied=True)
        called = await step(phone, "human", "started", within_s=30)
        assert "denied" in called.reason and "paid for" in called.reason
        assert steps(phone)[:4] == [
            ("radio", "started"), ("radio", "failed"), ("reset", "started"), ("reset", "failed"),
        ]  # fmt: skip
        await modem("fault.clear")
        await step(phone, "human", "succeeded")
        await well(phone)


async def test_registration_lost_for_long_is_brought_back_by_the_radio(modem: Emulator) -> None:
    async with desk(modem.config(), healing=replace(QUICK, symptoms=replace(SYMPTOMS, network_s=0.8))) as phone:
        await modem("fault.set", kind="network_stuck", until="radio")
        await step(phone, "radio", "succeeded")
        await well(phone)
        assert steps(phone) == [("radio", "started"), ("radio", "succeeded")]


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("deaf_soon")
async def test_a_modem_that_answers_nothing_is_power_cycled_by_the_owners_command(modem: Emulator) -> None:
    config = modem.config(power_command=power_switch(modem))
    async with desk(config, healing=_impatient()) as phone:
        await settled(phone, modem)
        await modem("fault.set", kind="no_reply", until="power")
        await step(phone, "power", "succeeded", within_s=40)
        await well(phone)
        states = dict(steps(phone))
        assert states["resync"] == states["other_port"] == states["reset"] == "failed"
        assert states["usb_reset"] == "skipped"


async def test_a_power_command_that_fails_is_told_and_a_person_called(modem: Emulator) -> None:
    async with desk(modem.config(power_command=["/bin/false"]), healing=_impatient()) as phone:
        await settled(phone, modem)
        await modem("usb.unplug")
        assert "ended with 1" in (await step(phone, "power", "failed")).reason
        assert "cable and power" in (await step(phone, "human", "started")).reason
        await modem("usb.replug")
        await step(phone, "human", "succeeded")


async def test_the_usb_is_reset_where_that_can_be_done(modem: Emulator) -> None:
    switch = UsbSwitch(modem)
    async with desk(modem.config(), healing=_impatient(), usb_reset=switch) as phone:
        await settled(phone, modem)
        await modem("usb.unplug")  # as a hub sees it when the stick's own USB has hung up
        await step(phone, "usb_reset", "succeeded")
        assert switch.paths == [str(modem.folder)]
        await well(phone)


async def test_without_the_helper_the_usb_reset_is_skipped_and_says_so(modem: Emulator) -> None:
    async with desk(modem.config(), healing=_impatient()) as phone:
        await settled(phone, modem)
        await modem("usb.unplug")
        assert "dialtone-helper" in (await step(phone, "usb_reset", "skipped")).reason


async def test_a_stick_that_keeps_losing_its_power_is_said_to_need_more_of_it(modem: Emulator) -> None:
    async with desk(modem.config(poll_s=60), healing=QUICK) as phone:
        for fall in range(QUICK.symptoms.falls):
            await settled(phone, modem)  # the stick is idle: what widens the gap between commands is another story
            assert ("human", "started") not in steps(phone), fall
            await modem("usb.brownout")
            await until(lambda: phone.line.info.state is not LineState.READY, 15)
        assert "powered hub" in (await step(phone, "human", "started")).reason
        await well(phone)


async def test_a_line_that_is_not_to_be_healed_is_left_alone(modem: Emulator) -> None:
    async with desk(modem.config(recovery=False), healing=_impatient()) as phone:
        await modem("fault.set", kind="network_stuck")
        await asyncio.sleep(2.0)
        assert phone.of(LineRecovery) == []
        await modem("fault.clear")
        await modem("fault.set", kind="cpcmreg_refused", times=1)
        await well(phone)
        await talk(phone, modem)
        await step(phone, "reset", "succeeded")  # what follows a bad call is asked for by audio_reset
