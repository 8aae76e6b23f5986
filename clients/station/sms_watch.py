"""dialtone sms watch: messages as they come and go, in the form of the old sms_watch.sh."""

import asyncio
from datetime import datetime
from typing import Any

import dialtone
from clients.cli.events import as_json
from clients.cli.output import on_terminal, show
from dialtone.event import Event

TOPICS = ("sms.received", "sms.status", "sms.report")
SHORT_CHARS = 100
RED, GREEN, YELLOW, CYAN, BLUE, RESET = "31", "32", "33", "36", "34", "0"
QUIET = ("queued", "sending")
"""On the way to something that will be told."""

SIGNS = {
    "queued": ("↓ QUEUED for", BLUE),
    "sending": ("… SENDING to", BLUE),
    "sent": ("→ OUT to", GREEN),
    "delivered": ("✓ DELIVERED to", GREEN),
    "failed": ("✗ FAILED to", RED),
    "expired": ("✗ EXPIRED to", RED),
    "cancelled": ("✗ CANCELLED to", YELLOW),
    "unknown": ("? UNKNOWN to", YELLOW),
}

Json = dict[str, Any]


def watch(socket: str | None, *, json_lines: bool, count: int | None) -> None:
    """Prints until Ctrl-C, or `count` lines."""
    asyncio.run(_watch(socket, json_lines, count))


async def _watch(socket: str | None, json_lines: bool, count: int | None) -> None:
    async with dialtone.connect(socket, name="cli-sms-watch", topics=list(TOPICS)) as phone:
        if not json_lines:
            print("SMS Activity Monitor", flush=True)
        left = count
        async for event in phone.events():
            line = as_json(event) if json_lines else as_text(event, await _words(phone, event), colour=on_terminal())
            print(line, flush=True)
            if left is not None and (left := left - 1) == 0:
                return


async def _words(phone: dialtone.Phone, event: Event) -> str | None:
    """What a message of ours says; an event about it has no text."""
    if event.name != "sms.status" or event.params.get("state") in QUIET:
        return None
    try:
        found: Json = await phone.call("sms.get", message_id=event.params["message_id"])
    except dialtone.DialtoneError:
        return None  # without it, then
    text = found.get("text")
    return text if isinstance(text, str) else None


def as_text(event: Event, words: str | None, *, colour: bool) -> str:
    """[time] sign number: what. words: of a message of ours."""
    params, clock = event.params, _clock(event.at)
    number = _tinted(show(params.get("number")), CYAN, colour)
    match event.name:
        case "sms.received":
            said = "(data)" if params.get("text") is None else _short(params["text"])
            return f"[{clock}] ← IN  from {number}: {said}{' (parts are missing)' if params.get('incomplete') else ''}"
        case "sms.status":
            sign, tint = SIGNS.get(str(params.get("state")), (f"{show(params.get('state'))} to", YELLOW))
            why = ", ".join(show(params[name]) for name in ("reason", "network_text") if params.get(name))
            line = f"[{clock}] {_tinted(sign, tint, colour)} {number} (UID: {show(params.get('message_id'))})"
            return line + (f' "{_short(words)}"' if words else "") + (f" - {_tinted(why, RED, colour)}" if why else "")
        case "sms.report":
            told = f"{show(params.get('outcome'))}, {show(params.get('status_text'))}"
            return f"[{clock}] ↙ REPORT of {number} (UID: {show(params.get('message_id'))}): {told}"
        case _:
            return f"[{clock}] ! some messages were not seen; `dialtone sms list` has them all"


def _clock(at: str | None) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%H:%M:%S") if at else "--:--:--"


def _short(text: str) -> str:
    line = show(" ".join(text.split()))
    return line if len(line) <= SHORT_CHARS else f"{line[:SHORT_CHARS]}…"


def _tinted(text: str, tint: str, colour: bool) -> str:
    return f"\x1b[{tint}m{text}\x1b[{RESET}m" if colour else text
