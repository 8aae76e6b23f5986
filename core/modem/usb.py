"""The seam to USB: which modems there are, and what comes and goes. Never by ttyUSB number: that moves at a replug.

A source publishes the present state, any number of watches follow it, each at its own pace. Nothing is queued: a watch
compares what it has told with what there is, so that a slow one costs nothing and skips what is over already.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from core.modem.usb_roles import Composition, Role, composition_of, explain


@dataclass(frozen=True, slots=True)
class UsbModem:
    """One device as it was enumerated once.

    vendor, product: four hexadecimal digits, lower case. path: where it is plugged in ("1-1.4"), the same after each
    replug into the same socket; a folder source has the folder there. plug: the bus's number for this enumeration, so
    that a replug is noticed even if all names are as before. serial: sticks often share one (0123456789ABCDEF).
    ports: tty by interface number, only those that can be opened by now. drivers: kernel driver by interface number,
    none where nothing is bound. net: wwan0; qmi: /dev/cdc-wdm0.
    """

    vendor: str
    product: str
    path: str
    plug: int
    serial: str | None
    ports: Mapping[int, str]
    net: str | None = None
    qmi: str | None = None
    drivers: Mapping[int, str] | None = None

    @property
    def composition(self) -> Composition | None:
        return composition_of(self.vendor, self.product)

    @property
    def complete(self) -> bool:
        """Whether each serial interface of a known composition has its tty."""
        known = self.composition
        return known is not None and bool(known.roles) and known.serial_interfaces <= self.ports.keys()

    def port(self, role: Role) -> str | None:
        """The tty for a role; None when it isn't there (yet), or nobody knows which one it is."""
        known = self.composition
        number = known.roles.get(role) if known is not None else None
        return self.ports.get(number) if number is not None else None

    def same_plug(self, other: "UsbModem") -> bool:
        """Whether both are the same enumeration of the same device."""
        return (self.path, self.plug, self.vendor, self.product) == (
            other.path,
            other.plug,
            other.vendor,
            other.product,
        )

    def explain(self) -> str:
        """For people: where and what it is, and which ports are missing."""
        text = f"USB {self.path}: {explain(self.vendor, self.product)}"
        known = self.composition
        missing = sorted((known.serial_interfaces if known is not None else frozenset()) - self.ports.keys())
        if missing and self.drivers is not None:
            bare = [number for number in missing if number not in self.drivers]
            text += f" No serial port at interface {', '.join(map(str, missing))}"
            text += ": no kernel driver took it (modprobe option)." if bare else ": /dev has no node for it."
        return text


class UsbDoes(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class UsbChange:
    """modem: as it is now; for REMOVED, as it was told last."""

    does: UsbDoes
    modem: UsbModem


class UsbSource(Protocol):
    """Where modems come from. `run` is a task of whoever owns the source; all else is for anyone on the loop."""

    def devices(self) -> tuple[UsbModem, ...]:
        """What is there now, by path; empty until `run` has looked once."""
        ...

    def watch(self) -> "UsbWatch":
        """A place of its own in the changes; what is there already comes as ADDED."""
        ...

    async def look(self) -> None:
        """Until `run` has looked once more, from now on: for the start, and for whoever has seen a port hang up."""
        ...

    async def run(self) -> None:
        """Follows the devices until cancelled. Trouble of the host's is logged and worked around."""
        ...


class UsbBoard:
    """The present state that a source publishes, and those who wait for another one."""

    def __init__(self) -> None:
        self._devices: tuple[UsbModem, ...] = ()
        self._changed = asyncio.Event()
        self._looked = asyncio.Event()
        self.looks = 0
        """How often anything was published, be it the same as before."""

    def devices(self) -> tuple[UsbModem, ...]:
        return self._devices

    async def looked(self, times: int) -> None:
        """Until there were that many looks."""
        while self.looks < times:
            await self._looked.wait()

    def publish(self, devices: Iterable[UsbModem]) -> None:
        self.looks += 1
        self._looked.set()
        self._looked = asyncio.Event()
        found = tuple(sorted(devices, key=lambda modem: modem.path))
        if found == self._devices:
            return
        self._devices = found
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Until the next publication of something else."""
        await self._changed.wait()


class UsbWatch:
    """One reader of a board."""

    def __init__(self, board: UsbBoard) -> None:
        self._board = board
        self._told: dict[str, UsbModem] = {}

    async def next(self) -> UsbChange:
        """The next difference, what went before what came. Waits for as long as nothing changes."""
        while (change := self._difference()) is None:
            await self._board.changed()
        if change.does is UsbDoes.REMOVED:
            del self._told[change.modem.path]
        else:
            self._told[change.modem.path] = change.modem
        return change

    def _difference(self) -> UsbChange | None:
        now = {modem.path: modem for modem in self._board.devices()}
        for path, told in self._told.items():
            if path not in now or not told.same_plug(now[path]):
                return UsbChange(UsbDoes.REMOVED, told)
        for path, modem in now.items():
            if path not in self._told:
                return UsbChange(UsbDoes.ADDED, modem)
            if self._told[path] != modem:
                return UsbChange(UsbDoes.CHANGED, modem)
        return None
