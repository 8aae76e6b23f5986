"""Keys as tones, made and heard (Q.23, Q.24)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import espeak
from core.media.codecs import resample_pcm
from core.media.level import dbfs
from core.media.tones import HIGH_HZ, KEYS, LOW_HZ, DtmfDetector, beep, dtmf

ALL_KEYS = "0123456789*#ABCD"
RATE_HZ = 8000


def heard(pcm: bytes, rate_hz: int = RATE_HZ, piece: int = 320) -> str:
    detector = DtmfDetector(rate_hz)
    return "".join(key for at in range(0, len(pcm), piece) for key in detector.feed(pcm[at : at + piece]))


def tones(
    *parts: tuple[float, float, float],
    low_dbfs: float = -20.0,
    high_dbfs: float = -20.0,
    noise_dbfs: float = -70.0,
    shift: int = 0,
) -> bytes:
    """(low Hz, high Hz, ms) one after another, 0 Hz for a pause, with 100 ms before and after."""
    rng = np.random.default_rng(shift)
    pieces = [np.zeros(800 + shift)]
    for low_hz, high_hz, ms in parts:
        times = np.arange(round(RATE_HZ * ms / 1000)) / RATE_HZ
        low = 10 ** (low_dbfs / 20) * np.sin(2 * math.pi * low_hz * times)
        high = 10 ** (high_dbfs / 20) * np.sin(2 * math.pi * high_hz * times)
        pieces.append(math.sqrt(2) * (low + high))
    samples = np.concatenate([*pieces, np.zeros(800)])
    samples += rng.normal(0, 10 ** (noise_dbfs / 20), len(samples))
    return bytes(np.clip(samples * 32768, -32768, 32767).astype("<i2").tobytes())


SHIFTS = range(0, 160, 9)
"""Where a tone begins within the detector's windows must not matter."""


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize("times_ms", [(40, 40), (100, 100), (70, 40), (500, 60)])
def test_every_key_that_we_send_is_heard_once(rate_hz: int, times_ms: tuple[int, int]) -> None:
    on_ms, off_ms = times_ms
    assert heard(dtmf(ALL_KEYS, rate_hz, on_ms=on_ms, off_ms=off_ms), rate_hz) == ALL_KEYS


def test_the_same_key_pressed_again_is_heard_again() -> None:
    assert heard(dtmf("1111222", RATE_HZ, on_ms=40, off_ms=40)) == "1111222"


def test_a_key_held_for_seconds_is_one_key() -> None:
    assert heard(dtmf("5", RATE_HZ, on_ms=5000)) == "5"


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_tone_of_40_ms_is_a_key_and_one_of_20_ms_is_not(shift: int) -> None:
    assert heard(tones((770, 1336, 40), shift=shift)) == "5"
    assert heard(tones((770, 1336, 20), shift=shift)) == ""


@pytest.mark.parametrize("shift", SHIFTS)
def test_an_interruption_of_20_ms_is_no_second_key_and_a_pause_of_40_ms_is(shift: int) -> None:
    assert heard(tones((770, 1336, 80), (0, 0, 20), (770, 1336, 80), shift=shift)) == "5"
    assert heard(tones((770, 1336, 80), (0, 0, 40), (770, 1336, 80), shift=shift)) == "55"


@pytest.mark.parametrize("shift", [0, 77])
@pytest.mark.parametrize("key", ALL_KEYS)
def test_frequencies_within_1_5_percent_are_keys_and_from_3_5_percent_are_not(key: str, shift: int) -> None:
    row = next(place for place, columns in enumerate(KEYS) if key in columns)
    low_hz, high_hz = LOW_HZ[row], HIGH_HZ[KEYS[row].index(key)]
    for low, high in ((1.015, 1.015), (0.985, 1.015), (0.985, 0.985)):
        assert heard(tones((low_hz * low, high_hz * high, 60), shift=shift)) == key
    for low, high in ((1.035, 1), (0.965, 1), (1, 1.035), (1, 0.965)):
        assert heard(tones((low_hz * low, high_hz * high, 60), shift=shift)) == ""


