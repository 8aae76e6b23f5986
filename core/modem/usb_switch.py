"""Brings a SIMCom modem back from another USB composition, once, by AT+CUSBPIDSWITCH (AT manual V3.00)."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.log import Log
from core.modem.at import Command
from core.modem.port import AtPort
from core.modem.port_errors import AtTimeout, PortLost, PortTaken
from core.modem.usb import UsbModem
from core.modem.usb_choice import switch_ports
from core.modem.usb_holder import PortHeld, held
from core.modem.usb_lock import locked
from core.modem.usb_roles import SWITCH_TO_9001

AGAIN_S = 300.0
"""The module writes it to its flash and restarts: one that comes back as it was must not be sent round in circles."""

RETRY_S = 30.0
"""When no port took the command, because somebody had it or nothing answered."""

_SWITCH = Command(SWITCH_TO_9001, 9.0)


@dataclass(frozen=True, slots=True)
class _Try:
    """What became of one port. sent: the command went out, so that it may have been obeyed."""

    text: str
    sent: bool = False


class Switcher:
    """Of one line. Remembers what it sent to which USB path."""

    def __init__(self, baud: int = 115200) -> None:
        self._baud = baud
        self._sent: dict[str, tuple[float, str]] = {}
        self._log = Log("modem.usb")

    async def switch(self, modem: UsbModem, tell: Callable[[str], None]) -> float:
        """Sends the command unless it went to that path within AGAIN_S. `tell` gets what it is doing and what came of
        it. Seconds until it is worth another call; the modem itself comes back earlier, as another device."""
        sent_s, outcome = self._sent.get(modem.path, (None, ""))
        left_s = 0.0 if sent_s is None else sent_s + AGAIN_S - time.monotonic()
        if left_s > 0:
            tell(f"{modem.explain()} {outcome}")
            return left_s
        tell(f"{modem.explain()} Dialtone is switching it now.")
        tries: list[_Try] = []
        for path in switch_ports(modem):
            self._log.info("composition switch begins", usb_path=modem.path, product=modem.product, port=path)
            tries.append(await self._try(path))
            if tries[-1].sent:
                break
        outcome = " ".join(one.text for one in tries)
        sent = bool(tries) and tries[-1].sent
        if sent:
            self._sent[modem.path] = (time.monotonic(), outcome)
        self._log.info("composition switch", usb_path=modem.path, outcome=outcome)
        tell(f"{modem.explain()} {outcome}")
        return AGAIN_S if sent else RETRY_S

    async def _try(self, path: str) -> _Try:
        port = AtPort(os.path.basename(path), path, baud=self._baud)
        try:
            with locked([path]):
                try:
                    await port.open()
                    return await self._ask(port)
                finally:
                    await port.close()
        except PortHeld as problem:
            return _Try(str(problem))
        except PortTaken:
            return _Try(str(await asyncio.to_thread(held, path)))
        except PortLost as problem:
            return _Try(f"{problem}.")

    async def _ask(self, port: AtPort) -> _Try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(_until_lost(port), name=f"modem.switch.{port.name}")
            try:
                return await _exchange(port)
            finally:
                running.cancel()


async def _exchange(port: AtPort) -> _Try:
    """Raises nothing of the port's: a group would wrap it."""
    told = f"{SWITCH_TO_9001} went to port {port.name}"
    try:
        await port.send(Command("AT"))  # goes out once the port has synchronised
    except (AtTimeout, PortLost):
        return _Try(f"Port {port.name} did not answer AT.")
    try:
        reply = await port.send(_SWITCH)
    except (AtTimeout, PortLost):
        return _Try(f"{told} and got no answer; waiting for the modem to come back as 1e0e:9001.", True)
    if reply.ok:
        return _Try(f"{told}: it restarts; waiting for it to come back as 1e0e:9001.", True)
    return _Try(f"{told}: it refused ({reply.final}); the next try is in {AGAIN_S / 60:.0f} minutes.", True)


async def _until_lost(port: AtPort) -> None:
    """The port's task; whoever waits for an answer is told of the loss, and that is enough."""
    try:
        await port.run()
    except PortLost:
        return
