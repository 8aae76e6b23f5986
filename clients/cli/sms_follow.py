"""What of dialtone sms takes time: waiting for a message's fate, and following them all."""

import asyncio
from typing import Any

import dialtone
from clients.cli.events import as_json
from clients.cli.output import show
from clients.cli.sms_show import Json, in_short
from dialtone.event import Event

ARRIVED = frozenset({"sent", "delivered"})
OVER = frozenset({"delivered", "failed", "expired", "cancelled", "unknown"})
TOPICS = ("sms.received", "sms.status", "sms.report")


def send_and_wait(socket: str | None, params: Json, timeout_s: float) -> tuple[Json, bool]:
    """Sends and waits for the network's word, or with a report for the recipient's; gives the message as it is then,
    and whether it went well. After timeout_s it is given as it stands, and goes on by itself."""
    return asyncio.run(_send_and_wait(socket, params, timeout_s))


def follow(socket: str | None, as_json_lines: bool, count: int | None) -> None:
    """Prints until Ctrl-C, or `count` events."""
    asyncio.run(_follow(socket, as_json_lines, count))


async def _send_and_wait(socket: str | None, params: Json, timeout_s: float) -> tuple[Json, bool]:
    # Subscribed before it is sent, so that no change is missed; the phone reads on if the core restarts.
    async with dialtone.connect(socket, name="cli-sms", topics=["sms.status"]) as phone:
        info: Json = await phone.call_with("sms.send", params)
        if info.get("dry_run"):
            return info, True
        try:
            async with asyncio.timeout(timeout_s):
                info = await _fate(phone, info)
        except TimeoutError:
            info = await phone.call("sms.get", message_id=info["message_id"])
        return info, info["state"] in _wanted(info)


async def _fate(phone: dialtone.Phone, info: Json) -> Json:
    """The message once it is in a state that it stays in by itself."""
    if _is_over(info):
        return info
    async for event in phone.events():
        # events.lagged: the one that we wait for may be among those that are missing.
        if event.params.get("message_id") == info["message_id"] or event.name == "events.lagged":
            found: Json = await phone.call("sms.get", message_id=info["message_id"])
            if _is_over(found):
                return found
    return info


def _is_over(info: Json) -> bool:
    return info["state"] in OVER | _wanted(info)


def _wanted(info: Json) -> frozenset[str]:
    return frozenset({"delivered"}) if info.get("report") else ARRIVED


async def _follow(socket: str | None, as_json_lines: bool, count: int | None) -> None:
    async with dialtone.connect(socket, name="cli-sms", topics=list(TOPICS)) as phone:
        left = count
        async for event in phone.events():
            print(as_json(event) if as_json_lines else _line(event), flush=True)
            if left is not None and (left := left - 1) == 0:
                return


def _line(event: Event) -> str:
    """Time, id, and < for what came in, > for what became of ours."""
    params: dict[str, Any] = event.params
    head = f"{show(event.at)} {show(params.get('message_id'))}"
    number = show(params.get("number"))
    match event.name:
        case "sms.received":
            return f"{head} < {number} {show(in_short(params))}"
        case "sms.report":
            return f"{head} > {number} report: {show(params.get('outcome'))} ({show(params.get('status_text'))})"
        case "sms.status":
            why = " ".join(show(params[name]) for name in ("reason", "network_text") if params.get(name))
            return f"{head} > {number} {show(params.get('state'))}{f' ({why})' if why else ''}"
        case _:
            return as_json(event)  # events.lagged: some are missing
