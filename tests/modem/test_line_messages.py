"""Received messages on the emulated modem: all of them, once each, deleted only when they are safe."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.config import SmsConfig
from core.line import HeldPdu, LineMemory, LineState, MemoryUse, Place
from core.modem.pdu import Deliver, StatusReport, decode_from_network, split_pdu
from tests.modem.heard import Heard
from tests.modem.line_desk import Desk, Emulator, desk, emulator
from tests.modem.scripted import until

SENDER = "+447700900123"
QUICK = SmsConfig(sweep_s=1.0)


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path) as running:
        yield running


@pytest.fixture
async def phone(modem: Emulator) -> AsyncIterator[Desk]:
    async with desk(modem.config()) as running:
        await until(lambda: running.line.can_send)
        yield running


async def _deliver(modem: Emulator, text: str = "Hello", **how: object) -> None:
    await modem("sms.deliver", **({"from": SENDER, "text": text} | how))


async def _stored(modem: Emulator) -> int:
    memories = (await modem("sms.stored"))["memories"]
    return sum(len(memory["messages"]) for memory in memories.values())


def _text(item: HeldPdu) -> str | None:
    found = decode_from_network(split_pdu(item.pdu)[1])
    assert isinstance(found, Deliver)
    return found.text


def _places(phone: Desk) -> list[Place]:
    return [item.place for item in phone.items if item.place is not None]


async def _emptied(modem: Emulator) -> None:
    async with asyncio.timeout(30):
        while await _stored(modem):  # noqa: ASYNC110 - the emulator gives no event
            await asyncio.sleep(0.02)


async def test_a_message_stays_in_the_modem_until_it_is_safe(phone: Desk, modem: Emulator) -> None:
    await _deliver(modem)
    assert [_text(item) for item in await phone.receives(1)] == ["Hello"]
    await _deliver(modem, "Second")
    assert [_text(item) for item in await phone.receives(2)] == ["Hello", "Second"]
    assert await _stored(modem) == 2
    await phone.line.discard(_places(phone))
    await _emptied(modem)
    assert len(phone.items) == 2


async def test_a_message_heard_on_both_ports_is_offered_once(phone: Desk, modem: Emulator) -> None:
    for number in range(5):
        await _deliver(modem, f"Message {number}")
    await phone.receives(5)
    await asyncio.sleep(0.2)
    assert [_text(item) for item in phone.items] == [f"Message {number}" for number in range(5)]


async def test_a_burst_is_fetched_to_the_last_message(modem: Emulator) -> None:
    await modem("sms.memory", memory="ME", capacity=7)
    async with desk(modem.config(), commits=True) as phone:
        await modem("sms.flood", count=100, text="number {n}")
        items = await phone.receives(100, within_s=40)
        await _emptied(modem)
        assert sorted(int((_text(item) or "").removeprefix("number ")) for item in items) == list(range(1, 101))
        assert (await modem("sms.stored"))["waiting"] == 0


async def test_both_memories_are_drained_at_the_start(modem: Emulator) -> None:
    async with desk(modem.config()) as first:
        await until(lambda: first.line.can_send)
        await _deliver(modem, "In the modem")
        await _deliver(modem, "On the SIM", message_class=2)
        assert {item.place.memory for item in await first.receives(2) if item.place} == {"ME", "SM"}
    async with desk(modem.config(), commits=True) as second:
        assert {_text(item) for item in await second.receives(2)} == {"In the modem", "On the SIM"}
        await _emptied(modem)


async def test_a_message_that_could_not_be_written_is_offered_again_with_a_later_sweep(modem: Emulator) -> None:
    async with desk(modem.config(), sms=SmsConfig(sweep_s=8.0)) as phone:  # later than all that comes before it
        await until(lambda: phone.line.can_send)
        await _deliver(modem)
        first = await phone.receives(1)
        phone.line.keep(_places(phone))
        await _deliver(modem, "Another")
        await phone.receives(2)
        assert [_text(item) for item in phone.items] == ["Hello", "Another"]  # no news is no reason to try again
        again = await phone.receives(3)
        assert again[2] == first[0]
        assert await _stored(modem) == 2


async def test_what_was_not_answered_is_not_offered_twice(modem: Emulator) -> None:
    async with desk(modem.config(), sms=QUICK) as phone:
        await _deliver(modem)
        await phone.receives(1)
        await asyncio.sleep(2.2)  # two sweeps
        assert len(phone.items) == 1


async def test_a_flash_message_is_handed_over_directly_once(phone: Desk, modem: Emulator) -> None:
    await _deliver(modem, "Flash", message_class=0)
    (item,) = await phone.receives(1)
    assert (_text(item), item.place) == ("Flash", None)
    await _deliver(modem, "Stored")
    assert [_text(item) for item in await phone.receives(2)] == ["Flash", "Stored"]


@pytest.mark.parametrize(("options", "memory"), [((), "ME"), (("--reports-in-sr",), "SR")])
async def test_reports_are_fetched_from_where_the_modem_puts_them(
    tmp_path: Path, options: tuple[str, ...], memory: str
) -> None:
    async with emulator(tmp_path, *options) as modem, desk(modem.config(), commits=True) as phone:
        await until(lambda: phone.line.can_send)
        await modem("sms.report", reference=7, to=SENDER)
        (item,) = await phone.receives(1)
        report = decode_from_network(split_pdu(item.pdu)[1])
        assert isinstance(report, StatusReport)
        assert (report.reference, report.recipient.text) == (7, SENDER)
        assert item.place is not None
        assert item.place.memory == memory
        await _emptied(modem)


async def test_a_full_memory_is_told_once_and_emptied(phone: Desk, modem: Emulator) -> None:
    await modem("sms.memory", memory="ME", capacity=2)
    for number in range(4):
        await _deliver(modem, f"Message {number}")
    await phone.reads(LineMemory)
    await phone.receives(2)
    await asyncio.sleep(0.2)
    assert [fact for fact in phone.mail if isinstance(fact, LineMemory)] == [LineMemory(full=True)]
    phone.commits = True
    await phone.line.discard(_places(phone))
    await phone.receives(4)
    await _emptied(modem)
    await until(lambda: [fact for fact in phone.mail if isinstance(fact, LineMemory)][-1] == LineMemory(full=False))
    assert {_text(item) for item in phone.items} == {f"Message {number}" for number in range(4)}


async def test_a_place_of_an_earlier_life_is_never_deleted(phone: Desk, modem: Emulator) -> None:
    await _deliver(modem)
    await phone.receives(1)
    old = _places(phone)
    await modem("usb.unplug")
    await phone.is_in(LineState.RECONNECTING)
    await modem("usb.replug")
    await phone.receives(2, within_s=30)
    assert phone.items[0].pdu == phone.items[1].pdu
    await phone.line.discard(old)
    await _deliver(modem, "Later")
    await phone.receives(3)
    assert await _stored(modem) == 2
    await phone.line.discard(_places(phone))
    await _emptied(modem)


async def test_a_place_of_an_earlier_sim_is_never_deleted(phone: Desk, modem: Emulator) -> None:
    await _deliver(modem)
    await phone.receives(1)
    old = _places(phone)
    await modem("sim.set", state="absent")
    await until(lambda: phone.line.info.sim == "ABSENT")
    assert not phone.line.can_send
    assert phone.line.info.memories == ()
    await modem("sim.set", state="READY")
    again = await phone.receives(2)
    assert again[1].place is not None
    assert again[1].place.life > old[0].life
    await phone.line.discard(old)
    await until(lambda: phone.line.can_send)
    await asyncio.sleep(0.3)
    assert await _stored(modem) == 1


async def test_the_line_tells_service_centre_and_how_full_its_memories_are(phone: Desk, modem: Emulator) -> None:
    await until(lambda: MemoryUse("ME", 0, 23) in phone.line.info.memories)
    assert phone.line.info.smsc == "+447700900000"
    assert MemoryUse("SM", 0, 50) in phone.line.info.memories


async def test_an_idle_sweep_costs_one_command(tmp_path: Path) -> None:
    heard = Heard(tmp_path)
    async with emulator(tmp_path, *heard.options) as modem, desk(modem.config(poll_s=60), sms=QUICK) as phone:
        await until(lambda: phone.line.can_send)
        await until(lambda: heard.commands()[-3:] == ["AT+CPMS?"] * 3)


async def test_a_deletion_that_gets_no_answer_is_made_up_for(modem: Emulator) -> None:
    async with desk(modem.config(), commits=True, sms=QUICK) as phone:
        await until(lambda: phone.line.can_send)
        await modem("fault.set", kind="error_reply", command="AT+CMGD", text="ERROR", times=2)
        await _deliver(modem)
        await _deliver(modem, "Second")
        await phone.receives(2)
        await _emptied(modem)
        assert len(phone.items) == 2


async def test_garbage_in_a_memory_is_offered_as_it_is_and_deleted(modem: Emulator) -> None:
    async with desk(modem.config(), commits=True) as phone:
        await until(lambda: phone.line.can_send)
        await modem("sms.deliver", pdu="00" + "FF" * 30)
        (item,) = await phone.receives(1)
        assert item.pdu == "00" + "FF" * 30
        await _emptied(modem)
