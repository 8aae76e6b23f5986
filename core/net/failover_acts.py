"""What the failover machine asks of its service. Plain data. A ticket comes back with the answer; an answer to an older
ticket than the last one of its sort says nothing any more."""

from dataclasses import dataclass

from core.events import FailoverState


@dataclass(frozen=True, slots=True)
class ProbePrimary:
    """Look at the main link now. One that is under way is given up: its answer would come too late. Answer: probed,
    or probe_lost when nothing was learned."""

    ticket: int
    timeout_s: float
    priority: bool


@dataclass(frozen=True, slots=True)
class ProbeBackup:
    """Look whether the SIM's data carries anything. thorough: by more than ICMP. Answer: backup_probed or
    backup_probe_lost."""

    ticket: int
    thorough: bool


@dataclass(frozen=True, slots=True)
class StartBearer:
    """Answer: bearer_up or bearer_failed."""

    ticket: int


@dataclass(frozen=True, slots=True)
class StopBearer:
    """Also in the middle of a start, which is then given up and never answered. Answer: bearer_stopped."""

    ticket: int


@dataclass(frozen=True, slots=True)
class TakeTraffic:
    """Route, name servers, IPv6; each of them may be there already. again: somebody has taken our route away. Answer:
    taken or take_failed, after which any part of it may be done."""

    ticket: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class GiveBack:
    """The opposite, whatever part of it is done. Answer: given_back or give_back_failed."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Report:
    """net.failover. from_state is state where only a trouble is told."""

    state: FailoverState
    from_state: FailoverState
    reason: str
    cause: str | None
    interface: str | None


Action = ProbePrimary | ProbeBackup | StartBearer | StopBearer | TakeTraffic | GiveBack | Report
