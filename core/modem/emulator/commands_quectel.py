"""What an EC25 knows and a SIM7600 doesn't, and the other way round.

Quectel's AT commands manual of EC2x&EG9x and its GNSS manual; spec/sim7600 §7.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.clock import unix_s
from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.calls import Stat
from core.modem.emulator.commands_sim import need_card, need_ready
from core.modem.emulator.handler import Handler, fixed, number
from core.modem.emulator.reply import OK, AtError, CmeError, Reply, info
from core.modem.emulator.settings import CCINFO, IMS, OUTPORT, SCAN_MODE, SMSFULL, URC_PORT

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

NOT_FIXED = 516
"""+CME ERROR of AT+QGPSLOC without a fix; 505 is: not started."""
NOT_STARTED = 505

SIMCOM_ONLY = frozenset(
    {
        "+CPCMREG", "+CPCMFRM", "+CPCMBANDWIDTH", "+CECM", "+VMUTE", "+SIDET", "+CRESET", "+CPOF", "+CPMUTEMP",
        "+CUSBPIDSWITCH", "+SIMCOMATI", "+CSUB", "+SPIC", "+CICCID", "+CSPN", "+CPSI", "+CNSMOD", "+AUTOCSQ",
        "+CEVOLTE", "+CNMP", "+CATR", "+DDET", "+MORING", "+CGPS", "+CGPSINFO", "+CGPSAUTO", "+UIMHOTSWAPON",
        "+UIMHOTSWAPLEVEL", "+CSDVC", "+CMICGAIN", "+COUTGAIN", "+CSCLK", "+CMGRD",
    }
)  # fmt: skip
"""Unknown to an EC25."""


def _qpcmv(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """=1,0: PCM on the NMEA port; UART (1) and a sound card (2) don't exist here. Without a call it is refused."""
    if command.kind is Kind.READ:
        return info("+QPCMV: 1,0" if modem.pcm.registered else "+QPCMV: 0")
    if command.kind is Kind.TEST:
        return info("+QPCMV: (0,1),(0-2)")
    params = command.params()
    if number(params[0], 0, 1) == 0:
        modem.pcm.unregister()
        return OK
    up = modem.calls.table.with_stat(Stat.ACTIVE, Stat.HELD, Stat.DIALING, Stat.ALERTING)
    if params[1:] not in ([], ["0"]) or not up or modem.cpcmreg_refused():
        raise AtError
    return Reply(after=lambda: modem.pcm.register(16000 if modem.options.wideband else 8000))


def _choice(name: str, choices: dict[str, str]) -> Handler:
    """AT+Q…CFG="<what>"[,<value>[,<more>]]: without a value it is read."""

    def handle(modem: "Modem", _port: AtPort, command: Command) -> Reply:
        if command.kind is Kind.TEST:
            return OK
        what, *values = command.params()
        setting = choices.get(what.lower())
        if setting is None:
            raise AtError
        if not values:
            value = modem.settings[setting]
            return info(f'{name}: "{what.lower()}",{value if value.isdigit() else _quoted(value)}')
        if not modem.settings.set(setting, values[0]):
            raise AtError
        return OK

    return handle


def _quoted(value: str) -> str:
    return f'"{value}"'


def _iccid(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    need_card(modem)
    return info(f"+QCCID: {modem.sim.iccid}")


def _tries(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return info('+QPINC: ("SC","P2")')
    need_card(modem)
    return info(f'+QPINC: "SC",{modem.sim.pin_tries},{modem.sim.puk_tries}', '+QPINC: "P2",3,10')


def _provider(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    need_ready(modem)
    radio = modem.radio
    return info(f'+QSPN: "{radio.operator}","{radio.operator}","{modem.sim.provider}",0,"{radio.operator_number}"')


def _network(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    if modem.registration != 1:
        return info("+QNWINFO: No Service")
    kind, band, channel = {
        "lte": ("FDD LTE", "LTE BAND 3", 1850),
        "wcdma": ("WCDMA", "WCDMA 2100", 10663),
        "gsm": ("EDGE", "GSM 900", 27),
    }[modem.radio.technology]
    return info(f'+QNWINFO: "{kind}","{modem.radio.operator_number}","{band}",{channel}')


def _quality(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    if modem.registration != 1:
        return info('+QCSQ: "NOSERVICE"')
    power = -113 + 2 * modem.radio.csq if modem.radio.csq <= 31 else -120
    if modem.radio.technology != "lte":
        return info(f'+QCSQ: "{modem.radio.technology.upper()}",{power}')
    return info(f'+QCSQ: "LTE",{power},{power - 8},{max(0, min(250, 175 + 5 * (modem.radio.csq - 18)))},-9')


def _gps_start(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(f"+QGPS: {int(modem.gps.on)}")
    if command.kind is Kind.TEST:
        return info("+QGPS: (1-4)")
    number(command.params()[0], 1, 4)
    if modem.gps.on:
        raise CmeError(504)  # session is ongoing
    modem.gps.start()
    return OK


def _gps_end(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    if not modem.gps.on:
        raise CmeError(NOT_STARTED)
    modem.gps.stop()
    return OK


def _gps_place(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """Only =2: degrees with a sign."""
    if command.kind is not Kind.SET or command.args != "2":
        raise AtError
    if not modem.gps.on:
        raise CmeError(NOT_STARTED)
    if modem.gps.fix is None:
        raise CmeError(NOT_FIXED)
    north, east, metres = modem.gps.fix
    at = datetime.fromtimestamp(unix_s(), UTC)
    return info(f"+QGPSLOC: {at:%H%M%S}.0,{north:.5f},{east:.5f},0.9,{metres:.1f},3,000.00,0.0,0.0,{at:%d%m%y},08")


def _power_off(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return OK
    return Reply(after=lambda: modem.later(0.1, modem.unplug, "power_off"))


def _clcc(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """Only the list: what SIMCom has as AT+CLCC=1 is +QIND here."""
    if command.kind is Kind.EXEC:
        return info(*(call.clcc() for call in modem.calls.table.live()))
    if command.kind is Kind.TEST:
        return OK
    raise AtError


COMMANDS: dict[str, Handler] = {
    "+QPCMV": _qpcmv,
    "+QINDCFG": _choice("+QINDCFG", {"ccinfo": CCINFO, "smsfull": SMSFULL}),
    "+QURCCFG": _choice("+QURCCFG", {"urcport": URC_PORT}),
    "+QGPSCFG": _choice("+QGPSCFG", {"outport": OUTPORT}),
    "+QCFG": _choice("+QCFG", {"ims": IMS, "nwscanmode": SCAN_MODE}),
    "+QCCID": _iccid,
    "+QPINC": _tries,
    "+QSPN": _provider,
    "+QNWINFO": _network,
    "+QCSQ": _quality,
    "+QTEMP": fixed("+QTEMP: 33,30,28"),
    "+QGPS": _gps_start,
    "+QGPSEND": _gps_end,
    "+QGPSLOC": _gps_place,
    "+QPOWD": _power_off,
    "+CLCC": _clcc,
}
QUECTEL_SETTINGS = frozenset({"+QTONEDET", "+QSCLK"})
"""Plain settings that a SIM7600 doesn't know."""
