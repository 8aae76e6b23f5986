"""When a caller's turn begins, where it is cut and when it is over. Pure: frames in, actions out.

Two thresholds, as the station before us had them: at the first (550 ms of silence) the audio so far goes to the
recogniser, at the second (800 ms) the turn is over; a caller who goes on in between resumes the turn. Unlike there,
a chunk holds only what is new, noise that never becomes speech is closed at the second threshold, and nobody is cut
off for speaking long (wire-formats.md §2.2, faults 1-5). What is known of the words so far may move the second
threshold (turn_hints.py): never before the first, and only once all speech is in chunks.

Time is the line's: frames since the first one fed, never a clock. A frame that the modem did not send must be fed as
silence. A threshold is reached by the first frame at which the silence is as long as it says or longer: 550 ms are
28 frames of 20 ms, 560 ms.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from core.audio import PcmFormat
from core.media.turn_hints import Hint
from core.media.turn_table import NEXT, Do, On, Turn

DISOWN_MAX = 4
"""Frames that can be taken back: a key is certain within 60 ms of its begin."""


@dataclass(frozen=True, slots=True)
class TurnConfig:
    """Thresholds in ms of line time; ValueError where they contradict each other.

    preroll_ms: kept from before the first speech. min_speech_ms: frames of speech that make a turn out of a noise.
    chunk_silence_ms, end_silence_ms: the two thresholds. long_speech_ms of speech in one chunk make a pause of
    phrase_pause_ms enough to cut it. max_turn_ms: a turn as long as this ends, and the next goes on at once.
    barge_in_ms: speech that makes an Onset, within a window that is 40 ms longer. end_silence_complete_ms and
    end_silence_number_ms stand in place of end_silence_ms under a hint.
    """

    preroll_ms: int = 300
    min_speech_ms: int = 200
    chunk_silence_ms: int = 550
    end_silence_ms: int = 800
    long_speech_ms: int = 4500
    phrase_pause_ms: int = 350
    max_turn_ms: int = 60_000
    barge_in_ms: int = 120
    end_silence_complete_ms: int = 600
    end_silence_number_ms: int = 1100

    def __post_init__(self) -> None:
        if self.preroll_ms < 0 or min(self.min_speech_ms, self.chunk_silence_ms, self.phrase_pause_ms) < 1:
            raise ValueError("thresholds of a turn are at least 1 ms, its pre-roll at least 0")
        if min(self.long_speech_ms, self.barge_in_ms) < 1:
            raise ValueError("long_speech_ms and barge_in_ms are at least 1 ms")
        if self.chunk_silence_ms >= self.end_silence_ms:
            raise ValueError("end_silence_ms must be more than chunk_silence_ms")
        if not self.chunk_silence_ms < self.end_silence_complete_ms <= self.end_silence_ms:
            raise ValueError("end_silence_complete_ms must be more than chunk_silence_ms, at most end_silence_ms")
        if self.end_silence_number_ms < self.end_silence_ms:
            raise ValueError("end_silence_number_ms must be at least end_silence_ms")
        if self.max_turn_ms <= self.preroll_ms + self.min_speech_ms:
            raise ValueError("max_turn_ms must be more than preroll_ms and min_speech_ms together")


@dataclass(frozen=True, slots=True)
class Onset:
    """Speech enough to interrupt us, sooner than a turn begins; once per burst of speech. at_ms: where it began."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class TurnStart:
    """A turn began, told when its minimum of speech was heard. at_ms: its first frame of speech. Turns count from 1."""

    turn: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Audio of a turn since its previous chunk, or since the pre-roll. chunk counts from 1 through the whole call.

    start_ms: where pcm begins. silence_ms: how long it had been quiet at the cut. Every frame of speech of a turn is
    in exactly one chunk; what follows the last cut of a turn is silence and in none.
    """

    turn: int
    chunk: int
    pcm: bytes
    start_ms: int
    duration_ms: int
    silence_ms: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The caller went on after a chunk was cut: an answer that was being prepared is premature."""

    turn: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """A turn is over. reason: silence; complete or number (silence, but sooner or later, for what was said);
    max_length (the next one goes on); flushed (the call ended).

    chunks: how many it had. silence_ms: how long it had been quiet. speech_ms: frames of speech, without pauses.
    start_ms, end_ms: from the first frame of speech to the end of the last.
    """

    turn: int
    chunks: int
    silence_ms: int
    reason: str
    speech_ms: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Noise:
    """Sound with too little speech in it for a turn, closed and dropped. duration_ms: first to last frame of speech."""

    at_ms: int
    duration_ms: int
    speech_ms: int


