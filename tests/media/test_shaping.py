"""Gain, limiter, clarity filter, comfort noise: measured, on tones and on speech."""

import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from core import espeak
from core.audio import LINE_FORMAT, PcmFormat
from core.media.codecs import resample_pcm
from core.media.level import dbfs
from core.media.limiter import CEILING, Limiter
from core.media.noise import LOOP_FRAMES, ComfortNoise
from core.media.shaping import Shaper, clarity_taps, shaper

Samples = "np.ndarray[tuple[int], np.dtype[np.float64]]"
RATE_HZ = 8000
FRAME = 320


def pcm_of(samples: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> bytes:
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def floats(pcm: bytes) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def sine(frequency_hz: float, level_dbfs: float, seconds: float = 2.0) -> bytes:
    times = np.arange(int(RATE_HZ * seconds)) / RATE_HZ
    return pcm_of(32768 * math.sqrt(2) * 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * frequency_hz * times))


def spoken(voice: str) -> bytes:
    speech = espeak.synthesize(
        "She sells six thick thistle sticks. The ship has sailed; we asked for the first sixty seats.", voice=voice
    )
    return resample_pcm(speech.pcm, speech.rate_hz, RATE_HZ)


@pytest.fixture(scope="module")
def speech() -> bytes:
    return spoken("en-gb")


def in_frames(shape: Shaper, pcm: bytes, size: int = FRAME) -> bytes:
    return b"".join(shape.feed(pcm[at : at + size]) for at in range(0, len(pcm), size)) + shape.flush()


def at_once(shape: Shaper, pcm: bytes) -> bytes:
    return shape.feed(pcm) + shape.flush()


