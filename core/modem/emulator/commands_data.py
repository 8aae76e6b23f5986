"""Packet data on an AT port, for PPP. SIM7600 AT manual V3.00 (ATD*99#, ATO, +CGDATA); TS 27.007 §10.2.1, §10.1.12."""

import re
from typing import TYPE_CHECKING

from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.data_call import DataCall
from core.modem.emulator.handler import Handler, number
from core.modem.emulator.reply import AtError, Reply, info

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

_CONNECT = "CONNECT 115200"
_PACKET = re.compile(r"[TtPp]?\*(?:98|99)(?:\*\*\*(\d{1,2}))?#")


def dial_packet(modem: "Modem", port: AtPort, dialled: str) -> Reply:
    """ATD*99# and ATD*99***<cid>#; another number is a circuit-switched data call, which this network refuses."""
    found = _PACKET.fullmatch(dialled)
    return _connect(modem, port, int(found[1] or 1)) if found is not None else Reply(final="NO CARRIER")


def hang_up(port: AtPort) -> bool:
    """ATH in the middle of a data call that waits for ATO. Whether there was one."""
    call, port.data = port.data, None
    if call is not None:
        call.end()
    return call is not None


def _connect(modem: "Modem", port: AtPort, cid: int) -> Reply:
    if modem.registration != 1:
        return Reply(final="NO CARRIER")
    if cid not in modem.contexts:
        raise AtError
    if any(one.data is not None for one in modem.at.values()):
        return Reply(final="NO CARRIER")  # one at a time
    call = DataCall(modem.data, port.send, port.escaped, modem.loop)
    port.data = call
    modem.active_contexts.add(cid)
    return Reply(final=_CONNECT, after=call.connect)


def _cgdata(modem: "Modem", port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return info('+CGDATA: ("PPP")')
    params = command.params() if command.kind is Kind.SET else []
    if params and params[0] not in ("", "PPP"):
        raise AtError
    return _connect(modem, port, number(params[1] if len(params) > 1 else "1", 1, 24))


def _online_again(_modem: "Modem", port: AtPort, _command: Command) -> Reply:
    call = port.data
    return Reply(final="NO CARRIER") if call is None else Reply(final=_CONNECT, after=call.connect)


def drop_data(modem: "Modem") -> None:
    """The network has ended it: NO CARRIER on the port that carried it."""
    for port in modem.at.values():
        call, port.data = port.data, None
        if call is not None:
            online = call.online
            call.end()
            if online:
                port.send(b"\r\nNO CARRIER\r\n")


COMMANDS: dict[str, Handler] = {"+CGDATA": _cgdata, "O": _online_again}
