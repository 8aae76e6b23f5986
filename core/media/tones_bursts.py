"""Slices of a call to bursts: what sounds between two silences, and which tones follow each other in it. Pure."""

from collections import deque
from dataclasses import dataclass, field

from core.audio import PTIME_MS
from core.media.tones_bank import FLOOR_DBFS, Slice

GAP_MS = 60
"""A shorter silence does not end a burst: the three tones of SIT may have 30 ms between them."""
DROP_DB = 12.0
"""Silence after a tone is at least so much quieter; lines are never quite silent."""
DRIFT_HZ = 8.0
"""A segment's tones stay within this of their mean. No voice does for 100 ms."""
HOLE_FRAMES = 8
"""A tone goes on over so much that is not pure: a phase reversal (V.25) spoils the window for 128 ms."""
BURSTS_KEPT, SEGMENTS_MAX = 8, 64
"""A burst with more segments is music, and no more of it is kept."""
SURE_FRAMES = 4
"""So many windows that show the same tones are a tone; only then its level and its beginning are known."""
ONSET_FRAMES = 24
"""How far back its beginning is looked for."""
FORGET_MS = 7000
"""Longer silence than any cadence has (6 s, ringback in some countries)."""


@dataclass(slots=True)
class Segment:
    """The same tones for a while. start_ms: place in its burst of the first window that showed them."""

    tones_hz: tuple[float, ...]
    start_ms: int
    end_ms: int
    frames: int = 1

    def goes_on_with(self, tones_hz: tuple[float, ...]) -> bool:
        near = all(abs(old - new) <= DRIFT_HZ for old, new in zip(self.tones_hz, tones_hz, strict=False))
        return len(tones_hz) == len(self.tones_hz) and near

    def add(self, tones_hz: tuple[float, ...], end_ms: int) -> None:
        self.frames += 1
        share = 1 / min(self.frames, 50)
        self.tones_hz = tuple(old + (new - old) * share for old, new in zip(self.tones_hz, tones_hz, strict=True))
        self.end_ms = end_ms


@dataclass(slots=True)
class Burst:
    """One sound between two silences."""

    start_ms: int
    segments: list[Segment] = field(default_factory=list)
    on_ms: int = 0
    off_ms: int | None = None
    foreign: bool = False

    @property
    def tones_hz(self) -> tuple[float, ...]:
        """Those of nearly all of it; none where it was no steady tone."""
        longest = max(self.segments, key=lambda each: each.frames, default=None)
        if longest is None or self.foreign:
            return ()
        # Until a window is full two near tones look like one, and a beginning like anything.
        before_ms, after_ms = longest.start_ms, self.on_ms - longest.end_ms
        return longest.tones_hz if before_ms <= 180 and after_ms <= 100 else ()


class Bursts:
    """One direction of one call. Feed it every slice; then look at `current`, `quiet_ms` and `past`."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.current: Burst | None = None
        self.quiet_ms = 0
        self.past: deque[Burst] = deque(maxlen=BURSTS_KEPT)
        self._tone_dbfs = FLOOR_DBFS
        self._levels: deque[float] = deque(maxlen=ONSET_FRAMES)

    def feed(self, heard: Slice) -> None:
        """One slice of PTIME_MS."""
        self.now_ms += PTIME_MS
        self._levels.append(heard.level_dbfs)
        if heard.level_dbfs < max(FLOOR_DBFS, self._tone_dbfs - DROP_DB):
            self._silence()
        else:
            self._sound(heard)

    def _silence(self) -> None:
        self.quiet_ms += PTIME_MS
        if self.current is not None and self.quiet_ms >= GAP_MS:
            self.past.append(self.current)
            self.current = None
        if self.quiet_ms >= FORGET_MS:
            self.past.clear()
            self._tone_dbfs = FLOOR_DBFS

    def _sound(self, heard: Slice) -> None:
        if self.current is None:
            if self.past:
                self.past[-1].off_ms = self.quiet_ms
            self.current = Burst(self.now_ms - PTIME_MS)
        self.quiet_ms = 0
        burst = self.current
        burst.on_ms = self.now_ms - burst.start_ms
        if not heard.tones_hz:
            return
        last = self._going_on(burst, heard.tones_hz)
        if last is not None:
            last.add(heard.tones_hz, burst.on_ms)
            if last.frames == SURE_FRAMES:
                self._tone_dbfs = heard.level_dbfs
                if not any(each.frames > SURE_FRAMES for each in burst.segments):
                    self._without_noise(burst)
        elif len(burst.segments) < SEGMENTS_MAX:
            burst.segments.append(Segment(heard.tones_hz, burst.on_ms, burst.on_ms))

    def _going_on(self, burst: Burst, tones_hz: tuple[float, ...]) -> Segment | None:
        """The segment that these tones belong to; what was heard in a hole of it is forgotten."""
        for place in range(len(burst.segments) - 1, -1, -1):
            segment = burst.segments[place]
            if burst.on_ms - segment.end_ms > HOLE_FRAMES * PTIME_MS:
                return None
            if segment.goes_on_with(tones_hz):
                del burst.segments[place + 1 :]
                return segment
        return None

    def _without_noise(self, burst: Burst) -> None:
        """A burst begins where the level rose to that of its tone, not with the noise of the line before it."""
        loud = 0
        while loud < len(self._levels) and self._levels[-1 - loud] >= self._tone_dbfs - DROP_DB:
            loud += 1
        noise_ms = self.now_ms - loud * PTIME_MS - burst.start_ms
        if noise_ms <= 0 or loud == ONSET_FRAMES:
            return
        burst.start_ms += noise_ms
        burst.on_ms -= noise_ms
        for segment in burst.segments:
            segment.start_ms, segment.end_ms = segment.start_ms - noise_ms, segment.end_ms - noise_ms
        burst.segments = [segment for segment in burst.segments if segment.end_ms > 0]
        if self.past:
            self.past[-1].off_ms = burst.start_ms - self.past[-1].start_ms - self.past[-1].on_ms
