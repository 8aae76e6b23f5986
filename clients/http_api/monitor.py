"""/monitor/…: the old monitoring API of port 8070. GET and POST are the same."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

import dialtone
from clients.http_api.actions import Action, run, start
from clients.http_api.legacy_body import Json, json_object
from clients.http_api.legacy_phone import status_of
from clients.http_api.openapi import content, operation
from clients.http_api.site import Site, caller_of, need

SYNC = ("vpn", "system", "system-full", "network", "ec25", "sim7600", "tts", "test", "logs")
ASYNC = ("vpn", "system", "system-full", "network", "ec25", "sim7600", "tts", "test", "custom", "logs")
STARTED = "Monitoring task started in background"
CUSTOM_TEXT = "Custom monitoring request"
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@\\-]{0,254}")
"""Names of units, systemd.unit(5)."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(site: Site) -> list[web.RouteDef]:
    async def action(request: web.Request) -> web.Response:
        need(request, "observe")
        name = request.match_info["action"]
        if name not in ASYNC:
            return _invalid(ASYNC)
        return _begin(site, await _action(site, request, name), {"action": name, "message": STARTED})

    async def sync(request: web.Request) -> web.Response:
        need(request, "observe")
        name = request.match_info["action"]
        return _invalid(SYNC) if name not in SYNC else await _to_its_end(site, request, name)

    async def services(request: web.Request) -> web.Response:
        need(request, "observe")
        said = {"action": "services", "message": "Services status check started in background"}
        return _begin(site, Action("services", ("services", "--notify")), said)

    async def service(request: web.Request) -> web.Response:
        need(request, "observe")
        name = request.match_info["name"]
        if not _SERVICE.fullmatch(name):
            return _error(400, "Invalid service name")
        said = {"service": name, "message": "Service check started in background"}
        return _begin(site, Action("service", ("notify", "service", name)), said)

    async def modem_reset(request: web.Request) -> web.Response:
        """Not in the background: whoever restarts a modem wants to know whether it was taken."""
        need(request, "admin")
        phone = await site.links.phone(caller_of(request).scopes)
        try:
            await phone.call("modem.reset", reason="asked for over /monitor/modem_reset")
        except dialtone.RpcError as problem:
            return _error(500, problem.message)
        except dialtone.DialtoneError:
            return _error(503, "The core does not answer")
        return web.json_response({"status": "success", "action": "modem_reset", "message": "Modem reset started"})

    async def help_(request: web.Request) -> web.Response:
        need(request, "observe")
        return web.json_response({"endpoints": ENDPOINTS, "methods": ["GET", "POST"], "note": NOTE})

    return [
        *_both("/monitor/help", help_),
        *_both("/monitor/services", services),
        *_both("/monitor/modem_reset", modem_reset),
        *_both("/monitor/service/{name}", service),
        *_both("/monitor/{action}/sync", sync),
        *_both("/monitor/{action}", action),
    ]


def _both(path: str, handler: Handler) -> list[web.RouteDef]:
    return [web.get(path, handler), web.post(path, handler)]


async def _action(site: Site, request: web.Request, name: str) -> Action:
    match name:
        case "custom":
            text, severity = await _custom(request)
            return Action(name, ("notify", "custom", "-", severity), stdin=text)
        case "tts":
            return Action(name, ("tts", "health", "--notify", "--status", "-"), stdin=json.dumps(await _speech(site)))
        case "logs":
            return Action(name, ("logs", "check", "--notify"))
        case _:
            return Action(name, ("notify", name))


async def _custom(request: web.Request) -> tuple[str, str]:
    """The old server looked at Content-Type; the body says it as well."""
    try:
        body = await json_object(request)
    except ValueError:
        body = {}
    text, severity = body.get("message"), body.get("severity")
    return (
        text if isinstance(text, str) and text else CUSTOM_TEXT,
        severity if isinstance(severity, str) and severity.isalpha() else "info",
    )


async def _speech(site: Site) -> Json:
    """The status of /phone_call, in which the health of speech is looked for."""
    try:
        phone = await site.links.phone(frozenset({"observe"}))
        return status_of(site, await phone.call("status"))
    except dialtone.DialtoneError:
        return status_of(site, None)


def _begin(site: Site, action: Action, said: dict[str, str]) -> web.Response:
    if not start(site, action):
        return _error(503, "Too many monitoring tasks are running")
    return web.json_response({"status": "success", **said})


