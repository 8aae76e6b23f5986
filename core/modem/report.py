"""Everything that the modem says of itself when it is asked: for modem.status, a page of diagnostics, a bug report.

Short questions only, one after the other, each behind whatever else waits for the port: a report delays a hang-up by
one of them at most. What this firmware answers with ERROR is asked once a life of the modem.
"""

import asyncio
import time

from core.errors import ModemBusy
from core.line import LineReport
from core.log import Log
from core.modem.at import Command, Reply
from core.modem.lines_error import not_known
from core.modem.port import AtPort, AtTimeout
from core.modem.report_builder import ReportBuilder
from core.modem.status import StatusWatch

CACHE_S = 2.0
"""Several who ask at once get the same report."""

BUDGET_S = 8.0
"""For a whole report, without the gaps between commands that a weak hub needs; then what is known by then is told.
A healthy modem takes less than one second."""

ANSWER_S = 3.0
"""For one answer. All of these are read from the module itself, none from the network."""

_NUMERIC_OPERATOR = Command("AT+COPS=3,2;+COPS?;+COPS=3,0", ANSWER_S, prefixes=("+COPS:",))
"""One line, so that no other question meets the other format."""


class Reporter:
    """One life's. `report` raises PortLost, AtTimeout when no question was answered in time, and ModemBusy."""

    def __init__(self, ports: tuple[AtPort, ...], status: StatusWatch, questions: tuple[str, ...]) -> None:
        """ports: the one for messages first, then the one that calls are steered by."""
        self._ports = ports
        self._status = status
        self._questions = questions
        self._unknown: set[str] = set()
        self._unknown_with: str | None = None  # the SIM's state that they were unknown with
        self._one_at_a_time = asyncio.Lock()
        self._made: tuple[float, LineReport] | None = None
        self._log = Log("modem.report")

    async def report(self, *, gap_s: float = 0.0) -> LineReport:
        """gap_s: least time between two commands."""
        async with self._one_at_a_time:
            if self._made is not None and time.monotonic() - self._made[0] < CACHE_S:
                return self._made[1]
            self._forget_unknown()
            builder = ReportBuilder()
            answered = await self._fill(builder, BUDGET_S + gap_s * (len(self._questions) + 2))
            if not answered:
                raise AtTimeout("no answer to any question")
            made = builder.build(self._status.time.now)
            self._made = time.monotonic(), made
            return made

    async def _fill(self, builder: ReportBuilder, budget_s: float) -> int:
        """How many questions were answered."""
        answered = 0
        try:
            async with asyncio.timeout(budget_s):
                for question in self._questions:
                    answered += await self._ask(Command(question, ANSWER_S), builder)
                if cids := builder.active_cids:
                    text = f"AT+CGPADDR={','.join(map(str, cids))}"
                    answered += await self._ask(Command(text, ANSWER_S, prefixes=("+CGPADDR:",)), builder)
                if builder.cell is None or builder.cell.mcc_mnc is None:
                    answered += await self._ask(_NUMERIC_OPERATOR, builder, undo="AT+COPS=3,0")
        except TimeoutError:
            self._log.warning("the modem's report is not whole: it took too long", answered=answered)
        return answered

    async def _ask(self, command: Command, builder: ReportBuilder, undo: str | None = None) -> bool:
        if command.text in self._unknown:
            return False
        try:
            reply = await self._port.send(command)
        except AtTimeout:
            return False
        if reply.ok:
            builder.take(reply.lines)
        else:
            await self._refused(command, reply, undo)
        return True

    async def _refused(self, command: Command, reply: Reply, undo: str | None) -> None:
        if not_known(reply.final):
            self._unknown.add(command.text)
        if undo is not None:  # a line ends at its first error: what would have put things back was not read
            try:
                await self._port.send(Command(undo, ANSWER_S))
            except (AtTimeout, ModemBusy):
                self._log.warning("the operator's name may be told as a number for a while")

    def _forget_unknown(self) -> None:
        """Without its SIM a modem refuses what it knows, too."""
        if self._unknown_with != self._status.facts.sim:
            self._unknown_with = self._status.facts.sim
            self._unknown.clear()

    @property
    def _port(self) -> AtPort:
        """Not one that has something long in flight, as long as there is another."""
        return next((port for port in self._ports if not port.tied_up), self._ports[0])
