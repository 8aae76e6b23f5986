"""The socket of the existing voice clients, unchanged for them: wire-formats §6.

What is different there, and only there: length framing from the start; events (four, with their old fields) go only
to connections that have never made a request, because those clients take the first frame for their reply; a request
without id is answered with `"id": null`; failures are -32000, or a successful reply with `error` in it.

Every old method is an entry of METHODS: which modern method it calls, how its params and results are named.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import to_builtins

from core.clock import unix_s
from core.errors import INTERNAL_ERROR, NotFound, NotNow, PublicError
from core.log import Log
from core.rpc.feed import Subscription
from core.rpc.legacy_files import SpokenFiles
from core.rpc.methods import Registry, Request, RequestId, invoke
from core.rpc.replies import Malformed, Wanted, error_reply, invalid_request, result_reply, unknown_method
from core.rpc.session import Dialect

LEGACY_MAX_BYTES = 10 * 1024 * 1024
"""The old service's limit; a larger frame closes the connection without a reply."""

LEGACY_ERROR = -32000
FRAME_GAP_S = 0.02
"""Between two events. The old event reader parses what one read gave it as one frame, and loses both of two
(wire-formats §6.6); apart in time they arrive apart."""

FIRST_EVENT_S = 0.1
"""A connection that is there to ask does so at once; only one that has been quiet for this long is there for events.
What happens meanwhile is told then."""

_TOPICS = ("call.ringing", "call.connected", "call.speech", "call.ended")
_STATES = {"incoming": "RINGING", "dialing": "REQUESTING", "alerting": "WAITING", "active": "ACTIVE", "held": "ACTIVE"}
_LANGUAGES = {"ca": "Català", "en": "English", "es": "Español"}

log = Log("rpc")


def legacy_dialect(answerer: "LegacyAnswerer") -> Dialect:
    return Dialect(
        answerer,
        read_old,
        Subscription(_TOPICS),
        eager_after_s=FIRST_EVENT_S,
        faults_told=False,
        frame_gap_s=FRAME_GAP_S,
    )


def read_old(element: object) -> Wanted | Malformed:
    """One element as the old service took it: only `method` is needed; without id it is answered with null."""
    if not isinstance(element, dict):
        return Malformed(invalid_request("a request is a JSON object"))
    identity = element.get("id")
    if isinstance(identity, bool) or not isinstance(identity, str | int | float | None):
        identity = None
    name, params = element.get("method"), element.get("params")
    if not isinstance(name, str):
        return Malformed(error_reply(identity, LEGACY_ERROR, "method is missing", {"kind": "invalid_request"}))
    return Wanted(name, params if isinstance(params, dict) else {}, identity, answered=True)


class MissingParam(Exception):
    """An old method without one of its required params: -32000 there."""


@dataclass(slots=True)
class Old:
    """One old request while it is answered."""

    methods: Registry
    request: Request
    params: dict[str, Any]
    socket: str
    files: SpokenFiles

    def need(self, name: str) -> Any:
        """A required param, as a string where it is a number (user ids were numbers, phone numbers are text)."""
        value = self.params.get(name)
        if value is None or value == "":
            raise MissingParam(f"{name} is required")
        return str(value) if isinstance(value, int) else value

    async def modern(self, name: str, **params: object) -> dict[str, Any]:
        """Calls a method of today. PublicError as there; NotFound where this build does not have it."""
        spec = self.methods.get(name)
        if spec is None:
            raise NotFound("This core does not have that method.")
        given = {key: value for key, value in params.items() if value is not None}
        found: dict[str, Any] = to_builtins(await invoke(spec, self.request, given))
        return found


async def _transcribe(old: Old) -> dict[str, Any]:
    sound, language = await _sound(old), await _language_of(old)
    heard = await old.modern("stt.transcribe", **sound, language=language)
    found = heard.get("language") or language
    return {"text": heard.get("text") or "", "language": found, "audio_path": old.params["audio_path"]}


async def _synthesize(old: Old) -> dict[str, Any]:
    text, language = old.need("text"), await _language_of(old)
    made = await old.modern("tts.synthesize", text=text, language=language, format="ogg")
    path = await asyncio.to_thread(old.files.keep, base64.b64decode(made["audio"]))
    return {"audio_path": str(path), "language": language or old.request.core.config.tts.language, "text": text}


async def _sound(old: Old) -> dict[str, object]:
    """audio_path as a param of today: a file of ours goes as its bytes, since it lies below no configured root."""
    path = old.need("audio_path")
    data = await asyncio.to_thread(old.files.read, path)
    return {"path": path} if data is None else {"audio": base64.b64encode(data).decode()}


async def _language_get(old: Old) -> dict[str, Any]:
    user = old.need("user_id")
    return _language(old, (await old.modern("language.get", user_id=user)).get("language"))


async def _language_set(old: Old) -> dict[str, Any]:
    user, language = old.need("user_id"), old.need("language")
    found = await old.modern("language.set", user_id=user, language=language)
    return _language(old, found.get("language", language))