async def _to_its_end(site: Site, request: web.Request, name: str) -> web.Response:
    """Sends no notification: the answer has it all."""
    action = await _action(site, request, name)
    words = tuple(word for word in action.words if word != "--notify")
    dry = ("--dry-run",) if words[0] == "notify" else ()
    try:
        found = await run(site, Action(name, (*words, *dry), action.stdin), caller_of(request).scopes)
    except TimeoutError:
        return _error(504, f"Script execution timed out ({site.settings.monitor.timeout_s:g}s)")
    except OSError as problem:
        return _error(500, str(problem.strerror))
    return web.json_response(
        {
            "status": "success",
            "action": name,
            "stdout": found.stdout,
            "stderr": found.stderr,
            "return_code": found.code,
        }
    )


def _invalid(valid: tuple[str, ...]) -> web.Response:
    return _error(400, f"Invalid action. Valid actions: {', '.join(valid)}")


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"status": "error", "message": text}, status=status)


_WHAT = {
    "vpn": "Tunnel, its address, ping and last handshake",
    "system": "CPU, temperature, memory and disk in one line",
    "system-full": "The same with network, services, processes and errors",
    "network": "Whether the configured web sites can be reached",
    "ec25": "The modem: signal, network, SIM (another name of sim7600)",
    "sim7600": "The modem: signal, network, SIM, contexts",
    "tts": "Speech: engine, queue, a test",
    "test": "A test message",
    "logs": "Errors and restarts since the last check",
}
NOTE = "All endpoints support both GET and POST methods. /sync endpoints return full output in HTTP response."
ENDPOINTS: dict[str, str] = {
    **{f"/monitor/{name}": f"{text} (async: comes as a notification)" for name, text in _WHAT.items()},
    **{f"/monitor/{name}/sync": f"{text} (sync: full output)" for name, text in _WHAT.items()},
    "/monitor/custom": 'A message of yours: {"message": "...", "severity": "info"}',
    "/monitor/service/<name>": "State of one systemd service",
    "/monitor/services": "State of all services of the station",
    "/monitor/modem_reset": "Restart the modem; needs the scope admin",
    "/monitor/help": "This list",
}

_TEXT: Json = {"type": "string"}
_SAID: Json = {
    "type": "object",
    "properties": {"status": _TEXT, "action": _TEXT, "service": _TEXT, "message": _TEXT},
    "required": ["status", "message"],
}
_OUTPUT: Json = {
    "type": "object",
    "properties": {
        "status": _TEXT,
        "action": _TEXT,
        "stdout": _TEXT,
        "stderr": _TEXT,
        "return_code": {"type": "integer"},
    },
    "required": ["status", "action", "stdout", "stderr", "return_code"],
}


def _item(path: str, answer: Json, *parameters: str, sends: Json | None = None) -> dict[str, Any]:
    name = path.replace("/", "_").replace("{", "").replace("}", "").strip("_")
    more: Json = {}
    if parameters:
        more["parameters"] = [{"name": word, "in": "path", "required": True, "schema": _TEXT} for word in parameters]
    answers = {
        "200": content(answer), "400": content(_SAID, "No such action"), "500": content(_SAID, "It failed"),
        "503": content(_SAID, "Not now"), "504": content(_SAID, "It took too long"),
    }  # fmt: skip
    body = {"requestBody": {"content": {"application/json": {"schema": sends}}}} if sends is not None else {}
    return {
        "get": operation(f"{path} (old monitoring API)", answers, operationId=name, **more),
        "post": operation(f"{path} (old monitoring API)", answers, operationId=f"{name}_post", **more, **body),
    }


_CUSTOM: Json = {"type": "object", "properties": {"message": _TEXT, "severity": _TEXT}}
PATHS: dict[str, dict[str, Any]] = {
    "/monitor/{action}": _item("/monitor/{action}", _SAID, "action", sends=_CUSTOM),
    "/monitor/{action}/sync": _item("/monitor/{action}/sync", _OUTPUT, "action"),
    "/monitor/service/{name}": _item("/monitor/service/{name}", _SAID, "name"),
    "/monitor/services": _item("/monitor/services", _SAID),
    "/monitor/modem_reset": _item("/monitor/modem_reset", _SAID),
    "/monitor/help": _item("/monitor/help", {"type": "object"}),
}
