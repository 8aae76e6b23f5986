"""/phone_call of the old station: a VPS speaks into the live call, ends it, or hands it to a person."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

import dialtone
from clients.http_api.legacy_body import Json, json_object, refused, text_of
from clients.http_api.openapi import content, operation
from clients.http_api.settings import ScopeName
from clients.http_api.site import Site, caller_of, need

NO_VOICE = ("engine_missing", "speech_unavailable")
EVERYTHING: frozenset[ScopeName] = frozenset({"observe", "messages", "calls", "admin"})
NOT_CONFIGURED = "not_configured"
PRIORITIES = ("high", "normal", "low")
SPEAK_S = 30.0

_log = logging.getLogger("dialtone.http")

Action = Callable[[Site, dialtone.Phone, str | None, Json], Awaitable[None]]


class Unfit(Exception):
    """The command can't be carried out; the text is for its sender."""


def routes(site: Site) -> list[web.RouteDef]:
    async def phone_call(request: web.Request) -> web.Response:
        need(request, "calls")
        try:
            body = await json_object(request)
        except ValueError:
            return refused(400, "Invalid JSON format")
        try:
            return await _command(site, request, body)
        except Unfit as problem:
            return refused(500, str(problem))
        except dialtone.RpcError as problem:
            _log.info("a phone command was refused: %s", problem.kind)
            if problem.kind in NO_VOICE:
                return refused(503, "Voice configuration not available")
            return refused(500, problem.message)
        except dialtone.DialtoneError:
            return refused(503, "The telephone does not answer")

    async def status(request: web.Request) -> web.Response:
        caller = need(request, "observe")
        try:
            phone = await site.links.phone(caller.scopes)
            return web.json_response(status_of(site, await phone.call("status")))
        except dialtone.DialtoneError:
            return web.json_response(status_of(site, None))

    return [
        web.post("/phone_call", phone_call),
        web.get("/phone_call/status", status),
        web.post("/phone_call/status", status),
    ]


async def _command(site: Site, request: web.Request, body: Json) -> web.Response:
    phone = await site.links.phone(caller_of(request).scopes)
    action = text_of(body, "action") or "speak"
    asked_id = body.get("callId")
    if (carry_out := ACTIONS.get(action)) is not None:
        call_id = await live_call(phone, asked_id if isinstance(asked_id, str) else None)
        await carry_out(site, phone, call_id, body)
    else:
        _log.warning("a phone command has an action that is not known")  # answered as the old server did
    return web.json_response(
        {
            "success": True,
            "message": f"Command {action} queued",
            "call_id": asked_id,
            "queue_size": site.spoken.queue_size,
        }
    )


async def live_call(phone: dialtone.Phone, asked: str | None) -> str:
    """Our id of the live call. asked: ours, or the old form call_<seconds> without what ours has after it; without
    one it is the only call. Unfit where there is none, or more than one."""
    state = await phone.call("state.get")
    live = [str(call["call_id"]) for call in state["calls"] if call["state"] != "ended"]
    if asked:
        live = [call_id for call_id in live if call_id == asked or call_id.startswith(f"{asked}_")]
    if len(live) == 1:
        return live[0]
    if live:
        raise Unfit("There is more than one call; name its callId")
    raise Unfit("There is no live call with this callId" if asked else "There is no live call")


async def _speak(site: Site, phone: dialtone.Phone, call_id: str | None, body: Json) -> None:
    """high goes before what waits and throws nothing away."""
    text = _words(body)
    if not text.strip():
        site.spoken.command(str(call_id), 0)
        return
    priority = text_of(body, "priority")
    params: Json = {
        "text": text, "call_id": call_id, "priority": priority if priority in PRIORITIES else "normal",
    }  # fmt: skip
    language = text_of(body, "language")
    try:
        taken = await phone.call_with("tts.queue", params | ({"language": language} if language else {}))
    except dialtone.RpcError as problem:
        if not language or problem.kind not in ("engine_missing", "invalid_params"):
            raise
        taken = await phone.call_with("tts.queue", params)  # in another voice rather than not at all
    else:
        site.spoken.language = language or site.spoken.language
    site.spoken.command(taken["call_id"], len(text))
    site.spoken.accepted(taken["call_id"], taken["utterance"])


