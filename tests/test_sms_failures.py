"""What goes wrong around messages: each failure has a typed error or a state, the daemon goes on, and after it a good
message passes both ways."""

import asyncio
import random
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import dialtone
from bench.peers import kilobytes
from tests.station import Station, Watch, station

TO = "+447700900123"
FROM = "+447700900456"
FAST = "[sms]\nretry_s = [0.3, 0.6]\nanswer_timeout_s = 10\nsweep_s = 1.0\n"


async def state_of(watch: Watch, message_id: str, *wanted: str, timeout_s: float = 30.0) -> dict[str, Any]:
    return await watch.wait(
        "sms.status", lambda p: p["message_id"] == message_id and p["state"] in wanted, timeout_s=timeout_s
    )


async def deliver(made: Station, text: str, **more: Any) -> Any:
    return await made.control("sms.deliver", **({"from": FROM, "text": text} | more))


async def works(made: Station, phone: dialtone.Phone, watch: Watch) -> None:
    """A good message each way, once."""
    answer = await phone.call("sms.send", to=TO, text="all is well")
    await state_of(watch, answer["message_id"], "sent")
    await deliver(made, "all is well here")
    await watch.wait("sms.received", lambda p: p["text"] == "all is well here")
    on_air = [each["text"] for each in (await made.control("sms.sent"))["decoded"]]
    assert on_air.count("all is well") == 1
    assert made.core is not None and made.core.returncode is None


async def until(true: Callable[[], Awaitable[bool]], within_s: float = 40.0) -> None:
    async with asyncio.timeout(within_s):
        while not await true():  # noqa: ASYNC110 - asks other processes
            await asyncio.sleep(0.05)


async def alarm(phone: dialtone.Phone, name: str, there: bool) -> None:
    async def told() -> bool:
        return (name in [each["alarm"] for each in (await phone.call("status"))["alarms"]]) is there

    await until(told)


