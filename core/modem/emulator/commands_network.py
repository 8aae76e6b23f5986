"""Signal, registration, operator, packet data contexts, clock. SIM7600 AT manual V3.00 §4, §7; spec §1.6, §1.7."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.clock import unix_s
from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.commands_data import drop_data
from core.modem.emulator.commands_sim import need_ready
from core.modem.emulator.handler import Handler, accepted, number, switch
from core.modem.emulator.reply import OK, AtError, Reply, info
from core.modem.emulator.settings import COPS_FORMAT

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

_SCAN_S = 3.0
"""AT+COPS=? takes up to minutes on air; long enough here that a byte can abort it."""

_COPS_ACT = {"gsm": 0, "wcdma": 2, "lte": 7}


def _csq(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return info("+CSQ: (0-31,99,100-191,199),(0-7,99)")
    return info(f"+CSQ: {modem.radio.csq if modem.radio.cfun == 1 else 99},99")


def _autocsq(_modem: "Modem", port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(f"+AUTOCSQ: {int(port.settings.autocsq)},1")
    if command.kind is Kind.TEST:
        return info("+AUTOCSQ: (0-1),(0-1)")
    port.settings.autocsq = bool(number(command.params()[0], 0, 1))
    return OK


def _registration(modem: "Modem", port: AtPort, command: Command) -> Reply:
    """+CREG, +CGREG, +CEREG: the answer to `?` has <n> first, the unsolicited line doesn't (spec §1.6)."""
    name = command.name
    if command.kind is Kind.READ:
        mode = port.settings.registration[name]
        return info(f"{name}: {mode},{modem.registration_fields(name, mode)}")
    if command.kind is Kind.TEST:
        return info(f"{name}: (0-2)")
    port.settings.registration[name] = number(command.params()[0] if command.kind is Kind.SET else "0", 0, 2)
    return OK


