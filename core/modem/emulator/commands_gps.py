"""GPS, as far as a daemon's first steps go. spec/sim7600 §1.10."""

import time
from typing import TYPE_CHECKING

from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.handler import Handler, number
from core.modem.emulator.reply import OK, AtError, Reply, info

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem


def _cgps(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(f"+CGPS: {int(modem.gps.on)},1")
    if command.kind is Kind.TEST:
        return info("+CGPS: (0-1),(1-3)")
    wanted = number(command.params()[0], 0, 1) == 1
    if wanted == modem.gps.on or (wanted and time.monotonic() < modem.gps.ready_s):
        raise AtError
    if wanted:
        modem.gps.start()
        return OK
    modem.gps.stop()
    return Reply(after=lambda: modem.later(modem.gps.stop_s, lambda: modem.urc("+CGPS: 0"), "gps"))


def _cgpsinfo(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return info("+CGPSINFO: (0-255)")
    return info(f"+CGPSINFO: {modem.gps.position()}")


COMMANDS: dict[str, Handler] = {
    "+CGPS": _cgps,
    "+CGPSINFO": _cgpsinfo,
}
