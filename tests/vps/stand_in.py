"""All endpoints of the VPS together, and what they were asked."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from tests.vps.conversation import DEFAULT, Conversation, Mode, Turn
from tests.vps.endpoint import Endpoint, Request
from tests.vps.formats import transcribe_violations, violations

Json = dict[str, Any]
CONFIG: Json = {
    "workpoint_id": 1,
    "workpoint_name": "Garage",
    "workpoint_language": "en",
    "phone_number": "+447700900000",
    "ip_address": "10.100.0.11",
    "language": "en",
    "tts_model": None,
    "tts_access_link": "",
    "tts_secret_key": None,
    "stt_model": None,
    "welcome_message": "Hello, this is the garage.",
    "answer_after_rings": 1,
    "voice_settings": {},
    "vad_threshold": 0.4,
    "silence_timeout": 800,
    "audio_format": "Raw8Khz16BitMonoPcm",
    "buffer_size": 1000,
    "is_active": 1,
    "updated_at": "2026-02-02 04:40:00",
}
"""`data` of the voice configuration, with every field that the shipped script sends."""
FACTS = ("phone", "sms", "notify")
"""What an outbox delivers; an Idempotency-Key stands in each."""


class Vps:
    """Made by `vps()`. config: `data` of the voice configuration, None: the VPS has none for this station."""

    def __init__(
        self,
        turns: Sequence[Turn] = DEFAULT,
        mode: Mode = Mode.PROCESSING,
        *,
        keys: bool = True,
        tell: Callable[[Request], None] = lambda request: None,
    ) -> None:
        self.conversation = Conversation(turns, mode)
        self.config: Json | None = dict(CONFIG)
        self.requests: list[Request] = []
        self._keys, self._tell = keys, tell
        self._news = asyncio.Event()
        self.transcribe = self._endpoint("transcribe", "POST", "/api/transcribe", self.conversation.answer, _transcribe)
        self.voice_config = self._endpoint(
            "voice_config", "GET", "/webhooks/get_voice_config.php", self._config, _schema("voice_config")
        )
        self.phone = self._endpoint(
            "phone", "POST", "/webhook/phone_call/receive", _taken, self._fact(_schema("phone_event"))
        )
        self.sms = self._endpoint("sms", "POST", "/webhook/sms/receive", _taken, self._fact(_schema("sms")))
        self.notify = self._endpoint("notify", "POST", "/api/send", _taken, self._fact(_schema("notification")))
        self.endpoints = (self.transcribe, self.voice_config, self.phone, self.sms, self.notify)

    def endpoint(self, name: str) -> Endpoint:
        """KeyError for a name that none has."""
        return {one.name: one for one in self.endpoints}[name]

    async def open(self, port: int = 0) -> None:
        """The endpoints listen on port, port + 1 … in the order of `endpoints`; 0: on any."""
        for at, one in enumerate(self.endpoints):
            await one.open(port + at if port else 0)

    async def close(self) -> None:
        for one in self.endpoints:
            await one.close()

    @property
    def toml(self) -> str:
        """These addresses for bridge.toml; [vps], [voice_config] and [events] stay open for more keys."""
        return f"""\
[vps]
transcribe_url = "{self.transcribe.url}"
[voice_config]
url = "{self.voice_config.url}"
[events]
url = "{self.phone.url}"
sms_url = "{self.sms.url}"
notify_url = "{self.notify.url}"
"""

    def of(self, *endpoints: str) -> list[Request]:
        return [one for one in self.requests if one.endpoint in endpoints]

    @property
    def chunks(self) -> list[Request]:
        return [one for one in self.of("transcribe") if not _is_end(one)]

    @property
    def ends(self) -> list[Request]:
        return [one for one in self.of("transcribe") if _is_end(one)]

    async def wait(
        self,
        endpoint: str,
        such: Callable[[Request], bool] = lambda request: True,
        *,
        count: int = 1,
        timeout_s: float = 20.0,
    ) -> Request:
        """The count-th such request, past or to come."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    found = [one for one in self.of(endpoint) if such(one)]
                    if len(found) >= count:
                        return found[count - 1]
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            seen = [f"{one.endpoint} {one.behaviour.kind} {one.status}" for one in self.requests]
            raise AssertionError(f"no such request to {endpoint}; there were: {seen[-40:]}") from None

    @property
    def violations(self) -> list[str]:
        return [f"{one.endpoint}: {problem}" for one in self.requests for problem in one.problems]

    def check(self) -> None:
        """AssertionError for requests that were not as documented."""
        if self.violations:
            raise AssertionError("not as documented:\n" + "\n".join(dict.fromkeys(self.violations)))

    def _endpoint(self, name: str, method: str, path: str, answer: Callable[[Any], Json], check: "_Check") -> Endpoint:
        return Endpoint(name, method, path, answer, check, self._seen, self._answered, health="/api/health")

    def _seen(self, request: Request) -> None:
        self.requests.append(request)
        self._news.set()
        self._tell(request)

    def _answered(self, _: Request) -> None:
        self._news.set()

    def _config(self, query: Json) -> Json:
        if self.config is None:
            return {"success": False, "error": "No configuration found", "data": None}
        method = "phone_number" if "phone_nr" in query else "ip_address" if "ip" in query else "default"
        data = dict(self.config)
        if query.get("include_key") != "1":
            data.pop("tts_secret_key", None)
        return {"success": True, "message": "Configuration found", "search_method": method, "data": data}

    def _fact(self, schema: "_Check") -> "_Check":
        async def check(request: Request) -> list[str]:
            found = await schema(request)
            if self._keys and not request.key:
                found.append("no Idempotency-Key")
            return found

        return check


_Check = Callable[[Request], Awaitable[list[str]]]


def described(request: Request) -> str:
    """One request, in a line, without what was said in it."""
    body = request.body if isinstance(request.body, dict) else {}
    what = {
        "transcribe": lambda: f"{'end' if _is_end(request) else 'chunk'} {body.get('chunk_number')}",
        "phone": lambda: str(body.get("event")),
        "notify": lambda: str(body.get("severity")),
    }.get(request.endpoint, lambda: "")()
    return f"{request.endpoint} {what}".strip() + f" -> {request.behaviour}"


def _schema(name: str) -> _Check:
    async def check(request: Request) -> list[str]:
        return violations(name, request.body)

    return check


async def _transcribe(request: Request) -> list[str]:
    return await asyncio.to_thread(transcribe_violations, request.body)


def _taken(_: Any) -> Json:
    return {"success": True, "status": "ok"}


def _is_end(request: Request) -> bool:
    return isinstance(request.body, dict) and request.body.get("end_sentence") is True


async def run_weather(server: Vps) -> None:
    """Outages of all endpoints, until cancelled."""
    with suppress(asyncio.CancelledError):
        async with asyncio.TaskGroup() as tasks:
            for one in server.endpoints:
                tasks.create_task(one.weather(), name=f"vps.{one.name}")
