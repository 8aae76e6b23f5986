"""The caller speaks into our words: which of them stop, when, and whether they go on after all."""

from collections.abc import Callable

from core.audio import PcmFormat
from core.call import Call
from core.config import MediaConfig
from core.events import CallPartial, CallSpeech, CallTurnStart, Event
from core.hearing import Hearing
from core.media.backchannels import is_backchannel
from core.media.interruption import Interruption, Verdict
from core.outbox import Outbox
from core.speaking import Speaking

PATIENCE_MS = 200
"""Of silence, after which a caller who spoke into words that must be heard does so no longer."""


class BargeIn:
    """One call's. `onset` and `frame` are called on the 20 ms clock and never wait."""

    def __init__(
        self,
        call: Call,
        pcm_format: PcmFormat,
        media: MediaConfig,
        speaking: Speaking,
        hearing: Hearing,
        outbox: Outbox,
        flush: Callable[[], int],
    ) -> None:
        self._call, self._format, self._media = call, pcm_format, media
        self._speaking, self._hearing, self._flush = speaking, hearing, flush
        self._later_ms: int | None = None
        self._quiet_ms = 0
        self._now: Interruption | None = None
        self._first_turn = 0
        outbox.watch(self._told)

    def onset(self, onset_ms: int) -> None:
        """The caller speaks since that place of the line."""
        if not self._media.barge_in or self._speaking.held:
            return
        if self._speaking.interruptible:
            self._interrupt(onset_ms)
        elif self._speaking.busy:
            self._later_ms, self._quiet_ms = onset_ms, 0

    def frame(self) -> None:
        """20 ms passed."""
        speech = self._hearing.speech
        if self._later_ms is not None:
            self._wait_for_span(speech, self._later_ms)
        if not self._speaking.held:
            self._now = None
        elif self._now is not None:
            busy = self._hearing.in_turn or self._hearing.words.thinking
            self._conclude(self._now.frame(speech=speech, busy=busy))

    def give_up(self) -> None:
        """Nothing that was interrupted goes on: on hold nobody hears what the caller says."""
        self._later_ms = None
        if self._speaking.held:
            self._conclude(Verdict.OVER)

    def _wait_for_span(self, speech: bool, onset_ms: int) -> None:
        """What must be heard is over: a caller who still speaks interrupts what follows."""
        self._quiet_ms = 0 if speech else self._quiet_ms + self._format.ptime_ms
        if self._quiet_ms >= PATIENCE_MS or not self._speaking.busy:
            self._later_ms = None
        elif self._speaking.interruptible:
            self._later_ms = None
            self._interrupt(onset_ms)

    def _interrupt(self, onset_ms: int) -> None:
        after_ms = self._media.resume_after_ms
        if self._speaking.barge_in(onset_ms, self._flush, hold=after_ms > 0):
            self._now = Interruption(after_ms, self._format.ptime_ms)
            self._first_turn = self._hearing.turns
            if self._hearing.in_turn:
                self._now.turn_started()
            else:
                self._first_turn += 1

    def _told(self, event: Event) -> None:
        if self._now is None or not self._speaking.held:
            return
        match event:
            case CallTurnStart():
                self._now.turn_started()
            case CallPartial(turn=turn, text=text) if turn >= self._first_turn and text and self._means(text):
                self._now.words(meant=True)
            case CallSpeech(turn=turn) if turn >= self._first_turn:
                self._now.words(meant=self._meant(event))
            case _:
                pass

    def _meant(self, speech: CallSpeech) -> bool:
        """Where nobody could listen, or the recogniser failed, the caller is believed to have meant it."""
        if speech.engine is None or speech.problem is not None:
            return True
        return speech.understood and speech.text is not None and self._means(speech.text)

    def _means(self, text: str) -> bool:
        answers = [wording for phrase in self._hearing.words.expected for wording in phrase.split("|")]
        return not is_backchannel(text, self._call.settings.language, more=self._media.backchannels, not_these=answers)

    def _conclude(self, verdict: Verdict) -> None:
        if verdict is Verdict.WAIT:
            return
        self._now = None
        if verdict is Verdict.GO_ON:
            self._speaking.go_on()
        else:
            self._speaking.give_up()