def band_db(pcm: bytes, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(floats(pcm))) ** 2
    hz = np.fft.rfftfreq(len(pcm) // 2, 1 / RATE_HZ)
    return 10 * math.log10(float(power[(hz >= low_hz) & (hz < high_hz)].sum()) + 1e-9)


def a_weighted_db(pcm: bytes) -> float:
    power = np.abs(np.fft.rfft(floats(pcm))) ** 2
    hz = np.maximum(np.fft.rfftfreq(len(pcm) // 2, 1 / RATE_HZ), 1)
    f2 = hz**2
    weight = (12194**2 * f2**2 / ((f2 + 20.6**2) * np.sqrt((f2 + 107.7**2) * (f2 + 737.9**2)) * (f2 + 12194**2))) ** 2
    return 10 * math.log10(float((power * weight).sum()))


def test_nothing_to_do_is_no_shaper() -> None:
    assert shaper(RATE_HZ, 0.0) is None
    assert shaper(RATE_HZ, 3.0) is not None
    assert shaper(RATE_HZ, 0.0, clarity=True) is not None


@pytest.mark.parametrize("gain_db", [-20.0, -6.0, 6.0, 12.0])
def test_a_gain_is_exact_where_nothing_would_clip(gain_db: float) -> None:
    quiet = sine(1000, -30)
    assert dbfs(in_frames(Shaper(RATE_HZ, gain_db), quiet)) == pytest.approx(-30 + gain_db, abs=0.05)


@pytest.mark.parametrize("gain_db", [6.0, 12.0, 30.0])
def test_no_gain_ever_clips(gain_db: float, speech: bytes) -> None:
    for pcm in (speech, sine(300, -3), sine(3300, -3), pcm_of(np.random.default_rng(1).normal(0, 9000, 16000))):
        out = floats(in_frames(Shaper(RATE_HZ, gain_db), pcm))
        assert np.abs(out).max() <= CEILING * 32768 + 1


@settings(max_examples=60, deadline=None)
@given(
    samples=st.lists(st.integers(-32768, 32767), min_size=1, max_size=1500),
    gain_db=st.floats(-30, 30),
    clarity=st.booleans(),
)
def test_whatever_comes_in_stays_within_full_scale_and_keeps_its_length(
    samples: list[int], gain_db: float, clarity: bool
) -> None:
    pcm = np.array(samples, "<i2").tobytes()
    out = in_frames(Shaper(RATE_HZ, gain_db, clarity=clarity), pcm)
    assert len(out) == len(pcm)
    assert np.abs(floats(out)).max() <= CEILING * 32768 + 1


@settings(max_examples=30, deadline=None)
@given(pieces=st.lists(st.integers(1, 900), min_size=1, max_size=12))
def test_the_clarity_filter_does_not_care_how_the_bytes_are_cut(pieces: list[int]) -> None:
    pcm = sine(440, -20, 0.4)
    whole = at_once(Shaper(RATE_HZ, 0.0, clarity=True), pcm)
    cut, at, shape = b"", 0, Shaper(RATE_HZ, 0.0, clarity=True)
    for size in [*pieces, len(pcm)]:
        cut += shape.feed(pcm[at * 2 : (at + size) * 2])
        at += size
    cut += shape.flush()
    assert np.abs(floats(cut) - floats(whole)).max() <= 1


@pytest.mark.parametrize("frequency_hz", [200.0, 440.0, 1000.0, 2500.0])
def test_a_limited_tone_stays_a_tone(frequency_hz: float) -> None:
    """20 dB too loud: a hard clip would put -10 dB of harmonics there."""
    out = in_frames(Shaper(RATE_HZ, 20.0), sine(frequency_hz, -9, 3.0))[16000:]
    tone_db, rest_db = band_db(out, frequency_hz - 40, frequency_hz + 40), band_db(out, 20, 4000)
    harmonics_db = 10 * math.log10(max(1e-9, 10 ** (rest_db / 10) - 10 ** (tone_db / 10)))
    assert harmonics_db - tone_db < -30


def test_the_limiter_makes_no_clicks() -> None:
    """The loudness jumps by 30 dB and back: no step in the output is steeper than the sound itself at that loudness."""
    quiet, loud = sine(400, -40, 0.5), sine(400, -6, 0.5)
    out = floats(in_frames(Shaper(RATE_HZ, 12.0), quiet + loud + quiet + loud))
    steepest = 2 * np.pi * 400 / RATE_HZ * 32767
    assert np.abs(np.diff(out)).max() < 1.1 * steepest


def test_the_limiter_lets_go_within_half_a_second() -> None:
    limiter = Limiter(RATE_HZ)
    limiter.feed(np.full(800, 8.0, np.float32))
    assert limiter.gain == pytest.approx(CEILING / 8)
    limiter.feed(np.full(4000, 0.01, np.float32))
    assert limiter.gain == 1.0


def test_what_is_below_the_ceiling_passes_the_limiter_untouched() -> None:
    samples = np.random.default_rng(2).uniform(-CEILING, CEILING, 1000).astype(np.float32)
    limiter = Limiter(RATE_HZ)
    assert np.array_equal(np.concatenate((limiter.feed(samples), limiter.flush())), samples)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_frames_come_out_as_frames_a_moment_late(rate_hz: int) -> None:
    shape, frame_bytes = Shaper(rate_hz, 6.0, frames=True), PcmFormat(rate_hz).frame_bytes
    quiet = pcm_of(np.random.default_rng(3).normal(0, 500, 10 * frame_bytes // 2))
    out = [shape.feed(quiet[at : at + frame_bytes]) for at in range(0, len(quiet), frame_bytes)]
    assert {len(frame) for frame in out} == {frame_bytes}
    late = rate_hz // 400
    got, want = floats(b"".join(out)), np.rint(floats(quiet) * 10 ** (6 / 20))
    assert np.abs(got[late:] - want[:-late]).max() <= 1
    assert not got[:late].any()


VOICES = ["en-gb", "en-us+f3", "de+m5", "es+f2"]


@pytest.mark.parametrize("voice", VOICES)
def test_the_clarity_filter_lifts_consonants_and_keeps_the_loudness(voice: str) -> None:
    before = spoken(voice)
    after = at_once(Shaper(RATE_HZ, 0.0, clarity=True), before)
    assert a_weighted_db(after) == pytest.approx(a_weighted_db(before), abs=1.5)
    tilt = [band_db(pcm, 1800, 3400) - band_db(pcm, 300, 900) for pcm in (before, after)]
    assert tilt[1] - tilt[0] > 3.0
    assert band_db(after, 20, 120) - band_db(before, 20, 120) < -6.0


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
@pytest.mark.parametrize("voice", ["slt", "rms"])
def test_the_clarity_filter_is_as_loud_on_other_synthesisers(voice: str, tmp_path: Path) -> None:
    wav = tmp_path / "said.wav"
    subprocess.run(["flite", "-voice", voice, "-t", "The quick brown fox jumps over it.", "-o", str(wav)], check=True)
    samples, rate_hz = soundfile.read(wav, dtype="int16")
    before = resample_pcm(samples.tobytes(), rate_hz, RATE_HZ)
    after = at_once(Shaper(RATE_HZ, 0.0, clarity=True), before)
    assert a_weighted_db(after) == pytest.approx(a_weighted_db(before), abs=1.5)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_the_clarity_filter_is_that_of_the_field_reports(rate_hz: int) -> None:
    """A high-pass at 180 Hz (-3 dB) and 1 - 0.35/z at 8 kHz, up to its gain."""
    taps = clarity_taps(rate_hz).astype(np.float64)
    hz = np.array([60.0, 180.0, 1000.0, 3000.0])
    response = np.abs(np.exp(-2j * np.pi * hz[:, None] * np.arange(len(taps)) / rate_hz) @ taps)
    emphasis = np.abs(1 - 0.35 * np.exp(-2j * np.pi * hz / 8000))
    high_pass = 20 * np.log10(response / emphasis / (response[2] / emphasis[2]))
    assert high_pass[1] == pytest.approx(-3, abs=0.3)
    assert high_pass[0] < -18
    assert high_pass[3] == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize("level_dbfs", [-50.0, -60.0, -75.0])
def test_comfort_noise_has_its_level_and_no_tone(level_dbfs: float, rate_hz: int) -> None:
    noise = ComfortNoise(PcmFormat(rate_hz), level_dbfs)
    pcm = b"".join(noise.frame() for _ in range(LOOP_FRAMES))
    assert dbfs(pcm) == pytest.approx(level_dbfs, abs=0.5)
    power = np.abs(np.fft.rfft(floats(pcm))) ** 2
    assert power.max() < 0.02 * power.sum()


def test_comfort_noise_has_no_seam() -> None:
    noise = ComfortNoise(LINE_FORMAT, -40.0)
    out = floats(b"".join(noise.frame() for _ in range(2 * LOOP_FRAMES + 1)))
    steps = np.abs(np.diff(out))
    seams = steps[LINE_FORMAT.frame_samples - 1 :: LINE_FORMAT.frame_samples]
    assert seams.max() <= steps.max() and seams.mean() < 1.5 * steps.mean()


def test_comfort_noise_is_no_speech() -> None:
    from core.media.vad import WebRtcVad

    noise, vad = ComfortNoise(LINE_FORMAT, -55.0), WebRtcVad(RATE_HZ)
    heard = [vad.is_speech(noise.frame()) for _ in range(250)]
    assert sum(heard) <= 5
