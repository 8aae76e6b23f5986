"""The schedule of ticks against simulated modems: their crystals, their bursts, their pauses."""

import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.audio import PcmFormat
from core.modem.pcm_clock import MAX_CORRECTION, MAX_LATE_S, LineClock

PTIME_S = 0.02


@dataclass
class Line:
    """A modem that sends `burst` frames when the last of them is complete, by a crystal that is `drift` too fast."""

    drift: float = 0.0
    burst: int = 1
    jitter_s: float = 0.0
    pause: tuple[float, float] = (0.0, 0.0)
    asleep: tuple[float, float] = (0.0, 0.0)
    """When we don't run."""
    clock: LineClock = field(default_factory=lambda: LineClock(PcmFormat()))
    ticks: list[float] = field(default_factory=list)
    left_out: int = 0
    unread: int = 0
    watched: int = 0

    def run(self, seconds: float) -> None:
        chance = random.Random(1)
        period_s = PTIME_S / (1 + self.drift) * self.burst
        arrivals = [k * period_s + chance.random() * self.jitter_s for k in range(int(seconds / period_s))]
        arrivals = [at_s for at_s in arrivals if not self.pause[0] < at_s < self.pause[1]]
        for at_s in arrivals:
            if self.clock.started:
                self._tick_until(at_s)
            else:
                self.clock.start(at_s)
            self.unread += self.burst
            if self.clock.listening:
                self.watched += 1
                self._read(self._awake(at_s))
        self._tick_until(seconds)

    def _tick_until(self, until_s: float) -> None:
        while self.clock.wake_s < until_s:
            now_s = self._awake(self.clock.wake_s)
            self.ticks.append(now_s)
            if self.unread:
                self._read(now_s)
            self.left_out += self.clock.ticked(now_s)

    def _read(self, now_s: float) -> None:
        self.clock.heard(PTIME_S * self.unread, now_s)
        self.unread = 0

    def _awake(self, at_s: float) -> float:
        return self.asleep[1] if self.asleep[0] < at_s < self.asleep[1] else at_s

    def steps(self) -> list[float]:
        return [b - a for a, b in pairwise(self.ticks)]


@settings(max_examples=40, deadline=None)
@given(drift=st.floats(-0.01, 0.01), burst=st.integers(1, 3), jitter_s=st.sampled_from([0.0, 0.002, 0.006]))
def test_ticks_follow_the_modems_crystal_in_steady_steps(drift: float, burst: int, jitter_s: float) -> None:
    line = Line(drift, burst, jitter_s)
    line.run(60.0)
    assert all(abs(step - PTIME_S) <= PTIME_S * MAX_CORRECTION + 1e-9 for step in line.steps())
    # In the second half, when it has locked: as many ticks as frames, to within one.
    half = [at_s for at_s in line.ticks if at_s >= 30.0]
    assert abs(len(half) - 30.0 / PTIME_S * (1 + drift)) <= 1.5


def test_a_locked_tick_comes_ten_milliseconds_after_its_frame() -> None:
    line = Line(0.0001, 3)
    line.run(120.0)
    period_s = PTIME_S / 1.0001
    phases = [at_s % period_s for at_s in line.ticks[-100:]]
    assert all(0.009 < phase < 0.011 for phase in phases)


def test_once_locked_arrivals_are_watched_a_quarter_of_the_time() -> None:
    line = Line(0.0001, 2, 0.001)
    line.run(60.0)
    assert 0.2 < line.watched / 1500 < 0.4


def test_without_downlink_the_last_frequency_holds() -> None:
    line = Line(0.005, pause=(40.0, 100.0))
    line.run(100.0)
    paused = [at_s for at_s in line.ticks if at_s >= 41.0]
    assert abs(len(paused) - 59.0 / PTIME_S * 1.005) <= 2


@pytest.mark.parametrize("begin_s", [40.0, 40.25, 40.5, 40.75])
def test_a_downlink_that_stops_while_nobody_listens_moves_no_tick(begin_s: float) -> None:
    line = Line(0.0, pause=(begin_s, 60.0))
    line.run(60.0)
    assert all(abs(b - a - PTIME_S) < 0.00002 for a, b in pairwise(at_s for at_s in line.ticks if at_s > 30))


def test_a_pause_of_any_length_is_not_made_up() -> None:
    line = Line(0.0, pause=(20.0, 23.137))
    line.run(60.0)
    assert abs(len(line.ticks) - 60.0 / PTIME_S) <= 2
    assert all(abs(step - PTIME_S) <= PTIME_S * MAX_CORRECTION + 1e-9 for step in line.steps())


def test_after_a_sleep_at_most_two_ticks_are_caught_up_and_not_at_once() -> None:
    line = Line(0.0, asleep=(10.0, 12.5))
    line.run(20.0)
    woken = next(k for k, at_s in enumerate(line.ticks) if at_s >= 12.5)
    after = [b - a for a, b in pairwise(line.ticks[woken : woken + 50])]
    assert all(step >= PTIME_S / 2 - 1e-9 for step in after)
    assert sum(PTIME_S - step for step in after) <= MAX_LATE_S + PTIME_S * MAX_CORRECTION * 50
    # Ticks made and ticks left out together are the time of the call.
    assert abs(len(line.ticks) + line.left_out - 20.0 / PTIME_S) <= 2


def test_a_short_delay_is_caught_up_without_leaving_out_a_tick() -> None:
    line = Line(0.0, asleep=(10.0, 10.03))
    line.run(20.0)
    assert line.left_out == 0
    assert abs(len(line.ticks) - 20.0 / PTIME_S) <= 1
