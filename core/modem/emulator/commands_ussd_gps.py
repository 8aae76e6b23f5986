"""USSD and GPS, as far as a daemon's first steps go. spec/sim7600 §1.10."""

import time
from typing import TYPE_CHECKING

from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.commands_sim import need_ready
from core.modem.emulator.handler import Handler, number
from core.modem.emulator.reply import OK, AtError, CmeError, Reply, info

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

_USSD_S = 0.5
"""On air 5 to 20 s with a fall-back to 2G or 3G."""
_GPS_STOP_S = 0.5
_GPS_RESTART_S = 2.0
"""After AT+CGPS=0 a restart is refused for 2 to 30 s (manual V3.00)."""


def _cusd(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(f"+CUSD: {modem.ussd_mode}")
    if command.kind is Kind.TEST:
        return info("+CUSD: (0-2)")
    params = command.params()
    modem.ussd_mode = number(params[0], 0, 2) % 2
    if len(params) < 2:
        return OK
    need_ready(modem)
    if modem.registration != 1:
        raise CmeError(30)
    return Reply(after=lambda: modem.later(_USSD_S, lambda: _answer_ussd(modem, params[1]), "ussd"))


def _answer_ussd(modem: "Modem", code: str) -> None:
    """The seam for USSD sessions: one table of codes, one answer each."""
    ucs2 = modem.settings["+CSCS"] == "UCS2"
    if ucs2:
        try:
            code = bytes.fromhex(code).decode("utf-16-be")
        except ValueError:
            code = ""
    text = modem.ussd_answers.get(code)
    if text is None:
        modem.urc("+CUSD: 4")
        return
    shown = text.encode("utf-16-be").hex().upper() if ucs2 else text
    modem.urc(f'+CUSD: 0,"{shown}",{72 if ucs2 else 15}')


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
    modem.gps.stop(_GPS_RESTART_S)
    return Reply(after=lambda: modem.later(_GPS_STOP_S, lambda: modem.urc("+CGPS: 0"), "gps"))


def _cgpsinfo(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return info("+CGPSINFO: (0-255)")
    return info(f"+CGPSINFO: {modem.gps.position()}")


COMMANDS: dict[str, Handler] = {
    "+CUSD": _cusd,
    "+CGPS": _cgps,
    "+CGPSINFO": _cgpsinfo,
}
