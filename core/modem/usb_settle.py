"""When a device that is still appearing counts as there. Pure: told what was found and when.

A stick comes up interface by interface, tty by tty, for a second or more. What is gone is gone at once; what grows is
published when its composition is complete, when nothing was added for QUIET_S, or after MOST_S.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from core.modem.usb import UsbModem

QUIET_S = 0.3
MOST_S = 4.0
"""The old station waited 4 s after the first sign of a stick; whatever has not come by then is missing."""


@dataclass(slots=True)
class _Growing:
    modem: UsbModem
    since_s: float
    grew_s: float

    @property
    def due_s(self) -> float:
        return min(self.grew_s + QUIET_S, self.since_s + MOST_S)


class Settle:
    """`see` after each scan; `devices` is what to publish; `due_s` when to scan again even if nothing is heard."""

    def __init__(self) -> None:
        self._settled: dict[str, UsbModem] = {}
        self._growing: dict[str, _Growing] = {}

    @property
    def devices(self) -> tuple[UsbModem, ...]:
        return tuple(self._settled.values())

    @property
    def due_s(self) -> float | None:
        """On the clock of `see`."""
        return min((growing.due_s for growing in self._growing.values()), default=None)

    def see(self, found: Iterable[UsbModem], now_s: float) -> None:
        here = {modem.path: modem for modem in found}
        for path in [path for path in self._settled if not _still(self._settled[path], here.get(path))]:
            del self._settled[path]
        for path in self._growing.keys() - here.keys():
            del self._growing[path]
        for modem in here.values():
            self._see_one(modem, now_s)

    def _see_one(self, modem: UsbModem, now_s: float) -> None:
        settled = self._settled.get(modem.path)
        if settled == modem:
            self._growing.pop(modem.path, None)
            return
        if settled is not None and _lost_something(settled, modem):
            self._settled[modem.path] = modem  # at once: somebody may be using what is gone
            self._growing.pop(modem.path, None)
            return
        growing = self._growing.get(modem.path)
        if growing is None or not growing.modem.same_plug(modem):
            growing = self._growing[modem.path] = _Growing(modem, now_s, now_s)
        elif growing.modem != modem:
            growing.modem, growing.grew_s = modem, now_s
        first_complete = modem.complete and not (settled is not None and settled.complete)
        if first_complete or now_s >= growing.due_s:
            self._settled[modem.path] = modem
            del self._growing[modem.path]


def _still(settled: UsbModem, now: UsbModem | None) -> bool:
    return now is not None and settled.same_plug(now)


def _lost_something(old: UsbModem, new: UsbModem) -> bool:
    moved = any(new.ports.get(number) != tty for number, tty in old.ports.items())
    return moved or (old.net is not None and new.net != old.net) or (old.qmi is not None and new.qmi != old.qmi)