def _language(old: Old, language: Any) -> dict[str, Any]:
    return {
        "user_id": old.params["user_id"],
        "language": language,
        "language_name": _LANGUAGES.get(str(language), str(language)),
    }


async def _language_of(old: Old) -> str | None:
    user = old.params.get("user_id")
    if user is None or "language.get" not in old.methods:
        return None
    language: str | None = (await old.modern("language.get", user_id=str(user))).get("language")
    return language


async def _status(old: Old) -> dict[str, Any]:
    now = await old.modern("status")
    engines = now.get("engines") or {}
    return {
        "service": now.get("service", "dialtone"),
        "version": now.get("version"),
        "transport": "unix",
        "socket": old.socket,
        "whisper_available": "whisper" in str(engines.get("stt")),
        "piper_available": "piper" in str(engines.get("tts")),
        "pyrogram_available": False,
        "tgcalls_available": False,
        "supported_languages": sorted(_LANGUAGES),
        "default_language": old.request.core.config.call.language,
        "active_users": 0,
        "aiortc_available": False,
        "call": await _call_status(old),
    }


async def _health(old: Old) -> dict[str, Any]:
    now = await old.modern("health")
    # The old one was always "ok" when it answered at all, and its time was local without a zone.
    healthy = now.get("status") != "failed"
    local = datetime.fromtimestamp(unix_s()).isoformat()  # noqa: DTZ006 - the old format
    return {"status": "ok" if healthy else "failed", "timestamp": local}


async def _call_start(old: Old) -> dict[str, Any]:
    call = await old.modern("call.start", number=old.need("user_id"))
    return {"status": "ringing", "call_id": call["call_id"]}


async def _call_hangup(old: Old) -> dict[str, Any]:
    try:
        call = await old.modern("call.hangup")
    except (NotFound, NotNow):
        return {"error": "No active call"}
    return {"status": "ended", "duration": float(call.get("duration_s") or 0.0)}


async def _call_status(old: Old) -> dict[str, Any]:
    call = (await old.modern("call.status")).get("call") or {}
    state = _STATES.get(str(call.get("state")), "ENDED" if call else "IDLE")
    return {
        "active": state == "ACTIVE",
        "state": state,
        "call_id": call.get("call_id"),
        "user_id": call.get("number"),
        "duration": float(call.get("duration_s") or 0.0),
        "webrtc_state": None,
    }


async def _call_speak(old: Old) -> dict[str, Any]:
    await old.modern("call.speak", text=old.need("text"))
    return {"status": "speaking", "audio_path": None}


async def _call_play(old: Old) -> dict[str, Any]:
    await old.modern("call.play", **await _sound(old))
    return {"status": "playing"}


async def _call_accept(old: Old) -> dict[str, Any]:
    try:
        await old.modern("call.accept")
        note = "answered"
    except (NotFound, NotNow):  # the old method never failed: its calls were answered before it was asked
        note = "nothing to answer"
    return {"status": "auto-answered", "note": note}


METHODS: dict[str, Callable[[Old], Awaitable[dict[str, Any]]]] = {
    "transcribe": _transcribe,
    "synthesize": _synthesize,
    "language.get": _language_get,
    "language.set": _language_set,
    "status": _status,
    "health": _health,
    "call.start": _call_start,
    "call.hangup": _call_hangup,
    "call.reject": _call_hangup,
    "call.status": _call_status,
    "call.speak": _call_speak,
    "call.play": _call_play,
    "call.accept": _call_accept,
}

_ERROR_IN_RESULT = frozenset(METHODS) - {"status", "health", "call.status", "call.accept"}
"""Where the old service said `{"error": …}` in a successful reply (wire-formats §6.2)."""


@dataclass(frozen=True, slots=True)
class LegacyAnswerer:
    """Answers as the old service did, by the methods of today."""

    methods: Registry
    socket: str
    files: SpokenFiles

    async def answer(self, wanted: Wanted, request: Request) -> bytes | None:
        """Always a reply. Raises nothing but CancelledError."""
        adapter = METHODS.get(wanted.method)
        if adapter is None:
            return unknown_method(wanted.id)
        try:
            return result_reply(
                wanted.id, await adapter(Old(self.methods, request, wanted.params, self.socket, self.files))
            )
        except MissingParam as problem:
            return _failure(wanted.id, str(problem), "invalid_params")
        except PublicError as problem:
            if wanted.method in _ERROR_IN_RESULT and problem.code != INTERNAL_ERROR:
                return result_reply(wanted.id, {"error": problem.message})
            return _failure(wanted.id, problem.message, problem.kind)
        except Exception:  # the outermost guard of a request
            log.exception("method failed", method=wanted.method, legacy=True)
            return _failure(wanted.id, PublicError.summary, PublicError.kind)


def _failure(identity: RequestId, message: str, kind: str) -> bytes:
    return error_reply(identity, LEGACY_ERROR, message, {"kind": kind})
