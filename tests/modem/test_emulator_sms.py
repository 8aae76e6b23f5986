"""Messages that arrive at the emulator, judged by the codec that Dialtone ships.

Emulator and codec share no code: where both agree on a message, neither invented its own alphabet.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modem.emulator import gsm7, sms_writer, tpdu
from core.modem.emulator.sms_writer import Letter
from core.modem.pdu import decode_from_mobile
from tests.modem.emulated import ControlFailed, emulated, said
from tests.modem.scripted import until
from tests.modem.sms_desk import CALLER, CYRILLIC, LONG, OK, deliver_of, listed, report_of, sms_host, submits

TEXTS = st.text(
    st.one_of(st.sampled_from(gsm7.ALPHABET.replace("\x1b", "")), st.characters(codec="utf-8")), max_size=400
)


@pytest.mark.parametrize("text", ["Table for two?", "@£$¥ ^{}\\[~]|€", LONG, CYRILLIC, ""])
async def test_a_text_arrives_as_the_codec_reads_it(tmp_path: Path, text: str) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        told = await emulator.control(
            "sms.deliver", **{"from": CALLER, "text": text, "at": "2026-02-07T09:44:29+02:00"}
        )
        await at.until(f'"ME",{told["parts"] - 1}\r\n')
        parts = [deliver_of(pdu) for pdu in await listed(at)]
        assert told["indices"] == list(range(len(parts)))
        assert "".join(part.text or "" for part in parts) == text
        assert {part.originator.text for part in parts} == {CALLER}
        assert {part.sent_at and part.sent_at.isoformat() for part in parts} == {"2026-02-07T09:44:29+02:00"}


@given(text=TEXTS, wide=st.booleans(), parts=st.integers(1, 4))
def test_both_codecs_read_what_either_wrote(text: str, wide: bool, parts: int) -> None:
    pdus = sms_writer.write(Letter("+4917", text, parts=parts, wide=wide, reference=200), "+44")
    read = [deliver_of(pdu) for pdu in pdus]
    assert "".join(part.text or "" for part in read) == text
    assert not any(part.damaged for part in read)
    if len(read) > 1:
        numbers = [part.concat and (part.concat.reference, part.concat.total, part.concat.number) for part in read]
        assert numbers == [(200, len(read), number) for number in range(1, len(read) + 1)]
    for octets in submits(text, reference=9, wide_reference=wide):
        ours, theirs = tpdu.read_submit(octets), decode_from_mobile(octets)
        data = ours.user_data()
        assert (ours.party, data.text) == (theirs.destination.text, theirs.text)
        assert (data.part and data.part.number) == (theirs.concat and theirs.concat.number)


@given(octets=st.binary(max_size=200))
def test_no_octets_break_the_reading_of_a_submit(octets: bytes) -> None:
    with contextlib.suppress(ValueError):
        tpdu.read_submit(octets).user_data()


async def test_data_names_ports_and_classes_arrive(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        await emulator.control("sms.deliver", **{"from": "My Bank", "data": "00ff80", "ports": [2948, 9200]})
        await emulator.control("sms.deliver", **{"from": "80123", "text": "x", "message_class": 1, "pid": 0x41})
        await at.until('"ME",1\r\n')
        first, second = [deliver_of(pdu) for pdu in await listed(at)]
        assert (first.originator.number, first.data) == ("My Bank", b"\x00\xff\x80")
        assert first.ports is not None
        assert (first.ports.destination, first.ports.source) == (2948, 9200)
        assert (second.originator.text, second.message_class, second.replace_type) == ("80123", 1, 1)


async def test_parts_are_lost_mixed_and_doubled_on_demand(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        common = {"from": CALLER, "text": "abcdef", "parts": 3, "reference": 0x1234, "wide": True}
        await emulator.control("sms.deliver", **common, order=[3, 1, 2], only_parts=[1, 3], duplicate=True)
        await at.until('"ME",3\r\n')
        parts = [deliver_of(pdu) for pdu in await listed(at)]
        assert [(part.concat and part.concat.number, part.text) for part in parts] == [
            (3, "ef"), (3, "ef"), (1, "ab"), (1, "ab"),
        ]  # fmt: skip
        assert {(part.concat.reference, part.concat.wide) for part in parts if part.concat} == {(0x1234, True)}


async def test_what_finds_no_room_waits_in_the_network_and_comes_when_there_is_some(tmp_path: Path) -> None:
    async with emulated(tmp_path, sms_me=2) as emulator:
        at = await sms_host(emulator)
        await emulator.control("sms.flood", count=4, text="number {n}")
        await at.until('+CMTI: "ME",1\r\n')
        await at.expect("\r\n+SMS FULL\r\n")
        assert (await emulator.control("sms.stored"))["waiting"] == 2
        await at.ask("AT+CMGD=0", f'{OK}\r\n+CMTI: "ME",0\r\n\r\n+SMS FULL\r\n')
        await at.ask("AT+CMGD=0,4", f'{OK}\r\n+CMTI: "ME",0\r\n')
        assert [deliver_of(pdu).text for pdu in await listed(at)] == ["number 4"]


async def test_the_network_comes_again_only_after_a_while_if_it_is_told_so(tmp_path: Path) -> None:
    async with emulated(tmp_path, sms_me=1) as emulator:
        at = await sms_host(emulator)
        await emulator.control("sms.network", redeliver_s=4.0)  # longer than a machine stands still
        await emulator.control("sms.flood", count=2)
        await at.until("+SMS FULL\r\n")
        await at.ask("AT+CMGD=0", OK)
        await at.nothing_more()
        await at.expect('\r\n+CMTI: "ME",0\r\n')


async def test_a_smaller_memory_keeps_what_it_has_and_a_larger_one_lets_in_what_waits(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator)
        await emulator.control("sms.flood", count=3)
        await emulator.control("sms.memory", memory="ME", capacity=1)
        await at.until('"ME",2\r\n')
        await at.ask("AT+CPMS?", f'\r\n+CPMS: "ME",3,1,"ME",3,1,"ME",3,1\r\n{OK}')
        await emulator.control("sms.deliver", **{"from": CALLER, "text": "one more"})
        await at.expect("\r\n+SMS FULL\r\n")
        await emulator.control("sms.memory", memory="ME", capacity=4)
        await at.expect('\r\n+CMTI: "ME",3\r\n')


async def test_the_network_holds_only_so_much(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        await emulator.control("radio.set", registered=False)
        for _ in range(2):
            await emulator.control("sms.flood", count=10_000)
        with pytest.raises(ControlFailed) as failure:
            await emulator.control("sms.flood", count=1)
        assert failure.value.error["data"]["kind"] == "limit"


async def test_an_unregistered_or_unplugged_modem_gets_its_messages_later(tmp_path: Path) -> None:
    async with emulated(tmp_path, boot_s=0.2, transcript=tmp_path / "wire") as emulator:
        at = await sms_host(emulator)
        await emulator.control("radio.set", registered=False)
        assert (await emulator.control("sms.deliver", **{"from": CALLER, "text": "a"}))["waiting"] == 1
        await emulator.control("radio.set", registered=True)
        await at.expect('\r\n+CMTI: "ME",0\r\n')
        await emulator.control("usb.unplug")
        assert (await emulator.control("sms.deliver", **{"from": CALLER, "text": "b"}))["waiting"] == 1
        await emulator.control("usb.replug")
        await until(lambda: '+CMTI: "ME",1\r\n' in said(tmp_path / "wire"))


async def test_both_ports_hear_of_a_message_unless_catr_names_one(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        two, three = await sms_host(emulator), await sms_host(emulator, "if03")
        await emulator.control("sms.deliver", **{"from": CALLER, "text": "a"})
        for at in (two, three):
            await at.expect('\r\n+CMTI: "ME",0\r\n')
        await two.ok("AT+CATR=3")
        await emulator.control("sms.deliver", **{"from": CALLER, "text": "b"})
        await two.expect('\r\n+CMTI: "ME",1\r\n')
        await three.nothing_more()


@pytest.mark.parametrize(
    ("message_class", "cnmi", "lines"),
    [
        (None, "2,0,0,0,0", ""),
        (None, "2,1,0,0,0", '+CMTI: "ME",0'),
        (None, "2,2,0,0,0", "+CMT"),
        (None, "1,3,0,0,0", '+CMTI: "ME",0'),
        (0, "2,0,0,0,0", ""),
        (0, "2,1,0,0,0", "+CMT"),
        (1, "2,1,0,0,0", '+CMTI: "ME",0'),
        (2, "2,1,0,0,0", '+CMTI: "SM",0'),
        (2, "2,2,0,0,0", '+CMTI: "SM",0'),
        (3, "1,3,0,0,0", "+CMT"),
        (None, "0,1,0,0,0", ""),
    ],
)
async def test_class_and_cnmi_decide_where_a_message_goes(
    tmp_path: Path, message_class: int | None, cnmi: str, lines: str
) -> None:
    async with emulated(tmp_path) as emulator:
        await sms_host(emulator, "if03", cnmi="2,0,0,0,0")
        at = await sms_host(emulator, cnmi=cnmi)
        told = await emulator.control("sms.deliver", **{"from": CALLER, "text": "x", "message_class": message_class})
        if lines == "+CMT":
            pdu = told["pdus"][0]
            await at.expect(f"\r\n+CMT: ,{len(pdu) // 2 - 8}\r\n{pdu}\r\n")
        elif lines:
            await at.expect(f"\r\n{lines}\r\n")
        await at.nothing_more()
        stored = (await emulator.control("sms.stored"))["memories"]
        assert sum(len(memory["messages"]) for memory in stored.values()) == int(lines != "+CMT")


async def test_type_0_is_shown_or_dropped_by_option(tmp_path: Path) -> None:
    for drop in (False, True):
        async with emulated(tmp_path / str(drop), drop_type_0=drop) as emulator:
            at = await sms_host(emulator, cnmi="2,0,0,0,0")
            await emulator.control("sms.deliver", **{"from": CALLER, "text": "", "pid": 0x40})
            assert len(await listed(at)) == int(not drop)
            assert (await emulator.control("sms.stored"))["dropped"] == int(drop)


async def test_with_csms_1_the_next_message_waits_for_the_acknowledgement(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator, cnmi="2,2,0,0,0")
        await at.ok("AT+CSMS=1")
        await at.ask("AT+CNMA", "\r\n+CMS ERROR: NO +CNMA ACK EXPECTED\r\n")
        told = await emulator.control("sms.flood", count=3)
        assert told["waiting"] == 2
        await at.until("+CMT:")
        await at.until("\r\n")
        await at.until("\r\n")
        for command in ("AT+CNMA", "AT+CNMA=0"):
            at.write(command + "\r")
            await at.expect(OK)
            await at.until("+CMT:")
            await at.until("\r\n")
            await at.until("\r\n")
        await at.ask("AT+CNMA=2", OK)
        await at.ask("AT+CNMA", "\r\n+CMS ERROR: NO +CNMA ACK EXPECTED\r\n")
        assert (await emulator.control("sms.stored"))["dropped"] == 1


async def test_an_unacknowledged_message_comes_again_into_memory_and_handing_over_stops(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        await emulator.control("sms.network", ack_s=0.1)
        at = await sms_host(emulator, cnmi="2,2,0,0,0")
        await at.ok("AT+CSMS=1")
        await emulator.control("sms.deliver", **{"from": CALLER, "text": "again"})
        await at.until("+CMT:")
        await at.until("\r\n")
        await at.until("\r\n")
        async with asyncio.timeout(20):
            while (await emulator.control("sms.stored"))["unacknowledged"]:  # noqa: ASYNC110 - its only sign
                await asyncio.sleep(0.02)
        await at.ask("AT+CNMI?", f"\r\n+CNMI: 2,0,0,0,0\r\n{OK}")
        assert [deliver_of(pdu).text for pdu in await listed(at)] == ["again"]


async def test_direct_messages_come_one_after_another_and_none_is_lost(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await sms_host(emulator, cnmi="2,2,0,0,0")
        await emulator.control("radio.set", registered=False)
        await emulator.control("sms.flood", count=300, text="{n}")
        await emulator.control("radio.set", registered=True)
        for number in range(1, 301):
            await at.until("+CMT:")
            await at.until("\r\n")
            assert deliver_of((await at.until("\r\n")).decode().strip()).text == str(number)


@pytest.mark.parametrize(
    ("cnmi", "reports_in_sr", "line"),
    [("2,1,0,2,0", False, '+CDSI: "ME",0'), ("2,1,0,2,0", True, '+CDSI: "SR",0'), ("1,1,0,1,0", False, "+CDS")],
)
async def test_a_status_report_goes_where_ds_says(tmp_path: Path, cnmi: str, reports_in_sr: bool, line: str) -> None:
    async with emulated(tmp_path, reports_in_sr=reports_in_sr) as emulator:
        at = await sms_host(emulator, cnmi=cnmi)
        await emulator.control("sms.report", reference=77, to=CALLER, status=0x46)
        if line == "+CDS":
            await at.until("+CDS: ")
            octets = int((await at.until("\r\n")).decode())
            pdu = (await at.until("\r\n")).decode().strip()
            assert octets == len(pdu) // 2 - 8
        else:
            await at.expect(f"\r\n{line}\r\n")
            await at.ok(f"AT+CPMS={line.split()[1].split(',')[0]}")
            (pdu,) = await listed(at)
        report = report_of(pdu)
        assert (report.reference, report.recipient.text, report.status) == (77, CALLER, 0x46)


async def test_wrong_wishes_are_refused(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        wrong: list[dict[str, Any]] = [
            {}, {"from": CALLER}, {"from": CALLER, "text": "a", "data": "00"}, {"from": "", "text": "a"},
            {"from": "a name too long", "text": "a"}, {"from": CALLER, "text": "Ж", "encoding": "gsm7"},
            {"from": CALLER, "text": "a", "only_parts": [2]}, {"from": CALLER, "text": "a", "at": "yesterday"},
            {"from": CALLER, "data": "0"}, {"from": CALLER, "text": "a" * 40_000},
            {"from": CALLER, "data": "00" * 40_000},
            {"from": CALLER, "text": "a", "udh": "0001" * 69}, {"from": CALLER, "text": "a", "encoding": "binary"},
        ]  # fmt: skip
        for params in wrong:
            with pytest.raises(ControlFailed) as failure:
                await emulator.control("sms.deliver", **params)
            assert failure.value.error["data"]["kind"] == "invalid_params"
