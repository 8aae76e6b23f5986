"""The modem service: what lines say of themselves goes to the journal, clients' wishes about modems to their lines."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from core.clock import rfc3339
from core.config import Config
from core.errors import Forbidden, PublicError
from core.events import LocationFix, ModemLost, ModemRecovery, ModemSignal, ModemState
from core.gpsd import GpsdServer
from core.line import Line, LineFix, LineModemEvent, LineRecovery, LineSignal, LineState, LineStatus
from core.lines import line_named
from core.log import Log
from core.modem_reports import DatedReport, ReportBook
from core.registry import ClientRegistry
from core.store import journal
from core.store.store import Store, Tx

log = Log("modems")


class ModemService:
    """`line_fact` is fed by whoever reads the line; the rest are wishes of clients."""

    def __init__(self, config: Config, store: Store, lines: Mapping[str, Line], clients: ClientRegistry) -> None:
        self.lines: Mapping[str, Line] = dict(lines)
        self._config = config
        self._store = store
        self._clients = clients
        self._called: set[str] = set()
        """Lines for which a person is called now."""
        self._reports = ReportBook()
        self._gpsd = {
            name: GpsdServer(name, port, partial(_location, line))
            for name, line in self.lines.items()
            if (port := config.line[name].gpsd_port) is not None
        }

    async def run(self) -> None:
        """Serves gpsd's clients, for the lines that have a gpsd_port. Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, server in self._gpsd.items():
                tasks.create_task(self._serve_gpsd(name, server), name=f"gpsd.{name}")

    async def _serve_gpsd(self, name: str, server: GpsdServer) -> None:
        async def trouble(reason: str | None) -> None:
            try:
                await self._clients.core_alarm(f"gpsd.{name}", reason)
            except PublicError as problem:
                log.error("an alarm was not written", line=name, kind=problem.kind)

        await server.run(trouble)

    def line_named(self, name: str | None) -> Line:
        """The line of that name, or the default one. NotFound."""
        return line_named(self.lines, self._config.call.default_line, name)

    async def line_fact(self, line: Line, happened: LineModemEvent) -> None:
        """Journals or publishes it. Never raises for a failed disk: the next fact is as important."""
        try:
            match happened:
                case LineStatus():
                    await self._status(line, happened)
                case LineSignal():
                    self._store.bus.moment(signal_event(line.name, happened))
                case LineRecovery():
                    await self._recovery(line, happened)
                case LineFix():
                    self._store.bus.moment(fix_event(line.name, happened))
                    if line.name in self._gpsd:
                        self._gpsd[line.name].tell(happened)
        except PublicError as problem:
            log.error("a fact of a line was not written", line=line.name, kind=problem.kind)

    async def _status(self, line: Line, status: LineStatus) -> None:
        self._reports.forget(line.name)

        def work(tx: Tx) -> None:
            tx.fact(ModemState(line=line.name, state=status.state, reason=status.reason))
            if status.lost:
                tx.fact(ModemLost(line=line.name, reason=status.reason))

        await self._store.write(work)
        if status.state is LineState.READY and line.name not in self._called:  # an alarm of an earlier run
            await self._clients.core_alarm(f"modem_human.{line.name}", None)

    async def _recovery(self, line: Line, happened: LineRecovery) -> None:
        event = ModemRecovery(
            line=line.name, rung=happened.rung, state=happened.state, reason=happened.reason,
            attempt=happened.attempt, duration_s=happened.duration_s,
        )  # fmt: skip
        await self._store.write(lambda tx: tx.fact(event))
        if happened.rung == "human" and happened.state == "succeeded":
            self._called.discard(line.name)
            await self._clients.core_alarm(f"modem_human.{line.name}", None)
        elif happened.rung == "human":
            self._called.add(line.name)
            await self._clients.core_alarm(f"modem_human.{line.name}", happened.reason, "error")

    async def report(self, name: str | None, *, fresh: bool = False) -> DatedReport | None:
        """What the modem of a line says of itself; see ReportBook.report. NotFound besides."""
        return await self._reports.report(self.line_named(name), fresh=fresh)

    async def history(self, name: str | None, limit: int) -> list[dict[str, Any]]:
        """The newest facts about modems, newest first: what went wrong, what was done about it, for how long."""
        wanted = self.line_named(name).name if name is not None else None
        return await self._store.read(lambda connection: journal.modem_history(connection, wanted, limit))

    async def raw_at(self, name: str | None, command: str, timeout_s: float) -> tuple[str, ...]:
        """For admins of a line with raw_at set. Forbidden otherwise."""
        line = self.line_named(name)
        if not self._config.line[line.name].raw_at:
            raise Forbidden(f"Raw AT is off. Set raw_at = true in [line.{line.name}] of core.toml.")
        return await line.raw_at(command, timeout_s=timeout_s)


def signal_event(line: str, signal: LineSignal) -> ModemSignal:
    return ModemSignal(
        line=line, rssi_dbm=signal.rssi_dbm, rsrp_dbm=signal.rsrp_dbm, rsrq_db=signal.rsrq_db, sinr_db=signal.sinr_db,
        access_technology=signal.access_technology,
    )  # fmt: skip


def _location(line: Line) -> LineFix | None:
    return line.location


def fix_event(line: str, fix: LineFix) -> LocationFix:
    return LocationFix(
        line=line, latitude=fix.latitude, longitude=fix.longitude, altitude_m=fix.altitude_m,
        speed_mps=fix.speed_mps, course_deg=fix.course_deg, satellites=fix.satellites, hdop=fix.hdop,
        fixed_at=rfc3339(fix.fixed_unix_s) if fix.fixed_unix_s is not None else None,
    )  # fmt: skip
