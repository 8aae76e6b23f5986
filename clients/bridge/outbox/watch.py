"""Looks after the outbox: what others changed in it, digests that are due, and what the daemon is to know of it."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import dialtone
from clients.bridge.outbox.box import Outbox
from clients.bridge.outbox.room import Full
from clients.bridge.outbox.sender import Sender
from clients.bridge.outbox.store import Store

LOOK_S = 1.0
FULL_SHARE, ROOM_SHARE = 0.9, 0.8
"""From where on the outbox counts as nearly full, and from where on no longer."""
DROPPED_FOR = timedelta(hours=24)
"""How long an alarm tells that something was dropped or missed."""

Due = Callable[[Store, str], list[str]]
"""Something that may be due: makes rows in a transaction of its own, and gives their queues. str: the station id."""

_log = logging.getLogger("dialtone.bridge")


@dataclass(slots=True)
class Picture:
    """The state of the outbox as far as the daemon is told of it."""

    state: str = "online"
    alarms: list[dict[str, str]] = field(default_factory=list)


class Watch:
    def __init__(self, phone: dialtone.Phone, outbox: Outbox, senders: Sequence[Sender], due: Sequence[Due]) -> None:
        self._phone = phone
        self._outbox = outbox
        self._senders = senders
        self._due = due
        self._version: int | None = None
        self._nearly_full = False
        self._told: Picture | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._look()
            except (sqlite3.Error, Full) as problem:  # whoever writes there says so as well, and tries again
                _log.debug("the outbox was not looked after: %s", problem)
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        version = await self._outbox.do(Store.data_version)
        if version != self._version:
            self._version = version
            self._outbox.wake_all()
        for due in self._due:
            for queue in await self._outbox.do(due, self._outbox.station_id):
                self._outbox.wake(queue)
        picture = await self._picture()
        if picture != self._told:
            with suppress(dialtone.ConnectionLost):  # kept: it is said on the next connection
                await self._report(picture)
            self._told = picture

    async def _report(self, picture: Picture) -> None:
        try:
            await self._phone.report_state(picture.state, alarms=picture.alarms)
        except (dialtone.RpcError, dialtone.RequestTimeout) as problem:
            _log.warning("the daemon was not told of the outbox: %s", problem)

    async def _picture(self) -> Picture:
        """No figures in it: each change is a fact of its own."""
        rows, size = await self._outbox.do(Store.totals)
        share = max(rows / self._outbox.bounds.max_rows, size / self._outbox.bounds.max_bytes)
        self._nearly_full = share >= (ROOM_SHARE if self._nearly_full else FULL_SHARE)
        alarms = [_alarm(*what) for what in await self._alarms()]
        return Picture("behind" if any(sender.is_failing for sender in self._senders) else "online", alarms)

    async def _alarms(self) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        if self._outbox.has_trouble("disk"):
            found.append(("outbox_failed", "error", "The outbox of the bridge can't be written."))
        if self._nearly_full or self._outbox.has_trouble("full"):
            found.append(("outbox_full", "warning", "The outbox of the bridge is full or nearly so."))
        if await self._outbox.do(Store.has_dead):
            found.append(("outbox_dead", "warning", "Deliveries were given up: dialtone bridge outbox list --dead"))
        since = datetime.now(UTC) - DROPPED_FOR
        lost = {what for _, what, _, at in await self._outbox.do(Store.counts) if datetime.fromisoformat(at) > since}
        if "dropped" in lost:
            found.append(("outbox_dropped", "error", "The outbox was full and rows were dropped: outbox stats"))
        if "missed" in lost:
            found.append(("outbox_missed", "error", "The bridge was away for longer than the journal reaches back."))
        return found


def _alarm(name: str, severity: str, text: str) -> dict[str, Any]:
    return {"alarm": name, "severity": severity, "text": text}
