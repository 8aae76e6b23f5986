"""Calls on the emulator against the golden transcripts, and what each side can do with them."""

import asyncio
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.modem.emulated import ControlFailed, Emulated, Host, emulated, in_call

NUMBER = "+491701234567"
RING = "\r\r\nRING\r\r\n"
CLIP = f'\r\n+CLIP: "{NUMBER}",145,,,,0\r\n'
OK = "\r\nOK\r\n"


def clcc(stat: int, *, index: int = 1, direction: int = 1, number: str = NUMBER, kind: int = 145, mpty: int = 0) -> str:
    return f'\r\n+CLCC: {index},{direction},{stat},0,{mpty},"{number}",{kind}\r\n'


async def ringing(emulator: Emulated, at: Host, **params: Any) -> None:
    await emulator.control("call.incoming", number=NUMBER, **params)
    await at.expect(RING + CLIP + clcc(4))


async def test_golden_incoming_answered_remote_hangs_up(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await ringing(emulator, at)
        await at.ask("ATA", "\r\nVOICE CALL: BEGIN\r\n" + OK + clcc(0))
        await at.ask("AT+CPCMREG=1", OK)
        await emulator.control("far.hangup")
        await at.expect(clcc(6) + "\r\nVOICE CALL: END: 000000\r\n\r\r\nNO CARRIER\r\r\n")
        await at.nothing_more()


async def test_golden_missed(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await ringing(emulator, at, ring_s=0.1, max_rings=2)
        await at.expect(RING + CLIP + clcc(6))
        missed = (await at.until(f"{NUMBER}\r\n")).decode()
        assert re.fullmatch(rf"\r\nMISSED_CALL: (0[1-9]|1[0-2]):[0-5]\d[AP]M {re.escape(NUMBER)}\r\n", missed)
        await at.nothing_more()


async def test_golden_outgoing_local_hang_up(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("dial.script", outcome="answer", alert_after_s=0.05, answer_after_s=0.05)
        own = partial(clcc, direction=0, number="10086", kind=129)
        await at.ask("ATD10086;", OK + own(2) + own(3))
        await at.expect("\r\nVOICE CALL: BEGIN\r\n" + own(0))
        await at.ask("AT+CHUP", "\r\nVOICE CALL: END: 000000\r\n" + OK + own(6))
        await at.nothing_more()


@pytest.mark.parametrize(
    ("outcome", "alerts", "result", "ceer"),
    [
        ("busy", False, "\r\nBUSY\r\n", "User busy"),
        ("no_answer", True, "\r\nNO ANSWER\r\n", "No answer from user (user alerted)"),
        ("no_carrier", False, "\r\r\nNO CARRIER\r\r\n", "No route to destination"),
        ("reject", True, "\r\r\nNO CARRIER\r\r\n", "Call rejected"),
    ],
)
async def test_golden_outgoing_failed(tmp_path: Path, outcome: str, alerts: bool, result: str, ceer: str) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("dial.script", outcome=outcome, alert_after_s=0.02, answer_after_s=0.02)
        own = partial(clcc, direction=0, number="+4930123", kind=145)
        await at.ask("ATD+4930123;", OK + own(2) + (own(3) if alerts else "") + own(6) + result)
        await at.ask("AT+CEER", f"\r\n+CEER: {ceer}\r\n" + OK)
        assert (await emulator.control("call.wait", state="ended"))["reason"] == outcome.replace("reject", "rejected")


async def test_the_text_of_ceer_can_be_scripted(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("dial.script", outcome="busy", alert_after_s=0.0, ceer="Out of credit")
        at.write("ATD1;\r")
        await at.until("BUSY\r\n")
        await at.ask("AT+CEER", "\r\n+CEER: Out of credit\r\n" + OK)


async def test_single_cr_frames_all_lines_alike(tmp_path: Path) -> None:
    async with emulated(tmp_path, double_cr=False) as emulator:
        at = await emulator.at()
        await emulator.control("call.incoming", number=NUMBER)
        await at.expect("\r\nRING\r\n" + CLIP + clcc(4))


async def test_crc_rings_with_cring(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await at.ok("AT+CRC=1")
        await emulator.control("call.incoming", number=NUMBER)
        await at.expect("\r\r\n+CRING: VOICE\r\r\n" + CLIP + clcc(4))


async def test_a_port_that_asked_for_nothing_gets_ring_alone(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        asked, plain = await emulator.at("if03"), await emulator.at("if02", init=False)
        await plain.ok("ATE0")
        await ringing(emulator, asked)
        await plain.expect(RING)
        await plain.nothing_more()


async def test_a_withheld_number_is_nowhere(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("call.incoming", number=NUMBER, withheld=True)
        await at.expect(RING + '\r\n+CLIP: "",128,,,,1\r\n' + clcc(4, number="", kind=128))
        await emulator.control("far.hangup")
        await at.expect(clcc(6, number="", kind=128))
        assert re.fullmatch(r"\r\nMISSED_CALL: \d\d:\d\d[AP]M\r\n", (await at.until("M\r\n")).decode())


@pytest.mark.parametrize("how", ["AT+CHUP", "AT+CHLD=0"])
async def test_a_ringing_call_can_be_rejected(tmp_path: Path, how: str) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await ringing(emulator, at)
        await at.ask(how, OK + clcc(6) + "\r\r\nNO CARRIER\r\r\n")
        assert (await emulator.control("call.wait", state="ended"))["reason"] == "rejected"


async def test_variants_of_other_firmware_order_and_repeat_lines(tmp_path: Path) -> None:
    async with emulated(tmp_path, ok_before_end=True, missed_after_reject=True) as emulator:
        at = await emulator.at()
        await ringing(emulator, at)
        at.write("AT+CHUP\r")
        await at.expect(OK + clcc(6) + "\r\r\nNO CARRIER\r\r\n\r\nMISSED_CALL: ")
        await at.until(f"{NUMBER}\r\n")
        await in_call(emulator, at)
        at.write("AT+CHUP\r")
        await at.expect(OK + "\r\nVOICE CALL: END: 000000\r\n")


async def test_ath_does_nothing_until_cvhu_is_0(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await in_call(emulator, at)
        await at.ask("ATH", OK)
        await at.ask("AT+CPAS", "\r\n+CPAS: 4\r\n" + OK)
        await at.ok("AT+CVHU=0")
        at.write("ATH\r")
        await at.expect("\r\nVOICE CALL: END: 000000\r\n" + OK)


async def test_a_second_call_waits_is_taken_and_swapped_and_the_first_comes_back(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await at.ok("AT+CCWA=1")
        await ringing(emulator, at)
        await at.ask("ATA", "\r\nVOICE CALL: BEGIN\r\n" + OK + clcc(0))
        await emulator.control("call.incoming", number="+4420")
        second = partial(clcc, index=2, number="+4420")
        await at.expect('\r\n+CCWA: "+4420",145,1\r\n' + clcc(0) + second(5))
        await at.ask("AT+CHLD=2", "\r\nVOICE CALL: BEGIN\r\n" + OK + clcc(1) + second(0))
        await at.ask("AT+CHLD=2", OK + clcc(0) + second(1))
        await at.ask("AT+CHLD=3", OK + clcc(0, mpty=1) + second(0, mpty=1))
        await at.ask("AT+CHLD=12", "\r\nVOICE CALL: END: 000000\r\n" + OK + clcc(0, mpty=1) + second(6, mpty=1))
        await at.ask("AT+CHLD=2", OK + clcc(1, mpty=1))
        assert (await emulator.control("call.wait", state="held"))["index"] == 1


async def test_chld_1_drops_the_active_call_for_the_waiting_one(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await in_call(emulator, at)
        await emulator.control("call.incoming", number="+4420")
        await at.until(clcc(5, index=2, number="+4420"))
        at.write("AT+CHLD=1\r")
        await at.expect("\r\nVOICE CALL: BEGIN\r\n\r\nVOICE CALL: END: 000000\r\n" + OK)
        await at.until(clcc(0, index=2, number="+4420"))
        calls = (await emulator.control("modem.status"))["calls"]
        assert calls == [{"index": 2, "dir": 1, "stat": 0, "number": "+4420"}]


async def test_a_waiting_call_rings_once_the_first_is_over(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await in_call(emulator, at)
        await emulator.control("call.incoming", number="+4420", ring_s=0.1)
        await at.until(clcc(5, index=2, number="+4420"))
        at.write("AT+CHUP\r")
        await at.until(RING)


async def test_the_far_end_can_hold_us(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await at.ok("AT+CSSN=1,1")
        await in_call(emulator, at)
        await emulator.control("far.hold", held=True)
        await at.expect("\r\n+CSSU: 2\r\n")
        await emulator.control("far.hold", held=False)
        await at.expect("\r\n+CSSU: 3\r\n")


async def test_keys_sent_into_a_call_are_recorded_and_ok_comes_after_the_tones(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await in_call(emulator, at)
        began = asyncio.get_running_loop().time()
        await at.ask('AT+VTS="1,2,#"', OK)
        assert asyncio.get_running_loop().time() - began >= 0.3
        await at.ask("AT+VTS=d", OK)
        await at.ask("AT+VTS=X", "\r\nERROR\r\n")
        assert (await emulator.control("modem.status"))["dtmf_sent"] == "12#D"


async def test_keys_of_the_far_end_come_as_lines_in_their_order(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await in_call(emulator, at)
        await emulator.control("far.dtmf", digits="5*#")
        await at.expect("".join(f"\r\r\n+RXDTMF: {key}\r\r\n" for key in "5*#"))
        await at.ok("AT+DDET=0")
        await emulator.control("far.dtmf", digits="7")
        await at.nothing_more()


async def test_the_far_end_answers_before_its_script(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("dial.script", outcome="answer", alert_after_s=0.02, answer_after_s=60)
        at.write("ATD0800;\r")
        await at.until("+CLCC: 1,0,3")
        await emulator.control("far.answer")
        await at.until("VOICE CALL: BEGIN\r\n")
        with pytest.raises(ControlFailed) as caught:
            await emulator.control("far.answer")
        assert caught.value.error["data"]["kind"] == "not_now"


async def test_a_script_can_end_the_call_that_it_answered(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("dial.script", outcome="answer", alert_after_s=0, answer_after_s=0, end_after_s=0.05)
        at.write("ATD0800;\r")
        await at.until("VOICE CALL: BEGIN\r\n")
        await at.until("\r\n\r\nVOICE CALL: END: ")
        await at.until("\r\n")
        await at.expect("\r\r\nNO CARRIER\r\r\n")


async def test_nobody_dials_while_it_rings_or_without_network_or_sim(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await ringing(emulator, at)
        await at.ask("ATD1;", "\r\n+CME ERROR: operation not allowed\r\n")
        await at.ok("AT+CHUP")
        await at.until("NO CARRIER\r\r\n")
        await emulator.control("radio.set", registered=False)
        await at.ask("ATD1;", "\r\n+CME ERROR: no network service\r\n")
        with pytest.raises(ControlFailed):
            await emulator.control("call.incoming")
        await emulator.control("sim.set", state="absent")
        await at.until("NOT INSERTED\r\n")
        await at.ask("ATD1;", "\r\n+CME ERROR: SIM not inserted\r\n")


async def test_call_wait_sees_each_state_and_gives_up_in_time(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        with pytest.raises(ControlFailed) as caught:
            await emulator.control("call.wait", state="active", timeout_s=0.05)
        assert caught.value.error["data"]["kind"] == "timeout"
        async with asyncio.TaskGroup() as tasks:
            waits = [
                tasks.create_task(emulator.control("call.wait", state=state))
                for state in ("ringing", "active", "ended")
            ]
            await in_call(emulator, at)
            await emulator.control("far.hangup")
        assert [wait.result()["state"] for wait in waits] == ["ringing", "active", "ended"]
        assert waits[2].result() == {"index": 1, "state": "ended", "reason": "remote_hangup"}


async def test_seven_calls_are_the_most(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        for _ in range(7):
            await emulator.control("call.incoming")
        with pytest.raises(ControlFailed) as caught:
            await emulator.control("call.incoming")
        assert caught.value.error["data"]["kind"] == "not_now"
