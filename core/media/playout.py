"""What we say in a call: a queue of utterances that knows how much of each was really heard.

Pure. Speech comes in from the synthesiser as it is made; whole frames go out when the port has room; "played" means
gone out of the port (Tick.uplink_frames), not handed to it. So after a barge-in the truth is known: which words the
far end was given.
"""

from collections import deque

from core.audio import PcmFormat
from core.errors import LimitExceeded
from core.media.utterance import Finished, PlayoutEvent, Resumed, Started, Stopped, Utterance

__all__ = ["Finished", "Playout", "PlayoutEvent", "PlayoutFull", "Resumed", "Started", "Stopped", "Utterance"]

UTTERANCES_MAX = 20
UTTERANCE_AHEAD_MS = 10_000
"""The synthesiser of one utterance waits (wants_more) while this much of it lies unplayed."""
TOTAL_AHEAD_MS = 60_000
"""So do those of later utterances while this much lies in the whole queue; never that of the one being played."""
TOTAL_MAX_MS = 180_000
"""Whoever feeds without asking wants_more is refused here. 2.9 MB at 8 kHz."""

_Frame = list[tuple[Utterance, bytes]]
"""Whose audio one frame in the port holds: of one utterance, of the end of one and the beginning of the next, or,
empty, of someone else."""


class PlayoutFull(LimitExceeded):
    """Too much waits to be said already."""


