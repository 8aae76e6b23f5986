"""Receiving, end to end: the emulated network delivers, the core writes, tells and only then deletes."""

import asyncio
import signal
import sqlite3
from contextlib import closing
from typing import Any

import serial_asyncio

from tests.station import Station, Watch, station

FROM = "+447700900456"


async def stored(made: Station) -> dict[str, Any]:
    """What the modem still holds, by memory."""
    found = await made.control("sms.stored")
    return {name: memory["messages"] for name, memory in found["memories"].items() if memory["messages"]}


async def until_empty(made: Station) -> None:
    async with asyncio.timeout(30):
        while True:
            if not await stored(made):
                return
            await asyncio.sleep(0.05)


async def at(made: Station, command: str) -> None:
    """One command on the AT port, as whoever had the modem before might have sent."""
    reader, writer = await serial_asyncio.open_serial_connection(url=str(made.dir / "sim" / "if02"))
    writer.write(command.encode() + b"\r")
    async with asyncio.timeout(20):
        await reader.readuntil(b"OK\r\n")
    writer.close()


async def deliver(made: Station, text: str, **more: Any) -> Any:
    return await made.control("sms.deliver", **({"from": FROM, "text": text} | more))


async def inbox(made: Station) -> list[dict[str, Any]]:
    async with made.phone("sms.*") as (phone, _):
        found = await phone.call("sms.list", direction="in", oldest_first=True)
        return list(found["messages"])


def texts(watch: Watch) -> list[str]:
    return [event.params["text"] for event in watch.named("sms.received")]


async def test_a_message_is_told_kept_and_then_deleted_from_the_modem() -> None:
    async with station() as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        await deliver(made, "Hello €")
        told = await watch.wait("sms.received")
        assert (told["number"], told["text"], told["encoding"]) == (FROM, "Hello €", "gsm7")
        assert told["network_at"] and told["line"] == "sim"
        await until_empty(made)
        assert [each["text"] for each in await inbox(made)] == ["Hello €"]


async def test_messages_of_both_memories_from_before_the_start_are_taken() -> None:
    async with station(core=False) as made:
        await deliver(made, "on the SIM")
        await at(made, 'AT+CPMS="ME","ME","ME"')
        await deliver(made, "in the modem")
        assert set(await stored(made)) == {"ME", "SM"}
        await made.start_core()
        async with made.phone("sms.*") as (phone, watch):
            async with asyncio.timeout(30):
                while True:
                    if len((await phone.call("sms.list"))["messages"]) == 2:
                        break
                    await asyncio.sleep(0.1)
        assert {each["text"] for each in await inbox(made)} == {"in the modem", "on the SIM"}
        await until_empty(made)


async def test_a_burst_of_announcements_leaves_nothing_behind() -> None:
    async with station() as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        for number in range(20):
            await deliver(made, f"message {number}")
        await watch.wait("sms.received", count=20)
        await until_empty(made)
        assert sorted(texts(watch)) == sorted(f"message {number}" for number in range(20))


async def test_more_than_the_memory_holds_arrives_once_room_is_made() -> None:
    async with station() as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        flood: dict[str, Any] = {"from": FROM, "text": "flood {n}", "count": 80}
        await made.control("sms.flood", **flood)
        await watch.wait("sms.received", count=80, timeout_s=40)
        await until_empty(made)


async def test_a_long_message_is_joined_whatever_the_order_of_its_parts_and_their_copies() -> None:
    text = "Ilga žinutė su emoji 🎉. " * 12
    async with station() as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        await deliver(made, text, order=[3, 1, 5, 2, 4], duplicate=True)
        told = await watch.wait("sms.received")
        assert told["text"] == text and not told["incomplete"] and told["parts"] == 5
        await until_empty(made)
        assert len(await inbox(made)) == 1


async def test_parts_are_joined_across_a_crash() -> None:
    text = "x" * 400
    async with station() as made:
        async with made.phone("sms.*") as (phone, _):
            await made.ready(phone)
            await deliver(made, text, only_parts=[1, 3], reference=77)
            await until_empty(made)
            await made.stop_core(signal.SIGKILL)
        await made.start_core()
        async with made.phone("sms.*") as (phone, watch):
            await made.ready(phone)
            await deliver(made, text, only_parts=[2], reference=77)
            assert (await watch.wait("sms.received"))["text"] == text


async def test_what_there_is_comes_after_a_while_and_the_whole_when_the_rest_arrives() -> None:
    text = "a" * 153 + "b" * 153 + "c" * 20
    async with station("[sms]\nincomplete_after_s = 1.0\n") as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        await deliver(made, text, only_parts=[1, 3], reference=5)
        half = await watch.wait("sms.received")
        assert half["incomplete"] and half["missing"] == [2]
        assert half["text"] == "a" * 153 + " […] " + "c" * 20
        await deliver(made, text, only_parts=[2], reference=5)
        whole = await watch.wait("sms.received", count=2)
        assert (whole["message_id"], whole["text"], whole["incomplete"]) == (half["message_id"], text, False)
        assert len(await inbox(made)) == 1


async def test_a_second_copy_of_a_delivery_is_dropped_and_an_equal_message_is_not() -> None:
    async with station() as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        await deliver(made, "position 1", at="2026-11-21T10:00:00+00:00")
        await deliver(made, "position 1", at="2026-11-21T10:00:00+00:00")
        await deliver(made, "position 1", at="2026-11-21T10:00:01+00:00")
        await deliver(made, "end")
        await watch.wait("sms.received", lambda p: p["text"] == "end")
        await until_empty(made)
        assert texts(watch).count("position 1") == 2
        assert (await phone.call("sms.queue"))["lines"][0]["duplicates"] == 1


