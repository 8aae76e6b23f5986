"""Which of the modems that are there a line means."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.modem.usb import UsbModem
from core.modem.usb_roles import SIMCOM, SWITCH_TO_9001, Role, Use


@dataclass(frozen=True, slots=True)
class UsbSelector:
    """All that is given must fit; with nothing given, the only modem there is. products: "1e0e:9001" and the like."""

    path: str | None = None
    serial: str | None = None
    products: frozenset[str] = frozenset()

    def fits(self, modem: UsbModem) -> bool:
        """Of what calls can't be made with, only the vendor counts: it is told about, not passed over."""
        if self.path is not None and modem.path != self.path:
            return False
        if self.serial is not None and modem.serial != self.serial:
            return False
        if not self.products or _for_calls(modem):
            return not self.products or f"{modem.vendor}:{modem.product}" in self.products
        return any(product.startswith(f"{modem.vendor}:") for product in self.products)

    def __str__(self) -> str:
        given = [f"usb path {self.path}"] * (self.path is not None) + [f"serial {self.serial}"] * (
            self.serial is not None
        )
        return " and ".join(given + sorted(self.products)) or "any modem"


class NotChosen(Exception):
    """No modem can be taken; the message says what there is and what to do."""


class NoSuchModem(NotChosen):
    """None fits. It may come yet."""


class AmbiguousModem(NotChosen):
    """Several fit; `paths` tells them apart."""

    def __init__(self, selector: UsbSelector, modems: Sequence[UsbModem]) -> None:
        self.paths = tuple(modem.path for modem in modems)
        super().__init__(
            f"{len(modems)} modems fit ({selector}): at USB paths {' and '.join(self.paths)}. "
            f'Name the one for this line in core.toml: usb_path = "{self.paths[0]}".'
        )


class WrongComposition(NotChosen):
    """The one that fits can't make calls as it is now. `switchable`: AT+CUSBPIDSWITCH may bring it back."""

    def __init__(self, modem: UsbModem) -> None:
        self.modem = modem
        known = modem.composition
        self.switchable = known is not None and known.use is Use.SWITCH
        super().__init__(modem.explain())


def choose(devices: Sequence[UsbModem], selector: UsbSelector) -> UsbModem:
    """The one modem that calls can be made with. NoSuchModem, AmbiguousModem, WrongComposition."""
    fitting = [modem for modem in devices if selector.fits(modem)]
    usable = [modem for modem in fitting if _for_calls(modem)]
    if len(usable) == 1:
        return usable[0]
    if usable:
        raise AmbiguousModem(selector, usable)
    if len(fitting) == 1:
        raise WrongComposition(fitting[0])
    switchable = [modem for modem in fitting if (known := modem.composition) and known.use is Use.SWITCH]
    if len(switchable) == 1:
        raise WrongComposition(switchable[0])
    if switchable:
        raise AmbiguousModem(selector, switchable)
    there = "; ".join(modem.explain() for modem in devices) or "no SIMCom or Quectel device is on the USB"
    raise NoSuchModem(f"no modem fits ({selector}): {there}")


def switch_ports(modem: UsbModem) -> tuple[str, ...]:
    """Where to try SWITCH_TO_9001, best first; empty when it must not be tried.

    Where the AT interface isn't known, all but the lowest: the first serial one is DIAG in each layout that is known.
    """
    known = modem.composition
    if known is None or known.use is not Use.SWITCH or modem.vendor != SIMCOM:
        return ()
    if Role.AT in known.roles:
        ports = (modem.port(Role.AT), modem.port(Role.VOICE))
        return tuple(port for port in ports if port is not None)
    return tuple(modem.ports[number] for number in sorted(modem.ports)[1:])


def _for_calls(modem: UsbModem) -> bool:
    known = modem.composition
    return known is not None and known.use is Use.CALLS


__all__ = [
    "SWITCH_TO_9001", "AmbiguousModem", "NoSuchModem", "NotChosen", "UsbSelector", "WrongComposition", "choose",
    "switch_ports",
]  # fmt: skip
