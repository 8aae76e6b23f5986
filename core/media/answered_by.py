"""Who took our call: a person, a machine, a screening assistant, a menu, or nobody who speaks. Pure: frames in,
verdicts out; nothing but the times of speech and silence, the beep, and what a recogniser may have understood.

People say little and wait. Machines go on, and beep. Screening assistants say some sentences, wait for an answer
without a beep, and ask again. Menus go on and on in pieces of one length. By time alone that is judged within
`within_ms`, and judged again while more is heard: a verdict that changes is told again. Words decide at once and for
good. The thresholds were set on generated greetings (bench/answered.py prints how good they are), with those of
Asterisk's AMD and of voice-agent frameworks as a beginning: 2.5 s of greeting and 0.5 to 0.8 s of silence.
"""

from dataclasses import dataclass
from enum import StrEnum

from core.events import AnsweredBy
from core.media.answered_phrases import Said, said
from core.media.beeps import Beep, BeepDetector
from core.media.level import dbfs


@dataclass(frozen=True, slots=True)
class AnswerConfig:
    """Times in ms of the line.

    within_ms: the first verdict comes by then. human_ms: a greeting as long as that may be a person's. going_on_ms: one
    that has lasted so long when the first verdict is due, and goes on, is rather none. end_ms: silence that ends a
    greeting. short_ms: what a wordy person may say, if waits_ms of silence follow and no beep. waiting_ms: silence
    without a beep after a long greeting, in which somebody waits for us. menu_ms, menu_pauses: a menu speaks
    so long with so many pauses. watch_ms: nothing is judged after that.
    """

    within_ms: int = 4000
    word_ms: int = 80
    human_ms: int = 3200
    going_on_ms: int = 2200
    end_ms: int = 800
    short_ms: int = 5200
    waits_ms: int = 1700
    waiting_ms: int = 3200
    menu_ms: int = 11_000
    menu_pauses: int = 4
    watch_ms: int = 60_000


LEAST_DBFS = -48.0
"""Below it nothing is a voice on a telephone line, whatever a detector makes of its noise."""


class State(StrEnum):
    """The first two before a verdict, then the verdicts."""

    WAITING = "waiting"
    GREETING = "greeting"
    HUMAN = AnsweredBy.HUMAN.value
    MACHINE = AnsweredBy.MACHINE.value
    SCREENING = AnsweredBy.SCREENING.value
    IVR = AnsweredBy.IVR.value
    SILENCE = AnsweredBy.SILENCE.value
    UNKNOWN = AnsweredBy.UNKNOWN.value


class On(StrEnum):
    """What is heard."""

    SPEECH = "speech"  # somebody began to speak
    SHORT_END = "short_end"  # a greeting no longer than a person's is over
    TOO_LONG = "too_long"  # it goes on
    WAITS = "waits"  # over, longer than most people's, and no beep
    WAITING = "waiting"  # over for long, and no beep: somebody waits for our words
    PROMPT = "prompt"  # speaks again after that, though we said nothing
    MENU = "menu"  # goes on and on in pieces
    DEADLINE_QUIET = "deadline_quiet"
    DEADLINE_SPEAKING = "deadline_speaking"
    DEADLINE_BEGUN = "deadline_begun"  # somebody has only begun to speak
    BEEP = "beep"
    WORDS_SCREENING = "words_screening"
    WORDS_MENU = "words_menu"
    WORDS_MAILBOX = "words_mailbox"


_S = State
_VERDICTS = (_S.HUMAN, _S.MACHINE, _S.SCREENING, _S.IVR, _S.SILENCE, _S.UNKNOWN)

