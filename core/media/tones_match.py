"""Bursts of tone to what they mean: call progress by country, SIT, fax, paging. Pure: slices in, findings out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.media.tones_bank import Slice
from core.media.tones_bursts import Burst, Bursts, Segment
from core.media.tones_table import (
    CED_HZ,
    CNG_HZ,
    CNG_OFF_MS,
    CNG_ON_MS,
    NETWORKS,
    SIT_HZ,
    SIT_MS,
    Cadence,
    Tone,
)

SINGLE_HZ, PAIR_HZ = 25.0, 12.0
"""How far a network's tone may be off: E.180 has 425 +/-15 Hz and allows 400 to 450; pairs are told apart by less."""
TIME_SHARE, TIME_MS = 0.12, 25
"""How far its times may be off: E.180 allows 10 %; an edge is known to 20 ms."""
DIAL_SINGLE_MS, DIAL_PAIR_MS = 3000, 1500
"""No ringback sounds for so long. The pair of the dial tone is not used for anything else."""
LONG_MS = 1500
"""Cadences with a longer round are certain once the next round begins; shorter ones after two rounds."""
BEGUN_MS = 200
SIT_TOLERANCE_HZ, SIT_TOLERANCE_MS, SIT_LAST_MS = 50.0, 100, 200
CNG_TOLERANCE_HZ, CNG_SHARE, CNG_BEGUN_MS = 38.0, 0.15, 300
CED_TOLERANCE_HZ, CED_MS = 15.0, 1000
PAGING_SHARE = 0.2
STEADY_FRAMES = 4
"""A segment of a sequence; shorter ones are windows that see the end of one tone and the beginning of the next."""


@dataclass(frozen=True, slots=True)
class Pager:
    """One pair of tones to wait for."""

    name: str
    a_hz: float
    b_hz: float
    a_ms: int
    b_ms: int
    tolerance_hz: float


@dataclass(frozen=True, slots=True)
class Found:
    """A tone has become certain. start_ms: place in the call; frequency_hz as measured."""

    tone: Tone
    frequency_hz: float
    start_ms: int
    duration_ms: int
    name: str | None = None


Matcher = Callable[[Bursts], Found | None]


class ToneListener:
    """One direction of one call. Tells each tone once: again only when another was heard, or silence, in between."""

    def __init__(self, matchers: Sequence[Matcher]) -> None:
        self.bursts = Bursts()
        self._matchers = tuple(matchers)
        self._told: dict[tuple[Tone, str | None], Burst] = {}

    def feed(self, heard: Slice) -> list[Found]:
        """One slice."""
        bursts = self.bursts
        bursts.feed(heard)
        last = bursts.current or (bursts.past[-1] if bursts.past else None)
        if last is None or not last.segments:
            if last is None:
                self._told.clear()
            return []
        if last.foreign:
            return []
        found = [each for matcher in self._matchers if (each := matcher(bursts)) is not None]
        return [each for each in found if self._is_new(each, last)]

    def _is_new(self, found: Found, last: Burst) -> bool:
        """Whether it did not just go on since it was told."""
        key = (found.tone, found.name)
        before = self._told.get(key)
        self._told = {key: last} | {other: burst for other, burst in self._told.items() if other != key}
        if before is last:
            return False
        known = list(self.bursts.past)
        if found.tone is Tone.SIT and before in known:
            return False  # it is sent up to three times, a second apart
        return before is None or before not in known or any(not each.tones_hz for each in known[known.index(before) :])


# --- progress --------------------------------------------------------------------------------------------------------


def progress(country: str) -> list[Matcher]:
    """Ringback, busy, congestion, dial of that country, then of all others; and SIT, which is the same everywhere."""
    order = [country, *(name for name in NETWORKS if name != country)]
    matchers: list[Matcher] = [sit]
    cadences: list[tuple[Tone, Cadence]] = []
    for name in order:
        network = NETWORKS[name]
        cadences += [
            (Tone.BUSY, network.busy),
            (Tone.CONGESTION, network.congestion),
            (Tone.RINGBACK, network.ringback),
            (Tone.DIAL, network.dial),
        ]
    matchers.append(_first_of(cadences))
    return matchers


def _first_of(cadences: list[tuple[Tone, Cadence]]) -> Matcher:
    """Several tones of the table share frequencies and times between countries: the first that fits counts."""

    def match(bursts: Bursts) -> Found | None:
        line = _Line.of(bursts)
        if line is None:
            return None
        for tone, cadence in cadences:
            if near(cadence[0].frequencies_hz, line.tones_hz) and line.fits(cadence):
                return Found(tone, line.tones_hz[0], line.start_ms, bursts.now_ms - line.start_ms)
        return None

    return match