TurnAction = Onset | TurnStart | Chunk | Resumed | TurnEnd | Noise

_REASONS = {On.END: "silence", On.FULL: "max_length", On.FLUSH: "flushed"}


@dataclass(slots=True)
class _Segment:
    """What is counted from the first frame of speech until the turn, or the noise, is over. All in frames."""

    speech_at: int = 0
    speech_end: int = 0
    audio_at: int = 0
    speech: int = 0
    unsent_speech: int = 0
    silence: int = 0
    chunks: int = 0


@dataclass(slots=True)
class _OnsetWindow:
    """The last frames as bits, newest lowest."""

    need: int
    frames: int
    bits: int = 0
    armed: bool = True

    def step(self, speech: bool) -> int | None:
        """How many frames ago the speech began that now suffices, this frame being 0."""
        self.bits = (self.bits << 1 | speech) & ((1 << self.frames) - 1)
        if not self.bits:
            self.armed = True
        elif self.armed and speech and self.bits.bit_count() >= self.need:
            self.armed = False
            return self.bits.bit_length() - 1
        return None

    def disown(self, frames: int) -> None:
        self.bits = self.bits >> frames << frames


class Endpoint:
    """One call's turns. Memory: the frames since the last cut, at most max_turn_ms of them; before a turn at most
    min_speech_ms with pauses under end_silence_ms in between."""

    def __init__(self, config: TurnConfig, pcm_format: PcmFormat) -> None:
        self._config = config
        self._format = pcm_format
        frames = self._frames_of
        self._preroll = config.preroll_ms // pcm_format.ptime_ms
        self._min_speech = frames(config.min_speech_ms)
        self._phrase, self._chunk = frames(config.phrase_pause_ms), frames(config.chunk_silence_ms)
        self._end, self._long = frames(config.end_silence_ms), frames(config.long_speech_ms)
        self._hinted_end = {
            Hint.COMPLETE: frames(config.end_silence_complete_ms),
            Hint.NUMBER: frames(config.end_silence_number_ms),
        }
        self._max_turn = frames(config.max_turn_ms)
        need = frames(config.barge_in_ms)
        self._onset = _OnsetWindow(need, need + max(1, 40 // pcm_format.ptime_ms))
        self._state = Turn.LISTENING
        self._frames: deque[bytes] = deque()
        self._now = 0
        self._segment = _Segment()
        self._turns = self._chunks = 0
        self._hint: Hint | None = None
        # Of the newest frames: whether it was speech, and silence and speech_end as they were before it.
        self._newest: deque[tuple[bool, int, int]] = deque(maxlen=DISOWN_MAX)

    @property
    def state(self) -> Turn:
        return self._state

    @property
    def now_ms(self) -> int:
        """Line time: the end of the last frame fed."""
        return self._ms(self._now)

    @property
    def in_turn(self) -> bool:
        """Whether a TurnStart has no TurnEnd yet."""
        return self._state in (Turn.HEARING, Turn.PAUSING, Turn.WAITING)

    @property
    def pause_ms(self) -> int | None:
        """How long it has been quiet in a turn with speech that no chunk holds yet; None at all other times."""
        return self._ms(self._segment.silence) if self._state is Turn.PAUSING else None

    @property
    def pending(self) -> bytes:
        """While pause_ms is not None: what the next chunk begins with."""
        return b"".join(self._frames)

    @property
    def buffered_frames(self) -> int:
        """Frames kept now."""
        return len(self._frames)

    def step(self, frame: bytes, speech: bool) -> list[TurnAction]:
        """One frame of the downlink and the detector's word on it. ValueError for a frame that is not whole."""
        if len(frame) != self._format.frame_bytes:
            raise ValueError(f"a frame has {self._format.frame_bytes} bytes, not {len(frame)}")
        self._now += 1
        self._frames.append(frame)
        self._count(speech)
        actions: list[TurnAction] = []
        if (ago := self._onset.step(speech)) is not None:
            actions.append(Onset(self._ms(self._now - 1 - ago)))
        for happened in self._happens(speech):
            self._apply(happened, actions)
        if self._state in (Turn.LISTENING, Turn.CONTINUING):
            self._trim()
        return actions

    def hint(self, hint: Hint | None) -> None:
        """What the words so far say about the end of this turn. Counts until the caller goes on; asked for while
        `state` is WAITING, and without meaning at other times."""
        self._hint = hint if self._state is Turn.WAITING else None

    def disown(self, frames: int = DISOWN_MAX) -> None:
        """The newest frames held no speech after all, but a key's tone. What they made to be told stays told."""
        newest = list(self._newest)[-frames:]
        count = sum(speech for speech, _, _ in newest)
        if not count or self._state not in (Turn.TRYING, Turn.HEARING, Turn.PAUSING):
            return
        segment = self._segment
        segment.speech = max(0, segment.speech - count)
        segment.unsent_speech = max(0, segment.unsent_speech - count)
        first = next(place for place, (speech, _, _) in enumerate(newest) if speech)
        began = self._now - len(newest) + first <= segment.speech_at  # then the silence before is of no turn
        segment.silence = (0 if began else newest[first][1]) + len(newest) - first
        segment.speech_end = max(segment.speech_at, newest[first][2])
        self._onset.disown(frames)
        self._newest.clear()
        left = segment.speech if self._state is Turn.TRYING else segment.unsent_speech or not segment.chunks
        self._apply(On.UNSAID if left else On.NOTHING, [])

    def flush(self) -> list[TurnAction]:
        """The audio is over: ends a turn in progress. May be called again; frames may follow."""
        actions: list[TurnAction] = []
        self._apply(On.FLUSH, actions)
        self._frames.clear()
        return actions

    def _happens(self, speech: bool) -> Iterator[On]:
        """What this frame means, in order; each is asked only after the one before was applied."""
        yield On.SPEECH if speech else On.SILENCE
        if speech and self._segment.speech == self._min_speech:
            yield On.ENOUGH
        segment = self._segment
        if not speech:
            if segment.silence >= self._phrase and segment.unsent_speech >= self._long:
                yield On.PHRASE
            if segment.silence >= self._chunk:
                yield On.PAUSE
            if segment.silence >= (self._end if self._hint is None else self._hinted_end[self._hint]):
                yield On.END
        if self.in_turn and self._now - segment.audio_at >= self._max_turn:
            yield On.FULL

    def _count(self, speech: bool) -> None:
        segment = self._segment
        self._newest.append((speech, segment.silence, segment.speech_end))
        if speech:
            self._hint = None
            segment.speech += 1
            segment.unsent_speech += 1
            segment.silence = 0
            segment.speech_end = self._now
        else:
            segment.silence += 1

    def _apply(self, happened: On, actions: list[TurnAction]) -> None:
        self._state, todo = NEXT[self._state, happened]
        for do in todo:
            match do:
                case Do.OPEN:
                    self._open()
                case Do.START:
                    self._turns += 1
                    actions.append(TurnStart(self._turns, self._ms(self._segment.speech_at)))
                case Do.CUT:
                    actions.append(self._cut())
                case Do.RESUME:
                    actions.append(Resumed(self._turns, self._ms(self._now - 1)))
                case Do.END:
                    actions.append(self._turn_end(self._reason(happened)))
                case Do.DROP:
                    actions.append(self._drop())

    def _open(self) -> None:
        """The newest frame is the first of speech: the kept frames before it are its pre-roll."""
        at = self._now - 1
        self._segment = _Segment(at, self._now, self._now - len(self._frames), speech=1, unsent_speech=1)

    def _cut(self) -> Chunk:
        self._chunks += 1
        self._segment.chunks += 1
        self._segment.unsent_speech = 0
        self._newest.clear()
        count = len(self._frames)
        pcm = b"".join(self._frames)
        self._frames.clear()
        silence_ms = self._ms(self._segment.silence)
        return Chunk(self._turns, self._chunks, pcm, self._ms(self._now - count), self._ms(count), silence_ms)

    def _reason(self, happened: On) -> str:
        if happened is On.END and self._hint is not None and self._hinted_end[self._hint] != self._end:
            return self._hint.value
        return _REASONS[happened]

    def _turn_end(self, reason: str) -> TurnEnd:
        self._hint = None
        segment = self._segment
        return TurnEnd(
            turn=self._turns,
            chunks=segment.chunks,
            silence_ms=self._ms(segment.silence),
            reason=reason,
            speech_ms=self._ms(segment.speech),
            start_ms=self._ms(segment.speech_at),
            end_ms=self._ms(segment.speech_end),
        )

    def _drop(self) -> Noise:
        segment = self._segment
        length = segment.speech_end - segment.speech_at
        return Noise(self._ms(segment.speech_at), self._ms(length), self._ms(segment.speech))

    def _trim(self) -> None:
        """Outside of a turn only the pre-roll of the next one is kept. It never reaches into a chunk: a cut empties."""
        while len(self._frames) > self._preroll:
            self._frames.popleft()

    def _frames_of(self, ms: int) -> int:
        """The fewest frames that last at least `ms`."""
        return -(-ms // self._format.ptime_ms)

    def _ms(self, frames: int) -> int:
        return frames * self._format.ptime_ms
