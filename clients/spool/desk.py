"""What sender and receiver share: directories, the ledger, placing files, and saying so when the disk refuses."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import dialtone
from clients.spool.handlers import Handlers
from clients.spool.incoming import Device
from clients.spool.ledger import Ledger
from clients.spool.placer import Placer
from clients.spool.settings import Settings

DISK_RETRY_S = 5.0
ALARM = "spool_failed"
DISK_ERRORS = (OSError, sqlite3.Error)

_log = logging.getLogger("dialtone.spool")
_T = TypeVar("_T")


class Desk:
    """One spool. phone is connected."""

    def __init__(
        self, phone: dialtone.Phone, settings: Settings, ledger: Ledger, placer: Placer, handlers: Handlers
    ) -> None:
        self.phone = phone
        self.settings = settings
        self.folders = settings.folders()
        self.ledger = ledger
        self.placer = placer
        self.handlers = handlers
        self._troubles: dict[str, str] = {}
        self._lines: dict[str, dict[str, Any]] = {}

    async def insist(self, what: str, action: Callable[[], _T]) -> _T:
        """Does what the disk must do, until it does: nothing is acknowledged before."""
        while True:
            try:
                done = action()
            except DISK_ERRORS as problem:
                await self.tell(what, str(problem))
                await asyncio.sleep(DISK_RETRY_S)
            else:
                await self.tell(what, None)
                return done

    async def tell(self, what: str, trouble: str | None) -> None:
        """Reports trouble as this client's state and alarm, or that it is over; each once."""
        if trouble == self._troubles.get(what):
            return
        if trouble is None:
            del self._troubles[what]
            _log.info("%s: works again", what)
        else:
            self._troubles[what] = trouble
            _log.error("%s: %s", what, trouble)
        text = "; ".join(f"{name}: {problem}" for name, problem in self._troubles.items())
        alarms = [{"alarm": ALARM, "severity": "error", "text": text}] if text else []
        try:
            await self.phone.report_state("error" if text else "ready", text or None, alarms=alarms)
        except dialtone.DialtoneError as problem:
            _log.info("the state could not be reported: %s", problem)

    def argv(self, kind: str, file: Path, number: int | None = None) -> tuple[str, ...]:
        """Arguments of the event handler; empty where there is none."""
        if not self.handlers.has("event"):
            return ()
        return (kind, str(file)) if number is None else (kind, str(file), str(number))

    async def device(self, line: str | None) -> Device:
        """What files say of a line."""
        name = self.settings.device_of(line)
        if line is not None and line not in self._lines:
            await self._ask_lines()
        known = self._lines.get(line or "", {})
        return Device(name, known.get("imsi"), known.get("imei"))

    async def _ask_lines(self) -> None:
        try:
            status = await self.phone.status()
        except dialtone.DialtoneError:
            return
        self._lines = {str(line["name"]): dict(line) for line in status["lines"]}
