"""When each tick of a call is due. Pure: arrivals and the present in, due times out.

The modem plays our frames by its own crystal, and the only sight of that crystal is how fast its bytes come. They come
in bursts of two or three frames (spec 3.2), so a write for each read would send in bursts as well. Hence a
phase-locked loop: ticks are due by the monotonic clock, in steady steps of one ptime, and the step is stretched or
shrunk a little so that in the long run there are as many ticks as frames of downlink.

    lead(t)  = seconds of audio received - seconds gone by
    phase    = the highest lead in a window of 250 ms: bytes are delayed, never early, so the highest one is the clock
    error    = due time of the next tick - (phase + margin), taken modulo one ptime

A proportional and integral controller (damping 1, time constant 2 s) drives the error to zero. Modulo one ptime,
because a frame that the modem lost, or a pause of any length, says nothing about its crystal. When the bytes stop, the
last frequency holds. No phase is made up faster than MAX_CORRECTION, so steps stay within 0.4 ms of a ptime.

To note when bytes come costs a wake-up for each burst. Once the loop has locked, that is done in one window of four;
in between, bytes are fetched when a tick needs them and say nothing about time.
"""

from core.audio import PcmFormat

WINDOW_S = 0.25
"""Holds four bursts of 60 ms; short enough to follow 1 % without losing count of periods."""
PROPORTIONAL = 1.0
INTEGRAL = PROPORTIONAL**2 / 4
LOCKED_S = 0.002
"""Error below which a window counts as locked: the jitter of USB and of waking up."""
LOCKED_WINDOWS = 8
REST_WINDOWS = 3
MAX_CORRECTION = 0.02
"""Of the step. Crystals differ by 0.0001; a far end made of software (an emulator, a bridge) by 0.01."""
MARGIN_S = 0.010
"""A tick comes this much after the frame that it carries: USB and scheduling jitter, half a ptime."""
MAX_LATE_S = 0.040
"""Ticks missed for longer (a stopped process, a sleeping host) are left out instead of sent in a hurry."""


class LineClock:
    """The schedule of one call. Times are time.monotonic() seconds."""

    def __init__(self, pcm_format: PcmFormat) -> None:
        self._period_s = pcm_format.ptime_ms / 1000
        self._started_s: float | None = None
        self._due_s = 0.0
        self._wake_s = 0.0
        self._heard_s = 0.0
        self._window_end_s = 0.0
        self._lead_s: float | None = None
        self._frequency = 0.0
        self._correction = 0.0
        self._locked_windows = 0
        self._rest_windows = 0

    @property
    def started(self) -> bool:
        return self._started_s is not None

    @property
    def listening(self) -> bool:
        """Whether bytes are to be read when they come. Otherwise reading them at the tick is enough."""
        return self._rest_windows == 0

    @property
    def wake_s(self) -> float:
        """When to make the next tick. Equal to due_s but after a delay, when two ticks keep half a ptime apart."""
        return self._wake_s

    @property
    def due_s(self) -> float:
        """When the next tick is due by the schedule."""
        return self._due_s

    @property
    def correction(self) -> float:
        """How much faster than the monotonic clock we tick now, as a fraction: 0.0001 is 100 ppm."""
        return self._correction

    def start(self, now_s: float) -> None:
        """The first frame of downlink is here, or has been waited for long enough."""
        self._started_s = now_s
        self._due_s = self._wake_s = now_s + MARGIN_S
        self._window_end_s = now_s + WINDOW_S

    def heard(self, audio_s: float, at_s: float) -> None:
        """That many seconds of downlink audio were read at that time; as they came, if we are listening."""
        self._heard_s += audio_s
        if self._started_s is None or not self.listening:
            return
        lead_s = self._heard_s - (at_s - self._started_s)
        if self._lead_s is None or lead_s > self._lead_s:
            self._lead_s = lead_s

    def ticked(self, now_s: float) -> int:
        """The due tick was made. Plans the next one; gives how many were left out because we came too late."""
        if now_s >= self._window_end_s:
            self._next_window()
            self._window_end_s = now_s + WINDOW_S
        step_s = self._period_s * (1 - self._correction)
        self._due_s += step_s
        missed = 0
        while now_s - self._due_s > MAX_LATE_S:
            self._due_s += step_s
            missed += 1
        self._wake_s = max(self._due_s, now_s + self._period_s / 2)
        return missed

    def _next_window(self) -> None:
        if self._rest_windows:
            self._rest_windows -= 1
            return
        self._adjust()
        if self._locked_windows >= LOCKED_WINDOWS:
            self._rest_windows = REST_WINDOWS

    def _adjust(self) -> None:
        """Without arrivals there is nothing to learn, and only the frequency goes on."""
        lead_s, self._lead_s = self._lead_s, None
        if lead_s is None or self._started_s is None:
            self._correction = self._frequency
            return
        error_s = _wrapped(self._due_s - (self._started_s - lead_s + MARGIN_S), self._period_s)
        self._locked_windows = self._locked_windows + 1 if abs(error_s) < LOCKED_S else 0
        self._frequency = _clamped(self._frequency + INTEGRAL * WINDOW_S * error_s)
        self._correction = _clamped(self._frequency + PROPORTIONAL * error_s)


def _wrapped(value: float, period: float) -> float:
    """Into -period/2 … period/2."""
    return (value + period / 2) % period - period / 2


def _clamped(correction: float) -> float:
    return max(-MAX_CORRECTION, min(MAX_CORRECTION, correction))
