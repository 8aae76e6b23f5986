"""Messages through the emulated modem: out, in, delay of an announcement, pages of a large inbox, cost of each.

The modem answers at once, or takes 3 s a message where that is said. Everything is on disk (fsync) before it counts:
that is what smsd and gammu-smsd don't do, whose figures on the same emulator stand beside where they are installed.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import dialtone
from bench.figures import Figure, percentile
from bench.idle import cpu_s, rss_mib
from tests.station import Station, station

TO = "+447700900123"
FROM = "+447700900456"
SENDERS = 8
"""sms.send requests at a time: a gateway's clients, not one that waits for each."""

INBOX = 10_000
PAGE = 50


async def run(quick: bool) -> list[Figure]:
    count = 200 if quick else 1000
    async with station() as made, dialtone.connect(made.socket, name="bench", topics=["sms.*"], wait_s=10) as phone:
        await made.ready(phone)
        out = await _outgoing(made, phone, count)
        incoming = await _incoming(made, phone, count)
        announced = await _announcement(made, phone, 20 if quick else 60)
        slow = await _slow(made, phone, 2 if quick else 6)
        memory = _memory(made)
    pages = await _pages()
    return [*out, *incoming, announced, slow, memory, *pages]


async def _outgoing(made: Station, phone: dialtone.Phone, count: int) -> list[Figure]:
    """From the first request to the last `sent`, with requests coming as fast as they are answered."""
    done = asyncio.Event()
    left = {"sent": count}

    async def follow() -> None:
        async for event in phone.events():
            left["sent"] -= event.name == "sms.status" and event.params["state"] == "sent"
            if left["sent"] <= 0:
                done.set()
                return

    async def send(numbers: range) -> None:
        for number in numbers:
            await phone.call("sms.send", to=TO, text=f"message {number}")

    before = cpu_s(_pid(made))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        await asyncio.sleep(0)
        started = time.perf_counter()
        for first in range(SENDERS):
            tasks.create_task(send(range(first, count, SENDERS)))
        await done.wait()
        took = time.perf_counter() - started
    rate = count / took
    cpu_ms = (cpu_s(_pid(made)) - before) / count * 1000
    detail: dict[str, float | int | str | bool | None] = {"messages": count, "cpu_ms_per_message": cpu_ms}
    return [Figure("SMS out, instant modem, accepted and sent on disk", rate, "/s", ">= 200 /s", rate >= 200, detail)]


async def _incoming(made: Station, phone: dialtone.Phone, count: int) -> list[Figure]:
    """From the first announcement to the last sms.received; each is on disk before the modem is told to delete it."""
    done = asyncio.Event()
    left = {"received": count}

    async def follow() -> None:
        async for event in phone.events():
            left["received"] -= event.name == "sms.received"
            if left["received"] <= 0:
                done.set()
                return

    before = cpu_s(_pid(made))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        await asyncio.sleep(0)
        started = time.perf_counter()
        flood: dict[str, Any] = {"from": FROM, "text": "message {n} that comes in", "count": count}
        await made.control("sms.flood", **flood)
        await done.wait()
        took = time.perf_counter() - started
    rate = count / took
    cpu_ms = (cpu_s(_pid(made)) - before) / count * 1000
    detail: dict[str, float | int | str | bool | None] = {"messages": count, "cpu_ms_per_message": cpu_ms}
    return [Figure("SMS in, instant modem, each on disk before deletion", rate, "/s", ">= 200 /s", rate >= 200, detail)]


async def _announcement(made: Station, phone: dialtone.Phone, count: int) -> Figure:
    """One message at a time: from the network's delivery to the event. The modem's own time is in it, about 0 here."""
    taken = []
    for number in range(count):
        started = time.perf_counter()
        message: dict[str, Any] = {"from": FROM, "text": f"number {number}"}
        await made.control("sms.deliver", **message)
        async for event in phone.events():
            if event.name == "sms.received" and event.params["text"] == f"number {number}":
                break
        taken.append((time.perf_counter() - started) * 1000)
    p50, p95 = percentile(taken, 50), percentile(taken, 95)
    return Figure(
        "delivery to sms.received", p50, "ms p50", "<= 50 ms", p50 <= 50, {"p95_ms": p95, "max_ms": max(taken)}
    )


async def _slow(made: Station, phone: dialtone.Phone, count: int) -> Figure:
    """A modem that takes 3 s a message, as on air."""
    await made.control("sms.network", delay_s=3.0)
    ids = [(await phone.call("sms.send", to=TO, text=f"slow {number}"))["message_id"] for number in range(count)]
    started = time.perf_counter()
    async for event in phone.events():
        if event.params.get("message_id") == ids[-1] and event.params.get("state") == "sent":
            break
    per_minute = count / (time.perf_counter() - started) * 60
    await made.control("sms.network", delay_s=0.0)
    return Figure("SMS out, 3 s each", per_minute, "/min", ">= 15 /min", per_minute >= 15, {"messages": count})


async def _pages() -> list[Figure]:
    """Reading a large inbox over the socket."""
    async with station(core=False, emulator=False) as made:
        await _fill(made.dir / "dialtone.db")
        await made.start_core()
        async with dialtone.connect(made.socket, name="bench", wait_s=10) as phone:
            listed = await _through(phone, "sms.list")
            searched = await _through(phone, "sms.search", query="door 77")
    p50, p95 = percentile(listed, 50), percentile(listed, 95)
    found50, found95 = percentile(searched, 50), percentile(searched, 95)
    return [
        Figure(f"one page of {PAGE} out of {INBOX}", p50, "ms p50", "<= 20 ms", p95 <= 20, {
            "p95_ms": p95, "max_ms": max(listed), "pages": len(listed),
        }),
        Figure("one page of a search in them", found50, "ms p50", "", None, {"p95_ms": found95}),
    ]  # fmt: skip


async def _through(phone: dialtone.Phone, method: str, **params: Any) -> list[float]:
    taken, before = [], dict[str, Any]()
    while True:
        started = time.perf_counter()
        page = await phone.call(method, limit=PAGE, **params, **before)
        taken.append((time.perf_counter() - started) * 1000)
        if page["next"] is None:
            return taken
        before = {"before": page["next"]}


async def _fill(path: Path) -> None:
    from core.clock import new_message_id, rfc3339
    from core.events import SmsState
    from core.store.inbox import add_single
    from core.store.messages import NewMessage
    from core.store.store import Store, Tx

    def work(tx: Tx) -> None:
        at = rfc3339()
        for number in range(INBOX):
            row = NewMessage(
                message_id=new_message_id(), line="sim", direction="in", number=FROM, peer=FROM,
                text=f"The door number {number % 100} was opened at noon.", state=SmsState.RECEIVED,
                created_at=at, updated_at=at,
            )  # fmt: skip
            add_single(tx, row, "")

    store = await Store.open(path)
    await store.write(work)
    await store.close()


def _memory(made: Station) -> Figure:
    rss = rss_mib(_pid(made))
    return Figure("core's memory after all that", rss, "MiB RSS")


def _pid(made: Station) -> int:
    assert made.core is not None
    return made.core.pid
