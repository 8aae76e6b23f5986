"""The steps of bring-up as data: their order, what each may take at most, and what each took. Pure.

The old station slept between its steps for over 40 s; here each waits for the modem to say that it is ready, and the
old times are what is waited at most.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

from core.config import LineConfig


class Step(StrEnum):
    SYNC = "sync"  # ports open, echo off
    RAMP = "ramp"  # AT+CFUN=0, 1: for hubs short of power
    SETTINGS = "settings"  # the family's init lists
    IDENTITY = "identity"
    SIM = "sim"
    CALLS = "calls"  # AT+CLCC: calls of an earlier life
    CARRIER = "carrier"  # APNs by IMSI
    CONTEXTS = "contexts"  # AT+CGDCONT, AT+CGAUTH
    NETWORK = "network"
    ACTIVATE = "activate"  # AT+CGACT
    VOLTE = "volte"
    LTE_ONLY = "lte_only"


EARLY = (Step.CARRIER, Step.CONTEXTS)
"""For each card, before the line is ready: an IMS context counts from the next attach on, so it comes first."""

LATE = (Step.NETWORK, Step.ACTIVATE, Step.VOLTE, Step.LTE_ONLY)
"""For each card, once the line is ready: calls and messages work without them."""

SIM_PATIENCE_S = 20.0
"""Right after the start a SIM says busy or failure for seconds (field reports)."""

_AT_MOST_S: Mapping[Step, float] = {
    Step.CARRIER: 10.0,
    Step.CONTEXTS: 24.0,  # a modem that says nothing to two of them; the old station slept 14
    Step.ACTIVATE: 45.0,  # two, with the network's seconds
    Step.VOLTE: 20.0,
    Step.LTE_ONLY: 25.0,  # AT+CNMP 15 s, as was waited behind it
}


def at_most_s(step: Step, config: LineConfig) -> float | None:
    """How long the step may take before bring-up goes on without it; None: its commands have their own bounds."""
    return config.network_wait_s if step is Step.NETWORK else _AT_MOST_S.get(step)


def late_steps(config: LineConfig, *, ims: bool) -> tuple[Step, ...]:
    """Those of LATE that there is anything to do in. ims: an IMS context was asked for."""
    wanted = {
        Step.NETWORK: True,
        Step.ACTIVATE: ims or config.activate_data,
        Step.VOLTE: True,
        Step.LTE_ONLY: config.lte_only,
    }
    return tuple(step for step in LATE if wanted[step])


def passing(sim: str | None) -> bool:
    """Whether a SIM in that state may come to itself."""
    return sim in ("BUSY", "FAILURE", None)


def sim_poll_s(waited_s: float) -> float:
    """Until the next look at a SIM that isn't ready, after waiting so long. For ever, but slowly."""
    return 1.0 if waited_s < SIM_PATIENCE_S else 5.0


class Stopwatch:
    """What each step took, in seconds of a clock that is handed in."""

    def __init__(self) -> None:
        self.took_s: dict[Step, float] = {}

    @contextmanager
    def timing(self, step: Step, now: Callable[[], float]) -> Iterator[None]:
        began_s = now()
        try:
            yield
        finally:
            self.took_s[step] = self.took_s.get(step, 0.0) + now() - began_s

    @property
    def slowest(self) -> tuple[Step, float] | None:
        return max(self.took_s.items(), key=lambda item: item[1], default=None)

    @property
    def total_s(self) -> float:
        return sum(self.took_s.values())

    def words(self) -> str:
        """For a log: "ramp 6002 ms, sim 12 ms", the slowest first."""
        ordered = sorted(self.took_s.items(), key=lambda item: -item[1])
        return ", ".join(f"{step} {round(took_s * 1000)} ms" for step, took_s in ordered)