async def queue(phone: dialtone.Phone) -> dict[str, Any]:
    return dict((await phone.call("sms.queue", line="sim"))["lines"][0])


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of 8 MB. Only root may mount one, and not in every container."""
    with TemporaryDirectory(prefix="dtd") as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], capture_output=True)
        if mounted.returncode:
            pytest.skip("no file system can be mounted here")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return filler


@pytest.mark.timeout(150)
async def test_a_full_disk_refuses_what_is_new_keeps_what_came_and_goes_on_when_there_is_room() -> None:
    with small_disk() as disk:
        async with station(FAST, core=False) as made:
            config = made.config.read_text().replace(f"{made.dir}/dialtone.db", f"{disk}/dialtone.db")
            made.config.write_text(config)
            await made.start_core()
            async with made.phone("sms.*") as (phone, watch):
                await made.ready(phone)
                await works(made, phone, watch)
                await made.control("sms.network", delay_s=1.0)
                before = await phone.call("sms.send", to=TO, text="on its way when the disk fills")
                await state_of(watch, before["message_id"], "sending")
                filler = fill(disk)
                for number in range(3):
                    with pytest.raises(dialtone.RpcError) as refused:
                        await phone.call("sms.send", to=TO, text=f"no room {number} " * 9)
                    assert refused.value.kind == "store_failed"
                for number in range(5):
                    await deliver(made, f"came to a full disk {number}")
                await deliver(made, "came to a full disk in a flash", message_class=0)  # the modem keeps none of these
                await asyncio.sleep(2.5)  # the answer has come meanwhile, and can't be written either
                held = await made.control("sms.stored")
                assert sum(len(memory["messages"]) for memory in held["memories"].values()) == 5
                assert len((await phone.call("sms.list"))["messages"]) == 3, "reading goes on"
                filler.unlink()
                await state_of(watch, before["message_id"], "sent")
                await watch.wait(
                    "sms.received", lambda p: p["text"].startswith("came to a full"), count=6, timeout_s=75
                )
                await made.control("sms.network", delay_s=0.0)
                again = await phone.call("sms.send", to=TO, text="after it")
                await state_of(watch, again["message_id"], "sent")
            on_air = [each["text"] for each in (await made.control("sms.sent"))["decoded"]]
            assert on_air == ["all is well", "on its way when the disk fills", "after it"]
            told = [event.params["text"] for event in watch.named("sms.received")]
            assert len(told) == len(set(told)) == 7


async def test_a_full_memory_of_the_modem_is_an_alarm_and_what_waited_comes_when_there_is_room() -> None:
    async with station(FAST) as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        for memory in ("ME", "SM"):
            await made.control("sms.memory", memory=memory, capacity=0)
        waiting = [(await deliver(made, f"waits {number}"))["waiting"] for number in range(3)]
        assert waiting == [1, 2, 3]
        await alarm(phone, "sms_memory_full.sim", True)
        for memory in ("ME", "SM"):
            await made.control("sms.memory", memory=memory, capacity=20)
        await watch.wait("sms.received", lambda p: p["text"].startswith("waits"), count=3)
        await alarm(phone, "sms_memory_full.sim", False)
        await works(made, phone, watch)


async def test_more_than_the_modem_holds_is_fetched_to_the_last() -> None:
    async with station(FAST, core=False) as made:
        for number in range(80):
            await deliver(made, f"before the start {number}")
        assert (await made.control("sms.stored"))["waiting"] > 0
        await made.start_core()
        async with made.phone("sms.*") as (phone, watch):

            async def all_there() -> bool:
                return len((await phone.call("sms.list", limit=100))["messages"]) == 80

            await until(all_there)
            await works(made, phone, watch)


async def test_without_network_messages_wait_and_go_when_it_is_back() -> None:
    async with station(FAST) as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        await made.control("radio.set", registered=False)

        async def held_back() -> bool:
            return (await queue(phone))["can_send"] is False

        await until(held_back)
        answer = await phone.call("sms.send", to=TO, text="for later")
        await deliver(made, "waits in the network")
        assert (answer["state"], (await queue(phone))["queued"]) == ("queued", 1)
        await made.control("radio.set", registered=True)
        await state_of(watch, answer["message_id"], "sent")
        await watch.wait("sms.received", lambda p: p["text"] == "waits in the network")
        await works(made, phone, watch)


@pytest.mark.parametrize(("cms", "reason"), [(331, "no_network"), (330, "smsc_missing")])
async def test_a_refusal_that_concerns_the_line_has_its_own_word_and_costs_no_message(cms: int, reason: str) -> None:
    async with station(FAST) as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        await made.control("sms.network", refuse={"times": 1, "cms": cms})
        answer = await phone.call("sms.send", to=TO, text="refused at first")
        refused = await watch.wait("sms.status", lambda p: p["reason"] == reason)
        assert (refused["state"], refused["cms"]) == ("queued", cms)
        await alarm(phone, "smsc_missing.sim", cms == 330)
        await state_of(watch, answer["message_id"], "sent")
        await alarm(phone, "smsc_missing.sim", False)
        await works(made, phone, watch)


@pytest.mark.parametrize(("state", "told"), [("absent", "ABSENT"), ("SIM PIN", "SIM PIN"), ("failure", "FAILURE")])
async def test_a_sim_that_can_not_be_used_is_told_and_messages_wait_for_it(state: str, told: str) -> None:
    async with station(FAST, core=False) as made:
        await made.control("sim.set", state=state, pin="4711")
        await made.start_core()
        async with made.phone("sms.*") as (phone, watch):

            async def seen() -> bool:
                return bool((await phone.call("status"))["lines"][0]["sim"] == told)

            await until(seen)
            answer = await phone.call("sms.send", to=TO, text="needs a SIM")
            assert answer["state"] == "queued" and (await queue(phone))["can_send"] is False
            await made.control("sim.set", state="READY")
            await state_of(watch, answer["message_id"], "sent")
            await works(made, phone, watch)


@pytest.mark.timeout(150)
async def test_a_thousand_first_parts_whose_others_never_come_are_told_as_incomplete() -> None:
    """Of totals up to 255, from one sender and from many."""
    count = 1000
    toml = FAST + "incomplete_after_s = 6\n"
    async with station(toml) as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        assert made.core is not None
        before = kilobytes(made.core.pid, "smaps_rollup", "Pss:")
        for number in range(count):
            total = 255 if number % 2 else 2 + number % 254
            sender = FROM if number % 3 else f"+44770090{number:04d}"
            udh = f"0804{number:04x}{total:02x}01"
            await deliver(made, f"part of {number}", **{"from": sender, "udh": udh})
        await watch.wait("sms.received", lambda p: p["incomplete"], count=count, timeout_s=90)
        told = [event.params for event in watch.named("sms.received")]
        assert len({each["message_id"] for each in told}) == count
        assert all(each["missing"][0] == 2 and "[…]" in each["text"] for each in told)
        assert (kilobytes(made.core.pid, "smaps_rollup", "Pss:") - before) < 50_000
        await works(made, phone, watch)


async def test_a_storm_of_malformed_pdus_is_kept_as_it_came_and_harms_nobody() -> None:
    """Random octets, and a good message cut off or damaged anywhere."""
    chance = random.Random(5)
    good = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07"
    storm = set()
    for number in range(300):
        if number % 3 == 0:
            body = chance.randbytes(chance.randrange(1, 160))
        elif number % 3 == 1:
            body = bytes.fromhex(good)[8 : chance.randrange(10, 30)]
        else:
            damaged = bytearray(bytes.fromhex(good)[8:])
            for _ in range(3):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            body = bytes(damaged)
        storm.add("00" + body.hex().upper())
    async with station(FAST) as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        for pdu in sorted(storm):
            await made.control("sms.deliver", pdu=pdu)
        await works(made, phone, watch)

        async def empty() -> bool:
            return not any(memory["messages"] for memory in (await made.control("sms.stored"))["memories"].values())

        await until(empty)
        await watch.wait("sms.received", count=101)
        await watch.wait("sms.received", lambda p: p["damaged"])
