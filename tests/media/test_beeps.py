"""The beeps of machines: all kinds are heard once, with their length; voices, keys and the network's tones are none."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.media.beeps import Beep, BeepDetector
from core.media.tones import beep, dtmf
from core.modem.emulator import speech

RATE_HZ = 8000
QUIET = bytes(2 * RATE_HZ // 2)


def heard(pcm: bytes, cut: int = 320) -> list[Beep]:
    detector = BeepDetector(RATE_HZ)
    found = (detector.feed(pcm[start : start + cut]) for start in range(0, len(pcm), cut))
    return [each for each in found if each is not None]


def noisy(pcm: bytes, snr_db: float, seed: int = 1) -> bytes:
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    level = 32768 * 10 ** ((-15 - snr_db) / 20)
    return (
        np.clip(samples + np.random.default_rng(seed).normal(0, level, len(samples)), -32768, 32767)
        .astype("<i2")
        .tobytes()
    )


@pytest.mark.parametrize("frequency_hz", [400, 440, 480, 620, 850, 1004, 1400, 1950, 2500])
@pytest.mark.parametrize("duration_ms", [120, 180, 400, 1500, 2300])
def test_a_beep_is_heard_once_with_its_frequency_and_length(frequency_hz: float, duration_ms: int) -> None:
    (found,) = heard(QUIET + noisy(beep(RATE_HZ, frequency_hz=frequency_hz, duration_ms=duration_ms) + QUIET, 20))
    assert abs(found.frequency_hz - frequency_hz) < 0.02 * frequency_hz
    assert abs(found.duration_ms - duration_ms) <= 40


def test_a_square_beep_a_fading_one_and_a_faint_one_are_beeps() -> None:
    times = np.arange(RATE_HZ * 4 // 10) / RATE_HZ
    square = 6000 * np.sign(np.sin(2 * math.pi * 700 * times))
    fading = 9000 * np.exp(-times * 6) * np.sin(2 * math.pi * 1000 * times)
    for samples in (square, fading):
        assert len(heard(QUIET + samples.astype("<i2").tobytes() + QUIET)) == 1
    assert len(heard(QUIET + beep(RATE_HZ, level_dbfs=-38.0) + QUIET)) == 1


@pytest.mark.parametrize(
    "pcm",
    [
        dtmf("0123456789*#ABCD", RATE_HZ, on_ms=250),
        beep(RATE_HZ, duration_ms=80) + QUIET,
        beep(RATE_HZ, frequency_hz=2100, duration_ms=3000) + QUIET,
        beep(RATE_HZ, frequency_hz=300, duration_ms=400) + QUIET,
        beep(RATE_HZ, frequency_hz=3000, duration_ms=400) + QUIET,
        np.random.default_rng(1).normal(0, 3000, 40_000).astype("<i2").tobytes(),
    ],
    ids=["dtmf", "click", "fax", "hum", "whistle", "noise"],
)
def test_keys_clicks_faxes_hum_and_noise_are_no_beeps(pcm: bytes) -> None:
    assert heard(QUIET + pcm) == []


@pytest.mark.parametrize("voice", ["en-gb+m3", "en-us+f5", "en-gb+m7", "de+f3", "fr-fr+m2", "es", "lt", "it+f4"])
def test_no_voice_beeps(voice: str) -> None:
    text = "Hello, you have reached me. Moo, ooh, aah, eeee, mmmm, who are you, no, noon, moon, loom, aaaaah, oooooh."
    samples, rate_hz = speech.synthesize(text, voice, 150, 50)
    made = speech.prepare(samples, rate_hz, line_rate_hz=RATE_HZ, snr_db=None, telephone=True, seed=1)
    assert heard(made.pcm) == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=12))
def test_any_cut_of_the_samples_gives_the_same(cuts: list[int]) -> None:
    pcm = QUIET + beep(RATE_HZ, duration_ms=200) + QUIET
    detector, start, found = BeepDetector(RATE_HZ), 0, []
    for number in range(len(pcm)):
        size = 2 * cuts[number % len(cuts)]
        if (one := detector.feed(pcm[start : start + size])) is not None:
            found.append(one)
        start += size
        if start >= len(pcm):
            break
    assert found == heard(pcm)
