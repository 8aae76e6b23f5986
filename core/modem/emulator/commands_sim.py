"""SIM and PIN. SIM7600 AT manual V3.00 §4, §5; spec/sim7600 §1.5."""

from typing import TYPE_CHECKING

from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.handler import Handler
from core.modem.emulator.options import SimState
from core.modem.emulator.reply import OK, AtError, CmeError, Reply, info

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

_REFUSALS = {SimState.ABSENT: 10, SimState.BUSY: 14, SimState.FAILURE: 13, SimState.PIN: 11, SimState.PUK: 12}


def need_card(modem: "Modem") -> None:
    """CME 10, 13 or 14 while there is no card to talk to."""
    if modem.sim_state in (SimState.ABSENT, SimState.BUSY, SimState.FAILURE):
        raise CmeError(_REFUSALS[modem.sim_state])


def need_ready(modem: "Modem") -> None:
    """CME 10 to 14 while the card isn't ready and unlocked."""
    if modem.sim_state is not SimState.READY:
        raise CmeError(_REFUSALS[modem.sim_state])


def _cpin(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    need_card(modem)
    if command.kind is Kind.READ:
        return info(f"+CPIN: {modem.sim_state}")
    params = command.params()
    if modem.sim.state is SimState.PIN and len(params) == 1:
        _try_pin(modem, params[0])
    elif modem.sim.state is SimState.PUK and len(params) == 2:
        _try_puk(modem, params[0], params[1])
    else:
        raise CmeError(3)
    modem.unlock_sim()
    return OK


def _try_pin(modem: "Modem", pin: str) -> None:
    if pin == modem.sim.pin:
        return
    modem.sim.pin_tries -= 1
    if modem.sim.pin_tries <= 0:
        modem.sim.state = SimState.PUK
    raise CmeError(16)


def _try_puk(modem: "Modem", puk: str, pin: str) -> None:
    if puk != modem.sim.puk:
        modem.sim.puk_tries = max(0, modem.sim.puk_tries - 1)
        raise CmeError(16)
    modem.sim.pin = pin


def _spic(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    need_card(modem)
    return info(f"+SPIC: {modem.sim.pin_tries},{modem.sim.puk_tries},3,10")


def _clck(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return info('+CLCK: ("SC")')
    params = command.params()
    if params[0] != "SC" or len(params) < 2:
        raise CmeError(3)
    need_ready(modem)
    if params[1] == "2":
        return info(f"+CLCK: {int(modem.sim.pin_enabled)}")
    if params[1] not in ("0", "1") or len(params) < 3:
        raise AtError
    _try_pin(modem, params[2])
    modem.sim.pin_enabled = params[1] == "1"
    return OK


def _cpwd(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return info('+CPWD: ("SC",8)')
    params = command.params()
    if len(params) != 3 or params[0] != "SC":
        raise CmeError(3)
    need_ready(modem)
    _try_pin(modem, params[1])
    modem.sim.pin = params[2]
    return OK


def _iccid(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    need_card(modem)
    return info(f"+ICCID: {modem.sim.iccid}")


def _imsi(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    need_ready(modem)
    return info(modem.sim.imsi)


def _own_number(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """Many SIMs don't know their number: then just OK."""
    if command.kind is Kind.TEST:
        return OK
    need_ready(modem)
    own = modem.options.own_number
    return info(f'+CNUM: "","{own}",{145 if own.startswith("+") else 129}') if own else OK


def _provider(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    need_ready(modem)
    return info(f'+CSPN: "{modem.sim.provider}",0')


COMMANDS: dict[str, Handler] = {
    "+CPIN": _cpin,
    "+SPIC": _spic,
    "+CLCK": _clck,
    "+CPWD": _cpwd,
    "+CICCID": _iccid,
    "+CIMI": _imsi,
    "+CNUM": _own_number,
    "+CSPN": _provider,
}
