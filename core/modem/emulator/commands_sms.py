"""Short messages: memories, routing and acknowledgement. TS 27.005 §3; spec/sim7600 §4.

Reading and deleting is in commands_sms_read.py, sending and writing in commands_sms_send.py.
"""

from typing import TYPE_CHECKING

from core.modem.emulator import commands_sms_read, commands_sms_send, sms_text
from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.handler import Handler, need_sms, number
from core.modem.emulator.reply import OK, AtError, CmsError, Reply, info
from core.modem.emulator.sms_store import MEMORIES

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

_MEMORY_TEST = '("ME","MT","SM","SR"),("ME","MT","SM"),("ME","SM")'


def _cpms(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return info(f"+CPMS: {_MEMORY_TEST}")
    need_sms(modem)
    store = modem.sms
    if command.kind is Kind.READ:
        return info("+CPMS: " + ",".join(f'"{name}",{used},{total}' for name, used, total in store.usage()))
    names = [name.upper() for name in command.params()] if command.kind is Kind.SET else []
    allowed = (MEMORIES, ("ME", "MT", "SM"), ("ME", "SM", "MT"))
    if not 1 <= len(names) <= 3 or not all(name in some for name, some in zip(names, allowed, strict=False)):
        raise CmsError(302)
    store.read = names[0]
    store.write = names[1] if len(names) > 1 else store.write
    store.receive = names[2].replace("MT", "ME") if len(names) > 2 else store.receive
    used = ",".join(f"{used},{total}" for _, used, total in store.usage())
    return Reply((f"+CPMS: {used}",), after=modem.arrivals.room_made)


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


async def _cnma(modem: "Modem", port: AtPort, command: Command) -> Reply:
    """AT+CNMA, =0 and =1 acknowledge, =2 refuses; a <length> asks for a PDU that says why, which nobody reads here."""
    if command.kind is Kind.TEST:
        return info("+CNMA: (0-2)")
    params = command.params() if command.kind is Kind.SET else ["0"]
    verdict = number(params[0], 0, 2)
    if len(params) > 1:
        typed = await port.prompt()
        if not typed.sent:
            return OK
    if not modem.arrivals.acknowledge(good=verdict != 2):
        raise CmsError(340)
    return Reply(after=modem.arrivals.pump)


def _csms(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(f"+CSMS: {modem.settings['+CSMS']},1,1,1")
    if command.kind is Kind.TEST:
        return info("+CSMS: (0-1)")
    if not modem.settings.set("+CSMS", command.args):
        raise AtError
    return info("+CSMS: 1,1,1")


def _csca(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """The service centre; under CSCS=UCS2 its digits are hexadecimal in both directions (spec §4.1)."""
    if command.kind is Kind.TEST:
        return OK
    need_sms(modem)
    charset = modem.settings["+CSCS"]
    if command.kind is Kind.READ:
        smsc = modem.smsc
        return info(f'+CSCA: "{sms_text.charset_shown(smsc, charset)}",{145 if smsc.startswith("+") else 129}')
    params = command.params()
    if not modem.settings.set("+CSCA", f'"{sms_text.charset_read(params[0], charset)}"'):
        raise CmsError(304)
    return OK


def _csmp(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """What is left out stays as it is."""
    if command.kind is Kind.READ:
        return info(f"+CSMP: {modem.settings['+CSMP']}")
    if command.kind is Kind.TEST:
        return OK
    values = modem.settings["+CSMP"].split(",")
    params = command.params()
    if command.kind is not Kind.SET or len(params) > 4:
        raise AtError
    for at, text in enumerate(params):
        values[at] = str(number(text, 0, 255)) if text else values[at]
    modem.settings.set("+CSMP", ",".join(values))
    return OK


_OWN: dict[str, Handler] = {
    "+CPMS": _cpms,
    "+CNMI": _cnmi,
    "+CNMA": _cnma,
    "+CSMS": _csms,
    "+CSCA": _csca,
    "+CSMP": _csmp,
}
COMMANDS = _OWN | commands_sms_read.COMMANDS | commands_sms_send.COMMANDS
