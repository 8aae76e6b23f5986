"""/send and its other names: short messages, notifications and DroidLinks, as the old station took them."""

import logging
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

import dialtone
from clients.http_api.actions import Action, start
from clients.http_api.legacy_body import Json, json_object, refused, text_of
from clients.http_api.legacy_numbers import normalised
from clients.http_api.openapi import content, operation
from clients.http_api.site import Site, caller_of, need

SEND_PATHS = ("/send", "/send_sms", "/sms/send", "/api/send-sms")
SEVERITIES = ("info", "warning", "error", "critical")
DROID_S = 30.0
DROID_ANSWER_CHARS = 200
DROID_READ_BYTES = 65536
REF_CHARS = 128
BAD_REQUEST = ("not_dialable", "emergency_denied", "too_long", "invalid_params", "ref_taken")

_log = logging.getLogger("dialtone.http")


def routes(site: Site) -> list[web.RouteDef]:
    async def send(request: web.Request) -> web.Response:
        need(request, "messages")
        try:
            body = await json_object(request)
        except ValueError as problem:
            return refused(500, str(problem))  # 500, where /phone_call has 400: as it was
        return await _send(site, request, body)

    async def pi_send_message(request: web.Request) -> web.Response:
        """Two things had this name: with `to` it is a short message, without a notification."""
        need(request, "messages")
        try:
            body = await json_object(request)
        except ValueError as problem:
            return refused(500, str(problem))
        return await _send(site, request, body) if "to" in body else _notify(site, body)

    async def health(request: web.Request) -> web.Response:
        need(request, "observe")
        try:
            phone = await site.links.phone(caller_of(request).scopes)
            status = str((await phone.call("health"))["status"])
        except dialtone.DialtoneError:
            status = "core_unreachable"
        return web.json_response({"status": status}, status=200 if status in ("ok", "degraded") else 503)

    return [
        *(web.post(path, send) for path in SEND_PATHS),
        web.post("/pi_send_message", pi_send_message),
        web.get("/health", health),
    ]


async def _send(site: Site, request: web.Request, body: Json) -> web.Response:
    recipient = normalised(text_of(body, "to"), site.settings.phone.country_code)
    text = text_of(body, "message")
    if not recipient or not text:
        return refused(400, "Missing recipient or message")
    if droid_link := unquote(text_of(body, "droidLink", "droid_link")):
        return await _droid(site, droid_link, recipient, text)
    phone = await site.links.phone(caller_of(request).scopes)
    params: Json = {"to": recipient, "text": text}
    if key := request.headers.get("Idempotency-Key"):
        params["client_ref"] = key[:REF_CHARS]
    try:
        info: Json = await phone.call("sms.send", **params)
    except dialtone.RpcError as problem:
        return refused(400 if problem.kind in BAD_REQUEST else 500, problem.message)
    except dialtone.DialtoneError:
        return refused(503, "The telephone does not answer")
    return web.json_response(
        {
            "success": True,
            "message_id": int(datetime.fromisoformat(info["created_at"]).timestamp() * 1000),
            "encoding": str(info["encoding"]).upper(),
            "parts": info["parts"],
            "queued": True,
            "processing": "async",
            "id": info["message_id"],
        }
    )


# --- DroidLink