NEXT: dict[tuple[State, On], tuple[State, float]] = {
    (_S.WAITING, On.SPEECH): (_S.GREETING, 0.0),
    (_S.WAITING, On.DEADLINE_QUIET): (_S.SILENCE, 0.8),
    (_S.SILENCE, On.SPEECH): (_S.GREETING, 0.0),
    (_S.GREETING, On.SHORT_END): (_S.HUMAN, 0.9),
    (_S.GREETING, On.TOO_LONG): (_S.MACHINE, 0.75),
    (_S.GREETING, On.DEADLINE_SPEAKING): (_S.MACHINE, 0.55),
    (_S.GREETING, On.DEADLINE_BEGUN): (_S.UNKNOWN, 0.3),
    (_S.UNKNOWN, On.SHORT_END): (_S.HUMAN, 0.85),
    (_S.UNKNOWN, On.TOO_LONG): (_S.MACHINE, 0.75),
    (_S.HUMAN, On.TOO_LONG): (_S.MACHINE, 0.6),
    (_S.MACHINE, On.SHORT_END): (_S.HUMAN, 0.5),
    (_S.MACHINE, On.WAITS): (_S.HUMAN, 0.5),
    (_S.MACHINE, On.WAITING): (_S.SCREENING, 0.55),
    (_S.MACHINE, On.PROMPT): (_S.SCREENING, 0.7),
    (_S.SCREENING, On.PROMPT): (_S.SCREENING, 0.75),
    (_S.MACHINE, On.MENU): (_S.IVR, 0.6),
    **{(state, On.BEEP): (_S.MACHINE, 0.97) for state in (*_VERDICTS, _S.GREETING)},
    **{(state, On.WORDS_SCREENING): (_S.SCREENING, 0.95) for state in (*_VERDICTS, _S.GREETING)},
    **{(state, On.WORDS_MENU): (_S.IVR, 0.95) for state in (*_VERDICTS, _S.GREETING)},
    **{(state, On.WORDS_MAILBOX): (_S.MACHINE, 0.95) for state in (*_VERDICTS, _S.GREETING)},
}
"""State and event to the next state, and how sure that is. What is missing changes nothing."""

_WORDS = {Said.SCREENING: On.WORDS_SCREENING, Said.MENU: On.WORDS_MENU, Said.MAILBOX: On.WORDS_MAILBOX}


@dataclass(frozen=True, slots=True)
class Verdict:
    """after_ms: of the line, since the first frame. beep: the machine's tone is over, it records."""

    answered_by: AnsweredBy
    confidence: float
    beep: bool
    after_ms: int


@dataclass(slots=True)
class _Heard:
    """Speech since the beginning of a greeting. All in ms of the line."""

    begun_ms: int | None = None
    last_ms: int = 0
    run_ms: int = 0
    pauses: int = 0
    told: frozenset[On] = frozenset()

    @property
    def length_ms(self) -> int:
        return 0 if self.begun_ms is None else self.last_ms - self.begun_ms


