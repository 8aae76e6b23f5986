"""HTTP to speech services: one kept session an engine, bounded in time and bytes, every failure a SpeechFailed.

What may go wrong is told by its kind alone: no URL, no header and no part of an answer gets into an error or a log,
since they hold keys and what is said to callers. aiohttp is imported with the first request, and off the loop, where
it costs 0.2 s.
"""

import asyncio
import contextlib
import email.utils
import importlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from core.clock import unix_s
from core.log import Log
from core.media.cloud_audio import NotAudio, PcmStream
from core.media.engines import EnginePiece, Failure, SpeechFailed

if TYPE_CHECKING:
    import aiohttp

log = Log("tts.cloud")

USER_AGENT = "Dialtone"
CONNECTIONS = 8
"""To one service at a time; more sentences wait for one, within their deadline."""
KEEPALIVE_S = 60.0
"""Of a connection that nobody uses: a caller's turn is shorter, and a new TLS connection costs 0.1 to 0.3 s."""
REDIRECTS = 2
REFUSAL_BYTES = 4096
"""Of an error's body, to tell an unknown voice from other mistakes."""
RETRY_AFTER_MAX_S = 3600.0
JSON_BYTES_MAX = 4 * 1024 * 1024
"""Of a list of voices; Azure's has some 0.6 MB."""

Explain = Callable[[int, bytes], Failure | None]
"""What an error's status and the first bytes of its body mean, where the service has its own way to say it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """total_s counts only the time that is waited for the service, not that for whoever plays what came."""

    connect_s: float = 4.0
    answer_s: float = 6.0
    read_s: float = 6.0
    total_s: float = 60.0
    audio_bytes: int = 12 * 1024 * 1024

    @classmethod
    def of(cls, timeout_s: float) -> "Limits":
        return cls(connect_s=min(timeout_s, 4.0), answer_s=timeout_s, read_s=timeout_s)


@dataclass(frozen=True, slots=True)
class Request:
    """exact: the URL is sent as it is written, percent signs and all."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    exact: bool = False


class CloudSession:
    """The connections to one service. Made without a loop; usable again after `close`."""

    def __init__(self, name: str, limits: Limits | None = None, explain: Explain | None = None) -> None:
        self._name = name
        self._limits = limits or Limits()
        self._explain = explain
        self._session: aiohttp.ClientSession | None = None

    async def stream(self, request: Request) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Leaving it early closes the connection. SpeechFailed."""
        patience = _Patience(self._limits.total_s)
        response = await self._answer(request, patience)
        try:
            _check_type(self._name, response.content_type, audio=True)
            count = 0
            while chunk := await self._read(response, patience):
                count += len(chunk)
                if count > self._limits.audio_bytes:
                    raise SpeechFailed(Failure.REFUSED, f"{self._name} sent more audio than one sentence has")
                yield chunk
        finally:
            response.close()

    async def fetch(self, request: Request, *, most_bytes: int | None = None, audio: bool = False) -> bytes:
        """The whole body. SpeechFailed, also where it is longer than it may be."""
        patience = _Patience(self._limits.total_s)
        response = await self._answer(request, patience)
        try:
            _check_type(self._name, response.content_type, audio=audio)
            body = bytearray()
            while chunk := await self._read(response, patience):
                body += chunk
                if len(body) > (most_bytes or self._limits.audio_bytes):
                    raise SpeechFailed(Failure.REFUSED, f"{self._name} sent more than was asked for")
            return bytes(body)
        finally:
            response.close()

    async def touch(self, url: str) -> None:
        """Opens a connection for the first sentence: a HEAD to the server's root, without any key. Never raises."""
        parts = urlsplit(url)
        request = Request("HEAD", f"{parts.scheme}://{parts.netloc}/", {})
        try:
            async with asyncio.timeout(self._limits.connect_s):
                response = await self._once(await self._ready(), request)
                await response.read()  # or its connection would not be kept
        except Exception as problem:  # a guess at what will be needed; the first sentence reports what is wrong
            log.debug("a speech service was not reached in advance", engine=self._name, cause=type(problem).__name__)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # --- requests -----------------------------------------------------------------------------------------------------

    async def _ready(self) -> "aiohttp.ClientSession":
        if self._session is None:
            await asyncio.to_thread(importlib.import_module, "aiohttp")
            import aiohttp

            if self._session is None:  # a sentence beside this one may have been quicker
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEPALIVE_S),
                    timeout=aiohttp.ClientTimeout(total=None, connect=self._limits.connect_s),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                    trust_env=False,  # it would send what ~/.netrc has, too
                )
        return self._session

    async def _answer(self, request: Request, patience: "_Patience") -> "aiohttp.ClientResponse":
        """An answer with status 200, its body unread."""
        response = await self._send(request, patience)
        for _ in range(REDIRECTS):
            if response.status not in (307, 308):
                break
            target = urljoin(request.url, response.headers.get("Location", ""))
            response.close()
            if _origin(target) != _origin(request.url):
                raise SpeechFailed(Failure.REFUSED, f"{self._name} redirects to another host; keys don't go there")
            request = Request(request.method, target, request.headers, request.body, exact=True)
            response = await self._send(request, patience)
        if response.status != 200:
            try:
                raise await self._refusal(response)
            finally:
                response.close()
        return response

    async def _send(self, request: Request, patience: "_Patience") -> "aiohttp.ClientResponse":
        session = await self._ready()
        import aiohttp

        kept_failed = False
        while True:
            try:
                async with patience.wait(self._limits.answer_s):
                    return await self._once(session, request)
            except TimeoutError:
                raise SpeechFailed(Failure.TIMEOUT, f"{self._name} did not answer in time") from None
            except aiohttp.ClientSSLError:
                raise SpeechFailed(Failure.UNREACHABLE, f"{self._name}: TLS failed; is its certificate good?") from None
            except aiohttp.ClientConnectorError:
                raise SpeechFailed(Failure.UNREACHABLE, f"{self._name} can't be reached") from None
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError):
                # Most likely a kept connection that the server had given up: once more, on a new one.
                if kept_failed:
                    raise SpeechFailed(Failure.UNREACHABLE, f"{self._name} closes the connection") from None
                kept_failed = True
            except (aiohttp.ClientError, OSError, ValueError, RuntimeError):  # the last: the session was closed
                raise SpeechFailed(Failure.UNREACHABLE, f"{self._name} can't be reached") from None

    async def _once(self, session: "aiohttp.ClientSession", request: Request) -> "aiohttp.ClientResponse":
        import yarl

        return await session.request(
            request.method,
            yarl.URL(request.url, encoded=request.exact),
            headers=request.headers,
            data=request.body or None,
            allow_redirects=False,
        )

    async def _read(self, response: "aiohttp.ClientResponse", patience: "_Patience") -> bytes:
        """The next bytes; empty at the end."""
        import aiohttp

        try:
            async with patience.wait(self._limits.read_s):
                return await response.content.readany()
        except TimeoutError:
            raise SpeechFailed(Failure.TIMEOUT, f"{self._name} stopped in mid-answer") from None
        except (aiohttp.ClientError, OSError, RuntimeError):  # the last: the connection ended while nobody was reading
            raise SpeechFailed(Failure.TRUNCATED, f"{self._name} broke off its answer") from None

    async def _refusal(self, response: "aiohttp.ClientResponse") -> SpeechFailed:
        import aiohttp

        body = b""
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(1.0):
                body = await response.content.read(REFUSAL_BYTES)
        status = response.status
        found = (self._explain(status, body) if self._explain is not None and status >= 400 else None) or meaning(
            status
        )
        return SpeechFailed(
            found or meaning(status),
            f"{self._name} answered with status {status}",
            retry_after_s=retry_after_s(response.headers.get("Retry-After"), unix_s()),
        )


