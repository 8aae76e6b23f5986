"""Bodies and answers as the clients of the old APIs know them."""

import json
from typing import Any

from aiohttp import web

Json = dict[str, Any]


async def json_object(request: web.Request) -> Json:
    """The body, whatever its Content-Type says: curl -d sends JSON as a form. ValueError for anything but an object."""
    found = json.loads((await request.read()).decode("utf-8"))
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def text_of(body: Json, *names: str) -> str:
    """The first of these fields that says something; numbers count as their digits. Else empty."""
    for name in names:
        value = body.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""


def refused(status: int, error: str) -> web.Response:
    return web.json_response({"success": False, "error": error}, status=status)