async def _cops(modem: "Modem", port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        if modem.registration != 1:
            return info("+COPS: 0")
        return info(f"+COPS: 0,{_cops_format(modem)},{_COPS_ACT[modem.radio.technology]}")
    need_ready(modem)
    if command.kind is Kind.TEST:
        return await _scan(modem, port)
    params = command.params()
    mode = number(params[0], 0, 4)
    if mode == 3:
        modem.settings.set(COPS_FORMAT, params[1] if len(params) > 1 else "0")
    return OK


def _cops_format(modem: "Modem") -> str:
    if modem.settings[COPS_FORMAT] == "2":
        return f'2,"{modem.radio.operator_number}"'
    return f'{modem.settings[COPS_FORMAT]},"{modem.radio.operator}"'


async def _scan(modem: "Modem", port: AtPort) -> Reply:
    """Any byte on the port aborts it (spec §1.2)."""
    port.interrupted.clear()
    try:
        async with asyncio.timeout(_SCAN_S):
            await port.interrupted.wait()
        return OK
    except TimeoutError:
        name = modem.radio.operator
        here = f'(2,"{name}","{name}","{modem.radio.operator_number}",7)'
        return info(f'+COPS: {here},(1,"Other","Other","23433",7),,(0,1,2,3,4,5),(0,1,2)')


def _cpsi(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    radio = modem.radio
    if modem.registration != 1:
        return info("+CPSI: NO SERVICE,Online")
    place = f"{radio.operator_number[:3]}-{radio.operator_number[3:]},0x{radio.area},{int(radio.cell, 16)}"
    if radio.technology == "gsm":
        return info(f"+CPSI: GSM,Online,{place},27 EGSM 900,{_power(radio.csq)},2110,42-42")
    if radio.technology == "wcdma":
        return info(f"+CPSI: WCDMA,Online,{place},WCDMA IMT 2000,279,10663,0,1.5,62,33,52,500")
    power = 10 * _power(radio.csq)
    noise = min(25, max(0, 15 + (radio.csq - 18) // 2))
    return info(f"+CPSI: LTE,Online,{place},257,EUTRAN-BAND3,1850,5,5,-94,{power - 80},{power + 225},{noise}")


def _power(csq: int) -> int:
    """dBm of a +CSQ; one that is not known is as weak as can be."""
    return -113 + 2 * csq if csq <= 31 else -120


def _cnsmod(modem: "Modem", port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(f"+CNSMOD: {int(port.settings.cnsmod)},{modem.access_mode}")
    if command.kind is Kind.TEST:
        return info("+CNSMOD: (0-1)")
    port.settings.cnsmod = bool(number(command.params()[0], 0, 1))
    return OK


def _cgdcont(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(*(f"+CGDCONT: {context}" for context in modem.contexts.values()))
    if command.kind is Kind.TEST:
        return info('+CGDCONT: (1-24),"IP",,,(0-2),(0-4),(0-1),(0-1)')
    params = command.params()
    cid = number(params[0], 1, 24)
    if len(params) < 2:
        modem.contexts.pop(cid, None)
        return OK
    if params[1] not in ("IP", "IPV6", "IPV4V6", "PPP"):
        raise AtError
    address = "0.0.0.0" if params[1] == "IP" else ".".join("0" * 16)
    name = params[2] if len(params) > 2 else ""
    modem.contexts[cid] = f'{cid},"{params[1]}","{name}","{address}",0,0,0,0'
    return OK


def _cgact(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(*(f"+CGACT: {cid},{int(cid in modem.active_contexts)}" for cid in modem.contexts))
    if command.kind is Kind.TEST:
        return info("+CGACT: (0,1)")
    params = command.params()
    state = number(params[0], 0, 1)
    for cid in [number(param, 1, 24) for param in params[1:]] or list(modem.contexts):
        if cid not in modem.contexts or modem.registration != 1:
            raise AtError
        (modem.active_contexts.add if state else modem.active_contexts.discard)(cid)
    if not state:
        drop_data(modem)
    return OK


def _cevolte(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """In no manual; known to a few firmwares (spec §2.3)."""
    if not modem.options.cevolte or command.kind is Kind.TEST:
        raise AtError
    if command.kind is Kind.READ:
        return info(f"+CEVOLTE: 1,{int(modem.volte)}")
    params = command.params()
    if len(params) != 2 or params[0] != "1":
        raise AtError
    modem.volte = number(params[1], 0, 1) == 1
    return OK


def _cgpaddr(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """Addresses without quotes, as the real stick prints them."""
    if command.kind is Kind.TEST:
        return info(f"+CGPADDR: ({','.join(map(str, modem.contexts))})")
    cids = [number(param, 1, 24) for param in command.params()] if command.args else list(modem.contexts)
    return info(*(f"+CGPADDR: {cid},{'10.29.127.164' if cid in modem.active_contexts else '0.0.0.0'}" for cid in cids))


def _cgatt(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(f"+CGATT: {int(modem.registration == 1)}")
    return info("+CGATT: (0,1)") if command.kind is Kind.TEST else OK


def _clock(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """Never synced, it counts from 1980 and shows no zone; AT+CTZU=1 makes the network set it (spec §1.7)."""
    if command.kind is Kind.TEST:
        return OK
    if command.kind is Kind.SET:
        return OK
    if modem.settings["+CTZU"] == "0":
        return info('+CCLK: "80/01/06,00:05:09"')
    return info(f'+CCLK: "{datetime.fromtimestamp(unix_s(), UTC):%y/%m/%d,%H:%M:%S}+00"')


def _set_ctzr(port: AtPort, value: int) -> None:
    port.settings.ctzr = bool(value)


COMMANDS: dict[str, Handler] = {
    "+CSQ": _csq,
    "+AUTOCSQ": _autocsq,
    "+CREG": _registration,
    "+CGREG": _registration,
    "+CEREG": _registration,
    "+COPS": _cops,
    "+CPSI": _cpsi,
    "+CNSMOD": _cnsmod,
    "+CGDCONT": _cgdcont,
    "+CGACT": _cgact,
    "+CEVOLTE": _cevolte,
    "+CGPADDR": _cgpaddr,
    "+CGATT": _cgatt,
    "+CGAUTH": accepted,
    "+CCLK": _clock,
    "+CTZR": switch("+CTZR", lambda port: int(port.settings.ctzr), _set_ctzr),
}
