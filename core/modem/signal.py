"""Strength, quality and technology of the radio link, and when a change of them is news. Pure."""

from dataclasses import replace

from core.line import LineSignal
from core.modem.lines_cell import Cell

HYSTERESIS_DB = {"rssi_dbm": 5.0, "rsrp_dbm": 5.0, "rsrq_db": 3.0, "sinr_db": 5.0}
"""rssi: two steps of +CSQ and a bit. The others flicker as much on a stick that lies still; rsrq has a small range."""

_FAMILIES = {"gprs": "gsm", "edge": "gsm", "hsdpa": "wcdma", "hsupa": "wcdma", "hspa": "wcdma"}


class SignalState:
    """Fed with what the modem says; `now` is the last of each, `news` what differs enough from what was told."""

    def __init__(self) -> None:
        self.now = LineSignal(None)
        self._told: LineSignal | None = None

    def strength(self, rssi_dbm: int | None) -> None:
        """From +CSQ."""
        self.now = replace(self.now, rssi_dbm=rssi_dbm)

    def cell(self, cell: Cell) -> None:
        """From +CPSI, which knows less of the technology than +CNSMOD: wcdma where that says hspa."""
        known = self.now.access_technology
        same = cell.technology is not None and _FAMILIES.get(known or "", known) == cell.technology
        self.now = replace(
            self.now,
            rsrp_dbm=cell.rsrp_dbm,
            rsrq_db=cell.rsrq_db,
            sinr_db=cell.sinr_db,
            access_technology=known if same else cell.technology,
        )

    def access(self, technology: str | None) -> None:
        """From +CNSMOD. What only LTE has is gone with it."""
        self.now = LineSignal(self.now.rssi_dbm, access_technology=technology) if technology != "lte" else self.now
        self.now = replace(self.now, access_technology=technology)

    def news(self) -> LineSignal | None:
        """What is worth telling now; it then counts as told. A value that came or went is always worth it."""
        told, now = self._told, self.now
        if told is not None and told.access_technology == now.access_technology:
            pairs = [(getattr(told, name), getattr(now, name), step) for name, step in HYSTERESIS_DB.items()]
            if not any(_differs(before, after, step) for before, after, step in pairs):
                return None
        self._told = now
        return now


def _differs(before: float | None, after: float | None, step: float) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) >= step
