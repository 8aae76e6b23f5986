"""AT+CUSD. TS 27.007 §7.15; spec/sim7600 §1.10."""

from typing import TYPE_CHECKING

from core.modem.emulator import ussd
from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.commands_sim import need_ready
from core.modem.emulator.handler import Handler, number
from core.modem.emulator.reply import OK, AtError, CmeError, Reply, info

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

_CANCEL = 2


def _cusd(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """The answer comes as +CUSD after the OK."""
    if command.kind is Kind.READ:
        return info(f"+CUSD: {int(modem.ussd.presented)}")
    if command.kind is Kind.TEST:
        return info("+CUSD: (0-2)")
    params = command.params() if command.kind is Kind.SET else ["1"]
    mode = number(params[0], 0, 2)
    if mode == _CANCEL:
        modem.ussd.cancel()
        return OK
    modem.ussd.presented = mode == 1
    if len(params) < 2:
        return OK
    need_ready(modem)
    if modem.registration != 1:
        raise CmeError(30)
    dcs = number(params[2], 0, 255) if len(params) > 2 and params[2] else 15
    try:
        text = ussd.read(params[1], modem.settings["+CSCS"], dcs, packed=modem.options.ussd_packed)
    except ValueError:
        raise AtError from None
    if not modem.ussd.send(text):
        raise CmeError(3)
    return OK


COMMANDS: dict[str, Handler] = {"+CUSD": _cusd}