def allowed_link(link: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a link lies below one of these URLs: same scheme, host and port, and a path below theirs."""
    try:
        wanted = urlsplit(link)
        port = wanted.port
    except ValueError:
        return False
    if "\\" in link or ".." in wanted.path.split("/") or wanted.username is not None:
        return False
    for prefix in prefixes:
        known = urlsplit(prefix)
        place = known.path.rstrip("/")
        if (wanted.scheme, wanted.hostname, port) == (known.scheme, known.hostname, known.port) and (
            wanted.path == place or wanted.path.startswith(f"{place}/")
        ):
            return True
    return False


async def _droid(site: Site, link: str, recipient: str, text: str) -> web.Response:
    if not allowed_link(link, site.settings.phone.droid_links):
        return refused(400, "This droidLink is not below a URL of [phone] droid_links in http.toml")
    where = f"{link}{'&' if '?' in link else '?'}message={quote(text, safe='')}&phone_nr={quote(recipient, safe='')}"
    sent, answer = await _get(where)
    return web.json_response(
        {
            "success": sent,
            "method": "droidlink",
            "recipient": recipient,
            "response": answer[:DROID_ANSWER_CHARS],
            "message_length": len(text),
        },
        status=200 if sent else 502,
    )


async def _get(where: str) -> tuple[bool, str]:
    """Redirects are not followed: they would lead out of what is allowed."""
    try:
        # encoded: as it was put together here, so that a % or + of the text arrives as what it is.
        url, timeout = URL(where, encoded=True), aiohttp.ClientTimeout(total=DROID_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                return False, f"HTTP {answer.status}"
            return True, (await answer.content.read(DROID_READ_BYTES)).decode("utf-8", "replace")
    except TimeoutError:
        return False, f"no answer within {DROID_S:g} s"
    except (aiohttp.ClientError, OSError, ValueError) as problem:
        _log.warning("a DroidLink failed: %s", type(problem).__name__)
        return False, f"not reached: {type(problem).__name__}"


# --- notifications


def _notify(site: Site, body: Json) -> web.Response:
    text = text_of(body, "message")
    if not text:
        return refused(400, "Missing recipient or message")
    severity = text_of(body, "severity")
    severity = severity if severity in SEVERITIES else "info"
    if not start(site, Action("custom", ("notify", "custom", "-", severity), stdin=text)):
        return refused(503, "Too many notifications are on their way")
    return web.json_response({"success": True, "severity": severity, "queued": True, "processing": "async"})


# --- description

_TEXT: Json = {"type": "string"}
_FAILURE = content(
    {
        "type": "object",
        "properties": {"success": {"const": False}, "error": _TEXT},
        "required": ["success", "error"],
    },
    "It was not done",
)
_MESSAGE: Json = {
    "type": "object",
    "properties": {
        "to": _TEXT,
        "message": _TEXT,
        "droidLink": {"type": "string", "description": "Sent through this URL instead, where http.toml allows it"},
    },
    "required": ["to", "message"],
}
_NOTIFICATION: Json = {
    "type": "object",
    "properties": {"message": _TEXT, "severity": {"type": "string", "enum": list(SEVERITIES), "default": "info"}},
    "required": ["message"],
}
_TAKEN: Json = {
    "type": "object",
    "properties": {
        "success": {"const": True},
        "message_id": {"type": "integer", "description": "Milliseconds; id names the message"},
        "encoding": {"type": "string", "enum": ["GSM7", "UCS2"]},
        "parts": {"type": "integer"},
        "queued": {"type": "boolean"},
        "processing": _TEXT,
        "id": {"type": "string", "description": "message_id of the protocol"},
        "method": _TEXT,
        "recipient": _TEXT,
        "response": _TEXT,
        "message_length": {"type": "integer"},
        "severity": _TEXT,
    },
    "required": ["success"],
}


def _described(summary: str, path: str, schema: Json) -> dict[str, Any]:
    return {
        "post": operation(
            summary,
            {"200": content(_TAKEN), "400": _FAILURE, "500": _FAILURE, "502": content(_TAKEN), "503": _FAILURE},
            operationId=path.strip("/").replace("/", "_").replace("-", "_"),
            requestBody={"required": True, "content": {"application/json": {"schema": schema}}},
        )
    }


PATHS: dict[str, dict[str, Any]] = {
    **{path: _described("Send a short message (old API)", path, _MESSAGE) for path in SEND_PATHS},
    "/pi_send_message": _described(
        "A short message, or without `to` a notification (old API)",
        "/pi_send_message",
        {"anyOf": [_MESSAGE, _NOTIFICATION]},
    ),
    "/health": {
        "get": operation(
            "Whether calls can be taken (old API)",
            {"200": content({"type": "object"}), "503": content({"type": "object"})},
            operationId="old_health",
        )
    },
}
