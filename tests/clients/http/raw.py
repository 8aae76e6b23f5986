"""Requests as the old clients put them on the wire, byte by byte."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def exchange(base: str, *pieces: bytes, gap_s: float = 0.0) -> Answer:
    """Sends the pieces, with pauses between them, and reads one answer by its Content-Length."""
    where = urlsplit(base)
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(gap_s)
            return await _answer(reader)
        finally:
            writer.close()
            await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    status = int((await reader.readline()).split()[1])
    headers: dict[str, str] = {}
    while line := (await reader.readline()).strip():
        name, _, value = line.decode().partition(": ")
        headers[name.lower()] = value
    return Answer(status, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def curl(path: str, body: str) -> bytes:
    """`curl -s -X POST URL -d '…'`: JSON that calls itself a form."""
    data = body.encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: 10.100.0.11:8088\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
        f"Content-Length: {len(data)}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n"
    ).encode() + data


def php_curl(path: str, body: str) -> bytes:
    """The VPS's worker: CURLOPT_POSTFIELDS with a JSON header."""
    data = body.encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: 10.100.0.11:8088\r\nAccept: */*\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    ).encode() + data


def urllib_post(path: str, body: str) -> bytes:
    """urllib.request: HTTP/1.1 that closes, headers in its own spelling."""
    data = body.encode()
    return (
        f"POST {path} HTTP/1.1\r\nAccept-Encoding: identity\r\n"
        f"Content-Length: {len(data)}\r\nHost: 10.100.0.11:8088\r\n"
        "User-Agent: Python-urllib/3.11\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    ).encode() + data


def http10_get(path: str) -> bytes:
    return f"GET {path} HTTP/1.0\r\n\r\n".encode()
