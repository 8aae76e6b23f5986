"""What the answers of a modem make of a LineReport. Pure: lines in, report out."""

from collections.abc import Iterable
from datetime import datetime

from core.line import LineReport, PacketContext
from core.modem import lines_cell, lines_network, lines_report, lines_sim
from core.modem.lines_cell import Cell
from core.modem.lines_network import Registration
from core.modem.lines_report import ContextDefinition


class ReportBuilder:
    """`take` each information line of each answer, in any order; lines that mean nothing here are passed over."""

    def __init__(self) -> None:
        self.cell: Cell | None = None
        self.technology: str | None = None
        self.mcc_mnc: str | None = None
        self.clock: datetime | None = None
        self._domains: dict[str, Registration] = {}
        self._contexts: dict[int, ContextDefinition] = {}
        self._active: dict[int, bool] = {}
        self._addresses: dict[int, str | None] = {}
        self._volte_allowed: bool | None = None
        self._voltage_v: float | None = None
        self._temperature_c: float | None = None
        self._pin_tries: int | None = None
        self._composition: str | None = None

    @property
    def active_cids(self) -> list[int]:
        """For AT+CGPADDR."""
        return sorted(cid for cid, active in self._active.items() if active)

    def take(self, lines: Iterable[str]) -> None:
        for line in lines:
            if not self._take_network(line) and not self._take_packet(line):
                self._take_module(line)

    def build(self, heard: datetime | None = None) -> LineReport:
        """heard: the network's time as it was told unasked, where the modem has no clock of its own."""
        cell = self.cell or Cell(None)
        place = next((self._domains[name] for name in ("+CEREG", "+CREG", "+CGREG") if self._placed(name)), None)
        time = self.clock or heard
        return LineReport(
            rsrp_dbm=cell.rsrp_dbm,
            rsrq_db=cell.rsrq_db,
            sinr_db=cell.sinr_db,
            creg=self._state("+CREG"),
            cgreg=self._state("+CGREG"),
            cereg=self._state("+CEREG"),
            mcc_mnc=cell.mcc_mnc or self.mcc_mnc,
            access_technology=self.technology or cell.technology,
            band=cell.band,
            area=cell.area or (_short(place.area) if place else None),
            cell=cell.cell or (_short(place.cell) if place else None),
            contexts=self._packet_contexts(),
            volte=self._volte(),
            voltage_v=self._voltage_v,
            temperature_c=self._temperature_c,
            network_time=time.isoformat() if time is not None else None,
            pin_tries_left=self._pin_tries,
            composition=self._composition,
        )

    def _take_network(self, line: str) -> bool:
        if (cell := lines_cell.cell(line)) is not None:
            self.cell = lines_cell.merged(self.cell, cell)
        elif line.startswith("+CNSMOD:"):
            self.technology = lines_network.cnsmod(line)
        elif (found := lines_network.registration_answer(line)) is not None:
            self._domains[found.domain] = found
        elif (number := lines_report.cops_number(line)) is not None:
            self.mcc_mnc = number
        elif line.startswith("+CCLK:"):
            self.clock = lines_report.cclk(line)
        else:
            return False
        return True

    def _take_packet(self, line: str) -> bool:
        if (context := lines_report.cgdcont(line)) is not None:
            self._contexts[context.cid] = context
        elif (active := lines_report.cgact(line)) is not None:
            self._active[active[0]] = active[1]
        elif (address := lines_report.cgpaddr(line)) is not None:
            self._addresses[address[0]] = address[1]
        else:
            return False
        return True

    def _take_module(self, line: str) -> None:
        if (volts := lines_report.supply(line)) is not None:
            self._voltage_v = volts
        elif (degrees := lines_report.temperature(line)) is not None:
            self._temperature_c = degrees
        elif (tries := lines_sim.pin_tries(line)) is not None:
            self._pin_tries = tries.pin
        elif (allowed := lines_report.cevolte(line)) is not None:
            self._volte_allowed = allowed
        elif (composition := lines_report.cusbpidswitch(line)) is not None:
            self._composition = composition

    def _placed(self, name: str) -> bool:
        return name in self._domains and self._domains[name].cell is not None

    def _state(self, name: str) -> str | None:
        return self._domains[name].text if name in self._domains else None

    def _packet_contexts(self) -> tuple[PacketContext, ...]:
        return tuple(
            PacketContext(cid, one.kind, one.apn, self._active.get(cid, False), self._addresses.get(cid))
            for cid, one in sorted(self._contexts.items())
        )

    def _volte(self) -> bool | None:
        """The sign of it: an active context of the IMS, on LTE (reference §2.3). None where the modem doesn't say."""
        technology = self.technology or (self.cell.technology if self.cell is not None else None)
        if self._volte_allowed is False or technology not in (None, "lte"):
            return False
        if technology is None or not self._contexts or not self._active:
            return None
        return any(self._active.get(cid, False) and is_ims(one.apn) for cid, one in self._contexts.items())


def is_ims(apn: str) -> bool:
    """Whether an access point name is that of a network's IMS: "ims", "IMS", "ims.bite.lt"."""
    return apn.lower().partition(".")[0] == "ims"


def _short(text: str | None) -> str | None:
    return f"{int(text, 16):X}" if text else None
