"""Messages that a host sends through the emulator, and the ways in which the network leaves it in doubt."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.modem.emulated import Emulated, Host, emulated, said
from tests.modem.scripted import until
from tests.modem.sms_desk import CALLER, CYRILLIC, LONG, OK, listed, report_of, send, sms_host, submits, type_in

OTHER = "+447700900999"


@pytest.mark.parametrize("text", ["Table for two?", "@£$¥ ^{}\\[~]|€", LONG, CYRILLIC])
async def test_what_is_sent_is_decoded_beside_its_pdu(tmp_path: Path, text: str) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        answers = await send(at, text, reference=7)
        assert answers == [f"+CMGS: {number}" for number in range(len(answers))]
        sent = await emulator.control("sms.sent")
        assert "".join(part["text"] for part in sent["decoded"]) == text
        assert {part["to"] for part in sent["decoded"]} == {CALLER}
        assert [part["pdu"] for part in sent["decoded"]] == sent["messages"]
        assert sent["total"] == len(answers) == len(sent["messages"])
        if len(answers) > 1:
            assert [part["concat"]["number"] for part in sent["decoded"]] == list(range(1, len(answers) + 1))


async def test_a_part_of_the_sent_ones_can_be_asked_for(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        for number in range(5):
            await send(at, str(number))
        newest = await emulator.control("sms.sent", limit=2)
        assert ([part["text"] for part in newest["decoded"]], newest["first"], newest["total"]) == (["3", "4"], 3, 5)
        middle = await emulator.control("sms.sent", first=1, limit=2)
        assert ([part["text"] for part in middle["decoded"]], middle["first"]) == (["1", "2"], 1)
        assert (await emulator.control("sms.sent", first=9))["decoded"] == []


async def test_the_network_refuses_as_often_and_to_whom_it_is_told(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        await at.ok("AT+CMEE=1")
        refusals = [{"times": None, "cms": 38, "to": OTHER}, {"times": 2, "cms": 500}]
        await emulator.control("sms.network", refuse=refusals)
        found = [(await send(at, "a", to))[0] for to in (CALLER, OTHER, OTHER, CALLER, CALLER, OTHER)]
        refused, busy = "+CMS ERROR: 38", "+CMS ERROR: 500"
        assert found == [busy, refused, refused, busy, "+CMGS: 0", refused]
        await emulator.control("sms.network", refuse=None)
        assert await send(at, "a", OTHER) == ["+CMGS: 1"]
        assert (await emulator.control("sms.sent"))["total"] == 2


@pytest.mark.parametrize("sent", [True, False])
async def test_a_lost_answer_leaves_the_sender_in_doubt_and_the_port_alive(tmp_path: Path, sent: bool) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        await emulator.control("sms.network", lose_answer={"sent": sent})
        await type_in(at, submits("in doubt")[0])
        await at.nothing_more()
        assert (await emulator.control("sms.sent"))["total"] == int(sent)
        assert await send(at, "again") == [f"+CMGS: {int(sent)}"]


async def test_a_late_answer_is_late_but_the_message_is_out(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at, other = await sms_host(emulator), await sms_host(emulator, "if03")
        await emulator.control("sms.network", late_answer_s=0.4, late_answer_times=1)
        started = time.monotonic()
        await type_in(at, submits("slow")[0])
        await other.nothing_more()
        assert (await emulator.control("sms.sent"))["total"] == 1
        await at.expect(f"\r\n+CMGS: 0\r\n{OK}")
        assert time.monotonic() - started >= 0.4
        assert await send(at, "quick") == ["+CMGS: 1"]


async def test_a_slow_network_has_the_message_only_when_it_says_so(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        await emulator.control("sms.network", delay_s=4.0)  # longer than a machine stands still
        await type_in(at, submits("slow")[0])
        assert (await emulator.control("sms.sent"))["total"] == 0
        await at.expect(f"\r\n+CMGS: 0\r\n{OK}")
        assert (await emulator.control("sms.sent"))["total"] == 1


async def test_a_stick_that_is_pulled_while_the_network_thinks_has_sent_nothing(tmp_path: Path) -> None:
    async with emulated(tmp_path, boot_s=0.1, transcript=tmp_path / "wire") as emulator:
        at = await sms_host(emulator)
        await emulator.control("sms.network", delay_s=4.0)
        await type_in(at, submits("lost")[0])
        await emulator.control("usb.unplug")
        await at.hang_up()
        again = await replugged(emulator, tmp_path / "wire")
        await emulator.control("sms.network", delay_s=4.5)  # more than what was left of the first
        assert await send(again, "next") == ["+CMGS: 0"]
        assert [part["text"] for part in (await emulator.control("sms.sent"))["decoded"]] == ["next"]


async def replugged(emulator: Emulated, transcript: Path) -> Host:
    """The stick is back, has started and takes messages."""
    await emulator.control("usb.replug")
    await until(lambda: "PB DONE\r\n" in said(transcript))
    at = emulator.open("if02")
    await at.ok("ATE0")
    return at


async def test_a_prompt_that_never_comes_is_one_of_the_doubts(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        await emulator.control("sms.network", no_prompt={"times": 1}, prompt_s=0.05)
        at.write("AT+CMGS=20\r")
        await at.nothing_more()
        assert await send(at, "again") == ["+CMGS: 0"]


async def test_without_a_network_nothing_is_sent(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        await emulator.control("radio.set", registered=False)
        assert await send(at, "a") == ["+CMS ERROR: No network service"]
        await emulator.control("sim.set", state="absent")
        await at.expect("\r\n+CPIN: NOT INSERTED\r\n")
        await at.ask("AT+CMGS=20", "\r\n+CMS ERROR: SIM not inserted\r\n")


async def test_octets_that_are_no_submit_are_refused(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        good = submits("a")[0]
        for bad in (b"\x00" + good[1:], good + b"\x00", good[:-1], good[:2] + b"\x00\x91" + good[10:]):
            await type_in(at, bad)
            await at.expect("\r\n+CMS ERROR: Invalid PDU mode parameter\r\n")


@pytest.mark.parametrize(
    ("report", "statuses"),
    [
        ({"mode": "delivered"}, [0x00]),
        ({"mode": "temporary"}, [0x20, 0x00]),
        ({"mode": "failed"}, [0x41]),
        ({"mode": "failed", "status": 0x46}, [0x46]),
        ({"mode": "none"}, []),
    ],
)
async def test_reports_follow_as_the_script_says(
    tmp_path: Path, report: dict[str, object], statuses: list[int]
) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        await emulator.control("sms.network", report=report | {"delay_s": 0.05})
        await send(at, "no report wanted")
        await send(at, "with report", report=True)
        for index in range(len(statuses)):
            await at.expect(f'\r\n+CDSI: "ME",{index}\r\n')
        await asyncio.sleep(0 if statuses else 0.2)
        found = [report_of(pdu) for pdu in await listed(at)]
        assert [report.status for report in found] == statuses
        assert {(report.reference, report.recipient.text) for report in found} <= {(1, CALLER)}


async def test_a_stored_message_is_sent_from_memory(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        octets = submits("from memory")[0]
        await at.ask(f"AT+CMGW={len(octets)}", "\r\n> ")
        at.write("00" + octets.hex() + "\x1a")
        await at.expect(f"\r\n+CMGW: 0\r\n{OK}")
        await at.ask("AT+CMSS=1", "\r\n+CMS ERROR: Invalid memory index\r\n")
        await at.ask("AT+CMSS=0", f"\r\n+CMSS: 0\r\n{OK}")
        await at.ask("AT+CMGL=2", OK)
        await at.ask("AT+CMGL=3", f"\r\n+CMGL: 0,3,,{len(octets)}\r\n00{octets.hex().upper()}\r\n{OK}")
        assert (await emulator.control("sms.sent"))["decoded"][0]["text"] == "from memory"


async def test_a_full_memory_refuses_to_write(tmp_path: Path) -> None:
    async with emulated(tmp_path, sms_me=0) as emulator:
        at = await sms_host(emulator)
        octets = submits("a")[0]
        await at.ask(f"AT+CMGW={len(octets)}", "\r\n> ")
        at.write("00" + octets.hex() + "\x1a")
        await at.expect("\r\n+CMS ERROR: Memory full\r\n")
