"""What the verbs work with."""

from dataclasses import dataclass, field
from pathlib import Path

from core.helper.kernel import Kernel
from core.helper.programs import Child, Programs
from core.helper.report import Folders
from core.helper.state import StateFile

INTERFACES = ("wwan*", "usb*", "ppp*", "enx*")
"""What a modem's link is called: qmi_wwan, cdc_ether and rndis_host (both also as enx + address), pppd."""

VPNS = ("wg*",)
TTYS = ("/dev/ttyUSB*", "/dev/ttyACM*")


@dataclass(frozen=True, slots=True)
class Patterns:
    """Of shell words; what the helper was started with. A request can't widen them."""

    interfaces: tuple[str, ...] = INTERFACES
    vpns: tuple[str, ...] = VPNS
    ttys: tuple[str, ...] = TTYS


@dataclass(frozen=True, slots=True)
class Context:
    """root: stands before /sys, /etc and /run, for tests. dialled: the pppds of this life of the helper, by unit, which
    have to be waited for (wait(2)) and whose words say why they ended."""

    root: Path
    patterns: Patterns
    programs: Programs
    kernel: Kernel
    state: StateFile
    folders: Folders
    dialled: dict[int, Child] = field(default_factory=dict)


def make_context(root: Path, patterns: Patterns, state: Path, path: str) -> Context:
    programs = Programs(path)
    return Context(root, patterns, programs, Kernel(programs), StateFile(state), Folders(state.parent))