class Playout:
    """One call's queue, in order of `add`. Policy when full: `add` refuses, synthesisers wait."""

    def __init__(self, pcm_format: PcmFormat) -> None:
        self._format = pcm_format
        self.underrun_frames = 0
        self._queue: deque[Utterance] = deque()
        self._in_flight: deque[_Frame] = deque()
        self._sent = 0
        self._paused = False
        self._held: int | None = None

    @property
    def format(self) -> PcmFormat:
        return self._format

    @property
    def current(self) -> int | None:
        """The utterance being said, or next to be; None when there is none."""
        return self._queue[0].id if self._queue else None

    def ahead_of(self, utterance_id: int) -> int:
        """How many utterances are said before that one; 0 for one that is not here."""
        ids = [utterance.id for utterance in self._queue]
        return ids.index(utterance_id) if utterance_id in ids else 0

    @property
    def interruptible(self) -> bool:
        """Whether the caller may speak into the current utterance; False when there is none."""
        return bool(self._queue) and self._queue[0].interruptible

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def held(self) -> bool:
        """The caller interrupted, and whether that ends the utterance is not decided."""
        return self._held is not None

    @property
    def ahead_ms(self) -> int:
        """All audio that lies here."""
        return sum(utterance.ahead_ms for utterance in self._queue)

    def add(self, utterance_id: int, text: str | None, interruptible: bool = True, *, priority: int = 0) -> Utterance:
        """Queues an utterance. text None: sound without words. PlayoutFull with 20 in the queue.

        It goes before those of lower priority that wait, never before one that has begun.
        """
        if len(self._queue) >= UTTERANCES_MAX:
            raise PlayoutFull(f"{UTTERANCES_MAX} utterances wait to be said already.")
        utterance = Utterance(self, utterance_id, text, interruptible, priority)
        place = len(self._queue)
        while place and self._queue[place - 1].priority < priority and not self._queue[place - 1].begun:
            place -= 1
        self._queue.insert(place, utterance)
        return utterance

    def replace(
        self, flushed_frames: int, utterance_id: int, text: str | None, interruptible: bool = True
    ) -> tuple[list[Stopped], Utterance]:
        """Stops all that is said or waits, and queues this instead."""
        return self.stop(flushed_frames), self.add(utterance_id, text, interruptible)

    def next_frame(self) -> bytes | None:
        """A whole frame for the port, which must have room for it; None while paused or while nothing is ready.

        The next utterance goes on in the last frame of the one before, without a gap; where none is ready silence
        fills that frame up.
        """
        if self._silent:
            return None
        parts: _Frame = []
        missing = self._format.frame_bytes
        for utterance in self._queue:
            if utterance.is_drained:
                continue
            audio = utterance.take(missing)
            if audio is None:
                break
            parts.append((utterance, audio))
            missing -= len(audio)
            if missing == 0 or not utterance.is_drained:
                break
        if not parts:
            return None
        self._in_flight.append(parts)
        return b"".join(audio for _, audio in parts).ljust(self._format.frame_bytes, b"\0")

    @property
    def ready(self) -> bool:
        """Whether next_frame would give one."""
        if self._silent:
            return False
        waiting = next((utterance for utterance in self._queue if not utterance.is_drained), None)
        return waiting is not None and waiting.can_give(self._format.frame_bytes)

    def foreign_frame(self) -> None:
        """Someone else (an attached client) wrote a frame to the same port: it counts there, but is none of ours."""
        self._in_flight.append([])

    def sent(self, uplink_frames: int) -> list[PlayoutEvent]:
        """Takes Tick.uplink_frames, once per tick: all frames of ours that went out so far. Gives what that means."""
        events: list[PlayoutEvent] = []
        count = min(uplink_frames - self._sent, len(self._in_flight))
        gone = [part for _ in range(count) for part in self._in_flight.popleft()]
        if not gone and not self._silent and self._queue and self._queue[0].is_waiting_for_audio:
            self.underrun_frames += 1
        for utterance, audio in gone:
            self._finish(events, before=utterance)
            if (event := utterance.went_out(audio)) is not None:
                events.append(event)
        self._sent = max(self._sent, uplink_frames)
        self._finish(events)
        return events

    def stop(self, flushed_frames: int, *, only_interruptible: bool = False, only: int | None = None) -> list[Stopped]:
        """Cuts what is said and drops what waits. flushed_frames: what AudioPort.flush() gave, called just before.

        only_interruptible, or only (that utterance): others stay, and get back their frames that were flushed. Frames
        that the port did take count as played, since they can't be called back.
        """
        self._take_back(flushed_frames)
        gone = self._in_port()
        stopped, kept = [], []
        for utterance in self._queue:
            if (only_interruptible and not utterance.interruptible) or only not in (None, utterance.id):
                kept.append(utterance)
                continue
            stopped.append(utterance.cut(gone.get(utterance.id, 0)))
        self._queue = deque(kept)
        if self._held not in [utterance.id for utterance in kept]:
            self._held = None
        return stopped

    def take_back(self, flushed_frames: int) -> None:
        """What AudioPort.flush() gave was not sent: our own frames of it are said again, before what waits."""
        self._take_back(flushed_frames)

    def pause(self, flushed_frames: int = 0) -> None:
        """Says nothing until resume. With what AudioPort.flush() gave it falls silent at once and loses no word."""
        self._take_back(flushed_frames)
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def hold(self, flushed_frames: int) -> None:
        """The caller interrupts the current utterance: silence until `go_on`, or until it is stopped."""
        self._take_back(flushed_frames)
        self._held = self.current

    def heard(self, utterance: Utterance) -> tuple[int, str | None]:
        """played_ms and heard_text as `stop` would tell them now, nothing being flushed."""
        return utterance.heard(self._in_port().get(utterance.id, 0))

    def _in_port(self) -> dict[int, int]:
        """Bytes of each utterance that the port took for good and has not reported yet."""
        gone: dict[int, int] = {}
        for utterance, audio in (part for parts in self._in_flight for part in parts):
            gone[utterance.id] = gone.get(utterance.id, 0) + len(audio)
        return gone

    def go_on(self, before_ms: int) -> None:
        """The interruption was none: from the word that was being said so long before it fell silent."""
        if self._held is not None and self._queue and self._queue[0].id == self._held:
            self._queue[0].go_back(before_ms)
        self._held = None

    def fade_out(self, flushed_frames: int, utterance_id: int, within_ms: int) -> None:
        """Ends one utterance softly; see Utterance.fade_out. One that has not begun is dropped with the next `sent`."""
        self._take_back(flushed_frames)
        for utterance in self._queue:
            if utterance.id == utterance_id:
                utterance.fade_out(within_ms if utterance.begun else 0)

    @property
    def _silent(self) -> bool:
        return self._paused or self._held is not None

    def reopened(self) -> None:
        """The port is a new one that counts from 0: what lay in the old one was not heard and is said again."""
        self._take_back(len(self._in_flight))
        self._sent = 0

    def has_room_for(self, utterance: Utterance) -> bool:
        """Whether this utterance may lie further ahead of the line."""
        if utterance.ahead_ms >= UTTERANCE_AHEAD_MS:
            return False
        return utterance is self._queue[0] or self.ahead_ms < TOTAL_AHEAD_MS

    def check_room(self, pcm_bytes: int) -> None:
        """PlayoutFull where this many bytes more would break the bound."""
        if self.ahead_ms + self._format.ms(pcm_bytes) > TOTAL_MAX_MS:
            raise PlayoutFull("More audio waits to be said than a call holds.")

    def _take_back(self, flushed_frames: int) -> None:
        """The newest frames handed out never passed the port: back into their utterances."""
        for _ in range(min(flushed_frames, len(self._in_flight))):
            for utterance, audio in reversed(self._in_flight.pop()):
                utterance.put_back(audio)

    def _finish(self, events: list[PlayoutEvent], before: Utterance | None = None) -> None:
        """Takes utterances off the front that are over."""
        while self._queue and self._queue[0] is not before and self._queue[0].is_over:
            events.append(self._queue.popleft().finished())
