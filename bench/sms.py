"""Messages through the emulated modem: out, in, delay of an announcement, pages of a large inbox, cost of each.

The modem answers at once, or takes 3 s a message where that is said. Everything is on disk (fsync) before it counts:
that is what smsd and gammu-smsd don't do, whose figures on the same emulator stand beside where they are installed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import dialtone
from bench.figures import Figure, percentile
from bench.idle import cpu_s
from bench.peers import kilobytes
from bench.sms_peers import FROM, ROOM, TO, Rates, air_rate, compared, flood
from tests.station import Station, station

SENDERS = 8
"""sms.send requests at a time: a gateway's clients, not one that waits for each."""

ROUND = 200
WAITING = 400
"""How many lie in the queue before the modem is registered: what is measured then is the line alone."""

INBOX = 10_000
PAGE = 50


async def run(quick: bool) -> list[Figure]:
    rounds = 1 if quick else 5
    async with station(core=False) as made:
        # As it is installed; tests log every line of AT.
        made.config.write_text(made.config.read_text().replace('level = "debug"', 'level = "info"'))
        for name in ("SM", "ME"):
            await made.control("sms.memory", memory=name, capacity=ROOM)
        await made.start_core()
        async with dialtone.connect(made.socket, name="bench", topics=["sms.*"], wait_s=10) as phone:
            await made.ready(phone)
            out = await _outgoing(made, phone, rounds)
            drained = await _drained(made, phone)
            incoming = await _incoming(made, phone, rounds)
            announced = await _announcement(made, phone, 20 if quick else 60)
            memory = _memory(made)
            slow = await _slow(made, phone, 2 if quick else 6)
        await made.stop_core()
        ours = Rates(
            out.value, drained.value, incoming.value, _cpu_ms(out), _cpu_ms(incoming), memory.value, _rss(memory)
        )
        others = await compared(made, ours, quick)
    return [out, drained, incoming, announced, slow, memory, *others, *await _pages()]


def _cpu_ms(figure: Figure) -> float:
    return float(figure.detail["cpu_ms_per_message"] or 0)


def _rss(figure: Figure) -> float:
    return float(figure.detail["rss_mib"] or 0)


async def _outgoing(made: Station, phone: dialtone.Phone, rounds: int) -> Figure:
    """From the first request to the last `sent`, with requests coming as fast as they are answered."""
    rates, before = [], cpu_s(_pid(made))
    for _ in range(rounds):
        async with _counting(phone, ROUND, lambda event: event.params.get("state") == "sent"):
            started = time.perf_counter()
            await _accepted(phone, ROUND)
        rates.append(ROUND / (time.perf_counter() - started))
    return _rate("SMS out, instant modem, accepted and sent on disk", rates, cpu_s(_pid(made)) - before)


async def _incoming(made: Station, phone: dialtone.Phone, rounds: int) -> Figure:
    """From the first announcement to the last sms.received; each is on disk before the modem is told to delete it."""
    rates, before = [], cpu_s(_pid(made))
    for run in range(rounds):
        async with _counting(phone, ROUND, lambda event: event.name == "sms.received"):
            started = time.perf_counter()
            await flood(made, ROUND, run)
        rates.append(ROUND / (time.perf_counter() - started))
    return _rate("SMS in, instant modem, each on disk before deletion", rates, cpu_s(_pid(made)) - before)


def _rate(name: str, rates: list[float], used_s: float) -> Figure:
    rate, count = median(rates), ROUND * len(rates)
    detail: dict[str, float | int | str | bool | None] = {
        "messages": count,
        "cpu_ms_per_message": used_s / count * 1000,
    }
    return Figure(name, rate, "/s", ">= 200 /s", rate >= 200, detail | {"slowest": min(rates), "fastest": max(rates)})


async def _drained(made: Station, phone: dialtone.Phone) -> Figure:
    """All were accepted while there was no network; then it is there. By the network's own clock."""
    await made.control("radio.set", registered=False)
    await _until_can_send(phone, False)
    first = (await made.control("sms.sent", limit=1))["total"]
    started, before = time.perf_counter(), cpu_s(_pid(made))
    await _accepted(phone, WAITING)
    accepted = WAITING / (time.perf_counter() - started)
    accepting_ms = (cpu_s(_pid(made)) - before) / WAITING * 1000
    before = cpu_s(_pid(made))
    async with _counting(phone, WAITING, lambda event: event.params.get("state") == "sent"):
        await made.control("radio.set", registered=True)
    sending_ms = (cpu_s(_pid(made)) - before) / WAITING * 1000
    rate = await air_rate(made, first, WAITING)
    return Figure("SMS out, drained from a full queue", rate, "/s", ">= 200 /s", rate >= 200, {
        "messages": WAITING, "accepted_per_s": accepted, "cpu_ms_to_accept": accepting_ms, "cpu_ms_to_send": sending_ms,
    })  # fmt: skip


async def _until_can_send(phone: dialtone.Phone, wanted: bool) -> None:
    async with asyncio.timeout(20):
        while (await phone.call("sms.queue", line="sim"))["lines"][0]["can_send"] is not wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _accepted(phone: dialtone.Phone, count: int) -> None:
    async def send(numbers: range) -> None:
        for number in numbers:
            await phone.call("sms.send", to=TO, text=f"message {number}")

    async with asyncio.TaskGroup() as tasks:
        for first in range(SENDERS):
            tasks.create_task(send(range(first, count, SENDERS)))


@asynccontextmanager
async def _counting(
    phone: dialtone.Phone, count: int, matches: Callable[[dialtone.Event], bool]
) -> AsyncIterator[None]:
    """Leaves once that many such events have come."""

    async def follow() -> None:
        left = count
        async for event in phone.events():
            left -= matches(event)
            if left <= 0:
                return

    async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        await asyncio.sleep(0)  # it listens before anything happens
        yield


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
    """Of the core and its children, which have none here but may; PSS shares what they share."""
    pids = [_pid(made), *_children(_pid(made))]
    pss, rss = (sum(kilobytes(pid, "smaps_rollup", field) for pid in pids) / 1024 for field in ("Pss:", "Rss:"))
    detail: dict[str, float | int | str | bool | None] = {"rss_mib": rss, "processes": len(pids)}
    return Figure("core's memory after all that", pss, "MiB PSS", detail=detail)


def _children(pid: int) -> list[int]:
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def _pid(made: Station) -> int:
    assert made.core is not None
    return made.core.pid
