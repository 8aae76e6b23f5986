"""What the interfaces of known USB compositions are for, as data, and what to tell people about the others.

Sources: SIM7500/SIM7600 AT manual V3.00 (AT+CUSBPIDSWITCH), the option driver of Linux, ModemManager's port rules for
SIMCom and Quectel, field reports. A composition is one layout of interfaces; modems change theirs and get another
product id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

SIMCOM = "1e0e"
QUECTEL = "2c7c"
VENDORS = frozenset({SIMCOM, QUECTEL})
"""Whose devices are looked at, whatever their product id is."""

SWITCH_TO_9001 = "AT+CUSBPIDSWITCH=9001,1,1"
"""OK, then the module restarts with the other product id, for good. The manual lists it for all LE20 firmware."""


class Role(StrEnum):
    """DIAG is binary and must not be opened. VOICE is the second AT port, also the one for PPP."""

    DIAG = "diag"
    NMEA = "nmea"
    AT = "at"
    VOICE = "voice"
    PCM = "pcm"
    QMI = "qmi"
    NET = "net"


SERIAL = frozenset({Role.DIAG, Role.NMEA, Role.AT, Role.VOICE, Role.PCM})
"""Roles that are ttys; QMI and NET are network and control devices."""


class Use(StrEnum):
    """CALLS: all that Dialtone does. SWITCH: after AT+CUSBPIDSWITCH. NEVER: not even offered for that."""

    CALLS = "calls"
    SWITCH = "switch"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Composition:
    """One layout. roles: interface number (decimal here, hexadecimal text in sysfs); empty where nobody has told."""

    vendor: str
    product: str
    text: str
    use: Use
    roles: Mapping[Role, int]

    @property
    def serial_interfaces(self) -> frozenset[int]:
        """Those that must have a tty before the modem is complete."""
        return frozenset(number for role, number in self.roles.items() if role in SERIAL)


def _simcom(product: str, text: str, use: Use = Use.SWITCH, **roles: int) -> Composition:
    return Composition(SIMCOM, product, text, use, _roles(roles))


def _roles(roles: Mapping[str, int]) -> Mapping[Role, int]:
    return MappingProxyType({Role(name): number for name, number in roles.items()})


_ALL = (
    _simcom("9001", "SIM7600, serial ports and QMI", Use.CALLS, diag=0, nmea=1, at=2, voice=3, pcm=4, qmi=5),
    # The network function takes two interfaces, and the serial ones follow in the order of 9001: ModemManager has AT at
    # 4 and PPP at 5, the option driver leaves 7 (adb) alone. Calls in it were reported to break off, so: switch.
    _simcom("9011", "RNDIS: the modem plays network card", diag=2, nmea=3, at=4, voice=5, pcm=6, net=0),
    _simcom("9003", "MBIM network"),
    _simcom("9018", "ECM network; stock kernels give it no serial ports"),
    _simcom("9024", "a network composition that was seen in the field"),
    _simcom("9025", "QMI or RmNet of SIMCom's own kernel driver"),
    _simcom("901e", "a composition of 5G modules without any AT port", Use.NEVER),
    _simcom("1025", "a QMI composition that the AT manual doesn't list", Use.NEVER),
    _simcom("9205", "SIM7070, SIM7080 or SIM7090, which can't make calls over USB", Use.NEVER),
    _simcom("9206", "SIM7070, SIM7080 or SIM7090, which can't make calls over USB", Use.NEVER),
    _simcom("9071", "SIM8230, RmNet network", Use.NEVER),
    _simcom("9078", "SIM8230, ECM network", Use.NEVER),
    _simcom("907b", "SIM8230, RNDIS network", Use.NEVER),
    # AT+QPCMV=1,0 sends the voice of calls over the NMEA port.
    Composition(
        QUECTEL, "0125", "EC25 or EG25-G", Use.CALLS,
        _roles({"diag": 0, "nmea": 1, "at": 2, "voice": 3, "pcm": 1, "qmi": 4}),
    ),
)  # fmt: skip
COMPOSITIONS: Mapping[tuple[str, str], Composition] = MappingProxyType({(one.vendor, one.product): one for one in _ALL})

_LISTED = frozenset(
    [
        "9000", "9001", "9002", "9003", "9004", "9005", "9006", "9007", "9011", "9016", "9018", "9019", "901a", "901b",
        "9020", "9021", "9022", "9023", "9024", "9025", "9026", "9027", "9028", "9029", "902a", "902b",
    ]
)  # fmt: skip
"""What AT+CUSBPIDSWITCH takes, by the manual: a modem in one of these can be brought back."""


def composition_of(vendor: str, product: str) -> Composition | None:
    """The layout of a device; one without roles for a listed one that nobody described; None if it isn't known."""
    found = COMPOSITIONS.get((vendor, product))
    if found is None and vendor == SIMCOM and product in _LISTED:
        return _simcom(product, "a composition that the AT manual lists without describing it")
    return found


def explain(vendor: str, product: str) -> str:
    """What this device is to Dialtone and what to do about it, in sentences for people."""
    name = f"{vendor}:{product}"
    found = composition_of(vendor, product)
    if found is None:
        family = {SIMCOM: "A SIMCom device", QUECTEL: "A Quectel device"}.get(vendor, "A USB device")
        return f"{family} with the unknown id {name}. Dialtone needs 1e0e:9001 (SIM7600) or 2c7c:0125 (EC25, EG25-G)."
    if found.use is Use.CALLS:
        return f"{name} is {found.text}: ready for calls."
    if found.use is Use.NEVER:
        return f"{name} is {found.text}. Dialtone can't use it and doesn't try to switch it."
    return f"{name} is not the composition for calls ({found.text}). {_way_back(found)}"


def _way_back(found: Composition) -> str:
    at = found.roles.get(Role.AT)
    port = f"its AT port (USB interface {at})" if at is not None else "the one of its serial ports that answers AT"
    text = f"Send {SWITCH_TO_9001} to {port}: it restarts as 1e0e:9001 and stays so."
    if found.product == "9011":
        text += " An A7670 or another A76xx has 9011 by nature; it has no call audio over USB and can't be used."
    if found.product == "9018":
        text += " Without serial ports: echo 1e0e 9018 > /sys/bus/usb-serial/drivers/generic/new_id makes them."
    return text
