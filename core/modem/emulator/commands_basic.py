"""ATE and its like, identity, power. SIM7600 AT manual V3.00 §2, §3; spec/sim7600 §1.2-1.4."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort, PortSettings
from core.modem.emulator.faults import Cure
from core.modem.emulator.handler import Handler, accepted, fixed, number
from core.modem.emulator.personality import Personality
from core.modem.emulator.reply import OK, AtError, Reply, info

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem


def _echo(_modem: "Modem", port: AtPort, command: Command) -> Reply:
    port.settings.echo = bool(number(command.args or "0", 0, 1))
    return OK


def _verbose(_modem: "Modem", port: AtPort, command: Command) -> Reply:
    port.settings.verbose = bool(number(command.args or "0", 0, 1))
    return OK


def _quiet(_modem: "Modem", port: AtPort, command: Command) -> Reply:
    port.settings.quiet = bool(number(command.args or "0", 0, 1))
    return OK


def _cmee(_modem: "Modem", port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(f"+CMEE: {port.settings.cmee}")
    if command.kind is Kind.TEST:
        return info("+CMEE: (0-2)")
    port.settings.cmee = number(command.params()[0] if command.kind is Kind.SET else "0", 0, 2)
    return OK


def _factory(modem: "Modem", port: AtPort, command: Command) -> Reply:
    """AT&F and ATZ: this port's settings, and the modem's."""
    number(command.args or "0", 0, 0)
    port.settings = PortSettings()
    if command.name == "&F":
        modem.settings.factory()
    return OK


def _identity(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    kind = modem.personality
    known = {"maker": kind.maker, "product": kind.product, "firmware": kind.firmware, "imei": modem.options.imei}
    return info(*(line.format(**known) for line in kind.identity))


def _is(tell: Callable[[Personality], str]) -> Handler:
    """Always the same line of this family."""
    return lambda modem, _port, command: OK if command.kind is Kind.TEST else info(tell(modem.personality))


def _revision(kind: Personality) -> str:
    return f"+CGMR: {kind.firmware}" if kind.tells_voice else kind.firmware


def _imei(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    return OK if command.kind is Kind.TEST else info(modem.options.imei)


def _s_register(_modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info("000")
    if command.kind is Kind.SET:
        number(command.args, 0, 255)
    return OK


def _cfun(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """0 minimum, 1 full, 4 radio off, 6 reset, 7 offline; a second parameter 1 resets (spec §1.3)."""
    if command.kind is Kind.READ:
        return info(f"+CFUN: {modem.radio.cfun}")
    if command.kind is Kind.TEST:
        return info("+CFUN: (0-1,4-7),(0-1)")
    params = command.params()
    level = number(params[0], 0, 7)
    again = number(params[1], 0, 1) if len(params) > 1 else 0
    if level == 6 or (again and level == 1):
        return Reply(after=modem.reset)
    if again or level in (2, 3) or (modem.radio.cfun == 7 and level != 7):
        raise AtError
    if level == 1 and modem.radio.cfun != 1:
        modem.faults.cure(Cure.RADIO)
    modem.radio.cfun = level
    if level != 1:
        modem.calls.drop_all()
    if level == 0 and modem.options.cfun_drops:
        return Reply(after=modem.reset)
    return Reply(after=modem.tell_registration)


def _reset(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    return OK if command.kind is Kind.TEST else Reply(after=modem.reset)


def _power_off(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    return Reply(after=lambda: modem.later(0.1, modem.unplug, "power_off"))


def _pid_switch(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """Only 9001 exists here: another composition has other interfaces (spec §5)."""
    if command.kind is Kind.READ:
        return info("+CUSBPIDSWITCH: 9001")
    if command.kind is Kind.TEST:
        return info("+CUSBPIDSWITCH: (9001),(0-1),(0-1)")
    params = command.params()
    if len(params) != 3 or params[0] != "9001":
        raise AtError
    return Reply(after=modem.reset)


COMMANDS: dict[str, Handler] = {
    "E": _echo,
    "V": _verbose,
    "Q": _quiet,
    "X": accepted,
    "&C": accepted,
    "&D": accepted,
    "&W": accepted,
    "&F": _factory,
    "Z": _factory,
    "S0": _s_register,
    "S3": _s_register,
    "S4": _s_register,
    "S5": _s_register,
    "S7": _s_register,
    "+CMEE": _cmee,
    "I": _identity,
    "+SIMCOMATI": _identity,
    "+CGMI": _is(lambda kind: kind.maker),
    "+GMI": _is(lambda kind: kind.maker),
    "+CGMM": _is(lambda kind: kind.product),
    "+GMM": _is(lambda kind: kind.product),
    "+CGMR": _is(_revision),
    "+GMR": _is(_revision),
    "+CGSN": _imei,
    "+GSN": _imei,
    "+CSUB": fixed("+CSUB: B03V01"),
    "+GCAP": fixed("+GCAP: +CGSM"),
    "+CFUN": _cfun,
    "+CRESET": _reset,
    "+CPOF": _power_off,
    "+CBC": _is(lambda kind: kind.supply),
    "+CPMUTEMP": fixed("+CPMUTEMP: 33"),
    "+CUSBPIDSWITCH": _pid_switch,
}
