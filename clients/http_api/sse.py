"""GET /v1/events: the core's events as server-sent events (WHATWG HTML §9.2), resumed by Last-Event-ID."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

from aiohttp import web

import dialtone
from clients.http_api.site import Problem, Site, caller_of
from dialtone.event import Event

HEARTBEAT_S = 15.0
"""A comment line while nothing happens, so that proxies and both ends know that the other is there."""
WRITE_S = 30.0
"""A reader that takes nothing for so long is let go; it resumes where it was."""
_TOPIC = re.compile(r"\*|[a-z_]+(\.[a-z_]+)*(\.\*)?")


def routes(site: Site) -> list[web.RouteDef]:
    async def events(request: web.Request) -> web.StreamResponse:
        """?topics=call.*,sms.received (default: all facts) &since=SEQ. Facts have their seq as id, moments none."""
        topics, since = _wanted(request)
        if site.streams >= site.settings.limits.event_streams:
            raise Problem(503, "limit", "Too many event streams are open.", retry_after_s=10)
        site.streams += 1
        try:
            scopes = sorted(caller_of(request).scopes)
            async with dialtone.connect(site.links.path, name="http-events", scopes=scopes) as phone:
                lagged = await _subscribe(phone, topics, since)
                return await _stream(request, phone, lagged)
        finally:
            site.streams -= 1

    return [web.get("/v1/events", events)]


def _wanted(request: web.Request) -> tuple[list[str] | None, int | None]:
    topics = None
    if "topics" in request.query:
        topics = [topic for topic in request.query["topics"].split(",") if topic]
        if not topics or not all(_TOPIC.fullmatch(topic) for topic in topics):
            raise Problem(400, "invalid_params", "topics are names such as call.ended or call.*, with commas between")
    since = request.headers.get("Last-Event-ID") or request.query.get("since")
    if since is None:
        return topics, None
    if not since.isascii() or not since.isdigit() or len(since) > 18:
        raise Problem(400, "invalid_params", "Last-Event-ID and since are the number of a fact")
    return topics, int(since)


async def _subscribe(phone: dialtone.Phone, topics: list[str] | None, since: int | None) -> Event | None:
    """Gives what the reader has to be told first: that its place is of another journal than the core has now."""
    try:
        await phone.subscribe(topics, since)
    except dialtone.RpcError as problem:
        if problem.kind != "ack_beyond_head" or since is None:
            raise
        await phone.subscribe(topics, int(problem.data.get("head_seq") or 0))
        return Event.of("events.lagged", {"from_seq": since + 1, "to_seq": None, "cause": "expired"})
    return None


async def _stream(request: web.Request, phone: dialtone.Phone, first: Event | None) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    reader = phone.events()
    await response.prepare(request)
    await response.write((": dialtone\nretry: 2000\n\n" + (as_text(first) if first else "")).encode())
    pending: asyncio.Future[Event] | None = None
    async with asyncio.TaskGroup() as tasks:
        try:
            while True:
                pending = pending or tasks.create_task(_next(reader))
                done, _ = await asyncio.wait({pending}, timeout=HEARTBEAT_S)
                text = ": alive\n\n" if not done else as_text(pending.result())
                if done:
                    pending = None
                async with asyncio.timeout(WRITE_S):
                    await response.write(text.encode())
        except (ConnectionError, TimeoutError, StopAsyncIteration):
            return response
        finally:
            if pending is not None:
                pending.cancel()


async def _next(reader: AsyncIterator[Event]) -> Event:
    return await anext(reader)


def as_text(event: Event) -> str:
    """One event. JSON holds no newline, so it is one data line."""
    number = f"id: {event.seq}\n" if event.seq is not None else ""
    return f"{number}event: {event.name}\ndata: {json.dumps(event.params, ensure_ascii=False)}\n\n"
