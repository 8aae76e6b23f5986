"""HTTP to the VPS: one session, its connections kept; deadlines, TLS, bearer token; failures as one kind of error.

Bodies hold what callers say: they are in no log and in no error.
"""

import asyncio
import ssl
from collections.abc import Mapping
from enum import StrEnum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import msgspec

from clients.bridge.settings import VpsTable

ANSWER_BYTES = 1024 * 1024
"""A reply of text is a few hundred bytes."""
CONNECTIONS = 64
"""A call has a handful of requests on their way; chunks of a caller who never pauses, to a VPS that never answers, are
bounded per call (live_call.py)."""
KEEP_S = 75.0
"""Longer than between two turns, so that a chunk waits for no handshake."""
STALE_S = 0.3
"""A kept connection that breaks as soon as it is used was closed by the other side meanwhile: asked once more."""
BOM = b"\xef\xbb\xbf"
"""PHP files that were saved with one put it before their JSON."""


class Trouble(StrEnum):
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    FAILING = "failing"  # 5xx
    REFUSED = "refused"  # 3xx and 4xx
    RATE_LIMITED = "rate_limited"
    BAD_ANSWER = "bad_answer"  # HTML, half a body, too much of it, another call's


class VpsError(Exception):
    """No answer, or none of use."""

    def __init__(self, trouble: Trouble, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.retry_after_s = retry_after_s

    @property
    def is_down(self) -> bool:
        """Whether others would fare the same: nobody is there, or nobody who works."""
        return self.trouble in (Trouble.UNREACHABLE, Trouble.TIMEOUT, Trouble.FAILING)


class Vps:
    """`async with`. The token goes to hosts of [vps] alone."""

    def __init__(self, table: VpsTable) -> None:
        self._table = table
        self._session: aiohttp.ClientSession | None = None
        self._own_hosts = {urlsplit(url).netloc for url in (table.transcribe_url, table.health_url) if url is not None}

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_S, ssl=_tls(self._table))
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, body: bytes, timeout_s: float, headers: Mapping[str, str] | None = None) -> object:
        """The JSON of a 200. VpsError for everything else."""
        given = {"Content-Type": "application/json"} | dict(headers or {})
        return await self._ask("POST", url, timeout_s, given, body=body)

    async def get(self, url: str, params: Mapping[str, str], timeout_s: float) -> object:
        """The JSON of a 200. VpsError for everything else."""
        return await self._ask("GET", url, timeout_s, {}, params=params)

    async def probe(self, url: str, timeout_s: float) -> None:
        """Whether somebody answers; what, does not matter, unless it is a proxy before nobody. VpsError. The
        connection stays open for the next request."""
        try:
            async with asyncio.timeout(timeout_s), self._open("HEAD", url, {}) as answer:
                if answer.status in (502, 503, 504):
                    raise VpsError(Trouble.FAILING, f"HTTP {answer.status}")
        except TimeoutError:
            raise VpsError(Trouble.TIMEOUT, f"no answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            raise VpsError(Trouble.UNREACHABLE, _detail(problem)) from None

    def _open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
    ) -> "aiohttp.client._RequestContextManager":
        assert self._session is not None, "async with Vps(...)"
        given = dict(headers)
        if self._table.token is not None and urlsplit(url).netloc in self._own_hosts:
            given["Authorization"] = f"Bearer {self._table.token}"
        # A redirect would take callers' speech, or the token, to somebody else.
        return self._session.request(method, url, data=body, params=params, headers=given, allow_redirects=False)

    async def _ask(
        self,
        method: str,
        url: str,
        timeout_s: float,
        headers: Mapping[str, str],
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
    ) -> object:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        try:
            async with asyncio.timeout(timeout_s):
                try:
                    return await self._once(method, url, headers, body, params)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as problem:
                    if isinstance(problem, aiohttp.ClientConnectorError) or loop.time() - started_s > STALE_S:
                        raise
                    return await self._once(method, url, headers, body, params)
        except TimeoutError:
            raise VpsError(Trouble.TIMEOUT, f"no answer within {timeout_s:g} s") from None
        except aiohttp.ClientPayloadError:
            raise VpsError(Trouble.BAD_ANSWER, "the answer broke off") from None
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            raise VpsError(Trouble.UNREACHABLE, _detail(problem)) from None

    async def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, params: Mapping[str, str] | None
    ) -> object:
        async with self._open(method, url, headers, body, params) as answer:
            status = answer.status
            if status == 429:
                raise VpsError(Trouble.RATE_LIMITED, "HTTP 429", _retry_after_s(answer.headers.get("Retry-After")))
            if status != 200:
                raise VpsError(Trouble.FAILING if status >= 500 else Trouble.REFUSED, f"HTTP {status}")
            data = bytearray()
            async for piece in answer.content.iter_any():
                data += piece
                if len(data) > ANSWER_BYTES:
                    raise VpsError(Trouble.BAD_ANSWER, f"more than {ANSWER_BYTES} bytes")
        try:
            found: object = msgspec.json.decode(bytes(data).removeprefix(BOM))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise VpsError(Trouble.BAD_ANSWER, "the answer is no JSON") from None
        return found


def _tls(table: VpsTable) -> ssl.SSLContext | bool:
    """What connections check. OSError where ca_file can't be read."""
    if not table.verify_tls:
        return False
    if table.ca_file is not None:
        return ssl.create_default_context(cafile=table.ca_file)
    return True


def _retry_after_s(value: str | None) -> float | None:
    """RFC 9110 §10.2.3, the form in seconds; dates are for those who wait longer than a caller."""
    return float(value) if value is not None and value.isdigit() and len(value) <= 6 else None


def _detail(problem: Exception) -> str:
    """What kind of failure, without the address: a URL may hold secrets."""
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return type(problem).__name__
