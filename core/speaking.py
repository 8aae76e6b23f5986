"""What we say: texts and files to whole frames, and what of them the far end was really given."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from core.audio import PcmFormat
from core.call import Call
from core.call_time import CallTime
from core.errors import PublicError
from core.events import CallBargeIn, CallSpeaking, CallSpoken, TtsFailedOver
from core.log import Log
from core.media.playout import Finished, Playout, PlayoutEvent, Resumed, Started, Stopped, Utterance
from core.media.shaping import Shaper, shaper
from core.media.tts import FailedOver
from core.outbox import Outbox
from core.speech import SpeechService
from core.store.calls import TurnRow

log = Log("speaking")

FADE_MS = 80
"""What a filler still has when words of ours are asked for."""


@dataclass(slots=True, eq=False)
class Said:
    """One utterance from its request to its report. problem: why not all of it could be made.

    resume: it goes on where an interruption was none. filler: it only bridges the time until there are words.
    """

    number: int
    text: str | None
    interruptible: bool
    utterance: Utterance
    asked_s: float = field(default_factory=time.monotonic)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    started_ms: int = 0
    first_byte_ms: int = 0
    made_ms: int | None = None
    played_ms: int = 0
    heard_text: str | None = None
    completed: bool = False
    problem: PublicError | None = None
    resume: bool = True
    filler: bool = False


class Speaking:
    """One call's mouth. `next_frame` and `sent` are called once per frame and never wait."""

    def __init__(
        self,
        call: Call,
        pcm_format: PcmFormat,
        speech: SpeechService,
        outbox: Outbox,
        clock: CallTime,
        group: Callable[[], asyncio.TaskGroup],
        fill: Callable[[], None],
        flush: Callable[[], int],
    ) -> None:
        """fill: hands the port what next_frame gives. flush: the port's own."""
        self._call, self._format, self._speech = call, pcm_format, speech
        self._outbox, self._clock, self._group = outbox, clock, group
        self._fill, self._flush = fill, flush
        self._playout = Playout(pcm_format)
        self._said: dict[int, Said] = {}
        self._count = 0
        self._room = asyncio.Event()
        self._reaction_ms = 0

    @property
    def busy(self) -> bool:
        """Something is being said or waits to be."""
        return bool(self._said)

    @property
    def has_words(self) -> bool:
        """The same, fillers not counted."""
        return any(not said.filler for said in self._said.values())

    @property
    def paused(self) -> bool:
        return self._playout.paused

    @property
    def held(self) -> bool:
        """The caller interrupted, and whether that ends what is said is not decided."""
        return self._playout.held

    @property
    def interruptible(self) -> bool:
        """Whether the caller may speak into what is being said at this moment."""
        current = self._current
        return current is not None and current.interruptible and not current.utterance.must_be_heard

    @property
    def _current(self) -> Said | None:
        return self._said.get(self._playout.current or 0)

    def speak(
        self,
        text: str,
        *,
        language: str | None = None,
        voice: str | None = None,
        interruptible: bool = True,
        priority: int = 0,
        spans: Sequence[tuple[int, int]] = (),
        resume: bool = True,
        filler: bool = False,
    ) -> Said:
        """Queues a text and starts its synthesis; LimitExceeded when too much waits already.

        spans: characters from, to, of words that nobody interrupts.
        """
        settings = self._call.settings
        said = self._new(text, interruptible, priority, filler=filler)
        said.resume, said.utterance.spans = resume, tuple(spans)
        pieces = self._speech.say(
            text,
            language=language or settings.language,
            voice=voice or (settings.voice if language in (None, settings.language) else None),
            rate_hz=self._format.rate_hz,
            engine=settings.tts_engine,
            keys=settings.keys,
            style=settings.voice_settings,
            priority=priority,
            on_failover=lambda failed: self._failed_over(said, failed),
        )

        async def marked() -> AsyncIterator[bytes]:
            try:
                async for piece in pieces:
                    for mark in piece.marks:
                        said.utterance.mark(mark.char_start, mark.char_end, mark.at_ms)
                    yield piece.pcm
            finally:
                await pieces.close()

        self._group().create_task(self._feed(said, marked()), name="call.tts")
        return said

    def play(self, pcm: bytes, *, interruptible: bool = True) -> Said:
        """Queues audio at the line's rate."""
        said = self._new(None, interruptible)

        async def seconds() -> AsyncIterator[bytes]:
            step = self._format.bytes_per_s
            for start in range(0, len(pcm), step):
                yield pcm[start : start + step]

        self._group().create_task(self._feed(said, seconds()), name="call.play")
        return said

    def play_pieces(
        self, pieces: AsyncIterator[bytes], *, interruptible: bool = True, shaped: bool = True, filler: bool = False
    ) -> Said:
        """Queues audio that is read or made as it plays (core/playing.py), and takes it over. shaped: with the gain and
        the filter of our voice; tones have levels of their own. LimitExceeded when too much waits already."""
        said = self._new(None, interruptible, filler=filler)
        self._group().create_task(self._feed(said, pieces, shaped=shaped), name="call.play")
        return said

    def _new(self, text: str | None, interruptible: bool, priority: int = 0, *, filler: bool = False) -> Said:
        """Words of ours end what waits for a verdict, and a filler that is being said."""
        if not filler:
            self.give_up()
            for other in [said for said in self._said.values() if said.filler]:
                self._playout.fade_out(self._flush(), other.number, FADE_MS)
        utterance = self._playout.add(self._count + 1, text, interruptible, priority=priority)
        self._count += 1
        said = Said(self._count, text, interruptible, utterance, filler=filler)
        self._said[said.number] = said
        return said

    async def _feed(self, said: Said, pieces: AsyncIterator[bytes], *, shaped: bool = True) -> None:
        """Speech into the playout as it is made, at most some seconds ahead of the line."""
        shape = self._shaper() if shaped else None
        try:
            async for pcm in pieces:
                if said.done.is_set():
                    break
                if said.made_ms is None:
                    said.made_ms = round((time.monotonic() - said.asked_s) * 1000)
                said.utterance.feed(shape.feed(pcm) if shape is not None else pcm)
                self._fill()
                while not said.utterance.wants_more and not said.done.is_set():
                    self._room.clear()
                    await self._room.wait()
            if shape is not None:
                said.utterance.feed(shape.flush())
        except PublicError as problem:
            log.warning("speech was not made", call_id=self._call.call_id, kind=problem.kind)
            said.problem = problem
            said.utterance.fail()
        except Exception:  # an engine's failure must not end the call
            log.exception("the synthesiser failed", call_id=self._call.call_id)
            said.problem = PublicError("The speech engine failed; the daemon's log has the reason.")
            said.utterance.fail()
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]
            said.utterance.close()

    def _shaper(self) -> Shaper | None:
        media = self._speech.config.media
        return shaper(self._format.rate_hz, media.uplink_gain_db, clarity=media.clarity)

    # --- the 20 ms clock -------------------------------------------------------------------------------------------

    def next_frame(self) -> bytes | None:
        return self._playout.next_frame()

    def sent(self, uplink_frames: int, at_s: float) -> None:
        """How many of our frames have left the port so far; at_s: time.monotonic() of the newest."""
        for event in self._playout.sent(uplink_frames):
            self._report(event, at_s)
        self._room.set()

    @property
    def ready(self) -> bool:
        """Whether next_frame would give a frame."""
        return self._playout.ready

    def take_back(self, flushed_frames: int) -> None:
        """What the port's flush gave was not sent: our words among it are said again, before what waits."""
        self._playout.take_back(flushed_frames)

    def foreign_frame(self) -> None:
        """The port was given a frame of an attached client, or comfort noise; it is none of our words."""
        self._playout.foreign_frame()

    def reopened(self) -> None:
        """The port is a new one: what lay in the old one is said again."""
        self._playout.reopened()

    def pause(self, flushed_frames: int = 0) -> None:
        """Falls silent; with what the port's flush gave, at once and without losing a word."""
        self._playout.pause(flushed_frames)

    def resume(self) -> None:
        self._playout.resume()

    def stop(self, flushed_frames: int, *, only_interruptible: bool = False) -> list[Said]:
        """Ends what is said or waits; flushed_frames lay in the port and were never sent."""
        cut = []
        for event in self._playout.stop(flushed_frames, only_interruptible=only_interruptible):
            if (said := self._said.get(event.utterance_id)) is not None:
                cut.append(said)
            self._report(event, self._clock.last_s)
        return cut

    def cancel(self, number: int, flush: Callable[[], int]) -> Said | None:
        """Ends one utterance, said or waiting; what waits behind it goes on. None where it is over or never was."""
        said = self._said.get(number)
        if said is None:
            return None
        for event in self._playout.stop(flush() if said.utterance.begun else 0, only=number):
            self._report(event, self._clock.last_s)
        return said

    def ahead_of(self, number: int) -> int:
        """How many utterances are said before that one."""
        return self._playout.ahead_of(number)

    def barge_in(self, onset_ms: int, flush: Callable[[], int], *, hold: bool = False) -> bool:
        """The caller speaks since onset_ms into our words, which stop now. True where they are only held, until `go_on`
        or `give_up`: asked for, and nothing forbids it."""
        current = self._current
        if current is None:
            return False
        self._reaction_ms = round((self._clock.last_s - self._clock.heard_at_s(onset_ms)) * 1000)
        hold = (
            hold and current.resume and not current.filler and all(said.interruptible for said in self._said.values())
        )
        if hold:
            self._playout.hold(flush())
            current.played_ms, current.heard_text = self._playout.heard(current.utterance)
        else:
            self.stop(flush(), only_interruptible=True)
        self._outbox.fact(
            CallBargeIn(
                line=self._call.line,
                call_id=self._call.call_id,
                utterance=current.number,
                heard_text=current.heard_text,
                played_ms=current.played_ms,
                reaction_ms=self._reaction_ms,
            )
        )
        return hold

    def go_on(self) -> None:
        """It was no interruption: from the word into which the caller spoke."""
        self._playout.go_on(self._reaction_ms)
        self._fill()

    def give_up(self) -> None:
        """What is held, and what waits behind it, is not said any more."""
        if self._playout.held:
            self.stop(0, only_interruptible=True)

    def _failed_over(self, said: Said, failed: FailedOver) -> None:
        self._outbox.moment(
            TtsFailedOver(
                line=self._call.line,
                call_id=self._call.call_id,
                from_engine=failed.from_engine,
                to_engine=failed.to_engine,
                reason=failed.reason,
                utterance=said.number,
            )
        )

    # --- reports -----------------------------------------------------------------------------------------------------

    def _report(self, event: PlayoutEvent, at_s: float) -> None:
        said = self._said.get(event.utterance_id)
        if said is None:
            return
        match event:
            case Started():
                said.first_byte_ms = max(0, round((at_s - said.asked_s) * 1000))
                said.started_ms = self._clock.now_ms
                self._outbox.moment(self._speaking(said))
            case Resumed():
                self._outbox.moment(replace(self._speaking(said), latency_ms=0, made_ms=0, resumed=True))
            case Finished() | Stopped():
                said.played_ms, said.heard_text = event.played_ms, event.heard_text
                said.completed = event.completed
                del self._said[said.number]
                self._outbox.fact(self._spoken(said), self._row(said))
                said.done.set()
                self._room.set()

    def _speaking(self, said: Said) -> CallSpeaking:
        return CallSpeaking(
            line=self._call.line,
            call_id=self._call.call_id,
            utterance=said.number,
            text=said.text,
            latency_ms=said.first_byte_ms,
            made_ms=said.made_ms or 0,
            filler=said.filler,
        )

    def _spoken(self, said: Said) -> CallSpoken:
        return CallSpoken(
            line=self._call.line,
            call_id=self._call.call_id,
            utterance=said.number,
            text=said.text,
            heard_text=said.heard_text,
            played_ms=said.played_ms,
            completed=said.completed,
            filler=said.filler,
            problem=_word(said.problem),
        )

    def _row(self, said: Said) -> TurnRow:
        return TurnRow(
            call_id=self._call.call_id,
            ordinal=0,
            turn=said.number,
            role="bot",
            text=said.text,
            heard_text=said.heard_text,
            at_ms=said.started_ms,
            duration_ms=said.played_ms,
            latency_ms=said.first_byte_ms,
        )


def _word(problem: PublicError | None) -> str | None:
    """For the event: the error's kind, and the engine's reason where it gave one; both are stable words."""
    if problem is None:
        return None
    reason = problem.details.get("reason")
    return f"{problem.kind}: {reason}" if isinstance(reason, str) else problem.kind
