"""The recovery ladder: what is done, in which order and how often, about a modem that is ill. Pure: times come in.

docs/recovery.md draws LADDERS, RUNGS and NEXT, and a test keeps them alike. Field reports behind the order stand in the
reference of the modem, §§3.6, 5 and 8: cheap and local first, whatever costs calls or the bus later, a person last.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

HOUR_S = 3600.0
RELAPSE_S = 600.0
"""A trouble that is back so soon was not cured by the rung that ended it: the next one is begun with."""

REST_MAX_S = 14_400.0
"""Between two climbs, whoever long the trouble lasts; each rest is twice as long as the one before."""


class Rung(StrEnum):
    """In their order; the words of modem.recovery."""

    RESYNC = "resync"
    OTHER_PORT = "other_port"
    RADIO = "radio"
    RESET = "reset"
    USB_RESET = "usb_reset"
    POWER = "power"
    HUMAN = "human"


ORDER = tuple(Rung)


class Trouble(StrEnum):
    """What a line suffers from. The most basic first: it explains those below it."""

    UNSTABLE = "unstable"  # falls off the bus again and again
    ABSENT = "absent"  # was there and doesn't come back
    SILENT = "silent"  # its ports are there, and one answers nothing, AT neither
    ONE_PORT = "one_port"  # works, but one of its AT ports stays silent
    TIMEOUTS = "timeouts"  # answers AT, but commands time out again and again
    SIM = "sim"  # the SIM is busy, failing or not seen for long
    NETWORK = "network"  # not registered for long, or denied
    AUDIO = "audio"  # the last call's audio came up late, stalled, or carried one way only
    ROUTINE = "routine"  # audio_reset = "after_every_call"


LADDERS: dict[Trouble, tuple[Rung, ...]] = {
    Trouble.UNSTABLE: (Rung.HUMAN,),
    Trouble.ABSENT: (Rung.USB_RESET, Rung.POWER, Rung.HUMAN),
    Trouble.SILENT: (Rung.RESYNC, Rung.OTHER_PORT, Rung.RESET, Rung.USB_RESET, Rung.POWER, Rung.HUMAN),
    Trouble.ONE_PORT: (Rung.RESET, Rung.USB_RESET, Rung.POWER, Rung.HUMAN),
    Trouble.TIMEOUTS: (Rung.RADIO, Rung.RESET, Rung.USB_RESET, Rung.POWER, Rung.HUMAN),
    Trouble.SIM: (Rung.RADIO, Rung.RESET, Rung.USB_RESET, Rung.POWER, Rung.HUMAN),
    Trouble.NETWORK: (Rung.RADIO, Rung.RESET, Rung.HUMAN),
    Trouble.AUDIO: (Rung.RESET, Rung.HUMAN),
    Trouble.ROUTINE: (Rung.RESET,),
}


@dataclass(frozen=True, slots=True)
class RungTimes:
    """back_off_s: from the failure of the rung below to this one; the first rung of a climb waits for nothing.
    patience_s: how long after it the line may take to be well; of `human`: how long the ladder then rests at first.
    """

    back_off_s: float
    patience_s: float


RUNGS: dict[Rung, RungTimes] = {
    Rung.RESYNC: RungTimes(0.0, 15.0),
    Rung.OTHER_PORT: RungTimes(0.0, 30.0),
    Rung.RADIO: RungTimes(5.0, 60.0),
    Rung.RESET: RungTimes(5.0, 60.0),
    Rung.USB_RESET: RungTimes(10.0, 60.0),
    Rung.POWER: RungTimes(10.0, 90.0),
    Rung.HUMAN: RungTimes(0.0, 900.0),
}

ADVICE: dict[Trouble, str] = {
    Trouble.UNSTABLE: "Give it a powered hub, its own supply or another cable: it draws up to 2 A for moments.",
    Trouble.ABSENT: "Look at its cable and power.",
    Trouble.SILENT: "Unplug it and plug it in again.",
    Trouble.ONE_PORT: "It works through its other port. Unplug it and plug it in again when that suits.",
    Trouble.TIMEOUTS: "Unplug it and plug it in again; its firmware or its power may be at fault.",
    Trouble.SIM: "Look whether the SIM sits right and works in a phone.",
    Trouble.NETWORK: "Look at antenna and coverage, and whether the SIM is paid for and allowed here.",
    Trouble.AUDIO: "Unplug it and plug it in again; when that doesn't last, its power or firmware is at fault.",
}
"""What a person can do where no rung is left that helps."""

LIMITED = frozenset({Rung.RADIO, Rung.RESET, Rung.USB_RESET, Rung.POWER})
"""At most resets_per_hour of each: they cost the network's patience, running data, or wear a relay."""

