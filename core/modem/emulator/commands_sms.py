"""Short messages in PDU mode, and as much of text mode as sending needs. TS 27.005 §3, §4; spec/sim7600 §4."""

from typing import TYPE_CHECKING

from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.commands_sim import need_ready
from core.modem.emulator.handler import Handler, number
from core.modem.emulator.reply import OK, AtError, CmsError, Reply, info
from core.modem.emulator.sms_store import CAPACITY, Message, Status, pdu_is_sound

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

_TEXT_STATUS = {"REC UNREAD": 0, "REC READ": 1, "STO UNSENT": 2, "STO SENT": 3, "ALL": 4}
_MEMORIES = '("ME","MT","SM","SR"),("ME","MT","SM"),("ME","SM")'


def _cpms(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return info(f"+CPMS: {_MEMORIES}")
    need_ready(modem)
    store = modem.sms
    if command.kind is Kind.READ:
        return info("+CPMS: " + ",".join(f'"{name}",{used},{total}' for name, used, total in store.usage()))
    names = [name.upper().replace("MT", "ME") for name in command.params()]
    if not all(name in CAPACITY for name in names) or not 1 <= len(names) <= 3:
        raise CmsError(302)
    store.read = names[0]
    store.write = names[1] if len(names) > 1 else store.write
    store.receive = names[2] if len(names) > 2 else store.receive
    return info("+CPMS: " + ",".join(f"{used},{total}" for _, used, total in store.usage()))


def _cnmi(_modem: "Modem", port: AtPort, command: Command) -> Reply:
    """The manual's rules: mt=3 or ds=1 need mode 1; mt=2 needs mode 1 or 2 (spec §4.1)."""
    if command.kind is Kind.READ:
        return info(f"+CNMI: {','.join(map(str, port.settings.cnmi))}")
    if command.kind is Kind.TEST:
        return info("+CNMI: (0,1,2),(0,1,2,3),(0,2),(0,1,2),(0,1)")
    values = list(port.settings.cnmi)
    params = command.params()
    if command.kind is not Kind.SET or len(params) > 5:
        raise AtError
    for at, (text, top) in enumerate(zip(params, (2, 3, 2, 2, 1), strict=False)):
        values[at] = number(text, 0, top) if text else values[at]
    mode, mt, _bm, ds, _bfr = values
    if ((mt == 3 or ds == 1) and mode != 1) or (mt == 2 and mode == 0):
        raise AtError
    port.settings.cnmi = (values[0], values[1], values[2], values[3], values[4])
    return OK


def _listing(message: Message) -> str:
    return f"{int(message.status)},,{message.tpdu_octets}"


def _cmgl(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return info("+CMGL: (0-4)")
    need_ready(modem)
    wanted = _wanted_status(modem, command)
    lines: list[str] = []
    for index, message in sorted(modem.sms.slots[modem.sms.read].items()):
        if wanted in (Status.ALL, message.status):
            lines += [f"+CMGL: {index},{_listing(message)}", message.pdu]
            if message.status is Status.UNREAD:
                message.status = Status.READ
    return info(*lines)


def _wanted_status(modem: "Modem", command: Command) -> int:
    text = command.params()[0] if command.kind is Kind.SET else ""
    if modem.settings["+CMGF"] == "1":
        if text.upper() not in _TEXT_STATUS and text:
            raise CmsError(305)
        return _TEXT_STATUS[text.upper() or "REC UNREAD"]
    return number(text or "0", 0, 4)


def _cmgr(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    need_ready(modem)
    message = modem.sms.slots[modem.sms.read].get(number(command.args, 0, 255))
    if message is None:
        raise CmsError(321)
    head = f"+CMGR: {_listing(message)}"
    if message.status is Status.UNREAD:
        message.status = Status.READ
    return info(head, message.pdu)


def _cmgd(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """AT+CMGD=<i>[,<flag>]; the manual's AT+CMGD=,4 as well."""
    if command.kind is Kind.TEST:
        indices = ",".join(map(str, sorted(modem.sms.slots[modem.sms.read])))
        return info(f"+CMGD: ({indices}),(0-4)")
    need_ready(modem)
    params = command.params()
    flag = number(params[1], 0, 4) if len(params) > 1 else 0
    index = number(params[0] or "0", 0, 255)
    if flag == 0 and index >= CAPACITY[modem.sms.read]:
        raise CmsError(321)
    modem.sms.delete(index, flag)
    return OK


async def _cmgs(modem: "Modem", port: AtPort, command: Command) -> Reply:
    """Prompt, text, ctrl-Z, then +CMGS: <mr>; ESC gives OK (spec §4.1)."""
    if command.kind is Kind.TEST:
        return OK
    text = await _text_at_prompt(modem, port, command)
    if text is None:
        return OK
    if modem.registration != 1:
        raise CmsError(331)
    return info(f"+CMGS: {modem.sms.submit(text)}")


async def _cmgw(modem: "Modem", port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    text = await _text_at_prompt(modem, port, command)
    if text is None:
        return OK
    index = modem.sms.add(modem.sms.write, Message(text, Status.UNSENT))
    if index is None:
        raise CmsError(322)
    return info(f"+CMGW: {index}")


async def _text_at_prompt(modem: "Modem", port: AtPort, command: Command) -> str | None:
    """The PDU in capitals (checked against the announced length), or the text; None if given up with ESC."""
    need_ready(modem)
    pdu_mode = modem.settings["+CMGF"] == "0"
    params = command.params()
    if command.kind is not Kind.SET:
        raise AtError
    octets = number(params[0], 1, 164 + 12) if pdu_mode else 0
    if not pdu_mode and not params[0]:
        raise CmsError(305)
    typed = await port.prompt()
    if not typed.sent:
        return None
    text = typed.data.decode("latin-1").strip()
    if pdu_mode and not pdu_is_sound(text, octets):
        raise CmsError(304)
    return text.upper() if pdu_mode else text


def _cnma(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """Nothing waits for an acknowledgement here: every message was handed over for good."""
    if command.kind is Kind.TEST:
        return info("+CNMA: (0-2)")
    if modem.settings["+CSMS"] == "1":
        return OK
    raise CmsError(340)


def _csms(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(f"+CSMS: {modem.settings['+CSMS']},1,1,1")
    if command.kind is Kind.TEST:
        return info("+CSMS: (0-1)")
    if not modem.settings.set("+CSMS", command.args):
        raise AtError
    return info("+CSMS: 1,1,1")


def deliver(modem: "Modem", pdu: str) -> int | None:
    """A message arrives from the network. Its index in mem3; None if it went by +CMT or found no room."""
    message = Message(pdu)
    direct = [port for port in modem.at.values() if port.settings.cnmi[1] == 2]
    if direct:
        modem.urc(f"+CMT: ,{message.tpdu_octets}\r\n{pdu}", lambda port: port.cnmi[1] == 2)
        return None
    index = modem.sms.add(modem.sms.receive, message)
    if index is None:
        modem.urc("+SMS FULL")
    else:
        modem.urc(f'+CMTI: "{modem.sms.receive}",{index}', lambda port: port.cnmi[1] == 1)
    return index


COMMANDS: dict[str, Handler] = {
    "+CPMS": _cpms,
    "+CNMI": _cnmi,
    "+CMGL": _cmgl,
    "+CMGR": _cmgr,
    "+CMGD": _cmgd,
    "+CMGS": _cmgs,
    "+CMGW": _cmgw,
    "+CNMA": _cnma,
    "+CSMS": _csms,
}
