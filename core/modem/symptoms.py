"""From what can be seen of a line to what it suffers from. Pure: times come in.

Modems are slow to start and networks to find: every sign has its patience before it is a trouble.
"""

from collections import deque
from dataclasses import dataclass

from core.line import AudioReport, AudioVerdict
from core.modem.lines_network import REGISTERED
from core.modem.recovery import Trouble

SIM_PASSING = ("BUSY", "FAILURE", "ABSENT", None)
"""States of a SIM that a restart may end: sticks have come up without theirs on slow hosts (spec §5)."""


STALLS = 3
"""Single frames that the port did not take in time are normal (spec §3.5)."""


def worth_a_reset(report: AudioReport) -> bool:
    """Whether this call's audio says that the next one's will be bad (spec §3.6). A call that was over before its audio
    could come up says nothing, and a byte that was lost on the way was found again."""
    match report.verdict:
        case AudioVerdict.HEALTHY:
            return False
        case AudioVerdict.ONE_WAY:
            return True
    rate_hz = report.measured_rate_hz
    off_rate = rate_hz is not None and abs(rate_hz - report.rate_hz) > report.rate_hz // 10
    return report.attempts > 1 or report.uplink_stalls >= STALLS or off_rate


@dataclass(frozen=True, slots=True)
class SymptomTimes:
    """Until a sign is a trouble, in seconds; falls and resyncs: how many within window_s.

    absent_s: sticks re-enumerate within 20 s, and within 60 s after a reset. sim_s: "busy" is normal for 20 s.
    network_s: with searching a stick is busy for minutes where coverage is poor; a denial is an answer.
    """

    absent_s: float = 60.0
    one_port_s: float = 60.0
    sim_s: float = 60.0
    denied_s: float = 60.0
    network_s: float = 300.0
    window_s: float = 600.0
    falls: int = 4
    resyncs: int = 3


@dataclass(frozen=True, slots=True)
class Signs:
    """A line at one moment.

    there: all its ports exist. seen: it was up before. serving: a life of it can dial. silent: the last life ended
    because a port answered nothing, with its name; alone: this life has one of two AT ports. falls: how often it went
    without us, resyncs: how often a port was out of step, both since the daemon started. audio: what the last call's
    verdict leaves to be done; routine: a call is over since the last start.
    """

    there: bool = True
    seen: bool = False
    serving: bool = False
    silent: str | None = None
    alone: bool = False
    sim: str | None = None
    registration: str | None = None
    falls: int = 0
    resyncs: int = 0
    audio: AudioVerdict | None = None
    routine: bool = False

    @property
    def ready(self) -> bool:
        """Whether calls and messages can be expected to work."""
        return self.serving and self.sim == "READY" and self.registration in REGISTERED


class Symptoms:
    """One line's. `look` once a second or so."""

    def __init__(self, times: SymptomTimes | None = None) -> None:
        self._times = times or SymptomTimes()
        self._since_s: dict[Trouble, float] = {}
        self._counted: dict[Trouble, int] = {}
        self._happened: dict[Trouble, deque[float]] = {
            Trouble.UNSTABLE: deque(maxlen=64),
            Trouble.TIMEOUTS: deque(maxlen=64),
        }

    def look(self, now_s: float, signs: Signs) -> tuple[Trouble | None, str, frozenset[Trouble]]:
        """The trouble there is, why we think so, and the troubles that are certainly over."""
        falls = self._within(Trouble.UNSTABLE, signs.falls, now_s)
        resyncs = self._within(Trouble.TIMEOUTS, signs.resyncs, now_s)
        found = {
            Trouble.UNSTABLE: (falls >= self._times.falls, f"it fell off the bus {falls} times in a short while"),
            Trouble.ABSENT: self._absent(now_s, signs),
            Trouble.SILENT: (signs.silent is not None, signs.silent or ""),
            Trouble.ONE_PORT: self._one_port(now_s, signs),
            Trouble.TIMEOUTS: (
                signs.serving and resyncs >= self._times.resyncs,
                f"commands got no answer again and again; {resyncs} times a port was out of step",
            ),
            Trouble.SIM: self._sim(now_s, signs),
            Trouble.NETWORK: self._network(now_s, signs),
            Trouble.AUDIO: (signs.audio is not None, f"the audio of the last call: {signs.audio}"),
            Trouble.ROUTINE: (signs.routine, "a call is over"),
        }
        ill = next((trouble for trouble, (holds, _) in found.items() if holds), None)
        cured = frozenset(trouble for trouble, (holds, _) in found.items() if not holds and _well_again(trouble, signs))
        return ill, found[ill][1] if ill is not None else "", cured

    def forget(self) -> None:
        """Something was done about it: what happened before counts no longer, and every patience begins anew."""
        self._since_s.clear()
        for happened in self._happened.values():
            happened.clear()

    def _absent(self, now_s: float, signs: Signs) -> tuple[bool, str]:
        lasts_s = self._lasts(Trouble.ABSENT, signs.seen and not signs.there, now_s)
        return lasts_s >= self._times.absent_s, f"it has been away for {lasts_s:.0f} s"

    def _one_port(self, now_s: float, signs: Signs) -> tuple[bool, str]:
        lasts_s = self._lasts(Trouble.ONE_PORT, signs.serving and signs.alone, now_s)
        return lasts_s >= self._times.one_port_s, "one of its two AT ports answers nothing"

    def _sim(self, now_s: float, signs: Signs) -> tuple[bool, str]:
        lasts_s = self._lasts(Trouble.SIM, signs.serving and signs.sim in SIM_PASSING, now_s)
        state = (signs.sim or "no answer").lower()
        return lasts_s >= self._times.sim_s, f"the SIM: {state}, for {lasts_s:.0f} s"

    def _network(self, now_s: float, signs: Signs) -> tuple[bool, str]:
        away = signs.serving and signs.sim == "READY" and signs.registration is not None and not signs.ready
        lasts_s = self._lasts(Trouble.NETWORK, away, now_s)
        patience_s = self._times.denied_s if signs.registration == "denied" else self._times.network_s
        return lasts_s >= patience_s, f"registration: {signs.registration}, for {lasts_s:.0f} s"

    def _lasts(self, trouble: Trouble, holds: bool, now_s: float) -> float:
        """How long it has held; below any patience when it doesn't."""
        if not holds:
            self._since_s.pop(trouble, None)
            return -1.0
        return now_s - self._since_s.setdefault(trouble, now_s)

    def _within(self, trouble: Trouble, count: int, now_s: float) -> int:
        """How many of a growing count happened within the window."""
        happened = self._happened[trouble]
        happened.extend([now_s] * (count - self._counted.get(trouble, 0)))
        self._counted[trouble] = count
        while happened and now_s - happened[0] >= self._times.window_s:
            happened.popleft()
        return len(happened)


def _well_again(trouble: Trouble, signs: Signs) -> bool:
    match trouble:
        case Trouble.SIM:
            return signs.serving and signs.sim not in SIM_PASSING
        case Trouble.NETWORK | Trouble.AUDIO | Trouble.ROUTINE:
            return signs.ready
        case Trouble.ONE_PORT:
            return signs.serving and not signs.alone
    return signs.serving
