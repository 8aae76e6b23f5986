"""What we say: texts and files to whole frames, and what of them the far end was really given."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from core.audio import PcmFormat
from core.call import Call
from core.call_time import CallTime
from core.errors import PublicError
from core.events import CallBargeIn, CallSpeaking, CallSpoken, TtsFailedOver
from core.log import Log
from core.media.playout import Finished, Playout, PlayoutEvent, Started, Stopped, Utterance
from core.media.shaping import Shaper, shaper
from core.media.tts import FailedOver
from core.outbox import Outbox
from core.speech import SpeechService
from core.store.calls import TurnRow

log = Log("speaking")


@dataclass(slots=True, eq=False)
class Said:
    """One utterance from its request to its report. failed: why it could not be made, for people."""

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
    failed: str | None = None


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
    ) -> None:
        self._call, self._format, self._speech = call, pcm_format, speech
        self._outbox, self._clock, self._group, self._fill = outbox, clock, group, fill
        self._playout = Playout(pcm_format)
        self._said: dict[int, Said] = {}
        self._count = 0
        self._room = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Something is being said or waits to be."""
        return bool(self._said)

    @property
    def paused(self) -> bool:
        return self._playout.paused

    def speak(
        self,
        text: str,
        *,
        language: str | None = None,
        voice: str | None = None,
        interruptible: bool = True,
        priority: int = 0,
    ) -> Said:
        """Queues a text and starts its synthesis; LimitExceeded when too much waits already."""
        settings = self._call.settings
        said = self._new(text, interruptible, priority)
        pieces = self._speech.say(
            text,
            language=language or settings.language,
            voice=voice or settings.voice,
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

    def play_pieces(self, pieces: AsyncIterator[bytes], *, interruptible: bool = True, shaped: bool = True) -> Said:
        """Queues audio that is read or made as it plays (core/playing.py), and takes it over. shaped: with the gain and
        the filter of our voice; tones have levels of their own. LimitExceeded when too much waits already."""
        said = self._new(None, interruptible)
        self._group().create_task(self._feed(said, pieces, shaped=shaped), name="call.play")
        return said

    def _new(self, text: str | None, interruptible: bool, priority: int = 0) -> Said:
        utterance = self._playout.add(self._count + 1, text, interruptible, priority=priority)
        self._count += 1
        said = Said(self._count, text, interruptible, utterance)
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
            said.failed = problem.message
            said.utterance.fail()
        except Exception:  # an engine's failure must not end the call
            log.exception("the synthesiser failed", call_id=self._call.call_id)
            said.failed = "The speech engine failed; the daemon's log has the reason."
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

    def barge_in(self, onset_ms: int, flush: Callable[[], int]) -> None:
        """The caller speaks into our words, which stop now unless they must be heard."""
        current = self._said.get(self._playout.current or 0)
        if current is None or not current.interruptible:
            return
        for cut in self.stop(flush(), only_interruptible=True):
            if cut.number == current.number:
                self._outbox.fact(
                    CallBargeIn(
                        line=self._call.line,
                        call_id=self._call.call_id,
                        utterance=cut.number,
                        heard_text=cut.heard_text,
                        played_ms=cut.played_ms,
                        reaction_ms=round((self._clock.last_s - self._clock.heard_at_s(onset_ms)) * 1000),
                    )
                )

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
                self._outbox.moment(
                    CallSpeaking(
                        line=self._call.line,
                        call_id=self._call.call_id,
                        utterance=said.number,
                        text=said.text,
                        latency_ms=said.first_byte_ms,
                        made_ms=said.made_ms or 0,
                    )
                )
            case Finished() | Stopped():
                said.played_ms, said.heard_text = event.played_ms, event.heard_text
                said.completed = event.completed
                del self._said[said.number]
                self._outbox.fact(self._spoken(said), self._row(said))
                said.done.set()
                self._room.set()

    def _spoken(self, said: Said) -> CallSpoken:
        return CallSpoken(
            line=self._call.line,
            call_id=self._call.call_id,
            utterance=said.number,
            text=said.text,
            heard_text=said.heard_text,
            played_ms=said.played_ms,
            completed=said.completed,
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
