"""One GET through one interface, to tell the internet from a portal: a page that has no content (204) in the internet
and that a portal replaces by its own or redirects.

The request is ours, over a bound socket; the answer is read by http.client. aiohttp, which the core has for other ends,
would cost an otherwise idle daemon 9 MB and 0.2 s (measured), for one request without anything that it is good at."""

import asyncio
import http.client
import io
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from urllib.parse import urlsplit

from core.net.bound import connect
from core.net.verdict import Web

_LONGEST = 65536
_PIECE = 4096


@dataclass(frozen=True, slots=True)
class Page:
    """What http_url names. address: set when its host is one."""

    host: str
    port: int
    target: str
    address: str | None = None

    @classmethod
    def of(cls, url: str) -> "Page | None":
        """None for "" and for what is no URL of a page with a name or an IPv4 address."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 80
        except ValueError:
            return None
        if not host or ":" in host:
            return None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            return cls(host, port, target, str(IPv4Address(host)))
        except AddressValueError:
            return cls(host, port, target)

    def request(self) -> bytes:
        host = self.host if self.port == 80 else f"{self.host}:{self.port}"
        return (
            f"GET {self.target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: dialtone\r\nAccept: */*\r\n"
            "Cache-Control: no-cache\r\nConnection: close\r\n\r\n"
        ).encode("ascii", "replace")


async def fetch(page: Page, addresses: tuple[str, ...], *, interface: str) -> tuple[Web, str]:
    """What it has, from the first address that says something, and a text. Raises nothing; the caller has the
    deadline."""
    texts = []
    for address in addresses:
        try:
            answer = await _get(page, address, interface)
        except OSError as problem:
            texts.append(f"{page.host} at {address}: {problem.strerror or 'no answer'}")
            continue
        return meaning(page.host, answer)
    return Web.SILENT, ", ".join(texts)


def meaning(host: str, answer: bytes) -> tuple[Web, str]:
    """Of the whole answer or of its begin, as far as `complete` wants it. Raises nothing."""
    try:
        response = _parse(answer)
        content = b"" if response.status in (204, 304) else response.read(1)
    except (http.client.HTTPException, OSError, ValueError):
        return Web.SILENT, f"{host} has an answer that is no HTTP"
    status = response.status
    if status == 204 or (status == 200 and not content):
        return Web.NO_CONTENT, f"{host} has {status}"
    if status == 200 or 300 <= status < 400 or status == 511:
        return Web.PORTAL, f"a portal answers for {host} ({status})"
    return Web.SILENT, f"{host} has {status}"


def complete(answer: bytes) -> bool:
    """Whether so much of it is there that `meaning` needs no more: the head, and what tells whether 200 has content."""
    if b"\r\n\r\n" not in answer and b"\n\n" not in answer:
        return len(answer) >= _LONGEST
    try:
        response = _parse(answer)
        return response.status != 200 or response.length == 0 or bool(response.read(1))
    except (http.client.HTTPException, OSError, ValueError):
        return len(answer) >= _LONGEST


async def _get(page: Page, address: str, interface: str) -> bytes:
    loop = asyncio.get_running_loop()
    with await connect(address, page.port, interface=interface) as sock:
        await loop.sock_sendall(sock, page.request())
        answer = b""
        while not complete(answer) and (piece := await loop.sock_recv(sock, _PIECE)):
            answer += piece
        return answer


class _Received:
    """What http.client takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _parse(answer: bytes) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(_Received(answer), method="GET")  # type: ignore[arg-type]
    response.begin()
    return response
