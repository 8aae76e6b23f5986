"""The control socket: JSON-RPC 2.0, one JSON text per line, many connections, requests answered when done.

Nothing that comes in here can stop the emulator: whatever is wrong with a request becomes its error.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from core.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    LimitExceeded,
    PublicError,
)
from core.log import Log
from core.modem.emulator.modem import Modem

Method = Callable[[Modem, Any], "Awaitable[object] | object"]
"""Takes the modem and the parsed parameters."""

_LINE_LIMIT = 1 << 20
_REQUESTS_AT_ONCE = 256
"""Over all connections; beyond, requests get a limit error."""

_log = Log("emulator.control")


class ControlServer:
    """methods: name to (Struct of its parameters, function)."""

    def __init__(
        self, modem: Modem, methods: dict[str, tuple[type[msgspec.Struct], Method]], tasks: asyncio.TaskGroup
    ) -> None:
        self._modem = modem
        self._methods = methods
        self._tasks = tasks
        self._running = 0
        self._server: asyncio.Server | None = None
        self._path: Path | None = None

    async def start(self, path: Path) -> None:
        """Listens at `path`, replacing a socket that an emulator left behind."""
        self._path = path
        listener = await asyncio.to_thread(_listen, path)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_LINE_LIMIT)

    def close(self) -> None:
        """No new connections; those that are open end with the loop."""
        if self._server is not None:
            self._server.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.create_task(self._converse(reader, writer), name="emulator.control")

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Reads until the client closes its side; what it asked before is still answered (`echo … | nc`)."""
        try:
            async with asyncio.TaskGroup() as requests:
                while line := await _next_line(reader, writer):
                    if line.strip():
                        requests.create_task(self._answer(line, writer), name="emulator.request")
        finally:
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        answer = await self.answer(line)
        if answer is not None and not writer.is_closing():
            _write(writer, answer)
            with contextlib.suppress(ConnectionError):
                await writer.drain()

    async def answer(self, line: bytes) -> object | None:
        """The response object, a list of them for a batch, or None for notifications."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _error(None, PARSE_ERROR, "That is no JSON text.")
        if isinstance(request, list):
            if not request:
                return _error(None, INVALID_REQUEST, "The batch is empty.")
            answers = [await self._one(each) for each in request]
            return [answer for answer in answers if answer is not None] or None
        return await self._one(request)

    async def _one(self, request: object) -> dict[str, object] | None:
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
            return _error(None, INVALID_REQUEST, 'A request is an object with "jsonrpc": "2.0".')
        request_id = request.get("id")
        if isinstance(request_id, bool | list | dict) or not isinstance(request.get("method"), str):
            return _error(None, INVALID_REQUEST, "id is a string or a number, method a string.")
        answer = await self._call(request_id, request["method"], request.get("params", {}))
        return answer if "id" in request else None

    async def _call(self, request_id: object, name: str, params: object) -> dict[str, object]:
        if name not in self._methods:
            return _error(request_id, METHOD_NOT_FOUND, "There is no such method; docs/emulator.md lists them.")
        struct, method = self._methods[name]
        if self._running >= _REQUESTS_AT_ONCE:
            return _public(request_id, LimitExceeded())
        self._running += 1
        try:
            found = method(self._modem, msgspec.convert(params, struct))
            result = await found if isinstance(found, Awaitable) else found
            return {"jsonrpc": "2.0", "id": request_id, "result": {} if result is None else result}
        except msgspec.ValidationError as error:
            return _error(request_id, INVALID_PARAMS, str(error), {"kind": "invalid_params", "retry": False})
        except PublicError as error:
            return _public(request_id, error)
        except Exception:
            _log.exception("a control method failed", method=name)
            return _error(request_id, INTERNAL_ERROR, "The emulator failed; its log has the reason.")
        finally:
            self._running -= 1


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + "~")  # whoever sees the real name can connect at once
    fresh.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(fresh))
    fresh.chmod(0o600)
    listener.listen()
    fresh.replace(path)
    return listener


async def _next_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """b"" at the end of what this client has to say."""
    try:
        return await reader.readline()
    except ValueError:  # longer than the limit: where the next text begins is unknown
        _write(writer, _error(None, PARSE_ERROR, "The line is too long."))
    except ConnectionError:
        pass
    return b""


def _public(request_id: object, error: PublicError) -> dict[str, object]:
    return _error(request_id, error.code, error.message, error.data())


def _error(request_id: object, code: int, message: str, data: dict[str, object] | None = None) -> dict[str, object]:
    error: dict[str, object] = {"code": code, "message": message}
    return {"jsonrpc": "2.0", "id": request_id, "error": error | ({"data": data} if data else {})}


def _write(writer: asyncio.StreamWriter, answer: object) -> None:
    writer.write(msgspec.json.encode(answer) + b"\n")
