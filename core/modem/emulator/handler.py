"""What a command handler is, and the forms that many commands share."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.options import SimState
from core.modem.emulator.reply import OK, AtError, CmsError, Reply, info

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

_SMS_REFUSALS = {
    SimState.ABSENT: 310, SimState.PIN: 311, SimState.FAILURE: 313, SimState.BUSY: 314, SimState.PUK: 316,
}  # fmt: skip

Handler = Callable[["Modem", AtPort, Command], Reply | Awaitable[Reply]]


def fixed(*lines: str) -> Handler:
    """Always the same information; `=?` answers OK."""
    return lambda _modem, _port, command: OK if command.kind is Kind.TEST else info(*lines)


def accepted(_modem: "Modem", _port: AtPort, _command: Command) -> Reply:
    """OK, and nothing else happens."""
    return OK


def switch(name: str, read: Callable[[AtPort], int], write: Callable[[AtPort, int], None], top: int = 1) -> Handler:
    """A number from 0 to `top` that each port keeps for itself. Further parameters are let pass."""

    def handle(_modem: "Modem", port: AtPort, command: Command) -> Reply:
        if command.kind is Kind.READ:
            return info(f"{name}: {read(port)}")
        if command.kind is Kind.TEST:
            return info(f"{name}: (0-{top})")
        value = int(command.params()[0]) if command.kind is Kind.SET else top
        if not 0 <= value <= top:
            raise AtError
        write(port, value)
        return OK

    return handle


def number(text: str, low: int, high: int) -> int:
    """A parameter in that range; AtError otherwise."""
    value = int(text) if text.isascii() and text.isdigit() else low - 1
    if not low <= value <= high:
        raise AtError
    return value


def need_sms(modem: "Modem") -> None:
    """CMS 310 to 316 while the card isn't ready and unlocked (TS 27.005 §3.2.5)."""
    if modem.sim_state is not SimState.READY:
        raise CmsError(_SMS_REFUSALS[modem.sim_state])
