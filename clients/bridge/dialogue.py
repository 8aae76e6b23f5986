"""One conversation with the VPS as a machine: what happened goes in, what to do comes out. Pure; times are given.

The caller talks (HEARING), chunks go out meanwhile; the turn ends and its end signal goes out (ASKING); the reply is
said. A reply that comes while the caller has gone on talking is held, and said only if nothing better follows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from clients.bridge.dialogue_table import (
    NEXT,
    SERVING,
    Action,
    Ask,
    CancelEnd,
    Chunk,
    GiveUp,
    Got,
    HangUp,
    Mood,
    On,
    PostChunk,
    PostEnd,
    Say,
    Server,
    Words,
)
from clients.bridge.texts import Phrase
from clients.bridge.transcription import Answer, Status

SAY_IT_AGAIN = 2
"""Turns in a row whose answer was lost; after that the call ends with a goodbye."""
SPOKEN_MARGIN_S = 0.5
"""Our words have to be made, and to reach the caller."""
WELCOME_AFTER_MS = 680
"""The old station's: a shorter first utterance is taken for a noise."""
TURNS_KEPT = 4


@dataclass(slots=True)
class Dialogue:
    """One call. welcome: text that waits for the caller's first words, None where it was said or is not wanted."""

    server: Server
    max_silence_s: float
    welcome: str | None = None
    mood: Mood = Mood.LISTENING
    turn: int = 0
    lost: int = 0
    speaking: bool = False
    waits: int = 0
    quiet_since_s: float | None = None
    chunks: dict[int, Chunk] = field(default_factory=dict)
    asks: dict[int, Ask] = field(default_factory=dict)
    held: tuple[int, Answer] | None = None

    # --- what the caller does

    def turn_started(self, turn: int) -> list[Action]:
        self._move(On.TURN_START)
        self.turn = max(self.turn, turn)
        self.quiet_since_s = None
        return []

    def chunk_cut(self, turn: int, chunk: int) -> list[Action]:
        """New audio."""
        if self.mood not in SERVING:
            return []
        self.turn = max(self.turn, turn)
        self.chunks[chunk] = Chunk(turn)
        for number in [number for number, old in self.chunks.items() if old.turn <= self.turn - TURNS_KEPT]:
            del self.chunks[number]
        return [PostChunk(chunk)]

    def resumed(self, turn: int) -> list[Action]:
        """The caller went on: what was asked or answered for this turn is premature."""
        if self.mood not in SERVING:
            return []
        self._move(On.TURN_START)
        self.quiet_since_s = None
        if self.held is not None and self.held[0] == turn:
            self.held = None
        return [CancelEnd(turn)] if self.asks.pop(turn, None) is not None else []

    def turn_ended(self, turn: int, silence_ms: int, spoke_ms: int, now_s: float) -> list[Action]:
        """spoke_ms: length of the turn's audio."""
        if self.mood not in SERVING:
            return []
        last = self._last_chunk(turn)
        self._move(On.TURN_END)
        if last is None:
            return self._nothing_new(now_s - silence_ms / 1000)
        self.waits = 0
        self._quiet(now_s - silence_ms / 1000)
        actions: list[Action] = []
        if self.welcome is not None and spoke_ms >= WELCOME_AFTER_MS:
            actions.append(Say(self.welcome))
            self.welcome = None
        got = self.chunks[last].got
        ask = Ask(turn, last, silence_ms)
        if got is Got.ANSWERED and self.held is not None and self.held[0] == turn:
            answer, self.held = self.held[1], None
            return actions + self._deliver(answer)
        self.asks[turn] = ask
        if self.server.immediate and got is Got.SENT:
            return actions
        return actions + [*self._sent_again(turn, last), self._end(ask, with_audio=got is Got.FAILED)]

    # --- what the VPS answers

    def chunk_answered(self, chunk: int, answer: Answer) -> list[Action]:
        known = self.chunks.get(chunk)
        if known is None or self.mood is Mood.AWAY:
            return []
        actions: list[Action] = []
        if answer.replies:
            self.server.immediate = True
            known.got = Got.ANSWERED
            actions.append(Words(known.turn, chunk, answer.transcription or "", final=True, whole=False))
            return actions + self._reply_to_chunk(known.turn, chunk, answer)
        if answer.transcription:
            actions.append(Words(known.turn, chunk, answer.transcription, final=False, whole=False))
        known.got = Got.FAILED if answer.status is Status.ERROR else Got.ACKED
        return actions + self._after_chunk(known.turn, chunk)

    def chunk_failed(self, chunk: int) -> list[Action]:
        known = self.chunks.get(chunk)
        if known is None or self.mood is Mood.AWAY:
            return []
        known.got = Got.FAILED
        return self._after_chunk(known.turn, chunk)

    def end_answered(self, turn: int, answer: Answer) -> list[Action]:
        ask = self.asks.get(turn)
        if ask is None or self.mood is Mood.AWAY:
            return []
        last = self.chunks[ask.chunk].got if ask.chunk in self.chunks else Got.ACKED
        nothing = answer.status is Status.SUCCESS and not answer.replies and not answer.transcription
        if answer.status is Status.PROCESSING or (nothing and last is Got.FAILED and ask.attempt < 2):
            return self.end_failed(turn)  # it never heard the words
        if answer.status is Status.ERROR and last is Got.SENT:
            self.asks[turn] = replace(ask, attempt=0, refused=answer)  # a VPS that knows no end signal
            return []
        words = Words(turn, ask.chunk, answer.transcription or "", final=True, whole=True)
        return [words, *self._settle(ask, answer)]

    def end_failed(self, turn: int) -> list[Action]:
        """Neither got through nor was answered in time; tried twice."""
        ask = self.asks.get(turn)
        if ask is None or self.mood is Mood.AWAY:
            return []
        if ask.attempt < 2:
            got = self.chunks[ask.chunk].got if ask.chunk in self.chunks else Got.ACKED
            return [self._end(ask, with_audio=got is not Got.ACKED)]
        return self._lose(ask)

    # --- what the call does

    def speaking_began(self) -> list[Action]:
        self.speaking, self.quiet_since_s = True, None
        return []

    def speaking_ended(self, now_s: float) -> list[Action]:
        self.speaking = False
        self._quiet(now_s)
        return []

    def handed_over(self) -> list[Action]:
        """Somebody else steers the call, or it is over."""
        self._move(On.LOST)
        actions: list[Action] = [CancelEnd(turn) for turn in self.asks]
        self.asks.clear()
        self.held = self.quiet_since_s = None
        return actions

    def taken(self) -> list[Action]:
        """The call is ours again."""
        self._move(On.TAKEN)
        return []

    def stayed(self, now_s: float) -> list[Action]:
        """A turn was given up, and there is nobody to hand the call to."""
        if self.mood not in SERVING:
            return []
        if self.lost > SAY_IT_AGAIN:
            self._move(On.FAREWELL)
            return [Say(Phrase.GOODBYE, farewell=True), HangUp()]
        self._quiet(now_s)
        return [Say(Phrase.REPEAT if self.lost <= 1 else Phrase.PROBLEM)]

    # --- silence

    @property
    def deadline_s(self) -> float | None:
        """When `silent` is due: the caller has to hear something by then."""
        if self.quiet_since_s is None:
            return None
        return self.quiet_since_s + self.max_silence_s - SPOKEN_MARGIN_S

    def silent(self, now_s: float) -> list[Action]:
        """First we ask for patience, then the turn is given up."""
        due_s = self.deadline_s
        if due_s is None or now_s < due_s or self.mood is not Mood.ASKING:
            return []
        self.waits += 1
        if self.waits == 1:
            self._quiet(now_s)
            return [Say(Phrase.PLEASE_WAIT)]
        self.quiet_since_s = None
        ask = self.asks.get(self.turn)
        if ask is None:
            return []
        return [CancelEnd(ask.turn), *self._lose(ask)]

    # --- inside

    def _move(self, on: On) -> None:
        self.mood = NEXT.get((self.mood, on), self.mood)

    def _quiet(self, since_s: float) -> None:
        """The caller waits and hears nothing from then on."""
        self.quiet_since_s = since_s if self.mood is Mood.ASKING and not self.speaking else None

    def _last_chunk(self, turn: int) -> int | None:
        return max((number for number, chunk in self.chunks.items() if chunk.turn == turn), default=None)

    def _sent_again(self, turn: int, last: int) -> Iterator[PostChunk]:
        """Chunks before the last one that did not get through: the end signal has room for one."""
        for number, chunk in self.chunks.items():
            if chunk.turn == turn and number != last and chunk.got is Got.FAILED:
                chunk.got = Got.SENT
                yield PostChunk(number)

    def _end(self, ask: Ask, *, with_audio: bool) -> PostEnd:
        asked = self.asks[ask.turn] = replace(ask, attempt=ask.attempt + 1)
        return PostEnd(ask.turn, ask.chunk, ask.silence_ms, asked.attempt, with_audio)

    def _after_chunk(self, turn: int, chunk: int) -> list[Action]:
        """A chunk got through, or did not; its turn may have waited for that."""
        ask = self.asks.get(turn)
        if ask is None or ask.chunk != chunk or ask.attempt > 0:
            return []
        if ask.refused is not None:
            return [Words(turn, chunk, "", final=True, whole=True), *self._settle(ask, ask.refused)]
        return [self._end(ask, with_audio=self.chunks[chunk].got is Got.FAILED)]

    def _reply_to_chunk(self, turn: int, chunk: int, answer: Answer) -> list[Action]:
        ask = self.asks.get(turn)
        if ask is None:
            if turn == self.turn and self.mood is Mood.HEARING:
                self.held = (turn, answer)
            return []
        if ask.chunk != chunk:
            return []  # an earlier one, and the caller went on
        cancelled: list[Action] = [CancelEnd(turn)] if ask.attempt > 0 else []
        return cancelled + self._settle(ask, answer)

    def _settle(self, ask: Ask, answer: Answer) -> list[Action]:
        """A turn has its answer. What is older has none to give any more."""
        self.asks.pop(ask.turn, None)
        if ask.turn < self.turn:
            says = answer.status is Status.ERROR or answer.replies
            if says and (self.held is None or self.held[0] <= ask.turn):
                self.held = (ask.turn, answer)
            return []
        return self._deliver(answer)

    def _deliver(self, answer: Answer) -> list[Action]:
        if answer.status is Status.SUCCESS:
            self.lost = 0
        text: str | Phrase | None = answer.reply
        if text is None and answer.status is Status.ERROR:
            text = Phrase.REPEAT if answer.go_on else Phrase.GOODBYE
        if text is None and answer.go_on and self.asks and self.held is None:
            self.turn = max(self.asks)  # it had nothing to say; the turn before it may
            return []
        self._move(On.SETTLED)
        self.quiet_since_s = None
        stale: list[Action] = [CancelEnd(turn) for turn in self.asks]
        self.asks.clear()
        if not answer.go_on:
            self._move(On.FAREWELL)
            return [*stale, *([Say(text, farewell=True)] if text else []), HangUp()]
        if text is None:
            return [*stale, *self._say_held()]
        self.held = None
        return [*stale, Say(text)]

    def _nothing_new(self, quiet_since_s: float) -> list[Action]:
        """The newest turn was a noise: the one before it counts again."""
        if self.asks:
            self.turn = max(self.asks)
            self._quiet(quiet_since_s)
            return []
        self._move(On.SETTLED)
        return self._say_held()

    def _say_held(self) -> list[Action]:
        """What was held back while the caller made a noise."""
        held, self.held = self.held, None
        return self._deliver(held[1]) if held is not None else []

    def _lose(self, ask: Ask) -> list[Action]:
        """No answer will come."""
        del self.asks[ask.turn]
        # A VPS that replies to chunks at once has told the words of the earlier ones; those stay.
        words = Words(ask.turn, ask.chunk, "", final=True, whole=not self.server.immediate)
        if ask.turn < self.turn:
            return [words]
        self._move(On.SETTLED)
        self.quiet_since_s = None
        if self.held is not None:
            return [words, *self._say_held()]
        self.lost += 1
        return [words, GiveUp(ask.turn)]
