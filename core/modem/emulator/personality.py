"""What two families say differently about the same thing. Data; the commands of each are in commands.py.

SIM7600 AT manual V3.00 and traces of sticks; Quectel's AT manual of EC2x&EG9x and field reports (spec/sim7600 §7).
"""

from collections.abc import Callable
from dataclasses import dataclass

from core.modem.emulator.at_port import PortSettings
from core.modem.emulator.calls import Call, Stat
from core.modem.emulator.ptys import AT_PORTS
from core.modem.emulator.settings import CCINFO, SMSFULL, URC_PORT, Settings

_SIMCOM_URC_PORTS = {"0": AT_PORTS, "2": (3,), "3": (2,)}
"""AT+CATR: 0 all, 2 MODEM (if03), 3 ATCOM (if02); the others are no USB ports (spec §4.6)."""
_QUECTEL_URC_PORTS = {"usbat": (2,), "usbmodem": (3,), "all": AT_PORTS}


@dataclass(frozen=True, slots=True)
class Personality:
    """One family. None in place of a line: this family says nothing.

    ports: serial ports, from if00 on. voice_port: the interface of PCM; the NMEA port if they are one. listed: a call
    that changed. flow: the lines that stop the uplink and let it go on. urc_ports: who hears unsolicited lines.
    after_start: behind RDY; after_pin: behind +CPIN.
    """

    maker: str
    product: str
    firmware: str
    identity: tuple[str, ...]
    ports: int
    voice_port: int
    tells_voice: bool
    listed: Callable[[Call], str]
    wants_listed: Callable[[Settings, PortSettings], bool]
    key: Callable[[Settings, str], str | None]
    urc_ports: Callable[[Settings], tuple[int, ...]]
    sms_full: Callable[[Settings, str], str | None]
    supply: str
    flow: tuple[str, str] | None = None
    after_start: tuple[str, ...] = ()
    after_pin: tuple[str, ...] = ()
    sms_done: str = "SMS DONE"
    pb_done: str = "PB DONE"


def _ccinfo(call: Call) -> str:
    number = "" if call.withheld else call.number
    state = -1 if call.stat is Stat.DISCONNECT else int(call.stat)
    head = f'+QIND: "ccinfo",{call.index},{int(not call.outgoing)},{state},0,{int(call.multiparty)}'
    return f'{head},"{number}",{call.type_of_address}'


SIM7600 = Personality(
    maker="SIMCOM INCORPORATED",
    product="SIMCOM_SIM7600G-H",
    firmware="LE20B03SIM7600M22",
    identity=("Manufacturer: {maker}", "Model: {product}", "Revision: {firmware}", "IMEI: {imei}", "+GCAP: +CGSM"),
    ports=5,
    voice_port=4,
    tells_voice=True,
    listed=Call.clcc,
    wants_listed=lambda _settings, port: port.clcc,
    key=lambda settings, key: f"+RXDTMF: {key}" if settings["+DDET"] == "1" else None,
    urc_ports=lambda settings: _SIMCOM_URC_PORTS.get(settings["+CATR"], ()),
    sms_full=lambda _settings, _memory: "+SMS FULL",
    supply="+CBC: 3.811V",
)
EC25 = Personality(
    maker="Quectel",
    product="EC25",
    firmware="EC25EFAR06A06M4G",
    identity=("{maker}", "{product}", "Revision: {firmware}"),
    ports=4,
    voice_port=1,
    tells_voice=False,
    listed=_ccinfo,
    wants_listed=lambda settings, _port: settings[CCINFO] == "1",
    key=lambda settings, key: f"+QTONEDET: {ord(key)}" if settings["+QTONEDET"] == "1" else None,
    urc_ports=lambda settings: _QUECTEL_URC_PORTS.get(settings[URC_PORT], ()),
    sms_full=lambda settings, memory: f'+QIND: "smsfull","{memory}"' if settings[SMSFULL] == "1" else None,
    supply="+CBC: 0,80,3811",
    flow=("+QPCMV: 0,0", "+QPCMV: 1,0"),
    after_start=("+CFUN: 1",),
    after_pin=("+QUSIM: 1",),
    sms_done="+QIND: SMS DONE",
    pb_done="+QIND: PB DONE",
)
PERSONALITIES = {"sim7600": SIM7600, "ec25": EC25}
