"""Events of the daemon to files and handlers. An event is acknowledged when its file is on the disk, not before."""

import logging
import secrets
import string
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dialtone
from clients.spool.desk import Desk
from clients.spool.incoming import call_file, received_file, report_file
from clients.spool.sender import Sender
from clients.spool.voice import VoiceCalls

TOPICS = (
    "sms.received", "sms.status", "sms.report", "call.connected", "call.ended", "call.missed", "alarm.raised",
)  # fmt: skip
RANDOM_CHARACTERS = string.ascii_letters + string.digits
NAME_TRIES = 100
PAGE = 50

SEVERITY_DIGIT = {"critical": 2, "error": 3, "warning": 4, "notice": 5, "info": 6}
"""Levels of syslog, as alarmlevel and the alarmhandler's fourth argument count them."""

_log = logging.getLogger("dialtone.spool")


class ScopeMissing(Exception):
    """The daemon hides what must stand in the files."""


class Receiver:
    """One reader of events, in order."""

    def __init__(self, desk: Desk, sender: Sender, calls: VoiceCalls) -> None:
        self._desk = desk
        self._sender = sender
        self._calls = calls

    async def run(self) -> None:
        """Until cancelled. ScopeMissing."""
        async for event in self._desk.phone.events():
            await self._take(event)

    async def _take(self, event: dialtone.Event) -> None:
        params = event.params
        if params.get("redacted") and event.name.startswith("sms."):
            raise ScopeMissing(f"{event.name} came without {', '.join(params['redacted'])}")
        match event.name:
            case "sms.received":
                await self._received(params)
            case "sms.status":
                await self._sender.settled(params)
            case "sms.report":
                await self._reported(params)
            case "call.missed":
                await self._missed(params)
            case "call.connected" | "call.ended":
                self._calls.happened(event)
            case "alarm.raised":
                await self._alarm(event)
            case "events.lagged":
                await self._catch_up(params)

    async def _received(self, params: dict[str, Any]) -> None:
        key = f"in:{params['message_id']}:{','.join(map(str, params.get('missing') or ()))}"
        if self._desk.ledger.is_placed(key):
            return
        info = await self._info(params["message_id"])
        device = await self._desk.device(params.get("line"))
        content = received_file(params, device, self._desk.settings, (info or {}).get("smsc"))
        await self._place(key, content, self._desk.folders["incoming"], device.name, "RECEIVED")

    async def _reported(self, params: dict[str, Any]) -> None:
        """Reports on messages that came out of a file here. One delivery of a message in parts is one report."""
        message_id = params.get("message_id")
        number = self._desk.ledger.number_of(message_id) if message_id else None
        if number is None:
            return
        info = await self._info(message_id) or {}
        if params["outcome"] == "delivered" and info.get("parts", 1) > 1:
            if info.get("state") != "delivered":
                return
            key = f"report:{message_id}:delivered"
        else:
            key = f"report:{message_id}:{params.get('part')}:{params['status']}:{params['at']}"
        device = await self._desk.device(params.get("line"))
        content = report_file(params, device, self._desk.settings, info.get("smsc"), number, info.get("sent_at"))
        await self._place(key, content, self._desk.folders["report"], device.name, "REPORT")

    async def _missed(self, params: dict[str, Any]) -> None:
        if not self._desk.settings.missed_calls:
            return
        device = await self._desk.device(params.get("line"))
        content = call_file(params, device, self._desk.settings)
        await self._place(
            f"call:{params.get('call_id')}", content, self._desk.folders["phonecalls"], device.name, "CALL"
        )

    async def _alarm(self, event: dialtone.Event) -> None:
        params, settings = event.params, self._desk.settings
        digit = SEVERITY_DIGIT.get(str(params.get("severity")), 4)
        if not self._desk.handlers.has("alarm") or digit > settings.alarmlevel:
            return
        at = datetime.fromisoformat(event.at or datetime.now(UTC).isoformat()).astimezone()
        who = settings.device_of(event.line) if event.line else "SMSD"
        text = str(params.get("text") or params["alarm"])
        argv = ("ALARM", f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}", str(digit), who, text)
        await self._desk.insist("state", lambda: self._desk.ledger.queue_handler("alarm", argv, f"alarm:{event.seq}"))
        self._desk.handlers.due.set()

    async def _catch_up(self, params: dict[str, Any]) -> None:
        """Events are gone from the daemon's journal: what came in meanwhile is read from its messages."""
        if params.get("cause") != "expired":
            return  # they come again
        _log.warning("events were missed; the daemon's messages are read instead")
        self._sender.ask_again()
        before: str | None = None
        page: list[dict[str, Any]] = []
        while True:
            where = {"before": before} if before else {}
            found = await self._desk.phone.call_with("sms.list", {"direction": "in", "limit": PAGE, **where})
            new = [message for message in found["messages"] if not self._known(message)]
            page += new
            before = found.get("next")
            if before is None or len(new) < len(found["messages"]):
                break
        for message in reversed(page):
            await self._received(message | {"at": message["created_at"]})

    def _known(self, message: dict[str, Any]) -> bool:
        missing = ",".join(map(str, message.get("missing") or ()))
        return self._desk.ledger.is_placed(f"in:{message['message_id']}:{missing}")

    async def _info(self, message_id: str | None) -> dict[str, Any] | None:
        """What the daemon knows of a message beyond its event; None where it can't be had."""
        try:
            found: dict[str, Any] = await self._desk.phone.call("sms.get", message_id=message_id)
        except dialtone.DialtoneError as problem:
            _log.info("no details of a message: %s", problem)
            return None
        return found

    async def _place(self, key: str, content: bytes, folder: Path, device: str, kind: str) -> None:
        def place() -> None:
            target = self._free_target(folder, device)
            self._desk.placer.place(key, content, target, argv=self._desk.argv(kind, target))

        await self._desk.insist(kind.lower(), place)
        self._desk.handlers.due.set()

    def _free_target(self, folder: Path, device: str) -> Path:
        """<device>.XXXXXX as mkstemp makes it, with the date where configured."""
        for _ in range(NAME_TRIES):
            target = folder / ".".join(self._name_parts(device))
            if not target.exists():
                return target
        raise FileExistsError(f"{folder}: no free name")

    def _name_parts(self, device: str) -> Iterable[str]:
        settings = self._desk.settings
        random = "".join(secrets.choice(RANDOM_CHARACTERS) for _ in range(6))
        date = datetime.now().astimezone().strftime(settings.date_filename_format)
        match settings.date_filename:
            case 1:
                return date, device, random
            case 2:
                return device, date, random
            case _:
                return device, random
