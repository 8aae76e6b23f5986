"""One systemd unit over D-Bus: restarted, and what it is doing (org.freedesktop.systemd1(5))."""

import asyncio
from contextlib import suppress

from core.net.bus_session import BusSession
from core.net.bus_values import BusFailed
from core.net.system_bus import BusSignal, Match, SystemBus

RESTART_S = 30.0
"""wg-quick takes 1 s; one whose peer's name can't be looked up tries for a minute, and is then no longer waited for."""

_SHORT_S = 5.0
_NAME = "org.freedesktop.systemd1"
_PATH = "/org/freedesktop/systemd1"
_MANAGER = f"{_NAME}.Manager"


class UnitFailed(Exception):
    """text: for people and logs. elsewhere: systemd is not there, or does not do it for us; another way may do."""

    def __init__(self, text: str, *, elsewhere: bool) -> None:
        super().__init__(text)
        self.text = text
        self.elsewhere = elsewhere


class SystemdUnit:
    """unit: "wg-quick@wg0.service". The bus must be running meanwhile (SystemBus.run)."""

    def __init__(self, bus: SystemBus, unit: str) -> None:
        self._bus = bus
        self._unit = unit

    async def restart(self, timeout_s: float = RESTART_S) -> None:
        """Returns when it has been restarted. UnitFailed."""
        results: dict[str, str] = {}  # of jobs of this unit that ended meanwhile
        heard = asyncio.Event()

        def hear(signal: BusSignal) -> None:
            match signal.args:
                case (int(), str(job), str(unit), str(result)) if unit == self._unit:
                    results[job] = result
                    heard.set()

        # Listening comes first: the job may have ended before we are told its name.
        unsubscribe = self._bus.subscribe(Match(_NAME, _MANAGER, "JobRemoved", _PATH), hear)
        try:
            async with asyncio.timeout(timeout_s):
                job = await self._begin()
                while job not in results:
                    heard.clear()
                    await heard.wait()
        except TimeoutError:
            raise UnitFailed(f"{self._unit} was not restarted within {timeout_s:g} s", elsewhere=False) from None
        finally:
            unsubscribe()
        if results[job] != "done":
            raise UnitFailed(f"systemd could not restart {self._unit}: {results[job]}", elsewhere=False)

    async def active_state(self) -> str:
        """active, inactive, failed, activating … UnitFailed."""

        def ask(bus: BusSession) -> str:
            (path,) = bus.call(_NAME, _PATH, _MANAGER, "LoadUnit", "(s)", self._unit)
            return bus.properties(_NAME, path, f"{_NAME}.Unit").text("ActiveState")

        try:
            return await self._bus.do(ask, _SHORT_S)
        except BusFailed as failed:
            raise _unit_failed(failed, f"what {self._unit} is doing") from None

    async def _begin(self) -> str:
        """The object path of the job."""

        def ask(bus: BusSession) -> str:
            with suppress(BusFailed):  # already subscribed; systemd tells the one who asked for a job in any case
                bus.call(_NAME, _PATH, _MANAGER, "Subscribe")
            (job,) = bus.call(_NAME, _PATH, _MANAGER, "RestartUnit", "(ss)", self._unit, "replace")
            return str(job)

        try:
            return await self._bus.do(ask, _SHORT_S)
        except BusFailed as failed:
            raise _unit_failed(failed, f"a restart of {self._unit}") from None


def _unit_failed(failed: BusFailed, wanted: str) -> UnitFailed:
    """A call that nobody answered may yet be carried out; everything else was not."""
    text = failed.text or failed.name
    return UnitFailed(f"systemd was asked for {wanted}: {text}", elsewhere=failed.name != BusFailed.TIMEOUT)
