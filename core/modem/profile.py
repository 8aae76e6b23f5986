"""What differs between modem families, as data. One file each in profiles/, found by listing that folder."""

import importlib
import pkgutil
from dataclasses import dataclass

from core.audio import LINE_FORMAT, PcmFormat
from core.modem import profiles
from core.modem.at import Command


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
