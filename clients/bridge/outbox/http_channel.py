"""A queue whose rows are POSTed somewhere as JSON."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from clients.bridge.outbox.backoff import Schedule, Verdict, retry_after_s, verdict
from clients.bridge.outbox.rows import DeliveryFailed, Row

ANSWER_BYTES = 65_536
"""Answers mean nothing beyond their status; a longer one is not read to its end."""
PAGE_STARTS = (b"<!doctype html", b"<html")

Headers = Callable[[Row], Mapping[str, str]]


def no_headers(row: Row) -> Mapping[str, str]:
    return {}


@dataclass(slots=True, eq=False)
class HttpChannel:
    """pages_count: whether a 200 with a web page is an answer. From the VPS it is somebody else's: a proxy's, a
    captive portal's, that of a web server without its application. headers: more of them, made for each try."""

    queue: str
    session: aiohttp.ClientSession
    url: str
    deadline_s: float
    schedule: Schedule
    tls: ssl.SSLContext | bool = True
    pages_count: bool = False
    headers: Headers = field(default=no_headers)

    async def deliver(self, row: Row) -> None:
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": row.key,
            "X-Dialtone-Attempt": str(row.tries + 1),
            **self.headers(row),
        }
        try:
            async with self.session.post(
                self.url, data=row.body, headers=headers, ssl=self.tls, allow_redirects=False
            ) as answer:
                _judge(answer, await _start_of(answer), pages_count=self.pages_count)
        except aiohttp.ClientPayloadError:
            raise DeliveryFailed("the answer broke off") from None
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            if isinstance(problem, TimeoutError):
                raise
            raise DeliveryFailed(_detail(problem)) from None


def _judge(answer: aiohttp.ClientResponse, start: bytes, *, pages_count: bool) -> None:
    judged = verdict(answer.status)
    if judged is Verdict.DELIVERED:
        if not pages_count and start.lstrip(b"\xef\xbb\xbf \t\r\n")[:16].lower().startswith(PAGE_STARTS):
            raise DeliveryFailed("a web page in place of an answer")
        return
    wait_s = retry_after_s(answer.headers.get("Retry-After"), datetime.now(UTC))
    raise DeliveryFailed(f"HTTP {answer.status}", refused=judged is Verdict.REFUSED, retry_after_s=wait_s)


async def _start_of(answer: aiohttp.ClientResponse) -> bytes:
    """Reads the answer, so that half of one is noticed; gives its beginning."""
    start, size = b"", 0
    async for piece in answer.content.iter_any():
        start = start or bytes(piece[:200])
        size += len(piece)
        if size > ANSWER_BYTES:
            break
    return start


def _detail(problem: Exception) -> str:
    """What kind of failure, without the address: a URL may hold secrets."""
    if isinstance(problem, aiohttp.ClientSSLError | ssl.SSLError):
        return "its certificate or TLS is not accepted"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return type(problem).__name__


def make_tls(ca_file: str | None, *, verify: bool = True) -> ssl.SSLContext | bool:
    """What connections check. OSError where the file can't be read."""
    if not verify:
        return False
    return ssl.create_default_context(cafile=ca_file) if ca_file is not None else True