@pytest.mark.parametrize(("high_over_low_db", "is_key"), [(-11, False), (-8, True), (0, True), (4, True), (7, False)])
def test_twist_beyond_the_limits_is_no_key(high_over_low_db: float, is_key: bool) -> None:
    pcm = tones((852, 1477, 60), low_dbfs=-20, high_dbfs=-20 + high_over_low_db)
    assert heard(pcm) == ("9" if is_key else "")


@pytest.mark.parametrize("level_dbfs", [-6, -20, -40])
def test_quiet_and_loud_keys_are_heard(level_dbfs: float) -> None:
    assert heard(tones((697, 1209, 60), low_dbfs=level_dbfs, high_dbfs=level_dbfs)) == "1"


@pytest.mark.parametrize("shift", SHIFTS)
def test_keys_are_heard_through_noise_10_db_below(shift: int) -> None:
    assert heard(tones((941, 1633, 60), noise_dbfs=-27, shift=shift)) == "D"


@pytest.mark.parametrize("alone", [(697.0, 0.0), (0.0, 1477.0), (440.0, 1000.0), (350.0, 440.0), (697.0, 770.0)])
def test_other_tones_are_no_keys(alone: tuple[float, float]) -> None:
    assert heard(tones((*alone, 500))) == ""


@pytest.mark.parametrize("voice", ["en-us", "en-gb+m3", "de+f2", "fr-fr+f4"])
def test_speech_is_never_a_key(voice: str) -> None:
    text = (
        "Hello, this is Anna. One two three four five six seven eight nine zero. Yes, I'll hold. Ooooh. Eeeee. Aaaah."
    )
    speech = espeak.synthesize(text * 2, voice=voice)
    pcm = resample_pcm(speech.pcm, speech.rate_hz, RATE_HZ)
    assert len(pcm) > 10 * 16_000
    assert heard(pcm) == ""


def test_noise_is_never_a_key() -> None:
    noise = np.random.default_rng(1).normal(0, 3000, RATE_HZ * 30)
    assert heard(np.clip(noise, -32768, 32767).astype("<i2").tobytes()) == ""


@settings(max_examples=40, deadline=None)
@given(pieces=st.lists(st.integers(1, 700), min_size=1, max_size=30))
def test_keys_are_the_same_however_the_bytes_are_cut(pieces: list[int]) -> None:
    pcm = dtmf("15#", RATE_HZ, on_ms=60, off_ms=60)
    detector = DtmfDetector(RATE_HZ)
    found, at = "", 0
    for size in [*pieces, len(pcm)]:
        found += "".join(detector.feed(pcm[at : at + size]))
        at += size
    assert found == "15#"


def test_active_says_that_a_key_sounds_right_now() -> None:
    detector = DtmfDetector(RATE_HZ)
    assert not detector.active
    detector.feed(dtmf("5", RATE_HZ, on_ms=200, off_ms=40))
    assert detector.active
    detector.feed(bytes(320 * 5))
    assert not detector.active


@pytest.mark.parametrize("wrong", ["x", "a", " ", "1 2", "+"])
def test_what_is_no_key_cannot_be_sent(wrong: str) -> None:
    with pytest.raises(ValueError, match="keys"):
        dtmf(wrong, RATE_HZ)


def test_tones_too_short_to_be_heard_are_not_made() -> None:
    with pytest.raises(ValueError, match="40 ms"):
        dtmf("1", RATE_HZ, on_ms=30)


def test_a_beep_has_its_length_level_and_soft_edges() -> None:
    pcm = beep(RATE_HZ, frequency_hz=1000, duration_ms=200, level_dbfs=-15)
    assert len(pcm) == 3200
    assert dbfs(pcm[320:-320]) == pytest.approx(-15, abs=0.1)
    assert np.abs(np.frombuffer(pcm[:4], "<i2")).max() < 50
    assert np.abs(np.frombuffer(pcm[-4:], "<i2")).max() < 50


def test_tones_together_do_not_clip() -> None:
    assert np.abs(np.frombuffer(dtmf("D", RATE_HZ), "<i2").astype(int)).max() < 32767