DISTURBING = LIMITED - {Rung.POWER, Rung.USB_RESET}
"""Wait until no call, USSD session or message is under way. The two above come only when the modem is past that."""


class Stage(StrEnum):
    IDLE = "idle"  # well, or ill and past help for now
    WAITING = "waiting"  # ill; a rung is due, or will be
    TAKING = "taking"  # a rung is being carried out
    WATCHING = "watching"  # it was; whether it helped will be seen


class On(StrEnum):
    """What happens to a ladder."""

    ILL = "ill"
    CURED = "cured"
    DUE = "due"  # the time of the next rung has come
    BARRED = "barred"  # the next rung can't be taken, or has been too often within the hour
    CALLED = "called"  # nothing but a person is left
    ENDED = "ended"  # no rung is left at all
    DONE = "done"  # carried out
    UNDONE = "undone"  # could not be carried out
    LATE = "late"  # its time is over and the line is not well, or it is ill again


NEXT: dict[tuple[Stage, On], Stage] = {
    (Stage.IDLE, On.ILL): Stage.WAITING,
    (Stage.WAITING, On.CURED): Stage.IDLE,
    (Stage.WAITING, On.DUE): Stage.TAKING,
    (Stage.WAITING, On.BARRED): Stage.WAITING,
    (Stage.WAITING, On.CALLED): Stage.IDLE,
    (Stage.WAITING, On.ENDED): Stage.IDLE,
    (Stage.TAKING, On.DONE): Stage.WATCHING,
    (Stage.TAKING, On.UNDONE): Stage.WAITING,
    (Stage.WATCHING, On.CURED): Stage.IDLE,
    (Stage.WATCHING, On.LATE): Stage.WAITING,
}


