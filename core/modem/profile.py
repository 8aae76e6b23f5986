"""What differs between modem families, as data. One file each in profiles/, found by listing that folder."""

import importlib
import pkgutil
from dataclasses import dataclass

from core.audio import LINE_FORMAT, PcmFormat
from core.modem import profiles
from core.modem.at import Command


@dataclass(frozen=True, slots=True)
class MessageProfile:
    """How a family does short messages and USSD. Data only.

    memories: where received messages may lie; all are swept. seldom: where some firmware puts reports; looked into at
    the start and when the modem says so. init_port runs on each AT port once the SIM is ready; of routing (AT+CNMI, on
    each AT port) and storage (AT+CPMS: mem1, mem2, mem3) the first that the modem takes counts. A storage whose first
    two memories differ lets one AT+CPMS? tell how full both are. list_timeout_s: for a full memory.
    deletes: how many AT+CMGD one command line may chain, 1 for none. keeps_link: AT+CMMS is known. charset: AT+CSCS
    around a USSD exchange, idle_charset at all other times; None leaves it alone, and texts must be ASCII then.
    """

    memories: tuple[str, ...]
    init_port: tuple[Command, ...]
    routing: tuple[Command, ...]
    storage: tuple[tuple[str, str, str], ...]
    seldom: tuple[str, ...] = ()
    list_timeout_s: float = 30.0
    deletes: int = 1
    keeps_link: bool = False
    charset: str | None = None
    idle_charset: str = "IRA"


@dataclass(frozen=True, slots=True)
class ModemProfile:
    """One family.

    at_link, voice_link, pcm_link: names of the ports in ports_dir, by USB interface number: ttyUSBn moves.
    urcs: as AtChannel takes them. init_port runs on each AT port, init_once on the voice port, init_late on the AT port
    once the line is ready, because the network takes seconds over it. An ERROR to any of them is tolerated: firmware
    differs.
    """

    name: str
    at_link: str
    voice_link: str
    pcm_link: str
    urcs: tuple[str, ...]
    init_port: tuple[Command, ...]
    init_once: tuple[Command, ...]
    init_late: tuple[Command, ...]
    messages: MessageProfile
    pcm_format: PcmFormat = LINE_FORMAT


def profile_names() -> list[str]:
    """Every family there is a file for."""
    return sorted(module.name for module in pkgutil.iter_modules(profiles.__path__))


def load_profile(name: str) -> ModemProfile:
    """KeyError with the known names when there is none of that name."""
    if name not in profile_names():
        raise KeyError(f"no modem profile {name!r}; there are: {', '.join(profile_names())}")
    found: ModemProfile = importlib.import_module(f"{profiles.__name__}.{name}").PROFILE
    return found
