"""Carries out what the recovery ladder says about one line, and keeps calls and messages off a modem that restarts.

`run` in a task of the line; the line tells when a life of the modem begins and ends and how a call's audio was.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from core.config import LineConfig
from core.errors import ModemBusy, ModemOffline, ModemRefused, ModemRestarting, NotNow
from core.line import AudioReport, AudioVerdict, LineEvent, LineRecovery
from core.log import Log
from core.modem.at import Command
from core.modem.endings import End
from core.modem.port import AtPort, AtTimeout, PortLost
from core.modem.recovery import Condition, Ladder, Outcome, Rung, RungTimes, Stage, Take, Tell, Trouble
from core.modem.rungs import UsbReset
from core.modem.session import Session
from core.modem.symptoms import Signs, Symptoms, SymptomTimes, worth_a_reset
from core.modem.treatment import AT, Treatment

USSD_S = 180.0
"""A USSD session that nobody goes on with holds a restart up no longer; networks end them after a minute or two."""

OVERDUE_S = 2.0
"""A client that was told to come back later waits this long at least."""

_RESTARTING = frozenset({Rung.RADIO, Rung.RESET, Rung.USB_RESET, Rung.POWER})


@dataclass(frozen=True, slots=True)
class HealingTimes:
    """Seconds. probe_s: a port that nothing was sent on for that long is asked whether it still answers. settle_s: from
    a call's end to a restart, for what still comes of it. radio_pause_s: the maker's advice. fall_s: from OK to
    AT+CRESET until the ports go. typical_s: a restart's whole length, until one has been measured.
    """

    look_s: float = 1.0
    probe_s: float = 30.0
    settle_s: float = 1.0
    radio_pause_s: float = 10.0
    fall_s: float = 20.0
    typical_s: float = 30.0
    symptoms: SymptomTimes = SymptomTimes()
    rungs: Mapping[Rung, RungTimes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _ByHand:
    """A restart that somebody asked for. life: the number of the one that it ends."""

    life: int
    began_s: float
    until_s: float
    reason: str
    attempt: int


class Healer:
    """One line's."""

    def __init__(
        self,
        name: str,
        config: LineConfig,
        reset: Command,
        emit: Callable[[LineEvent], None],
        *,
        times: HealingTimes | None = None,
        usb_reset: UsbReset | None = None,
        usb_path: Callable[[], str | None] = lambda: None,
    ) -> None:
        """reset: the command that restarts the modem. usb_path: where it is, or was, on the USB."""
        self.last_audio: AudioVerdict | None = None
        """Of the last call that had any."""
        self._name = name
        self._config = config
        self._emit = emit
        self._times = times or HealingTimes()
        pause_s, fall_s = self._times.radio_pause_s, self._times.fall_s
        self.treatment = Treatment(
            name, config, reset, radio_pause_s=pause_s, fall_s=fall_s, usb_reset=usb_reset, usb_path=usb_path
        )
        self._log = Log("modem.recovery")
        self._ladder = Ladder(resets_per_hour=config.resets_per_hour, times=self._times.rungs)
        self._symptoms = Symptoms(self._times.symptoms)
        self._signs = Signs()
        self._wake = asyncio.Event()
        self._again = False
        self._resyncs = 0
        self._bad_call: int | None = None
        self._probe_due_s = 0.0
        self._probed: dict[str, int] = {}
        self._in_flight = 0
        self._busy_s = float("-inf")
        self._ussd_since_s: float | None = None
        self._by_hand: _ByHand | None = None
        self._typical_s = self._times.typical_s

    # --- what the line tells ---------------------------------------------------------------------------------------

    def life_began(self, session: Session) -> None:
        self.treatment.began(session)
        self._resyncs = 0
        self._signs = replace(self._signs, there=True, alone=self.treatment.alone)

    def life_ended(self, end: End) -> None:
        self._count_resyncs()
        answered = self._session is not None and any(port.counts.commands for port in self._session.ports)
        ours = self.treatment.ended(fell=end.fell)
        signs = replace(self._signs, serving=False, silent=end.reason if end.silent else self._signs.silent)
        self._again = self._again or end.silent
        if end.fell:
            falls = signs.falls + (answered and not ours)
            signs = replace(signs, there=False, falls=falls, audio=None, routine=False, silent=None)
        self._signs = signs
        self._wake.set()

    def note_audio(self, handle: int, report: AudioReport) -> None:
        """How a call's audio was. What it leaves to be done waits for the end of all calls."""
        self.last_audio = report.verdict
        self._busy_s = time.monotonic()
        policy = self._config.audio_reset
        if policy == "never":
            return
        if worth_a_reset(report):
            self._bad_call = handle
            self._signs = replace(self._signs, audio=report.verdict)
        elif report.verdict is AudioVerdict.HEALTHY and handle != self._bad_call:
            self._signs = replace(self._signs, audio=None)
        allowed = self.resets_last_hour < self._config.resets_per_hour
        if policy == "after_every_call" and allowed:
            self._signs = replace(self._signs, routine=True)
        self._begin_climb()
        self._wake.set()

    def _begin_climb(self) -> None:
        """At once, so that nobody dials before the task of the line has looked. The rung itself waits for that task."""
        now_s = time.monotonic()
        condition = self._condition(now_s)
        if self._ladder.stage is Stage.IDLE and condition.ill in (Trouble.AUDIO, Trouble.ROUTINE):
            for action in self._ladder.look(now_s, replace(condition, quiet=False)):
                if isinstance(action, Tell):
                    self._tell(action)

    # --- what the line asks ----------------------------------------------------------------------------------------

    @property
    def resets_last_hour(self) -> int:
        return self._ladder.taken_within_hour(Rung.RESET, time.monotonic())

    @property
    def restarting_s(self) -> float | None:
        """While the modem restarts, or is about to: how long that will still take. None: it can be used."""
        now_s = time.monotonic()
        if self._under_way:
            return self._left_s(now_s)
        due = self._ladder.imminent(now_s, self._condition(now_s)) and not self._on_call
        return self._typical_s if due else None

    def permit(self, *, answering: bool = False) -> None:
        """ModemRestarting when this is no time for a call. A call that came before the restart may be answered."""
        now_s = time.monotonic()
        if answering and not self._under_way:
            return
        if self.restarting_s is not None:
            raise ModemRestarting(retry_after_s=round(max(OVERDUE_S, self._left_s(now_s)), 1))

    @contextmanager
    def handing_over(self) -> Iterator[None]:
        """Around a message on its way to the modem: no restart meanwhile. ModemBusy when one is due."""
        if self.restarting_s is not None:
            raise ModemBusy("The modem is being restarted; the message waits.")
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            self._wake.set()

    async def restart(self, reason: str) -> None:
        """As Line.restart. It counts as a reset, and is not held up by resets_per_hour."""
        session = self._session
        if session is None or not session.serving:
            raise ModemOffline
        if self._on_call:
            raise NotNow("A call is up. Hang it up first.")
        self.permit()
        now_s = time.monotonic()
        attempt = self._ladder.count(Rung.RESET, now_s)
        patience_s = self._times.fall_s + 60.0
        self._by_hand = hand = _ByHand(self.treatment.life, now_s, now_s + patience_s, reason, attempt)
        self._tell(Tell(Rung.RESET, Outcome.STARTED, reason, attempt))
        try:
            why = await self.treatment.order_reset(session)
        except PortLost:
            why = None
        if why is not None:
            self._end_by_hand(hand, Outcome.FAILED, why)
            raise ModemRefused("The modem did not take the command to restart.")

    # --- the task --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._look(tasks)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._times.look_s):
                        await self._wake.wait()
                self._wake.clear()

    def _probe(self, tasks: asyncio.TaskGroup, now_s: float) -> None:
        """A port that fell silent must not be found out about by the next call."""
        session = self._session
        if session is None or not session.serving or now_s < self._probe_due_s:
            return
        self._probe_due_s = now_s + self._times.probe_s
        counts = {port.name: port.counts.commands for port in session.ports}
        for port in session.ports:
            if counts[port.name] == self._probed.get(port.name) and not port.busy:
                tasks.create_task(_say_at(port), name=f"modem.{self._name}.{port.name}.probe")
        self._probed = counts

    async def _look(self, tasks: asyncio.TaskGroup) -> None:
        now_s = time.monotonic()
        self._observe(now_s)
        self._probe(tasks, now_s)
        for action in self._ladder.look(now_s, self._condition(now_s)):
            match action:
                case Tell():
                    self._tell(action)
                case Take():
                    # A task of its own: what fails in it must not reach the next look.
                    await tasks.create_task(self._take(action.rung), name=f"modem.{self._name}.{action.rung}")
        self._watch_by_hand(now_s)

    def _observe(self, now_s: float) -> None:
        """Signs from the life there is."""
        session = self._session
        if self._on_call:
            self._busy_s = now_s
        if session is None or not session.serving:
            return
        self._count_resyncs()
        facts = session.status.facts
        self._signs = replace(
            self._signs, serving=True, seen=True, silent=None, sim=facts.sim, registration=facts.registration
        )

    def _count_resyncs(self) -> None:
        session = self._session
        if session is None:
            return
        count = sum(port.counts.resyncs for port in session.ports)
        for _ in range(count - self._resyncs):
            attempt = self._ladder.count(Rung.RESYNC, time.monotonic())
            reason = "commands got no answer; AT did in the end"
            self._tell(Tell(Rung.RESYNC, Outcome.SUCCEEDED, reason, attempt))
        self._signs = replace(self._signs, resyncs=self._signs.resyncs + count - self._resyncs)
        self._resyncs = count

    def _condition(self, now_s: float) -> Condition:
        ill, reason, cured = self._symptoms.look(now_s, self._signs)
        if not self._config.recovery and ill not in (Trouble.AUDIO, Trouble.ROUTINE):
            ill = None
        again = self._again and self._ladder.trouble is Trouble.SILENT
        return Condition(ill, reason, cured, again, self._quiet(now_s), self.treatment.barred())

    def _quiet(self, now_s: float) -> bool:
        """Whether a restart would cost nobody anything."""
        session = self._session
        open_ussd = session is not None and session.ussd.active
        if not open_ussd:
            self._ussd_since_s = None
        elif self._ussd_since_s is None:
            self._ussd_since_s = now_s
        held_up = self._ussd_since_s is not None and now_s - self._ussd_since_s < USSD_S
        settled = now_s - self._busy_s >= self._times.settle_s
        return settled and not (self._on_call or self._in_flight or held_up)

    @property
    def _session(self) -> Session | None:
        return self.treatment.session

    @property
    def _on_call(self) -> bool:
        return self._session is not None and self._session.table.needs_poll()

    @property
    def _under_way(self) -> bool:
        taken = self._ladder.stage in (Stage.TAKING, Stage.WATCHING) and self._ladder.rung in _RESTARTING
        return taken or self._by_hand is not None

    def _left_s(self, now_s: float) -> float:
        began_s = self._by_hand.began_s if self._by_hand is not None else self._ladder.began_s
        return max(0.0, began_s + self._typical_s - now_s) if self._under_way else self._typical_s

    async def _take(self, rung: Rung) -> None:
        """Carries one out, and tells the ladder."""
        why: str | None
        try:
            why = await self.treatment.carry_out(rung)
        except PortLost:
            why = None  # it went under our hands: what comes next shows what that was good for
        except Exception:
            self._log.exception("a rung failed by a mistake of ours", line=self._name, rung=rung)
            why = "internal error"
        now_s = time.monotonic()
        self._again = False
        self._symptoms.forget()
        if why is None:
            self._ladder.done(now_s)
        else:
            self._tell(self._ladder.undone(now_s, why))

    # --- telling ---------------------------------------------------------------------------------------------------

    def _tell(self, told: Tell) -> None:
        if told.outcome is Outcome.SUCCEEDED and told.rung is Rung.RESET and told.duration_s is not None:
            self._typical_s = told.duration_s
        self._log.info(
            "recovery", line=self._name, rung=told.rung, state=told.outcome, reason=told.reason, attempt=told.attempt
        )
        self._emit(LineRecovery(told.rung, told.outcome, told.reason, told.attempt, told.duration_s))

    def _watch_by_hand(self, now_s: float) -> None:
        hand = self._by_hand
        if hand is None:
            return
        if self.treatment.life > hand.life and self._signs.serving:
            self._end_by_hand(hand, Outcome.SUCCEEDED, hand.reason)
        elif now_s >= hand.until_s:
            self._end_by_hand(hand, Outcome.FAILED, "the line did not come back in time")

    def _end_by_hand(self, hand: _ByHand, outcome: Outcome, reason: str) -> None:
        self._by_hand = None
        length_s = round(time.monotonic() - hand.began_s, 3)
        self._tell(Tell(Rung.RESET, outcome, reason, hand.attempt, length_s))


async def _say_at(port: AtPort) -> None:
    """What comes of it is the port's own business."""
    with suppress(AtTimeout, PortLost, ModemBusy):
        await port.send(AT)
