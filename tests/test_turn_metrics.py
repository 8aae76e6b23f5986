"""The yardstick of the benchmark of turns, on silences whose figures can be counted by hand."""

import numpy as np
import pytest

from bench import turn_metrics as metrics
from bench.turn_audio import CONDITIONS, PAUSE_LONGER, PAUSE_MS, pause_ms, turns
from core.media.turn_hints import Hint


def flags(*runs: tuple[bool, int]) -> list[bool]:
    return [speech for speech, ms in runs for _ in range(ms // 20)]


def hold(ms: int, hint: Hint | None = None) -> metrics.Silence:
    """A pause of this length that the detector sees as it is."""
    speech = flags((True, 1000), (False, ms), (True, 1000))
    one = metrics.silence(speech, 1000, 1000 + ms, last=False, length_ms=ms, hint=hint)
    assert one is not None
    return one


def end(late_ms: int = 0, hint: Hint | None = None) -> metrics.Silence:
    """The end of a turn that the detector sees so much too late."""
    speech = flags((True, 1000 + late_ms), (False, 4000 - late_ms))
    one = metrics.silence(speech, 1000, 5000, last=True, length_ms=4000, hint=hint)
    assert one is not None
    return one


def test_a_timer_cuts_off_the_pauses_that_are_as_long_and_costs_its_own_length() -> None:
    found = metrics.curves([hold(300), hold(500), hold(1000), hold(1500), end(), end(100)])
    point = metrics.point(found, 600, 600, 600)
    assert (point.cut_share, point.dead_air_ms) == (0.5, 650.0)
    assert metrics.cut_at(metrics.timers(found), 300) == 1.0
    assert metrics.cut_at(metrics.timers(found), 600) == 0.5
    assert metrics.dead_air_at(metrics.timers(found), 0.25) == 1020 + 50


def test_words_that_are_right_buy_fewer_cut_offs_for_less_dead_air() -> None:
    kinds = [hold(900, Hint.NUMBER), hold(200), end(hint=Hint.COMPLETE), end()]
    found = metrics.curves(kinds)
    plain = metrics.dead_air_at(metrics.timers(found), 0.0)
    hinted = metrics.dead_air_at(metrics.adaptive(found, after_ms=100), 0.0)
    assert plain == 920
    assert hinted == (200 + 300) / 2, "the phrase at once, the rest after the short pause"


def test_words_are_not_known_before_they_are_understood() -> None:
    found = metrics.curves([hold(200), end(hint=Hint.COMPLETE)])
    assert min(point.complete_ms for point in metrics.adaptive(found, after_ms=300)) == 400


def test_a_detector_that_takes_noise_for_speech_leaves_dead_air_and_at_worst_all_of_it() -> None:
    speech = flags((True, 1000), (False, 500), (True, 40), (False, 3460))
    one = metrics.silence(speech, 1000, 5000, last=True, length_ms=4000, hint=None)
    assert one is not None
    assert metrics.point(metrics.curves([one]), 800, 800, 800).dead_air_ms == 540 + 800
    deaf = metrics.silence(flags((True, 5000)), 1000, 5000, last=True, length_ms=4000, hint=None)
    assert deaf is not None
    assert metrics.point(metrics.curves([deaf]), 800, 800, 800).dead_air_ms == metrics.NEVER_MS


def test_a_detector_that_misses_the_next_words_cuts_off_too() -> None:
    """The pause is 300 ms, but its silence goes on over a soft beginning."""
    speech = flags((True, 1000), (False, 700), (True, 600))
    one = metrics.silence(speech, 1000, 2300, last=False, length_ms=300, hint=None)
    assert one is not None
    assert one.run_ms == 700


@pytest.mark.parametrize("ms", [100, 180, 5020])
def test_breaths_and_walks_away_are_no_pauses(ms: int) -> None:
    speech = flags((True, 1000), (False, ms), (True, 1000))
    assert metrics.silence(speech, 1000, 1000 + ms, last=False, length_ms=ms, hint=None) is None


def test_pauses_of_the_material_last_as_those_that_they_are_made_after() -> None:
    random = np.random.default_rng(1)
    drawn = np.array([pause_ms(random) for _ in range(20_000)])
    assert drawn.min() >= PAUSE_MS[0]
    for longer_ms, share in zip(PAUSE_MS, PAUSE_LONGER, strict=True):
        assert np.mean(drawn > longer_ms) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_material_says_truly_where_speech_is(condition: str) -> None:
    """Over the quiet part of each turn lies the noise alone, over the rest the caller, louder."""
    for turn in turns(3, condition):
        levels = [float(np.mean(np.square(np.frombuffer(frame, "<i2").astype(float)))) for frame in turn.frames]
        before, last = turn.begin_ms // 20, turn.pauses[-1].begin_ms // 20
        quiet = np.median(levels[: before - 1] + levels[last + 2 :])
        assert np.mean(levels[before:last]) > 3 * quiet
        for pause in turn.pauses[:-1]:
            within = levels[pause.begin_ms // 20 + 1 : pause.end_ms // 20 - 1]
            assert np.median(within) < 4 * quiet + 1
        assert [pause.last for pause in turn.pauses] == [False] * (len(turn.pauses) - 1) + [True]
        assert turn.pauses[-1].said.startswith(turn.pauses[0].said)
