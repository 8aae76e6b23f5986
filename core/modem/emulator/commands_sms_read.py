"""AT+CMGL, CMGR, CMGRD and CMGD: what is in the memory that AT+CPMS named first. TS 27.005 §3.4, §4; spec §4."""

from typing import TYPE_CHECKING

from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.handler import Handler, need_sms, number
from core.modem.emulator.reply import OK, CmsError, Reply, info
from core.modem.emulator.sms_store import Message, Status, real
from core.modem.emulator.sms_text import STATUS_NAMES, listed, shown

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

_BY_NAME = {name: status for status, name in STATUS_NAMES.items()}


def _cmgl(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        names = ",".join(f'"{name}"' for name in _BY_NAME)
        return info("+CMGL: (0-4)" if modem.settings["+CMGF"] == "0" else f"+CMGL: ({names})")
    need_sms(modem)
    wanted = _wanted_status(modem, command)
    lines: list[str] = []
    for index, message in sorted(modem.sms.at(modem.sms.read).items()):
        if wanted in (Status.ALL, message.status):
            lines += listed(modem, index, message)
            if message.status is Status.UNREAD:
                message.status = Status.READ
    return info(*lines)


def _wanted_status(modem: "Modem", command: Command) -> int:
    text = command.params()[0].upper() if command.kind is Kind.SET else ""
    if modem.settings["+CMGF"] == "0":
        return number(text or "0", 0, 4)
    if text and text not in _BY_NAME:
        raise CmsError(305)
    return _BY_NAME[text or "REC UNREAD"]


def _message(modem: "Modem", command: Command) -> tuple[int, Message]:
    need_sms(modem)
    index = number(command.params()[0] if command.kind is Kind.SET else "", 0, 255)
    message = modem.sms.at(modem.sms.read).get(index)
    if message is None:
        raise CmsError(321)
    return index, message


def _cmgr(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    _index, message = _message(modem, command)
    lines = shown(modem, message)
    if message.status is Status.UNREAD:
        message.status = Status.READ
    return info(*lines)


def _cmgrd(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """Read and delete in one, SIMCom's own."""
    if command.kind is Kind.TEST:
        return OK
    index, message = _message(modem, command)
    lines = (
        tuple(line.replace("+CMGR:", "+CMGRD:", 1) for line in shown(modem, message)[:1]) + shown(modem, message)[1:]
    )
    modem.sms.delete(index, 0)
    return Reply(lines, after=modem.arrivals.room_made)


def _cmgd(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """AT+CMGD=<i>[,<flag>]; the manual's AT+CMGD=,4 as well."""
    if command.kind is Kind.TEST:
        indices = ",".join(map(str, sorted(modem.sms.at(modem.sms.read))))
        return info(f"+CMGD: ({indices}),(0-4)")
    need_sms(modem)
    params = command.params()
    flag = number(params[1], 0, 4) if len(params) > 1 else 0
    index = number(params[0] or "0", 0, 255)
    if flag == 0 and index >= modem.sms.capacity[real(modem.sms.read)]:
        raise CmsError(321)
    modem.sms.delete(index, flag)
    return Reply(after=modem.arrivals.room_made)


COMMANDS: dict[str, Handler] = {
    "+CMGL": _cmgl,
    "+CMGR": _cmgr,
    "+CMGRD": _cmgrd,
    "+CMGD": _cmgd,
}
