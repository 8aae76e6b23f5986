"""The PCM port and its knobs. spec/sim7600 §1.9, §3.3."""

from typing import TYPE_CHECKING

from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.calls import Stat
from core.modem.emulator.faults import FaultKind
from core.modem.emulator.handler import Handler, number
from core.modem.emulator.reply import OK, AtError, Reply, info

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem


def line_rate_hz(modem: "Modem") -> int:
    """What the voice port will run at when it is next registered."""
    if modem.faults.get(FaultKind.RATE_16K) is not None or modem.settings["+CPCMFRM"] == "1":
        return 16000
    if modem.options.wideband and modem.settings["+CPCMBANDWIDTH"].startswith("0"):
        return 16000
    return 8000


def _cpcmreg(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """=1 only with a call that was dialled or answered; =0 and =0,1 at any time."""
    if command.kind is Kind.READ:
        return info(f"+CPCMREG: {int(modem.pcm.registered)}")
    if command.kind is Kind.TEST:
        return info("+CPCMREG: (0-1)")
    params = command.params()
    if number(params[0], 0, 1) == 0:
        modem.pcm.unregister()
        return OK
    up = modem.calls.table.with_stat(Stat.ACTIVE, Stat.HELD, Stat.DIALING, Stat.ALERTING)
    if not up or modem.cpcmreg_refused():
        raise AtError
    return Reply(after=lambda: modem.pcm.register(line_rate_hz(modem)))


def _cpcmfrm(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """8 to 16 kHz can be switched, 16 to 8 not before a restart (manual V3.00)."""
    if command.kind is Kind.READ:
        return info(f"+CPCMFRM: {modem.settings['+CPCMFRM']}")
    if command.kind is Kind.TEST:
        return info("+CPCMFRM: (0-1)")
    value = number(command.args, 0, 1)
    if value == 0 and modem.settings["+CPCMFRM"] == "1":
        raise AtError
    modem.settings.set("+CPCMFRM", str(value))
    return OK


def _in_call(name: str, top: int) -> Handler:
    """A knob that exists only during a call and is forgotten after it."""

    def handle(modem: "Modem", _port: AtPort, command: Command) -> Reply:
        if command.kind is Kind.TEST:
            return info(f"{name}: (0-{top})")
        if not modem.calls.table.with_stat(Stat.ACTIVE, Stat.HELD):
            raise AtError
        if command.kind is Kind.READ:
            return info(f"{name}: {modem.call_knobs.get(name, 0)}")
        modem.call_knobs[name] = number(command.args, 0, top)
        return OK

    return handle


COMMANDS: dict[str, Handler] = {
    "+CPCMREG": _cpcmreg,
    "+CPCMFRM": _cpcmfrm,
    "+CECM": _in_call("+CECM", 9),
    "+CMUT": _in_call("+CMUT", 1),
    "+VMUTE": _in_call("+VMUTE", 1),
    "+SIDET": _in_call("+SIDET", 1),
}