class AnsweredByDetector:
    """One outgoing call. Feed it every frame of the far end from the answer on; a verdict comes out when there is a
    new one. 60 us a frame, most of it for the beep."""

    def __init__(self, rate_hz: int, config: AnswerConfig | None = None, *, ptime_ms: int = 20) -> None:
        self._config = config or AnswerConfig()
        self._ptime_ms = ptime_ms
        self._beeps = BeepDetector(rate_hz)
        self._state = State.WAITING
        self._now_ms = 0
        self._heard = _Heard()
        self._spoken_ms = 0  # of the far end, in all
        self._we_spoke = False
        self._certain = False
        self._verdict: Verdict | None = None

    @property
    def state(self) -> State:
        return self._state

    @property
    def over(self) -> bool:
        """Nothing more will come of it."""
        beeped = self._verdict is not None and self._verdict.beep
        settled = self._state is State.HUMAN and (self._we_spoke or self._now_ms >= self._config.watch_ms // 4)
        return settled or beeped or self._now_ms >= self._config.watch_ms

    def step(self, frame: bytes, *, speech: bool, we_speak: bool) -> Verdict | None:
        """One frame of the far end. we_speak: this frame of ours was no silence."""
        self._now_ms += self._ptime_ms
        self._we_spoke = self._we_spoke or we_speak
        beep = self._beeps.feed(frame)
        voice = speech and not self._beeps.active and dbfs(frame) >= LEAST_DBFS
        on = self._listen(voice, we_speak)
        if beep is not None and self._is_machines(beep):
            return self._happened(On.BEEP, beep=True)
        if on is not None:
            return self._happened(on)
        return self._at_deadline()

    def words(self, text: str, language: str | None) -> Verdict | None:
        """What a recogniser made of the far end so far; may be said again and again."""
        found = said(text, language)
        if found is None or self._certain:
            return None
        verdict = self._happened(_WORDS[found])
        self._certain = True
        return verdict

    # --- within ------------------------------------------------------------------------------------------------------

    def _listen(self, speech: bool, we_speak: bool) -> On | None:
        heard, config = self._heard, self._config
        quiet_ms = self._now_ms - self._ptime_ms - heard.last_ms
        if speech:
            begun = heard.begun_ms is None
            if not begun and quiet_ms >= config.end_ms:
                return self._speaks_again(quiet_ms)
            if begun and quiet_ms > 100:
                heard.run_ms = 0  # a click some time ago
            heard.pauses += not begun and quiet_ms >= 200
            heard.last_ms = self._now_ms
            heard.run_ms += self._ptime_ms
            self._spoken_ms += self._ptime_ms
            if begun:
                if heard.run_ms < config.word_ms:
                    return None
                heard.begun_ms = self._now_ms - heard.run_ms
                return On.SPEECH
            return self._once(self._while_speaking())
        if heard.begun_ms is None or we_speak or self._beeps.active:
            return None
        return self._once(self._in_silence(quiet_ms + self._ptime_ms))

    def _speaks_again(self, quiet_ms: int) -> On | None:
        """After a silence that ended a greeting. One who was taken for a machine and waited without a beep asks now."""
        asked = quiet_ms >= self._config.waits_ms and not self._we_spoke
        goes_on = self._heard if self._state is State.HUMAN and quiet_ms < 2 * self._config.end_ms else None
        self._heard = goes_on or _Heard(run_ms=0)
        self._heard.last_ms = self._now_ms
        self._heard.run_ms = self._ptime_ms
        self._heard.told = self._heard.told - {On.TOO_LONG}
        if asked and self._state in (State.MACHINE, State.SCREENING):
            return On.PROMPT
        return None

    def _while_speaking(self) -> On | None:
        heard, config = self._heard, self._config
        if heard.length_ms >= config.menu_ms and heard.pauses >= config.menu_pauses:
            return On.MENU
        if heard.length_ms > config.human_ms and not (self._state is State.HUMAN and self._we_spoke):
            return On.TOO_LONG
        return None

    def _in_silence(self, quiet_ms: int) -> On | None:
        heard, config = self._heard, self._config
        if self._we_spoke and self._state in _VERDICTS:
            return None
        if quiet_ms >= config.waiting_ms and heard.length_ms > config.short_ms:
            return On.WAITING
        if quiet_ms >= config.waits_ms and config.human_ms < heard.length_ms <= config.short_ms:
            return On.WAITS
        if quiet_ms >= config.end_ms and heard.length_ms <= config.human_ms:
            return On.SHORT_END
        return None

    def _once(self, on: On | None) -> On | None:
        """Each sign once a greeting."""
        if on is None or on in self._heard.told:
            return None
        self._heard.told |= {on}
        return on

    def _is_machines(self, beep: Beep) -> bool:
        """A beep follows speech; before any, it is the network's."""
        return self._spoken_ms >= 400

    def _at_deadline(self) -> Verdict | None:
        """The time for the first verdict is over: what there is must do."""
        if self._verdict is not None or self._now_ms < self._config.within_ms:
            return None
        if self._state is State.WAITING:
            return self._happened(On.DEADLINE_QUIET)
        if self._heard.length_ms <= self._config.human_ms and self._now_ms - self._heard.last_ms >= 300:
            return self._happened(On.SHORT_END)
        if self._heard.length_ms >= self._config.going_on_ms:
            return self._happened(On.DEADLINE_SPEAKING)
        return self._happened(On.DEADLINE_BEGUN)

    def _happened(self, on: On, *, beep: bool = False) -> Verdict | None:
        found = NEXT.get((self._state, on))
        if found is None or (self._certain and not beep):
            return None
        before, (state, confidence) = self._state, found
        if self._certain:  # words have decided; a screening assistant may beep, too
            state, confidence = before, 0.97
        self._certain = self._certain or beep
        self._state = state
        if state not in _VERDICTS:
            return None
        if on in (On.SHORT_END, On.TOO_LONG):
            confidence = self._sure(confidence, on)
        if not beep and self._verdict is not None and self._verdict.answered_by == state.value and before is state:
            return None
        self._verdict = Verdict(AnsweredBy(state.value), confidence, beep, self._now_ms)
        return self._verdict

    def _sure(self, confidence: float, on: On) -> float:
        """Less so the nearer a greeting's length is to the border."""
        if on is On.TOO_LONG:
            return confidence
        share = min(1.0, self._heard.length_ms / self._config.human_ms)
        return round(confidence - 0.35 * share**2, 2)
