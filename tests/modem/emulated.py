"""An emulator in this process with hosts on its real ptys, for the tests of the emulator."""

import ast
import asyncio
import contextlib
import json
import os
import re
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from core.modem.emulator.modem import Modem
from core.modem.emulator.options import Options
from core.modem.emulator.service import running

PATIENCE_S = 20.0


class Host:
    """A program that has one port open, raw, as bytes."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd)
        self.seen = bytearray()
        self.hung_up = False
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.fd, self._read)

    def write(self, data: bytes | str) -> None:
        raw = data.encode() if isinstance(data, str) else data
        assert os.write(self.fd, raw) == len(raw)

    async def expect(self, wanted: bytes | str) -> None:
        """Exactly these bytes come next. A call that ends has lasted 000000, whatever the machine made of it."""
        raw = wanted.encode() if isinstance(wanted, str) else wanted
        await self._until(lambda: len(self.seen) >= len(raw) or not raw.startswith(self._timeless), raw)
        assert self._timeless[: len(raw)] == raw
        del self.seen[: len(raw)]

    async def until(self, wanted: bytes | str) -> bytes:
        """Everything up to and with these bytes."""
        raw = wanted.encode() if isinstance(wanted, str) else wanted
        await self._until(lambda: raw in self.seen, raw)
        end = self.seen.index(raw) + len(raw)
        found = bytes(self.seen[:end])
        del self.seen[:end]
        return found

    async def ask(self, command: str, answer: str) -> None:
        self.write(command + "\r")
        await self.expect(answer)

    async def ask_after(self, line: str, command: str, answer: str) -> None:
        """As `ask`, once everything up to the end of that line is read."""
        await self.until(line)
        await self.until("\r\n")
        await self.ask(command, answer)

    async def until_any(self, *wanted: str) -> bytes:
        """Everything up to and with the first of these."""
        await self._until(lambda: any(text.encode() in self.seen for text in wanted), " or ".join(wanted).encode())
        return await self.until(next(text for text in wanted if text.encode() in self.seen))

    def try_write(self, data: bytes) -> bool:
        """False when the port takes nothing more."""
        try:
            return os.write(self.fd, data) == len(data)
        except BlockingIOError:
            return False

    async def take(self, size: int) -> bytes:
        """The next `size` bytes, whatever they are."""
        await self._until(lambda: len(self.seen) >= size, b"(%d bytes)" % size)
        found = bytes(self.seen[:size])
        del self.seen[:size]
        return found

    async def ok(self, *commands: str) -> None:
        for command in commands:
            self.write(command + "\r")
            await self.until("OK\r\n")

    async def nothing_more(self) -> None:
        """Nothing is unread, also after one more exchange has gone through the port."""
        assert bytes(self.seen) == b""
        self.write("AT\r")
        await self.expect("\r\nOK\r\n")
        assert bytes(self.seen) == b""

    async def hang_up(self) -> None:
        await self._until(lambda: self.hung_up, b"(hang-up)")

    def close(self) -> None:
        if self.fd >= 0:
            self._loop.remove_reader(self.fd)
            os.close(self.fd)
            self.fd = -1

    async def _until(self, done: Callable[[], bool], wanted: bytes) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not done():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"waited for {wanted!r}, there was {bytes(self.seen)!r}") from None

    @property
    def _timeless(self) -> bytes:
        """What is unread, with the length of each call as if no time had passed."""
        return re.sub(rb"(?<=END: )\d{1,6}", lambda length: b"0" * len(length[0]), bytes(self.seen))

    def _read(self) -> None:
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        if data:
            self.seen += data
        else:
            self.hung_up = True
            self._loop.remove_reader(self.fd)
        self._news.set()


class ControlFailed(Exception):
    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class Emulated:
    def __init__(self, modem: Modem, options: Options) -> None:
        self.modem = modem
        self.directory = options.directory
        self.control_path = options.control
        self._hosts: list[Host] = []

    def open(self, link: str) -> Host:
        host = Host(self.directory / link)
        self._hosts.append(host)
        return host

    async def at(self, link: str = "if02", *, init: bool = True) -> Host:
        """A host on an AT port; init: echo off, caller's number and call list on."""
        host = self.open(link)
        if init:
            await host.ok("ATE0")
            await host.ok("AT+CLIP=1;+CLCC=1;+DDET=1")
        return host

    async def control(self, method: str, **params: Any) -> Any:
        answer = await self.raw({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        if "error" in answer:
            raise ControlFailed(answer["error"])
        return answer["result"]

    async def raw(self, request: object) -> Any:
        """One request on a connection of its own; bytes are sent as they are."""
        reader, writer = await asyncio.open_unix_connection(str(self.control_path), limit=1 << 22)
        try:
            writer.write(request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n")
            async with asyncio.timeout(PATIENCE_S * 2):
                return json.loads(await reader.readline())
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def close(self) -> None:
        for host in self._hosts:
            host.close()


@asynccontextmanager
async def emulated(tmp_path: Path, **choices: Any) -> AsyncIterator[Emulated]:
    options = Options(directory=tmp_path / "ports", control=tmp_path / "c", **choices)
    failure: BaseException | None = None
    async with running(options) as modem:
        made = Emulated(modem, options)
        try:
            yield made
        except (
            Exception,
            pytest.fail.Exception,
        ) as error:  # raised again outside: within, it would come out as a group
            failure = error
        finally:
            made.close()
    if failure is not None:
        raise failure


def said(transcript: Path, port: str = "if02") -> str:
    """All that the emulator wrote to that port so far, by its transcript; also what nobody was there to read."""
    lines = [line.split(" ", 2) for line in transcript.read_text(encoding="utf-8").splitlines()]
    return "".join(ast.literal_eval(text) for link, direction, text in lines if (link, direction) == (port, "<"))


async def in_call(emulator: Emulated, at: Host) -> None:
    """An incoming call, answered, with its lines read."""
    await emulator.control("call.incoming")
    await at.until("+CLCC: 1,1,4")
    await at.until("\r\n")
    at.write("ATA\r")
    await at.until("+CLCC: 1,1,0")
    await at.until("\r\n")
