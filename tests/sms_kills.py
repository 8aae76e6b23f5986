"""The fault run of messages: kill -9 at random moments while both directions are busy, then the books are compared."""

import asyncio
import json
import random
import signal
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

import dialtone
from tests.station import START_S, Station, station

TO = "+447700900123"
FROM = "+447700900456"
ANSWER_S = 0.05
"""What the emulated network takes per message: a kill often meets one whose answer is under way."""


@dataclass
class Books:
    """What happened, counted from both ends."""

    kills: int = 0
    pulls: int = 0
    """How often the modem was pulled out, too."""
    accepted: dict[str, str] = field(default_factory=dict)
    """client_ref to message_id, of every sms.send that was answered."""
    asked: set[str] = field(default_factory=set)
    """Every client_ref that was asked for, answered or not."""
    delivered: list[str] = field(default_factory=list)
    """Texts that the network gave to the modem."""
    on_air: dict[str, int] = field(default_factory=dict)
    """How often each text went out."""
    states: dict[str, str] = field(default_factory=dict)
    """Last state by client_ref."""
    doubted: set[str] = field(default_factory=set)
    """client_refs whose journal says unknown at some time."""
    told: list[str] = field(default_factory=list)
    """Texts of sms.received in the journal, in order."""
    kept: list[str] = field(default_factory=list)
    """Texts in the inbox."""

    @property
    def lost(self) -> list[str]:
        """Accepted, not on the air, and not said to be in doubt."""
        return [ref for ref in self.accepted if not self.on_air.get(ref) and self.states.get(ref) != "unknown"]

    @property
    def hidden_doubles(self) -> list[str]:
        """More than once on the air, and nobody was told of a doubt."""
        return [ref for ref, times in self.on_air.items() if times > 1 and ref not in self.doubted]

    @property
    def lost_incoming(self) -> list[str]:
        return [text for text in self.delivered if text not in self.kept]

    @property
    def kept_twice(self) -> list[str]:
        return [text for text in set(self.kept) if self.kept.count(text) > 1]

    @property
    def told_twice(self) -> list[str]:
        return [text for text in set(self.told) if self.told.count(text) > 1]

    def __str__(self) -> str:
        doubles = sum(times > 1 for times in self.on_air.values())
        return (
            f"{self.kills} kills, {self.pulls} with the modem pulled: {len(self.accepted)} accepted, "
            f"{len(self.lost)} lost, {doubles} doubled ({len(self.hidden_doubles)} in silence), "
            f"{len(self.doubted)} once in doubt; {len(self.delivered)} delivered here, "
            f"{len(self.lost_incoming)} lost, {len(self.kept_twice)} kept twice"
        )


async def kill_run(kills: int, seed: int) -> Books:
    """Runs a station through that many kills and gives the books after the last recovery."""
    chance = random.Random(seed)
    books = Books()
    async with station("[sms]\nanswer_timeout_s = 5\nretry_s = [0.2]\n", core=False) as made:
        await made.control("sms.network", delay_s=ANSWER_S)
        for number in range(kills):
            await made.start_core()
            await _busy_until_killed(made, books, number, chance)
        await made.start_core()
        await _settle(made, books)
    return books


async def _busy_until_killed(made: Station, books: Books, number: int, chance: random.Random) -> None:
    """Every fifth kill strikes at any moment of the start; the others once messages are accepted, however slow the
    machine is. In two of five the modem is pulled out before; it comes back before the kill, or after it."""
    accepted = len(books.accepted)
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(_send(made, books, number))
        receiving = tasks.create_task(_deliver(made, books, number))
        if number % 5:
            async with asyncio.timeout(START_S):
                while len(books.accepted) == accepted:  # noqa: ASYNC110 - filled by _send
                    await asyncio.sleep(0.01)
        await asyncio.sleep(0.1 + 1.2 * chance.random())
        if number % 5 in (2, 4):
            await made.control("usb.unplug")
            books.pulls += 1
            await asyncio.sleep(0.3 * chance.random())
        if number % 5 == 2:
            await made.control("usb.replug", renumber=True)
            await asyncio.sleep(1.5 * chance.random())
        await made.stop_core(signal.SIGKILL)
        books.kills += 1
        sending.cancel()
        receiving.cancel()
    if number % 5 == 4:
        await made.control("usb.replug")


async def _send(made: Station, books: Books, number: int) -> None:
    """Until cancelled; with the next connection where one is lost."""
    waiting = [f"out-{number}-{count}" for count in range(100)]
    while True:
        with suppress(dialtone.DialtoneError, OSError):
            async with dialtone.connect(made.socket, name="sender", wait_s=5) as phone:
                while waiting:
                    ref = waiting.pop(0)
                    books.asked.add(ref)
                    on_unknown = "resend" if ref.endswith(("0", "3", "6", "9")) else "hold"
                    answer = await phone.call("sms.send", to=TO, text=ref, client_ref=ref, on_unknown=on_unknown)
                    books.accepted[ref] = answer["message_id"]
                    await asyncio.sleep(ANSWER_S)  # a queue that stays short: what is left at the end takes as long
        await asyncio.sleep(0.1)


async def _deliver(made: Station, books: Books, number: int) -> None:
    for count in range(100):
        text = incoming(number, count)
        message: dict[str, Any] = {"from": FROM, "text": text, "reference": (number * 29 + count) % 256}
        await made.control("sms.deliver", **message)
        books.delivered.append(text)
        await asyncio.sleep(0.08)


def incoming(number: int, count: int) -> str:
    """Every fourth comes in three parts, none of which is like that of any other message."""
    key = f"in-{number}-{count}"
    return key if count % 4 else f"{key} " * 40


async def _settle(made: Station, books: Books) -> None:
    """Until the queue is empty and the modem holds nothing; then both sides' books are read."""
    async with dialtone.connect(made.socket, name="auditor", wait_s=10) as phone:
        async with asyncio.timeout(60 + books.kills):
            while True:
                queue = (await phone.call("sms.queue", line="sim"))["lines"][0]
                held = await made.control("sms.stored")
                left = sum(len(memory["messages"]) for memory in held["memories"].values()) + held.get("waiting", 0)
                if queue["queued"] == queue["sending"] == left == 0:
                    break
                await asyncio.sleep(0.2)
        await _read_core(phone, books)
    _read_journal(made, books)
    await read_air(made, books)


async def read_air(made: Station, books: Books) -> None:
    """What the network took, page by page."""
    first, total = 0, (await made.control("sms.sent", limit=1))["total"]
    while first < total:
        page = await made.control("sms.sent", first=first, limit=500)
        for each in page["decoded"]:
            books.on_air[each["text"]] = books.on_air.get(each["text"], 0) + 1
        first += len(page["decoded"])


async def _read_core(phone: dialtone.Phone, books: Books) -> None:
    after: dict[str, Any] = {}
    while True:
        page = await phone.call("sms.export", limit=500, **after)
        for message in page["messages"]:
            if message["direction"] == "in":
                books.kept.append(message["text"])
            else:
                books.states[message["client_ref"]] = message["state"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}


def _read_journal(made: Station, books: Books) -> None:
    """Straight from the file: the journal is what every client is told in the end."""
    with closing(sqlite3.connect(f"file:{made.dir}/dialtone.db?mode=ro", uri=True)) as journal:
        for topic, params in journal.execute("SELECT topic, params FROM journal ORDER BY seq"):
            event = json.loads(params)
            if topic == "sms.received":
                books.told.append(event["text"])
            elif topic == "sms.status" and event["state"] == "unknown":
                books.doubted.add(event["client_ref"])