async def test_direct_flash_and_named_senders_and_ports() -> None:
    async with station() as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        await deliver(made, "flash!", message_class=0)
        assert (await watch.wait("sms.received", lambda p: p["text"] == "flash!"))["message_class"] == 0
        await deliver(made, "code 1234", **{"from": "MyBank"})
        assert (await watch.wait("sms.received", lambda p: p["text"] == "code 1234"))["number"] == "MyBank"
        octets: dict[str, Any] = {"from": FROM, "data": "0102", "ports": [2948, 9200]}
        await made.control("sms.deliver", **octets)
        data = await watch.wait("sms.received", lambda p: p["data"] is not None)
        assert (data["data"], data["destination_port"], data["encoding"]) == ("AQI=", 2948, "binary")


async def test_the_same_words_to_two_sims_in_the_same_second_are_two_messages() -> None:
    news: dict[str, Any] = {"from": "MyBank", "text": "news", "at": "2026-11-21T12:00:00Z"}
    async with station(lines=2) as made, made.phone("sms.*") as (phone, watch):
        for name, control in zip(made.lines, made.controls, strict=True):
            await made.ready(phone, name)
            await control("sms.deliver", **news)
        await watch.wait("sms.received", count=2)
        assert {event.params["line"] for event in watch.named("sms.received")} == set(made.lines)


async def test_octets_that_are_no_message_are_kept_and_do_not_stop_the_next_one() -> None:
    async with station() as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        await made.control("sms.deliver", pdu="00" + "04" + "FF" * 20)
        await deliver(made, "after it")
        await watch.wait("sms.received", lambda p: p["text"] == "after it")
        damaged = await watch.wait("sms.received", lambda p: p["damaged"])
        assert damaged["data"]
        await until_empty(made)


async def test_a_core_killed_before_it_deleted_tells_each_message_once() -> None:
    async with station() as made:
        async with made.phone("sms.*") as (phone, watch):
            await made.ready(phone)
            await made.control("fault.set", kind="no_reply", command="CMGD")
            for number in range(5):
                await deliver(made, f"message {number}")
            await watch.wait("sms.received", count=5)
            await made.stop_core(signal.SIGKILL)
        assert await stored(made)
        await made.control("fault.clear")
        await made.start_core()
        async with made.phone("sms.*") as (phone, watch):
            await until_empty(made)
            found = await phone.call("events.subscribe", topics=["sms.received"], since=0)
            assert found["seq"]
        kept = await inbox(made)
        assert sorted(each["text"] for each in kept) == sorted(f"message {number}" for number in range(5))


async def test_a_message_arrives_during_a_call() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await made.ready(phone)
        await made.control("call.incoming", number=FROM)
        await watch.wait("call.connected")
        await deliver(made, "while you talk")
        assert (await watch.wait("sms.received"))["text"] == "while you talk"
        await phone.call("call.hangup")
        await watch.wait("call.ended")


async def test_only_clients_with_the_scope_see_who_wrote_what() -> None:
    async with station() as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        log = made.log
        await deliver(made, "my secret plan")
        await watch.wait("sms.received")
        await until_empty(made)
        written = log.read_text()
        assert "my secret plan" not in written and FROM.lstrip("+") not in written


async def test_the_balance_is_asked_by_ussd_and_a_menu_is_answered() -> None:
    async with station() as made, made.phone("ussd.*") as (phone, watch):
        await made.ready(phone)
        await made.control("ussd.set", code="*100#", text="Balance: 4,50 €")
        await made.control("ussd.set", code="*111#", text="1 News 2 Bill", reply_wanted=True, then={"2": "12,00 €"})
        answer = await phone.call("ussd.send", code="*100#")
        assert (answer["text"], answer["state"]) == ("Balance: 4,50 €", "done")
        menu = await phone.call("ussd.send", code="*111#")
        assert menu["state"] == "reply_wanted"
        assert (await phone.call("ussd.reply", text="2"))["text"] == "12,00 €"
        await made.control("ussd.push", text="You have mail")
        pushed = await watch.wait("ussd.received", lambda p: p["initiated_by"] == "network")
        assert pushed["text"] == "You have mail"


async def test_parts_that_can_no_longer_be_decoded_end_neither_the_message_nor_the_daemon() -> None:
    text = "p" * 400
    async with station("[sms]\nincomplete_after_s = 3.0\n") as made:
        async with made.phone("sms.*") as (phone, _):
            await made.ready(phone)
            await deliver(made, text, only_parts=[1, 2], reference=9)
            await until_empty(made)
            await made.stop_core()
        with closing(sqlite3.connect(made.dir / "dialtone.db")) as store, store:
            store.execute("UPDATE message_parts SET pdu = 'rubbish' WHERE part = 1")
        await made.start_core()
        async with made.phone("sms.*") as (phone, watch):
            async with asyncio.timeout(30):
                while True:
                    found = (await phone.call("sms.list"))["messages"]
                    if found:
                        break
                    await asyncio.sleep(0.1)
            assert found[0]["text"] == "p" * 306 + " […] " and found[0]["missing"] == [3]


async def test_a_modem_that_announces_nothing_is_looked_through_every_sweep_s() -> None:
    async with station("[sms]\nsweep_s = 1.0\n", core=False) as made:
        await at(made, "AT+CATR=1")  # unsolicited lines go to the UART, as some firmware has it
        await made.start_core()
        async with made.phone("sms.*") as (phone, watch):
            await made.ready(phone)
            await deliver(made, "unannounced")
            assert (await watch.wait("sms.received"))["text"] == "unannounced"
