"""What a line knows of its modem, SIM and network: asked at bring-up and every poll_s, kept fresh by URCs."""

from collections.abc import Callable
from dataclasses import dataclass

from core.errors import ModemBusy
from core.line import LineEvent, LineSignal
from core.modem import lines_network as lines
from core.modem.at import Command, Reply, Urc
from core.modem.lines_cell import Cell, merged
from core.modem.lines_cell import cell as cell_of
from core.modem.lines_error import error_of, not_known
from core.modem.network_time import NetworkTime
from core.modem.port import AtPort, AtTimeout
from core.modem.signal import SignalState

SIM_ABSENT = "ABSENT"
_SIM_ERRORS = {10: SIM_ABSENT, 11: "SIM PIN", 12: "SIM PUK", 13: "FAILURE", 14: "BUSY", 15: "WRONG"}
ICCID = Command("AT+CICCID", prefixes=("+ICCID:",))
_IDENTITY = (("manufacturer", "AT+CGMI"), ("model", "AT+CGMM"), ("imei", "AT+CGSN"))


@dataclass(slots=True)
class Facts:
    """As in LineInfo. sim: READY, SIM PIN, ABSENT …; None before the first answer."""

    manufacturer: str | None = None
    model: str | None = None
    revision: str | None = None
    imei: str | None = None
    imsi: str | None = None
    iccid: str | None = None
    sim: str | None = None
    operator: str | None = None
    registration: str | None = None
    rssi_dbm: int | None = None
    signal: LineSignal | None = None
    cell: Cell | None = None


class StatusWatch:
    """`on_sim` is called when the SIM's state changes. Raises PortLost only."""

    def __init__(
        self,
        port: AtPort,
        emit: Callable[[LineEvent], None],
        on_sim: Callable[[], None],
        *,
        cells: tuple[str, ...] = ("AT+CPSI?",),
        iccid: Command = ICCID,
    ) -> None:
        """cells: what to ask for the serving cell; what the modem doesn't know is asked once."""
        self.facts = Facts()
        self._port = port
        self._emit = emit
        self._on_sim = on_sim
        self.time = NetworkTime()
        self._signal = SignalState()
        self._cells = cells
        self._iccid = iccid
        self._named: tuple[str | None, str | None] | None = None  # the network that the operator's name belongs to
        self._domains: dict[str, lines.Registration] = {}

    async def identify(self) -> None:
        """Who the modem is, once a life."""
        reply = await self._ask("ATI")
        for line in reply.lines if reply else ():
            if (found := lines.identity(line)) is not None:
                setattr(self.facts, *found)
        for name, question in _IDENTITY:
            if getattr(self.facts, name) is None and (reply := await self._ask(question)) and reply.ok:
                setattr(self.facts, name, reply.lines[0] if reply.lines else None)

    async def ask_sim(self) -> None:
        """AT+CPIN?, and with a ready SIM its identity."""
        reply = await self._ask("AT+CPIN?")
        if reply is None:
            return
        error = error_of(reply.final)
        if error is not None:
            self._set_sim(_SIM_ERRORS.get(error.code, "FAILURE") if error.code is not None else "FAILURE")
        for line in reply.lines:
            self._set_sim(lines.cpin(line))
        if self.facts.sim == "READY" and self.facts.imsi is None:
            await self._identify_sim()

    async def poll(self) -> None:
        """Everything that changes by itself. The operator's name only when it can be another one."""
        await self.ask_sim()
        for question in ("AT+CSQ", "AT+CREG?", "AT+CEREG?"):
            await self._poll_one(question)
        await self._poll_cell()
        network = (self.facts.registration, self.facts.cell.mcc_mnc if self.facts.cell else None)
        if self.facts.operator is None or network[1] is None or network != self._named:
            await self._poll_one("AT+COPS?")
            self._named = network
        self._tell_signal()

    async def _poll_cell(self) -> None:
        found: Cell | None = None
        for question in self._cells:
            reply = await self._ask(question)
            if reply is not None and not_known(reply.final):  # some LE20B02 firmware has no AT+CPSI (field report)
                self._cells = tuple(one for one in self._cells if one != question)
            for line in reply.lines if reply else ():
                if (part := cell_of(line)) is not None:
                    found = merged(found, part)
        if found is not None:
            self._set_cell(found)

    async def _poll_one(self, question: str) -> None:
        reply = await self._ask(question)
        for line in reply.lines if reply else ():
            self._take(line, answer=True)

    def on_urc(self, urc: Urc) -> None:
        if urc.text.startswith("+CPIN:"):
            self.facts.imsi = self.facts.iccid = None  # it may be another one: asked again with the next poll
            self._set_sim(lines.cpin(urc.text))
        else:
            self._take(urc.text, answer=False)
            if urc.text.startswith(("+CSQ:", "+CNSMOD:", "+CPSI:")):
                self._tell_signal()

    async def _identify_sim(self) -> None:
        if (reply := await self._ask("AT+CIMI")) is not None and reply.lines:
            self.facts.imsi = lines.digits(reply.lines[0])
        if (reply := await self._send(self._iccid)) is not None and reply.lines:
            self.facts.iccid = lines.iccid(reply.lines[0])

    async def _ask(self, question: str) -> Reply | None:
        return await self._send(Command(question))

    async def _send(self, command: Command) -> Reply | None:
        """None when no answer came; the next poll asks again."""
        try:
            return await self._port.send(command)
        except (AtTimeout, ModemBusy):
            return None

    def _take(self, line: str, *, answer: bool) -> None:
        if (signal := lines.csq(line)) is not None:
            self._signal.strength(signal[0])
        elif (cell := cell_of(line)) is not None:
            self._set_cell(cell)
        elif line.startswith("+CNSMOD:"):
            self._signal.access(lines.cnsmod(line))
        elif (operator := lines.cops(line)) is not None:
            self.facts.operator = operator.name
            if not self._cells:
                self._signal.access(operator.technology)
        elif not self.time.take(line):
            found = lines.registration_answer(line) if answer else lines.registration_urc(line)
            if found is not None:
                self._domains[found.domain] = found
                self.facts.registration = self._registration()

    def _registration(self) -> str | None:
        """The best of the domains: with LTE alone a phone line lives in +CEREG, in 2G and 3G in +CREG."""
        domains = [self._domains[name] for name in ("+CREG", "+CEREG", "+CGREG") if name in self._domains]
        best = next((domain for domain in domains if domain.registered), domains[0] if domains else None)
        return best.text if best is not None else None

    def _set_sim(self, state: str | None) -> None:
        if state is None or state == self.facts.sim:
            return
        if state == "NOT INSERTED":
            state = SIM_ABSENT
        if state != "READY":
            self.facts.imsi = self.facts.iccid = None
        self.facts.sim = state
        self._on_sim()

    def _set_cell(self, cell: Cell) -> None:
        self.facts.cell = cell
        self._signal.cell(cell)

    def _tell_signal(self) -> None:
        self.facts.signal = self._signal.now
        self.facts.rssi_dbm = self._signal.now.rssi_dbm
        if (news := self._signal.news()) is not None:
            self._emit(news)
