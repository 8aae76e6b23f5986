"""What the parts of the HTTP service share: the core's connections, the settings, callers and problems."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from clients.http_api.auth import Caller, Tokens
from clients.http_api.limits import RateLimit
from clients.http_api.links import Links
from clients.http_api.settings import ScopeName, Settings
from clients.http_api.spoken import Spoken

if TYPE_CHECKING:
    from clients.http_api.actions import Action

log = logging.getLogger("dialtone.http")

CALLER = web.RequestKey("caller", Caller)


class Problem(Exception):
    """An answer with an HTTP status that says what is wrong. code is a stable word."""

    def __init__(self, status: int, kind: str, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.status, self.kind, self.text, self.retry_after_s = status, kind, text, retry_after_s

    def response(self) -> web.Response:
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, round(self.retry_after_s)))
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="dialtone"'
        return web.json_response(
            {"error": {"kind": self.kind, "message": self.text}}, status=self.status, headers=headers
        )


@dataclass(slots=True)
class Site:
    """One running service. tasks: what goes on behind a request; none of it may raise. streams: open event streams.
    running: monitoring actions in the background."""

    settings: Settings
    tokens: Tokens
    links: Links
    rate: RateLimit
    tasks: asyncio.TaskGroup
    streams: int = 0
    spoken: Spoken = field(default_factory=Spoken)
    running: "set[Action]" = field(default_factory=set)
    seen: dict[tuple[str, int], int] = field(default_factory=dict)


def caller_of(request: web.Request) -> Caller:
    """Whom the middleware let in."""
    return request[CALLER]


def need(request: web.Request, scope: ScopeName) -> Caller:
    """Problem 403 where the caller lacks the scope. admin holds all, calls and messages hold observe."""
    caller = caller_of(request)
    held = caller.scopes
    if scope in held or "admin" in held or (scope == "observe" and held):
        return caller
    raise Problem(403, "forbidden", f"This needs the scope {scope}.")
