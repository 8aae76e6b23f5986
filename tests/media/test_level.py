"""Levels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.audio import LINE_FORMAT
from core.media.level import FLOOR_DBFS, LevelMeter, Levels, SilenceMeter, dbfs
from core.media.tones import beep

FRAME_OF_TONE = beep(8000, frequency_hz=1000, duration_ms=60, level_dbfs=-20)[320:640]


def square(amplitude: int) -> bytes:
    return np.array([amplitude, -amplitude] * 80).clip(-32768, 32767).astype("<i2").tobytes()


def test_a_square_at_full_scale_has_0_dbfs_and_silence_the_floor() -> None:
    assert dbfs(square(32768)) == pytest.approx(0, abs=0.001)
    assert dbfs(LINE_FORMAT.silence) == FLOOR_DBFS
    assert dbfs(b"") == FLOOR_DBFS


@pytest.mark.parametrize("level", [-3.01, -20, -60])
def test_halving_the_amplitude_takes_6_db(level: float) -> None:
    amplitude = round(32768 * 10 ** (level / 20))
    assert dbfs(square(amplitude)) == pytest.approx(level, abs=0.2)


@given(st.binary(max_size=640).map(lambda data: data[: len(data) // 2 * 2]))
def test_no_frame_is_outside_of_the_scale(frame: bytes) -> None:
    assert FLOOR_DBFS <= dbfs(frame) <= 0


def test_both_directions_are_told_once_a_second() -> None:
    meter = LevelMeter(LINE_FORMAT)
    told = [meter.feed(FRAME_OF_TONE, None) for _ in range(100)]
    assert [place for place, levels in enumerate(told) if levels] == [49, 99]
    assert told[49] == told[99] == Levels(-20.0, FLOOR_DBFS)


def test_a_second_that_is_half_silent_has_half_the_power() -> None:
    meter = LevelMeter(LINE_FORMAT)
    for place in range(50):
        levels = meter.feed(None, FRAME_OF_TONE if place < 25 else LINE_FORMAT.silence)
    assert levels is not None
    assert levels.uplink_dbfs == pytest.approx(-23, abs=0.1)


def test_seconds_do_not_leak_into_each_other() -> None:
    meter = LevelMeter(LINE_FORMAT, period_ms=100)
    for _ in range(5):
        loud = meter.feed(FRAME_OF_TONE, FRAME_OF_TONE)
    for _ in range(5):
        quiet = meter.feed(LINE_FORMAT.silence, LINE_FORMAT.silence)
    assert loud is not None
    assert loud.downlink_dbfs > -21
    assert quiet == Levels(FLOOR_DBFS, FLOOR_DBFS)


def test_silence_is_counted_until_there_is_sound() -> None:
    meter = SilenceMeter(LINE_FORMAT)
    assert [meter.feed(frame) for frame in (None, LINE_FORMAT.silence, square(10), FRAME_OF_TONE, None)] == [
        20,
        40,
        60,
        0,
        20,
    ]