async def pcm_pieces(name: str, chunks: AsyncGenerator[bytes, None], rate_hz: int) -> AsyncIterator[EnginePiece]:
    """A body of raw PCM, or of WAV, as pieces. SpeechFailed for an answer without audio, or cut within a sample."""
    decoder = PcmStream(rate_hz)
    any_came = False
    async with contextlib.aclosing(chunks):
        try:
            async for chunk in chunks:
                if pcm := decoder.feed(chunk):
                    any_came = True
                    yield EnginePiece(pcm, decoder.rate_hz)
            if pcm := decoder.end():
                any_came = True
                yield EnginePiece(pcm, decoder.rate_hz)
        except NotAudio as problem:
            raise SpeechFailed(Failure.REFUSED, f"{name} sent {problem}") from None
    if not any_came or decoder.odd or decoder.short:
        raise SpeechFailed(Failure.TRUNCATED, f"{name} sent less audio than a sentence has")


def meaning(status: int) -> Failure:
    """Of an HTTP status that is not 200 (RFC 9110 §15, RFC 6585 §4)."""
    match status:
        case 401 | 403 | 407:
            return Failure.AUTH
        case 429:
            return Failure.RATE_LIMITED
        case 408 | 504:
            return Failure.TIMEOUT
        case _:
            return Failure.UNREACHABLE if status >= 500 else Failure.REFUSED


def retry_after_s(header: str | None, now_unix_s: float) -> float | None:
    """Retry-After (RFC 9110 §10.2.3) in seconds from now, an hour at most; None for none or for nonsense."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_MAX_S)
    try:
        at = email.utils.parsedate_to_datetime(text)
        return min(max(0.0, at.timestamp() - now_unix_s), RETRY_AFTER_MAX_S)
    except (TypeError, ValueError, OverflowError):
        return None


def _check_type(name: str, content_type: str, *, audio: bool) -> None:
    """A page of a hotel's login or of a proxy comes with status 200, too."""
    if content_type == "text/html":
        raise SpeechFailed(
            Failure.UNREACHABLE, f"a web page answers in place of {name}: does the network want a login?"
        )
    if audio and (content_type.startswith("text/") or content_type.endswith(("json", "xml"))):
        raise SpeechFailed(Failure.REFUSED, f"{name} sent a text in place of audio")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port
    except ValueError:
        return "", None, None


class _Patience:
    """How much longer one request may keep us waiting, over all its waits."""

    def __init__(self, total_s: float) -> None:
        self._left_s = total_s

    @contextlib.asynccontextmanager
    async def wait(self, at_most_s: float) -> AsyncIterator[None]:
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, min(at_most_s, self._left_s))):
                yield
        finally:
            self._left_s -= time.monotonic() - began_s