def near(wanted_hz: tuple[float, ...], heard_hz: tuple[float, ...]) -> bool:
    tolerance_hz = SINGLE_HZ if len(wanted_hz) == 1 else PAIR_HZ
    return len(wanted_hz) == len(heard_hz) and all(
        abs(wanted - heard) <= tolerance_hz for wanted, heard in zip(wanted_hz, heard_hz, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """The times of the last bursts of the same tones: on, off, on … The last one still goes on."""

    tones_hz: tuple[float, ...]
    times_ms: tuple[int, ...]
    start_ms: int

    @classmethod
    def of(cls, bursts: Bursts) -> "_Line | None":
        chain = [*bursts.past, *([bursts.current] if bursts.current else [])]
        if not chain or not (tones_hz := chain[-1].tones_hz):
            return None
        times: list[int] = []
        first = chain[-1]
        for burst in reversed(chain):
            if not near(tones_hz, burst.tones_hz):
                break
            first = burst
            if burst is bursts.current:
                times.append(burst.on_ms)
            else:
                times += [bursts.quiet_ms if burst.off_ms is None else burst.off_ms, burst.on_ms]
        return cls(tones_hz, tuple(reversed(times)), first.start_ms)

    def fits(self, cadence: Cadence) -> bool:
        """Whether the newest times are this cadence, from any of its parts on."""
        if len(cadence) == 1:
            return len(self.times_ms) == 1 and self.times_ms[0] >= (
                DIAL_PAIR_MS if len(self.tones_hz) == 2 else DIAL_SINGLE_MS
            )
        period = [part.duration_ms for part in cadence]
        whole = 2 * len(period) if len(period) == 2 and sum(period) < LONG_MS else len(period)
        if len(self.times_ms) < whole + 1:
            return False
        going_on = self.times_ms[-1]
        newest = self.times_ms[-1 - whole : -1]
        first_is_on = (len(self.times_ms) - 1 - whole) % 2 == 0
        for shift in range(0 if first_is_on else 1, len(period), 2):
            turned = [period[(shift + place) % len(period)] for place in range(whole + 1)]
            if all(_on_time(got, want) for got, want in zip(newest, turned, strict=False)):
                return min(BEGUN_MS, turned[-1] // 2) <= going_on <= turned[-1] * (1 + TIME_SHARE) + TIME_MS
        return False


def _on_time(got_ms: int, wanted_ms: int) -> bool:
    return abs(got_ms - wanted_ms) <= wanted_ms * TIME_SHARE + TIME_MS


# --- sequences -------------------------------------------------------------------------------------------------------


def _steady(bursts: Bursts) -> list[Segment]:
    """The single tones of the burst that goes on, in their order."""
    burst = bursts.current
    if burst is None:
        return []
    return [each for each in burst.segments if len(each.tones_hz) == 1 and each.frames >= STEADY_FRAMES]


def sit(bursts: Bursts) -> Found | None:
    """Three rising tones (E.180 §7): an announcement follows, the number can't be reached."""
    parts = _steady(bursts)[-3:]
    if len(parts) < 3 or bursts.current is None:
        return None
    if any(abs(part.tones_hz[0] - hz) > SIT_TOLERANCE_HZ for part, hz in zip(parts, SIT_HZ, strict=True)):
        return None
    steps_ms = (parts[1].start_ms - parts[0].start_ms, parts[2].start_ms - parts[1].start_ms)
    if any(abs(step_ms - SIT_MS) > SIT_TOLERANCE_MS for step_ms in steps_ms):
        return None
    if parts[2].end_ms - parts[2].start_ms < SIT_LAST_MS:
        return None
    return _sequence(bursts, Tone.SIT, parts[0])


def paging(pager: Pager) -> Matcher:
    """Two tones after each other, without a pause between them."""

    def match(bursts: Bursts) -> Found | None:
        parts = _steady(bursts)[-2:]
        if len(parts) < 2 or bursts.current is None:
            return None
        a, b = parts
        if abs(a.tones_hz[0] - pager.a_hz) > pager.tolerance_hz or abs(b.tones_hz[0] - pager.b_hz) > pager.tolerance_hz:
            return None
        if abs(b.start_ms - a.start_ms - pager.a_ms) > PAGING_SHARE * pager.a_ms:
            return None
        if b.end_ms - b.start_ms < (1 - PAGING_SHARE) * pager.b_ms:
            return None
        return _sequence(bursts, Tone.PAGING, a, pager.name)

    return match


def ced(bursts: Bursts) -> Found | None:
    """2100 Hz for a second, with or without phase reversals."""
    parts = _steady(bursts)
    if not parts or abs(parts[-1].tones_hz[0] - CED_HZ) > CED_TOLERANCE_HZ:
        return None
    if parts[-1].end_ms - parts[-1].start_ms < CED_MS:
        return None
    return _sequence(bursts, Tone.CED, parts[-1])


def _sequence(bursts: Bursts, tone: Tone, first: Segment, name: str | None = None) -> Found:
    start_ms = (bursts.current.start_ms if bursts.current else 0) + first.start_ms
    return Found(tone, first.tones_hz[0], start_ms, bursts.now_ms - start_ms, name)


def cng(bursts: Bursts) -> Found | None:
    """A fax calls: half a second of 1100 Hz, three seconds of silence, and 1100 Hz again."""
    current = bursts.current
    before = bursts.past[-1] if bursts.past else None
    if current is None or before is None or before.off_ms is None:
        return None
    if not all(
        len(each.tones_hz) == 1 and abs(each.tones_hz[0] - CNG_HZ) <= CNG_TOLERANCE_HZ for each in (before, current)
    ):
        return None
    on_time = before.on_ms <= CNG_ON_MS * (1 + CNG_SHARE) + TIME_MS  # the first one may have begun before the call
    off_time = abs(before.off_ms - CNG_OFF_MS) <= CNG_OFF_MS * CNG_SHARE + TIME_MS
    if not (on_time and off_time and CNG_BEGUN_MS <= current.on_ms <= CNG_ON_MS * (1 + CNG_SHARE) + TIME_MS):
        return None
    return Found(Tone.CNG, current.tones_hz[0], before.start_ms, bursts.now_ms - before.start_ms)
