"""The HTTP service put together: who comes in, how much, and what they get when something is wrong."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

import dialtone
from clients.http_api import health, legacy_phone, legacy_sms, metrics, monitor, openapi, rpc, sse
from clients.http_api.auth import Refused, identify
from clients.http_api.settings import Listen
from clients.http_api.site import CALLER, Problem, Site, log

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OPEN_PATHS = ("/v1/health/live", "/v1/health/ready")
STREAMS = ("/v1/events",)
"""Without an end of their own, so without a time limit."""
SPARE_S = 10.0
"""What a command that runs for a request gets beyond its own deadline, before the request has none left."""


def build(site: Site, listen: Listen) -> web.Application:
    """The application of one address."""
    middlewares = (_guard(site, listen), _failures())
    app = web.Application(client_max_size=site.settings.limits.max_body_bytes, middlewares=middlewares)
    if "modern" in listen.serves:
        for part in (rpc, sse, health, metrics):
            app.add_routes(part.routes(site))
        app.add_routes(openapi.routes(site, _old_paths(site)))
    if "phone" in listen.serves:
        app.add_routes(legacy_phone.routes(site))
        app.add_routes(legacy_sms.routes(site))
    if "monitor" in listen.serves:
        app.add_routes(monitor.routes(site))
    return app


def _old_paths(site: Site) -> openapi.PathItems:
    """Of the old APIs, where any address of this service serves them."""
    served = {side for listen in site.settings.listen for side in listen.serves}
    return {
        **(legacy_phone.PATHS | legacy_sms.PATHS if "phone" in served else {}),
        **(monitor.PATHS if "monitor" in served else {}),
    }


def _guard(site: Site, listen: Listen) -> "web.middlewares._Middleware":  # type: ignore[name-defined]
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Token, rate and time of every request; counts it by route, never by path."""
        status = 500
        try:
            if request.path not in OPEN_PATHS:
                _let_in(site, listen, request)
            limit_s = _limit_s(site, request)
            async with asyncio.timeout(limit_s):
                answer = await handler(request)
            status = answer.status
            return answer
        except Problem as problem:
            status = problem.status
            return problem.response()
        except TimeoutError:
            status = 504
            return Problem(504, "timeout", f"No answer within {limit_s:g} s.").response()
        finally:
            resource = request.match_info.route.resource
            key = (resource.canonical if resource is not None else "none", status)
            site.seen[key] = site.seen.get(key, 0) + 1

    return guard


def _limit_s(site: Site, request: web.Request) -> float | None:
    if request.path in STREAMS:
        return None
    if request.path.startswith("/monitor/"):
        return site.settings.monitor.timeout_s + SPARE_S
    return site.settings.limits.request_timeout_s


def _let_in(site: Site, listen: Listen, request: web.Request) -> None:
    try:
        caller = identify(request.headers.get("Authorization"), listen, site.tokens)
    except Refused as refused:
        _take(site, f"refused {request.remote}")  # guessing is slow
        raise Problem(401, "unauthorized", str(refused)) from None
    _take(site, caller.name if caller.name != "open" else f"open {request.remote}")
    request[CALLER] = caller


def _take(site: Site, caller: str) -> None:
    wait_s = site.rate.take(caller, time.monotonic())
    if wait_s > 0:
        raise Problem(429, "limit", "Too many requests.", retry_after_s=wait_s)


def _failures() -> "web.middlewares._Middleware":  # type: ignore[name-defined]
    @web.middleware
    async def failures(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whatever goes wrong becomes JSON without a traceback."""
        try:
            return await handler(request)
        except web.HTTPException as problem:
            if problem.status < 400:
                raise
            raise Problem(problem.status, _KINDS.get(problem.status, "refused"), problem.reason) from None
        except dialtone.RpcError as problem:
            after_s = problem.retry_after_s
            raise Problem(_STATUS.get(problem.kind, 400), problem.kind, problem.message, after_s) from None
        except dialtone.DialtoneError:
            raise Problem(503, "core_unreachable", "The core does not answer.", retry_after_s=2) from None
        except (Problem, TimeoutError, asyncio.CancelledError):
            raise
        except Exception:  # the outermost guard of a request: the others go on
            log.exception("a request failed: %s %s", request.method, request.match_info.route.name or request.path)
            raise Problem(500, "internal", "The service failed; its log has the reason.") from None

    return failures


_KINDS = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_STATUS = {
    "forbidden": 403,
    "not_found": 404,
    "claimed": 409,
    "not_now": 409,
    "limit": 429,
    "internal": 500,
    "modem_offline": 503,
    "modem_busy": 503,
    "timeout": 504,
}
