"""The fault run of tests/sms_kills.py against message daemons of others: the same emulator, the same books."""

import asyncio
import random
import time
from typing import Any

from bench.peers import Peer
from tests.sms_kills import ANSWER_S, FROM, TO, Books, incoming, read_air
from tests.station import Station, station

SENDING_S = 60.0
"""Until it sends the first message after a start: gammu-smsd takes its time, and after a kill in the prompt more."""

QUIET_S = 25.0
"""When nothing has moved for that long, what is left stays: longer than the pauses of either after an error."""

SETTLE_S = 180.0


async def peer_kill_run(daemon: type[Peer], kills: int, messages: int, seed: int) -> Books:
    """messages: how many it is given each time, at most; gammu-smsd sends one a second."""
    chance = random.Random(seed)
    books = Books()
    async with station(core=False) as made:
        await made.control("sms.network", delay_s=ANSWER_S)
        peer = daemon(made.dir / "peer", made.dir / "sim" / "if02")
        for number in range(kills):
            peer.start()
            await _busy_until_killed(made, peer, books, number, messages, chance)
        peer.start()
        await _settle(made, peer, books)
        await peer.stop()
        await _read(made, peer, books)
    return books


async def _busy_until_killed(
    made: Station, peer: Peer, books: Books, number: int, messages: int, chance: random.Random
) -> None:
    before = await _on_air(made)
    async with asyncio.TaskGroup() as tasks:
        both = [
            tasks.create_task(_put(peer, books, number, messages)),
            tasks.create_task(_deliver(made, books, number, messages)),
        ]
        async with asyncio.timeout(SENDING_S):
            while await _on_air(made) == before:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1 + 1.2 * chance.random())
        peer.kill()
        books.kills += 1
        for task in both:
            task.cancel()


async def _put(peer: Peer, books: Books, number: int, messages: int) -> None:
    for count in range(messages):
        text = f"out-{number}-{count}"
        books.asked.add(text)
        await asyncio.to_thread(peer.put, TO, text)
        books.accepted[text] = text
        await asyncio.sleep(0.02)


async def _deliver(made: Station, books: Books, number: int, messages: int) -> None:
    for count in range(messages):
        text = incoming(number, count)
        message: dict[str, Any] = {"from": FROM, "text": text, "reference": (number * 29 + count) % 256}
        await made.control("sms.deliver", **message)
        books.delivered.append(text)
        await asyncio.sleep(0.08)


async def _settle(made: Station, peer: Peer, books: Books) -> None:
    """Until all is sent and fetched, or nothing moves any more."""
    seen, moved_s = (0, 0, 0), time.monotonic()
    async with asyncio.timeout(SETTLE_S):
        while time.monotonic() - moved_s < QUIET_S:
            stored = await made.control("sms.stored")
            left = sum(len(memory["messages"]) for memory in stored["memories"].values()) + stored["waiting"]
            now = (peer.sent() + peer.failed(), await _on_air(made), left)
            if now[0] >= len(books.accepted) and not left:
                return
            if now != seen:
                seen, moved_s = now, time.monotonic()
            await asyncio.sleep(0.1)


async def _on_air(made: Station) -> int:
    return int((await made.control("sms.sent", limit=1))["total"])


async def _read(made: Station, peer: Peer, books: Books) -> None:
    await read_air(made, books)
    books.kept = _whole([message.text for message in peer.received() if not message.report], books.delivered)


def _whole(filed: list[str], delivered: list[str]) -> list[str]:
    """Messages of which all is there; gammu-smsd files each part by itself, smsd joins them."""
    kept = []
    for text in set(filed) & set(delivered):
        kept += [text] * filed.count(text)
    for text in set(delivered) - set(filed):
        parts = [part for part in filed if part in text]
        if len(text) > 160 and sum(map(len, set(parts))) >= len(text):
            kept.append(text)
    return kept
