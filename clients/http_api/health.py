"""GET /v1/health/live and /v1/health/ready, for whatever watches over services. They need no token and tell nothing."""

import asyncio

from aiohttp import web

import dialtone
from clients.http_api.site import Site

ASK_S = 3.0


def routes(site: Site) -> list[web.RouteDef]:
    async def live(request: web.Request) -> web.Response:
        """200 as long as this service answers at all."""
        return web.json_response({"status": "ok"})

    async def ready(request: web.Request) -> web.Response:
        """200 where calls can be taken: the core answers and has a line that is ready. 503 otherwise."""
        try:
            async with asyncio.timeout(ASK_S):
                phone = await site.links.phone(frozenset({"observe"}))
                status = str((await phone.call("health"))["status"])
        except (dialtone.DialtoneError, TimeoutError):
            status = "core_unreachable"
        return web.json_response({"status": status}, status=200 if status in ("ok", "degraded") else 503)

    return [web.get("/v1/health/live", live), web.get("/v1/health/ready", ready)]
