"""What differs between modem families, as data. One file each in profiles/, found by listing that folder."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.audio import LINE_FORMAT, PcmFormat
from core.line import LineFix
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
class Switch:
    """A setting of the modem that is kept by itself: ask first, and set it only where it differs.

    on_sign: a regular expression at the start of an answer line that says it is on.
    """

    ask: Command
    on_sign: str
    on: Command
    off: Command | None = None


@dataclass(frozen=True, slots=True)
class BringUpProfile:
    """How a family is set up for its SIM. Data only; None where it can't do something.

    pin_tries: +SPIC or +QPINC. provider: the SIM's service provider name. auth: AT+CGAUTH with {cid}, {method} (0 none,
    1 PAP, 2 CHAP, 3 either), {username} and {password}.
    """

    iccid: Command = Command("AT+CICCID", prefixes=("+ICCID:",))
    pin_tries: Command | None = None
    provider: Command | None = None
    auth: str | None = 'AT+CGAUTH={cid},{method},"{username}","{password}"'
    volte: Switch | None = None
    lte_only: Switch | None = None


@dataclass(frozen=True, slots=True)
class GnssProfile:
    """How a family's satellite receiver is steered.

    start, stop; state asks whether it runs, and a line that begins with running says yes. stopped: the URC, without
    blanks, that ends a stop, before which a new start is refused; None where a stop is over with its OK.
    position asks for the place now, read_position understands the answer. yields_to_calls: the NMEA port carries the
    voice of calls, and is let go of for them. listen: makes sentences come from that port, sent before each opening.
    """

    start: Command
    stop: Command
    state: Command
    running: str
    position: Command
    read_position: Callable[[str], LineFix | None]
    stopped: str | None = None
    yields_to_calls: bool = False
    listen: Command | None = None


@dataclass(frozen=True, slots=True)
class AudioProfile:
    """How the voice of a call gets onto the PCM port, and off it.

    read_state asks whether the port carries it, and state understands a line of the answer: only that is believed.
    settle_s: between close and the next open. prepare: sent before the port is opened; an ERROR is tolerated.
    shares_port: with NMEA, whose reader may need a moment to let go. flow understands the URC that stops the uplink
    (False) and lets it go on (True); None where a family has no such thing.
    """

    open: Command
    close: Command
    read_state: Command
    state: Callable[[str], bool | None]
    settle_s: float = 0.3
    prepare: tuple[Command, ...] = ()
    shares_port: bool = False
    flow: Callable[[str], bool | None] | None = None


@dataclass(frozen=True, slots=True)
class ModemProfile:
    """One family.

    usb_ids: "vendor:product" of the compositions (usb_roles) that are this family's own; the ports' roles stand there.
    A folder of links (ports_dir) is taken for the first.
    urcs: as AtChannel takes them. says: beginnings of URCs that have other names elsewhere, and those names, by which
    the rest of the core knows them. init_port runs on each AT port, init_once on the voice port, init_late on the AT
    port once the line is ready, because the network takes seconds over it. An ERROR to any of them is tolerated:
    firmware differs. reset: restarts the modem, USB and all. cells: questions about the serving cell, asked with every
    poll; report: those that only a report asks.
    """

    name: str
    usb_ids: tuple[str, ...]
    urcs: tuple[str, ...]
    init_port: tuple[Command, ...]
    init_once: tuple[Command, ...]
    init_late: tuple[Command, ...]
    messages: MessageProfile
    audio: AudioProfile
    says: Mapping[str, str] = field(default_factory=dict)
    gnss: GnssProfile | None = None
    bring_up: BringUpProfile = BringUpProfile()
    cells: tuple[str, ...] = ()
    report: tuple[str, ...] = ()
    pcm_format: PcmFormat = LINE_FORMAT
    reset: Command = Command("AT+CFUN=1,1", 15.0)

    def known(self, urc: str) -> str:
        """The URC by the name that the rest of the core knows it by."""
        return next((name for start, name in self.says.items() if urc.startswith(start)), urc)


def profile_names() -> list[str]:
    """Every family there is a file for."""
    return sorted(module.name for module in pkgutil.iter_modules(profiles.__path__))


def load_profile(name: str) -> ModemProfile:
    """KeyError with the known names when there is none of that name."""
    if name not in profile_names():
        raise KeyError(f"no modem profile {name!r}; there are: {', '.join(profile_names())}")
    found: ModemProfile = importlib.import_module(f"{profiles.__name__}.{name}").PROFILE
    return found