class Outcome(StrEnum):
    """state of modem.recovery."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Take:
    """Carry this rung out now, then say `done` or `undone`."""

    rung: Rung
    trouble: Trouble


@dataclass(frozen=True, slots=True)
class Tell:
    """For modem.recovery."""

    rung: Rung
    outcome: Outcome
    reason: str
    attempt: int
    duration_s: float | None = None


Action = Take | Tell


@dataclass(frozen=True, slots=True)
class Condition:
    """How the line is at one moment. Between well and ill there is "not yet known": ill None, and nothing cured.

    cured: the troubles that are certainly over. again: the trouble has shown itself anew since the last rung was done.
    quiet: nothing is under way that a restart would cost. barred: rungs that can't be taken here, and why.
    """

    ill: Trouble | None = None
    reason: str = ""
    cured: frozenset[Trouble] = frozenset()
    again: bool = False
    quiet: bool = True
    barred: Mapping[Rung, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Rest:
    """After a climb that reached its top: nothing more is done about this trouble for a while."""

    until_s: float
    length_s: float
    called_s: float | None = None
    """When a person was called for it; None when its ladder has none."""
    attempt: int = 1


class Ladder:
    """One line's. `look` as often as the condition may have changed, once a second at least."""

    def __init__(self, *, resets_per_hour: int, times: Mapping[Rung, RungTimes] | None = None) -> None:
        self.stage = Stage.IDLE
        self.trouble: Trouble | None = None
        self.rung: Rung | None = None
        """The one that is next, or under way."""
        self.until_s = 0.0
        """While waiting the next rung comes no earlier; while watching its patience is over then."""
        self._limit = resets_per_hour
        self._times = RUNGS | dict(times or {})
        self._last: Rung | None = None
        self._reason = ""
        self._attempt = 1
        self.began_s = 0.0
        """Of the rung under way."""
        # No limit reaches 128; what has none is only counted for modem.recovery.
        self._taken: dict[Rung, deque[float]] = {rung: deque(maxlen=128) for rung in Rung}
        self._helped: dict[Trouble, tuple[Rung, float]] = {}
        self._rests: dict[Trouble, _Rest] = {}

    def taken_within_hour(self, rung: Rung, now_s: float) -> int:
        return sum(now_s - taken_s < HOUR_S for taken_s in self._taken[rung])

    def count(self, rung: Rung, now_s: float) -> int:
        """Somebody takes this rung by hand: it counts. Gives its attempt."""
        self._taken[rung].append(now_s)
        return self.taken_within_hour(rung, now_s)

    def look(self, now_s: float, condition: Condition) -> tuple[Action, ...]:
        """What is to be done and told now."""
        actions: list[Action] = self._relieved(now_s, condition)
        while (happens := self._happens(now_s, condition)) is not None:
            before, self.stage = self.stage, NEXT[self.stage, happens]
            self._move(before, happens, now_s, condition, actions)
        return tuple(actions)

    def done(self, now_s: float) -> None:
        """The rung was carried out; whether it helped, `look` will see."""
        self.stage = NEXT[self.stage, On.DONE]
        assert self.rung is not None
        self.until_s = now_s + self._times[self.rung].patience_s

    def undone(self, now_s: float, why: str) -> Tell:
        """It could not be carried out."""
        told = self._tell(Outcome.FAILED, why, now_s)
        self.stage = NEXT[self.stage, On.UNDONE]
        self._climb(now_s)
        return told

    def imminent(self, now_s: float, condition: Condition) -> bool:
        """Whether nothing but the line's other business holds the next rung up."""
        if self.stage is not Stage.WAITING or self.rung is None or condition.ill is None:
            return False
        return self.rung in DISTURBING and self._barred(self.rung, now_s, condition) is None

    # --- inside ----------------------------------------------------------------------------------------------------

    def _happens(self, now_s: float, condition: Condition) -> On | None:
        match self.stage:
            case Stage.IDLE:
                rest = self._rests.get(condition.ill) if condition.ill is not None else None
                return On.ILL if condition.ill is not None and (rest is None or now_s >= rest.until_s) else None
            case Stage.TAKING:
                return None
            case _ if self.trouble in condition.cured:
                return On.CURED
            case Stage.WATCHING:
                return On.LATE if now_s >= self.until_s or condition.again else None
        return self._next_rung(now_s, condition)

    def _next_rung(self, now_s: float, condition: Condition) -> On | None:
        """Only while it is certainly ill: what the line still recovers from by itself needs no rung."""
        if condition.ill is None:
            return None
        if condition.ill is not self.trouble:
            self._turn_to(condition.ill)
        if self.rung is None:
            return On.ENDED
        if self._barred(self.rung, now_s, condition) is not None:
            return On.BARRED
        if now_s < self.until_s or (self.rung in DISTURBING and not condition.quiet):
            return None
        return On.CALLED if self.rung is Rung.HUMAN else On.DUE

    def _barred(self, rung: Rung, now_s: float, condition: Condition) -> str | None:
        if (why := condition.barred.get(rung)) is not None:
            return why
        if rung in LIMITED and self.taken_within_hour(rung, now_s) >= self._limit:
            return f"{self._limit} within the hour is the limit (resets_per_hour)"
        return None

    def _move(self, before: Stage, happens: On, now_s: float, condition: Condition, actions: list[Action]) -> None:
        match happens:
            case On.ILL:
                self._begin(now_s, condition)
            case On.CURED:
                self._recover(before, now_s, actions)
            case On.BARRED:
                assert self.rung is not None
                why = f"{condition.reason}; skipped: {self._barred(self.rung, now_s, condition)}"
                actions.append(Tell(self.rung, Outcome.SKIPPED, why, self.taken_within_hour(self.rung, now_s)))
                self._climb(now_s)
            case On.DUE:
                self._take(now_s, condition, actions)
                assert self.rung is not None and self.trouble is not None
                actions.append(Take(self.rung, self.trouble))
            case On.CALLED:
                self._take(now_s, condition, actions)
                self._rest(now_s, called=True)
            case On.ENDED:
                self._rest(now_s, called=False)
            case On.LATE:
                actions.append(self._tell(Outcome.FAILED, self._reason, now_s))
                self._climb(now_s)

    def _begin(self, now_s: float, condition: Condition) -> None:
        """A climb: from the first rung, or above the one that helped for a moment only."""
        trouble = condition.ill
        assert trouble is not None
        self.trouble, self._reason, self._last = trouble, condition.reason, None
        helped, at_s = self._helped.get(trouble, (None, 0.0))
        if helped is not None and trouble not in (Trouble.AUDIO, Trouble.ROUTINE) and now_s - at_s < RELAPSE_S:
            self._last = helped
        self.rung, self.until_s = _above(self._last, trouble), now_s

    def _turn_to(self, trouble: Trouble) -> None:
        """Something else is wrong by now: its own ladder, from where this climb stands."""
        self.trouble = trouble
        self.rung = _above(self._last, trouble)

    def _recover(self, before: Stage, now_s: float, actions: list[Action]) -> None:
        assert self.trouble is not None
        if before is Stage.WATCHING:
            assert self.rung is not None
            actions.append(self._tell(Outcome.SUCCEEDED, self._reason, now_s))
            self._helped[self.trouble] = (self.rung, now_s)
        self.trouble = self.rung = None

    def _relieved(self, now_s: float, condition: Condition) -> list[Action]:
        """Troubles that a person was called for, and that are over. Told once the last of them is."""
        over = [trouble for trouble in self._rests if trouble in condition.cured]
        called = [rest for trouble in over if (rest := self._rests.pop(trouble)).called_s is not None]
        if not called or any(rest.called_s is not None for rest in self._rests.values()):
            return []
        last = called[-1]
        assert last.called_s is not None
        length_s = round(max(0.0, now_s - last.called_s), 3)
        return [Tell(Rung.HUMAN, Outcome.SUCCEEDED, "the line is well again", last.attempt, length_s)]

    def _take(self, now_s: float, condition: Condition, actions: list[Action]) -> None:
        assert self.rung is not None
        self._reason, self._last = condition.reason, self.rung
        self.began_s, self._attempt = now_s, self.count(self.rung, now_s)
        if self.rung is Rung.HUMAN and self.trouble in ADVICE:
            self._reason = f"{self._reason}. {ADVICE[self.trouble]}"
        actions.append(Tell(self.rung, Outcome.STARTED, self._reason, self._attempt))

    def _rest(self, now_s: float, *, called: bool) -> None:
        assert self.trouble is not None
        before = self._rests.get(self.trouble)
        first_s = self._times[Rung.HUMAN].patience_s
        length_s = first_s if before is None else min(before.length_s * 2, REST_MAX_S)
        since_s = before.called_s if before is not None and before.called_s is not None else now_s
        self._rests[self.trouble] = _Rest(now_s + length_s, length_s, since_s if called else None, self._attempt)
        self.trouble = self.rung = None

    def _climb(self, now_s: float) -> None:
        assert self.rung is not None and self.trouble is not None
        self._last = self.rung
        self.rung = _above(self.rung, self.trouble)
        self.until_s = now_s + (self._times[self.rung].back_off_s if self.rung is not None else 0.0)

    def _tell(self, outcome: Outcome, reason: str, now_s: float) -> Tell:
        assert self.rung is not None
        return Tell(self.rung, outcome, reason, self._attempt, round(max(0.0, now_s - self.began_s), 3))


def _above(rung: Rung | None, trouble: Trouble) -> Rung | None:
    """The next rung of that trouble's ladder; its first one for None; None when there is none above."""
    place = -1 if rung is None else ORDER.index(rung)
    return next((found for found in LADDERS[trouble] if ORDER.index(found) > place), None)
