"""What the rungs of the recovery ladder do to the modem of one line, through its session or its bare ports.

Each rung says in words why it could not be done; none waits for ever.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from core.config import LineConfig
from core.errors import ModemBusy
from core.modem.at import Command
from core.modem.port import AtPort, AtTimeout
from core.modem.recovery import Rung
from core.modem.rungs import NoUsbReset, UsbReset, ask_alone, run_power_command
from core.modem.session import PortPaths, Session

AT = Command("AT", 2.0)
RADIO_OFF = Command("AT+CFUN=0", 15.0)
RADIO_ON = Command("AT+CFUN=1", 30.0)
USB_RESET_S = 30.0
RETURNS_S = 90.0
"""After a USB reset or a power cycle ports that go do so because of it."""


class Treatment:
    """One line's. `ports` is held by whoever has the line's ports open: a life of it, or a rung between two."""

    def __init__(
        self,
        name: str,
        config: LineConfig,
        reset: Command,
        *,
        radio_pause_s: float,
        fall_s: float,
        usb_reset: UsbReset | None = None,
        usb_path: Callable[[], str | None] = lambda: None,
    ) -> None:
        """reset: the command that restarts the modem. radio_pause_s: between CFUN=0 and CFUN=1. fall_s: from OK to
        `reset` until the ports go. usb_path: where it is, or was, on the USB."""
        self.ports = asyncio.Lock()
        self.session: Session | None = None
        self.life = 0
        self._name = name
        self._config = config
        self._reset = reset
        self._radio_pause_s = radio_pause_s
        self._fall_s = fall_s
        self._usb_reset = usb_reset or NoUsbReset()
        self._usb_path = usb_path
        self._paths: PortPaths | None = None
        self._alone: str | None = None
        self._over = asyncio.Event()
        self._over.set()
        self._fall_expected_s = float("-inf")

    # --- lives -----------------------------------------------------------------------------------------------------

    def usable(self, paths: PortPaths) -> PortPaths:
        """The ports that the next life is made of: with one AT port silent, it is the other one alone."""
        self._paths = paths
        if self._alone not in (paths.at, paths.voice) or paths.at == paths.voice:
            self._alone = None
            return paths
        return replace(paths, at=self._alone, voice=self._alone)

    @property
    def alone(self) -> bool:
        """Whether this life has one of its two AT ports."""
        return self._alone is not None

    def began(self, session: Session) -> None:
        self.session = session
        self.life += 1
        self._over.clear()

    def ended(self, *, fell: bool) -> bool:
        """fell: the ports went away. Whether that was our own doing."""
        self.session = None
        self._over.set()
        if fell:
            self._alone = None
        return fell and time.monotonic() < self._fall_expected_s

    # --- rungs -----------------------------------------------------------------------------------------------------

    def barred(self) -> dict[Rung, str]:
        """Rungs that can't be taken here, and why."""
        barred = {}
        if (why := self._usb_reset.barred()) is not None:
            barred[Rung.USB_RESET] = why
        elif self._usb_path() is None:
            barred[Rung.USB_RESET] = "its ports are given by name, not by USB"
        if not self._config.power_command:
            barred[Rung.POWER] = "no power_command is configured"
        return barred

    async def carry_out(self, rung: Rung) -> str | None:
        """None, or why it could not be done."""
        match rung:
            case Rung.OTHER_PORT:
                return await self._other_port()
            case Rung.RADIO:
                return await self._radio()
            case Rung.RESET:
                return await self._restart()
            case Rung.USB_RESET:
                return await self._reset_usb()
            case Rung.POWER:
                self._expect_fall(RETURNS_S)
                return await run_power_command(self._config.power_command, self._name)
        return None  # RESYNC: the next life opens the ports anew and sends AT until OK

    async def order_reset(self, session: Session) -> str | None:
        """The modem takes the command to restart, or why not. PortLost when it went at once."""
        self._expect_fall(self._fall_s + self._reset.timeout_s)
        for port in _free_first(session):
            try:
                reply = await port.send(self._reset, urgent=True)
            except AtTimeout:
                continue
            return None if reply.ok else "the modem refused to restart"
        return "no port took the command to restart"

    # --- inside ----------------------------------------------------------------------------------------------------

    async def _other_port(self) -> str | None:
        """Asks both: a word on one has woken the other (field report). One that answers alone is gone on with."""
        paths = self._paths
        if paths is None or paths.at == paths.voice:
            return "there is no other port"
        async with self.ports:
            answering = [path for path in (paths.voice, paths.at) if await ask_alone(path, self._config.baud, AT)]
        if not answering:
            return "the other port answers nothing either"
        self._alone = answering[0] if len(answering) == 1 else None
        return None

    async def _radio(self) -> str | None:
        session = self.session
        if session is None:
            return "no port answers"
        if not await _ask(session, RADIO_OFF):
            return "the modem refused to switch its radio off"
        await asyncio.sleep(self._radio_pause_s)
        return None if await _ask(session, RADIO_ON) else "the modem refused to switch its radio on again"

    async def _restart(self) -> str | None:
        session = self.session
        if session is None or not session.serving:
            async with self.ports:
                return await self._order_reset_alone()
        if (why := await self.order_reset(session)) is not None:
            return why
        try:
            async with asyncio.timeout(self._fall_s):
                await self._over.wait()
        except TimeoutError:
            return "the modem took the command and did not restart"
        return None

    async def _order_reset_alone(self) -> str | None:
        paths = self._paths
        if paths is not None:
            self._expect_fall(self._fall_s + self._reset.timeout_s)
            for path in dict.fromkeys((paths.voice, paths.at)):
                if await ask_alone(path, self._config.baud, self._reset):
                    return None
        return "no port took the command to restart"

    async def _reset_usb(self) -> str | None:
        usb_path = self._usb_path()
        if usb_path is None:
            return "it is not known where on the USB it is"
        self._expect_fall(RETURNS_S)
        try:
            async with asyncio.timeout(USB_RESET_S):
                await self._usb_reset.reset(usb_path)
        except TimeoutError:
            return f"the USB reset took longer than {USB_RESET_S:.0f} s"
        except OSError as problem:
            return f"the USB reset failed: {problem.strerror or problem}"
        return None

    def _expect_fall(self, within_s: float) -> None:
        self._fall_expected_s = time.monotonic() + within_s


async def _ask(session: Session, command: Command) -> bool:
    """On the first port that answers in time. PortLost."""
    for port in _free_first(session):
        with suppress(AtTimeout, ModemBusy):
            reply = await port.send(command)
            return reply.ok
    return False


def _free_first(session: Session) -> list[AtPort]:
    """Ports that don't wait for the network's slow answers, or for one that never comes, before those that do."""
    return sorted((port for port in session.ports if not port.deaf), key=lambda port: port.tied_up)
