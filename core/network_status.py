"""What the network service shows of itself: plain data, so that the methods need nothing else of it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.events import FailoverState, NetVerdict
from core.net.types import BearerUp, Links, Probe

if TYPE_CHECKING:
    from core.net.vpn import VpnStatus


@dataclass(frozen=True, slots=True)
class DatedProbe:
    probe: Probe
    at_unix_s: float


@dataclass(frozen=True, slots=True)
class BackupStatus:
    """kind: qmi, ecm or ppp, once it is known. bearer: down, starting, up or stopping. cause, text: of its last
    trouble; None once it has come up since. retry_s: from now; None where no try is due. barred: why none may be
    begun. up: as it has come up. probe: the last look over it."""

    kind: str | None
    bearer: str
    traffic: bool
    contested: bool
    cause: str | None = None
    text: str | None = None
    retry_s: float | None = None
    barred: str | None = None
    interface: str | None = None
    up: BearerUp | None = None
    probe: DatedProbe | None = None


@dataclass(frozen=True, slots=True)
class DataStatus:
    """The SIM's data today, by the host's own calendar. limit_bytes 0: no limit."""

    day: str
    spent_bytes: int
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class NetStatus:
    """interface: what carries the traffic, as far as it is decided here. since_unix_s: of the state. helper: why
    dialtone-helper can't be asked; None when it can. vpn_names: that stand for its endpoint."""

    state: FailoverState
    mode: str
    since_unix_s: float
    reason: str
    cause: str | None
    interface: str | None
    links: Links
    fails: int
    answers: int
    verdict: NetVerdict | None
    primary_probe: DatedProbe | None
    backup: BackupStatus
    data: DataStatus
    vpn: "VpnStatus | None"
    helper: str | None
    troubles: tuple[str, ...] = field(default=())
    """Parts of the service that broke and are being restarted."""
    vpn_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one look found. starting: a backup is being started, or carries already. took_s: how long it took."""

    verdict: NetVerdict | None
    detail: str
    state: FailoverState
    interface: str | None
    starting: bool
    took_s: float