async def _hangup(site: Site, phone: dialtone.Phone, call_id: str | None, body: Json) -> None:
    """What is being said, and the text that came along, are heard first; with priority high nothing is."""
    params: Json = {"call_id": call_id}
    if text_of(body, "priority") != "high":
        params["after_speech"] = True
        if text := _words(body).strip():
            params["text"] = text
    try:
        await phone.call_with("call.hangup", params)
    except dialtone.RpcError as problem:
        if problem.kind != "claimed" or not site.settings.phone.hangup_held:
            raise
        whole = await site.links.phone(EVERYTHING)
        await whole.call_with("call.hangup", params)
    site.spoken.command(str(call_id), 0)


async def _transfer(site: Site, phone: dialtone.Phone, call_id: str | None, body: Json) -> None:
    """text is said to the caller before; announce to the person who is called."""
    number = text_of(body, "to", "transfer_to", "number")
    if not number:
        raise Unfit("Missing number to transfer to")
    if text := _words(body).strip():
        await phone.call("call.speak", text=text, call_id=call_id, wait="spoken", timeout_s=SPEAK_S)
    announce = text_of(body, "announce")
    params: Json = {"to": number, "call_id": call_id}
    await phone.call_with("call.transfer", params | ({"announce": announce} if announce else {}))
    site.spoken.command(str(call_id), len(text))


ACTIONS: dict[str, Action] = {"speak": _speak, "hangup": _hangup, "transfer": _transfer}


def _words(body: Json) -> str:
    text = body.get("text", "")
    if text is not None and not isinstance(text, str):
        raise Unfit("text must be a string")
    return text or ""


def status_of(site: Site, found: Json | None) -> Json:
    """found: the core's status; None while it does not answer."""
    engine = str(found["engines"]["tts"]) if found is not None else NOT_CONFIGURED
    configured = engine not in ("", "none", "off", NOT_CONFIGURED)
    live = [call for call in found["calls"] if call["state"] != "ended"] if found is not None else []
    return {
        "tts_queue_size": site.spoken.queue_size,
        "active_calls": len(live),
        "tts_provider": engine if configured else NOT_CONFIGURED,
        "language": (site.spoken.language or "auto") if configured else NOT_CONFIGURED,
        "voice_configured": configured,
        "stats": site.spoken.stats(),
    }


_TEXT: Json = {"type": "string"}
_FAILURE = content(
    {
        "type": "object",
        "properties": {"success": {"const": False}, "error": _TEXT},
        "required": ["success", "error"],
    },
    "It was not done",
)
_COMMAND: Json = {
    "type": "object",
    "properties": {
        "callId": {"type": ["string", "null"], "description": "call_<seconds>, or the core's id; null: the only call"},
        "sessionId": {"type": ["string", "null"]},
        "action": {"type": "string", "enum": list(ACTIONS), "default": "speak"},
        "text": _TEXT,
        "language": _TEXT,
        "priority": {"type": "string", "enum": list(PRIORITIES), "default": "normal"},
        "to": {"type": "string", "description": "Of a transfer"},
        "announce": {"type": "string", "description": "Of a transfer: said to the person who is called"},
        "voice_settings": {"type": "object", "description": "Accepted and not read, as before"},
        "audio_format": {"type": "string", "description": "Accepted and not read, as before"},
    },
}
_TAKEN: Json = {
    "type": "object",
    "properties": {
        "success": {"const": True},
        "message": _TEXT,
        "call_id": {"type": ["string", "null"]},
        "queue_size": {"type": "integer"},
    },
    "required": ["success", "message", "call_id", "queue_size"],
}
_STATUS: Json = {
    "type": "object",
    "properties": {
        "tts_queue_size": {"type": "integer"},
        "active_calls": {"type": "integer"},
        "tts_provider": _TEXT,
        "language": _TEXT,
        "voice_configured": {"type": "boolean"},
        "stats": {"type": "object", "additionalProperties": {"type": "object"}},
    },
}


def _of_status(name: str) -> Json:
    return operation("What the old speech API is doing", {"200": content(_STATUS)}, operationId=name)


PATHS: dict[str, dict[str, Any]] = {
    "/phone_call": {
        "post": operation(
            "Speak into a call, end it or hand it on (old API)",
            {"200": content(_TAKEN), "400": _FAILURE, "500": _FAILURE, "503": _FAILURE},
            operationId="phone_call",
            requestBody={"required": True, "content": {"application/json": {"schema": _COMMAND}}},
        )
    },
    "/phone_call/status": {"get": _of_status("phone_status"), "post": _of_status("phone_status_post")},
}
