"""What a line knows of its modem, SIM and network: asked at bring-up and every poll_s, kept fresh by URCs."""

from collections.abc import Callable
from dataclasses import dataclass

from core.errors import ModemBusy
from core.line import LineEvent, LineSignal
from core.modem import lines_network as lines
from core.modem.at import Command, Reply, Urc
from core.modem.lines_error import error_of
from core.modem.port import AtPort, AtTimeout

HYSTERESIS_DB = 5
"""Two steps of +CSQ and a bit: a signal that flickers by one step is no news."""

SIM_ABSENT = "ABSENT"
_SIM_ERRORS = {10: SIM_ABSENT, 11: "SIM PIN", 12: "SIM PUK", 13: "FAILURE", 14: "BUSY", 15: "WRONG"}
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


class StatusWatch:
    """`on_sim` is called when the SIM's state changes. Raises PortLost only."""

    def __init__(self, port: AtPort, emit: Callable[[LineEvent], None], on_sim: Callable[[], None]) -> None:
        self.facts = Facts()
        self._port = port
        self._emit = emit
        self._on_sim = on_sim
        self._said_dbm: int | None = None
        self._said = False
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
        """Everything that changes by itself."""
        await self.ask_sim()
        for question in ("AT+CSQ", "AT+CREG?", "AT+CEREG?", "AT+COPS?"):
            reply = await self._ask(question)
            for line in reply.lines if reply else ():
                self._take(line, answer=True)

    def on_urc(self, urc: Urc) -> None:
        if urc.text.startswith("+CPIN:"):
            self.facts.imsi = self.facts.iccid = None  # it may be another one: asked again with the next poll
            self._set_sim(lines.cpin(urc.text))
        else:
            self._take(urc.text, answer=False)

    async def _identify_sim(self) -> None:
        if (reply := await self._ask("AT+CIMI")) is not None and reply.lines:
            self.facts.imsi = lines.digits(reply.lines[0])
        if (reply := await self._ask("AT+CICCID", ("+ICCID:",))) is not None and reply.lines:
            self.facts.iccid = lines.iccid(reply.lines[0])

    async def _ask(self, question: str, prefixes: tuple[str, ...] | None = None) -> Reply | None:
        """None when no answer came; the next poll asks again."""
        try:
            return await self._port.send(Command(question, prefixes=prefixes))
        except (AtTimeout, ModemBusy):
            return None

    def _take(self, line: str, *, answer: bool) -> None:
        if (signal := lines.csq(line)) is not None:
            self._set_signal(signal[0])
        elif (operator := lines.cops(line)) is not None:
            self.facts.operator = operator.name
        else:
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

    def _set_signal(self, rssi_dbm: int | None) -> None:
        self.facts.rssi_dbm = rssi_dbm
        said = self._said_dbm
        if self._said and (rssi_dbm == said or (rssi_dbm and said and abs(rssi_dbm - said) < HYSTERESIS_DB)):
            return
        self._said, self._said_dbm = True, rssi_dbm
        self._emit(LineSignal(rssi_dbm))
