"""Compares what the core's journal says with what reached the VPS: everything, in order, under one key each."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import dialtone
from tests.station import Station
from tests.vps import Request, Vps

TOPICS = ("call.incoming", "call.connected", "call.speech", "call.ended", "sms.received")
LAST = "the last of all"
"""Text of the message that ends a run: what came before it in the journal is before it."""
SETTLE_S = 60.0


@dataclass
class Books:
    """told: the VPS's view of each fact in the journal, by endpoint, in order; arrived: that of each request that came
    whole, the first time its key was seen."""

    told: dict[str, list[Any]] = field(default_factory=lambda: {"phone": [], "sms": []})
    arrived: dict[str, list[Any]] = field(default_factory=lambda: {"phone": [], "sms": []})
    keys: dict[str, Any] = field(default_factory=dict)
    requests: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def lost(self) -> list[Any]:
        return [one for name, facts in self.told.items() for one in facts if one not in self.arrived[name]]

    @property
    def reordered(self) -> bool:
        return any(self.arrived[name] != facts for name, facts in self.told.items())

    def check(self) -> None:
        """At least once, in order, duplicates under the key of the first and with the same body."""
        assert not self.problems, self.problems
        assert not self.lost, f"lost: {self.lost[:10]} of {sum(map(len, self.told.values()))}; {self}"
        assert not self.reordered, f"not in order: {self.told} became {self.arrived}"

    def __str__(self) -> str:
        facts = ", ".join(f"{len(told)} {name}" for name, told in self.told.items())
        return f"{facts} in {self.requests} requests, {len(self.lost)} lost"


async def settle(made: Station, server: Vps, *, within_s: float = SETTLE_S) -> Books:
    """One message more; once the VPS has it and the last of the calls, the books are compared."""
    async with made.phone("sms.received", name="settler") as (phone, watch):
        await made.ready(phone)
        last: dict[str, Any] = {"from": "+447700900999", "text": LAST}
        await made.control("sms.deliver", **last)
        await watch.wait("sms.received", lambda params: params["text"] == LAST)
    told = await _journal(made)
    books = Books()
    for event in told:
        _tell(books, event)
    await server.wait("sms", lambda one: one.accepted and one.body["message"] == LAST, timeout_s=within_s)
    try:
        async with asyncio.timeout(within_s):
            while sum(one.accepted for one in _firsts(server, "phone")) < len(books.told["phone"]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        books.problems.append("some phone events were never accepted")
    for name in ("phone", "sms"):
        for request in server.of(name):
            _arrive(books, name, request)
    return books


async def _journal(made: Station) -> list[dialtone.Event]:
    """All facts from the first one on, as another consumer would read them."""
    found = []
    async with asyncio.timeout(60), dialtone.connect(made.socket, name="books", wait_s=10) as phone:
        async for event in phone.events(topics=list(TOPICS), since=0):
            assert event.name != "events.lagged", event.params
            found.append(event)
            if event.name == "sms.received" and event.params["text"] == LAST:
                break
    return found


def _firsts(server: Vps, name: str) -> list[Request]:
    """Of each key the request that was accepted, else its first."""
    found: dict[str | None, Request] = {}
    for one in server.of(name):
        if one.key not in found or one.accepted:
            found[one.key] = one
    return list(found.values())


def _tell(books: Books, event: dialtone.Event) -> None:
    params = event.params
    match event.name:
        case "sms.received":
            books.told["sms"].append(params["text"])
        case "call.incoming":
            books.told["phone"].append((event.call_id, "ring"))
        case "call.connected":
            books.told["phone"].append((event.call_id, "call_started"))
        case "call.speech" if params["text"]:
            books.told["phone"].append((event.call_id, "transcription"))
        case "call.ended":
            name = "call_rejected" if params["reason"] == "rejected" else "call_ended"
            books.told["phone"].append((event.call_id, name))


def _arrive(books: Books, name: str, request: Request) -> None:
    books.requests += 1
    body, key = request.body, str(request.key)
    fact = body["message"] if name == "sms" else (body["callId"], body["event"])
    if key not in books.keys:
        books.keys[key] = body
        books.arrived[name].append(fact)
    elif books.keys[key] != body:
        books.problems.append(f"two bodies under one key, of {name}")
